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
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;
use std::cell::RefCell;
use std::collections::BTreeMap;
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

/// How many pages are read at a time.
const PIECE: usize = 256;

/// How many first bytes of a page are looked at, to spare the reading of it where they tell that it is not zero,
/// and of how many pages at a time (IOV_MAX). In an emulated machine that takes 2.2 us for a page, and to read it
/// 3.5 us.
const PEEK: usize = 64;
const PEEKS: usize = 1024;

/// The memory of processes; the one read last is kept open.
#[derive(Default)]
pub(super) struct UserMemory {
    open: RefCell<Option<(i64, File)>>,
    /// The pages of each process that others may have too, by ascending address.
    in_common: RefCell<BTreeMap<i64, Vec<Range<u64>>>>,
}

/// A page of which it depends on what is in it whether it is saved, and how.
#[derive(Copy, Clone)]
struct Candidate {
    at: u64,
    is_exclusive: bool,
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
        self.have_in_common(space.process, &[]);
        let mut entries = vec![0; 8 * CHUNK as usize];
        let mut candidates = Vec::new();
        for mapping in space.mappings {
            for range in looked_at(mapping, occupied) {
                let mut first = range.start / PAGE_SIZE;
                let end = range.end / PAGE_SIZE;
                while first < end {
                    let count = (end - first).min(CHUNK);
                    let entries = &mut entries[..8 * count as usize];
                    let read = read_some(&map, entries, 8 * first)?;
                    let of_file = mapping.content == Content::OfFile;
                    for (page, entry) in (first..).zip(entries[..read].chunks_exact(8)) {
                        let entry = little_endian(entry);
                        let at = page * PAGE_SIZE;
                        let is_exclusive = entry & EXCLUSIVE != 0;
                        match is_wanted(mapping.content, entry) {
                            true if of_file && is_exclusive => found.push(UserAddr(at).into()),
                            true => candidates.push(Candidate { at, is_exclusive }),
                            false => {}
                        }
                    }
                    self.look(space.process, !of_file, &candidates, &mut found)?;
                    candidates.clear();
                    first += count;
                }
            }
        }
        // Pages that were looked at came behind those that were not.
        found.sort_unstable_by_key(|page| page.at);
        Ok(found)
    }

    /// Adds those of the `candidates`, which ascend, that are to be saved: all, or those that are not zero.
    fn look(
        &self,
        process: i64,
        has_to_differ_from_zero: bool,
        candidates: &[Candidate],
        found: &mut Vec<PresentPage>,
    ) -> io::Result<()> {
        const ZERO: [u8; PAGE_SIZE as usize] = [0; PAGE_SIZE as usize];
        let mut rest = Vec::new();
        let by_kind = |one: &Candidate, other: &Candidate| one.is_exclusive == other.is_exclusive;
        for some in candidates.chunk_by(by_kind) {
            match some.first() {
                Some(first) if first.is_exclusive && has_to_differ_from_zero => {
                    let peeked = some.chunks(PEEKS).flat_map(|some| peek(process, some));
                    for (candidate, begins) in some.iter().zip(peeked) {
                        match begins {
                            true => found.push(UserAddr(candidate.at).into()),
                            false => rest.push(*candidate),
                        }
                    }
                }
                Some(first) if !first.is_exclusive => {
                    self.have_in_common(process, some);
                    rest.extend(some);
                }
                _ => rest.extend(some),
            }
        }
        let follows = |one: &Candidate, other: &Candidate| {
            one.at + PAGE_SIZE == other.at && one.is_exclusive == other.is_exclusive
        };
        let mut buffer = Vec::new();
        for piece in rest.chunk_by(follows).flat_map(|run| run.chunks(PIECE)) {
            let Some(first) = piece.first() else { continue };
            buffer.resize(piece.len() * ZERO.len(), 0);
            self.read(process, UserAddr(first.at), &mut buffer)?;
            for (candidate, page) in piece.iter().zip(buffer.chunks_exact(ZERO.len())) {
                if has_to_differ_from_zero && page == ZERO {
                    continue;
                }
                found.push(PresentPage {
                    at: UserAddr(candidate.at),
                    // By what is in it and not by its frame: a page that nobody may write moves to another.
                    digest: (!candidate.is_exclusive).then(|| Digest::of(page)),
                });
            }
        }
        Ok(())
    }

    /// Notes that others may have these pages of a process, behind those known of it.
    fn have_in_common(&self, process: i64, pages: &[Candidate]) {
        let mut all = self.in_common.borrow_mut();
        let known = all.entry(process).or_default();
        for page in pages {
            match known.last_mut() {
                Some(last) if last.end == page.at => last.end += PAGE_SIZE,
                _ => known.push(page.at..page.at + PAGE_SIZE),
            }
        }
    }

    /// Whether others may have some of the pages in `range`. As long as nobody has looked, they may.
    fn has_in_common(&self, process: i64, range: Range<u64>) -> bool {
        let all = self.in_common.borrow();
        let Some(known) = all.get(&process) else {
            return true;
        };
        let first = known.partition_point(|pages| pages.end <= range.start);
        known
            .get(first)
            .is_some_and(|pages| pages.start < range.end)
    }

    /// Reads pages of a process that follow one another, from that at `at` on.
    pub(super) fn read(&self, process: i64, at: UserAddr, into: &mut [u8]) -> io::Result<()> {
        let end = at.0.saturating_add(into.len() as u64);
        // What the process itself may not read ends it early.
        let done = match self.has_in_common(process, at.0..end) {
            true => 0,
            false => read_at_once(process, at, into),
        };
        let rest = &mut into[done..];
        if rest.is_empty() {
            return Ok(());
        }
        let mut open = self.open.borrow_mut();
        let file = match open.take() {
            Some((of, file)) if of == process => file,
            _ => File::open(format!("/proc/{process}/mem"))?,
        };
        let read = read_some(&file, rest, at.0 + done as u64);
        *open = Some((process, file));
        match read? == rest.len() {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Whether a page with this entry of the page map may have to be saved.
fn is_wanted(content: Content, entry: u64) -> bool {
    let is_there = entry & (PRESENT | SWAPPED) != 0;
    match content {
        Content::Own => is_there,
        Content::OfFile => is_there && entry & OF_FILE == 0,
        Content::Shared => true,
        Content::Elsewhere => false,
    }
}

/// Which of some pages, none of which others have, have something other than zero among their first bytes. Of what cannot be read so it is
/// not known.
fn peek(process: i64, pages: &[Candidate]) -> Vec<bool> {
    let mut begins = vec![false; pages.len()];
    let mut bytes = [0; PEEKS * PEEK];
    let bytes = &mut bytes[..pages.len() * PEEK];
    let base = |page: &Candidate| usize::try_from(page.at).ok();
    let remote = pages.iter().filter_map(base);
    let remote: Vec<_> = remote.map(|base| RemoteIoVec { base, len: PEEK }).collect();
    if let (Ok(process), true) = (i32::try_from(process), remote.len() == pages.len()) {
        let mut local = [io::IoSliceMut::new(bytes)];
        let read = process_vm_readv(Pid::from_raw(process), &mut local, &remote).unwrap_or(0);
        for (begins, bytes) in begins.iter_mut().zip(bytes[..read].chunks_exact(PEEK)) {
            *begins = bytes.iter().any(|byte| *byte != 0);
        }
    }
    begins
}

/// Reads memory of a process with half of the copying that its file `mem` needs (`mm/process_vm_access.c`:
/// process_vm_rw; `fs/proc/base.c`: mem_rw). Returns how many bytes could be read so.
///
/// It pins the pages, for which one that processes have in common since a fork is made one for each
/// (`include/linux/mm.h`: gup_must_unshare): such pages are never to be read so.
fn read_at_once(process: i64, at: UserAddr, into: &mut [u8]) -> usize {
    let (Ok(process), Ok(base)) = (i32::try_from(process), usize::try_from(at.0)) else {
        return 0;
    };
    let len = into.len();
    let mut local = [io::IoSliceMut::new(into)];
    let read = process_vm_readv(
        Pid::from_raw(process),
        &mut local,
        &[RemoteIoVec { base, len }],
    );
    read.map_or(0, |read| read.min(len))
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
    all.sort_unstable_by_key(|range| range.start);
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

    /// Memory of this process, and where its first whole page is.
    fn memory(pages: usize) -> (Vec<u8>, usize) {
        let memory = vec![0; (pages + 1) * PAGE_SIZE as usize];
        let first = (memory.as_ptr() as usize).next_multiple_of(PAGE_SIZE as usize);
        let skipped = first - memory.as_ptr() as usize;
        (memory, skipped)
    }

    fn myself() -> i64 {
        std::process::id().into()
    }

    #[test]
    fn pages_are_found_that_are_not_zero_and_read_as_they_are() {
        const PAGES: usize = 2 * PIECE + 88;
        const SIZE: usize = PAGE_SIZE as usize;
        let (mut memory, skipped) = memory(PAGES);
        let region = &mut memory[skipped..][..PAGES * SIZE];
        let is_zero = |page: usize| page.is_multiple_of(3) || (40..300).contains(&page);
        for (number, page) in region.chunks_exact_mut(SIZE).enumerate() {
            page[0] = 1;
            page[0] = 0;
            // Some begin with something, some have it at their ends alone.
            let at = [0, PEEK - 1, PEEK, SIZE - 1][number % 4];
            page[at] = u8::from(!is_zero(number));
        }
        let start = region.as_ptr() as u64;
        let mapping = mapping(Content::Own, start..start + region.len() as u64);
        let space = Space {
            mm: KernelAddr(0),
            process: myself(),
            page_tables: None,
            mappings: &[mapping],
        };
        let user = UserMemory::default();
        let found = user.pages(&space, None).unwrap();
        let found: Vec<u64> = found.iter().map(|page| page.at.0).collect();
        let expected = (0..PAGES).filter(|page| !is_zero(*page));
        let expected: Vec<u64> = expected.map(|page| start + (page * SIZE) as u64).collect();
        assert_eq!(found, expected);
        let mut read = vec![7; region.len()];
        user.read(myself(), UserAddr(start), &mut read).unwrap();
        assert!(read == region);
    }

    #[test]
    fn what_is_not_there_is_not_read() {
        let user = UserMemory::default();
        let mut page = [0; PAGE_SIZE as usize];
        // Nothing is mapped at the highest addresses of user memory, nor at all without a process.
        let nowhere = UserAddr((1 << 47) - 2 * PAGE_SIZE);
        assert!(user.read(myself(), nowhere, &mut page).is_err());
        assert!(user.read(0, nowhere, &mut page).is_err());
        let user = UserMemory::default();
        assert!(user.read(i64::MAX, nowhere, &mut page).is_err());
    }

    #[test]
    fn what_others_may_have_is_known() {
        let user = UserMemory::default();
        let pages = |numbers: &[u64]| -> Vec<Candidate> {
            let page = |number: &u64| Candidate {
                at: number * PAGE_SIZE,
                is_exclusive: false,
            };
            numbers.iter().map(page).collect()
        };
        user.have_in_common(1, &pages(&[3, 4, 7]));
        user.have_in_common(1, &pages(&[8, 20]));
        user.have_in_common(2, &pages(&[5]));
        let has = |process, first: u64, end: u64| {
            user.has_in_common(process, first * PAGE_SIZE..end * PAGE_SIZE)
        };
        for (range, expected) in [
            ((0, 3), false),
            ((0, 4), true),
            ((4, 5), true),
            ((5, 7), false),
            ((5, 9), true),
            ((8, 9), true),
            ((9, 20), false),
            ((9, 21), true),
            ((21, 99), false),
        ] {
            assert_eq!(has(1, range.0, range.1), expected, "{range:?}");
        }
        assert!(has(2, 5, 6) && !has(2, 3, 5));
        // Of another nothing is known.
        assert!(has(3, 0, 1));
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
