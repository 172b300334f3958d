//! Where objects lie under a layout, and where an address in one of them has gone.
//!
//! An object's address is a function of where all objects lay at the freeze and of their sizes
//! under the present layout, and of nothing else: an object stays at home as long as it fits
//! before its neighbour, and moves behind all of them when it has outgrown its place. Going back
//! therefore leads home, and a chain of steps places objects as a direct conversion does.

use crate::table::{Converter, Tail, TypeConverter};
use kconv_image::model::{Head, KernelAddr, Machine, Object, ObjectId};
use std::collections::BTreeMap;

/// Alignment of objects that had to move, in bytes; no slab aligns its objects more.
const ALIGNMENT: u64 = 64;

/// Why objects cannot be placed.
#[derive(Debug, thiserror::Error)]
pub enum PlacementError {
    /// An object whose type the converter does not know.
    #[error("object {address} has type `{ty}`, which {converter} does not convert")]
    UnknownType {
        /// Its address.
        address: KernelAddr,
        /// Its type.
        ty: String,
        /// The converter.
        converter: &'static str,
    },
    /// An object whose size is not that of its type.
    #[error("object {address} ({ty}) has {found} bytes; the layout has {expected}")]
    WrongSize {
        /// Its address.
        address: KernelAddr,
        /// Its type.
        ty: String,
        /// Its size.
        found: u64,
        /// What its type and its number of elements come to.
        expected: u64,
    },
    /// An array of objects that end in flexible arrays, which no kernel has.
    #[error("object {address} ({ty}) has {count} elements, but each would end in a flexible array")]
    ArrayOfTails {
        /// Its address.
        address: KernelAddr,
        /// Its type.
        ty: String,
        /// Its number of elements.
        count: u32,
    },
    /// No address is left behind the other objects.
    #[error(
        "object {address} ({ty}) outgrew its place and the address space ends before a new one"
    )]
    NoRoom {
        /// Its address at the freeze.
        address: KernelAddr,
        /// Its type.
        ty: String,
    },
}

/// What objects say of their own length. No step changes it.
#[derive(Clone, Debug, Default)]
pub struct Lengths {
    /// Number of elements of the flexible array of every object that ends in one.
    pub elements: BTreeMap<ObjectId, u64>,
    /// How many bytes an object is longer than its type, where that is open; below zero if it is
    /// shorter.
    pub surplus: BTreeMap<ObjectId, i64>,
}

/// Where every object of an image lies before and after one step.
#[derive(Debug)]
pub struct Map {
    places: Vec<Place>,
    /// Ids by old address.
    by_address: Vec<u32>,
}

#[derive(Debug)]
struct Place {
    old: u64,
    old_size: u64,
    new: u64,
    new_size: u64,
    ty: &'static TypeConverter,
    tail: Option<PlacedTail>,
}

/// The flexible array of one object.
#[derive(Copy, Clone, Debug)]
pub(crate) struct PlacedTail {
    /// Where it begins.
    pub(crate) at: Tail,
    /// What its elements are.
    pub(crate) element: &'static TypeConverter,
    /// How many there are.
    pub(crate) elements: u64,
}

impl PlacedTail {
    /// Size of the object before and after, which has `sizeof` bytes at least.
    fn sizes(&self, ty: &TypeConverter) -> (u64, u64) {
        let size = |sizeof: u32, start: u32, element: u32| {
            let tail = self.elements.saturating_mul(u64::from(element));
            tail.saturating_add(u64::from(start)).max(u64::from(sizeof))
        };
        (
            size(ty.from_size, self.at.from, self.element.from_size),
            size(ty.to_size, self.at.to, self.element.to_size),
        )
    }
}

/// Where an old address is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// It was null and is.
    Null,
    /// At this address.
    At(KernelAddr),
    /// At this address, the start of an object that it was inside of. A pointer at a first member
    /// looks like one at the object, so the way back cannot know which of the two it was.
    AtFirst(KernelAddr),
    /// It was in no saved object.
    NotSaved,
    /// It was in a saved object, at a place that the new layout does not have.
    NoSuchPlace {
        /// The object.
        object: ObjectId,
        /// Bytes from its start.
        offset: u64,
    },
}

impl Map {
    /// Places the objects of `head`, which lie at `old` (as [`Map::addresses`] of the step
    /// before, or as in the image), for the layout that `converter` writes.
    ///
    /// # Errors
    /// [`PlacementError`] if an object does not fit the converter or the address space.
    pub fn new(
        head: &Head,
        old: &[KernelAddr],
        lengths: &Lengths,
        converter: &'static Converter,
    ) -> Result<Map, PlacementError> {
        let mut places = Vec::with_capacity(head.objects.len());
        for ((object, old), id) in head.objects.iter().zip(old).zip((0..).map(ObjectId)) {
            let name = head.type_name(object);
            let unknown = |name: &str| PlacementError::UnknownType {
                address: *old,
                ty: name.to_owned(),
                converter: converter.name,
            };
            let find = |name| {
                let ty = converter.find(name).filter(|ty| ty.convert.is_some());
                ty.ok_or_else(|| unknown(name))
            };
            let ty = find(name)?;
            let tail = match ty.tail {
                Some(_) if object.count != 1 => {
                    return Err(PlacementError::ArrayOfTails {
                        address: *old,
                        ty: name.to_owned(),
                        count: object.count,
                    });
                }
                Some(at) => Some(PlacedTail {
                    at,
                    element: find(at.element)?,
                    elements: lengths.elements.get(&id).copied().unwrap_or(0),
                }),
                None => None,
            };
            let count = u64::from(object.count);
            let surplus = lengths.surplus.get(&id).filter(|_| ty.open && count == 1);
            let (old_size, new_size) = match (&tail, surplus) {
                (Some(tail), _) => tail.sizes(ty),
                (None, Some(surplus)) => {
                    open_sizes(ty, *surplus).ok_or_else(|| PlacementError::WrongSize {
                        address: *old,
                        ty: name.to_owned(),
                        found: object.size,
                        expected: u64::from(ty.from_size),
                    })?
                }
                (None, None) => (
                    count * u64::from(ty.from_size),
                    count * u64::from(ty.to_size),
                ),
            };
            places.push(Place {
                old: old.0,
                old_size,
                new: 0,
                new_size,
                ty,
                tail,
            });
        }
        let new = place(head, |id| &places[id.0 as usize])?;
        for (place, new) in places.iter_mut().zip(new) {
            place.new = new.0;
        }
        let mut by_address: Vec<u32> = (0..places.len() as u32).collect();
        by_address.sort_by_key(|id| places[*id as usize].old);
        Ok(Map { places, by_address })
    }

    /// Checks that the objects of the image have the sizes that this step reads.
    ///
    /// # Errors
    /// [`PlacementError::WrongSize`] for the first that has not.
    pub fn check_sizes(&self, head: &Head) -> Result<(), PlacementError> {
        for (object, place) in head.objects.iter().zip(&self.places) {
            if object.size != place.old_size {
                return Err(PlacementError::WrongSize {
                    address: object.address,
                    ty: head.type_name(object).to_owned(),
                    found: object.size,
                    expected: place.old_size,
                });
            }
        }
        Ok(())
    }

    /// New addresses of all objects.
    pub fn addresses(&self) -> Vec<KernelAddr> {
        self.places
            .iter()
            .map(|place| KernelAddr(place.new))
            .collect()
    }

    /// The type of `object`.
    pub(crate) fn ty(&self, object: ObjectId) -> &'static TypeConverter {
        self.places[object.0 as usize].ty
    }

    pub(crate) fn old_address(&self, object: ObjectId) -> KernelAddr {
        KernelAddr(self.places[object.0 as usize].old)
    }

    pub(crate) fn new_address(&self, object: ObjectId) -> KernelAddr {
        KernelAddr(self.places[object.0 as usize].new)
    }

    /// Size of `object` under the layout written.
    pub(crate) fn new_size(&self, object: ObjectId) -> u64 {
        self.places[object.0 as usize].new_size
    }

    /// The flexible array that `object` ends in.
    pub(crate) fn tail(&self, object: ObjectId) -> Option<PlacedTail> {
        self.places[object.0 as usize].tail
    }

    /// Bytes of memory that belong to `object` from its start.
    pub(crate) fn extent(&self, object: ObjectId) -> u64 {
        let place = &self.places[object.0 as usize];
        place.ty.extent.map_or(place.old_size, u64::from)
    }

    /// The object that begins at the old address `address`.
    pub(crate) fn object_at(&self, address: u64) -> Option<ObjectId> {
        let old = |id: &u32| self.places[*id as usize].old;
        let index = self.by_address.binary_search_by_key(&address, old).ok()?;
        Some(ObjectId(self.by_address[index]))
    }

    /// Where `address` is now.
    pub(crate) fn place(&self, address: u64) -> Placed {
        if address == 0 {
            return Placed::Null;
        }
        let after = self
            .by_address
            .partition_point(|id| self.places[*id as usize].old <= address);
        let Some(id) = after.checked_sub(1).map(|index| self.by_address[index]) else {
            return Placed::NotSaved;
        };
        let place = &self.places[id as usize];
        let offset = address - place.old;
        if offset >= place.old_size {
            return Placed::NotSaved;
        }
        let tail = place.tail.filter(|tail| offset >= u64::from(tail.at.from));
        // The array that the address is in: of which type, and where it begins.
        let (ty, from, to) = match &tail {
            Some(tail) => (tail.element, tail.at.from, tail.at.to),
            None => (place.ty, 0, 0),
        };
        let from_size = u64::from(ty.from_size);
        let into = offset - u64::from(from);
        if ty.open && into >= from_size && place.ty.tail.is_none() {
            let behind = u64::from(ty.to_size) + (into - from_size);
            return Placed::At(KernelAddr(place.new + behind));
        }
        let (index, inner) = (into / from_size, into % from_size);
        let beyond = tail.is_some_and(|tail| index >= tail.elements);
        let new_inner = if beyond {
            None
        } else if inner == 0 {
            Some(0)
        } else {
            let after = ty
                .spans
                .partition_point(|span| u64::from(span.from) <= inner);
            after.checked_sub(1).and_then(|index| {
                let span = &ty.spans[index];
                let into = inner - u64::from(span.from);
                (into < u64::from(span.len)).then(|| u64::from(span.to) + into)
            })
        };
        match new_inner {
            Some(new_inner) => {
                let new = place.new + u64::from(to) + index * u64::from(ty.to_size) + new_inner;
                if tail.is_none() && new_inner == 0 && inner != 0 {
                    Placed::AtFirst(KernelAddr(new))
                } else {
                    Placed::At(KernelAddr(new))
                }
            }
            None => Placed::NoSuchPlace {
                object: ObjectId(id),
                offset,
            },
        }
    }
}

/// Size of an object that is `surplus` bytes longer than its type, before and after; `None` if it
/// ends before the last bytes of the type that are carried as they are.
fn open_sizes(ty: &TypeConverter, surplus: i64) -> Option<(u64, u64)> {
    let last = ty.spans.last()?;
    let carried = last.from + last.len == ty.from_size && last.to + last.len == ty.to_size;
    let size = u64::from(ty.from_size).checked_add_signed(surplus)?;
    let new = u64::from(ty.to_size).checked_add_signed(surplus)?;
    (surplus >= 0 || carried && size > u64::from(last.from)).then_some((size, new))
}

/// Addresses for all objects of `head` with their new sizes.
fn place<'a>(
    head: &Head,
    place: impl Fn(ObjectId) -> &'a Place,
) -> Result<Vec<KernelAddr>, PlacementError> {
    let ids = || (0..head.objects.len() as u32).map(ObjectId);
    let size = |id: ObjectId| place(id).new_size;
    let ty = |id: ObjectId| place(id).ty;
    let top: u64 = match head.identity.machine {
        Machine::I386 => 1 << 32,
        Machine::X86_64 => u64::MAX,
    };
    let no_room = |object: &Object| PlacementError::NoRoom {
        address: object.home,
        ty: head.type_name(object).to_owned(),
    };

    let mut homes: Vec<ObjectId> = ids().filter(|id| ty(*id).anchor.is_none()).collect();
    homes.sort_by_key(|id| head.object(*id).home);
    let block = |id: ObjectId| size(id).max(ty(id).extent.map_or(0, u64::from));
    let mut addresses = vec![KernelAddr(0); head.objects.len()];
    let mut outgrown = Vec::new();
    let mut end = 0;
    for (index, id) in homes.iter().enumerate() {
        let home = head.object(*id).home.0;
        let room = match homes.get(index + 1) {
            Some(next) => head.object(*next).home.0 - home,
            None => top - home,
        };
        if block(*id) <= room {
            addresses[id.0 as usize] = KernelAddr(home);
        } else {
            outgrown.push(*id);
        }
        end = end.max(home.saturating_add(block(*id)));
    }
    outgrown.sort();
    for id in outgrown {
        let object = head.object(id);
        let align = match ty(id).extent {
            // A stack is found from any address on it, so its block is aligned to its size.
            Some(extent) if extent.is_power_of_two() => u64::from(extent),
            _ => ALIGNMENT,
        };
        let start = end
            .checked_next_multiple_of(align)
            .ok_or_else(|| no_room(object))?;
        end = start
            .checked_add(block(id))
            .filter(|end| *end <= top)
            .ok_or_else(|| no_room(object))?;
        addresses[id.0 as usize] = KernelAddr(start);
    }
    for id in ids() {
        if let Some(anchor) = ty(id).anchor {
            let object = head.object(id);
            let owner = addresses[object.owner.0 as usize].0;
            addresses[id.0 as usize] = (owner + u64::from(anchor.end))
                .checked_sub(size(id))
                .map(KernelAddr)
                .ok_or_else(|| no_room(object))?;
        }
    }
    Ok(addresses)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
