//! Whether an image means what it says: its objects held against the layout and the state map.
//!
//! The image format's own rules (bounds, digests, overlaps) are checked when it is read; this is
//! about meaning.

mod places;
mod pointers;
mod resources;

pub(crate) use resources::resources;

use crate::failure::Failure;
use crate::releases::Known;
use kconv_image::{Image, ObjectId, SlotTarget, Verify};
use kconv_tasks::{Tasks, View};
use kernel_structs::layout::TypeId;
use kernel_structs::state::{Missing, Policy, StateMap};
use places::{Looked, Word, looked_at};
use pointers::{Chains, Followed};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Most findings reported; a broken image can have one for every pointer.
const FINDING_LIMIT: usize = 1000;

/// All that is wrong with an image, so much of which is read: its digests, its resources, its objects, and whether
/// its tasks can be understood. What is found first keeps the rest from being looked at.
///
/// # Errors
/// If its kernel is not known.
pub(crate) fn of_image(image: &Image, depth: Verify) -> Result<Vec<String>, Failure> {
    let damaged = image.verify(depth);
    if !damaged.is_empty() {
        return Ok(damaged.iter().map(ToString::to_string).collect());
    }
    let known = Known::new()?;
    let layout = known.layout_of(image)?;
    let map = known.registry.state_map(&image.head().identity.family)?;
    let view = View::new(image, &layout, &map)?;
    let mut findings = resources(image.head());
    findings.extend(check(&view, &map));
    if findings.is_empty() {
        findings.extend(Tasks::of(&view).err().map(|error| error.to_string()));
    }
    Ok(findings)
}

/// All that is wrong with objects, at most [`FINDING_LIMIT`] findings.
pub(crate) fn check(view: &View<'_>, map: &StateMap) -> Vec<String> {
    let mut check = Check {
        view,
        map,
        looked: BTreeMap::new(),
        named: BTreeSet::new(),
        chains: Chains::new(),
        findings: Vec::new(),
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
    /// What is looked at in values of a type.
    looked: BTreeMap<TypeId, Rc<[Looked<'a>]>>,
    /// Slots of the object that is looked at, at places that can have one: their offsets.
    named: BTreeSet<u64>,
    chains: Chains,
    findings: Vec<String>,
}

impl<'a> Check<'a> {
    fn object(&mut self, id: ObjectId) {
        let (view, map) = (self.view, self.map);
        let object = view.objects.head().object(id);
        if view.objects.head().folded_into(object).is_some() {
            // Its bytes are looked at as a part of another object.
            return;
        }
        let name = view.objects.type_name(id);
        let size = match view.objects.ty(id) {
            Some(ty) => view.objects.layout().size_of(ty).map(|size| size.0),
            None => Some(u64::from(view.objects.layout().target().pointer_size)),
        };
        let tail = view.tail(id);
        let expected = match &tail {
            Some(tail) => tail.place.size_with(tail.elements),
            // How long such an object is, only the kernel knew that it was frozen on.
            None if object.count == 1 && self.has_own_size(name) => Some(object.size),
            None => size.and_then(|size| size.checked_mul(u64::from(object.count))),
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
                size.map_or_else(|| String::from("no size for it"), |size| size.to_string()),
            ));
            return;
        }
        self.behind(id);
        self.named.clear();
        for index in 0..u64::from(object.count) {
            let start = index * size.unwrap_or(0);
            match view.objects.ty(id) {
                Some(ty) => self.value(id, ty, start, ""),
                None => {
                    if let Some(rule) = map.elements.get(name) {
                        let pointer = Followed {
                            id,
                            path: &format!("[{index}]"),
                            ty: None,
                            owner: None,
                            number: 0,
                        };
                        self.pointer(pointer, start, &rule.policy);
                    }
                }
            }
        }
        if let Some(tail) = &tail {
            for index in 0..tail.elements {
                let start = tail.place.offset + index * tail.place.element_size;
                let path = format!("{}[{index}]", tail.member);
                self.value(id, tail.place.element, start, &path);
            }
        }
        for slot in view.objects.head().slots_of(id) {
            if !self.named.contains(&u64::from(slot.offset)) {
                self.findings.push(format!(
                    "{name} at {}: a symbol or resource is named at offset {}, where the state map has none",
                    object.address, slot.offset
                ));
            }
        }
    }

    /// Whether objects of the type can be shorter or longer than it. What lies right behind another
    /// object has what is left of that one's memory.
    fn has_own_size(&self, name: &str) -> bool {
        let (layout, map) = (self.view.objects.layout(), self.map);
        let sized = |name: &str| {
            let entry = map.types.get(name);
            entry.is_some_and(|entry| entry.size.is_some())
        };
        match map.behind(layout, name) {
            Some(derived) => sized(&derived.owner),
            None => sized(name) && map.follower(layout, name).is_none(),
        }
    }

    /// Whether an object that belongs right behind its owner lies there.
    fn behind(&mut self, id: ObjectId) {
        let (view, name) = (self.view, self.view.objects.type_name(id));
        let Some(derived) = self.map.behind(view.objects.layout(), name) else {
            return;
        };
        let object = view.objects.head().object(id);
        let owner = view.objects.head().object(object.owner);
        let end = owner.address.0.checked_add(owner.size);
        if view.objects.type_name(object.owner) != derived.owner || end != Some(object.address.0) {
            self.findings.push(format!(
                "{name} at {}: does not lie right behind its {}",
                object.address, derived.owner
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
                if matches!(view.objects.slot(id, at), Some(SlotTarget::Symbol(_))) {
                    self.named.insert(at);
                }
                continue;
            };
            let path: Cow<'_, str> = match (outer, path.as_str()) {
                ("", path) => path.into(),
                (outer, "") => outer.into(),
                (outer, path) if path.starts_with('[') => format!("{outer}{path}").into(),
                (outer, path) => format!("{outer}.{path}").into(),
            };
            let pointer = Followed {
                id,
                path: &path,
                ty: Some(*ty),
                owner: Some((*owner, start + base)),
                number: 0,
            };
            self.pointer(pointer, at, policy);
        }
    }

    /// Looks at a pointer, which is `at` bytes into its object.
    fn pointer(&mut self, mut pointer: Followed<'_>, at: u64, policy: &Policy) {
        let (view, id) = (self.view, pointer.id);
        let size = usize::from(view.objects.layout().target().pointer_size);
        let start = at as usize;
        let Some(bytes) = view.objects.bytes(id).get(start..start + size) else {
            return;
        };
        let number = bytes
            .iter()
            .rev()
            .fold(0u64, |n, byte| n << 8 | u64::from(*byte));
        pointer.number = number;
        let slot = || view.objects.slot(id, at);
        let wrong = match policy {
            Policy::Follow(follow) => self.followed(&pointer, follow),
            Policy::Within {
                missing: Missing::Refuse,
            } => (number != 0 && view.objects.object_at(number).is_none())
                .then(|| String::from("points at something that is not in the image")),
            Policy::Symbol => {
                self.named.insert(at);
                match slot() {
                    Some(target @ SlotTarget::Symbol(_)) => self.slot_number(target, number),
                    None if number == 0 => None,
                    _ => Some(String::from(
                        "points into the kernel, but no symbol is named for it",
                    )),
                }
            }
            Policy::Resource { kind, .. } => {
                self.named.insert(at);
                match slot() {
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
