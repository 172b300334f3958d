//! Converts saved state of Linux 6.1.170 to 6.12.117, amd64, as Debian builds them.
//!
//! Hundreds of fields moved; those about which somebody had to decide are in `overrides.toml`,
//! each with its reason, and what takes more than a value is in [`overrides`].
#![forbid(unsafe_code)]

use kconv_runtime::table::Converter;

pub mod overrides;

#[rustfmt::skip]
pub mod generated {
    //! Made by `kconv-gen generate` from `overrides.toml`.
    pub mod amd64;
}

/// The converters of this crate.
pub static CONVERTERS: [&Converter; 1] = [&generated::amd64::CONVERTER];
