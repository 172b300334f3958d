//! An image file of which nothing is believed yet, and what is kept of one pass over it.
//!
//! Who checks a signature reads the whole file once, and the image is parsed and used later. Between the two
//! somebody may write to the file. So the pass keeps a digest of every block, and every later read holds the
//! block that it is from against that.
//!
//! Contract: memory of 1/2048 of the file, which may not claim much more than is there unless it was asked for, and a few blocks; no byte is given out that was not in the pass.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::OFlags;

use super::holes::{Allowed, Holes};
use crate::model::FileOffset;
use crate::{Fault, ImageError};

/// Bytes of a block: what is read and hashed again for one page of it.
const BLOCK: u64 = 1 << 16;

/// How many blocks that were held against their digest are kept, for those who read small pieces.
const RECENT: usize = 16;

/// A file that is open, and of which nothing was read.
pub struct ImageFile {
    file: File,
    path: PathBuf,
    allowed: Allowed,
}

impl ImageFile {
    /// Opens a regular file, which may not claim much more than is there. O_NONBLOCK, which means nothing to those,
    /// keeps the open of a FIFO from waiting for a writer (open(2)).
    ///
    /// # Errors
    /// If it cannot be opened, or is something else.
    pub fn open(path: &Path) -> Result<ImageFile, ImageError> {
        ImageFile::open_with(path, Holes::Few)
    }

    /// The same, of a file with many holes or few.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(path: &Path, holes: Holes) -> Result<ImageFile, ImageError> {
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits() as i32)
            .open(path)
            .and_then(|file| match file.metadata()?.is_file() {
                true => Ok(Some((Allowed::of(&file, holes)?, file))),
                false => Ok(None),
            });
        let fault = match opened {
            Ok(Some((allowed, file))) => {
                return Ok(ImageFile {
                    file,
                    path: path.to_owned(),
                    allowed,
                });
            }
            Ok(None) => Fault::NotAFile,
            Err(error) => Fault::Open(error),
        };
        Err(ImageError {
            path: path.to_owned(),
            fault,
        })
    }

    /// A regular file that is open already, and that we have written.
    pub(crate) fn of(file: File, path: PathBuf) -> ImageFile {
        ImageFile {
            file,
            path,
            allowed: Allowed::ALL,
        }
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Shows all bytes of the file to `see`, in order, each once.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn pass(self, see: &mut dyn FnMut(&[u8])) -> Result<PassedFile, ImageError> {
        let error = |fault| ImageError {
            path: self.path.clone(),
            fault,
        };
        let metadata = self.file.metadata();
        let length = metadata.map_err(|found| error(Fault::Open(found)))?.len();
        self.allowed.read("the file", length).map_err(error)?;
        let mut blocks = Vec::new();
        let mut buffer = vec![0; BLOCK as usize];
        let mut offset = 0;
        while offset < length {
            let size = BLOCK.min(length - offset) as usize;
            let bytes = &mut buffer[..size];
            read_exact(&self.file, bytes, offset).map_err(error)?;
            see(bytes);
            blocks.push(*blake3::hash(bytes).as_bytes());
            offset += size as u64;
        }
        Ok(PassedFile {
            blocks: Blocks {
                file: self.file,
                length,
                digests: blocks,
                recent: Mutex::default(),
            },
            path: self.path,
            allowed: self.allowed,
        })
    }

    pub(super) fn into_parts(self) -> (File, PathBuf, Allowed) {
        (self.file, self.path, self.allowed)
    }
}

/// A file whose bytes somebody has seen, all of them.
pub struct PassedFile {
    pub(super) blocks: Blocks,
    pub(super) path: PathBuf,
    pub(super) allowed: Allowed,
}

/// The bytes of the file as they were in the pass.
pub(crate) struct Blocks {
    file: File,
    /// In the pass; what the file has behind that now does not belong to it.
    length: u64,
    digests: Vec<[u8; 32]>,
    recent: Mutex<VecDeque<(u64, Vec<u8>)>>,
}

impl Blocks {
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Fills `buffer` from `offset` on.
    pub(super) fn read_at(&self, mut offset: u64, mut buffer: &mut [u8]) -> Result<(), Fault> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(Fault::Read {
                offset: FileOffset(offset),
                length: buffer.len() as u64,
                error: io::ErrorKind::UnexpectedEof.into(),
            });
        }
        // Nobody panics while holding it; and what is in it was held against its digest.
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        while !buffer.is_empty() {
            let number = offset / BLOCK;
            let block = self.block(&mut recent, number)?;
            let found = &block[(offset % BLOCK) as usize..];
            let size = found.len().min(buffer.len());
            let (now, rest) = buffer.split_at_mut(size);
            now.copy_from_slice(&found[..size]);
            buffer = rest;
            offset += size as u64;
        }
        Ok(())
    }

    /// A block that is what it was in the pass.
    fn block<'a>(
        &self,
        recent: &'a mut VecDeque<(u64, Vec<u8>)>,
        number: u64,
    ) -> Result<&'a [u8], Fault> {
        let known = recent.iter().position(|(known, _)| *known == number);
        let at = match known {
            Some(at) => at,
            None => {
                let mut bytes = match recent.len() < RECENT {
                    true => Vec::new(),
                    false => recent.pop_front().map_or(Vec::new(), |(_, bytes)| bytes),
                };
                let start = number * BLOCK;
                bytes.resize(BLOCK.min(self.length - start) as usize, 0);
                read_exact(&self.file, &mut bytes, start)?;
                if self.digests.get(number as usize) != Some(blake3::hash(&bytes).as_bytes()) {
                    return Err(Fault::Changed {
                        offset: FileOffset(start),
                        end: FileOffset(start + bytes.len() as u64),
                    });
                }
                recent.push_back((number, bytes));
                recent.len() - 1
            }
        };
        Ok(&recent[at].1)
    }
}

fn read_exact(file: &File, bytes: &mut [u8], offset: u64) -> Result<(), Fault> {
    file.read_exact_at(bytes, offset)
        .map_err(|error| Fault::Read {
            offset: FileOffset(offset),
            length: bytes.len() as u64,
            error,
        })
}
