//! What an image knows of things outside of it: one type for each kind of resource, for the machine, and for
//! where the state comes from.
//!
//! An image has a resource as a kind and a list of attributes, by name. A freeze makes the types here and has
//! them written; a thaw, `kconv inspect` and `kconv verify` have them read. The names of attributes stand here
//! and nowhere else, and writing and reading stand beside each other.
//!
//! Reading is strict. An attribute that is missing, is not of its type, stands there twice with two values, or is not known is
//! an error that names the resource, the attribute, what was found and what was expected. A field that is an
//! `Option` says what absence means and who may leave it out; every other attribute is required.
//!
//! The kernel families have types of their own, though some of their kinds have one name: they know different
//! things. What is asked of an image of whatever family is in [`any`].
#![forbid(unsafe_code)]

#[macro_use]
mod schema;
pub mod any;
mod attributes;
mod error;
mod kind;
pub mod linux24;
pub mod linux6;
#[cfg(test)]
mod sample;
mod source;
#[cfg(test)]
mod tests;
mod values;

pub use error::{ADVICE, ResourceError};
pub use kind::Kind;
pub use source::{ReadFrom, Source};
pub use values::{Bare, Bytes, Device, FileSize, Named};
