//! Physical memory in a file.

use crate::elf::Load;
use crate::source::ReadError;
use kconv_image::{KernelAddr, PAGE_SIZE};
use kconv_machine::{data, read_some};
use std::collections::BinaryHeap;
use std::fs::File;
use std::iter;

/// Memory by physical address.
pub(crate) trait Physical {
    /// Fills `into` from the memory at `at`, within one page.
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError>;

    /// First and last page number plus one of what there may be.
    fn ranges(&self) -> Vec<(u64, u64)>;
}

/// Physical memory in the segments of an ELF file.
pub(crate) struct Segments {
    file: File,
    /// By physical address, none over another.
    pieces: Vec<Load>,
}

impl Segments {
    /// Segments can overlap: the kernel's image has one of its own. The one that begins last counts.
    pub(crate) fn new(file: File, mut loads: Vec<Load>) -> Segments {
        loads.sort_by_key(|load| load.phys);
        let pieces = apart(&loads);
        Segments { file, pieces }
    }
}

/// What loads, which are in the order of their addresses, have at each address: the last of those that have it.
fn apart(loads: &[Load]) -> Vec<Load> {
    let end = |load: &Load| load.phys.saturating_add(load.size);
    let mut bounds: Vec<u64> = loads
        .iter()
        .flat_map(|load| [load.phys, end(load)])
        .collect();
    bounds.sort_unstable();
    bounds.dedup();
    let mut pieces: Vec<Load> = Vec::new();
    let mut begun = 0;
    let mut open = BinaryHeap::new();
    for pair in bounds.windows(2) {
        let [from, to] = [pair[0], pair[1]];
        while loads.get(begun).is_some_and(|load| load.phys <= from) {
            open.push(begun);
            begun += 1;
        }
        while open.peek().is_some_and(|last| end(&loads[*last]) <= from) {
            open.pop();
        }
        let Some(load) = open.peek().map(|last| &loads[*last]) else {
            continue;
        };
        let skip = from - load.phys;
        let piece = Load {
            virt: load.virt.wrapping_add(skip),
            phys: from,
            offset: load.offset.saturating_add(skip),
            size: to - from,
        };
        match pieces.last_mut() {
            Some(last)
                if last.phys + last.size == from
                    && last.offset.checked_add(last.size) == Some(piece.offset) =>
            {
                last.size += piece.size;
            }
            _ => pieces.push(piece),
        }
    }
    pieces
}

impl Physical for Segments {
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let size = into.len() as u64;
        let missing = || ReadError::Missing {
            at: KernelAddr(at),
            size,
        };
        let mut done = 0;
        while done < size {
            let now = at.checked_add(done).ok_or_else(missing)?;
            let after = self.pieces.partition_point(|piece| piece.phys <= now);
            let piece = self.pieces[..after].last().ok_or_else(missing)?;
            let skip = now - piece.phys;
            let part = piece.size.saturating_sub(skip).min(size - done);
            let place = piece.offset.checked_add(skip).ok_or_else(missing)?;
            let bytes = &mut into[done as usize..(done + part) as usize];
            if part == 0 || read_some(&self.file, bytes, place)? < bytes.len() {
                return Err(missing());
            }
            done += part;
        }
        Ok(())
    }

    /// Where the file has data. What is a hole, or behind its end, is not memory that anybody wrote; and
    /// what several segments have in common is in one of them.
    fn ranges(&self) -> Vec<(u64, u64)> {
        let length = self.file.metadata().map_or(0, |metadata| metadata.len());
        // What cannot be asked has no holes.
        let there = data(&self.file).unwrap_or_else(|_| iter::once(0..length).collect());
        let mut pieces = self.pieces.clone();
        pieces.sort_by_key(|piece| piece.offset);
        let mut ranges = Vec::new();
        let mut seen = 0;
        for piece in pieces {
            let end = piece.offset.saturating_add(piece.size);
            let start = piece.offset.max(seen);
            let first = there.partition_point(|range| range.end <= start);
            for range in there[first..].iter().take_while(|range| range.start < end) {
                let [from, to] = [range.start.max(start), range.end.min(end)];
                // A page may begin with data and end in a hole.
                let from = (piece.phys + (from - piece.offset)) & !(PAGE_SIZE - 1);
                let to = (piece.phys + (to - piece.offset)).checked_next_multiple_of(PAGE_SIZE);
                let last = piece.phys + piece.size;
                ranges.push((from.max(piece.phys), to.unwrap_or(last).min(last)));
            }
            seen = seen.max(end);
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::FileExt;

    fn load(phys: u64, size: u64, offset: u64) -> Load {
        Load {
            virt: 0,
            phys,
            offset,
            size,
        }
    }

    /// A file whose byte at each offset is that number, as far as one goes.
    fn counted(length: u64) -> File {
        let file = tempfile::tempfile_in("/dev/shm").unwrap();
        let bytes: Vec<u8> = (0..length).map(|at| (at / 256) as u8).collect();
        file.write_all_at(&bytes, 0).unwrap();
        file
    }

    #[test]
    fn of_segments_that_overlap_the_last_to_begin_counts() {
        let segments = Segments::new(
            counted(16384),
            vec![
                load(0, 8192, 0),
                load(4096, 1024, 8192),
                load(20480, 100, 0),
            ],
        );
        let at = |at: u64| {
            let mut byte = [0xff; 2];
            segments.read(at, &mut byte).map(|()| byte).ok()
        };
        assert_eq!(at(0), Some([0, 0]));
        assert_eq!(at(4096 + 256), Some([33, 33]));
        // Across the end of the one inside.
        assert_eq!(at(4096 + 1023), Some([35, 20]));
        assert_eq!(at(8191), None);
        assert_eq!(at(12288), None);
        assert_eq!(at(20480 + 99), None);
    }

    /// Memory that segments claim and the file does not have is not gone through.
    #[test]
    fn there_is_as_much_to_look_at_as_the_file_has() {
        let file = counted(8192);
        file.set_len(1 << 50).unwrap();
        let mut loads = vec![load(0, 1 << 60, 0)];
        // Each of these claims the same bytes of the file again.
        loads.extend((1..1000).map(|number| load(number << 44, 1 << 40, number)));
        let ranges = Segments::new(file, loads).ranges();
        let size: u64 = ranges.iter().map(|(from, to)| to - from).sum();
        assert!(size <= 4 * 8192, "{size}: {ranges:?}");
        assert!(size >= 8192, "{size}: {ranges:?}");
    }
}
