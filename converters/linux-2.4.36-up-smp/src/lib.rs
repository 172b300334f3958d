//! Converts saved state of Linux 2.4.36 for one processor to 2.4.36 for several.
//!
//! Locks, empty on one processor, get their unlocked value; arrays by processor begin with what
//! there was and are zero for the others. The rules follow from the state map alone.
#![forbid(unsafe_code)]

use kconv_runtime::table::Converter;

#[rustfmt::skip]
pub mod generated {
    //! Made by `kconv-gen generate` from `overrides.toml`.
    pub mod i386;
}

/// The converters of this crate.
pub static CONVERTERS: [&Converter; 1] = [&generated::i386::CONVERTER];
