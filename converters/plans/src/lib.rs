//! The plan of a pair of layouts as a file.
//!
//! The generator writes a plan as Rust, which is compiled into `kconv`, or as such a file, which an
//! interpreter carries out; both come from the same plan. [`model`] is what a file holds, [`write()`]
//! makes a file of it, and [`read`] takes one back and holds everything in it against everything else
//! first, so that who carries it out can neither read nor write beside a value. The format is told in
//! the book, chapter "Plans as files".
//!
//! Hostile input gives an error that names the place. Nothing is allocated by a number in a file: what
//! is read takes memory in proportion to the file, and no type nests deeper than [`MOST_NESTED`].
//!
//! This crate knows no engine and no layouts.
#![forbid(unsafe_code)]

mod check;
mod error;
pub mod model;
mod read;
mod write;

pub use error::{PlanError, Problem};
pub use read::{Checked, read};
pub use write::write;

/// The version of the format that is written, and the only one that is read.
pub const FORMAT_VERSION: u32 = 1;

/// The longest file that is read, in bytes. The longest plan between registered layouts takes a
/// fiftieth of it.
pub const LONGEST_FILE: u64 = 64 << 20;

/// The largest value of a type, in bytes, and the most memory that belongs to an object. No saved
/// structure has a hundredth of it.
pub const LARGEST_TYPE: u32 = 1 << 20;

/// How many lines one value of a type may take, those of values inside it and of elements included. A
/// `task_struct` takes some thousand.
pub const MOST_LINES: u64 = 1 << 22;

/// How many types may be inside one another.
pub const MOST_NESTED: u32 = 32;
