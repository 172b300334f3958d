//! Headers whose types are a contract between kernels: a format that one kernel writes and another
//! reads, with a name of its version that changes with it.

use super::error::{StateError, bad_value, reason};
use super::watch::{fits, is_header};
use serde::Deserialize;

/// What is said of some headers: whatever they declare changes with the version of the format alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    /// The headers, as in `#include <…>`; one may end in `*`.
    pub headers: Vec<String>,
    /// What is meant of them, names or, with `*` at its end, the start of names; empty for all that
    /// they declare.
    pub names: Vec<String>,
    /// The macros that name the version, each a name or, with a `*`, a pattern of names. A pattern is
    /// for those of the same header.
    pub compatible: Vec<String>,
    /// Why.
    pub reason: String,
}

impl Contract {
    /// Whether what the file at `path`, from the top of a kernel tree, declares as `name` is part of it.
    pub fn covers(&self, name: &str, path: &str) -> bool {
        let mut names = self.names.iter();
        let is_meant = self.names.is_empty() || names.any(|pattern| fits(pattern, name));
        is_meant && self.is_in(path)
    }

    /// Whether the file at `path` is one of its headers.
    pub fn is_in(&self, path: &str) -> bool {
        self.headers.iter().any(|header| is_header(header, path))
    }

    /// Whether the macro `name` of the file at `path` names the version of what `header`, another path
    /// or the same one, declares.
    pub fn is_version(&self, name: &str, path: &str, header: &str) -> bool {
        let mut known = self.compatible.iter();
        known.any(|known| match known.contains('*') {
            true => path == header && fits(known, name),
            false => known == name,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawContract {
    headers: Vec<String>,
    #[serde(default)]
    names: Vec<String>,
    compatible: Vec<String>,
    reason: String,
}

/// An entry of `[[contract]]`.
pub(super) fn contract(raw: RawContract) -> Result<Contract, StateError> {
    let first = raw.headers.first().map_or("(empty)", String::as_str);
    let place = format!("[[contract]] {first}");
    let all = [
        ("headers", &raw.headers, "headers, as in `#include <…>`"),
        (
            "compatible",
            &raw.compatible,
            "the macros that name the version of the format",
        ),
    ];
    for (key, names, expected) in all {
        if names.is_empty() {
            return Err(bad_value(&place, key, "[]", expected));
        }
    }
    for (key, names) in all
        .map(|(key, names, _)| (key, names))
        .into_iter()
        .chain([("names", &raw.names)])
    {
        // A star alone would be everything and so nothing.
        let is_wrong = |name: &&String| name.trim().len() < 2 || name.matches('*').count() > 1;
        if let Some(found) = names.iter().find(is_wrong) {
            return Err(bad_value(
                &place,
                key,
                found,
                "a name, which may have one `*`",
            ));
        }
    }
    Ok(Contract {
        reason: reason(|| place.clone(), raw.reason)?,
        headers: raw.headers,
        names: raw.names,
        compatible: raw.compatible,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::StateMap;
    use super::Contract;

    fn parse(entry: &str) -> Result<Contract, String> {
        let text = format!("family = \"f\"\nmachines = [\"amd64\"]\n[type]\n{entry}");
        let map = StateMap::parse(&text).map_err(|error| error.to_string())?;
        Ok(map.contracts[0].clone())
    }

    #[test]
    fn headers_and_names_say_what_is_part_of_it() {
        let contract = parse(
            "[[contract]]\nheaders = [\"linux/kho/abi/*\", \"linux/liveupdate.h\"]\nnames = [\"memfd_*\", \"LENGTH\"]\ncompatible = [\"*_COMPATIBLE\", \"VERSION\"]\nreason = \"r\"\n",
        )
        .unwrap();
        let memfd = "include/linux/kho/abi/memfd.h";
        assert!(contract.covers("memfd_luo_ser", memfd));
        assert!(contract.covers("LENGTH", "include/uapi/linux/liveupdate.h"));
        assert!(!contract.covers("LENGTHS", memfd));
        assert!(!contract.covers("memfd_luo_ser", "include/linux/memfd.h"));
        assert!(!contract.covers("memfd_luo_ser", "drivers/linux/kho/abi/memfd.h"));

        let luo = "include/linux/kho/abi/luo.h";
        assert!(contract.is_version("MEMFD_COMPATIBLE", memfd, memfd));
        assert!(!contract.is_version("MEMFD_COMPATIBLE", memfd, luo));
        assert!(contract.is_version("VERSION", memfd, luo));
        assert!(!contract.is_version("VERSIONS", memfd, memfd));
    }

    #[test]
    fn an_entry_without_headers_version_or_reason_is_refused() {
        let entry = |headers: &str, compatible: &str, reason: &str| {
            parse(&format!(
                "[[contract]]\nheaders = [{headers}]\ncompatible = [{compatible}]\nreason = \"{reason}\"\n"
            ))
        };
        assert!(entry("\"a.h\"", "\"V\\u0031\"", "r").is_ok());
        for (headers, compatible, reason, said) in [
            ("", "\"V1\"", "r", "headers"),
            ("\"a.h\"", "", "r", "compatible"),
            ("\"*\"", "\"V1\"", "r", "headers"),
            ("\"a.h\"", "\"*V*\"", "r", "compatible"),
            ("\"a.h\"", "\"V1\"", "", "reason"),
        ] {
            let error = entry(headers, compatible, reason).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
