//! Filling the page area.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::io::Errno;

use super::hashing::Hasher;
use super::temporary::Temporary;
use super::{Hashing, NextPages, PageSource};
use crate::model::{PAGE_SIZE, PageIndex, PageOf, UserAddr};
use crate::read::Bytes;
use crate::{Digest, Image, WriteError, tree};

/// How much is asked of the kernel at once; what it takes per call is at its liberty.
const COPY_STEP: u64 = 1 << 30;

/// How much passes through user space at once.
const CHUNK: u64 = 1 << 20;

/// What the digest of the page area is made of.
pub(super) enum PageDigest {
    /// It is that of another image.
    Known(Digest),
    /// The area itself.
    Made(Hasher),
}

/// Writes `length` bytes of pages at `start`.
pub(super) fn fill(
    temporary: &Temporary,
    start: u64,
    length: u64,
    index: PageIndex<'_>,
    source: PageSource<'_>,
    hashing: Hashing,
) -> Result<PageDigest, WriteError> {
    match source {
        PageSource::Copy { from } => {
            let (from_start, found) = from.page_area();
            if found != length {
                return Err(WriteError::PageArea {
                    path: temporary.destination.clone(),
                    expected: length,
                    found,
                });
            }
            copy(temporary, from, from_start.0, start, length)?;
            Ok(PageDigest::Known(compare(temporary, from, start, length)?))
        }
        PageSource::Stream(next) => {
            let hashing = Hasher::start(&temporary.file, start, length, hashing);
            let mut area = Area {
                temporary,
                buffer: vec![0; length.clamp(PAGE_SIZE, CHUNK) as usize],
                filled: 0,
                at: start,
                hasher: hashing.map_err(|source| temporary.failed(source))?,
            };
            area.stream(index, next)?;
            Ok(PageDigest::Made(area.hasher))
        }
    }
}

/// The page area in the making.
struct Area<'t> {
    temporary: &'t Temporary,
    /// What was given and not written, in its first `filled` bytes.
    buffer: Vec<u8>,
    filled: usize,
    /// Where in the file the buffer comes.
    at: u64,
    hasher: Hasher,
}

impl Area<'_> {
    fn stream(&mut self, index: PageIndex<'_>, next: &mut NextPages<'_>) -> Result<(), WriteError> {
        let mut position = 0;
        for (first, pages, at) in runs(index) {
            let length = pages * PAGE_SIZE;
            // These pages were given for another run.
            if at < position && at + length <= position {
                continue;
            }
            if at != position {
                return Err(WriteError::RunPosition {
                    path: self.temporary.destination.clone(),
                    first,
                    expected: position,
                    found: at,
                });
            }
            let mut done = 0;
            while done < length {
                done += self.take(first.plus(done), length - done, next)?;
                if self.filled == self.buffer.len() {
                    self.flush()?;
                }
            }
            position += length;
        }
        self.flush()
    }

    /// Has `next` give as many of the `length` bytes of pages from `first` on as there is room for.
    fn take(
        &mut self,
        first: PageOf,
        length: u64,
        next: &mut NextPages<'_>,
    ) -> Result<u64, WriteError> {
        let room = &mut self.buffer[self.filled..];
        let taken = length.min(room.len() as u64);
        let into = &mut room[..taken as usize];
        into.fill(0);
        if next(first, into).is_err() {
            // One by one, to know which.
            into.fill(0);
            for (number, page) in (0..).zip(into.chunks_exact_mut(PAGE_SIZE as usize)) {
                let of = first.plus(number * PAGE_SIZE);
                next(of, page).map_err(|source| WriteError::Page { of, source })?;
            }
        }
        self.filled += taken as usize;
        Ok(taken)
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        let bytes = &self.buffer[..self.filled];
        let written = self.temporary.file.write_all_at(bytes, self.at);
        written.map_err(|source| self.temporary.failed(source))?;
        self.at += self.filled as u64;
        self.filled = 0;
        self.hasher.written_to(self.at);
        Ok(())
    }
}

/// All runs: the first page, the number of pages, and where they are in the page area.
fn runs(index: PageIndex<'_>) -> impl Iterator<Item = (PageOf, u64, u64)> {
    let contents = index.contents.iter().flat_map(|of| {
        let first = |offset| PageOf::File(of.resource, offset);
        let runs = of.runs.iter();
        runs.map(move |run| (first(run.offset), run.pages, run.position))
    });
    let spaces = index.address_spaces.iter().flat_map(|of| {
        let first = |start: UserAddr| PageOf::Memory(of.mm, start);
        let runs = of.runs.iter();
        runs.map(move |run| (first(run.start), run.pages, run.position))
    });
    contents.chain(spaces)
}

/// Holds the pages that were written against the digest of those that they were copied from: what the kernel copied
/// by itself has not been seen by anybody. Returns the digest.
fn compare(
    temporary: &Temporary,
    from: &Image,
    start: u64,
    length: u64,
) -> Result<Digest, WriteError> {
    let read = |at, into: &mut [u8]| temporary.file.read_exact_at(into, start + at);
    let found = tree::digest(length, &read);
    let found = found.map_err(|source| temporary.failed(source))?;
    let expected = from.page_digest();
    if found == expected {
        return Ok(found);
    }
    // Either the pages were wrong before, or they are wrong now.
    match from.verify_pages() {
        Err(source) => Err(WriteError::Source { source }),
        Ok(()) => Err(WriteError::CopiedPages {
            path: temporary.destination.clone(),
            found,
            expected,
        }),
    }
}

/// Copies within the kernel as far as it will; on file systems with reflinks nothing is copied
/// at all.
fn copy(
    temporary: &Temporary,
    from: &Image,
    from_start: u64,
    start: u64,
    length: u64,
) -> Result<(), WriteError> {
    let mut done = 0;
    if let Bytes::File(file) = from.bytes() {
        done = copy_in_kernel(file, &temporary.file, from_start, start, length)
            .map_err(|source| temporary.failed(source))?;
    }
    let mut buffer = vec![0; CHUNK.min(length - done) as usize];
    while done < length {
        let step = CHUNK.min(length - done) as usize;
        from.read_at(from_start + done, &mut buffer[..step])
            .map_err(|source| WriteError::Source { source })?;
        temporary
            .file
            .write_all_at(&buffer[..step], start + done)
            .map_err(|source| temporary.failed(source))?;
        done += step as u64;
    }
    Ok(())
}

/// Returns how many bytes were copied: fewer than `length` where the kernel cannot, between
/// these two files (copy_file_range(2), ERRORS), or the source ends early.
fn copy_in_kernel(
    from: &File,
    to: &File,
    from_start: u64,
    to_start: u64,
    length: u64,
) -> io::Result<u64> {
    let mut from_offset = from_start;
    let mut to_offset = to_start;
    while to_offset - to_start < length {
        let step = COPY_STEP.min(length - (to_offset - to_start)) as usize;
        let copied = rustix::fs::copy_file_range(
            from,
            Some(&mut from_offset),
            to,
            Some(&mut to_offset),
            step,
        );
        match copied {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => {
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(to_offset - to_start)
}
