//! What a plan starts from: the types that the state map saves.

use super::behind::Lies;
use super::builder::{Owner, Planner, Which};
use super::decision::{Decision, Part, Value};
use super::finding::{Declaration, Why};
use super::{Action, Bits, FieldPlan, Place, Reason, TaskLabel, TypePlan};
use crate::ctype::{self, Field, Scalar, Shape};
use kconv_rules::{RuleKind, Source};
use kernel_structs::layout::{FieldPath, Layout, TypeId};
use kernel_structs::state::{DerivedPlace, Policy, Rule, TailPlace, TypeEntry};
use std::collections::{BTreeMap, BTreeSet};

impl<'a> Planner<'a> {
    /// Plans every saved type, and the element types that follow rules name.
    pub(super) fn objects(&mut self) {
        let map = self.pair.map;
        let mut parts = Vec::new();
        let mut owners = BTreeMap::new();
        for name in map.saved_types() {
            let Some((old, new)) = self.saved_type(name) else {
                continue;
            };
            let lies = self.lies(name);
            match &lies {
                Lies::Nowhere => continue,
                Lies::Apart(why) => {
                    self.open_type(name, why.clone());
                    continue;
                }
                Lies::Anywhere | Lies::Inside(_) | Lies::Behind(_) | Lies::Moves(_) => {}
            }
            let planned = self.plan_type(old, new, name);
            let entry = map.types.get(name);
            // What is found from a pointer does not move with its owner.
            let anchor = map.derived.iter().find_map(|derived| match derived.place {
                DerivedPlace::Ends { base: None, end } if derived.ty == name => Some(end),
                _ => None,
            });
            // What lies right behind an object has the rest of its memory.
            let sized = |name: &str| {
                map.types
                    .get(name)
                    .is_some_and(|entry| entry.size.is_some())
            };
            let open = match lies.derived() {
                Some(derived) => sized(&derived.owner),
                None => sized(name) && !self.has_follower(name),
            };
            let behind = match &lies {
                Lies::Behind(derived) => Some(derived.owner.clone()),
                Lies::Moves(moves) if moves.made => Some(moves.derived.owner.clone()),
                _ => None,
            };
            if open {
                self.surplus(&planned, (old, new));
            }
            owners.insert(name, planned.clone());
            if let Lies::Moves(moves) = lies {
                let owner = moves.derived.owner.as_str();
                parts.push((owner, moves.part(planned.clone())));
            }
            if let Some(plan) = self.types.get_mut(&planned) {
                plan.object = true;
                plan.extent = entry.and_then(|entry| entry.extent);
                plan.open = open;
                plan.anchor_end = anchor;
                plan.behind = behind;
            }
        }
        for (owner, part) in parts {
            let plan = owners.get(owner);
            if let Some(plan) = plan.and_then(|name| self.types.get_mut(name)) {
                plan.part_behind = Some(part);
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

    /// What an object has behind the end of its type is carried as it is: an array at that end says
    /// what it is, and has to say the same on both sides.
    fn surplus(&mut self, name: &str, (old, new): (TypeId, TypeId)) {
        let was = last_arrays(self.layout(Which::Old), old);
        let is = last_arrays(self.layout(Which::New), new);
        let paths: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
        for path in paths {
            let sides = (was.get(path), is.get(path));
            let same = match sides {
                (Some(was), Some(is)) => self.same(was.ty, is.ty),
                _ => false,
            };
            if !same {
                let declared = |which: Which, array: Option<&Field>| {
                    array.map(|array| Declaration::of(self.layout(which), array))
                };
                let (was, is) = (declared(Which::Old, sides.0), declared(Which::New, sides.1));
                self.open(name, path, Why::BehindChanged, was, is);
            }
        }
    }

    /// A saved type under both layouts. One that only some layouts of a family have needs no plan
    /// where one of the two has it not, as long as nothing leads to it: a member that follows it,
    /// or has it inside, is on one side only and wants a decision of its own.
    fn saved_type(&mut self, name: &str) -> Option<(TypeId, TypeId)> {
        let sides = [self.pair.from, self.pair.to];
        let ids = sides.map(|side| side.layout.find(name));
        if let [Some(old), Some(new)] = ids {
            return Some((old, new));
        }
        let lost = match ids {
            [None, None] => self.pair.map.roots.iter().any(|root| root.ty == name),
            _ => self.is_found_by_name(name),
        };
        for (side, id) in sides.into_iter().zip(ids) {
            if lost && id.is_none() {
                let layout = side.layout_name.to_owned();
                self.open(name, "", Why::NoSuchType { layout }, None, None);
            }
        }
        None
    }

    /// Whether other objects lie right behind those of a type, on both sides.
    fn has_follower(&self, name: &str) -> bool {
        let sides = [Which::Old, Which::New];
        let follower = |which: Which| self.pair.map.follower(self.layout(which), name);
        sides.into_iter().all(|which| follower(which).is_some())
    }

    /// Whether the state map leads to objects of a type by its name, and not by the type of the
    /// member that does.
    fn is_found_by_name(&self, name: &str) -> bool {
        let map = self.pair.map;
        let by_type = |entry: &TypeEntry| {
            let follows = |rule: &Rule| matches!(&rule.policy, Policy::Follow(follow) if follow.element.as_deref() == Some(name));
            let mut containers = entry.containers.values();
            containers.any(|container| container.element == name)
                || entry.fields.values().any(follows)
        };
        map.roots.iter().any(|root| root.ty == name)
            || map.derived.iter().any(|derived| derived.ty == name)
            || map.types.values().any(by_type)
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
                .map(|(kind, action)| (kind, action, Source::StateMap, Reason::one(&rule.reason))),
            None => self
                .numbers(old, new)
                .map(|(kind, action)| (kind, action, Source::Automatic, Reason::default())),
        };
        match decided {
            Ok(decided) => self.scalar_type(element, (old, new), None, decided),
            Err(why) => self.open(element, "", why, None, None),
        }
    }

    /// Adds the plan of a type of its own that is an integer or a pointer.
    fn scalar_type(
        &mut self,
        name: &str,
        (old, new): (Scalar, Scalar),
        ids: Option<(TypeId, TypeId)>,
        (rule, action, source, reason): (RuleKind, Action, Source, Reason),
    ) {
        let place = |which: Which, scalar: Scalar, ty: Option<TypeId>| Place {
            bits: Bits {
                offset: 0,
                len: scalar.bytes * 8,
            },
            declared: ty.map_or_else(|| name.to_owned(), |ty| self.layout(which).type_name(ty)),
            ty,
            bit_field: false,
        };
        let field = FieldPlan {
            path: FieldPath::default(),
            old_path: None,
            rule,
            action,
            from: Some(place(Which::Old, old, ids.map(|ids| ids.0))),
            to: Some(place(Which::New, new, ids.map(|ids| ids.1))),
            source,
            reason,
            evidence: String::new(),
        };
        let plan = TypePlan {
            name: name.to_owned(),
            ids: None,
            from_size: old.bytes,
            to_size: new.bytes,
            object: true,
            extent: None,
            open: false,
            anchor_end: None,
            behind: None,
            part_behind: None,
            fields: vec![field],
            drops: Vec::new(),
            padding: Vec::new(),
            spans: Vec::new(),
        };
        self.add_type(name.to_owned(), plan);
    }

    /// Takes the flexible array that an object of this type ends in out of its members, and
    /// decides what becomes of the elements.
    pub(super) fn tail(
        &mut self,
        owner: &Owner,
        (old, new): (TypeId, TypeId),
        (old_fields, new_fields): (&mut Vec<Field>, &mut Vec<Field>),
    ) -> Option<Decision> {
        let map = self.pair.map;
        let places = (
            map.tail(self.layout(Which::Old), old),
            map.tail(self.layout(Which::New), new),
        );
        let entry = map.type_entry(&self.layout(Which::New).names(new))?;
        let tail = entry.tail.as_ref()?;
        let (Some(was), Some(is)) = places else {
            self.open(&owner.name, &tail.member, Why::TypeChanged, None, None);
            return None;
        };
        // What `sizeof` has of the array: an element, or what fills up to the type's alignment.
        let value = |fields: &mut Vec<Field>, place: &TailPlace| {
            let field = fields.pop_if(|field| field.name == tail.member)?;
            let mut value = Value::of(&field);
            value.len = 8 * (place.size - place.offset);
            Some(value)
        };
        let (from, to) = (value(old_fields, &was)?, value(new_fields, &is)?);
        let fallback = format!("{}.{}", owner.name, tail.member);
        let ty = match self.tail_element((was.element, is.element), &fallback) {
            Ok(ty) => ty,
            Err(why) => {
                self.open(&owner.name, &tail.member, why, None, None);
                return None;
            }
        };
        let action = Action::Tail {
            ty,
            count: FieldPath::default().member(&tail.count),
            add: tail.add,
            at: (was.offset, is.offset),
        };
        Some(Decision::automatic(vec![Part {
            rule: RuleKind::Array,
            action,
            from: Some(from),
            to: Some(to),
        }]))
    }

    /// The name of the plan for the elements of a flexible array.
    fn tail_element(
        &mut self,
        (old, new): (TypeId, TypeId),
        fallback: &str,
    ) -> Result<String, Why> {
        let shapes = (
            ctype::shape(self.layout(Which::Old), old),
            ctype::shape(self.layout(Which::New), new),
        );
        let name = match shapes {
            (Shape::Struct(..), Shape::Struct(..)) => self.plan_type(old, new, fallback),
            (Shape::Scalar(was), Shape::Scalar(is)) => {
                let rule = self.pair.map.type_rule(self.layout(Which::New), new);
                let (rule, action, source, reason) = match rule {
                    Some(rule) => {
                        let (kind, action) = self.scalar_policy(&rule.policy, was, is)?;
                        (kind, action, Source::StateMap, Reason::one(&rule.reason))
                    }
                    None => {
                        let (kind, action) = self.numbers(was, is)?;
                        (kind, action, Source::Automatic, Reason::default())
                    }
                };
                let decided = (rule, action, source, reason);
                self.scalar_type(fallback, (was, is), Some((old, new)), decided);
                fallback.to_owned()
            }
            _ => return Err(Why::TypeChanged),
        };
        if let Some(plan) = self.types.get_mut(&name) {
            plan.object = true;
        }
        Ok(name)
    }

    pub(super) fn task_label(&mut self) -> Option<TaskLabel> {
        let root = self.pair.map.roots.first()?.ty.as_str();
        let layout = self.layout(Which::Old);
        let found = layout.find(root).and_then(|id| {
            let at = |name: &str| layout.lookup(id, &FieldPath::default().member(name));
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
        if found.is_none() {
            self.open(root, "", Why::NoTaskLabel, None, None);
        }
        found
    }
}

/// The arrays that a type ends in and that stand for more of their elements, by their paths: of none, or
/// of one as they were written before C99.
fn last_arrays(layout: &Layout, ty: TypeId) -> BTreeMap<String, Field> {
    let mut arrays = BTreeMap::new();
    let mut open = vec![(String::new(), 0, ty)];
    while let Some((path, base, ty)) = open.pop() {
        let (Shape::Struct(_, composite) | Shape::Union(_, composite)) = ctype::shape(layout, ty)
        else {
            continue;
        };
        let end = ctype::size_bits(layout, ty);
        for field in ctype::fields(layout, composite) {
            let is_last = field.offset + field.len == end;
            let name = match path.as_str() {
                "" => field.name.clone(),
                path => format!("{path}.{}", field.name),
            };
            let offset = base + field.offset;
            match ctype::shape(layout, field.ty) {
                Shape::Array { count: 0 | 1, .. } if is_last || field.len == 0 => {
                    let field = Field {
                        name: name.clone(),
                        offset,
                        ..field
                    };
                    arrays.insert(name, field);
                }
                _ if is_last => open.push((name, offset, field.ty)),
                _ => {}
            }
        }
    }
    arrays
}
