//! The image: the saved state of a set of tasks in one file.
//!
//! An image is an ELF core file, so that gdb, readelf, drgn and crash open it. What kconv needs
//! beyond that stands in notes owned by `KCONV`: who the image is, where every kernel object
//! lies, which of their pointers mean a symbol or an outside resource, what earlier conversions
//! put aside. The format is specified to the byte in the book, chapter "The image format".
//!
//! This crate knows bytes and bounds. It knows no kernel structure: a layout is what others hold
//! against the object index.
#![forbid(unsafe_code)]

pub mod core_notes;
mod digest;
mod elf;
mod error;
mod geometry;
pub mod model;
mod names;
mod notes;
mod read;
mod rules;
mod tree;
mod write;

pub use digest::Digest;
pub use error::{Fault, ImageError, WriteError};
pub use model::*;
pub use names::{Escaped, TaskName, TaskNames};
pub use read::{Holes, Image, ImageFile, ObjectBytes, ObjectStream, PassedFile, Verify};
pub use rules::Flaw;
pub use write::{
    Hashing, ImageWriter, NextPages, PageSource, SealedImage, TakenImage, Temporary, remove_file,
};

/// The version of the image format that this crate writes.
pub const FORMAT_VERSION: u32 = 2;

/// The oldest version that it reads.
pub const OLDEST_VERSION: u32 = 1;
