//! Where the bytes of an image come from.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::passed::Blocks;
use crate::Fault;
use crate::model::FileOffset;

/// An image file, one whose bytes are held against what was seen of them before, or one in memory.
pub(crate) enum Bytes {
    File(File),
    Passed(Blocks),
    Memory(Vec<u8>),
}

impl Bytes {
    pub(crate) fn length(&self) -> Result<u64, Fault> {
        match self {
            Bytes::File(file) => Ok(file.metadata().map_err(Fault::Open)?.len()),
            Bytes::Passed(blocks) => Ok(blocks.length()),
            Bytes::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// Fills `buffer` from `offset` on.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        let result = match self {
            Bytes::Passed(blocks) => return blocks.read_at(offset, buffer),
            Bytes::File(file) => file.read_exact_at(buffer, offset),
            Bytes::Memory(bytes) => usize::try_from(offset)
                .ok()
                .and_then(|start| bytes.get(start..)?.get(..buffer.len()))
                .map(|found| buffer.copy_from_slice(found))
                .ok_or_else(|| io::ErrorKind::UnexpectedEof.into()),
        };
        result.map_err(|error| Fault::Read {
            offset: FileOffset(offset),
            length: buffer.len() as u64,
            error,
        })
    }

    /// `length` bytes from `offset` on. The caller has held `length` against that of the file.
    pub(crate) fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        let mut bytes = vec![0; length as usize];
        self.read_at(offset, &mut bytes)?;
        Ok(bytes)
    }
}
