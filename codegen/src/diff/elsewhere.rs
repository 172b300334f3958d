//! Fields that went from one structure to another: `task_struct.rseq_len` to `task_struct.rseq.len`.
//!
//! A field that is gone and one that is new are taken for one if they are declared alike, have one name,
//! or the name of the member behind that of the structure it is in now, and no other field fits as well.
//! That is a hint for people: what is done with the values is theirs to decide.

use super::{Change, ChangeKind, Remark, TypeDiff};
use crate::ctype::{self, Shape};
use kernel_structs::layout::{FieldPath, Layout, TypeId};
use std::collections::{BTreeSet, HashMap};

/// A field that one side has alone.
struct Place {
    /// The change that it belongs to: of which type, and which of its changes.
    at: (usize, usize),
    /// The structure.
    ty: String,
    /// The field, by its path in there.
    path: String,
    declared: String,
}

/// Marks the changes of fields that look as if they had gone from one structure to another.
pub(super) fn mark(old: &Layout, new: &Layout, diffs: &mut [TypeDiff]) {
    let gone = places(old, diffs, ChangeKind::Removed, |change| {
        change.old.is_some()
    });
    let come = places(new, diffs, ChangeKind::Added, |change| change.new.is_some());
    let (by_gone, by_come) = (index(&gone), index(&come));
    let mut found = Vec::new();
    for was in &gone {
        let [is] = partners(was, &come, &by_come)[..] else {
            continue;
        };
        if partners(is, &gone, &by_gone).len() == 1 {
            found.push((was, is));
        }
    }
    let named = |place: &Place| format!("{}.{}", place.ty, place.path);
    let mut remarks = Vec::new();
    for (was, is) in found {
        remarks.push((was.at, Remark::To(named(is))));
        remarks.push((is.at, Remark::From(named(was))));
    }
    for ((ty, change), remark) in remarks {
        let change = &mut diffs[ty].changes[change];
        // Of a structure with several such members the first is told.
        change.remark = change.remark.take().or(Some(remark));
    }
}

/// What fields have alike that can be one: a name, and how they are declared.
type Key<'p> = (String, &'p str);

impl Place {
    /// By its own name, and by that of the structure that it is in before it.
    fn keys(&self) -> [Key<'_>; 2] {
        let last = self.path.rsplit('.').next().unwrap_or(&self.path);
        let names = [last.to_owned(), self.path.replace('.', "_")];
        names.map(|name| (name, self.declared.as_str()))
    }
}

/// Places by their keys.
fn index(places: &[Place]) -> HashMap<Key<'_>, BTreeSet<usize>> {
    let mut index: HashMap<Key<'_>, BTreeSet<usize>> = HashMap::new();
    for (number, place) in places.iter().enumerate() {
        for key in place.keys() {
            index.entry(key).or_default().insert(number);
        }
    }
    index
}

/// The places of the other side that can be one with this one: in another structure, or further in.
/// Between fields of one structure it is a renamed one.
fn partners<'p>(
    place: &Place,
    others: &'p [Place],
    index: &HashMap<Key<'p>, BTreeSet<usize>>,
) -> Vec<&'p Place> {
    let numbers: BTreeSet<usize> = place
        .keys()
        .into_iter()
        .filter_map(|key| index.get(&key))
        .flatten()
        .copied()
        .collect();
    let deep = |path: &str| path.contains('.');
    let others = numbers.into_iter().filter_map(|number| others.get(number));
    let elsewhere = |other: &&Place| place.ty != other.ty || deep(&place.path) != deep(&other.path);
    others.filter(elsewhere).collect()
}

/// The fields that one side has alone, and the members of structures among them.
fn places(
    layout: &Layout,
    diffs: &[TypeDiff],
    kind: ChangeKind,
    has: impl Fn(&Change) -> bool,
) -> Vec<Place> {
    let mut places = Vec::new();
    for (number, diff) in diffs.iter().enumerate() {
        for (index, change) in diff.changes.iter().enumerate() {
            if change.kind != kind || !has(change) {
                continue;
            }
            let side = change.new.as_ref().or(change.old.as_ref());
            let place = |path: String, declared: String| Place {
                at: (number, index),
                ty: diff.ty.clone(),
                path,
                declared,
            };
            let declared = side.map_or(String::new(), |side| side.declared.clone());
            places.push(place(change.field.clone(), declared));
            let ty = FieldPath::parse(&change.field).ok().and_then(|path| {
                let owner = layout.find(&diff.ty)?;
                Some(layout.lookup(owner, &path)?.ty)
            });
            for (name, declared) in ty.map_or(Vec::new(), |ty| members(layout, ty)) {
                places.push(place(format!("{}.{name}", change.field), declared));
            }
        }
    }
    places
}

/// The members of a structure, by name, as they are declared.
fn members(layout: &Layout, ty: TypeId) -> Vec<(String, String)> {
    let Shape::Struct(_, composite) = ctype::shape(layout, ty) else {
        return Vec::new();
    };
    let fields = ctype::fields(layout, composite).into_iter();
    let named = fields.map(|field| {
        let declared = ctype::declared(layout, &field);
        (field.name, declared)
    });
    named.collect()
}
