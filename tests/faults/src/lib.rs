//! Planted faults: what has to break a test of the crate it is in.
//!
//! - [`list`]: the faults, from the files in `lists`.
//! - [`tree`]: a copy of the source tree, in which they are planted.
//! - [`batch`]: faults that are planted together.
//! - [`suite`]: the tests of one crate, with and without a fault.
//! - [`report`]: what came of it.
//!
//! The library prints nothing.
#![forbid(unsafe_code)]

pub mod batch;
pub mod list;
pub mod report;
pub mod suite;
pub mod tree;
