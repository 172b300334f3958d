//! Objects that lie right behind others, and that no pointer leads to. Under another layout the others
//! may have them inside: then the one is made of the other.

use super::builder::{Owner, Planner, Which};
use super::decision::{Decision, Part, Value};
use super::finding::Why;
use super::{Action, Bits, PartBehind, Reason};
use crate::ctype::{self, Field, Shape};
use kconv_rules::{RuleKind, Source};
use kernel_structs::layout::{FieldPath, Layout, TypeId};
use kernel_structs::state::{Derived, DerivedPlace};

/// Where the objects of a saved type lie on both sides.
pub(super) enum Lies<'a> {
    /// There are none.
    Nowhere,
    /// Where pointers lead to them.
    Anywhere,
    /// Inside of others. One that was an object at the freeze is one that is folded.
    Inside(&'a Derived),
    /// Right behind others.
    Behind(&'a Derived),
    /// Right behind others on one side, and inside of them on the other.
    Moves(Moves<'a>),
    /// Right behind others on one side, and on the other nothing is known to be the same.
    Apart(Why),
}

/// A member under one layout that is an object right behind the one around it under the other.
pub(super) struct Moves<'a> {
    pub(super) derived: &'a Derived,
    /// Whether the old layout has the member.
    pub(super) made: bool,
    /// Type and name of the member.
    member: (&'a str, &'a str),
    /// The way to it from the type of the object around it.
    path: FieldPath,
    /// Where it begins on either side, in bytes from the start of that object.
    from: u64,
    to: u64,
    when: Bits,
}

impl<'a> Lies<'a> {
    /// What the state map says of objects right behind others, or inside of them.
    pub(super) fn derived(&self) -> Option<&'a Derived> {
        match self {
            Lies::Nowhere | Lies::Anywhere | Lies::Apart(_) => None,
            Lies::Inside(derived) | Lies::Behind(derived) => Some(derived),
            Lies::Moves(moves) => Some(moves.derived),
        }
    }
}

impl Moves<'_> {
    /// What becomes of it, by the plan `ty`.
    pub(super) fn part(&self, ty: String) -> PartBehind {
        PartBehind {
            path: self.path.clone(),
            ty,
            made: self.made,
            from: self.from,
            to: self.to,
            when: self.when,
        }
    }
}

impl<'a> Planner<'a> {
    /// Where the objects of the saved type `name` lie.
    pub(super) fn lies(&self, name: &str) -> Lies<'a> {
        let map = self.pair.map;
        let [old, new] = [Which::Old, Which::New].map(|which| {
            let layout = self.layout(which);
            (map.is_saved_in(layout, name), map.behind(layout, name))
        });
        let of_type =
            |derived: &&Derived| derived.ty == name && derived.place == DerivedPlace::Behind;
        let moves = match (old, new) {
            ((false, _), (false, _)) => {
                return match map.derived.iter().find(of_type) {
                    Some(derived) => Lies::Inside(derived),
                    None => Lies::Nowhere,
                };
            }
            ((true, None), (true, None)) => return Lies::Anywhere,
            ((true, Some(old)), (true, Some(new))) if old.owner == new.owner => {
                return Lies::Behind(new);
            }
            ((true, Some(derived)), (false, _)) => self.moves(derived, false),
            ((false, _), (true, Some(derived))) => self.moves(derived, true),
            _ => None,
        };
        let behind = old.1.or(new.1);
        moves.map_or_else(
            || {
                Lies::Apart(Why::NotBehind {
                    owner: behind.map(|derived| derived.owner.clone()),
                    layout: match new.1 {
                        Some(_) => self.pair.to.layout_name.to_owned(),
                        None => self.pair.from.layout_name.to_owned(),
                    },
                })
            },
            Lies::Moves,
        )
    }

    /// The member that is what `derived` says of the other layout: one of its type that only layouts
    /// without such objects have, and which stands in the object around it once. Where the memory of
    /// both is of no fixed size, it is what that object ends in.
    fn moves(&self, derived: &'a Derived, made: bool) -> Option<Moves<'a>> {
        let [inside, outside] = match made {
            true => [Which::Old, Which::New],
            false => [Which::New, Which::Old],
        };
        let [inside, outside] = [inside, outside].map(|which| self.layout(which));
        let owner = inside.find(&derived.owner)?;
        let lacked = derived.lacks.iter();
        let (member, offset, path) =
            lacked
                .filter_map(|name| name.split_once('.'))
                .find_map(|(ty, name)| {
                    let mut found = Vec::new();
                    let wanted = Wanted {
                        layout: inside,
                        member: (ty, name),
                        ty: &derived.ty,
                    };
                    wanted.collect(owner, (&FieldPath::default(), 0), &mut found);
                    match found.as_slice() {
                        [(path, offset)] => Some(((ty, name), *offset, path.clone())),
                        _ => None,
                    }
                })?;
        let size = |layout: &Layout, ty: &str| Some(layout.size_of(layout.find(ty)?)?.0);
        let sized = self.pair.map.types.get(&derived.owner)?.size.is_some();
        let at_end = offset + size(inside, &derived.ty)? == size(inside, &derived.owner)?;
        let end = size(outside, &derived.owner)?;
        let old = self.layout(Which::Old);
        let when = FieldPath::parse(&derived.when).ok()?;
        let when = old.resolve(old.find(&derived.owner)?, &when).ok()?;
        let len = match when.bit_field {
            Some(width) => width.0,
            None => ctype::size_bits(old, when.ty),
        };
        (at_end || !sized).then_some(Moves {
            derived,
            made,
            member,
            path,
            from: if made { offset } else { end },
            to: if made { end } else { offset },
            when: Bits {
                offset: when.offset.0,
                len,
            },
        })
    }

    /// Decides a member that one layout alone has, if it is an object right behind the one around it
    /// under the other.
    pub(super) fn moved_behind(
        &mut self,
        owner: &Owner,
        which: Which,
        field: &Field,
    ) -> Option<Decision> {
        let made = which == Which::Old;
        let named = |(ty, name): (&str, &str)| {
            let mut names = owner.names[which as usize].iter();
            name == field.name && names.any(|own| own == ty)
        };
        let mut behind = self.pair.map.derived.iter().filter(|derived| {
            let mut lacked = derived.lacks.iter();
            derived.place == DerivedPlace::Behind
                && lacked.any(|name| name.split_once('.').is_some_and(named))
        });
        let moves = behind.find_map(|derived| match self.lies(&derived.ty) {
            Lies::Moves(moves) if moves.made == made && named(moves.member) => Some(moves),
            _ => None,
        })?;
        let name = &moves.derived.ty;
        let ids = [Which::Old, Which::New].map(|which| self.layout(which).find(name));
        let [Some(old), Some(new)] = ids else {
            return None;
        };
        let ty = self.plan_type(old, new, name);
        let value = Some(Value::of(field));
        let part = match made {
            true => Part {
                rule: RuleKind::Make,
                action: Action::Make { ty },
                from: value,
                to: None,
            },
            false => Part {
                rule: RuleKind::Fold,
                action: Action::Fold { ty, alone: false },
                from: None,
                to: value,
            },
        };
        Some(Decision {
            source: Source::StateMap,
            reason: Reason::one(&moves.derived.reason),
            evidence: String::new(),
            parts: vec![part],
        })
    }
}

/// The member that is looked for inside of a type.
struct Wanted<'a> {
    layout: &'a Layout,
    /// Of which type it is one, and its name.
    member: (&'a str, &'a str),
    /// Its own type.
    ty: &'a str,
}

impl Wanted<'_> {
    /// Adds the path to every such member inside of a value of type `ty` that is at `at`, and where it
    /// begins, in bytes.
    fn collect(&self, ty: TypeId, at: (&FieldPath, u64), found: &mut Vec<(FieldPath, u64)>) {
        let Shape::Struct(_, composite) = ctype::shape(self.layout, ty) else {
            return;
        };
        let is_owner = self.layout.names(ty).contains(&self.member.0);
        for field in ctype::fields(self.layout, composite) {
            let path = at.0.member(&field.name);
            let offset = at.1 + field.offset / 8;
            let is_of_type = self.layout.names(field.ty).contains(&self.ty);
            if is_owner && is_of_type && field.name == self.member.1 {
                found.push((path, offset));
            } else {
                self.collect(field.ty, (&path, offset), found);
            }
        }
    }
}
