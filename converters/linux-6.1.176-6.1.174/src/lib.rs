//! Converts saved state of Linux 6.1.176 to 6.1.174.
//!
//! The decisions are in `overrides.toml`, with their reasons.
#![forbid(unsafe_code)]

use kconv_runtime::table::Converter;

#[rustfmt::skip]
pub mod generated {
    //! Made by `kconv-gen generate` from `overrides.toml`.
    pub mod amd64_cloud;
    pub mod amd64_rt;
    pub mod amd64_standard;
}

/// The converters of this crate.
pub static CONVERTERS: [&Converter; 3] = [
    &generated::amd64_standard::CONVERTER,
    &generated::amd64_cloud::CONVERTER,
    &generated::amd64_rt::CONVERTER,
];
