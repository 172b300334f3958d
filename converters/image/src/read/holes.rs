//! How much of a file is there, and how much it may claim.
//!
//! A file of 8 KiB on a disk may be 2^60 bytes long, all holes but for the 8 KiB. What is read into memory, and what is hashed,
//! is therefore held against what is there before it is read.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use crate::Fault;

/// Whether a file may be mostly holes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Holes {
    /// It may claim 64 times as much as is there, and 1 GiB; and of that as headers, objects and notes, which
    /// are kept in memory, 16 times as much, and 16 MiB.
    Few,
    /// It may be as long as it says.
    Any,
}

/// What a file may claim for each byte of it that is there, and what besides.
const READ: (u64, u64) = (64, 1 << 30);
/// The same of what is kept in memory.
const KEPT: (u64, u64) = (16, 16 << 20);

/// How much of a file may be read.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    /// Bytes that are there; `None` if it does not matter.
    there: Option<u64>,
}

impl Allowed {
    /// Everything.
    pub(super) const ALL: Allowed = Allowed { there: None };

    /// What of a file may be read.
    pub(super) fn of(file: &File, holes: Holes) -> io::Result<Allowed> {
        Ok(match holes {
            Holes::Any => Allowed::ALL,
            Holes::Few => Allowed {
                there: Some(bytes_there(file)?),
            },
        })
    }

    /// That `what`, which ends at `end`, may be read.
    pub(super) fn read(self, what: &'static str, end: u64) -> Result<(), Fault> {
        self.hold(what, end, READ)
    }

    /// That `what`, which ends at `end`, may be kept in memory.
    pub(super) fn keep(self, what: &'static str, end: u64) -> Result<(), Fault> {
        self.hold(what, end, KEPT)
    }

    fn hold(self, what: &'static str, end: u64, (times, besides): (u64, u64)) -> Result<(), Fault> {
        match self.there {
            Some(there) if end > there.saturating_mul(times).saturating_add(besides) => {
                Err(Fault::Holes { what, end, there })
            }
            _ => Ok(()),
        }
    }
}

/// How many bytes of a file are there, by its blocks; or by where it has data (lseek(2), SEEK_DATA), if that is more: a file
/// system may keep much in few blocks.
fn bytes_there(file: &File) -> io::Result<u64> {
    let metadata = file.metadata()?;
    let length = metadata.len();
    // st_blocks counts 512 bytes (stat(3type)).
    let by_blocks = metadata.blocks().saturating_mul(512);
    if by_blocks >= length {
        return Ok(length);
    }
    let mut there = 0;
    let mut at = 0;
    while at < length {
        let start = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Ok(start) => start,
            // Nothing but a hole is left.
            Err(Errno::NXIO) => break,
            Err(Errno::INVAL) => return Ok(length),
            Err(error) => return Err(error.into()),
        };
        let end = rustix::fs::seek(file, SeekFrom::Hole(start))?;
        there += end.saturating_sub(start);
        at = end.max(start + 1);
    }
    Ok(there.max(by_blocks))
}
