//! Whether the next kernel takes over the page tables that kexec leaves it.
//!
//! A kernel without 5-level paging that is started while it is on goes back to four levels before it unpacks itself. For
//! that it copies the table that the first entry of the topmost one leads to, and takes all above the page's offset
//! for the address (5.10 `arch/x86/boot/compressed/pgtable_64.c`: `paging_prepare`). A newer kernel marks the entries of
//! the tables that it leaves in bit 58 (6.12 `arch/x86/mm/ident_map.c`: `kernel_ident_mapping_init`,
//! `_PAGE_NOPTISHADOW`). Such an address is none, and the machine starts anew, through its firmware.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// `xloadflags` of a bzImage (Documentation/arch/x86/boot.rst), 2 bytes.
const LOAD_FLAGS: u64 = 0x236;
/// The kernel can go on with five levels (`arch/x86/include/uapi/asm/bootparam.h`: `XLF_5LEVEL_ENABLED`).
const FIVE_LEVELS: u16 = 1 << 6;
/// The newest series, of those that are known, that does not mark its tables.
const UNMARKED: (u32, u32) = (6, 1);

/// `xloadflags` of a bzImage. Zero if the file ends before them.
///
/// # Errors
/// What the system says.
pub(crate) fn load_flags(mut kernel: &File) -> io::Result<u16> {
    let mut flags = [0; 2];
    kernel.seek(SeekFrom::Start(LOAD_FLAGS))?;
    match kernel.read_exact(&mut flags) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(u16::from_le_bytes(flags)),
    }
}

/// Whether a kernel with these `xloadflags` resets the machine, by the running kernel's release and what that says of
/// the CPU. That has `la57` among the flags where five levels are on, and not where they could be
/// (`arch/x86/kernel/cpu/common.c`: `early_identify_cpu`).
pub(crate) fn resets(next: u16, running: &str, cpuinfo: &str) -> bool {
    let mut numbers = running
        .split(['.', '-', '+'])
        .map_while(|number| number.parse().ok());
    let series = (
        numbers.next().unwrap_or_default(),
        numbers.next().unwrap_or_default(),
    );
    let flags = cpuinfo
        .lines()
        .find(|line| line.starts_with("flags"))
        .unwrap_or_default();
    let five_are_on = flags.split_ascii_whitespace().any(|flag| flag == "la57");
    next & FIVE_LEVELS == 0 && series > UNMARKED && five_are_on
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::io::Write;

    const FIVE: &str = "processor\t: 0\nflags\t\t: fpu lm la57 rdpid\n";
    const FOUR: &str = "processor\t: 0\nflags\t\t: fpu lm rdpid\nbugs\t\t: la57\n";
    /// What Debian's 5.10 has, and 6.1.
    const OF_5_10: u16 = 0x3f;
    const OF_6_1: u16 = 0x7f;

    #[test]
    fn a_kernel_of_four_levels_is_refused_where_five_are_on_and_marked() {
        for running in ["6.12.117+deb12-amd64", "7.3.4+deb13-amd64", "6.2.0"] {
            assert!(resets(OF_5_10, running, FIVE), "{running}");
            assert!(!resets(OF_5_10, running, FOUR), "{running}");
            assert!(!resets(OF_6_1, running, FIVE), "{running}");
        }
        for running in ["6.1.0-47-amd64", "5.10.0-46-amd64"] {
            assert!(!resets(OF_5_10, running, FIVE), "{running}");
        }
    }

    #[test]
    fn the_flags_are_those_of_the_header() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[0xaa; 0x236]).unwrap();
        assert_eq!(load_flags(&file).unwrap(), 0);
        file.write_all(&[0x7f, 0x01, 0xaa]).unwrap();
        assert_eq!(load_flags(&file).unwrap(), 0x17f);
    }
}
