//! Definitions before and after, paired into changes: of one file first, then of all, for a definition
//! may go from one file to another.

use super::change::{Change, Kind, joined};
use super::code;
use super::compare;
use super::item::{Constant, TypeDef, TypeKind, Typedef};
use super::keep::Found;
use super::saved::Saved;
use super::untold;
use super::uses::Uses;
use std::collections::{BTreeMap, VecDeque};

/// Changes kept; a kernel has no more fields.
const CHANGES: usize = 100_000;

/// A definition that one side of a file has alone.
enum Alone {
    Type(TypeDef),
    Typedef(Typedef),
    Constant(Constant),
}

/// What one side has alone: the definition, its file, and whether it is the new side.
type Leftover = (Alone, String, bool);

/// The changes so far, and what waits for its other side.
pub(super) struct Pairing<'a> {
    saved: &'a Saved<'a>,
    pub(super) uses: Uses,
    pub(super) changes: Vec<Change>,
    leftovers: BTreeMap<String, Vec<Leftover>>,
}

impl<'a> Pairing<'a> {
    pub(super) fn new(saved: &'a Saved<'a>, uses: Uses) -> Pairing<'a> {
        Pairing {
            saved,
            uses,
            changes: Vec::new(),
            leftovers: BTreeMap::new(),
        }
    }

    /// Takes what both sides of the file at `path` have, of which the patch has all if it is `whole`, and it or
    /// the tree if all is `seen`. `passed` is told if nothing else of the file is.
    pub(super) fn file(
        &mut self,
        (old, new): (Found, Found),
        passed: Option<Change>,
        path: &str,
        (whole, seen): (bool, bool),
    ) {
        let before = self.changes.len();
        // In a header without saved types nothing lies otherwise by it.
        if !seen || !old.types.is_empty() || !new.types.is_empty() {
            let pragmas = compare::pragmas(&old.pragmas, &new.pragmas, path);
            self.changes.extend(pragmas);
        }
        let code = code::code(&old.code, &new.code, self.saved, path);
        self.changes.extend(code);
        let rests = untold::rests(old.rests, new.rests, path);
        self.changes.extend(rests);
        let nameless = |(_, def): &(u64, TypeDef)| def.name.is_empty() && def.partial;
        let (old_nameless, old_types) = old.types.into_iter().partition(nameless);
        let (new_nameless, new_types) = new.types.into_iter().partition(nameless);
        for (old, new) in untold::by_hunk(old_nameless, new_nameless) {
            let found = self.types(&old, &new, path);
            self.take_nameless(found, &old, &new, whole);
        }
        pair(
            old_types,
            new_types,
            |def| (def.name.clone(), def.condition.clone()),
            |def| match def {
                Both::Two(old, new) => {
                    let found = self.types(&old, &new, path);
                    self.take_type(found, &old, &new);
                }
                Both::Old(def) => self.leave(Alone::Type(def), path, false),
                Both::New(def) => self.leave(Alone::Type(def), path, true),
            },
        );
        pair(
            old.typedefs,
            new.typedefs,
            |def| (def.name.clone(), def.condition.clone()),
            |def| match def {
                Both::Two(old, new) => {
                    let found = compare::typedefs(&old, &new, path);
                    self.changes.extend(found);
                }
                Both::Old(def) => self.leave(Alone::Typedef(def), path, false),
                Both::New(def) => self.leave(Alone::Typedef(def), path, true),
            },
        );
        pair(
            old.constants,
            new.constants,
            |def| (def.name.clone(), def.condition.clone()),
            |def| match def {
                Both::Two(old, new) => {
                    let found = compare::constants(&old, &new, path);
                    self.changes.extend(found);
                }
                Both::Old(def) => self.leave(Alone::Constant(def), path, false),
                Both::New(def) => self.leave(Alone::Constant(def), path, true),
            },
        );
        let mut waiting = self.leftovers.values().flatten();
        if self.changes.len() == before && !waiting.any(|(_, file, _)| file == path) {
            self.changes.extend(passed);
        }
        self.changes.truncate(CHANGES);
    }

    /// Takes the changes of a type, and finds the name of one that the patch does not say.
    fn take_type(&mut self, found: Vec<Change>, old: &TypeDef, new: &TypeDef) {
        if found.is_empty() {
            return;
        }
        if new.kind == TypeKind::Enum {
            self.enumerators(found);
            return;
        }
        let covered = |change: &Change| self.saved.contract(change).is_some();
        if !new.name.is_empty()
            && (self.uses.is_saved(&new.name, self.saved) || found.iter().all(covered))
        {
            self.changes.extend(found);
            return;
        }
        if new.name.is_empty() && !new.partial && found.iter().all(covered) {
            let unnamed = found.into_iter().map(|change| Change {
                ty: "(unnamed)".to_owned(),
                ..change
            });
            self.changes.extend(unnamed);
            return;
        }
        let gone = |name: &str| !new.members.iter().any(|member| member.name == name);
        let context: Vec<&str> = old
            .members
            .iter()
            .map(|member| member.name.as_str())
            .filter(|name| !name.is_empty() && (self.saved.has_member(name) || !gone(name)))
            .collect();
        self.by_members(found, &context);
    }

    /// What differs between two definitions of one type. Where a hunk does not have the first
    /// enumerator, the layouts tell its value if they agree.
    fn types(&self, old: &TypeDef, new: &TypeDef, path: &str) -> Vec<Change> {
        compare::types(old, new, path, &|name| self.saved.value(name))
    }

    fn matters_in(&self, name: &str, path: &str) -> bool {
        self.uses.matters(name, path, self.saved)
    }

    /// Takes the changes of a part of a type that neither a tag nor a heading names.
    fn take_nameless(&mut self, found: Vec<Change>, old: &TypeDef, new: &TypeDef, whole: bool) {
        let before = self.changes.len();
        // Whatever a format is made of counts, known or not.
        let covered = |change: &&Change| self.saved.contract(change).is_some();
        let part = found.iter().find(covered).map(|change| Change {
            kind: Kind::Unnamed,
            ty: change.field.clone(),
            field: String::new(),
            ..change.clone()
        });
        let part = part.filter(|_| new.kind != TypeKind::Enum);
        let untold = untold::nothing_tells(&found, old, new);
        let untold = untold.filter(|_| !whole).or(part);
        self.take_type(found, old, new);
        // Enumerators that are watched, and members that are saved, told already.
        if self.changes.len() == before {
            self.changes.extend(untold);
        }
    }

    /// Finds the type whose members `context` has, for the changes of one that nothing names.
    fn by_members(&mut self, mut found: Vec<Change>, context: &[&str]) {
        match self.saved.likeliest(context) {
            Some(name) => {
                for change in &mut found {
                    change.ty = name.to_owned();
                    change.detail = joined(
                        &change.detail,
                        "the patch does not name the structure; its members do",
                    );
                }
                self.changes.extend(found);
            }
            None if context.iter().any(|name| self.saved.has_member(name)) => {
                let first = found.swap_remove(0);
                self.changes.push(Change {
                    kind: Kind::Unnamed,
                    ty: context.join(", "),
                    field: String::new(),
                    ..first
                });
            }
            None => {}
        }
    }

    /// Enumerators are values of saved fields, sizes of arrays, watched, or nothing.
    fn enumerators(&mut self, found: Vec<Change>) {
        for change in found {
            // A member that an enumeration without a name has is a constant by itself.
            let named = !change.ty.is_empty();
            let saved = named && self.matters_in(&change.ty, &change.file);
            let watched = self.saved.watched_in(&change.field, &change.file);
            let is_part = self
                .saved
                .contract_of(&change.field, &change.file)
                .is_some();
            let sized = self.uses.of(&change.field).is_some();
            let sizes = watched.is_some_and(|entry| !entry.sizes.is_empty());
            if change.kind == Kind::Comment && !saved {
                continue;
            }
            let as_constant = |kind: Kind| Change {
                kind,
                ty: change.field.clone(),
                field: String::new(),
                ..change.clone()
            };
            if sized || sizes {
                self.changes.push(as_constant(Kind::Size));
            } else if saved {
                self.changes.push(change);
            } else if watched.is_some() || is_part || self.uses.makes(&change.field).is_some() {
                let kind = match (&change.old, &change.new) {
                    (None, _) => Kind::ConstantAdded,
                    (_, None) => Kind::ConstantRemoved,
                    _ => Kind::ConstantRenumbered,
                };
                self.changes.push(as_constant(kind));
            }
        }
    }

    fn leave(&mut self, what: Alone, path: &str, new: bool) {
        let key = match &what {
            Alone::Type(def) => format!("t {}", def.name),
            Alone::Typedef(def) => format!("t {}", def.name),
            Alone::Constant(def) => format!("c {} {}", def.name, def.condition),
        };
        let all = self.leftovers.entry(key).or_default();
        if all.len() < CHANGES {
            all.push((what, path.to_owned(), new));
        }
    }

    /// Pairs what went from one file to another, and reports what is left.
    pub(super) fn settle(&mut self) {
        for (_, all) in std::mem::take(&mut self.leftovers) {
            let (new, old): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, _, new)| *new);
            // One of several definitions under conditions may go while another stays.
            let stays = !new.is_empty();
            let (mut old, mut new) = (old.into_iter(), new.into_iter());
            loop {
                match (old.next(), new.next()) {
                    (Some(before), Some(after)) => self.moved(before, after),
                    (Some((Alone::Type(_) | Alone::Typedef(_), _, _)), None) if stays => {}
                    (Some((what, path, _)), None) => self.alone(what, &path, false),
                    (None, Some((what, path, _))) => self.alone(what, &path, true),
                    (None, None) => break,
                }
            }
        }
    }

    fn moved(&mut self, (old, was, _): Leftover, (new, is, _): Leftover) {
        match (old, new) {
            (Alone::Type(old), Alone::Type(new)) => {
                let found = self.types(&old, &new, &is);
                let same = found.is_empty();
                self.take_type(found, &old, &new);
                if same && was != is && self.matters_in(&new.name, &is) {
                    let mut note = compare::one_type(&new.name, &new.place, Kind::MovedHeader, &is);
                    note.detail = format!("from {was}");
                    self.changes.push(note);
                }
            }
            (Alone::Typedef(old), Alone::Typedef(new)) => {
                self.changes.extend(compare::typedefs(&old, &new, &is));
            }
            (Alone::Constant(old), Alone::Constant(new)) => {
                self.changes.extend(compare::constants(&old, &new, &is));
            }
            (Alone::Typedef(old), Alone::Type(new)) => {
                let change = compare::retyped(
                    &new.name,
                    (&old.text, &old.place),
                    (&new.name, &new.place),
                    &is,
                );
                self.changes.push(change);
            }
            (Alone::Type(old), Alone::Typedef(new)) => {
                let change = compare::retyped(
                    &new.name,
                    (&old.name, &old.place),
                    (&new.text, &new.place),
                    &is,
                );
                self.changes.push(change);
            }
            _ => {}
        }
    }

    fn alone(&mut self, what: Alone, path: &str, new: bool) {
        match what {
            Alone::Constant(constant) => {
                self.changes
                    .push(compare::one_constant(&constant, new, path));
            }
            // Only a definition that was seen whole is gone; a new one is seen where it is used.
            Alone::Type(def) if def.kind == TypeKind::Enum => {
                let empty = TypeDef {
                    members: Vec::new(),
                    ..def.clone()
                };
                let (old, new) = if new { (&empty, &def) } else { (&def, &empty) };
                let found = self.types(old, new, path);
                self.enumerators(found);
            }
            // Other machines' headers may have their own; they are not looked at.
            Alone::Type(def) if !new && self.uses.definitions(&def.name) > 1 => {}
            Alone::Typedef(def) if !new && self.uses.definitions(&def.name) > 1 => {}
            Alone::Type(TypeDef { name, place, .. })
            | Alone::Typedef(Typedef { name, place, .. })
                if !new && self.matters_in(&name, path) =>
            {
                let change = compare::one_type(&name, &place, Kind::TypeRemoved, path);
                self.changes.push(change);
            }
            Alone::Type(def) if self.matters_in(&def.name, path) => {
                // All that is seen of it is new: members added in a hunk of their own.
                let empty = TypeDef {
                    members: Vec::new(),
                    ..def.clone()
                };
                let found = self.types(&empty, &def, path);
                if def.partial {
                    self.take_type(found, &empty, &def);
                }
            }
            _ => {}
        }
    }
}

enum Both<T> {
    Two(T, T),
    Old(T),
    New(T),
}

/// Pairs definitions: of one hunk and name, then of one name and condition, then of one name.
fn pair<T>(
    old: Vec<(u64, T)>,
    new: Vec<(u64, T)>,
    key: impl Fn(&T) -> (String, String),
    mut take: impl FnMut(Both<T>),
) {
    let mut old: Vec<Option<(u64, T)>> = old.into_iter().map(Some).collect();
    let mut new: Vec<Option<(u64, T)>> = new.into_iter().map(Some).collect();
    for round in 0..3 {
        let key = |hunk: u64, def: &T| {
            let (name, condition) = key(def);
            match round {
                0 => (name, condition, hunk),
                1 => (name, condition, 0),
                _ => (name, String::new(), 0),
            }
        };
        let mut by_key: BTreeMap<_, VecDeque<usize>> = BTreeMap::new();
        for (at, entry) in new.iter().enumerate() {
            if let Some((hunk, def)) = entry {
                by_key.entry(key(*hunk, def)).or_default().push_back(at);
            }
        }
        for entry in &mut old {
            let Some((hunk, def)) = entry else {
                continue;
            };
            let other = by_key
                .get_mut(&key(*hunk, def))
                .and_then(|all| all.pop_front());
            let other = other.and_then(|at| new[at].take());
            if let (Some((_, after)), Some(_)) = (other, &entry)
                && let Some((_, before)) = entry.take()
            {
                take(Both::Two(before, after));
            }
        }
    }
    old.into_iter()
        .flatten()
        .for_each(|(_, def)| take(Both::Old(def)));
    new.into_iter()
        .flatten()
        .for_each(|(_, def)| take(Both::New(def)));
}
