//! What the headers of known kernels say of saved types, for patches that have no tree beside them: made by
//! `kconv-gen state uses`, one file for each family.

use super::Uses;
use crate::check::saved::Saved;
use kernel_structs::releases::header_uses;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

const HEAD: &str = "# What the declarations of saved types are made of in these header trees. Made by `kconv-gen state uses`.\n\n";

/// A file as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    /// The header trees, by the names of their folders.
    trees: Vec<String>,
    /// Of which saved types they were asked: other ones ask for another file.
    types: String,
    /// The fields that depend on each constant, macro or option.
    names: BTreeMap<String, BTreeSet<String>>,
    /// The watched constants that are made of each name.
    makes: BTreeMap<String, BTreeSet<String>>,
    /// Types that no stored layout has: the saved fields that they are in, with the conditions around them.
    inside: BTreeMap<String, BTreeMap<String, String>>,
}

impl Stored {
    pub(super) fn new(trees: Vec<String>, uses: Uses, saved: &Saved<'_>) -> Stored {
        Stored {
            trees,
            types: digest(saved),
            names: uses.names,
            makes: uses.makes,
            inside: uses.inside,
        }
    }

    pub(super) fn text(&self) -> Result<String, toml::ser::Error> {
        Ok(format!("{HEAD}{}", toml::to_string(self)?))
    }
}

/// What is stored of each family that has a file. A test reads the files; one that cannot be read is none.
static STORED: LazyLock<BTreeMap<&str, Uses>> = LazyLock::new(|| {
    let read = |(family, text): (&'static str, Vec<u8>)| {
        let stored: Stored = toml::from_slice(&text).ok()?;
        let uses = Uses {
            names: stored.names,
            makes: stored.makes,
            inside: stored.inside,
            definitions: BTreeMap::new(),
        };
        Some((family, uses))
    };
    header_uses().filter_map(read).collect()
});

/// What is stored for the family `family`; nothing for one without a file.
pub(super) fn of_family(family: &str) -> Uses {
    STORED.get(family).cloned().unwrap_or_default()
}

/// The saved types in short.
fn digest(saved: &Saved<'_>) -> String {
    let mut hasher = blake3::Hasher::new();
    for name in saved.names() {
        hasher.update(name.as_bytes());
        hasher.update(b"\n");
    }
    hasher.finalize().to_hex()[..12].to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use kernel_structs::releases::Registry;

    #[test]
    fn the_files_are_of_what_is_saved_today() {
        let registry = Registry::builtin().unwrap();
        for (family, text) in header_uses() {
            let text = String::from_utf8(text).unwrap();
            let stored: Stored = toml::from_str(&text).unwrap();
            assert_eq!(stored.text().unwrap(), text, "as it is written");
            let map = registry.state_map(family).unwrap();
            let layouts = registry.layouts().filter(|entry| entry.family == family);
            let layouts = layouts.map(|entry| registry.layout(&entry.id).unwrap());
            let saved = Saved::new(&map, layouts.collect());
            assert_eq!(
                stored.types,
                digest(&saved),
                "{family}: make the file anew with `kconv-gen state uses` from {}",
                stored.trees.join(", ")
            );
        }
    }
}
