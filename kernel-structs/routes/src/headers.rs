//! Layouts out of a configured header tree, through bindgen.
//!
//! [bindgen] asks libclang how a C compiler lays out each type, writes Rust that should be laid
//! out the same, and assertions of what clang said. Both are parsed here. The C rules are then
//! applied to the Rust once more, for the target and not for the host, and held against the
//! assertions; where they differ there is a [`Doubt`]. Offsets that clang asserts win over those
//! that were computed.
//!
//! Known to be wrong or missing in bindgen's output, and what is done:
//!
//! - A type both packed and aligned is written `packed(N)` and `align(N)` with the alignment as N:
//!   it is taken as packed to the byte. Where bindgen leaves out the second, and where only a
//!   member is packed, clang's offsets are taken and the difference is a doubt.
//! - An alignment set on a typedef is dropped: padding that bindgen writes out is used, and what
//!   it does not see is a doubt.
//! - Bit-fields have no assertions: they are placed by the unit that bindgen made of them, checked
//!   to lie within it and not to straddle their type's storage.
//! - Anonymous members have no assertions: they are placed by the C rules between their
//!   neighbours.
//! - `volatile`, `restrict` and type tags are gone.
//! - A type that bindgen gives up on is opaque bytes: a doubt.
//!
//! A type that is defined in a `.c` file is in no header and cannot be had by this route.
//!
//! libclang is loaded when it is needed and not before. Headers are programs for a compiler:
//! unlike the other routes, this one is for trees that are trusted.
//!
//! [bindgen]: https://rust-lang.github.io/rust-bindgen/

mod bindings;
mod build;
mod constants;
mod doubt;
mod error;
mod expression;
mod place;
mod profile;
mod run;
mod rust_type;

pub use constants::constants;
pub use doubt::Doubt;
pub use error::HeaderError;
pub use profile::{Profile, ProfileError, Tree};

use kernel_structs::layout::{Layout, Target};

/// The types of a profile, as its headers declare them.
#[derive(Clone, Debug)]
pub struct Headers {
    /// The types, with everything they contain.
    pub layout: Layout,
    /// Where bindgen's Rust and clang's assertions differ, or something could not be checked. A
    /// layout with doubts must not be believed without a second route.
    pub doubts: Vec<Doubt>,
}

/// Reads the types that `profile` names out of `tree`.
///
/// # Errors
/// If libclang is missing, the tree lacks something, the headers do not compile, they do not
/// define a type, or bindgen's output is not understood.
pub fn read(profile: &Profile, tree: &Tree) -> Result<Headers, HeaderError> {
    let output = run::bindgen(profile, tree)?;
    let bindings = bindings::Bindings::parse(&output.text)?;
    let machine = place::Machine::of(&profile.target)
        .ok_or_else(|| HeaderError::Target(profile.target.clone()))?;
    let target = Target {
        pointer_size: machine.pointer_size,
    };
    let names: Vec<&str> = profile.types.iter().map(String::as_str).collect();
    build::build(&bindings, &output, machine, target, &names)
}
