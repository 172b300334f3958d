//! Where members lie, and how many elements arrays have.

use super::DwarfError;
use super::attribute::{self, Entry};
use super::place::Place;
use gimli::{AttributeValue, Operation};
use kernel_structs::layout::{Member, TypeId};
use kernel_structs::units::{BitOffset, BitSize};

/// Where a member lies in its structure.
pub(super) struct Location {
    offset: BitOffset,
    pub(super) bit_field: Option<BitSize>,
}

impl Location {
    pub(super) fn member(self, name: Option<String>, ty: TypeId) -> Member {
        Member {
            name,
            ty,
            offset: self.offset,
            bit_field: self.bit_field,
        }
    }
}

/// The place of the member `entry` (5.7.6). `size` gives the size of its type in bytes, which an old
/// bit-field is counted from.
pub(super) fn location(
    place: &Place<'_>,
    entry: &Entry<'_>,
    size: impl FnOnce() -> Result<u64, DwarfError>,
) -> Result<Location, DwarfError> {
    let width = attribute::unsigned(entry, gimli::DW_AT_bit_size);
    let bits = |attribute, bytes: i128, bits: i128| {
        bytes
            .checked_mul(8)
            .and_then(|all| all.checked_add(bits))
            .and_then(|all| u64::try_from(all).ok())
            .map(BitOffset)
            .ok_or(DwarfError::Attribute {
                at: place.at(),
                attribute,
            })
    };
    let Some(width) = width else {
        return Ok(Location {
            offset: bits(gimli::DW_AT_data_member_location, bytes(place, entry)?, 0)?,
            bit_field: None,
        });
    };
    let offset = if let Some(offset) = attribute::unsigned(entry, gimli::DW_AT_data_bit_offset) {
        BitOffset(offset)
    } else if let Some(from_top) = attribute::constant(entry, gimli::DW_AT_bit_offset) {
        // DWARF 2 and 3 (5.5.6 there) count from the most significant bit of a unit of storage to
        // the most significant bit of the field, on little-endian machines, too.
        let storage = match attribute::unsigned(entry, gimli::DW_AT_byte_size) {
            Some(size) => size,
            None => size()?,
        };
        let from_bottom = i128::from(storage) * 8 - from_top - i128::from(width);
        bits(gimli::DW_AT_bit_offset, bytes(place, entry)?, from_bottom)?
    } else {
        bits(gimli::DW_AT_data_member_location, bytes(place, entry)?, 0)?
    };
    Ok(Location {
        offset,
        bit_field: Some(BitSize(width)),
    })
}

/// `DW_AT_data_member_location` in bytes; 0 where it is left out, as in unions. DWARF 2 has an
/// expression there that adds to the address of the structure.
fn bytes(place: &Place<'_>, entry: &Entry<'_>) -> Result<i128, DwarfError> {
    let attribute = gimli::DW_AT_data_member_location;
    let unexpected = DwarfError::Attribute {
        at: place.at(),
        attribute,
    };
    match entry.attr_value(attribute) {
        None => Ok(0),
        Some(AttributeValue::Exprloc(expression)) => {
            let mut operations = expression.operations(place.unit.encoding());
            match (operations.next()?, operations.next()?) {
                (Some(Operation::PlusConstant { value }), None) => Ok(value.into()),
                _ => Err(unexpected),
            }
        }
        Some(_) => attribute::constant(entry, attribute).ok_or(unexpected),
    }
}

/// The number of elements that a `DW_TAG_subrange_type` gives; 0 for a flexible array, which has
/// neither count nor bound.
pub(super) fn count(place: &Place<'_>, entry: &Entry<'_>) -> Result<u64, DwarfError> {
    let value = |attribute| match attribute::constant(entry, attribute) {
        None if entry.attr_value(attribute).is_some() => Err(DwarfError::Attribute {
            at: place.at(),
            attribute,
        }),
        value => Ok(value),
    };
    let (attribute, count) = match value(gimli::DW_AT_count)? {
        Some(count) => (gimli::DW_AT_count, count),
        None => match value(gimli::DW_AT_upper_bound)? {
            // Old compilers wrote the bound of `a[0]`, -1, into as many bytes as they saw fit.
            Some(bound) if bound == u32::MAX.into() || bound == u64::MAX.into() => return Ok(0),
            Some(bound) => (gimli::DW_AT_upper_bound, bound + 1),
            None => return Ok(0),
        },
    };
    u64::try_from(count).map_err(|_| DwarfError::Attribute {
        at: place.at(),
        attribute,
    })
}
