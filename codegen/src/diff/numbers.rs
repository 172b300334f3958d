//! What changed of names that stand for numbers: enumerators, and the constants that saved values are
//! made of.

use kernel_structs::layout::{CONSTANTS, EnumType, Layout, Type, UnknownType};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What changed of an enumeration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EnumDiff {
    /// The enumeration.
    #[serde(rename = "enum")]
    pub name: String,
    /// Its size before, in bytes.
    pub from_size: u64,
    /// Its size after, in bytes.
    pub to_size: u64,
    /// Its changed enumerators, by name.
    pub changes: Vec<NumberChange>,
}

/// A name that only one layout has, or that stands for another number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NumberChange {
    /// The name.
    pub name: String,
    /// The number before.
    pub old: Option<i128>,
    /// The number after.
    pub new: Option<i128>,
}

/// Compares the enumerations that are named in `types`; other types there are not looked at, and
/// enumerations without a change are left out.
///
/// # Errors
/// If a layout has no type of one of the names.
pub fn enumerations(
    old: &Layout,
    new: &Layout,
    types: &[&str],
) -> Result<Vec<EnumDiff>, UnknownType> {
    let mut all = Vec::new();
    for name in types {
        let sides = (enumeration(old, name)?, enumeration(new, name)?);
        // The constants of a layout are compared by their own function.
        let (Some(was), Some(is)) = sides else {
            continue;
        };
        if was.name.as_deref() == Some(CONSTANTS) {
            continue;
        }
        let diff = EnumDiff {
            name: name.trim_start_matches("enum ").to_owned(),
            from_size: was.size.0,
            to_size: is.size.0,
            changes: changes(&numbers(was), &numbers(is)),
        };
        if !diff.changes.is_empty() || diff.from_size != diff.to_size {
            all.push(diff);
        }
    }
    Ok(all)
}

/// The constants that saved values are made of and that differ between two layouts.
pub fn constants(old: &Layout, new: &Layout) -> Vec<NumberChange> {
    changes(&old.constants(), &new.constants())
}

fn enumeration<'l>(layout: &'l Layout, name: &str) -> Result<Option<&'l EnumType>, UnknownType> {
    let id = layout.require(name)?;
    Ok(match layout.get(layout.strip(id)) {
        Type::Enum(found) => Some(found),
        _ => None,
    })
}

fn numbers(of: &EnumType) -> BTreeMap<&str, i128> {
    let enumerators = of.enumerators.iter();
    enumerators
        .map(|(name, number)| (name.as_str(), *number))
        .collect()
}

fn changes(old: &BTreeMap<&str, i128>, new: &BTreeMap<&str, i128>) -> Vec<NumberChange> {
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    let differ = names.into_iter().filter_map(|name| {
        let (was, is) = (old.get(name).copied(), new.get(name).copied());
        (was != is).then(|| NumberChange {
            name: name.to_owned(),
            old: was,
            new: is,
        })
    });
    differ.collect()
}

/// A number as it is shown, or that there is none.
pub(super) fn shown(number: Option<i128>) -> String {
    match number {
        None => "none".to_owned(),
        Some(number) if number < 0 => number.to_string(),
        Some(number) => format!("{number:#x}"),
    }
}

impl fmt::Display for NumberChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NumberChange { name, old, new } = self;
        write!(f, "{name} {} | {}", shown(*old), shown(*new))
    }
}
