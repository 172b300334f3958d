//! Converts saved state of Linux 2.4.36.8 to 2.4.36.9, on one processor and on several.
//!
//! `task_struct` got its member `scm_work_list` in 2.4.36.9; nothing else of what is saved
//! changed. The decision about it is in `overrides.toml`, with its reason.
#![forbid(unsafe_code)]

use kconv_runtime::table::Converter;

#[rustfmt::skip]
pub mod generated {
    //! Made by `kconv-gen generate` from `overrides.toml`.
    pub mod i386_smp;
    pub mod i386_up;
}

/// The converters of this crate.
pub static CONVERTERS: [&Converter; 2] = [
    &generated::i386_up::CONVERTER,
    &generated::i386_smp::CONVERTER,
];
