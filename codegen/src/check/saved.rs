//! The types whose values are saved, whole or as parts of others, by the stored layouts of a
//! kernel family.

use crate::ctype;
use kernel_structs::layout::{Composite, Layout, Type, TypeId};
use kernel_structs::state::{Policy, Rule, StateMap};
use std::collections::{BTreeMap, BTreeSet};

/// What is saved of one kernel family.
pub struct Saved<'a> {
    /// The state map.
    pub map: &'a StateMap,
    /// The layouts looked at: all stored ones, or one.
    pub layouts: Vec<Layout>,
    types: BTreeMap<String, SavedType>,
    members: BTreeSet<String>,
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
            };
            for name in map.saved_types() {
                if let Some(id) = layout.find(name) {
                    walk.ty(id, None, None);
                }
            }
        }
        let all = types.values();
        let members = all.flat_map(|ty: &SavedType| ty.members.iter().cloned());
        let members = members.collect();
        Saved {
            map,
            layouts,
            types,
            members,
        }
    }

    /// The names of the types.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    pub(super) fn get(&self, name: &str) -> Option<&SavedType> {
        self.types.get(name)
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

    /// The one type that has most of `members`, at least two and all but one of them.
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
        (count >= 2 && count + 1 >= members.len() && !tie).then_some(name)
    }

    /// The type of the member at `path` of `name`, under each layout that has it.
    pub(super) fn member(&self, name: &str, path: &str) -> Vec<(&Layout, TypeId)> {
        let path = kernel_structs::layout::FieldPath::parse(path);
        let Ok(path) = path else {
            return Vec::new();
        };
        let found = |layout: &'_ Layout| layout.resolve(layout.find(name)?, &path).ok();
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

struct Walk<'w> {
    map: &'w StateMap,
    layout: &'w Layout,
    types: &'w mut BTreeMap<String, SavedType>,
    seen: BTreeSet<(TypeId, bool)>,
}

impl Walk<'_> {
    /// Visits the type `id`, a value of which is the field `of`, under `rule` if one holds.
    fn ty(&mut self, id: TypeId, of: Option<&str>, rule: Option<&(String, String)>) {
        let mut at = id;
        loop {
            let name = match self.layout.get(at) {
                Type::Typedef { name, .. } => Some(name.clone()),
                Type::Enum(e) => e.name.clone(),
                Type::Composite(composite) => composite.name.clone(),
                _ => None,
            };
            if let Some(name) = name {
                self.note(&name, of, rule);
            }
            at = match self.layout.get(at) {
                Type::Typedef { target, .. } | Type::Qualified { target, .. } => *target,
                Type::Array { element, .. } => *element,
                Type::Composite(composite) => {
                    if self.seen.insert((at, rule.is_some())) {
                        let names: Vec<String> = self
                            .layout
                            .names(id)
                            .iter()
                            .map(|name| (*name).to_owned())
                            .collect();
                        let shown = ctype::type_name(self.layout, id).map(String::from);
                        let shown = shown.or(of.map(String::from)).unwrap_or_default();
                        self.members(composite, &names, &shown, "", rule);
                    }
                    return;
                }
                _ => return,
            };
        }
    }

    fn note(&mut self, name: &str, of: Option<&str>, rule: Option<&(String, String)>) {
        let own = self
            .map
            .types
            .get(name)
            .and_then(|entry| entry.rule.as_ref());
        let own = own.filter(|rule| matches!(rule.policy, Policy::Reset { .. }));
        let own = own.map(|rule| (format!("[type.{name}]"), rule.reason.clone()));
        let entry = self.types.entry(name.to_owned()).or_default();
        entry.used_by.extend(of.map(String::from));
        match own.as_ref().or(rule) {
            Some(rule) if entry.covered.is_none() => entry.covered = Some(rule.clone()),
            Some(_) => {}
            None => entry.live = true,
        }
    }

    fn members(
        &mut self,
        composite: &Composite,
        owner: &[String],
        shown: &str,
        prefix: &str,
        rule: Option<&(String, String)>,
    ) {
        let names: Vec<&str> = owner.iter().map(String::as_str).collect();
        for member in &composite.members {
            let name = member.name.as_deref().unwrap_or("");
            let path = format!("{prefix}{name}");
            if !name.is_empty() {
                for owner in owner {
                    let entry = self.types.entry(owner.clone()).or_default();
                    entry.members.insert(path.clone());
                }
            }
            let found = self.map.member_rule(self.layout, &names, name, member.ty);
            let reset = found.filter(|rule| matches!(rule.policy, Policy::Reset { .. }));
            let under = reset.map(|rule| (format!("{shown}.{path}"), rule.reason.clone()));
            let under = rule.cloned().or(under);
            let mut element = member.ty;
            while let Type::Array { element: inner, .. } =
                self.layout.get(self.layout.strip(element))
            {
                element = *inner;
            }
            match self.layout.get(self.layout.strip(element)) {
                Type::Composite(inner) if member.name.is_none() => {
                    self.members(inner, owner, shown, prefix, under.as_ref());
                }
                // A structure without any name is known by the way to it.
                Type::Composite(inner) if self.layout.names(element).is_empty() => {
                    let prefix = format!("{path}.");
                    self.members(inner, owner, shown, &prefix, under.as_ref());
                }
                _ => self.ty(member.ty, Some(&format!("{shown}.{path}")), under.as_ref()),
            }
        }
    }
}
