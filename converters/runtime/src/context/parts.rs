//! Structures that become objects, and objects that become structures.

use super::{Context, Scalar, address};
use crate::at::At;
use crate::finding::Problem;
use crate::open::{copy_behind, whole};
use kconv_image::model::{ObjectId, Slot};
use kconv_rules::{PartKind, RuleKind};

impl<'a> Context<'a> {
    /// The context for the part of this one's object that becomes `target`.
    pub(crate) fn into(self, target: ObjectId) -> Context<'a> {
        Context { target, ..self }
    }

    /// The address of the object that the structure `old` becomes; null if the structure says
    /// nothing.
    pub fn make<Q: Scalar>(&mut self, at: &At<'_>, old: &[u8]) -> Q {
        let made = self.map.changes.of(self.object, PartKind::Made, at.old);
        if made.is_none() && old.iter().any(|byte| *byte != 0) {
            let object = self.namer.object(self.object);
            let fault = format!("{object}, {at}: no object was made of it");
            self.outcome.faults.push(fault);
        }
        let new = made.map_or(0, |made| self.map.new_address(made).0);
        self.pointer(RuleKind::Make, at, new)
    }

    /// The object that `old` points at, as the structure `new`. A null pointer gives zeros.
    pub fn fold<P: Scalar>(&mut self, at: &At<'_>, old: P, new: &mut [u8]) {
        new.fill(0);
        let folded = self.map.changes.of(self.object, PartKind::Folded, at.new);
        let Some((folded, object)) = folded.and_then(|id| Some((id, self.namer.old(id)?))) else {
            if address(old) != 0 {
                let problem = self.not_folded(at, address(old));
                self.refuse(RuleKind::Fold, at, format!("{:#x}", address(old)), problem);
            }
            return;
        };
        let ty = self.map.ty(folded);
        let namer = self.namer;
        let mut inner = self.folding(folded, &object.slots);
        let at = At::folded(at.new);
        namer.convert(&mut inner, folded, &at, &object.bytes, new);
        inner.keep_padding(&at, &object.bytes, ty.padding);
    }

    /// The context for the object `folded`, with these slots, that becomes a part of this one.
    fn folding<'b>(&'b mut self, folded: ObjectId, slots: &'b [Slot]) -> Context<'b> {
        Context {
            rules: self.rules,
            step: self.step,
            map: self.map,
            object: folded,
            target: self.object,
            slots,
            namer: self.namer,
            outcome: &mut *self.outcome,
        }
    }

    /// The object `folded`, which lies right behind this one, as the structure at `at` of the new
    /// bytes.
    pub(crate) fn fold_behind(&mut self, at: &At<'_>, folded: ObjectId, new: &mut [u8]) {
        let Some(object) = self.namer.old(folded) else {
            return;
        };
        let ty = self.map.ty(folded);
        let (from, to) = (ty.from_size as usize, ty.to_size as usize);
        let Some(new) = new.get_mut(at.new as usize..).filter(|new| new.len() >= to) else {
            return;
        };
        let old = whole(&object.bytes, from);
        let namer = self.namer;
        let mut inner = self.folding(folded, &object.slots);
        let at = At::folded(at.new);
        namer.convert(&mut inner, folded, &at, &old[..from], &mut new[..to]);
        inner.keep_padding(&at, &old, ty.padding);
        if ty.open {
            copy_behind((&object.bytes, from), (new, to));
        }
    }

    /// Stops the conversion of an object that has no `ty` right behind it although it says so.
    pub(crate) fn not_behind(&mut self, at: &At<'_>, ty: &'static str) {
        let end = self.map.old_end(self.object).to_string();
        self.refuse(RuleKind::Fold, at, end, Problem::NotBehind { ty });
    }

    fn not_folded(&self, at: &At<'_>, old: u64) -> Problem {
        let target = self.map.object_at(old);
        if let Some(target) = target.filter(|id| self.map.changes.shared.contains(id)) {
            return Problem::Shared {
                target: self.namer.object(target),
            };
        }
        let ty = self.map.ty(self.object);
        let into = at.new % ty.to_size.max(1);
        let part = ty.parts.iter().find(|part| part.to == into);
        Problem::NotAPart {
            ty: part.map_or("object", |part| part.ty),
        }
    }

    /// The address of the object that this one was a part of.
    pub fn container<Q: Scalar>(&mut self, at: &At<'_>) -> Q {
        if self.object == self.target {
            self.refuse(
                RuleKind::Init,
                at,
                String::from("null"),
                Problem::NoContainer,
            );
        }
        let container = self.map.new_address(self.object).0;
        self.pointer(RuleKind::Init, at, container)
    }

    /// A pointer at the object that this one becomes a part of; any other stops the conversion.
    pub fn drop_container<P: Scalar>(&mut self, at: &At<'_>, old: P) {
        let expected = self.map.old_address(self.target).0;
        if self.object != self.target && address(old) != expected {
            let problem = Problem::OtherContainer { expected };
            self.refuse(RuleKind::Drop, at, format!("{:#x}", address(old)), problem);
        }
    }

    /// Stops the conversion of an object that has to be a part of another, and is of none.
    pub(crate) fn no_container(&mut self) {
        let found = self.map.old_address(self.object).to_string();
        self.refuse(RuleKind::Fold, &At::object(), found, Problem::NoContainer);
    }
}
