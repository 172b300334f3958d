//! Carries out plans that were read from files.
//!
//! [`converter`] makes of a plan what the engine runs: the same tables that a generated page has, and in
//! the place of its functions lines of data, each of which calls the method of the
//! engine's context that the generated line calls. So both give the same bytes, findings and kept
//! values. Functions of people are code all the same; a plan names them, and the caller hands in
//! those that it has ([`Callee`]).
//!
//! What a plan is made of stays in memory as long as the program runs, as the tables of compiled
//! converters do. To convert a value nothing is allocated by what is here.
#![forbid(unsafe_code)]

mod call;
mod line;
mod load;
mod number;
mod tables;

pub use call::{Callee, Given, Result as CallResult, Signature};
pub use load::{LoadError, converter};

/// What [`functions!`] expands to names.
#[doc(hidden)]
pub mod private {
    pub use kconv_runtime::at::At;
    pub use kconv_runtime::bits::bytemuck::bytes_of;
    pub use kconv_runtime::context::Context;
}
