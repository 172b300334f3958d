//! From the bytes of a file to a head that can be relied on.
//!
//! In this order: is it an image at all, of which version, are head and notes what was written,
//! do they fit the file, do their parts fit one another.
//!
//! Contract: memory in proportion to the file, no panic, whatever the bytes are.

use super::bytes::Bytes;
use super::holes::Allowed;
use super::notes;
use crate::elf::{self, Class, ET_CORE, PN_XNUM, PT_NOTE};
use crate::geometry::Geometry;
use crate::model::{FileOffset, Head, Machine};
use crate::notes::{DIGEST_BYTES, DIGEST_NOTE, HEAD_DIGEST, NOTE_HEADER, Note};
use crate::rules::{self, AddressIndex};
use crate::{Digest, FORMAT_VERSION, Fault, OLDEST_VERSION};

/// What an image consists of.
pub(super) struct Parsed {
    pub(super) head: Head,
    pub(super) geometry: Geometry,
    pub(super) index: AddressIndex,
    /// Where the page area begins.
    pub(super) pages: u64,
    pub(super) digests: Digests,
}

/// The digests as they are recorded.
pub(super) struct Digests {
    pub(super) objects: Digest,
    pub(super) pages: Digest,
    pub(super) head: Digest,
}

pub(super) fn parse(bytes: &Bytes, allowed: Allowed) -> Result<Parsed, Fault> {
    let length = bytes.length()?;
    let machine = machine(bytes, length)?;
    let (notes_start, notes_length) = note_segment(bytes, length, machine)?;
    let version = check_version(bytes, notes_start, notes_length)?;
    // Headers and objects come before the notes.
    allowed.keep("the notes", notes_start + notes_length)?;

    let head_length = head_length(bytes, length, machine)?;
    if head_length > notes_start {
        return Err(Fault::NotesInHeaders {
            notes: FileOffset(notes_start),
            headers: head_length,
        });
    }
    let file_head = bytes.read(0, head_length)?;
    let area = bytes.read(notes_start, notes_length)?;
    let digests = verify_head(&file_head, &area, notes_start)?;

    let head = notes::decode(&area, notes_start, machine, version)?;
    let index = rules::check(&head).map_err(Fault::Flaw)?;
    let geometry = Geometry::new(machine, &head.objects, head.page_index()).map_err(Fault::Flaw)?;
    if geometry.objects() != head_length {
        return Err(Fault::HeaderLength {
            found: FileOffset(head_length),
            expected: FileOffset(geometry.objects()),
        });
    }
    if geometry.notes() != notes_start {
        return Err(Fault::NotesPosition {
            found: FileOffset(notes_start),
            expected: FileOffset(geometry.notes()),
        });
    }
    let complete = geometry.complete(notes_length).map_err(Fault::Flaw)?;
    compare_head(machine, &file_head, &complete.head)?;
    if length > complete.end {
        return Err(Fault::TooLong {
            length,
            end: complete.end,
        });
    }
    reaches("the pages", complete.end, length)?;
    allowed.read("the pages", complete.end)?;
    let notes_end = notes_start + notes_length;
    check_padding(
        &bytes.read(notes_end, complete.pages - notes_end)?,
        notes_end,
    )?;
    Ok(Parsed {
        head,
        geometry,
        index,
        pages: complete.pages,
        digests,
    })
}

/// Makes sure that the file is a core file of a machine that we know, by its first 20 bytes.
fn machine(bytes: &Bytes, length: u64) -> Result<Machine, Fault> {
    let mut start = [0; 20];
    let there = length.min(start.len() as u64) as usize;
    bytes.read_at(0, &mut start[..there])?;
    if !start.starts_with(b"\x7fELF") {
        let found = start[..there.min(4)].to_vec();
        return Err(Fault::NotElf { found });
    }
    reaches("the ELF header", 52, length)?;
    if start[5] != 1 {
        return Err(Fault::Endianness { found: start[5] });
    }
    let kind = u16::from_le_bytes([start[16], start[17]]);
    if kind != ET_CORE {
        return Err(Fault::NotACore { found: kind });
    }
    let class = start[4];
    let number = u16::from_le_bytes([start[18], start[19]]);
    [Machine::I386, Machine::X86_64]
        .into_iter()
        .find(|&machine| {
            let known = elf::class(machine);
            (known.ident, known.machine) == (class, number)
        })
        .ok_or(Fault::Machine {
            class,
            machine: number,
        })
}

/// Offset and length of the note area: the first segment of an image.
fn note_segment(bytes: &Bytes, length: u64, machine: Machine) -> Result<(u64, u64), Fault> {
    let class = elf::class(machine);
    let end = class.header + class.program_header;
    reaches("the ELF header and the first program header", end, length)?;
    let start = bytes.read(0, end)?;
    let segment = &start[class.header as usize..];
    // `e_phoff` is one word before `e_shoff`.
    let table = word(
        &start,
        class.e_shoff - usize::from(machine.pointer_size()),
        machine,
    );
    if table != class.header || u32_at(segment, 0) != PT_NOTE {
        return Err(Fault::NotAnImage);
    }
    let offset = word(segment, class.p_offset, machine);
    let size = word(segment, class.p_filesz, machine);
    reaches("the notes", offset.saturating_add(size), length)?;
    Ok((offset, size))
}

/// Checks that the first note is a KCONV identity of a version that can be read. Nothing that
/// depends on the version is looked at before this.
fn check_version(bytes: &Bytes, offset: u64, length: u64) -> Result<u32, Fault> {
    const NAME: &[u8; 8] = b"KCONV\0\0\0";
    let mut start = [0; NOTE_HEADER + NAME.len() + 4];
    if length < start.len() as u64 {
        return Err(Fault::NotAnImage);
    }
    bytes.read_at(offset, &mut start)?;
    let is_identity = u32_at(&start, 0) == 6
        && u32_at(&start, 8) == Note::Identity as u32
        && start[NOTE_HEADER..].starts_with(NAME);
    if !is_identity || u32_at(&start, 4) < 4 {
        return Err(Fault::NotAnImage);
    }
    match u32_at(&start, NOTE_HEADER + NAME.len()) {
        version @ OLDEST_VERSION..=FORMAT_VERSION => Ok(version),
        found => Err(Fault::Version { found }),
    }
}

/// The length of everything before the objects, by the number of program headers.
fn head_length(bytes: &Bytes, length: u64, machine: Machine) -> Result<u64, Fault> {
    let class = elf::class(machine);
    let header = bytes.read(0, class.header)?;
    let count = u16::from_le_bytes([header[class.e_phnum], header[class.e_phnum + 1]]);
    let segments = match count {
        PN_XNUM => extended_count(bytes, length, class, word(&header, class.e_shoff, machine))?,
        count => u64::from(count),
    };
    Ok(elf::head_length(machine, segments))
}

/// The number of program headers from section header 0.
fn extended_count(bytes: &Bytes, length: u64, class: &Class, sections: u64) -> Result<u64, Fault> {
    let end = sections.saturating_add(class.section_header);
    reaches("the section header", end, length)?;
    let section = bytes.read(sections, class.section_header)?;
    Ok(u64::from(u32_at(&section, class.sh_info)))
}

/// Holds head and notes against the digest at the end of the notes.
fn verify_head(file_head: &[u8], area: &[u8], offset: u64) -> Result<Digests, Fault> {
    if area.len() < DIGEST_NOTE {
        return Err(Fault::NoteSize {
            offset: FileOffset(offset),
            needed: DIGEST_NOTE as u64,
            left: area.len() as u64,
        });
    }
    let recorded = &area[area.len() - DIGEST_BYTES..];
    let digest = |number: usize| {
        let mut digest = [0; 32];
        digest.copy_from_slice(&recorded[number * 32..][..32]);
        Digest(digest)
    };
    let digests = Digests {
        objects: digest(0),
        pages: digest(1),
        head: digest(2),
    };
    let found = Digest::of_head(file_head, &area[..area.len() - HEAD_DIGEST]);
    if found != digests.head {
        return Err(Fault::Digest {
            part: "the headers and the notes",
            found,
            expected: digests.head,
        });
    }
    Ok(digests)
}

fn compare_head(machine: Machine, found: &[u8], expected: &[u8]) -> Result<(), Fault> {
    // They are equally long: both lengths are that of the objects' beginning.
    let Some(at) = (0..found.len().min(expected.len())).find(|&at| found[at] != expected[at])
    else {
        return Ok(());
    };
    let part = if (at as u64) < elf::class(machine).header {
        "the ELF header"
    } else {
        "a program header"
    };
    Err(Fault::Header {
        part,
        offset: FileOffset(at as u64),
        found: found[at],
        expected: expected[at],
    })
}

fn check_padding(padding: &[u8], offset: u64) -> Result<(), Fault> {
    match padding.iter().position(|&byte| byte != 0) {
        None => Ok(()),
        Some(at) => Err(Fault::Padding {
            offset: FileOffset(offset + at as u64),
            found: padding[at],
        }),
    }
}

fn reaches(what: &'static str, needed: u64, length: u64) -> Result<(), Fault> {
    if needed > length {
        return Err(Fault::Truncated {
            what,
            length,
            needed,
        });
    }
    Ok(())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn word(bytes: &[u8], at: usize, machine: Machine) -> u64 {
    let low = u64::from(u32_at(bytes, at));
    match machine {
        Machine::I386 => low,
        Machine::X86_64 => low | u64::from(u32_at(bytes, at + 4)) << 32,
    }
}
