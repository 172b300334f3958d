//! ELF core files of a kernel: where in the file its memory is, and the notes.
//!
//! Fields are those of "System V Application Binary Interface", Edition 4.1, chapters 4 and 5, in
//! their 64-bit form; a file of more segments than `e_phnum` can say has their number in the
//! first section header. Whatever the file holds, reading it ends, with memory in proportion to
//! its headers and notes.

use kconv_machine::{Note, notes, read_some};
use kernel_structs_bits::little_endian;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const PT_LOAD: u64 = 1;
const PT_NOTE: u64 = 4;
const EM_X86_64: u64 = 62;
const ET_CORE: u64 = 4;
/// `e_phnum` of a file with more segments (`PN_XNUM`).
const MANY: u64 = 0xffff;
/// The most segments, and the most bytes of notes of all of them together, that are read.
const MAX_SEGMENTS: u64 = 1 << 20;
const MAX_NOTES: u64 = 1 << 26;

/// Memory that a file has.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    /// Virtual address of the first byte.
    pub(crate) virt: u64,
    /// Physical address of the first byte.
    pub(crate) phys: u64,
    /// Where it is in the file.
    pub(crate) offset: u64,
    /// How many bytes are in the file.
    pub(crate) size: u64,
}

/// What the headers of a core file say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Core {
    pub(crate) loads: Vec<Load>,
    pub(crate) notes: Vec<Note>,
}

/// Why a file is no core file of a kernel.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// It cannot be read.
    #[error("the headers cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("this is no {expected}")]
    Other {
        /// What it should be.
        expected: &'static str,
    },
    /// The headers contradict themselves.
    #[error("{count} {what} are more than there can be")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many the file says.
        count: u64,
    },
}

/// Whether a file begins as an ELF file does.
pub(crate) fn is_elf(file: &File) -> io::Result<bool> {
    let mut magic = [0; 4];
    Ok(read_some(file, &mut magic, 0)? == 4 && magic == *b"\x7fELF")
}

/// Reads the headers of a core file of an x86-64 kernel.
pub(crate) fn read(file: &File) -> Result<Core, ElfError> {
    let expected = "ELF core file of a 64-bit x86 kernel";
    let other = || ElfError::Other { expected };
    let mut header = [0; 64];
    file.read_exact_at(&mut header, 0)?;
    let number = |at: usize, width: usize| little_endian(&header[at..at + width]);
    // Class 64, little-endian.
    if header[..6] != *b"\x7fELF\x02\x01" || number(18, 2) != EM_X86_64 || number(16, 2) != ET_CORE
    {
        return Err(other());
    }
    let (start, size) = (number(32, 8), number(54, 2));
    let mut count = number(56, 2);
    if count == MANY {
        let mut section = [0; 64];
        file.read_exact_at(&mut section, number(40, 8))?;
        count = little_endian(&section[44..48]);
    }
    if size != 56 {
        return Err(other());
    }
    if count > MAX_SEGMENTS {
        let what = "segments";
        return Err(ElfError::TooMany { what, count });
    }
    let mut table = vec![0; (count * size) as usize];
    file.read_exact_at(&mut table, start)?;
    let mut core = Core::default();
    let mut noted = 0u64;
    for entry in table.chunks_exact(56) {
        let number = |at: usize| little_endian(&entry[at..at + 8]);
        let (offset, size) = (number(8), number(32));
        match little_endian(&entry[..4]) {
            PT_LOAD if size > 0 => core.loads.push(Load {
                virt: number(16),
                phys: number(24),
                offset,
                size,
            }),
            PT_NOTE => {
                noted = noted.saturating_add(size);
                if noted > MAX_NOTES {
                    let what = "bytes of notes";
                    return Err(ElfError::TooMany { what, count: noted });
                }
                let mut bytes = vec![0; size as usize];
                let read = read_some(file, &mut bytes, offset)?;
                core.notes.extend(notes(&bytes[..read]));
            }
            _ => {}
        }
    }
    Ok(core)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;

    /// A core file with one segment of memory and one note.
    fn core() -> Vec<u8> {
        let mut file = vec![0u8; 64];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[16..18].copy_from_slice(&4u16.to_le_bytes());
        file[18..20].copy_from_slice(&62u16.to_le_bytes());
        file[32..40].copy_from_slice(&64u64.to_le_bytes());
        file[54..56].copy_from_slice(&56u16.to_le_bytes());
        file[56..58].copy_from_slice(&2u16.to_le_bytes());
        for (ty, values) in [
            (4u32, [176, 0, 0, 24, 24, 0]),
            (1, [200, 0x7000, 0x1000, 8, 16, 0]),
        ] {
            file.extend(ty.to_le_bytes());
            file.extend(0u32.to_le_bytes());
            file.extend(values.iter().flat_map(|value: &u64| value.to_le_bytes()));
        }
        file.extend([3u32, 5, 7].iter().flat_map(|word| word.to_le_bytes()));
        file.extend(b"ab\0\0hello\0\0\0");
        file.extend([1; 8]);
        file
    }

    fn written(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn segments_and_notes_are_found() {
        let core = read(&written(&core())).unwrap();
        assert_eq!(
            core.loads,
            [Load {
                virt: 0x7000,
                phys: 0x1000,
                offset: 200,
                size: 8
            }]
        );
        assert_eq!(core.notes[0].owner, "ab");
        assert_eq!(
            (core.notes[0].kind, &core.notes[0].bytes[..]),
            (7, &b"hello"[..])
        );
    }

    #[test]
    fn what_is_cut_off_or_something_else_is_an_error() {
        let whole = core();
        for length in 0..64 + 2 * 56 {
            assert!(read(&written(&whole[..length])).is_err(), "{length}");
        }
        for (at, value) in [(0, 0), (4, 1), (16, 2), (18, 3), (54, 32)] {
            let mut other = whole.clone();
            other[at] = value;
            assert!(read(&written(&other)).is_err(), "{at}");
        }
    }
}
