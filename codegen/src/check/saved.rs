//! The types whose values are saved, whole or as parts of others, by the stored layouts of a
//! kernel family.

use kernel_structs::layout::{Layout, Type, TypeId};
use kernel_structs::state::{Contract, Go, Place, Policy, Rule, StateMap, Visit, Watched};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

/// What is saved of one kernel family.
pub struct Saved<'a> {
    /// The state map.
    pub map: &'a StateMap,
    /// The layouts looked at: all stored ones, or one.
    pub layouts: Vec<Layout>,
    types: BTreeMap<String, SavedType>,
    members: BTreeSet<String>,
    /// The formats whose versions are looked after.
    pub(super) contracts: Vec<&'a Contract>,
    /// The constants and enumerators of the layouts; `None` where they differ in the value.
    constants: BTreeMap<String, Option<i128>>,
}

/// A structure, union, enumeration or typedef that is saved or in something saved.
#[derive(Clone, Debug, Default)]
pub(super) struct SavedType {
    /// The rule of the state map by which no value of it is carried, and where that stands: every
    /// value lies in a place with such a rule.
    pub(super) covered: Option<(String, String)>,
    /// Whether a value lies in a place without such a rule.
    pub(super) live: bool,
    /// The fields of this type; `type.field`.
    pub(super) used_by: BTreeSet<String>,
    /// Its own members, those of unnamed members included.
    pub(super) members: BTreeSet<String>,
}

impl<'a> Saved<'a> {
    /// Collects the saved types of `layouts`.
    pub fn new(map: &'a StateMap, layouts: Vec<Layout>) -> Saved<'a> {
        let mut types = BTreeMap::new();
        for layout in &layouts {
            let mut walk = Walk {
                map,
                layout,
                types: &mut types,
                seen: BTreeSet::new(),
                covers: Vec::new(),
            };
            for name in map.saved_types() {
                if let Some(id) = layout.find(name) {
                    walk.covers.clear();
                    walk.saved(id);
                }
            }
        }
        let all = types.values();
        let members = all.flat_map(|ty: &SavedType| ty.members.iter().cloned());
        let members = members.collect();
        let mut constants: BTreeMap<String, Option<i128>> = BTreeMap::new();
        for (name, value) in layouts.iter().flat_map(Layout::enumerators) {
            let known = constants.entry(name.to_owned()).or_insert(Some(value));
            if *known != Some(value) {
                *known = None;
            }
        }
        Saved {
            map,
            layouts,
            types,
            members,
            contracts: map.contracts.iter().collect(),
            constants,
        }
    }

    /// Looks after the formats of another family, too, which kernels of this one may have.
    #[must_use]
    pub fn with_contracts_of(mut self, other: &'a StateMap) -> Saved<'a> {
        if other.family != self.map.family {
            self.contracts.extend(&other.contracts);
        }
        self
    }

    /// The names of the types.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    pub(super) fn get(&self, name: &str) -> Option<&SavedType> {
        self.types.get(name)
    }

    /// The value of a constant or enumerator, if all layouts that have it agree.
    pub(super) fn value(&self, name: &str) -> Option<i128> {
        self.constants.get(name).copied().flatten()
    }

    /// Whether a layout has the constant or enumerator `name`.
    pub(super) fn has_constant(&self, name: &str) -> bool {
        self.constants.contains_key(name)
    }

    /// The entry of the watch list for a constant that the file at `path` defines: one of the headers
    /// that are meant, or any other if the constant is stored, for that may move.
    pub(super) fn watched_in(&self, name: &str, path: &str) -> Option<&'a Watched> {
        let watch = &self.map.watch;
        let moved = || {
            let stored = watch.is_stored(name) && self.has_constant(name);
            stored.then(|| watch.constant(name)).flatten()
        };
        watch.concerning_in(name, path).or_else(moved)
    }

    /// Whether any type has a member `name`.
    pub(super) fn has_member(&self, name: &str) -> bool {
        self.members.contains(name)
    }

    /// The live types that have a member `name`.
    pub(super) fn with_member(&self, name: &str) -> Vec<&str> {
        let all = self.types.iter();
        all.filter(|(_, ty)| ty.live && ty.members.contains(name))
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// The one type that has most of `members`: all of them, or at least two and all but one.
    pub(super) fn likeliest(&self, members: &[&str]) -> Option<&str> {
        let mut best: Option<(usize, &str)> = None;
        let mut tie = false;
        for (name, ty) in &self.types {
            let count = members
                .iter()
                .filter(|member| ty.members.contains(**member))
                .count();
            match best {
                Some((most, _)) if count < most => {}
                Some((most, _)) if count == most => tie = true,
                _ => (best, tie) = (Some((count, name.as_str())), false),
            }
        }
        let (count, name) = best?;
        let all = count > 0 && count == members.len();
        let most = count >= 2 && count + 1 >= members.len();
        ((all || most) && !tie).then_some(name)
    }

    /// The type of the member at `path` of `name`, under each layout that has it.
    pub(super) fn member(&self, name: &str, path: &str) -> Vec<(&Layout, TypeId)> {
        let path = kernel_structs::layout::FieldPath::parse(path);
        let Ok(path) = path else {
            return Vec::new();
        };
        let found = |layout: &'_ Layout| layout.lookup(layout.find(name)?, &path);
        let all = self.layouts.iter();
        all.filter_map(|layout| Some((layout, found(layout)?.ty)))
            .collect()
    }

    /// The rule of the state map for values of the type written `ty`.
    pub(super) fn type_rule(&self, ty: &str) -> Option<(&str, &'a Rule)> {
        let name = ty.rsplit(' ').find(|word| !word.is_empty())?;
        let pointer = ty.contains('*');
        let (name, entry) = self.map.types.get_key_value(name)?;
        let rule = entry.rule.as_ref()?;
        (!pointer).then_some((name.as_str(), rule))
    }
}

/// A rule by which no value in a place is carried: where it stands, and its reason.
type Cover = (String, String);

/// Takes down the types of the places in a saved type. A type is looked into once with such a rule
/// around it, and once without.
struct Walk<'w> {
    map: &'w StateMap,
    layout: &'w Layout,
    types: &'w mut BTreeMap<String, SavedType>,
    seen: BTreeSet<(TypeId, bool)>,
    /// What covers the place looked at, by the rules that hold for it; `None` for one by which
    /// values are carried.
    covers: Vec<Option<Cover>>,
}

impl Walk<'_> {
    /// Takes down the saved type `id` and what is in it.
    fn saved(&mut self, id: TypeId) {
        self.note_all(id, None);
        if self.goes_inside(id) {
            let (map, layout) = (self.map, self.layout);
            let Ok(()) = map.visit(layout, id, self);
        }
    }

    fn cover(&self) -> Option<&Cover> {
        self.covers.iter().flatten().next()
    }

    /// Whether what is in a value of type `id` has yet to be looked at.
    fn goes_inside(&mut self, id: TypeId) -> bool {
        // A structure without any name is another in each place.
        let covered = self.cover().is_some();
        self.layout.names(id).is_empty() || self.seen.insert((self.layout.strip(id), covered))
    }

    /// Takes down the type `id`, a value of which is the field `of`, by all of its names.
    fn note_all(&mut self, mut id: TypeId, of: Option<&str>) {
        let layout = self.layout;
        loop {
            let (name, next) = match layout.get(id) {
                Type::Typedef { name, target } => (Some(name), Some(*target)),
                Type::Enum(e) => (e.name.as_ref(), None),
                Type::Composite(composite) => (composite.name.as_ref(), None),
                Type::Qualified { target, .. } => (None, Some(*target)),
                Type::Array { element, .. } => (None, Some(*element)),
                _ => (None, None),
            };
            if let Some(name) = name {
                self.note(name, of);
            }
            let Some(next) = next else {
                return;
            };
            id = next;
        }
    }

    fn note(&mut self, name: &str, of: Option<&str>) {
        let own = self
            .map
            .types
            .get(name)
            .and_then(|entry| entry.rule.as_ref());
        let own = own.filter(|rule| matches!(rule.policy, Policy::Reset { .. }));
        let own = own.map(|rule| (format!("[type.{name}]"), rule.reason.clone()));
        let cover = own.or_else(|| self.cover().cloned());
        let entry = self.types.entry(name.to_owned()).or_default();
        entry.used_by.extend(of.map(String::from));
        match cover {
            Some(cover) if entry.covered.is_none() => entry.covered = Some(cover),
            Some(_) => {}
            None => entry.live = true,
        }
    }
}

impl<'a> Visit<'a> for Walk<'_> {
    type Error = Infallible;

    fn place(&mut self, place: &Place<'_, 'a>) -> Result<Go, Infallible> {
        let layout = self.layout;
        let mut element = place.ty;
        while let Type::Array { element: inner, .. } = layout.get(layout.strip(element)) {
            element = *inner;
        }
        let is_structure = matches!(layout.get(layout.strip(element)), Type::Composite(_));
        if !place.is_element {
            let owner = place.owner;
            // A structure without any name is known by the way to it.
            let path = match owner.inside.as_str() {
                "" => place.member.to_owned(),
                inside => format!("{inside}.{}", place.member),
            };
            for name in owner.names.iter().filter(|_| !place.member.is_empty()) {
                let entry = self.types.entry((*name).to_owned()).or_default();
                entry.members.insert(path.clone());
            }
            let field = format!("{}.{path}", owner.names.last().unwrap_or(&""));
            let own = place.own();
            self.covers
                .truncate(place.rules.len() - usize::from(own.is_some()));
            self.covers.extend(own.map(|own| {
                let resets = matches!(own.rule.policy, Policy::Reset { .. });
                resets.then(|| (field.clone(), own.rule.reason.clone()))
            }));
            if !(is_structure && layout.names(element).is_empty()) {
                self.note_all(place.ty, Some(&field));
            }
        }
        Ok(match layout.get(layout.strip(place.ty)) {
            Type::Array { .. } if is_structure => Go::Element,
            Type::Composite(_) if self.goes_inside(place.ty) => Go::Inside,
            _ => Go::Past,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use kernel_structs::releases::Registry;

    #[test]
    fn a_structure_that_stands_only_in_arrays_has_members_of_its_own() {
        let registry = Registry::builtin().unwrap();
        let map = registry.state_map("linux-2.4").unwrap();
        let entry = registry.layouts().find(|entry| entry.family == map.family);
        let layout = registry.layout(&entry.unwrap().id).unwrap();
        let saved = Saved::new(&map, vec![layout]);
        // `struct rlimit rlim[RLIM_NLIMITS]` of a task_struct.
        let limit = saved.get("rlimit").unwrap();
        assert!(limit.live);
        let members: Vec<&str> = limit.members.iter().map(String::as_str).collect();
        assert_eq!(members, ["rlim_cur", "rlim_max"]);
        let field = saved.get("sigaction").unwrap();
        assert!(field.used_by.contains("k_sigaction.sa"));
    }
}
