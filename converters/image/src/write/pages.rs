//! Filling the page area.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use rustix::io::Errno;

use super::temporary::Temporary;
use super::{NextPage, PageSource};
use crate::model::{PAGE_SIZE, PageIndex, PageOf, UserAddr};
use crate::read::Bytes;
use crate::{Digest, Image, WriteError};

/// How much is asked of the kernel at once; what it takes per call is at its liberty.
const COPY_STEP: u64 = 1 << 30;

/// How much passes through user space at once, where the kernel cannot copy by itself.
const CHUNK: u64 = 1 << 20;

/// Writes `length` bytes of pages at `start`; returns their digest.
pub(super) fn fill(
    temporary: &Temporary,
    start: u64,
    length: u64,
    index: PageIndex<'_>,
    source: PageSource<'_>,
) -> Result<Digest, WriteError> {
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
            compare(temporary, from, start, length)
        }
        PageSource::Stream(next) => stream(temporary, start, index, next),
    }
}

fn stream(
    temporary: &Temporary,
    start: u64,
    index: PageIndex<'_>,
    next: &mut NextPage<'_>,
) -> Result<Digest, WriteError> {
    let mut file = &temporary.file;
    file.seek(SeekFrom::Start(start))
        .map_err(|source| temporary.failed(source))?;
    let mut out = BufWriter::with_capacity(CHUNK as usize, file);
    let mut hasher = blake3::Hasher::new();
    let mut position = 0;
    let mut page = [0; PAGE_SIZE as usize];
    for (first, pages, at) in runs(index) {
        // These pages were given for another run.
        if at < position && at + pages * PAGE_SIZE <= position {
            continue;
        }
        if at != position {
            return Err(WriteError::RunPosition {
                path: temporary.destination.clone(),
                first,
                expected: position,
                found: at,
            });
        }
        for number in 0..pages {
            let of = first.plus(number * PAGE_SIZE);
            page.fill(0);
            next(of, &mut page).map_err(|source| WriteError::Page { of, source })?;
            hasher.update(&page);
            out.write_all(&page)
                .map_err(|source| temporary.failed(source))?;
        }
        position += pages * PAGE_SIZE;
    }
    out.flush().map_err(|source| temporary.failed(source))?;
    Ok(hasher.finalize().into())
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
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; CHUNK.min(length) as usize];
    let mut done = 0;
    while done < length {
        let step = CHUNK.min(length - done) as usize;
        temporary
            .file
            .read_exact_at(&mut buffer[..step], start + done)
            .map_err(|source| temporary.failed(source))?;
        hasher.update(&buffer[..step]);
        done += step as u64;
    }
    let (found, expected) = (Digest::from(hasher.finalize()), from.page_digest());
    if found == expected {
        return Ok(found);
    }
    // Either the pages were wrong before, or they are wrong now.
    match from.verify_pages() {
        Some(source) => Err(WriteError::Source { source }),
        None => Err(WriteError::CopiedPages {
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
