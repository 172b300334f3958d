//! Where the types asked for are defined.

use super::DwarfError;
use super::attribute::{self, Entry};
use super::sections::Reader;
use gimli::{DwTag, Unit, UnitHeader, UnitOffset};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// A definition of a type that was asked for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Definition {
    /// Where its unit begins in `.debug_info`.
    pub(super) unit: usize,
    /// The entry within the unit.
    pub(super) entry: UnitOffset<usize>,
}

/// Which tags a name may stand for, and the bare name.
fn wanted(name: &str) -> (&[DwTag], &str) {
    const STRUCT: &[DwTag] = &[gimli::DW_TAG_structure_type];
    const UNION: &[DwTag] = &[gimli::DW_TAG_union_type];
    const ENUM: &[DwTag] = &[gimli::DW_TAG_enumeration_type];
    const ANY: &[DwTag] = &[
        gimli::DW_TAG_structure_type,
        gimli::DW_TAG_union_type,
        gimli::DW_TAG_enumeration_type,
        gimli::DW_TAG_typedef,
        gimli::DW_TAG_base_type,
    ];
    match name.split_once(' ') {
        Some(("struct", bare)) => (STRUCT, bare),
        Some(("union", bare)) => (UNION, bare),
        Some(("enum", bare)) => (ENUM, bare),
        _ => (ANY, name),
    }
}

/// All definitions of `names`, of those that look alike the first only.
///
/// Only the entries directly below a unit are looked at: a type inside a function is seen by that
/// function alone.
pub(super) fn find(
    dwarf: &gimli::Dwarf<Reader<'_>>,
    names: &[&str],
) -> Result<Vec<Definition>, DwarfError> {
    let mut by_name: BTreeMap<&str, Vec<&[DwTag]>> = BTreeMap::new();
    for name in names {
        let (tags, bare) = wanted(name);
        by_name.entry(bare).or_default().push(tags);
    }
    let mut seen = BTreeSet::new();
    let mut declared = BTreeSet::new();
    let mut found = Vec::new();
    let mut units = dwarf.units();
    while let Some(header) = units.next()? {
        let unit = dwarf.unit(header)?;
        let mut entries = unit.entries();
        entries.next_dfs()?;
        let mut next = entries.next_dfs()?;
        while let Some(entry) = next.filter(|entry| entry.depth() == 1) {
            if is_type(entry.tag())
                && let Some(name) = attribute::name(dwarf, &unit, entry)?
                && let Some((name, tags)) = by_name.get_key_value(name.as_str())
                && tags.iter().any(|tags| tags.contains(&entry.tag()))
            {
                let key = (entry.tag().0, *name);
                if attribute::flag(entry, gimli::DW_AT_declaration) {
                    declared.insert(key);
                } else if seen.insert((key, appearance(dwarf, &unit, entry.offset())?)) {
                    found.push((
                        key,
                        Definition {
                            unit: start(&unit.header),
                            entry: entry.offset(),
                        },
                    ));
                }
            }
            next = entries.next_sibling()?;
        }
    }
    for name in names {
        let (tags, bare) = wanted(name);
        let among = |(tag, name): &(u16, &str)| *name == bare && tags.contains(&DwTag(*tag));
        if !found.iter().any(|(key, _)| among(key)) {
            return Err(DwarfError::Undefined {
                name: (*name).to_owned(),
                declared: declared.iter().any(among),
            });
        }
    }
    Ok(found
        .into_iter()
        .map(|(_, definition)| definition)
        .collect())
}

/// Where a unit begins in `.debug_info`.
pub(super) fn start(header: &UnitHeader<Reader<'_>>) -> usize {
    header.offset().0
}

fn is_type(tag: DwTag) -> bool {
    wanted("").0.contains(&tag)
}

/// What a definition looks like, so that the same header seen by a thousand units is read once:
/// its size, the names and places of its members, the names and values of its enumerators. Of a
/// typedef, what the type behind it looks like.
pub(super) fn appearance(
    dwarf: &gimli::Dwarf<Reader<'_>>,
    unit: &Unit<Reader<'_>>,
    entry: UnitOffset<usize>,
) -> Result<String, DwarfError> {
    let mut text = String::new();
    let mut entries = unit.entries_at_offset(entry)?;
    let Some(first) = entries.next_dfs()? else {
        return Ok(text);
    };
    describe(dwarf, unit, first, &mut text)?;
    let mut behind = None;
    if first.tag() == gimli::DW_TAG_typedef
        && let Some(gimli::AttributeValue::UnitRef(target)) = first.attr_value(gimli::DW_AT_type)
    {
        behind = Some(target);
    }
    let depth = first.depth();
    while let Some(entry) = entries.next_dfs()?.filter(|entry| entry.depth() > depth) {
        describe(dwarf, unit, entry, &mut text)?;
    }
    if let Some(target) = behind {
        let mut entries = unit.entries_at_offset(target)?;
        if let Some(entry) = entries.next_dfs()? {
            describe(dwarf, unit, entry, &mut text)?;
            if entry.tag() != gimli::DW_TAG_typedef {
                let depth = entry.depth();
                while let Some(entry) = entries.next_dfs()?.filter(|entry| entry.depth() > depth) {
                    describe(dwarf, unit, entry, &mut text)?;
                }
            }
        }
    }
    Ok(text)
}

fn describe(
    dwarf: &gimli::Dwarf<Reader<'_>>,
    unit: &Unit<Reader<'_>>,
    entry: &Entry<'_>,
    text: &mut String,
) -> Result<(), DwarfError> {
    let name = attribute::name(dwarf, unit, entry)?;
    // Writing to a string cannot fail.
    let _ = write!(text, "{:x} {}", entry.tag().0, name.unwrap_or_default());
    for attribute in [
        gimli::DW_AT_byte_size,
        gimli::DW_AT_data_member_location,
        gimli::DW_AT_data_bit_offset,
        gimli::DW_AT_bit_offset,
        gimli::DW_AT_bit_size,
        gimli::DW_AT_const_value,
    ] {
        if let Some(value) = attribute::constant(entry, attribute) {
            let _ = write!(text, " {:x}={value}", attribute.0);
        }
    }
    text.push('\n');
    Ok(())
}
