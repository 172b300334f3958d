//! Where objects lie under a layout, and where an address in one of them has gone.
//!
//! An object's address is a function of where all objects lay at the freeze and of their sizes
//! under the present layout, and of nothing else: an object stays at home as long as it fits
//! before its neighbour, and moves behind all of them when it has outgrown its place. Going back
//! therefore leads home, and a chain of steps places objects as a direct conversion does. An object
//! that a conversion makes out of a part of another comes behind those that moved.

mod arrange;

use crate::item::{Item, Setting, Standing, items};
use crate::parts::Changes;
use arrange::arrange;
use kconv_image::model::{Head, KernelAddr, Object, ObjectId, TypeIx};
use kconv_rules::{PartKind, StepRules, Tail, TypeRules};
use std::collections::{BTreeMap, BTreeSet};
use std::iter;

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
    /// A folded object where the layout read has no such structure, or the layout written none.
    #[error("object {address} ({ty}) is folded into another, where {converter} knows no such part")]
    NoSuchPart {
        /// Its address.
        address: KernelAddr,
        /// Its type.
        ty: String,
        /// The converter.
        converter: &'static str,
    },
    /// An object that belongs right behind its owner, and does not lie there.
    #[error("object {address} ({ty}) does not lie right behind the {owner} that it belongs to")]
    NotBehind {
        /// Its address.
        address: KernelAddr,
        /// Its type.
        ty: String,
        /// The type of the owner.
        owner: &'static str,
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
    /// shorter. Of an object and the one right behind it that is a part of it under other layouts it
    /// is one number, for they end at the same place.
    pub surplus: BTreeMap<ObjectId, i64>,
}

impl Lengths {
    /// Hands on what is known of objects of which `changes` makes one of two, or two of one. `items`
    /// are the objects before. One that gets no part, because it has nothing behind it, is as long as
    /// the others that get one: a kernel makes all of them alike.
    pub(crate) fn hand_on(
        &mut self,
        setting: Setting<'_>,
        items: &[Item],
        changes: &Changes,
        rules: &StepRules,
    ) {
        let links = changes.made.iter().chain(&changes.folded);
        for (id, link) in links.filter(|(_, link)| link.part.behind.is_some()) {
            let known = [*id, link.owner].map(|id| self.surplus.get(&id).copied());
            if let Some(surplus) = known.into_iter().flatten().next() {
                self.surplus.insert(*id, surplus);
                self.surplus.insert(link.owner, surplus);
            }
        }
        let parts = items.iter().zip((0..).map(ObjectId)).filter(|(item, _)| {
            let rules = rules.find(setting.type_name(&item.object));
            let part = rules.and_then(TypeRules::part_behind);
            item.standing.is_whole() && part.is_some_and(|part| part.kind == PartKind::Folded)
        });
        let (known, unknown): (Vec<ObjectId>, Vec<ObjectId>) = parts
            .map(|(_, id)| id)
            .partition(|id| self.surplus.contains_key(id));
        let surplus = known.first().and_then(|id| self.surplus.get(id).copied());
        if let Some(surplus) = surplus {
            self.surplus
                .extend(unknown.into_iter().map(|id| (id, surplus)));
        }
    }
}

/// Where every object of an image lies before and after one step.
#[derive(Debug)]
pub struct Map {
    places: Vec<Place>,
    /// Old addresses of whole objects, ascending, and the objects.
    starts: Vec<u64>,
    by_address: Vec<u32>,
    /// What comes and goes in this step.
    pub(crate) changes: Changes,
    /// Types whose objects all become parts of others.
    folds: BTreeSet<&'static str>,
}

#[derive(Debug)]
struct Place {
    before: Standing,
    old: u64,
    old_size: u64,
    after: Standing,
    new: u64,
    new_size: u64,
    ty: &'static TypeRules,
    tail: Option<PlacedTail>,
    /// The object before the step.
    object: Object,
}

/// The flexible array of one object.
#[derive(Copy, Clone, Debug)]
pub(crate) struct PlacedTail {
    /// Where it begins.
    pub(crate) at: Tail,
    /// What its elements are.
    pub(crate) element: &'static TypeRules,
    /// How many there are.
    pub(crate) elements: u64,
}

impl PlacedTail {
    /// Size of the object before and after, which has `sizeof` bytes at least.
    fn sizes(&self, ty: &TypeRules) -> (u64, u64) {
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
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
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
    /// before, or as in the image), for the layout that a step with `rules` writes.
    ///
    /// # Errors
    /// [`PlacementError`] if an object does not fit the rules or the address space.
    pub fn new(
        head: &Head,
        old: &[KernelAddr],
        lengths: &Lengths,
        rules: &StepRules,
    ) -> Result<Map, PlacementError> {
        let mut items = items(head);
        for (item, old) in items.iter_mut().zip(old) {
            item.object.address = *old;
        }
        let setting = Setting {
            machine: head.identity.machine,
            types: &head.types,
        };
        Map::step(setting, items, Changes::default(), lengths, rules)
    }

    /// As [`Map::new`], with objects that come and go.
    pub(crate) fn step(
        setting: Setting<'_>,
        mut items: Vec<Item>,
        changes: Changes,
        lengths: &Lengths,
        rules: &StepRules,
    ) -> Result<Map, PlacementError> {
        items.extend(changes.new.iter().map(|object| Item {
            object: object.clone(),
            standing: Standing::Gone,
        }));
        let types: Vec<Option<&TypeRules>> = setting
            .types
            .iter()
            .map(|name| rules.of_object(name))
            .collect();
        let mut places = Vec::with_capacity(items.len());
        for (item, id) in items.into_iter().zip((0..).map(ObjectId)) {
            let after = changes.after(&item, id);
            let ty = types[item.object.ty.0 as usize];
            places.push(Place::new(
                (setting, ty),
                item,
                after,
                (id, lengths),
                rules,
            )?);
        }
        let new = arrange(setting, &places)?;
        for (place, new) in places.iter_mut().zip(new) {
            place.new = new.0;
        }
        let whole = |id: &u32| places[*id as usize].before.is_whole();
        let mut by_address: Vec<u32> = (0..places.len() as u32).filter(whole).collect();
        by_address.sort_by_key(|id| places[*id as usize].old);
        let parts = rules.types().flat_map(|ty| ty.parts);
        let folds = parts.filter(|part| part.kind == PartKind::Folded && !part.alone);
        let starts = by_address.iter().map(|id| places[*id as usize].old);
        let mut map = Map {
            starts: starts.collect(),
            places,
            by_address,
            changes,
            folds: folds.map(|part| part.ty).collect(),
        };
        if let Some(index) = map.place_folded(rules) {
            let object = &map.places[index].object;
            return Err(PlacementError::NoSuchPart {
                address: object.address,
                ty: setting.type_name(object).to_owned(),
                converter: rules.name,
            });
        }
        Ok(map)
    }

    /// Folded objects lie where others have them, also those that are no more once they are.
    /// Returns the first that no other has.
    fn place_folded(&mut self, rules: &StepRules) -> Option<usize> {
        let parts = rules.types().flat_map(|ty| ty.parts);
        let comes_out: BTreeSet<&str> = parts
            .filter(|part| part.kind == PartKind::Made)
            .map(|part| part.ty)
            .collect();
        for index in 0..self.places.len() {
            let place = &self.places[index];
            let new = match self.changes.folded.get(&ObjectId(index as u32)) {
                Some(link) => self.new_address(link.owner).0 + u64::from(link.to),
                None if place.after.is_folded() => match self.start_of_folded(place) {
                    Some(new) if !comes_out.contains(place.ty.name) => new,
                    _ => return Some(index),
                },
                None => continue,
            };
            self.places[index].new = new;
        }
        None
    }

    /// Where the structure that a folded object became begins after the step. What it begins with may
    /// be reset, and then nothing can point at it: another of its members tells as well.
    fn start_of_folded(&self, place: &Place) -> Option<u64> {
        let members = place.ty.spans.iter().map(|span| (span.from, span.to));
        let mut places = iter::once((0, 0)).chain(members);
        places.find_map(
            |(from, to)| match self.place(place.old.checked_add(u64::from(from))?) {
                Placed::At(new) | Placed::AtFirst(new) => new.0.checked_sub(u64::from(to)),
                _ => None,
            },
        )
    }

    /// The objects after the step.
    pub(crate) fn items(&self) -> Vec<Item> {
        let item = |(place, id): (&Place, ObjectId)| Item {
            object: Object {
                size: place.new_size,
                address: KernelAddr(place.new),
                part_of: self.part_of(place, id),
                ..place.object.clone()
            },
            standing: place.after,
        };
        let ids = (0..).map(ObjectId);
        self.places.iter().zip(ids).map(item).collect()
    }

    /// What an object is a part of after the step. One that was not made is none when it is whole.
    fn part_of(&self, place: &Place, id: ObjectId) -> Option<ObjectId> {
        match (place.before, place.after) {
            (Standing::Folded, Standing::Whole) => None,
            (Standing::Whole, Standing::Folded) => {
                self.changes.folded.get(&id).map(|link| link.owner)
            }
            _ => place.object.part_of,
        }
    }

    /// Checks that the objects of the image have the sizes that this step reads.
    ///
    /// # Errors
    /// [`PlacementError::WrongSize`] for the first that has not.
    pub fn check_sizes(&self, head: &Head) -> Result<(), PlacementError> {
        for (object, place) in head.objects.iter().zip(&self.places) {
            if place.before.is_whole() && object.size != place.old_size {
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

    /// Whether all objects stay what they are, where they are, and as long as they are.
    pub(crate) fn is_still(&self) -> bool {
        let stays = |place: &Place| {
            let sizes = (place.old_size, place.new_size);
            place.before == place.after && place.old == place.new && sizes.0 == sizes.1
        };
        self.changes.are_none() && self.places.iter().all(stays)
    }

    /// The type of `object`.
    pub(crate) fn ty(&self, object: ObjectId) -> &'static TypeRules {
        self.places[object.0 as usize].ty
    }

    pub(crate) fn old_address(&self, object: ObjectId) -> KernelAddr {
        KernelAddr(self.places[object.0 as usize].old)
    }

    /// Where `object` ended.
    pub(crate) fn old_end(&self, object: ObjectId) -> KernelAddr {
        let place = &self.places[object.0 as usize];
        KernelAddr(place.old.saturating_add(place.old_size))
    }

    pub(crate) fn new_address(&self, object: ObjectId) -> KernelAddr {
        KernelAddr(self.places[object.0 as usize].new)
    }

    /// How `object` stands before and after the step.
    pub(crate) fn standing(&self, object: ObjectId) -> Option<(Standing, Standing)> {
        let place = self.places.get(object.0 as usize)?;
        Some((place.before, place.after))
    }

    /// Whether `object` ought to have been folded into another, and no pointer says into which.
    pub(crate) fn is_left_over(&self, object: ObjectId) -> bool {
        self.folds.contains(self.ty(object).name) && !self.changes.shared.contains(&object)
    }

    /// The types of all objects.
    pub(crate) fn types(&self) -> impl Iterator<Item = TypeIx> + '_ {
        self.places.iter().map(|place| place.object.ty)
    }

    /// The objects of type `ty`, of one element, that have bytes of their own before the step.
    pub(crate) fn whole_of_type<'a>(&'a self, ty: &'a str) -> impl Iterator<Item = ObjectId> + 'a {
        let is_one = move |place: &Place| {
            place.ty.name == ty && place.object.count == 1 && place.before.is_whole()
        };
        let ids = (0..).map(ObjectId);
        let places = self.places.iter().zip(ids);
        places
            .filter(move |(place, _)| is_one(place))
            .map(|(_, id)| id)
    }

    /// The object `id` as it is before the step.
    pub(crate) fn object(&self, id: ObjectId) -> &Object {
        &self.places[id.0 as usize].object
    }

    /// Number of values of each type that the step converts; an array counts its elements, also
    /// one that an object ends in.
    pub(crate) fn values(&self) -> BTreeMap<&'static str, u64> {
        let mut values = BTreeMap::new();
        for place in &self.places {
            if place.after == Standing::Gone || (place.before, place.after) == FOLDED {
                continue;
            }
            *values.entry(place.ty.name).or_default() += u64::from(place.object.count);
            if let Some(tail) = &place.tail {
                *values.entry(tail.element.name).or_default() += tail.elements;
            }
        }
        values
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
        let index = self.starts.binary_search(&address).ok()?;
        Some(ObjectId(self.by_address[index]))
    }

    /// The object that comes out of the structure which holds byte `offset` of `owner`, and the
    /// byte in there.
    fn part_at(&self, owner: ObjectId, offset: u64) -> Option<(ObjectId, u64)> {
        let place = &self.places[owner.0 as usize];
        let from_size = place.ty.from_size;
        place.ty.parts.iter().find_map(|part| {
            let value = match part.behind {
                Some(_) => 0,
                None => offset - offset % u64::from(from_size.max(1)),
            };
            let start = value + u64::from(part.from);
            let into = offset.checked_sub(start)?;
            let at = u32::try_from(start).ok()?;
            let made = self.changes.of(owner, PartKind::Made, at)?;
            let size = self.places[made.0 as usize].old_size;
            (into < size).then_some((made, into))
        })
    }

    /// Where `address` is now. At the start of an object it is the object's own.
    pub(crate) fn place(&self, address: u64) -> Placed {
        self.placed(address, false)
    }

    /// As [`Map::place`], of an address that is a member's and never that of an object: a link of a list, which may be the
    /// first member of its object under one layout and lie elsewhere under the other.
    pub(crate) fn place_of_member(&self, address: u64) -> Placed {
        self.placed(address, true)
    }

    fn placed(&self, address: u64, of_member: bool) -> Placed {
        if address == 0 {
            return Placed::Null;
        }
        let after = self.starts.partition_point(|start| *start <= address);
        let Some(id) = after.checked_sub(1).map(|index| self.by_address[index]) else {
            return Placed::NotSaved;
        };
        let place = &self.places[id as usize];
        let offset = address - place.old;
        if offset >= place.old_size {
            return Placed::NotSaved;
        }
        if let Some((part, into)) = self.part_at(ObjectId(id), offset) {
            return match place_in(&self.places[part.0 as usize], into) {
                Some(new) => Placed::At(KernelAddr(new)),
                None => Placed::NoSuchPlace {
                    object: ObjectId(id),
                    offset,
                },
            };
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
        } else if inner == 0 && !of_member {
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
                if tail.is_none() && new_inner == 0 && inner != 0 && !of_member {
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
fn open_sizes(ty: &TypeRules, surplus: i64) -> Option<(u64, u64)> {
    let sizes = [ty.from_size, ty.to_size].map(u64::from);
    let longer = |size: u64| size.checked_add_signed(surplus);
    let Some(part) = ty.part_behind() else {
        let last = ty.spans.last()?;
        let ends = [last.from + last.len, last.to + last.len].map(u64::from);
        let (size, new) = (longer(sizes[0])?, longer(sizes[1])?);
        let carried = ends == sizes && size > u64::from(last.from);
        return (surplus >= 0 || carried).then_some((size, new));
    };
    // Of the two the one that has the part inside is open, and ends in it.
    let (size, new, end, start) = match part.kind {
        PartKind::Made => (longer(sizes[0])?, sizes[1], longer(sizes[0])?, part.from),
        PartKind::Folded => (sizes[0], longer(sizes[1])?, longer(sizes[1])?, part.to),
    };
    (end > u64::from(start)).then_some((size, new))
}

/// An object that is a part of another before and after the step.
const FOLDED: (Standing, Standing) = (Standing::Folded, Standing::Folded);

/// Where byte `offset` of the old value of an object that came out of another is now.
fn place_in(place: &Place, offset: u64) -> Option<u64> {
    let behind = offset.checked_sub(u64::from(place.ty.from_size));
    if let Some(behind) = behind.filter(|_| place.ty.open) {
        return Some(place.new + u64::from(place.ty.to_size) + behind);
    }
    let spans = place.ty.spans;
    let after = spans.partition_point(|span| u64::from(span.from) <= offset);
    let span = &spans[after.checked_sub(1)?];
    let into = offset - u64::from(span.from);
    (into < u64::from(span.len)).then(|| place.new + u64::from(span.to) + into)
}

impl Place {
    fn new(
        (setting, ty): (Setting<'_>, Option<&'static TypeRules>),
        item: Item,
        after: Standing,
        (id, lengths): (ObjectId, &Lengths),
        rules: &StepRules,
    ) -> Result<Place, PlacementError> {
        let Item { object, standing } = item;
        let address = object.address;
        let name = setting.type_name(&object);
        let known = |ty: Option<&'static TypeRules>, name: &str| {
            ty.ok_or_else(|| PlacementError::UnknownType {
                address,
                ty: name.to_owned(),
                converter: rules.name,
            })
        };
        let ty = known(ty, name)?;
        let tail = match ty.tail {
            Some(_) if object.count != 1 => {
                return Err(PlacementError::ArrayOfTails {
                    address,
                    ty: name.to_owned(),
                    count: object.count,
                });
            }
            Some(at) => Some(PlacedTail {
                at,
                element: known(rules.of_object(at.element), at.element)?,
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
                    address,
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
        Ok(Place {
            before: standing,
            old: address.0,
            old_size,
            after,
            new: 0,
            new_size,
            ty,
            tail,
            object,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
