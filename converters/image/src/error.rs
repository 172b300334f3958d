//! What can go wrong with an image.

use std::path::PathBuf;

/// An image that cannot be read, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct ImageError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: Fault,
}

impl ImageError {
    /// What the user can do about it.
    pub fn advice(&self) -> &'static str {
        todo!()
    }
}

/// A rule of the image format that a file breaks.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The operating system refused.
    #[error("cannot read: {0}")]
    Read(std::io::Error),
}

/// An image that could not be written, and why.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The operating system refused.
    #[error("{}: cannot write: {source}", path.display())]
    Write {
        /// The destination.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl WriteError {
    /// What the user can do about it.
    pub fn advice(&self) -> &'static str {
        todo!()
    }
}
