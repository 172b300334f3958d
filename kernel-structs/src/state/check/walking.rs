//! The words of the walk held against a layout.

use super::StateFinding;
use crate::layout::{FieldPath, Layout, Step, Type, TypeId};
use crate::state::{
    Container, Derived, DerivedPlace, Number, Root, StateMap, Telling, TypeEntry, union_of,
};
use std::collections::BTreeSet;

type Findings = BTreeSet<StateFinding>;

/// A type in the layouts that have it.
type Places<'a> = [(&'a Layout, TypeId)];

impl StateMap {
    /// Holds what `entry`, of the type `name`, says of the walk against the layouts that have the
    /// type.
    pub(super) fn check_walking(
        &self,
        name: &str,
        entry: &TypeEntry,
        places: &Places<'_>,
        findings: &mut Findings,
    ) {
        for (member, container) in &entry.containers {
            let table = format!("type.{name}.containers");
            some_and_all(places, member, &table, findings, |layout, ty| {
                self.misfit_of_container(layout, ty, container)
            });
        }
        for (member, index) in &entry.indexes {
            let table = format!("type.{name}.indexes");
            let number = |layout: &Layout, ty| (!is_number(layout, ty)).then_some("number");
            some_and_all(places, member, &table, findings, number);
            some_and_all(places, &index.array, &table, findings, |layout, ty| {
                let is_array = matches!(layout.get(layout.strip(ty)), Type::Array { .. });
                (!is_array).then_some("array")
            });
        }
        for (member, fold) in &entry.folds {
            let table = format!("type.{name}.folds");
            let number = |layout: &Layout, ty| match is_number(layout, ty) {
                true => None,
                false => Some("number"),
            };
            some_and_all(places, member, &table, findings, number);
            some_and_all(places, &fold.percpu, &table, findings, |layout, ty| {
                let target = pointee(layout, ty).filter(|target| is_number(layout, *target));
                target.is_none().then_some("pointer at a number")
            });
        }
        for (member, embedded) in &entry.embedded {
            let table = format!("type.{name}.embedded");
            some_and_all(places, member, &table, findings, |_, _| None);
            some_and_all(places, &embedded.live, &table, findings, |layout, ty| {
                pointee(layout, ty).is_none().then_some("pointer")
            });
        }
        for choice in &entry.choices {
            let table = format!("[type.{name}.arm]");
            let in_union = places
                .iter()
                .any(|(layout, id)| is_in_union(layout, *id, &choice.live));
            if !in_union {
                findings.insert(StateFinding::Misfit {
                    table: table.clone(),
                    member: choice.live.clone(),
                    expected: "member of a union",
                });
            }
            let symbols = matches!(choice.is, Telling::Symbols(_));
            some_and_all(
                places,
                &choice.when,
                &table,
                findings,
                |layout, ty| match symbols {
                    true if pointee(layout, ty).is_none() => Some("pointer"),
                    false if !is_number(layout, ty) => Some("number"),
                    _ => None,
                },
            );
        }
        if let Some(size) = &entry.size {
            let table = format!("type.{name}");
            if let Number::Member(member) = &size.of {
                some_and_all(places, member, &table, findings, |layout, ty| {
                    (!is_number(layout, ty)).then_some("number")
                });
            }
            if let Some(from) = &size.from {
                some_and_all(places, from, &table, findings, |_, _| None);
            }
        }
    }

    /// What the member of type `ty` is not, although `container` says that it begins one.
    fn misfit_of_container(
        &self,
        layout: &Layout,
        ty: TypeId,
        container: &Container,
    ) -> Option<&'static str> {
        let link = match layout.names(ty).last() {
            Some(&"list_head") => Some("list_head"),
            Some(&"hlist_head") => Some("hlist_node"),
            Some(&("rb_root" | "rb_root_cached")) => Some("rb_node"),
            Some(&"maple_tree") => None,
            _ => return Some("list_head, hlist_head, rb_root, rb_root_cached or maple_tree"),
        };
        let saved = self.types.get(&container.element);
        if !saved.is_some_and(|entry| entry.saved) {
            return Some("container of a saved type");
        }
        let element = layout.find(&container.element)?;
        let found = container.link.as_ref().map(|found| {
            let ty = resolve(layout, element, found).map(|found| layout.names(found));
            ty.and_then(|names| names.last().copied())
        });
        match (link, found) {
            (None, None) => None,
            (Some(link), Some(Some(found))) if link == found => None,
            (None, Some(_)) => Some("container with `link`: a maple tree has none"),
            (Some(_), _) => Some("container whose elements have such a `link`"),
        }
    }
}

/// Looks at `member` in each layout that has it; one of them has to.
fn some_and_all(
    places: &Places<'_>,
    member: &str,
    table: &str,
    findings: &mut Findings,
    misfit: impl Fn(&Layout, TypeId) -> Option<&'static str>,
) {
    let found: Vec<_> = places
        .iter()
        .filter_map(|(layout, id)| Some((*layout, resolve(layout, *id, member)?)))
        .collect();
    let wrong = found.iter().find_map(|(layout, ty)| misfit(layout, *ty));
    let wrong = wrong.or(found.is_empty().then_some("member of this name"));
    if let Some(expected) = wrong {
        findings.insert(StateFinding::Misfit {
            table: table.to_owned(),
            member: member.to_owned(),
            expected,
        });
    }
}

/// Holds the threads of a root against `layout`.
pub(super) fn check_threads(layout: &Layout, root: &Root, findings: &mut Findings) {
    let Some((threads, id)) = root.threads.as_ref().zip(layout.find(&root.ty)) else {
        return;
    };
    let is_list = |ty: TypeId| layout.names(ty).contains(&"list_head");
    let head = threads.head.split('.').try_fold(id, |ty, step| {
        resolve(layout, pointee(layout, ty).unwrap_or(ty), step)
    });
    for (member, ty) in [
        (&threads.head, head),
        (&threads.link, resolve(layout, id, &threads.link)),
    ] {
        if !ty.is_some_and(is_list) {
            findings.insert(StateFinding::Misfit {
                table: "[root.threads]".to_owned(),
                member: member.clone(),
                expected: "list_head",
            });
        }
    }
}

/// Holds the pointer from which a derived object is found against `layout`.
pub(super) fn check_base(layout: &Layout, derived: &Derived, findings: &mut Findings) {
    let DerivedPlace::Ends {
        base: Some(base), ..
    } = &derived.place
    else {
        return;
    };
    let ty = layout
        .find(&derived.owner)
        .and_then(|owner| resolve(layout, owner, base));
    if ty.and_then(|ty| pointee(layout, ty)).is_none() {
        findings.insert(StateFinding::Misfit {
            table: "[derived]".to_owned(),
            member: base.clone(),
            expected: "pointer",
        });
    }
}

fn resolve(layout: &Layout, id: TypeId, path: &str) -> Option<TypeId> {
    let path = FieldPath::parse(path).ok()?;
    layout.lookup(id, &path).map(|found| found.ty)
}

fn pointee(layout: &Layout, ty: TypeId) -> Option<TypeId> {
    match layout.get(layout.strip(ty)) {
        Type::Pointer { target } => Some(*target),
        _ => None,
    }
}

fn is_number(layout: &Layout, ty: TypeId) -> bool {
    matches!(layout.get(layout.strip(ty)), Type::Int(_) | Type::Enum(_))
}

/// Whether the member at `path` is one of several of a union.
fn is_in_union(layout: &Layout, id: TypeId, path: &str) -> bool {
    let Ok(path) = FieldPath::parse(path) else {
        return false;
    };
    let Some((Step::Member(name), before)) = path.steps().split_last() else {
        return false;
    };
    let owner = before.iter().try_fold(id, |ty, step| match step {
        Step::Member(name) => resolve(layout, ty, name),
        Step::Element(_) => None,
    });
    owner.is_some_and(|owner| union_of(layout, owner, name).is_some())
}
