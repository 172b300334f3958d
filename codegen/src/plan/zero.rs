//! Where zeros in every byte are not what the state map says that a structure holds at first.

use crate::ctype::{self, Shape};
use kernel_structs::layout::{FieldPath, Layout, TypeId};
use kernel_structs::state::{Initial, Policy, Rule, StateMap};

/// The first place in a value of type `ty` whose initial value is another than zero by the state map: a list that
/// points at itself, a lock that is not held. `None` if there is none.
pub fn other_than_zero(map: &StateMap, layout: &Layout, ty: TypeId) -> Option<FieldPath> {
    other_in(map, layout, ty, &FieldPath::default())
}

fn other_in(map: &StateMap, layout: &Layout, ty: TypeId, path: &FieldPath) -> Option<FieldPath> {
    if map.type_rule(layout, ty).is_some_and(is_other) {
        return Some(path.clone());
    }
    match ctype::shape(layout, ty) {
        Shape::Array { element, count } if count > 0 => other_in(map, layout, element, path),
        Shape::Struct(_, composite) => {
            let names = layout.names(ty);
            ctype::fields(layout, composite).iter().find_map(|field| {
                let path = path.member(&field.name);
                match map.member_rule(layout, &names, &field.name, field.ty) {
                    Some((rule, _)) => is_other(rule).then_some(path),
                    None => other_in(map, layout, field.ty, &path),
                }
            })
        }
        _ => None,
    }
}

fn is_other(rule: &Rule) -> bool {
    match &rule.policy {
        Policy::Reset {
            initial: Some(initial),
            ..
        } => !matches!(
            initial,
            Initial::Default | Initial::Zero | Initial::Null | Initial::Value(0)
        ),
        _ => false,
    }
}
