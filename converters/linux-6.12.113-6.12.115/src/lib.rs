//! Converts saved state of Linux 6.12.113 to 6.12.115.
//!
//! The decisions are in `overrides.toml`, with their reasons.
#![forbid(unsafe_code)]

use kconv_runtime::table::Converter;

#[rustfmt::skip]
pub mod generated {
    //! Made by `kconv-gen generate` from `overrides.toml`.
    pub mod amd64_rt;
    pub mod amd64_standard;
}

/// The converters of this crate.
pub static CONVERTERS: [&Converter; 2] = [
    &generated::amd64_standard::CONVERTER,
    &generated::amd64_rt::CONVERTER,
];
