//! Structures without a name. A state map calls one by the members that it is: `s.inner` is the type of
//! the member `inner` of `s`.

use super::StateMap;
use crate::layout::{Layout, Type, TypeId};

impl StateMap {
    /// The type that the entry `[type.NAME]` is about: of this name or, where it is a path, the type
    /// without a name that the member there has, or the elements of the member.
    pub(super) fn type_of_entry(layout: &Layout, name: &str) -> Option<TypeId> {
        if let Some(id) = layout.find(name) {
            return Some(id);
        }
        let mut steps = name.split('.');
        let mut id = layout.find(steps.next()?)?;
        for step in steps {
            let Type::Composite(composite) = layout.get(layout.strip(id)) else {
                return None;
            };
            let members = layout.flat_members(composite);
            let is_it = |name: &Option<String>| name.as_deref() == Some(step);
            let (_, member) = members
                .into_iter()
                .find(|(_, member)| is_it(&member.name))?;
            id = layout.strip(member.ty);
            while let Type::Array { element, .. } = layout.get(id) {
                id = layout.strip(*element);
            }
        }
        match layout.get(id) {
            Type::Composite(composite) if composite.name.is_none() => Some(id),
            _ => None,
        }
    }
}

/// How a state map writes the name of a type's entry: a path is one key of TOML.
pub(super) fn key(name: &str) -> String {
    match name.contains(['.', ' ']) {
        true => format!("{name:?}"),
        false => name.to_owned(),
    }
}
