//! Converts saved state of Linux 2.4.36 for several processors to 2.4.36 for one.
//!
//! Locks become empty, and a task's times by processor become their sum. The decision about
//! these is in `overrides.toml`, with its reason; the parts are kept for the way back.
#![forbid(unsafe_code)]

use kconv_runtime::table::Converter;

#[rustfmt::skip]
pub mod generated {
    //! Made by `kconv-gen generate` from `overrides.toml`.
    pub mod i386;
}

/// The converters of this crate.
pub static CONVERTERS: [&Converter; 1] = [&generated::i386::CONVERTER];
