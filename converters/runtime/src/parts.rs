//! Structures of one kernel that are objects of the next, and the other way round.
//!
//! A conversion makes an object out of such a structure if any byte of the structure is not zero,
//! and folds the object into its owner on the way back. What was an object at the freeze stays in
//! the index while it is folded, so that it comes out under its number and at its home; what a
//! conversion made goes without a trace.

use crate::bits;
use crate::item::{Item, Setting, Standing};
use kconv_image::model::{Object, ObjectId, TypeIx};
use kconv_rules::{Bits, Part, PartKind, StepRules, TypeRules};
use std::collections::{BTreeMap, BTreeSet};

/// Which objects come and go in one step.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Objects that come out of others, new ones at the end.
    pub(crate) made: BTreeMap<ObjectId, Link>,
    /// Objects that become part of others.
    pub(crate) folded: BTreeMap<ObjectId, Link>,
    /// Objects that ought to have one right behind them that becomes a part of them, and have none.
    pub(crate) missing: BTreeSet<ObjectId>,
    /// Objects to fold that more than one other points at.
    pub(crate) shared: BTreeSet<ObjectId>,
    /// Objects that did not exist before, by ascending number.
    pub(crate) new: Vec<Object>,
    /// Objects that come and go, by owner and place there: that of the structure, or the pointer.
    by_place: BTreeMap<(ObjectId, PartKind, u32), ObjectId>,
}

/// Whether any of the bits `when` of a value is set.
fn is_set(value: &[u8], when: Bits) -> bool {
    let end = (when.offset + when.len).div_ceil(8) as usize;
    value.len() >= end && !bits::all_zero(value, when.offset, when.len)
}

/// The place in another object that an object comes out of or goes into.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Link {
    /// The other object.
    pub(crate) owner: ObjectId,
    /// The structure there.
    pub(crate) part: Part,
    /// Bytes from the start of the old object to the value that has the structure or pointer.
    pub(crate) from: u32,
    /// As `from`, in the new object.
    pub(crate) to: u32,
}

impl Changes {
    /// What comes and goes when `items` are converted; `bytes` gives the old bytes of one.
    pub(crate) fn find<E>(
        setting: Setting<'_>,
        items: &[Item],
        rules: &StepRules,
        mut bytes: impl FnMut(ObjectId) -> Result<Vec<u8>, E>,
    ) -> Result<Changes, E> {
        // The types whose values have parts.
        let types = setting.types.iter();
        let types = types.map(|name| rules.find(name).filter(|ty| !ty.parts.is_empty()));
        let types: Vec<Option<&TypeRules>> = types.collect();
        let parts_of = |item: &Item| types[item.object.ty.0 as usize];
        let mut changes = Changes::default();
        if !items.iter().any(|item| parts_of(item).is_some()) {
            return Ok(changes);
        }
        let whole = |item: &Item| item.standing.is_whole();
        let at: BTreeMap<u64, ObjectId> = items
            .iter()
            .zip((0..).map(ObjectId))
            .filter(|(item, _)| whole(item))
            .map(|(item, id)| (item.object.address.0, id))
            .collect();
        // Folded objects by where they lie.
        let inside: BTreeMap<u64, ObjectId> = items
            .iter()
            .zip((0..).map(ObjectId))
            .filter(|(item, _)| item.standing.is_folded())
            .map(|(item, id)| (item.object.address.0, id))
            .collect();
        for (item, owner) in items.iter().zip((0..).map(ObjectId)) {
            let Some(ty) = parts_of(item).filter(|_| whole(item)) else {
                continue;
            };
            let old = bytes(owner)?;
            // By the bytes that there are: the number of elements is not yet held against them.
            let values = match ty.open {
                true => 1,
                false => old.len() / (ty.from_size as usize).max(1),
            };
            let places = (0..values as u64).flat_map(|index| {
                let place = move |size: u32, at: u32| {
                    u32::try_from(index * u64::from(size) + u64::from(at)).ok()
                };
                let parts = ty.parts.iter();
                parts.map(move |part| {
                    Some((
                        part,
                        place(ty.from_size, part.from)?,
                        place(ty.to_size, part.to)?,
                    ))
                })
            });
            for (part, from, to) in places.map_while(|place| place) {
                let link = Link {
                    owner,
                    part: *part,
                    from,
                    to,
                };
                let start = link.from as usize;
                match part.kind {
                    PartKind::Made => {
                        let size = rules.find(part.ty).map_or(0, |ty| ty.from_size);
                        let place = item.object.address.0 + u64::from(link.from);
                        let says = match part.behind {
                            Some(when) => is_set(&old, when),
                            None => {
                                let says = old.get(start..start + size as usize);
                                says.is_some_and(|part| part.iter().any(|byte| *byte != 0))
                            }
                        };
                        if let Some(id) = inside.get(&place) {
                            changes.made.insert(*id, link);
                        } else if says {
                            changes.make(setting, items, &item.object, link);
                        }
                    }
                    PartKind::Folded if part.behind.is_some() => {
                        let end = item.object.address.0.checked_add(u64::from(link.from));
                        let id = end.and_then(|end| at.get(&end));
                        if let Some(id) = id {
                            changes.fold(setting, items, *id, link);
                        }
                        let found = id.is_some_and(|id| changes.folded.contains_key(id));
                        if !found && part.behind.is_some_and(|when| is_set(&old, when)) {
                            changes.missing.insert(owner);
                        }
                    }
                    PartKind::Folded => {
                        let width = usize::from(setting.machine.pointer_size());
                        let pointer = old.get(start..start + width).unwrap_or_default();
                        let pointer = pointer.iter().rev();
                        let pointer = pointer.fold(0, |n, byte| n << 8 | u64::from(*byte));
                        if let Some(id) = at.get(&pointer) {
                            changes.fold(setting, items, *id, link);
                        }
                    }
                }
            }
        }
        let made = changes.made.iter().map(|(id, link)| {
            let place = (link.owner, PartKind::Made, link.from);
            (place, *id)
        });
        let folded = changes.folded.iter().map(|(id, link)| {
            let place = (link.owner, PartKind::Folded, link.to);
            (place, *id)
        });
        changes.by_place = made.chain(folded).collect();
        Ok(changes)
    }

    fn make(&mut self, setting: Setting<'_>, items: &[Item], owner: &Object, link: Link) {
        let Some(ty) = setting.types.iter().position(|name| name == link.part.ty) else {
            return;
        };
        let id = ObjectId((items.len() + self.new.len()) as u32);
        self.new.push(Object {
            ty: TypeIx(ty as u32),
            count: 1,
            size: 0,
            address: owner.home,
            home: owner.home,
            owner: match link.part.behind {
                Some(_) => link.owner,
                None => owner.owner,
            },
            part_of: Some(link.owner),
        });
        self.made.insert(id, link);
    }

    fn fold(&mut self, setting: Setting<'_>, items: &[Item], id: ObjectId, link: Link) {
        let object = &items[id.0 as usize].object;
        let made_of_other = object.part_of.is_some_and(|owner| owner != link.owner);
        if setting.type_name(object) != link.part.ty || object.count != 1 || made_of_other {
            return;
        }
        if self.shared.contains(&id) || self.folded.remove(&id).is_some() {
            self.shared.insert(id);
        } else {
            self.folded.insert(id, link);
        }
    }

    /// The object that comes out of the structure at byte `at` of the old `owner`, or goes into
    /// that at byte `at` of the new one.
    pub(crate) fn of(&self, owner: ObjectId, kind: PartKind, at: u32) -> Option<ObjectId> {
        self.by_place.get(&(owner, kind, at)).copied()
    }

    /// Whether nothing comes or goes.
    pub(crate) fn are_none(&self) -> bool {
        self.made.is_empty()
            && self.folded.is_empty()
            && self.missing.is_empty()
            && self.shared.is_empty()
    }

    /// How an object stands after the step.
    pub(crate) fn after(&self, item: &Item, id: ObjectId) -> Standing {
        if self.made.contains_key(&id) {
            return Standing::Whole;
        }
        match self.folded.get(&id) {
            // It was made out of what it becomes again.
            Some(_) if item.object.part_of.is_some() => Standing::Gone,
            Some(_) => Standing::Folded,
            None => item.standing,
        }
    }
}
