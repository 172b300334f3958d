//! What bits and values of fields mean under two layouts: the constants that the state map says they
//! are made of.

use super::finding::FlagChange;
use kernel_structs::layout::Layout;
use kernel_structs::state::{StateMap, Unit};
use std::collections::{BTreeMap, BTreeSet};

/// What the values of a field are made of, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Constants {
    /// Masks of bits.
    Flags(BTreeMap<String, u64>),
    /// Whole values.
    Values(BTreeMap<String, i64>),
}

/// What the fields of a layout are made of.
pub(super) struct Meanings {
    /// By `type.member`.
    fields: BTreeMap<String, Constants>,
    /// The types of those fields, up to the first dot.
    types: BTreeSet<String>,
    /// Whether the layout has constants at all. Those of a family of which no constants are known
    /// have none.
    pub(super) known: bool,
}

impl Meanings {
    pub(super) fn new(map: &StateMap, layout: &Layout) -> Meanings {
        let fields = of_layout(map, layout);
        let first = |field: &String| first_name(field).to_owned();
        Meanings {
            types: fields.keys().map(first).collect(),
            fields,
            known: layout.has_constants(),
        }
    }

    /// Whether values of the type `name` have a field whose constants are others in `other`.
    pub(super) fn differ_in(&self, other: &Meanings, name: &str) -> bool {
        let has = |meanings: &Meanings| meanings.types.contains(first_name(name));
        if !has(self) && !has(other) {
            return false;
        }
        let prefix = format!("{name}.");
        let fields = self.fields.keys().chain(other.fields.keys());
        let mut of_type = fields.filter(|field| field.starts_with(&prefix));
        of_type.any(|field| self.fields.get(field) != other.fields.get(field))
    }

    /// The bits of the flag `name` of the field `field`, written `type.member`.
    pub(super) fn mask(&self, field: &str, name: &str) -> Option<u64> {
        match self.fields.get(field)? {
            Constants::Flags(flags) => flags.get(name).copied(),
            Constants::Values(_) => None,
        }
    }

    /// What `member` of a type that goes by `names` is made of.
    pub(super) fn of(&self, names: &[impl AsRef<str>], member: &str) -> Option<&Constants> {
        names.iter().map(AsRef::as_ref).find_map(|name| {
            // Few types have such fields, and every field of all types is asked for.
            let some = self.types.contains(first_name(name));
            some.then(|| self.fields.get(&format!("{name}.{member}")))?
        })
    }
}

/// A path up to its first dot.
fn first_name(path: &str) -> &str {
    path.split('.').next().unwrap_or(path)
}

fn of_layout(map: &StateMap, layout: &Layout) -> BTreeMap<String, Constants> {
    let constants = layout.constants();
    let mut fields: BTreeMap<String, Constants> = BTreeMap::new();
    let meanings = map.watch.meanings();
    for (entry, meaning) in meanings.filter(|(_, meaning)| meaning.holds(layout)) {
        for field in &meaning.fields {
            let empty = || match meaning.unit {
                Unit::Masks | Unit::Bits => Constants::Flags(BTreeMap::new()),
                Unit::Values | Unit::Number => Constants::Values(BTreeMap::new()),
            };
            // A number that is no part of a value says nothing of it.
            if meaning.unit == Unit::Number {
                continue;
            }
            let all = fields.entry(field.clone()).or_insert_with(empty);
            let kept = meaning.kept.iter();
            let kept = kept.map(|(name, value)| (name.as_str(), *value));
            let kept = kept.filter(|(name, _)| !constants.contains_key(name));
            let own = constants.iter().map(|(name, value)| (*name, *value));
            let own = own.filter(|(name, _)| entry.watches(name));
            for (name, value) in own.chain(kept) {
                match (&mut *all, meaning.unit) {
                    (Constants::Flags(flags), Unit::Masks) => {
                        // A mask of nothing is a flag that this configuration does not have.
                        let mask = u64::try_from(value).ok().filter(|mask| *mask != 0);
                        flags.extend(mask.map(|mask| (name.to_owned(), mask)));
                    }
                    (Constants::Flags(flags), Unit::Bits) => {
                        let bit = u32::try_from(value).ok();
                        let mask = bit.and_then(|bit| 1_u64.checked_shl(bit));
                        flags.extend(mask.map(|mask| (name.to_owned(), mask)));
                    }
                    (Constants::Values(values), Unit::Values) => {
                        let value = i64::try_from(value).ok();
                        values.extend(value.map(|value| (name.to_owned(), value)));
                    }
                    (Constants::Flags(_), Unit::Values)
                    | (Constants::Values(_), Unit::Masks | Unit::Bits)
                    | (_, Unit::Number) => {}
                }
            }
        }
    }
    for constants in fields.values_mut() {
        if let Constants::Flags(flags) = constants {
            *flags = parts(flags);
        }
    }
    fields
}

/// The flags of one bit, and of those of several what no flag of one bit has: a mask that is only
/// another word for some flags is none itself.
fn parts(flags: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let single = flags.values().filter(|mask| mask.count_ones() == 1);
    let named = single.fold(0, |all, mask| all | mask);
    let part = |mask: u64| match mask.count_ones() {
        1 => mask,
        _ => mask & !named,
    };
    let parts = flags.iter().map(|(name, mask)| (name.clone(), part(*mask)));
    parts.filter(|(_, mask)| *mask != 0).collect()
}

/// The flags that differ.
pub(super) fn changed(old: &BTreeMap<String, u64>, new: &BTreeMap<String, u64>) -> Vec<FlagChange> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mask = |flags: &BTreeMap<String, u64>, name| flags.get(name).copied().unwrap_or(0);
    let pairs = names.into_iter().map(|name| FlagChange {
        name: name.clone(),
        was: mask(old, name),
        is: mask(new, name),
    });
    pairs.filter(|changed| changed.was != changed.is).collect()
}
