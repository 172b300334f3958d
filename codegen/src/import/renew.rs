//! The fingerprints of stored layouts after a change of what the state map saves.
//!
//! A stored layout has whole what was saved when it was stored. Of a type that was only read it has
//! the members that were read, and nothing in the file tells the two apart. What was saved is found
//! out by the fingerprint in the table, which is of those types.

use super::again::read;
use super::error::ImportError;
use kernel_structs::layout::{Fingerprint, Layout, Type, TypeId};
use kernel_structs::releases::{
    Files, LayoutEntry, LayoutId, Registry, prepare_layout, with_fingerprint,
};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What became of a stored layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Its fingerprint is what the table says.
    Same,
    /// It has another one now.
    Renewed(Fingerprint),
    /// It does not have what the state map asks for, or that cannot be told: its kernel has to be
    /// imported again.
    Lacking {
        /// The first release that has it.
        release: String,
        /// What it does not have.
        what: String,
    },
}

/// How the saved types of a family were changed.
#[derive(Clone)]
enum Edit {
    /// Nothing that the fingerprint is of.
    None,
    /// This type is saved, and was not.
    Added(String),
    /// This type was saved, and is not.
    Removed(String),
}

/// Computes the fingerprints of all stored layouts anew. The files of the layouts stay as they are.
///
/// # Errors
/// If the table, a state map or a stored layout cannot be read.
pub fn renew(files: Files) -> Result<(Files, Vec<(LayoutId, Renewal)>), ImportError> {
    let registry = Registry::parse(files)?;
    let mut files = registry.files().clone();
    let mut all = Vec::new();
    // The types are those of the map, and so the same were changed for all layouts of a family.
    let mut edits: BTreeMap<&str, Edit> = BTreeMap::new();
    for entry in registry.layouts() {
        let map = registry.state_map(&entry.family)?;
        let stored = read(&registry, entry)?;
        let first = registry.releases_of(&entry.id).next();
        let lacking = |what| Renewal::Lacking {
            release: first.map_or_else(|| entry.id.0.clone(), |release| release.name.clone()),
            what,
        };
        if let Err(error) = prepare_layout(&stored, &map) {
            all.push((entry.id.clone(), lacking(error.to_string())));
            continue;
        }
        let saved = map.saved_in(&stored);
        let known = edits.get(&*entry.family);
        let edit = match known.filter(|edit| is_by(&stored, entry, &saved, edit)) {
            Some(edit) => Some(edit.clone()),
            None => find(&stored, entry, &saved),
        };
        let renewal = match &edit {
            None => lacking(
                "more than one saved type was changed since it was stored, and it cannot be told whether it has all of them".to_owned(),
            ),
            Some(Edit::Added(ty)) if !is_inside(&stored, ty, &saved) => {
                lacking(format!("{ty} is saved now, and was not when it was stored"))
            }
            Some(_) => {
                let renewed = LayoutEntry {
                    fingerprint: fingerprint(&stored, &saved, Layout::fingerprint)
                        .unwrap_or(entry.fingerprint),
                    types: fingerprint(&stored, &saved, Layout::types_fingerprint)
                        .unwrap_or(entry.types),
                    ..entry.clone()
                };
                match renewed == *entry {
                    true => Renewal::Same,
                    false => {
                        let table = with_fingerprint(&files.releases, &renewed);
                        files.releases = Cow::Owned(table.ok_or_else(|| ImportError::NoEntry {
                            name: entry.id.0.clone(),
                        })?);
                        Renewal::Renewed(renewed.fingerprint)
                    }
                }
            }
        };
        if let Some(edit @ (Edit::Added(_) | Edit::Removed(_))) = edit {
            edits.insert(&entry.family, edit);
        }
        all.push((entry.id.clone(), renewal));
    }
    // What is written has to be what is read again.
    let registry = Registry::parse(files.clone())?;
    for (id, renewal) in &all {
        if matches!(renewal, Renewal::Renewed(_)) {
            registry.layout(id)?;
        }
    }
    Ok((files, all))
}

fn fingerprint<E>(
    layout: &Layout,
    saved: &[&str],
    of: fn(&Layout, &[&str]) -> Result<Fingerprint, E>,
) -> Option<Fingerprint> {
    of(layout, saved).ok()
}

/// Whether the types that were saved before `edit` have the fingerprint of `entry`.
fn is_by(stored: &Layout, entry: &LayoutEntry, saved: &[&str], edit: &Edit) -> bool {
    let mut before = saved.to_vec();
    match edit {
        Edit::None => {}
        Edit::Added(ty) => before.retain(|name| name != ty),
        Edit::Removed(ty) => {
            before.push(ty);
            before.sort_unstable();
        }
    }
    fingerprint(stored, &before, Layout::types_fingerprint) == Some(entry.types)
}

/// The change of one type by which the saved ones are those of `entry` no more.
fn find(stored: &Layout, entry: &LayoutEntry, saved: &[&str]) -> Option<Edit> {
    let added = saved.iter().map(|name| Edit::Added((*name).to_owned()));
    let names: BTreeSet<&str> = stored
        .types()
        .filter_map(|(_, ty)| match ty {
            Type::Composite(composite) => composite.name.as_deref(),
            Type::Typedef { name, .. } => Some(name.as_str()),
            _ => None,
        })
        .collect();
    let removed = names
        .into_iter()
        .filter(|name| !saved.contains(name))
        .map(|name| Edit::Removed(name.to_owned()));
    let mut edits = std::iter::once(Edit::None).chain(added).chain(removed);
    edits.find(|edit| is_by(stored, entry, saved, edit))
}

/// Whether another one of the `saved` types contains `ty` by value, and so has it whole.
fn is_inside(stored: &Layout, ty: &str, saved: &[&str]) -> bool {
    let others = saved.iter().filter(|name| **name != ty);
    let mut pending: Vec<TypeId> = others.filter_map(|name| stored.find(name)).collect();
    let wanted = stored.find(ty).map(|id| stored.strip(id));
    let mut seen = BTreeSet::new();
    while let Some(id) = pending.pop() {
        let id = stored.strip(id);
        if Some(id) == wanted {
            return true;
        }
        match stored.get(id) {
            Type::Array { element, .. } => pending.push(*element),
            Type::Composite(composite) if seen.insert(id) => {
                pending.extend(composite.members.iter().map(|member| member.ty));
            }
            _ => {}
        }
    }
    false
}
