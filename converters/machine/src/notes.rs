//! ELF notes, and the build ID that programs, libraries and kernels have among them.
//!
//! Fields are those of "System V Application Binary Interface", Edition 4.1, chapter 5, little-endian.
//! Whatever the bytes hold, reading them ends.

use kernel_structs_bits::little_endian;

/// A note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Who says what it means.
    pub owner: String,
    /// What it is, in words of its owner.
    pub kind: u64,
    /// What it says.
    pub bytes: Vec<u8>,
}

/// `PT_NOTE`.
const PT_NOTE: u64 = 4;

/// The notes in `bytes`, up to one that is cut off.
pub fn notes(bytes: &[u8]) -> Vec<Note> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while rest.len() >= 12 {
        let number = |at: usize| little_endian(&rest[at..at + 4]) as usize;
        let (name, size, kind) = (number(0), number(4), number(8));
        let start = 12 + name.next_multiple_of(4);
        let end = start.saturating_add(size);
        let (Some(owner), Some(bytes)) = (rest.get(12..12 + name), rest.get(start..end)) else {
            break;
        };
        let owner = owner.split(|byte| *byte == 0).next().unwrap_or_default();
        found.push(Note {
            owner: String::from_utf8_lossy(owner).into_owned(),
            kind: kind as u64,
            bytes: bytes.to_vec(),
        });
        rest = rest.get(end.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// `NT_GNU_BUILD_ID`.
const BUILD_ID: u64 = 3;

/// The build ID in notes: what a linker derived from all that it linked.
pub fn build_id_of(notes: &[Note]) -> Option<&[u8]> {
    let is_id = |note: &&Note| note.owner == "GNU" && note.kind == BUILD_ID;
    notes.iter().find(is_id).map(|note| note.bytes.as_slice())
}

/// The build ID of a 64-bit program or library, if its first page has it, as it has of all that
/// linkers make: `None` of anything else.
pub fn build_id(first_page: &[u8]) -> Option<Vec<u8>> {
    // ELFCLASS64, ELFDATA2LSB.
    if !first_page.starts_with(&[0x7f, b'E', b'L', b'F', 2, 1]) {
        return None;
    }
    let number = |at: usize, size: usize| {
        let bytes = first_page.get(at..at.checked_add(size)?)?;
        usize::try_from(little_endian(bytes)).ok()
    };
    let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    (0..count).find_map(|index| {
        let header = table.checked_add(index * size)?;
        if number(header, 4)? as u64 != PT_NOTE {
            return None;
        }
        let (start, size) = (number(header + 8, 8)?, number(header + 32, 8)?);
        let notes = notes(first_page.get(start..start.checked_add(size)?)?);
        build_id_of(&notes).map(<[u8]>::to_vec)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_program_is_known_by_its_build_id() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let found = build_id(&program[..4096]);
        let said = std::process::Command::new("readelf")
            .arg("-n")
            .arg(std::env::current_exe().unwrap())
            .output();
        let said = String::from_utf8(said.unwrap().stdout).unwrap();
        let line = said
            .lines()
            .find_map(|line| line.trim().strip_prefix("Build ID: "));
        let hex = |id: Vec<u8>| {
            id.iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        assert!(found.is_some());
        assert_eq!(found.map(hex).as_deref(), line);
        for length in 0..4096 {
            build_id(&program[..length]);
        }
        let mut extreme = program[..4096].to_vec();
        for at in (32..40).chain(54..58) {
            extreme[at] = 0xff;
            assert_eq!(build_id(&extreme), None);
        }
        assert_eq!(build_id(b"#!/bin/sh"), None);
    }

    #[test]
    fn a_note_longer_than_its_segment_ends_the_notes() {
        let mut bytes = [4u32, u32::MAX, 1]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect::<Vec<_>>();
        bytes.extend(b"abc\0");
        assert_eq!(notes(&bytes), []);
        bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(notes(&bytes), []);
    }
}
