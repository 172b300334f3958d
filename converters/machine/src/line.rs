//! Which devices are terminals, and whose.

/// What a device number says of a terminal (`Documentation/admin-guide/devices.txt`).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// None.
    No,
    /// The master of a pseudo-terminal: `/dev/ptmx`.
    Master,
    /// The other side of one: `/dev/pts/N`.
    Pseudo,
    /// `/dev/tty`: the controlling terminal of whoever opens it.
    Controlling,
    /// A line of the machine: a virtual console, a serial line, the console.
    OfMachine,
}

impl Line {
    /// Which one the character device with this `inode.i_rdev` is (`include/linux/kdev_t.h`: MAJOR).
    pub fn of(number: u64) -> Line {
        Line::at((number >> 20) as u32, number as u32 & 0xf_ffff)
    }

    /// Which one the character device with these numbers is.
    pub fn at(major: u32, minor: u32) -> Line {
        match (major, minor) {
            (5, 2) => Line::Master,
            (5, 0) => Line::Controlling,
            // /dev/tty0 is whichever console is in front when it is opened.
            (4, 0) => Line::Controlling,
            (136..=143, _) => Line::Pseudo,
            (4 | 5 | 204 | 229, _) => Line::OfMachine,
            _ => Line::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Line;

    #[test]
    fn a_device_number_tells_whose_a_terminal_is() {
        let of = |major: u64, minor: u64| Line::of(major << 20 | minor);
        assert_eq!(of(1, 3), Line::No);
        assert_eq!(of(8, 0), Line::No);
        assert_eq!(of(5, 2), Line::Master);
        for (major, minor) in [(136, 0), (136, 255), (143, 1)] {
            assert_eq!(of(major, minor), Line::Pseudo);
        }
        // Whoever opens these gets another.
        for minor in [0, 1] {
            assert_eq!(of(4 + minor, 0), Line::Controlling);
        }
        for (major, minor) in [(4, 1), (4, 64), (5, 1), (204, 64), (229, 0)] {
            assert_eq!(of(major, minor), Line::OfMachine);
        }
        assert_eq!(Line::at(136, 300), Line::Pseudo);
        assert_eq!(Line::at(1, 3), Line::No);
    }
}
