//! Whether an image means what it says: its objects held against the layout and the state map.
//!
//! The image format's own rules (bounds, digests, overlaps) are checked when it is read; this is
//! about meaning.

use crate::inspect::view::View;
use kconv_image::{ObjectId, SlotTarget};
use kernel_structs::layout::{Composite, Type, TypeId};
use kernel_structs::state::{Initial, Missing, Policy, StateMap};
use std::collections::BTreeSet;

/// Most findings reported; a broken image can have one for every pointer.
const FINDING_LIMIT: usize = 1000;

/// All that is wrong, at most [`FINDING_LIMIT`] findings.
pub(crate) fn check(view: &View, map: &StateMap) -> Vec<String> {
    let mut check = Check {
        view,
        map,
        named: BTreeSet::new(),
        findings: Vec::new(),
    };
    for id in (0..view.head().objects.len() as u32).map(ObjectId) {
        check.object(id);
    }
    check.findings.truncate(FINDING_LIMIT);
    check.findings
}

struct Check<'a> {
    view: &'a View,
    map: &'a StateMap,
    /// Slots at places that can have one: object and offset.
    named: BTreeSet<(ObjectId, u64)>,
    findings: Vec<String>,
}

impl Check<'_> {
    fn object(&mut self, id: ObjectId) {
        let (view, map) = (self.view, self.map);
        let object = view.head().object(id);
        if view.head().folded_into(object).is_some() {
            // Its bytes are looked at as a part of another object.
            return;
        }
        let name = view.type_name(id);
        let size = match view.ty(id) {
            Some(ty) => view.layout.size_of(ty).map(|size| size.0),
            None => Some(u64::from(view.layout.target().pointer_size)),
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
        for index in 0..u64::from(object.count) {
            let start = index * size.unwrap_or(0);
            match view.ty(id) {
                Some(ty) => self.value(id, ty, start, ""),
                None => {
                    if let Some(rule) = map.elements.get(name) {
                        self.pointer(id, start, &format!("[{index}]"), &rule.policy);
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
        for slot in view.head().slots_of(id) {
            if !self.named.contains(&(id, u64::from(slot.offset))) {
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
        let (layout, map) = (&self.view.layout, self.map);
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
        let (view, name) = (self.view, self.view.type_name(id));
        let Some(derived) = self.map.behind(&view.layout, name) else {
            return;
        };
        let object = view.head().object(id);
        let owner = view.head().object(object.owner);
        let end = owner.address.0.checked_add(owner.size);
        if view.type_name(object.owner) != derived.owner || end != Some(object.address.0) {
            self.findings.push(format!(
                "{name} at {}: does not lie right behind its {}",
                object.address, derived.owner
            ));
        }
    }

    fn value(&mut self, id: ObjectId, ty: TypeId, start: u64, path: &str) {
        let layout = &self.view.layout;
        match layout.get(layout.strip(ty)) {
            Type::Composite(composite) => {
                let names = layout.names(ty);
                self.members(id, composite, &names, start, path);
            }
            Type::Array { element, count } => {
                let size = layout.size_of(*element).map_or(0, |size| size.0);
                for index in 0..*count {
                    self.value(
                        id,
                        *element,
                        start + index * size,
                        &format!("{path}[{index}]"),
                    );
                }
            }
            _ => {}
        }
    }

    fn members(
        &mut self,
        id: ObjectId,
        composite: &Composite,
        names: &[&str],
        start: u64,
        path: &str,
    ) {
        let (layout, map) = (&self.view.layout, self.map);
        for member in &composite.members {
            let name = member.name.as_deref().unwrap_or("");
            let at = start + member.offset.byte().0;
            let path = match (path, name) {
                (path, "") => path.to_owned(),
                ("", name) => name.to_owned(),
                (path, name) => format!("{path}.{name}"),
            };
            let inner = layout.get(layout.strip(member.ty));
            let rule = map.member_rule(layout, names, name, member.ty);
            // What another release points at is inside here, under the rules of its members.
            let rule = rule.filter(|rule| {
                let follows = matches!(rule.policy, Policy::Follow(_));
                !(follows && matches!(inner, Type::Composite(_)))
            });
            if let Some(Policy::Reset { initial, .. }) = rule.map(|rule| &rule.policy) {
                self.reset_to_symbols(id, member.ty, at, initial.as_ref());
            }
            match (rule, inner) {
                (Some(rule), _) => self.pointers(id, member.ty, at, &path, &rule.policy),
                (None, Type::Composite(inner)) if member.name.is_none() => {
                    self.members(id, inner, names, at, &path);
                }
                (None, _) => self.value(id, member.ty, at, &path),
            }
        }
    }

    /// Where a member of type `ty` that is reset may be at a symbol.
    fn reset_to_symbols(&mut self, id: ObjectId, ty: TypeId, at: u64, initial: Option<&Initial>) {
        let initial = initial.unwrap_or(&Initial::Default);
        for slot in self.map.symbol_slots(&self.view.layout, ty, initial) {
            let at = at + slot.offset;
            if matches!(self.view.slot(id, at), Some(SlotTarget::Symbol(_))) {
                self.named.insert((id, at));
            }
        }
    }

    /// Applies `policy` to every pointer in a member of type `ty`.
    fn pointers(&mut self, id: ObjectId, ty: TypeId, at: u64, path: &str, policy: &Policy) {
        let layout = &self.view.layout;
        match layout.get(layout.strip(ty)) {
            Type::Array { element, count } => {
                let size = layout.size_of(*element).map_or(0, |size| size.0);
                for index in 0..*count {
                    let path = format!("{path}[{index}]");
                    self.pointers(id, *element, at + index * size, &path, policy);
                }
            }
            Type::Composite(composite) => {
                for member in &composite.members {
                    let at = at + member.offset.byte().0;
                    self.pointers(id, member.ty, at, path, policy);
                }
            }
            _ => self.pointer(id, at, path, policy),
        }
    }

    fn pointer(&mut self, id: ObjectId, at: u64, path: &str, policy: &Policy) {
        let view = self.view;
        let size = usize::from(view.layout.target().pointer_size);
        let start = at as usize;
        let Some(bytes) = view.bytes(id).get(start..start + size) else {
            return;
        };
        let number = bytes
            .iter()
            .rev()
            .fold(0u64, |n, byte| n << 8 | u64::from(*byte));
        let slot = view.slot(id, at);
        let wrong = match policy {
            Policy::Follow(_)
            | Policy::Within {
                missing: Missing::Refuse,
            } => (number != 0 && view.object_at(number).is_none())
                .then(|| String::from("points at something that is not in the image")),
            Policy::Symbol => {
                self.named.insert((id, at));
                match slot {
                    Some(SlotTarget::Symbol(_)) => None,
                    None if number == 0 => None,
                    _ => Some(String::from(
                        "points into the kernel, but no symbol is named for it",
                    )),
                }
            }
            Policy::Resource { kind, .. } => {
                self.named.insert((id, at));
                match slot {
                    Some(SlotTarget::Resource(_)) => None,
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
                "{} at {}, {path}: {number:#x} {wrong}",
                view.type_name(id),
                view.head().object(id).address,
            ));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
