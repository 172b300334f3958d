//! User memory of stopped tasks: `/proc/PID/pagemap` says which pages there are
//! (`Documentation/admin-guide/mm/pagemap.rst`), `/proc/PID/mem` what is in them. Reading brings
//! in what was swapped out.
//!
//! The page map has an entry for each page that there could be, and programs reserve a thousand times what
//! they use. So the page tables in the kernel's memory are asked first where there is anything at all.

use crate::paging::PageTables;
use crate::physical::Physical;
use crate::source::{Content, Mapping, PresentPage, ReadError, Space};
use kconv_image::{Digest, KernelAddr, PAGE_SIZE, UserAddr};
use kconv_machine::read_some;
use kernel_structs_bits::little_endian;
use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::ops::Range;

/// Bits of an entry of the page map.
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const OF_FILE: u64 = 1 << 61;
const EXCLUSIVE: u64 = 1 << 56;

/// How many entries are read at a time.
const CHUNK: u64 = 1 << 16;

/// The memory of processes; the one read last is kept open.
#[derive(Default)]
pub(super) struct UserMemory {
    open: RefCell<Option<(i64, File)>>,
}

impl UserMemory {
    /// The pages of `space` that have to be saved. What is nowhere in `occupied`, if that is known, has
    /// no pages of its own.
    pub(super) fn pages(
        &self,
        space: &Space<'_>,
        occupied: Option<&[Range<u64>]>,
    ) -> io::Result<Vec<PresentPage>> {
        let mut found = Vec::new();
        if space.mappings.is_empty() {
            return Ok(found);
        }
        let map = page_map(space.process)?;
        let mut entries = vec![0; 8 * CHUNK as usize];
        for mapping in space.mappings {
            for range in looked_at(mapping, occupied) {
                let mut first = range.start / PAGE_SIZE;
                let end = range.end / PAGE_SIZE;
                while first < end {
                    let count = (end - first).min(CHUNK);
                    let entries = &mut entries[..8 * count as usize];
                    let read = read_some(&map, entries, 8 * first)?;
                    for (page, entry) in (first..).zip(entries[..read].chunks_exact(8)) {
                        let at = UserAddr(page * PAGE_SIZE);
                        let entry = little_endian(entry);
                        found.extend(self.saved(space, mapping.content, at, entry)?);
                    }
                    first += count;
                }
            }
        }
        Ok(found)
    }

    /// The page at `at`, if it is to be saved.
    fn saved(
        &self,
        space: &Space<'_>,
        content: Content,
        at: UserAddr,
        entry: u64,
    ) -> io::Result<Option<PresentPage>> {
        let is_there = entry & (PRESENT | SWAPPED) != 0;
        let is_exclusive = entry & EXCLUSIVE != 0;
        let (is_wanted, has_to_differ_from_zero) = match content {
            Content::Own => (is_there, true),
            Content::OfFile => (is_there && entry & OF_FILE == 0, false),
            Content::Shared => (true, true),
            Content::Elsewhere => (false, false),
        };
        if !is_wanted {
            return Ok(None);
        }
        if is_exclusive && !has_to_differ_from_zero {
            return Ok(Some(at.into()));
        }
        let mut page = [0; PAGE_SIZE as usize];
        self.read(space.process, at, &mut page)?;
        if has_to_differ_from_zero && page.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        // By what is in it and not by its frame: a page that nobody may write moves to another.
        let digest = (!is_exclusive).then(|| Digest::of(&page));
        Ok(Some(PresentPage { at, digest }))
    }

    /// Reads the page at `at` of a process.
    pub(super) fn read(
        &self,
        process: i64,
        at: UserAddr,
        into: &mut [u8; PAGE_SIZE as usize],
    ) -> io::Result<()> {
        let mut open = self.open.borrow_mut();
        let file = match open.take() {
            Some((of, file)) if of == process => file,
            _ => File::open(format!("/proc/{process}/mem"))?,
        };
        let read = read_some(&file, into, at.0);
        *open = Some((process, file));
        match read? == into.len() {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn page_map(process: i64) -> io::Result<File> {
    File::open(format!("/proc/{process}/pagemap"))
}

/// The parts of a mapping of which each page is looked at.
fn looked_at(mapping: &Mapping, occupied: Option<&[Range<u64>]>) -> Vec<Range<u64>> {
    let whole = mapping.start..mapping.end;
    let there = match (mapping.content, occupied) {
        (Content::Elsewhere, _) => &[],
        // What the task has not touched may have been written by others.
        (Content::Shared, _) | (_, None) => std::slice::from_ref(&whole),
        (Content::Own | Content::OfFile, Some(occupied)) => occupied,
    };
    let first = there.partition_point(|range| range.end <= mapping.start);
    there[first..]
        .iter()
        .take_while(|range| range.start < mapping.end)
        .map(|range| range.start.max(mapping.start)..range.end.min(mapping.end))
        .collect()
}

/// Where the address space with the tables at `pgd`, of a process that stands still, has pages of its
/// own, in memory or swapped out, by ascending address and in steps of 2 MiB.
///
/// The tables above the last do not change while no thread of the process runs, and their entries are
/// never empty where there is anything, but for one case: while the kernel makes a huge page of small
/// ones, the entry for it is empty (`mm/khugepaged.c`: collapse_huge_page, pmdp_collapse_flush), as long
/// as it holds the lock of the address space. The page map is read under that lock
/// (`fs/proc/task_mmu.c`: pagemap_read). So the tables are read again after an entry of it: who was at
/// work before has ended. It does not come back to the same place before it was everywhere else; that it
/// did would be seen by what was found anew, and the tables are read until nothing is.
pub(super) fn occupied(
    physical: &dyn Physical,
    tables: &PageTables,
    process: i64,
    pgd: KernelAddr,
) -> Result<Vec<Range<u64>>, ReadError> {
    let root = tables.root_of(physical, pgd)?;
    let map = page_map(process)?;
    settled(|| {
        let found = tables.occupied(physical, root)?;
        read_some(&map, &mut [0; 8], 0)?;
        Ok(found)
    })
}

/// What is found by `look`, which may miss something at times, as soon as it finds nothing new.
fn settled(
    mut look: impl FnMut() -> Result<Vec<Range<u64>>, ReadError>,
) -> Result<Vec<Range<u64>>, ReadError> {
    let mut found = look()?;
    loop {
        let both = union(&found, &look()?);
        if both == found {
            return Ok(found);
        }
        found = both;
    }
}

/// What is in one of two lists, both by ascending address; neighbours are one.
fn union(one: &[Range<u64>], other: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut all = [one, other].concat();
    all.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in all {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;

    fn mapping(content: Content, range: Range<u64>) -> Mapping {
        Mapping {
            start: range.start,
            end: range.end,
            access: 0,
            content,
        }
    }

    /// How many entries of the page map are read.
    fn entries(mapping: &Mapping, occupied: Option<&[Range<u64>]>) -> u64 {
        let ranges = looked_at(mapping, occupied);
        ranges
            .iter()
            .map(|range| (range.end - range.start) / PAGE_SIZE)
            .sum()
    }

    #[test]
    fn entries_are_read_of_what_is_there_and_not_of_what_is_reserved() {
        let memory = 200 * GIB..200 * GIB + 10 * MIB;
        let occupied = [0..2 * MIB, memory.clone(), 500 * GIB..501 * GIB];
        for content in [Content::Own, Content::OfFile] {
            let reserved = mapping(content, 100 * GIB..500 * GIB);
            assert_eq!(entries(&reserved, Some(&occupied)), 5 * 512);
            assert_eq!(entries(&reserved, Some(&[])), 0);
            assert_eq!(entries(&reserved, None), 400 * GIB / PAGE_SIZE);
        }
        // Others may have written there.
        let shared = mapping(Content::Shared, 100 * GIB..101 * GIB);
        assert_eq!(entries(&shared, Some(&occupied)), GIB / PAGE_SIZE);
        let elsewhere = mapping(Content::Elsewhere, memory);
        assert_eq!(entries(&elsewhere, Some(&occupied)), 0);
    }

    #[test]
    fn of_a_range_only_what_is_mapped_is_read() {
        let occupied = [0..2 * MIB, 4 * MIB..8 * MIB];
        let parts = |start, end| -> Vec<(u64, u64)> {
            let mapping = mapping(Content::Own, start * MIB..end * MIB);
            let parts = looked_at(&mapping, Some(&occupied)).into_iter();
            parts
                .map(|part| (part.start / MIB, part.end / MIB))
                .collect()
        };
        assert_eq!(parts(1, 5), [(1, 2), (4, 5)]);
        assert_eq!(parts(5, 6), [(5, 6)]);
        assert_eq!(parts(2, 4), []);
        assert_eq!(parts(7, 9), [(7, 8)]);
    }

    #[test]
    fn what_is_missed_once_is_found() {
        let (first, second, third) = (0..2, 4..6, 6..8);
        let mut looks = [
            vec![first.clone()],
            vec![second.clone()],
            vec![first.clone(), third.clone()],
            vec![third.clone()],
        ]
        .into_iter();
        let found = settled(|| Ok(looks.next().unwrap())).unwrap();
        assert_eq!(found, [0..2, 4..8]);
        assert_eq!(looks.next(), None);
    }
}
