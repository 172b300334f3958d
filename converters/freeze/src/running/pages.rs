//! User memory of stopped tasks: `/proc/PID/pagemap` says which pages there are
//! (`Documentation/admin-guide/mm/pagemap.rst`), `/proc/PID/mem` what is in them. Reading brings
//! in what was swapped out.

use crate::elf::read_some;
use crate::memory::little_endian;
use crate::source::{Content, PresentPage, Space};
use kconv_image::{Digest, PAGE_SIZE, UserAddr};
use std::cell::RefCell;
use std::fs::File;
use std::io;

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
    /// The pages of `space` that have to be saved.
    pub(super) fn pages(&self, space: &Space<'_>) -> io::Result<Vec<PresentPage>> {
        let mut found = Vec::new();
        if space.mappings.is_empty() {
            return Ok(found);
        }
        let map = File::open(format!("/proc/{}/pagemap", space.process))?;
        let mut entries = vec![0; 8 * CHUNK as usize];
        for mapping in space.mappings {
            if mapping.content == Content::Elsewhere {
                continue;
            }
            let mut first = mapping.start / PAGE_SIZE;
            let end = mapping.end / PAGE_SIZE;
            while first < end {
                let count = (end - first).min(CHUNK);
                let entries = &mut entries[..8 * count as usize];
                let read = read_some(&map, entries, 8 * first)?;
                for (page, entry) in (first..).zip(entries[..read].chunks_exact(8)) {
                    let at = UserAddr(page * PAGE_SIZE);
                    found.extend(self.saved(space, mapping.content, at, little_endian(entry))?);
                }
                first += count;
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
