//! Formats that one kernel writes and another reads: whatever changes of their headers needs another
//! name of the version in the same patches, for the kernel that reads goes by that name alone.

use super::change::{Change, Kind, Shown};
use super::saved::Saved;
use kernel_structs::state::Contract;

/// The names of versions that patches change.
#[derive(Debug, Default)]
pub(super) struct Versions {
    changed: Vec<Version>,
}

#[derive(Debug)]
struct Version {
    name: String,
    file: String,
    was: Option<String>,
    is: Option<String>,
}

impl<'a> Saved<'a> {
    /// The contract that what a change is about is part of.
    pub(super) fn contract(&self, change: &Change) -> Option<&'a Contract> {
        self.contract_of(&change.ty, &change.file)
    }

    /// The contract that what the file at `path` declares as `name` is part of.
    pub(super) fn contract_of(&self, name: &str, path: &str) -> Option<&'a Contract> {
        let mut all = self.contracts.iter().copied();
        all.find(|contract| contract.covers(name, path))
    }

    /// Whether the macro `name` of the file at `path` names the version of a format.
    pub(super) fn is_version(&self, name: &str, path: &str) -> bool {
        let mut all = self.contracts.iter();
        all.any(|contract| contract.is_in(path) && contract.is_version(name, path, path))
    }
}

impl Versions {
    /// Those among `changes`.
    pub(super) fn of(changes: &[Change]) -> Versions {
        let versions = changes
            .iter()
            .filter(|change| change.kind == Kind::FormatVersion);
        let changed = versions.map(|change| {
            let text = |side: &Option<Shown>| {
                let declared = side.as_ref()?.declared.strip_prefix(change.ty.as_str())?;
                Some(declared.trim().to_owned())
            };
            Version {
                name: change.ty.clone(),
                file: change.file.clone(),
                was: text(&change.old),
                is: text(&change.new),
            }
        });
        Versions {
            changed: changed.collect(),
        }
    }

    /// What the version of `contract` became, in words, if it is another one for those who read what
    /// `change` is about: the text counts, and not the name of the macro.
    pub(super) fn new_of(&self, contract: &Contract, change: &Change) -> Option<String> {
        let own: Vec<&Version> = self
            .changed
            .iter()
            .filter(|version| contract.is_version(&version.name, &version.file, &change.file))
            .collect();
        let mut named = own.iter().filter_map(|version| {
            let is = version.is.as_ref()?;
            let is_new = own.iter().all(|other| other.was.as_ref() != Some(is));
            is_new.then_some((version, is))
        });
        let (Version { name, was, .. }, is) = named.next()?;
        Some(match was {
            Some(was) => format!("another {name}, {was} -> {is}"),
            None => format!("a new {name}, {is}"),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::item::Place;
    use super::*;

    fn version(name: &str, was: Option<&str>, is: Option<&str>) -> Change {
        let side = |text: Option<&str>| {
            text.map(|text| Shown::new(&format!("{name} {text}"), &Place::default()))
        };
        Change {
            old: side(was),
            new: side(is),
            ..super::super::compare::change(Kind::FormatVersion, name, "", "include/linux/a.h")
        }
    }

    fn is_raised(changes: &[Change]) -> bool {
        let contract = Contract {
            headers: vec!["linux/a.h".to_owned()],
            names: Vec::new(),
            compatible: vec!["*_COMPATIBLE".to_owned()],
            reason: "a reason".to_owned(),
        };
        let change =
            super::super::compare::change(Kind::Added, "a_ser", "member", "include/linux/a.h");
        Versions::of(changes).new_of(&contract, &change).is_some()
    }

    /// A macro under another name is no other version, nor is one that only goes.
    #[test]
    fn the_text_counts_and_not_the_name_of_the_macro() {
        let (one, two) = (Some("\"a-v1\""), Some("\"a-v2\""));
        assert!(is_raised(&[version("A_COMPATIBLE", one, two)]));
        assert!(is_raised(&[version("A_COMPATIBLE", None, one)]));
        assert!(!is_raised(&[version("A_COMPATIBLE", one, None)]));
        assert!(!is_raised(&[
            version("A_COMPATIBLE", one, None),
            version("B_COMPATIBLE", None, one),
        ]));
        assert!(is_raised(&[
            version("A_COMPATIBLE", one, None),
            version("B_COMPATIBLE", None, two),
        ]));
        assert!(!is_raised(&[version("A_VERSION", one, two)]));
        assert!(!is_raised(&[]));
    }
}
