//! What a plan starts from: the types that the state map saves.

use super::builder::{Planner, Which};
use super::finding::Why;
use super::{Bits, FieldPlan, Place, TaskLabel, TypePlan};
use crate::ctype::{self, Scalar, Shape};
use kconv_runtime::table::Source;
use kernel_structs::layout::{FieldPath, TypeId};
use kernel_structs::state::{Derived, Policy, Rule};
use std::collections::BTreeSet;

impl Planner<'_> {
    /// Plans every saved type, and the element types that follow rules name.
    pub(super) fn objects(&mut self) {
        let map = self.pair.map;
        for name in map.saved_types() {
            let ids = [Which::Old, Which::New].map(|which| self.saved_type(which, name));
            let [Some(old), Some(new)] = ids else {
                continue;
            };
            let planned = self.plan_type(old, new, name);
            let entry = map.types.get(name);
            // What is found from a pointer does not move with its owner.
            let anchored = |derived: &&Derived| derived.ty == name && derived.base.is_none();
            let anchor = map.derived.iter().find(anchored);
            if let Some(plan) = self.types.get_mut(&planned) {
                plan.object = true;
                plan.extent = entry.and_then(|entry| entry.extent);
                plan.anchor_end = anchor.map(|derived| derived.end);
            }
        }
        let mut elements: BTreeSet<&str> = map.elements.keys().map(String::as_str).collect();
        for entry in map.types.values() {
            for rule in entry.fields.values() {
                if let Policy::Follow(follow) = &rule.policy {
                    elements.extend(follow.element.as_deref());
                }
            }
        }
        for element in elements {
            if !self.types.contains_key(element) {
                self.element(element, map.elements.get(element));
            }
        }
    }

    fn saved_type(&mut self, which: Which, name: &str) -> Option<TypeId> {
        let side = match which {
            Which::Old => self.pair.from,
            Which::New => self.pair.to,
        };
        let id = side.layout.find(name);
        if id.is_none() {
            let layout = side.layout_name.to_owned();
            self.open(name, "", Why::NoSuchType { layout }, None, None);
        }
        id
    }

    /// Plans an element type that is an integer or a pointer.
    fn element(&mut self, element: &str, rule: Option<&Rule>) {
        let scalars = [Which::Old, Which::New]
            .map(|which| ctype::element_scalar(self.layout(which), element));
        let [Some(old), Some(new)] = scalars else {
            let layout = self.pair.from.layout_name.to_owned();
            self.open(element, "", Why::NoSuchType { layout }, None, None);
            return;
        };
        let decided = match rule {
            Some(rule) => self
                .scalar_policy(&rule.policy, old, new)
                .map(|(kind, action)| (kind, action, Source::StateMap, rule.reason.clone())),
            None => self
                .numbers(old, new)
                .map(|(kind, action)| (kind, action, Source::Automatic, String::new())),
        };
        let (rule, action, source, reason) = match decided {
            Ok(decided) => decided,
            Err(why) => return self.open(element, "", why, None, None),
        };
        let place = |scalar: Scalar| Place {
            bits: Bits {
                offset: 0,
                len: scalar.bytes * 8,
            },
            declared: element.to_owned(),
            ty: None,
            bit_field: false,
        };
        let field = FieldPlan {
            path: FieldPath::default(),
            old_path: None,
            rule,
            action,
            from: Some(place(old)),
            to: Some(place(new)),
            source,
            reason,
            evidence: String::new(),
        };
        let plan = TypePlan {
            name: element.to_owned(),
            ids: None,
            from_size: old.bytes,
            to_size: new.bytes,
            object: true,
            extent: None,
            anchor_end: None,
            fields: vec![field],
            drops: Vec::new(),
            padding: Vec::new(),
            spans: Vec::new(),
        };
        self.types.insert(element.to_owned(), plan);
    }

    pub(super) fn task_label(&mut self) -> TaskLabel {
        let root = self
            .pair
            .map
            .roots
            .first()
            .map_or("", |root| root.ty.as_str());
        let layout = self.layout(Which::Old);
        let found = layout.find(root).and_then(|id| {
            let at = |name: &str| layout.resolve(id, &FieldPath::default().member(name)).ok();
            let (pid, comm) = (at("pid")?, at("comm")?);
            let number = Scalar {
                bytes: 4,
                signed: true,
                kind: ctype::ScalarKind::Number,
            };
            let Shape::Array { element, count } = ctype::shape(layout, comm.ty) else {
                return None;
            };
            let fits = ctype::shape(layout, pid.ty) == Shape::Scalar(number)
                && ctype::size_bits(layout, element) == 8;
            fits.then(|| TaskLabel {
                ty: root.to_owned(),
                pid: pid.offset.byte().0,
                comm: comm.offset.byte().0,
                comm_len: count,
            })
        });
        found.unwrap_or_else(|| {
            self.open(root, "", Why::NoTaskLabel, None, None);
            TaskLabel {
                ty: root.to_owned(),
                pid: 0,
                comm: 0,
                comm_len: 0,
            }
        })
    }
}
