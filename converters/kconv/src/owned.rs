//! Files that this program obeys, and that nobody but root or its user may have written.

use kconv_trust::{Elsewhere, nobody_else_writes};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    /// It cannot be.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Others may have written to it.
    #[error("{0}")]
    OfOthers(#[from] Elsewhere),
}

/// The bytes of a regular file, `most` at the most and one more, which tells that it is longer.
pub(crate) fn read(path: &Path, most: u64) -> Result<Vec<u8>, Unread> {
    // To open a FIFO would wait for somebody who writes (open(2)).
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file").into());
    }
    let file = File::open(path)?;
    nobody_else_writes(&file, path)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
