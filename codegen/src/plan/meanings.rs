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

/// What the fields of both layouts are made of, by `type.member`.
pub(super) struct Meanings {
    fields: [BTreeMap<String, Constants>; 2],
    /// Whether the layouts have constants at all. Those of a family of which no constants are
    /// known have none.
    pub(super) known: [bool; 2],
}

impl Meanings {
    pub(super) fn new(map: &StateMap, old: &Layout, new: &Layout) -> Meanings {
        Meanings {
            fields: [of_layout(map, old), of_layout(map, new)],
            known: [old, new].map(Layout::has_constants),
        }
    }

    /// Whether values of the type `name` have a field whose constants differ.
    pub(super) fn differ_in(&self, name: &str) -> bool {
        let prefix = format!("{name}.");
        let fields = self.fields[0].iter().chain(&self.fields[1]);
        let mut of_type = fields.filter(|(field, _)| field.starts_with(&prefix));
        of_type.any(|(field, _)| self.fields[0].get(field) != self.fields[1].get(field))
    }

    pub(super) fn of(&self, which: usize, names: &[String]) -> Option<&Constants> {
        let fields = &self.fields[which];
        names.iter().find_map(|name| fields.get(name))
    }
}

fn of_layout(map: &StateMap, layout: &Layout) -> BTreeMap<String, Constants> {
    let constants = layout.constants();
    let mut fields: BTreeMap<String, Constants> = BTreeMap::new();
    for (entry, meaning) in map.watch.meanings() {
        for field in &meaning.fields {
            let empty = || match meaning.unit {
                Unit::Masks | Unit::Bits => Constants::Flags(BTreeMap::new()),
                Unit::Values => Constants::Values(BTreeMap::new()),
            };
            let all = fields.entry(field.clone()).or_insert_with(empty);
            for (name, value) in constants.iter().filter(|(name, _)| entry.watches(name)) {
                match (&mut *all, meaning.unit) {
                    (Constants::Flags(flags), Unit::Masks) => {
                        // A mask of nothing is a flag that this configuration does not have.
                        let mask = u64::try_from(*value).ok().filter(|mask| *mask != 0);
                        flags.extend(mask.map(|mask| ((*name).to_owned(), mask)));
                    }
                    (Constants::Flags(flags), Unit::Bits) => {
                        let bit = u32::try_from(*value).ok();
                        let mask = bit.and_then(|bit| 1_u64.checked_shl(bit));
                        flags.extend(mask.map(|mask| ((*name).to_owned(), mask)));
                    }
                    (Constants::Values(values), Unit::Values) => {
                        let value = i64::try_from(*value).ok();
                        values.extend(value.map(|value| ((*name).to_owned(), value)));
                    }
                    (Constants::Flags(_), Unit::Values)
                    | (Constants::Values(_), Unit::Masks | Unit::Bits) => {}
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
