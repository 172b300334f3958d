//! Flexible arrays: objects that are longer than their type.
//!
//! The `sizeof` of a type that ends in a flexible array leaves the array out, and the elements
//! follow in the same object; a member before them says how many there are.

use super::StateMap;
use crate::layout::{Layout, Type, TypeId};

/// The flexible array at the end of a type, and the member that says how many elements it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The last member: an array of no elements, or of one as it was written before C had
    /// flexible arrays.
    pub member: String,
    /// The integer that says how many elements there are.
    pub count: String,
    /// What has to be added to it: `level` of a pid counts the namespaces below the first.
    pub add: u64,
}

/// Where the flexible array of a type lies under one layout. In bytes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct TailPlace {
    /// `sizeof` the type; no object is shorter.
    pub size: u64,
    /// First byte of the first element.
    pub offset: u64,
    /// Type of the elements.
    pub element: TypeId,
    /// Size of one of them.
    pub element_size: u64,
    /// First byte of the count.
    pub count_offset: u64,
    /// Size of the count: 1, 2, 4 or 8.
    pub count_size: u64,
    /// Added to the count.
    pub add: u64,
}

impl TailPlace {
    /// Number of elements, as the object that begins with `bytes` says; `None` if the bytes end
    /// before the count, or if no object can have so many.
    pub fn elements(&self, bytes: &[u8]) -> Option<u64> {
        let start = usize::try_from(self.count_offset).ok()?;
        let end = start.checked_add(usize::try_from(self.count_size).ok()?)?;
        let count = bytes.get(start..end)?.iter().rev();
        let count = count.fold(0u64, |count, byte| count << 8 | u64::from(*byte));
        count.checked_add(self.add)
    }

    /// Size of an object with `elements` elements; `None` if there is no such size.
    pub fn size_with(&self, elements: u64) -> Option<u64> {
        let tail = elements.checked_mul(self.element_size)?;
        Some(self.size.max(self.offset.checked_add(tail)?))
    }
}

/// Why a layout does not have the tail that a map speaks of.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NoTail {
    Member,
    Count,
}

impl StateMap {
    /// Where the objects of type `ty` have a tail under `layout`; `None` if they have none.
    pub fn tail(&self, layout: &Layout, ty: TypeId) -> Option<TailPlace> {
        let tail = self.type_entry(&layout.names(ty))?.tail.as_ref()?;
        place(layout, ty, tail).ok()
    }
}

/// The member at the end of a type that is an array without a length: what lies there is no part of the type.
pub(super) fn open_end(layout: &Layout, ty: TypeId) -> Option<&str> {
    let Type::Composite(composite) = layout.get(layout.strip(ty)) else {
        return None;
    };
    let last = composite.members.last()?;
    match layout.get(layout.strip(last.ty)) {
        Type::Array { count: 0, .. } => last.name.as_deref(),
        _ => None,
    }
}

pub(super) fn place(layout: &Layout, ty: TypeId, tail: &Tail) -> Result<TailPlace, NoTail> {
    let Type::Composite(composite) = layout.get(layout.strip(ty)) else {
        return Err(NoTail::Member);
    };
    let last = composite.members.last().ok_or(NoTail::Member)?;
    let (element, element_size) = match layout.get(layout.strip(last.ty)) {
        Type::Array {
            element,
            count: 0 | 1,
        } if last.name.as_ref() == Some(&tail.member) => {
            (*element, layout.size_of(*element).map_or(0, |size| size.0))
        }
        _ => return Err(NoTail::Member),
    };
    let named = |member: &&crate::layout::Member| member.name.as_ref() == Some(&tail.count);
    let count = composite.members.iter().find(named).ok_or(NoTail::Count)?;
    let count_size = match layout.get(layout.strip(count.ty)) {
        Type::Int(int) if matches!(int.size.0, 1 | 2 | 4 | 8) && count.bit_field.is_none() => {
            int.size.0
        }
        _ => return Err(NoTail::Count),
    };
    if element_size == 0 {
        return Err(NoTail::Member);
    }
    Ok(TailPlace {
        size: composite.size.0,
        offset: last.offset.byte().0,
        element,
        element_size,
        count_offset: count.offset.byte().0,
        count_size,
        add: tail.add,
    })
}
