//! What is done with types that both sides of a conversion have alike: resets are reset, pointers
//! translated, numbers copied.
//!
//! Everything but this file is made from the stored layouts and the state maps by `kconv-gen
//! generate`: for each family one file for each type, and for each layout the list of what its
//! types are carried by, which is the conversion between two releases of it.
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "names are those of the kernel")]
#![allow(
    non_snake_case,
    reason = "and those of structures without a name are made of two"
)]
#![allow(
    unused_variables,
    reason = "not every function needs all of its parameters"
)]
#![allow(unused_imports, reason = "nor every file what all of them import")]
#![allow(
    clippy::module_inception,
    reason = "a structure may be called as its family is"
)]

#[rustfmt::skip]
mod families;

#[doc(inline)]
pub use families::*;

use kconv_runtime::table::Converter;

/// From every layout to itself.
pub fn identities() -> impl Iterator<Item = &'static Converter> {
    families::IDENTITIES.iter().copied().flatten().copied()
}
