//! Converts saved state of Linux 6.1.0-47-amd64 to 6.1.0-47-rt-amd64.
//!
//! The decisions are in `overrides.toml`, with their reasons.
#![forbid(unsafe_code)]

use kconv_runtime::table::Converter;

#[rustfmt::skip]
pub mod generated {
    //! Made by `kconv-gen generate` from `overrides.toml`.
    pub mod amd64;
}

/// The converters of this crate.
pub static CONVERTERS: [&Converter; 1] = [&generated::amd64::CONVERTER];
