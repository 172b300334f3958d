//! What no layout shows and yet changes what saved values mean: numbers of flags, constants that
//! size arrays, code that gives a field its first value.

use super::error::{StateError, bad_value, reason};
use serde::Deserialize;

/// What is watched in patches of a kernel family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// In the order of the map.
    pub entries: Vec<Watched>,
    /// Paths that say nothing about saved state.
    pub ignored: Vec<Ignored>,
}

/// An entry of the watch list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Constants and enumerators, each a name or, with `*` at its end, the start of names.
    pub constants: Vec<String>,
    /// Functions that give saved fields their values.
    pub functions: Vec<String>,
    /// Fields, as `type.member`, whose size or place the constants decide; empty for constants
    /// that are values of fields.
    pub sizes: Vec<String>,
    /// Why.
    pub reason: String,
}

/// Paths that are passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Starts of paths, from the top of the kernel tree.
    pub paths: Vec<String>,
    /// Why.
    pub reason: String,
}

impl Watch {
    /// The entry for the constant or enumerator `name`: the first that names it, else the first
    /// with a pattern for it.
    pub fn constant(&self, name: &str) -> Option<&Watched> {
        let has = |entry: &&Watched| entry.constants.iter().any(|known| known == name);
        let fits = |pattern: &String| {
            let start = pattern.strip_suffix('*');
            start.is_some_and(|start| name.starts_with(start))
        };
        let named = self.entries.iter().find(has);
        named.or_else(|| {
            self.entries
                .iter()
                .find(|entry| entry.constants.iter().any(fits))
        })
    }

    /// The entry for the function `name`.
    pub fn function(&self, name: &str) -> Option<&Watched> {
        let fits = |function: &String| function == name;
        self.entries
            .iter()
            .find(|entry| entry.functions.iter().any(fits))
    }

    /// Whether the file at `path` is passed over.
    pub fn is_ignored(&self, path: &str) -> bool {
        let paths = self.ignored.iter().flat_map(|ignored| &ignored.paths);
        paths
            .into_iter()
            .any(|start| path.starts_with(start.as_str()))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWatched {
    #[serde(default)]
    constants: Vec<String>,
    #[serde(default)]
    functions: Vec<String>,
    #[serde(default)]
    sizes: Vec<String>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIgnored {
    paths: Vec<String>,
    reason: String,
}

pub(super) fn parse(
    watched: Vec<RawWatched>,
    ignored: Vec<RawIgnored>,
) -> Result<Watch, StateError> {
    let mut watch = Watch::default();
    for raw in watched {
        let first = raw.constants.first().or(raw.functions.first());
        let place = format!("[[watch]] {}", first.map_or("(empty)", String::as_str));
        if first.is_none() {
            return Err(bad_value(
                &place,
                "constants",
                "[]",
                "constants, or functions",
            ));
        }
        // A star alone would watch everything and so nothing.
        if let Some(found) = raw
            .constants
            .iter()
            .find(|name| name.ends_with('*') && name.len() < 3)
        {
            return Err(bad_value(
                &place,
                "constants",
                found,
                "a name, or the start of one and `*`",
            ));
        }
        if let Some(found) = raw.sizes.iter().find(|field| !field.contains('.')) {
            return Err(bad_value(&place, "sizes", found, "`type.member`"));
        }
        watch.entries.push(Watched {
            reason: reason(|| place.clone(), raw.reason)?,
            constants: raw.constants,
            functions: raw.functions,
            sizes: raw.sizes,
        });
    }
    for raw in ignored {
        let first = raw.paths.first().map_or("(empty)", String::as_str);
        let place = format!("[[ignore]] {first}");
        if raw.paths.is_empty() || raw.paths.iter().any(|path| path.trim().is_empty()) {
            return Err(bad_value(&place, "paths", first, "starts of paths"));
        }
        watch.ignored.push(Ignored {
            reason: reason(|| place.clone(), raw.reason)?,
            paths: raw.paths,
        });
    }
    Ok(watch)
}
