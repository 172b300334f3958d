//! Attributes of entries, by what they mean rather than by their form.

use super::DwarfError;
use super::sections::Reader;
use gimli::{AttributeValue, DebuggingInformationEntry, DwAt, Unit};

pub(super) type Entry<'a> = DebuggingInformationEntry<Reader<'a>>;

/// A constant without a sign. Constants of the forms `DW_FORM_dataN` have none (7.5.5).
pub(super) fn unsigned(entry: &Entry<'_>, attribute: DwAt) -> Option<u64> {
    match entry.attr_value(attribute)? {
        AttributeValue::Sdata(value) => u64::try_from(value).ok(),
        value => value.udata_value(),
    }
}

/// A constant that may be negative: gcc and clang write those with a sign.
pub(super) fn constant(entry: &Entry<'_>, attribute: DwAt) -> Option<i128> {
    Some(match entry.attr_value(attribute)? {
        AttributeValue::Sdata(value) => value.into(),
        value => value.udata_value()?.into(),
    })
}

pub(super) fn flag(entry: &Entry<'_>, attribute: DwAt) -> bool {
    matches!(
        entry.attr_value(attribute),
        Some(AttributeValue::Flag(true))
    )
}

pub(super) fn name(
    dwarf: &gimli::Dwarf<Reader<'_>>,
    unit: &Unit<Reader<'_>>,
    entry: &Entry<'_>,
) -> Result<Option<String>, DwarfError> {
    use gimli::Reader as _;
    let Some(value) = entry.attr_value(gimli::DW_AT_name) else {
        return Ok(None);
    };
    let text = dwarf.attr_string(unit, value)?;
    Ok(Some(text.to_string()?.into_owned()).filter(|name| !name.is_empty()))
}
