//! Formats that one kernel writes and another reads: whatever changes of their headers needs another
//! name of the version in the same patches, for the kernel that reads goes by that name alone.

use super::change::{Change, Kind, Shown};
use super::number;
use super::options::Options;
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
    /// Whether it is defined whatever the configuration is.
    certain: bool,
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

    /// Whether all that the file at `path` declares is part of a format.
    pub(super) fn is_format(&self, path: &str) -> bool {
        let mut all = self.contracts.iter();
        all.any(|contract| contract.names.is_empty() && contract.is_in(path))
    }

    /// Whether the macro `name` of the file at `path` names the version of a format.
    pub(super) fn is_version(&self, name: &str, path: &str) -> bool {
        let mut all = self.contracts.iter();
        all.any(|contract| contract.is_in(path) && contract.is_version(name, path, path))
    }
}

impl Versions {
    /// Those among `changes`, of kernels with these options.
    pub(super) fn of(changes: &[Change], options: Option<&Options>) -> Versions {
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
                certain: change.new.as_ref().is_some_and(|new| {
                    let holds = Options::holds(options, &new.condition);
                    new.condition.is_empty() || holds == Some(true)
                }),
            }
        });
        Versions {
            changed: changed.collect(),
        }
    }

    /// What the version of `contract` became, in words, if it is another one for those who read what
    /// `change` is about: the text counts, and not the name of the macro. Of a macro that comes and none
    /// goes nothing says that anybody reads it.
    pub(super) fn new_of(&self, contract: &Contract, change: &Change) -> Option<String> {
        let own: Vec<&Version> = self
            .changed
            .iter()
            .filter(|version| contract.is_version(&version.name, &version.file, &change.file))
            .collect();
        let before: Vec<&String> = own.iter().filter_map(|one| one.was.as_ref()).collect();
        let mut named = own.iter().filter_map(|version| {
            let is = version.is.as_ref().filter(|_| version.certain)?;
            let new = value(is)?;
            let is_new = before
                .iter()
                .all(|was| value(was).is_some_and(|was| was != new));
            (is_new && !before.is_empty()).then_some((version, is))
        });
        let (Version { name, was, .. }, is) = named.next()?;
        Some(match was {
            Some(was) => format!("another {name}, {was} -> {is}"),
            None => format!("a new {name}, {is}"),
        })
    }
}

/// What a macro that names a version says: a text, be it in several pieces, or a number; `None` if
/// that is elsewhere.
fn value(body: &str) -> Option<String> {
    let body = body.trim().trim_matches(['(', ')', ' ']);
    if let Some(number) = number::value(body, &|_| None) {
        return Some(number.to_string());
    }
    let mut pieces = body.split('"');
    // Between two pieces there is nothing but white space.
    let (mut text, mut inside) = (String::new(), false);
    let first = pieces.next()?;
    if !first.trim().is_empty() || !body.ends_with('"') {
        return None;
    }
    for piece in pieces {
        inside = !inside;
        match inside {
            true => text.push_str(piece),
            false if piece.trim().is_empty() => {}
            false => return None,
        }
    }
    Some(format!("\"{text}\""))
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
        Versions::of(changes, None)
            .new_of(&contract, &change)
            .is_some()
    }

    /// A macro under another name is no other version, nor is one that only goes.
    #[test]
    fn the_text_counts_and_not_the_name_of_the_macro() {
        let (one, two) = (Some("\"a-v1\""), Some("\"a-v2\""));
        assert!(is_raised(&[version("A_COMPATIBLE", one, two)]));
        assert!(!is_raised(&[version("A_COMPATIBLE", None, one)]));
        assert!(!is_raised(&[version("A_COMPATIBLE", one, None)]));
        assert!(!is_raised(&[
            version("A_COMPATIBLE", one, None),
            version("B_COMPATIBLE", None, one),
        ]));
        assert!(is_raised(&[
            version("A_COMPATIBLE", one, None),
            version("B_COMPATIBLE", None, two),
        ]));
        // The same text in pieces or in brackets, and one that is elsewhere.
        for same in ["\"a\" \"-v1\"", "(\"a-v1\")", "A_V1", "\"a-v2\" A_V1"] {
            assert!(
                !is_raised(&[version("A_COMPATIBLE", one, Some(same))]),
                "{same}"
            );
        }
        assert!(is_raised(&[version("A_COMPATIBLE", Some("1"), Some("2"))]));
        assert!(!is_raised(&[version(
            "A_COMPATIBLE",
            Some("1"),
            Some("(0x1)")
        )]));
        let mut behind = version("A_COMPATIBLE", one, two);
        for condition in ["0", "CONFIG_NEW"] {
            behind.new.as_mut().unwrap().condition = condition.to_owned();
            assert!(!is_raised(&[behind.clone()]), "{condition}");
        }
        assert!(!is_raised(&[version("A_VERSION", one, two)]));
        assert!(!is_raised(&[]));
    }
}
