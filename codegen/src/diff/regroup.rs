//! Members that came into an anonymous union, or out of one.
//!
//! A union without a name is one field to a plan, for nobody can tell which of its members counts.
//! To a reader it is a wrapping: the member in it is the member that was there before.

use crate::ctype::{self, Field, Shape};
use kernel_structs::layout::Layout;
use std::collections::BTreeSet;

/// A field, and where it is one of an anonymous union, the other members of that.
pub(super) struct Member {
    pub(super) field: Field,
    pub(super) union: Option<Vec<String>>,
}

/// `fields` as they are.
pub(super) fn alone(fields: Vec<Field>) -> Vec<Member> {
    let member = |field| Member { field, union: None };
    fields.into_iter().map(member).collect()
}

/// `fields` of `layout` with the members of an anonymous union in its place where the other side,
/// which has `others`, has no such union, and has one of the members elsewhere.
pub(super) fn members(
    layout: &Layout,
    fields: &[Field],
    other: &Layout,
    others: &[Field],
) -> Vec<Member> {
    let has = |fields: &[Field], name: &str| fields.iter().any(|field| field.name == name);
    // What the other side has that this one has not under the same name: fields, and the members of
    // anonymous unions.
    let elsewhere: BTreeSet<String> = others
        .iter()
        .filter(|theirs| !has(fields, &theirs.name))
        .flat_map(|theirs| {
            let inside = of_union(other, theirs).into_iter();
            let inside = inside.flatten().map(|field| field.name);
            inside.chain([theirs.name.clone()])
        })
        .collect();
    let mut all = Vec::new();
    for field in fields {
        let members = of_union(layout, field).filter(|_| !has(others, &field.name));
        match members {
            Some(members) if members.iter().any(|it| elsewhere.contains(&it.name)) => {
                let names: Vec<String> = members.iter().map(|it| it.name.clone()).collect();
                all.extend(members.into_iter().map(|field| {
                    let rest = names.iter().filter(|name| **name != field.name);
                    Member {
                        union: Some(rest.cloned().collect()),
                        field,
                    }
                }));
            }
            _ => all.push(Member {
                field: field.clone(),
                union: None,
            }),
        }
    }
    all
}

/// The members of `field`, if it is an anonymous union.
fn of_union(layout: &Layout, field: &Field) -> Option<Vec<Field>> {
    let Shape::Union(_, union) = ctype::shape(layout, field.ty) else {
        return None;
    };
    if union.name.is_some() || !field.name.starts_with("union_") {
        return None;
    }
    let members = layout.flat_members(union).into_iter();
    let named = members.filter_map(|(offset, member)| {
        Some(Field {
            name: member.name.clone()?,
            ty: member.ty,
            offset: field.offset + offset.0,
            len: member
                .bit_field
                .map_or_else(|| ctype::size_bits(layout, member.ty), |width| width.0),
            bit_field: member.bit_field.is_some(),
            inside: None,
        })
    });
    Some(named.collect())
}
