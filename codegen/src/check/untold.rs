//! Changes of which the patch shows too little to tell what they are. Each is a note with its place,
//! so that nothing is left out silently.

use super::change::{Change, Kind, Shown};
use super::item::{Place, Rest, TypeDef, TypeKind};
use std::collections::{BTreeMap, VecDeque};

/// What hunks change without showing the whole of it: one change for each hunk and type. What both
/// sides have alike, other white space apart, is none.
pub(super) fn rests(old: Vec<(u64, Rest)>, new: Vec<(u64, Rest)>, file: &str) -> Vec<Change> {
    let mut all: BTreeMap<(u64, String), [Vec<Rest>; 2]> = BTreeMap::new();
    for (side, rests) in [old, new].into_iter().enumerate() {
        for (hunk, rest) in rests {
            all.entry((hunk, rest.owner.clone())).or_default()[side].push(rest);
        }
    }
    let told = all
        .into_iter()
        .filter_map(|((_, owner), [mut old, mut new])| {
            old.retain(|rest| {
                let same = new.iter().position(|other| other.text == rest.text);
                same.map(|at| new.remove(at)).is_none()
            });
            let shown = |rests: &[Rest]| {
                let texts: Vec<&str> = rests.iter().map(|rest| rest.text.as_str()).collect();
                let first = rests.first()?;
                Some(Shown::new(&texts.join("; "), &first.place))
            };
            let (old, new) = (shown(&old), shown(&new));
            (old.is_some() || new.is_some()).then(|| Change {
                old,
                new,
                ..note(Kind::Incomplete, owner, file)
            })
        });
    told.collect()
}

/// A file whose text the patch does not have.
pub(super) fn unread(file: &str, detail: String) -> Change {
    Change {
        detail,
        ..note(Kind::Unread, file.to_owned(), file)
    }
}

/// A line of which nothing tells what it changes, on this line of the patch.
pub(super) fn line(text: &str, patch: u64, is_new: bool, file: &str) -> Change {
    let place = Place {
        line: 0,
        patch,
        changed: true,
        text: text.to_owned(),
    };
    let shown = Some(Shown::new(text.trim(), &place));
    let (old, new) = match is_new {
        true => (None, shown),
        false => (shown, None),
    };
    Change {
        old,
        new,
        ..note(Kind::Incomplete, String::new(), file)
    }
}

/// Parts of types that nothing names, before and after, each of one hunk; a side that the hunk does
/// not have is empty.
pub(super) fn by_hunk(
    old: Vec<(u64, TypeDef)>,
    new: Vec<(u64, TypeDef)>,
) -> Vec<(TypeDef, TypeDef)> {
    let mut all: BTreeMap<u64, [VecDeque<TypeDef>; 2]> = BTreeMap::new();
    for (side, defs) in [old, new].into_iter().enumerate() {
        for (hunk, def) in defs {
            all.entry(hunk).or_default()[side].push_back(def);
        }
    }
    let empty = |def: &TypeDef| TypeDef {
        members: Vec::new(),
        ..def.clone()
    };
    let mut pairs = Vec::new();
    for [mut old, mut new] in all.into_values() {
        loop {
            match (old.pop_front(), new.pop_front()) {
                (Some(before), Some(after)) => pairs.push((before, after)),
                (Some(before), None) => {
                    let after = empty(&before);
                    pairs.push((before, after));
                }
                (None, Some(after)) => pairs.push((empty(&after), after)),
                (None, None) => break,
            }
        }
    }
    pairs
}

/// The finding for a change in a part of a type of which nothing tells which type it is. That no layout
/// has its members says nothing: other kernels have others.
pub(super) fn nothing_tells(found: &[Change], old: &TypeDef, new: &TypeDef) -> Option<Change> {
    // Enumerators are known by their own names.
    if !(old.untold || new.untold) || new.kind == TypeKind::Enum {
        return None;
    }
    let declared = || found.iter().filter(|change| change.kind != Kind::Comment);
    let fields: Vec<&str> = declared().map(|change| change.field.as_str()).collect();
    Some(Change {
        kind: Kind::Unnamed,
        ty: fields.join(", "),
        field: String::new(),
        was: String::new(),
        detail: String::new(),
        ..declared().next()?.clone()
    })
}

fn note(kind: Kind, ty: String, file: &str) -> Change {
    Change {
        kind,
        ty,
        field: String::new(),
        was: String::new(),
        file: file.to_owned(),
        old: None,
        new: None,
        condition: String::new(),
        detail: String::new(),
    }
}
