//! What no layout shows and yet changes what saved values mean: numbers of flags, constants that
//! size arrays, code that gives a field its first value.

use super::error::{StateError, bad_value, reason};
use crate::layout::Layout;
use serde::Deserialize;
use std::collections::BTreeMap;

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
    /// Which of those are not meant: names, or with one `*` patterns of names.
    pub except: Vec<String>,
    /// What the constants say of saved fields, whose values are made of them; `None` for constants
    /// of which no stored layout keeps the values.
    pub meaning: Option<Meaning>,
    /// Headers, as in `#include <…>`, in which a patch that changes the constants does so; empty for
    /// any file.
    pub seen_in: Vec<String>,
    /// Functions that give saved fields their values.
    pub functions: Vec<String>,
    /// Source files with such a function whose head is so long that a patch may not show its name.
    pub files: Vec<String>,
    /// Fields, as `type.member`, whose size or place the constants decide; empty for constants
    /// that are values of fields.
    pub sizes: Vec<String>,
    /// Why.
    pub reason: String,
}

/// What constants say of the values of fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// What the number of a constant is.
    pub unit: Unit,
    /// The fields, as `type.member`.
    pub fields: Vec<String>,
    /// Constants of the layouts for which the unit is right; empty for all layouts.
    pub has: Vec<String>,
    /// Constants of those for which it is not.
    pub lacks: Vec<String>,
    /// Headers that define the constants, as in `#include <…>`. One that a release has not is
    /// passed over.
    pub headers: Vec<String>,
    /// Constants whose numbers saved values have under a layout without them, too: those of bits
    /// that its kernel keeps clear, and in which a freeze puts what it has elsewhere.
    pub kept: BTreeMap<String, i128>,
}

/// What the number of a constant is in the value of a field.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A mask of bits of the value.
    Masks,
    /// The number of a bit of the value.
    Bits,
    /// The whole value.
    Values,
    /// No part of the value: a number that functions of decisions ask for.
    Number,
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
    /// Whether the file at `path` has a watched function whose head may be too long for the heading of a
    /// hunk.
    pub fn has_long_heads(&self, path: &str) -> bool {
        let mut files = self.entries.iter().flat_map(|entry| &entry.files);
        files.any(|file| file == path)
    }

    /// The entry for the constant or enumerator `name`: the first that names it, else the first
    /// with a pattern for it.
    pub fn constant(&self, name: &str) -> Option<&Watched> {
        let has = |entry: &&Watched| entry.constants.iter().any(|known| known == name);
        let named = self.entries.iter().find(has);
        named.or_else(|| self.entries.iter().find(|entry| entry.watches(name)))
    }

    /// The entry for the constant `name`, or for those that are made of it by their names:
    /// `JOBCTL_STOP_PENDING_BIT` is the number of the bit of `JOBCTL_STOP_PENDING`, and whether that
    /// is stored as a mask or as its number does not matter to who changes it.
    pub fn concerning(&self, name: &str) -> Option<&Watched> {
        let own = self.constant(name);
        own.or_else(|| self.entries.iter().find(|entry| entry.is_part(name)))
    }

    /// As [`Watch::concerning`], of a constant that the file at `path` defines, from the top of the
    /// kernel tree. Drivers and others have constants whose names begin like those of a task.
    pub fn concerning_in(&self, name: &str, path: &str) -> Option<&Watched> {
        let here = |entry: &&Watched| entry.is_seen_in(path);
        let mut entries = self.entries.iter().filter(here);
        let mut own = entries.clone();
        own.find(|entry| entry.watches(name))
            .or_else(|| entries.find(|entry| entry.is_part(name)))
    }

    /// The entries that say what the values of `field`, as `type.member`, are made of.
    pub fn of_field(&self, field: &str) -> impl Iterator<Item = (&Watched, &Meaning)> {
        self.meanings().filter(move |(_, meaning)| {
            meaning.unit != Unit::Number && meaning.fields.iter().any(|known| known == field)
        })
    }

    /// The entries that say what values of fields are made of.
    pub fn meanings(&self) -> impl Iterator<Item = (&Watched, &Meaning)> {
        let entries = self.entries.iter();
        entries.filter_map(|entry| Some((entry, entry.meaning.as_ref()?)))
    }

    /// Whether the value of the constant `name` is part of a stored layout.
    pub fn is_stored(&self, name: &str) -> bool {
        self.meanings().any(|(entry, _)| entry.watches(name))
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

impl Meaning {
    /// Whether it is what the constants say under `layout`: a kernel may have the names of
    /// another and mean masks by them where that means numbers of bits.
    pub fn holds(&self, layout: &Layout) -> bool {
        let is_there = |name: &String| layout.constant(name).is_some();
        self.has.iter().all(is_there) && !self.lacks.iter().any(is_there)
    }
}

impl Watched {
    /// Whether the constant `name` is one of these.
    pub fn watches(&self, name: &str) -> bool {
        let fits = |pattern: &String| fits(pattern, name);
        self.constants.iter().any(fits) && !self.except.iter().any(fits)
    }

    /// Whether these are made of the number of a bit called `name`.
    fn is_part(&self, name: &str) -> bool {
        let fits = |pattern: &String| fits(pattern, name);
        is_number_of_bit(name) && self.constants.iter().any(fits)
    }

    /// Whether the file at `path` is one that is meant.
    pub fn is_seen_in(&self, path: &str) -> bool {
        let mut headers = self.seen_in.iter();
        self.seen_in.is_empty() || headers.any(|header| is_header(header, path))
    }
}

/// Whether the file at `path`, from the top of a kernel tree, is `<header>` for some machine, for the
/// kernel or for its users; with `*` at its end, a header whose name begins so.
pub(super) fn is_header(header: &str, path: &str) -> bool {
    if let Some(start) = header.strip_suffix('*') {
        let mut folders = ["include/uapi/", "include/"].into_iter();
        let name = folders.find_map(|folder| path.strip_prefix(folder));
        return name.is_some_and(|name| name.starts_with(start));
    }
    let Some(rest) = path.strip_suffix(header) else {
        return header.strip_prefix("asm/").is_some_and(|name| {
            // One for all machines, and those of old kernels: `include/asm-i386`.
            let folder = path
                .strip_suffix(name)
                .and_then(|rest| rest.strip_suffix('/'));
            let last = folder.and_then(|folder| folder.rsplit('/').next());
            last.is_some_and(|last| last.starts_with("asm-"))
        });
    };
    matches!(rest, "include/" | "include/uapi/")
        || rest.starts_with("arch/")
            && (rest.ends_with("/include/") || rest.ends_with("/include/uapi/"))
}

/// Whether a constant called `name` is the number of a bit: `_BIT` is a word of it.
fn is_number_of_bit(name: &str) -> bool {
    let mut words = name.split('_');
    words.any(|word| word == "BIT")
}

/// Whether `name` is `pattern`, in which one `*` stands for anything.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, end)) => name
            .strip_prefix(start)
            .is_some_and(|rest| rest.ends_with(end)),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawUnit {
    Masks,
    Bits,
    Values,
    Number,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawWatched {
    #[serde(default)]
    constants: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
    #[serde(rename = "as")]
    unit: Option<RawUnit>,
    #[serde(default)]
    fields: Vec<String>,
    #[serde(default)]
    has: Vec<String>,
    #[serde(default)]
    lacks: Vec<String>,
    #[serde(default)]
    headers: Vec<String>,
    #[serde(default)]
    kept: BTreeMap<String, i64>,
    #[serde(default)]
    also_in: Vec<String>,
    #[serde(default)]
    functions: Vec<String>,
    #[serde(default)]
    files: Vec<String>,
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

/// An entry of `[[watch]]`.
pub(super) fn watched(raw: RawWatched) -> Result<Watched, StateError> {
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
    for (key, fields) in [("sizes", &raw.sizes), ("fields", &raw.fields)] {
        if let Some(found) = fields.iter().find(|field| !field.contains('.')) {
            return Err(bad_value(&place, key, found, "`type.member`"));
        }
    }
    let of_many = |name: &&String| name.matches('*').count() > 1;
    if let Some(found) = raw.except.iter().find(of_many) {
        return Err(bad_value(&place, "except", found, "a name with one `*`"));
    }
    let seen_in: Vec<String> = raw.headers.iter().chain(&raw.also_in).cloned().collect();
    if raw.headers.is_empty() && !raw.also_in.is_empty() {
        let expected = "the headers beside which it stands";
        return Err(bad_value(&place, "headers", "[]", expected));
    }
    let watches = |name: &String| raw.constants.iter().any(|constant| constant == name);
    if let Some(found) = raw.kept.keys().find(|name| !watches(name)) {
        let expected = "a constant of this entry, by its whole name";
        return Err(bad_value(&place, "kept", found, expected));
    }
    let kept = raw.kept.into_iter();
    let meaning = match (raw.unit, raw.fields.as_slice()) {
        (None, []) if raw.has.is_empty() && raw.lacks.is_empty() && kept.len() == 0 => None,
        (None, _) => {
            let expected = "\"masks\", \"bits\", \"values\" or \"number\", with `fields`";
            return Err(bad_value(&place, "as", "missing", expected));
        }
        (Some(_), []) => {
            let expected = "the fields whose values are made of the constants";
            return Err(bad_value(&place, "fields", "[]", expected));
        }
        (Some(_), _) if raw.headers.is_empty() => {
            let expected = "the headers that define the constants";
            return Err(bad_value(&place, "headers", "[]", expected));
        }
        (Some(unit), _) => Some(Meaning {
            unit: match unit {
                RawUnit::Masks => Unit::Masks,
                RawUnit::Bits => Unit::Bits,
                RawUnit::Values => Unit::Values,
                RawUnit::Number => Unit::Number,
            },
            fields: raw.fields,
            has: raw.has,
            lacks: raw.lacks,
            headers: raw.headers,
            kept: kept.map(|(name, value)| (name, value.into())).collect(),
        }),
    };
    Ok(Watched {
        reason: reason(|| place.clone(), raw.reason)?,
        constants: raw.constants,
        except: raw.except,
        meaning,
        seen_in,
        functions: raw.functions,
        files: raw.files,
        sizes: raw.sizes,
    })
}

/// An entry of `[[ignore]]`.
pub(super) fn ignored(raw: RawIgnored) -> Result<Ignored, StateError> {
    let first = raw.paths.first().map_or("(empty)", String::as_str);
    let place = format!("[[ignore]] {first}");
    if raw.paths.is_empty() || raw.paths.iter().any(|path| path.trim().is_empty()) {
        return Err(bad_value(&place, "paths", first, "starts of paths"));
    }
    Ok(Ignored {
        reason: reason(|| place.clone(), raw.reason)?,
        paths: raw.paths,
    })
}

#[cfg(test)]
mod tests {
    use super::{Watch, Watched};

    #[test]
    fn an_exception_is_not_watched() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let watched = Watched {
            constants: names(&["VM_*", "MAP_SHARED"]),
            except: names(&["VM_FAULT_*", "VM_*_BIT", "VM_SPECIAL"]),
            meaning: None,
            seen_in: names(&["linux/mm.h", "asm/mman.h"]),
            functions: Vec::new(),
            files: Vec::new(),
            sizes: Vec::new(),
            reason: "flags".to_owned(),
        };
        for name in ["VM_READ", "VM_SPECIAL_USE", "VM_BITS", "MAP_SHARED"] {
            assert!(watched.watches(name), "{name}");
        }
        for name in ["VM_FAULT_OOM", "VM_READ_BIT", "VM_SPECIAL", "MAP_PRIVATE"] {
            assert!(!watched.watches(name), "{name}");
        }
        let watch = Watch {
            entries: vec![watched],
            ignored: Vec::new(),
        };
        for (name, concerned) in [
            ("VM_READ", true),
            ("VM_READ_BIT", true),
            ("VM_HIGH_BIT_0", true),
            ("VM_FAULT_BITS", false),
            ("MAP_PRIVATE_BIT", false),
        ] {
            assert_eq!(watch.concerning(name).is_some(), concerned, "{name}");
            let here = watch.concerning_in(name, "include/linux/mm.h");
            assert_eq!(here.is_some(), concerned, "{name}");
            let elsewhere = watch.concerning_in(name, "include/linux/amd/mm.h");
            assert!(elsewhere.is_none(), "{name}");
        }
        for (path, seen) in [
            ("include/uapi/linux/mm.h", true),
            ("include/uapi/asm-generic/mman.h", true),
            ("arch/x86/include/asm/mman.h", true),
            ("arch/x86/include/uapi/asm/mman.h", true),
            ("include/asm-i386/mman.h", true),
            ("drivers/x/linux/mm.h", false),
            ("include/linux/mman.h", false),
            ("include/asm-generic/amman.h", false),
        ] {
            assert_eq!(watch.entries[0].is_seen_in(path), seen, "{path}");
        }
    }
}
