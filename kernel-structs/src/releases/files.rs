//! The data files that releases are made of.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// The text of `releases.toml` and the files it names, by file name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The text of `releases.toml`.
    pub releases: Cow<'static, str>,
    /// `layouts/*.btf`.
    pub layouts: BTreeMap<String, Cow<'static, [u8]>>,
    /// `state/*.toml`.
    pub states: BTreeMap<String, Cow<'static, [u8]>>,
}

// The build script writes LAYOUTS and STATES.
include!(concat!(env!("OUT_DIR"), "/files.rs"));

impl Files {
    /// The files built into this library.
    pub fn builtin() -> Files {
        let table = |files: &'static [(&str, &[u8])]| {
            files
                .iter()
                .map(|(name, data)| ((*name).to_owned(), Cow::Borrowed(*data)))
                .collect()
        };
        Files {
            releases: Cow::Borrowed(include_str!("../../releases.toml")),
            layouts: table(LAYOUTS),
            states: table(STATES),
        }
    }
}
