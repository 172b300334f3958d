//! Whether an image means what it says: its objects held against the layout and the state map.
//!
//! The image format's own rules (bounds, digests, overlaps) are checked when it is read; this is
//! about meaning.

mod places;
mod pointers;
mod resources;
mod types;

pub(crate) use resources::resources;

use crate::both::both;
use crate::failure::Failure;
use crate::releases::Known;
use kconv_image::{Image, ImageError, ObjectId, Slot, SlotTarget, Verify};
use kconv_tasks::{Tasks, View};
use kernel_structs::layout::{Layout, TypeId};
use kernel_structs::state::{Missing, Policy, StateMap};
use kernel_structs_bits::little_endian;
use places::{Looked, Word, looked_at};
use pointers::{Chains, Followed, Path};
use rustc_hash::FxHashMap;
use std::rc::Rc;
use types::OfType;

/// Most findings reported; a broken image can have one for every pointer.
const FINDING_LIMIT: usize = 1000;

/// All that is wrong with an image, so much of which is read: its digests, its resources, its objects, and whether
/// its tasks can be understood. What is found first keeps the rest from being looked at.
///
/// # Errors
/// If its kernel is not known.
pub(crate) fn of_image(image: &Image, depth: Verify) -> Result<Vec<String>, Failure> {
    let known = Known::new().and_then(|known| {
        let layout = known.layout_of(image)?;
        let map = known.registry.state_map(&image.head().identity.family)?;
        Ok((layout, map))
    });
    let texts = |found: Vec<ImageError>| found.iter().map(ToString::to_string).collect();
    let (layout, map) = match known {
        Ok(known) => known,
        // Damage is the cause of all else.
        Err(failure) => match image.verify(depth) {
            sound if sound.is_empty() => return Err(failure),
            damaged => return Ok(texts(damaged)),
        },
    };
    let pages = || match depth {
        Verify::Objects => None,
        Verify::Everything => image.verify_pages().err(),
    };
    // Pages say nothing of objects: both are looked at at once.
    let (pages, objects) = both(&pages, || of_objects(image, &layout, &map));
    Ok(match (objects, pages) {
        (Ok(findings), None) => findings,
        (objects, pages) => texts(objects.err().into_iter().chain(pages).collect()),
    })
}

/// What is wrong with resources, objects and tasks.
///
/// # Errors
/// If the objects cannot be read, or are not what their digest says.
fn of_objects(image: &Image, layout: &Layout, map: &StateMap) -> Result<Vec<String>, ImageError> {
    let view = View::new(image, layout, map)?;
    let mut findings = resources(image.head());
    findings.extend(check(&view, map));
    if findings.is_empty() {
        findings.extend(Tasks::check(&view).err().map(|error| error.to_string()));
    }
    Ok(findings)
}

/// All that is wrong with objects, at most [`FINDING_LIMIT`] findings.
pub(crate) fn check(view: &View<'_>, map: &StateMap) -> Vec<String> {
    let types = view.objects.head().types.iter();
    let types: Vec<OfType<'_>> = types
        .map(|name| OfType::new(view.objects.layout(), map, name))
        .collect();
    let mut check = Check {
        view,
        types: &types,
        looked: FxHashMap::default(),
        slots: &[],
        named: Vec::new(),
        chains: Chains::new(),
        findings: Vec::new(),
        map,
    };
    for id in (0..view.objects.head().objects.len() as u32).map(ObjectId) {
        check.object(id);
    }
    check.chains();
    check.findings.truncate(FINDING_LIMIT);
    check.findings
}

struct Check<'a> {
    view: &'a View<'a>,
    map: &'a StateMap,
    /// What holds for the objects of a type, by its index in the image.
    types: &'a [OfType<'a>],
    /// What is looked at in values of a type.
    looked: FxHashMap<TypeId, Rc<[Looked<'a>]>>,
    /// Slots of the object that is looked at.
    slots: &'a [Slot],
    /// Their offsets at which one can be.
    named: Vec<u64>,
    chains: Chains,
    findings: Vec<String>,
}

impl<'a> Check<'a> {
    fn object(&mut self, id: ObjectId) {
        let (view, head) = (self.view, self.view.objects.head());
        let object = head.object(id);
        if head.folded_into(object).is_some() {
            // Its bytes are looked at as a part of another object.
            return;
        }
        let name = view.objects.type_name(id);
        let of = &self.types[object.ty.0 as usize];
        let tail = view.tail(id);
        let expected = match &tail {
            Some(tail) => tail.place.size_with(tail.elements),
            // How long such an object is, only the kernel knew that it was frozen on.
            None if object.count == 1 && of.has_own_size => Some(object.size),
            None => of
                .size
                .and_then(|size| size.checked_mul(u64::from(object.count))),
        };
        if let (Some(tail), true) = (&tail, expected != Some(object.size)) {
            self.findings.push(format!(
                "{name} at {}: {} bytes, but with {} {} it has {}",
                object.address,
                object.size,
                tail.elements,
                tail.member,
                expected.map_or_else(|| String::from("no size"), |size| size.to_string()),
            ));
            return;
        }
        if expected != Some(object.size) {
            self.findings.push(format!(
                "{name} at {}: {} bytes for {} of them; the layout has {}",
                object.address,
                object.size,
                object.count,
                of.size
                    .map_or_else(|| String::from("no size for it"), |size| size.to_string()),
            ));
            return;
        }
        if let Some(owner) = of.behind {
            self.behind(id, owner);
        }
        self.slots = head.slots_of(id);
        self.named.clear();
        match view.objects.ty(id) {
            Some(ty) => {
                for index in 0..u64::from(object.count) {
                    self.value(id, ty, index * of.size.unwrap_or(0), "");
                }
            }
            None => self.pointers(id, object.count, of),
        }
        if let Some(tail) = &tail {
            for index in 0..tail.elements {
                let start = tail.place.offset + index * tail.place.element_size;
                let path = format!("{}[{index}]", tail.member);
                self.value(id, tail.place.element, start, &path);
            }
        }
        self.named.sort_unstable();
        for slot in self.slots {
            if self.named.binary_search(&slot.offset.into()).is_err() {
                self.findings.push(format!(
                    "{name} at {}: a symbol or resource is named at offset {}, where the state map has none",
                    object.address, slot.offset
                ));
            }
        }
    }

    /// Looks at the elements of an array of pointers.
    fn pointers(&mut self, id: ObjectId, count: u32, of: &OfType<'a>) {
        let Some(policy) = of.elements else {
            return;
        };
        for index in 0..u64::from(count) {
            let pointer = Followed {
                id,
                path: &Path::Element(index),
                ty: None,
                owner: None,
                number: 0,
            };
            self.pointer(pointer, index * of.size.unwrap_or(0), policy);
        }
    }

    /// Whether an object that belongs right behind its owner, of the type `expected`, lies there.
    fn behind(&mut self, id: ObjectId, expected: &str) {
        let objects = &self.view.objects;
        let object = objects.head().object(id);
        let owner = objects.head().object(object.owner);
        let end = owner.address.0.checked_add(owner.size);
        if objects.type_name(object.owner) != expected || end != Some(object.address.0) {
            self.findings.push(format!(
                "{} at {}: does not lie right behind its {expected}",
                objects.type_name(id),
                object.address,
            ));
        }
    }

    /// Looks at the pointers in a value of the object, which begins `start` bytes into it.
    fn value(&mut self, id: ObjectId, ty: TypeId, start: u64, outer: &str) {
        let (view, map) = (self.view, self.map);
        let looked = self.looked.entry(ty);
        let looked = looked.or_insert_with(|| looked_at(view.objects.layout(), map, ty).into());
        for Looked { at, word } in Rc::clone(looked).iter() {
            let at = start + at;
            let Word::Pointer {
                path,
                ty,
                owner: (owner, base),
                policy,
            } = word
            else {
                if matches!(self.slot(at), Some(SlotTarget::Symbol(_))) {
                    self.named.push(at);
                }
                continue;
            };
            let pointer = Followed {
                id,
                path: &Path::Field { outer, inner: path },
                ty: Some(*ty),
                owner: Some((*owner, start + base)),
                number: 0,
            };
            self.pointer(pointer, at, policy);
        }
    }

    /// What the pointer `at` bytes into the object that is looked at stands for.
    fn slot(&self, at: u64) -> Option<SlotTarget> {
        let found = self
            .slots
            .binary_search_by_key(&at, |slot| slot.offset.into());
        found.ok().map(|index| self.slots[index].target)
    }

    /// Looks at a pointer, which is `at` bytes into its object.
    fn pointer(&mut self, mut pointer: Followed<'_>, at: u64, policy: &Policy) {
        let (view, id) = (self.view, pointer.id);
        let size = usize::from(view.objects.layout().target().pointer_size);
        let start = at as usize;
        let Some(bytes) = view.objects.bytes(id).get(start..start + size) else {
            return;
        };
        let number = little_endian(bytes);
        pointer.number = number;
        let wrong = match policy {
            Policy::Follow(follow) => self.followed(&pointer, at, follow),
            Policy::Within {
                missing: Missing::Refuse,
            } => (number != 0 && view.objects.object_at(number).is_none())
                .then(|| String::from("points at something that is not in the image")),
            Policy::Symbol => {
                self.named.push(at);
                match self.slot(at) {
                    Some(target @ SlotTarget::Symbol(_)) => self.slot_number(target, number),
                    None if number == 0 => None,
                    _ => Some(String::from(
                        "points into the kernel, but no symbol is named for it",
                    )),
                }
            }
            Policy::Resource { kind, .. } => {
                self.named.push(at);
                match self.slot(at) {
                    Some(target @ SlotTarget::Resource(_)) => self.slot_number(target, number),
                    None if number == 0 => None,
                    _ => Some(format!(
                        "stands for a resource ({kind}), but none is named for it"
                    )),
                }
            }
            _ => None,
        };
        if let Some(wrong) = wrong {
            self.findings.push(format!(
                "{} at {}, {}: {number:#x} {wrong}",
                view.objects.type_name(id),
                view.objects.head().object(id).address,
                pointer.path,
            ));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
