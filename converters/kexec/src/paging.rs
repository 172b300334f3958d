//! Whether the next kernel takes over the page tables that kexec leaves it.
//!
//! A kernel without 5-level paging that is started while it is on goes back to four levels before it unpacks itself. For
//! that it copies the table that the first entry of the topmost one leads to, and takes all above the page's offset
//! for the address (5.10 `arch/x86/boot/compressed/pgtable_64.c`: `paging_prepare`). A newer kernel marks the entries of
//! the tables that it leaves in bit 58 (6.12 `arch/x86/mm/ident_map.c`: `kernel_ident_mapping_init`,
//! `_PAGE_NOPTISHADOW`). Such an address is none, and the machine starts anew, through its firmware.

use crate::release::read;
use std::fs::File;
use std::io;

/// `xloadflags` of a bzImage (Documentation/arch/x86/boot.rst), 2 bytes.
const LOAD_FLAGS: u64 = 0x236;
/// The kernel can go on with five levels (`arch/x86/include/uapi/asm/bootparam.h`: `XLF_5LEVEL_ENABLED`).
const FIVE_LEVELS: u16 = 1 << 6;
/// The newest series, of those that are known, that does not mark its tables.
const UNMARKED: (u32, u32) = (6, 1);

/// The kernel that is to start another one.
#[derive(Copy, Clone, Debug)]
pub struct Running<'a> {
    /// Its release, as `uname -r` says it.
    pub release: &'a str,
    /// Whether its page tables have five levels.
    pub five_levels: bool,
}

impl Running<'_> {
    /// Whether the machine starts anew if it starts the bzImage `kernel`. What is too short for a header the kernel refuses.
    ///
    /// # Errors
    /// What the system says of the file.
    pub(crate) fn resets_with(self, kernel: &File) -> io::Result<bool> {
        let flags = read(kernel, LOAD_FLAGS, 2)?;
        let flags = <[u8; 2]>::try_from(flags.as_slice()).map_or(0, u16::from_le_bytes);
        Ok(flags & FIVE_LEVELS == 0 && self.five_levels && self.marks())
    }

    /// Whether it marks the tables that it leaves.
    fn marks(self) -> bool {
        let numbers = self.release.split(['.', '-', '+']);
        let mut numbers = numbers.map_while(|number| number.parse().ok());
        let mut next = || numbers.next().unwrap_or_default();
        (next(), next()) > UNMARKED
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::io::Write;

    /// What Debian's 5.10 has, and 6.1.
    const OF_5_10: u16 = 0x3f;
    const OF_6_1: u16 = 0x7f;

    fn resets(release: &str, five_levels: bool, flags: u16) -> bool {
        let mut kernel = tempfile::tempfile().unwrap();
        kernel.write_all(&[0xff; LOAD_FLAGS as usize]).unwrap();
        kernel.write_all(&flags.to_le_bytes()).unwrap();
        kernel.write_all(&[0xff; 16]).unwrap();
        let running = Running {
            release,
            five_levels,
        };
        running.resets_with(&kernel).unwrap()
    }

    #[test]
    fn a_kernel_of_four_levels_is_refused_where_five_are_on_and_marked() {
        for running in ["6.12.117+deb12-amd64", "7.3.4+deb13-amd64", "6.2.0"] {
            assert!(resets(running, true, OF_5_10), "{running}");
            assert!(!resets(running, false, OF_5_10), "{running}");
            assert!(!resets(running, true, OF_6_1), "{running}");
        }
        for running in ["6.1.0-47-amd64", "5.10.0-46-amd64"] {
            assert!(!resets(running, true, OF_5_10), "{running}");
        }
    }
}
