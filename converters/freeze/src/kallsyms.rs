//! The kernel's own table of symbols (`kernel/kallsyms.c`, `scripts/kallsyms.c`).
//!
//! Names are sequences of bytes that each stand for a piece of text; the first letter of a name
//! is the type of the symbol. An offset below zero is counted down from a base, one of zero or
//! more is the address itself, in a CPU's own memory (CONFIG_KALLSYMS_ABSOLUTE_PERCPU); without
//! that option all are counted up from the base. Kernels without a base count each from where it stands itself (7.2
//! `scripts/kallsyms.c`: write_src). What modules provide is in tables of their own.

use crate::source::{MemorySource, ReadError};
use crate::symbols::{Pieces, Symbol, Symbols};
use crate::vmcoreinfo::Info;
use kconv_image::{KernelAddr, PAGE_SIZE};
use kernel_structs_bits::little_endian;
use std::ops::Range;

/// The most symbols, and the most bytes that their names have together. Debian's kernels have
/// 200 thousand.
const MAX_SYMBOLS: u64 = 1 << 22;
const MAX_NAMES: usize = 1 << 26;

/// The longest name in bytes, with the letter of its type: more than KSYM_NAME_LEN (`include/linux/kallsyms.h`),
/// which is 512.
const LONGEST_NAME: usize = 1024;

/// How much of the names is read at once, in bytes; where that is more than there is, a page.
const PIECES: [u64; 2] = [1 << 16, PAGE_SIZE];

/// Why there is no table of symbols.
#[derive(Debug)]
pub(crate) enum TableError {
    /// The kernel does not say where it is.
    Lacks(&'static str),
    Read(ReadError),
    /// It contradicts itself.
    Damaged,
}

impl From<ReadError> for TableError {
    fn from(error: ReadError) -> TableError {
        TableError::Read(error)
    }
}

/// Reads the table out of `memory`.
pub(crate) fn read(memory: &dyn MemorySource, info: &Info) -> Result<Symbols, TableError> {
    let place = |key: &'static str| info.number(key).ok_or(TableError::Lacks(key));
    let bytes = |at: u64, size: usize| -> Result<Vec<u8>, TableError> {
        let mut bytes = vec![0; size];
        memory.read(KernelAddr(at), &mut bytes)?;
        Ok(bytes)
    };
    let count = little_endian(&bytes(place("SYMBOL(kallsyms_num_syms)")?, 4)?);
    if count > MAX_SYMBOLS {
        return Err(TableError::Damaged);
    }
    let counts = match info.number("SYMBOL(kallsyms_relative_base)") {
        None => vec![Counted::FromItself],
        Some(base) => {
            let base = little_endian(&bytes(base, 8)?);
            vec![Counted::DownFrom(base), Counted::UpFrom(base)]
        }
    };
    let table = place("SYMBOL(kallsyms_offsets)")?;
    let offsets = bytes(table, 4 * count as usize)?;
    let pieces = pieces(&bytes, &place)?;
    let mut names = Names {
        memory,
        at: place("SYMBOL(kallsyms_names)")?,
        read: Vec::new(),
        next: 0,
    };
    let mut told = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let name = names.next()?;
        let length = pieces.length(&names.read[name.clone()]);
        let start = u32::try_from(name.start);
        let (true, Ok(start), Ok(size)) = (
            (2..=LONGEST_NAME).contains(&length),
            start,
            u16::try_from(name.len()),
        ) else {
            return Err(TableError::Damaged);
        };
        told.push((start, size));
    }
    let names = names.read;
    let first = info.number("SYMBOL(_stext)").map(KernelAddr);
    let symbols = |counted: Counted| {
        let each = offsets.chunks_exact(4).zip(0u64..).zip(&told);
        let each = each.map(|((offset, index), &(start, length))| {
            let itself = table.wrapping_add(4 * index);
            let at = counted.at(little_endian(offset) as u32 as i32, itself);
            Symbol { at, start, length }
        });
        each.collect()
    };
    let mut found = Symbols::of_kernel(names, pieces);
    for counted in counts {
        found.set_kernel(symbols(counted));
        if found.symbol("_stext") == first {
            return Ok(found);
        }
    }
    Err(TableError::Damaged)
}

/// What the offset of a symbol is counted from.
#[derive(Copy, Clone)]
enum Counted {
    /// The base, downwards; one of zero or more is the address.
    DownFrom(u64),
    /// The base, upwards.
    UpFrom(u64),
    /// Where the offset itself is.
    FromItself,
}

impl Counted {
    /// The address of a symbol whose offset lies at `itself`.
    fn at(self, offset: i32, itself: u64) -> u64 {
        match (self, offset) {
            (Counted::DownFrom(_), 0..) => offset as u64,
            (Counted::DownFrom(base), _) => {
                let down = i64::from(offset) as u64;
                base.wrapping_sub(1).wrapping_sub(down)
            }
            (Counted::UpFrom(base), _) => base.wrapping_add(u64::from(offset as u32)),
            (Counted::FromItself, _) => itself.wrapping_add(i64::from(offset) as u64),
        }
    }
}

/// What each byte of a name stands for.
fn pieces(
    bytes: &dyn Fn(u64, usize) -> Result<Vec<u8>, TableError>,
    place: &dyn Fn(&'static str) -> Result<u64, TableError>,
) -> Result<Pieces, TableError> {
    let index = bytes(place("SYMBOL(kallsyms_token_index)")?, 2 * 256)?;
    let starts: Vec<usize> = index
        .chunks_exact(2)
        .map(|start| little_endian(start) as usize)
        .collect();
    let last = starts.iter().copied().max().unwrap_or(0);
    // The last token is followed by others of the kernel's tables.
    let table = bytes(place("SYMBOL(kallsyms_token_table)")?, last + 64)?;
    let text = |start: &usize| {
        let text = &table[*start..];
        let end = text.iter().position(|byte| *byte == 0)?;
        str::from_utf8(&text[..end]).ok().map(Box::from)
    };
    let texts: Option<Vec<Box<str>>> = starts.iter().map(text).collect();
    let texts = texts.and_then(|texts| texts.try_into().ok());
    Ok(Pieces::new(texts.ok_or(TableError::Damaged)?))
}

/// The compressed names, read piece by piece, for nobody says how long they are.
struct Names<'a> {
    memory: &'a dyn MemorySource,
    at: u64,
    read: Vec<u8>,
    next: usize,
}

impl Names<'_> {
    /// Where in what was read the next name is.
    fn next(&mut self) -> Result<Range<usize>, TableError> {
        const BIG: u8 = 0x80;
        let first = self.byte(0)?;
        let (length, skip) = match first & BIG {
            0 => (usize::from(first), 1),
            _ => {
                let high = self.byte(1)?;
                (usize::from(first & !BIG) | usize::from(high) << 7, 2)
            }
        };
        let start = self.next + skip;
        self.next = start + length;
        self.until(self.next)?;
        Ok(start..self.next)
    }

    fn byte(&mut self, offset: usize) -> Result<u8, TableError> {
        self.until(self.next + offset + 1)?;
        Ok(self.read[self.next + offset])
    }

    fn until(&mut self, end: usize) -> Result<(), TableError> {
        while self.read.len() < end {
            if self.read.len() > MAX_NAMES {
                return Err(TableError::Damaged);
            }
            let at = self.at.wrapping_add(self.read.len() as u64);
            let mut piece = Vec::new();
            let mut read = Ok(());
            for size in PIECES {
                piece = vec![0; (size - at % size) as usize];
                read = self.memory.read(KernelAddr(at), &mut piece);
                if read.is_ok() {
                    break;
                }
            }
            read?;
            self.read.append(&mut piece);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Counted;

    #[test]
    fn an_offset_is_counted_from_a_base_or_from_itself() {
        const BASE: u64 = 0xffff_ffff_8100_0000;
        const ITSELF: u64 = 0xffff_ffff_8240_0010;
        let at = |counted: Counted, offset| counted.at(offset, ITSELF);
        assert_eq!(at(Counted::DownFrom(BASE), -1), BASE);
        assert_eq!(at(Counted::DownFrom(BASE), -0x11), BASE + 0x10);
        assert_eq!(at(Counted::DownFrom(BASE), 0x8000), 0x8000);
        assert_eq!(at(Counted::UpFrom(BASE), 0x10), BASE + 0x10);
        // Of more than 2 GiB.
        assert_eq!(
            at(Counted::UpFrom(BASE), -0x10),
            BASE.wrapping_add(0xffff_fff0)
        );
        assert_eq!(at(Counted::FromItself, -0x0140_0010), BASE);
        assert_eq!(at(Counted::FromItself, 0x10), ITSELF + 0x10);
    }
}
