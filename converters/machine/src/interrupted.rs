//! System calls that end with EINTR when a thread that waits in them is made to stop, though no handler runs
//! (signal(7), "Interruption of system calls and library functions by stop signals"). All others the kernel
//! begins anew by itself.

/// Such a call.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Interruptible {
    /// Its name.
    pub name: &'static str,
    limit: Limit,
}

/// How long a call may wait.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Limit {
    /// Without end.
    None,
    /// As long as the argument of this number says in memory; without end if it is null.
    At(usize),
    /// As many milliseconds as the argument of this number is; without end if it is negative.
    Milliseconds(usize),
}

impl Interruptible {
    /// The call of this number on x86-64, if it is one.
    pub fn of(number: u64) -> Option<Interruptible> {
        let (name, limit) = match number {
            65 => ("semop", Limit::None),
            128 => ("rt_sigtimedwait", Limit::At(2)),
            208 => ("io_getevents", Limit::At(4)),
            220 => ("semtimedop", Limit::At(3)),
            232 => ("epoll_wait", Limit::Milliseconds(3)),
            281 => ("epoll_pwait", Limit::Milliseconds(3)),
            333 => ("io_pgetevents", Limit::At(4)),
            441 => ("epoll_pwait2", Limit::At(3)),
            _ => return None,
        };
        Some(Interruptible { name, limit })
    }

    /// Whether it waits without end, so that it can begin anew and has lost nothing.
    pub fn is_endless(&self, arguments: [u64; 6]) -> bool {
        match self.limit {
            Limit::None => true,
            Limit::At(number) => arguments[number] == 0,
            Limit::Milliseconds(number) => (arguments[number] as i32) < 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_without_a_time_limit_is_endless() {
        let endless =
            |number, arguments| Interruptible::of(number).map(|c| c.is_endless(arguments));
        assert_eq!(endless(65, [1; 6]), Some(true));
        assert_eq!(endless(128, [1, 1, 0, 8, 1, 1]), Some(true));
        assert_eq!(endless(128, [1, 1, 0x7000, 8, 1, 1]), Some(false));
        assert_eq!(endless(220, [1, 1, 1, 0, 1, 1]), Some(true));
        assert_eq!(endless(208, [1, 1, 1, 1, 0x7000, 1]), Some(false));
        // Of an int only the lower half counts.
        assert_eq!(endless(232, [1, 1, 1, 0xffff_ffff, 1, 1]), Some(true));
        assert_eq!(endless(232, [1, 1, 1, 0, 1, 1]), Some(false));
        assert_eq!(endless(281, [1, 1, 1, 100, 1, 1]), Some(false));
        assert_eq!(endless(0, [0; 6]), None);
    }
}
