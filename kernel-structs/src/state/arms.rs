//! Unions of which one member alone is in use while an object is saved.
//!
//! A kernel lays a member of a dying object over one of a living one: `vm_rcu` over `vm_start`
//! and `vm_end`. What the walk finds lives, so the union is the living member, and whether a
//! release has the union at all makes no difference to what is saved.

use super::StateMap;
use crate::layout::{Composite, CompositeKind, Layout, Member, Type, TypeId};
use std::collections::BTreeSet;

impl StateMap {
    /// `layout` with every union that has an arm replaced by that arm: an unnamed structure of
    /// the union's size with the arm as its only member. Ids of types stay what they are.
    pub fn live(&self, layout: &Layout) -> Layout {
        let mut live = layout.clone();
        for (name, entry) in &self.types {
            let Some(id) = layout.find(name) else {
                continue;
            };
            let arms: BTreeSet<&str> = entry.arms.keys().map(String::as_str).collect();
            let id = layout.strip(id);
            if let Some(replaced) = replace(&mut live, id, &arms) {
                live.types[id.0 as usize] = Type::Composite(replaced);
            }
        }
        live
    }
}

/// The composite `id` with the arms in place of their unions; `None` if it has none of them.
fn replace(layout: &mut Layout, id: TypeId, arms: &BTreeSet<&str>) -> Option<Composite> {
    let mut composite = unnamed_inside(layout, id)?.clone();
    let mut changed = false;
    for member in &mut composite.members {
        if member.name.is_some() {
            continue;
        }
        let Some(inner) = unnamed_inside(layout, member.ty) else {
            continue;
        };
        let arm = arms.iter().find_map(|arm| arm_of(layout, inner, arm));
        let replaced = match (inner.kind, arm.cloned()) {
            (CompositeKind::Union, Some(arm)) => Some(Composite {
                kind: CompositeKind::Struct,
                members: vec![arm],
                ..inner.clone()
            }),
            _ => replace(layout, member.ty, arms),
        };
        if let Some(replaced) = replaced {
            member.ty = TypeId(layout.types.len() as u32);
            layout.types.push(Type::Composite(replaced));
            changed = true;
        }
    }
    changed.then_some(composite)
}

/// Whether an unnamed union of the composite `id` has the member `arm`.
pub(super) fn has_arm(layout: &Layout, id: TypeId, arm: &str) -> bool {
    let unnamed = |member: &&Member| member.name.is_none();
    unnamed_inside(layout, id).is_some_and(|composite| {
        composite.members.iter().filter(unnamed).any(|member| {
            let inner = unnamed_inside(layout, member.ty);
            inner.is_some_and(|inner| {
                inner.kind == CompositeKind::Union && arm_of(layout, inner, arm).is_some()
            }) || has_arm(layout, member.ty, arm)
        })
    })
}

fn unnamed_inside(layout: &Layout, id: TypeId) -> Option<&Composite> {
    match layout.get(layout.strip(id)) {
        Type::Composite(composite) => Some(composite),
        _ => None,
    }
}

/// The member of a union that is `arm`, or an unnamed structure with it.
fn arm_of<'a>(layout: &Layout, union: &'a Composite, arm: &str) -> Option<&'a Member> {
    let named = |member: &Member| member.name.as_deref() == Some(arm);
    union.members.iter().find(|member| {
        named(member)
            || member.name.is_none()
                && unnamed_inside(layout, member.ty).is_some_and(|inner| {
                    inner.kind == CompositeKind::Struct && inner.members.iter().any(named)
                })
    })
}

/// The union that has the member `name` of the composite `id`, which is that union or has it
/// without a name, and where it begins in `id`, in bytes.
pub fn union_of(layout: &Layout, id: TypeId, name: &str) -> Option<(TypeId, u64)> {
    let composite = unnamed_inside(layout, id)?;
    let named = |member: &Member| member.name.as_deref() == Some(name);
    if composite.kind == CompositeKind::Union && composite.members.iter().any(named) {
        return Some((layout.strip(id), 0));
    }
    let unnamed = composite
        .members
        .iter()
        .filter(|member| member.name.is_none());
    unnamed.into_iter().find_map(|member| {
        let (ty, offset) = union_of(layout, member.ty, name)?;
        Some((ty, offset + member.offset.byte().0))
    })
}
