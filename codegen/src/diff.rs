//! What changed between two layouts, for people to look at.
//!
//! A diff compares declarations. It decides nothing; that is the plan's part.

mod elsewhere;
pub mod html;
mod numbers;
mod regroup;
pub mod side;
pub mod view;

use crate::ctype::{self, Field, Shape};
use crate::plan::Declaration;
use kernel_structs::layout::{Layout, Type, TypeId, UnknownType};
pub use numbers::{EnumDiff, NumberChange, constants, enumerations};
use regroup::Member;
use serde::Serialize;
use std::collections::BTreeMap;

/// What changed in one type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TypeDiff {
    /// The type.
    #[serde(rename = "type")]
    pub ty: String,
    /// Its size before, in bytes.
    pub from_size: u64,
    /// Its size after, in bytes.
    pub to_size: u64,
    /// Its changed fields, in the order of the new type, removed ones last.
    pub changes: Vec<Change>,
    /// All fields before, by place.
    #[serde(skip)]
    pub old_fields: Vec<(String, Declaration)>,
    /// All fields after, by place.
    #[serde(skip)]
    pub new_fields: Vec<(String, Declaration)>,
}

/// A changed field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The field.
    pub field: String,
    /// What changed.
    pub kind: ChangeKind,
    /// The field before.
    pub old: Option<Declaration>,
    /// The field after.
    pub new: Option<Declaration>,
    /// What the declarations do not show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remark: Option<Remark>,
}

/// What declarations do not show of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remark {
    /// The field is in an anonymous union now, with these other members.
    Into(Vec<String>),
    /// The field was in one.
    OutOf(Vec<String>),
    /// It looks as if it went to this field of another structure.
    To(String),
    /// It looks as if it came from there.
    From(String),
    /// The declarations read alike, and name other types: what they are, before and after.
    Beneath(String, String),
}

impl std::fmt::Display for Remark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (what, others) = match self {
            Remark::Into(others) => ("now in a union", others),
            Remark::OutOf(others) => ("was in a union", others),
            Remark::To(field) => return write!(f, "went to {field}, it seems"),
            Remark::From(field) => return write!(f, "came from {field}, it seems"),
            Remark::Beneath(old, new) => return write!(f, "`{old}` became `{new}`"),
        };
        match others.as_slice() {
            [] => f.write_str(what),
            others => write!(f, "{what} with {}", others.join(", ")),
        }
    }
}

/// What changed of a field. Of several, the first that is true.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// Only the new type has it.
    Added,
    /// Only the old type has it.
    Removed,
    /// A bit-field got another width, or became an ordinary field, or the other way round.
    BitField,
    /// An array got another number of elements.
    ArrayLength,
    /// An integer got another width or sign.
    Integer,
    /// An enumeration got other enumerators.
    Enumerators,
    /// A structure or union that changed inside; it has an entry of its own.
    Inside,
    /// It has another type.
    Type,
    /// The same type, but inside of an anonymous union now, or outside of one.
    Regrouped,
    /// The same type at another place.
    Moved,
}

impl ChangeKind {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            ChangeKind::Added => "added",
            ChangeKind::Removed => "removed",
            ChangeKind::BitField => "bit-field",
            ChangeKind::ArrayLength => "array-length",
            ChangeKind::Integer => "integer",
            ChangeKind::Enumerators => "enumerators",
            ChangeKind::Inside => "inside",
            ChangeKind::Type => "type",
            ChangeKind::Regrouped => "regrouped",
            ChangeKind::Moved => "moved",
        }
    }
}

/// Compares the types named in `types`, and every structure and union that they contain on both
/// sides. Types without a change are left out; the rest is in order of their names.
///
/// The members of an anonymous union are fields of their own where one of them is outside of it, or
/// in another one, on the other side.
///
/// # Errors
/// If a layout has no type of one of the names.
pub fn diff(old: &Layout, new: &Layout, types: &[&str]) -> Result<Vec<TypeDiff>, UnknownType> {
    compare(old, new, types, true)
}

/// As [`diff`], by the fields of a plan, in which an anonymous union is always one field.
///
/// # Errors
/// If a layout has no type of one of the names.
pub fn by_field(old: &Layout, new: &Layout, types: &[&str]) -> Result<Vec<TypeDiff>, UnknownType> {
    compare(old, new, types, false)
}

fn compare(
    old: &Layout,
    new: &Layout,
    types: &[&str],
    regroup: bool,
) -> Result<Vec<TypeDiff>, UnknownType> {
    let mut differ = Differ {
        old,
        new,
        regroup,
        done: BTreeMap::new(),
    };
    for name in types {
        differ.compare(name, old.require(name)?, new.require(name)?);
    }
    let mut found: Vec<TypeDiff> = differ
        .done
        .into_values()
        .filter(TypeDiff::is_change)
        .collect();
    // Of a plan's fields each type is held by itself.
    if regroup {
        elsewhere::mark(old, new, &mut found);
    }
    Ok(found)
}

impl TypeDiff {
    fn is_change(&self) -> bool {
        !self.changes.is_empty() || self.from_size != self.to_size
    }
}

struct Differ<'a> {
    old: &'a Layout,
    new: &'a Layout,
    /// Whether the members of anonymous unions are looked for one by one.
    regroup: bool,
    done: BTreeMap<(String, TypeId, TypeId), TypeDiff>,
}

impl Differ<'_> {
    fn compare(&mut self, name: &str, old: TypeId, new: TypeId) {
        let (old, new) = (self.old.strip(old), self.new.strip(new));
        let key = (name.to_owned(), old, new);
        let (was, is) = match (ctype::shape(self.old, old), ctype::shape(self.new, new)) {
            (Shape::Struct(_, was), Shape::Struct(_, is))
            | (Shape::Union(_, was), Shape::Union(_, is)) => (was, is),
            _ => return,
        };
        if self.done.contains_key(&key) {
            return;
        }
        let ty = TypeDiff {
            ty: name.to_owned(),
            from_size: was.size.0,
            to_size: is.size.0,
            changes: Vec::new(),
            old_fields: Vec::new(),
            new_fields: Vec::new(),
        };
        self.done.insert(key.clone(), ty);
        let (was, is) = (ctype::fields(self.old, was), ctype::fields(self.new, is));
        let (was, is) = match self.regroup {
            true => (
                regroup::members(self.old, &was, self.new, &is),
                regroup::members(self.new, &is, self.old, &was),
            ),
            false => (regroup::alone(was), regroup::alone(is)),
        };
        let mut changes = Vec::new();
        for Member { field, union } in &is {
            let other = was.iter().find(|other| other.field.name == field.name);
            if let Some(other) = other {
                self.descend(name, &other.field, field);
            }
            let mut remark = None;
            let kind = match other {
                None => Some(ChangeKind::Added),
                Some(other) => {
                    remark = match (&other.union, union) {
                        (None, Some(others)) => Some(Remark::Into(others.clone())),
                        (Some(others), None) => Some(Remark::OutOf(others.clone())),
                        (None, None) | (Some(_), Some(_)) => None,
                    };
                    match self.kind(&other.field, field) {
                        None | Some(ChangeKind::Moved) if remark.is_some() => {
                            Some(ChangeKind::Regrouped)
                        }
                        kind => kind,
                    }
                }
            };
            let other = other.map(|other| &other.field);
            let change = kind.map(|kind| self.change(kind, other, Some(field)));
            changes.extend(change.map(|change| Change {
                remark: remark.or(change.remark),
                ..change
            }));
        }
        for Member { field, .. } in &was {
            if !is.iter().any(|other| other.field.name == field.name) {
                changes.push(self.change(ChangeKind::Removed, Some(field), None));
            }
        }
        if let Some(diff) = self.done.get_mut(&key) {
            diff.changes = changes;
            let all = |layout: &Layout, fields: &[Member]| -> Vec<(String, Declaration)> {
                let named = fields.iter().map(|member| &member.field);
                named
                    .map(|field| (field.name.clone(), declaration(layout, field)))
                    .collect()
            };
            (diff.old_fields, diff.new_fields) = (all(self.old, &was), all(self.new, &is));
        }
    }

    /// Compares what two fields of one name contain.
    fn descend(&mut self, owner: &str, old: &Field, new: &Field) {
        let (mut was, mut is) = (old.ty, new.ty);
        while let (Shape::Array { element: a, .. }, Shape::Array { element: b, .. }) =
            (ctype::shape(self.old, was), ctype::shape(self.new, is))
        {
            (was, is) = (a, b);
        }
        let fallback = format!("{owner}.{}", new.name);
        let name = ctype::type_name(self.new, is)
            .unwrap_or(&fallback)
            .to_owned();
        self.compare(&name, was, is);
    }

    fn kind(&self, old: &Field, new: &Field) -> Option<ChangeKind> {
        if (old.bit_field || new.bit_field)
            && (old.bit_field != new.bit_field || old.len != new.len)
        {
            return Some(ChangeKind::BitField);
        }
        match self.type_kind(old.ty, new.ty) {
            None if old.offset != new.offset => Some(ChangeKind::Moved),
            kind => kind,
        }
    }

    fn type_kind(&self, old: TypeId, new: TypeId) -> Option<ChangeKind> {
        if self.old.canonical_type(old) == self.new.canonical_type(new) {
            return None;
        }
        Some(
            match (ctype::shape(self.old, old), ctype::shape(self.new, new)) {
                (
                    Shape::Array {
                        element: was,
                        count: old_count,
                    },
                    Shape::Array {
                        element: is,
                        count: new_count,
                    },
                ) => {
                    let inner = self.type_kind(was, is);
                    let length = (old_count != new_count).then_some(ChangeKind::ArrayLength);
                    length.or(inner).unwrap_or(ChangeKind::Type)
                }
                (Shape::Scalar(was), Shape::Scalar(is)) if was.kind == is.kind && was != is => {
                    ChangeKind::Integer
                }
                (Shape::Enum(_), Shape::Enum(_)) => {
                    let name = |layout: &Layout, id| match layout.get(layout.strip(id)) {
                        Type::Enum(e) => e.name.clone(),
                        _ => None,
                    };
                    match name(self.old, old) == name(self.new, new) {
                        true => ChangeKind::Enumerators,
                        false => ChangeKind::Type,
                    }
                }
                (Shape::Struct(..), Shape::Struct(..)) | (Shape::Union(..), Shape::Union(..)) => {
                    match ctype::type_name(self.old, old) == ctype::type_name(self.new, new) {
                        true => ChangeKind::Inside,
                        false => ChangeKind::Type,
                    }
                }
                _ => ChangeKind::Type,
            },
        )
    }

    fn change(&self, kind: ChangeKind, old: Option<&Field>, new: Option<&Field>) -> Change {
        let declarations = [
            old.map(|field| declaration(self.old, field)),
            new.map(|field| declaration(self.new, field)),
        ];
        let field = old.or(new);
        let remark = match (&declarations, old, new, kind) {
            // What is inside, or around it, is told elsewhere.
            (.., ChangeKind::Inside | ChangeKind::Moved | ChangeKind::Regrouped) => None,
            ([Some(a), Some(b)], Some(was), Some(is), _) if a.declared == b.declared => {
                let (was, is) = (
                    ctype::beneath(self.old, was.ty),
                    ctype::beneath(self.new, is.ty),
                );
                (was != is).then_some(Remark::Beneath(was, is))
            }
            _ => None,
        };
        let [old, new] = declarations;
        Change {
            field: field.map_or_else(String::new, |field| field.name.clone()),
            kind,
            old,
            new,
            remark,
        }
    }
}

fn declaration(layout: &Layout, field: &Field) -> Declaration {
    Declaration {
        declared: ctype::declared(layout, field),
        offset_bits: field.offset,
        size_bits: field.len,
    }
}

/// The structures and unions with a tag that both layouts have, and those that one has, by name.
pub struct Shared {
    /// In both.
    pub both: Vec<String>,
    /// In the old one.
    pub old: Vec<String>,
    /// In the new one.
    pub new: Vec<String>,
}

/// Sorts the types of two layouts by where they are. A tag that stands for several types of a
/// layout names none of them.
pub fn shared(old: &Layout, new: &Layout) -> Shared {
    let tags = |layout: &Layout| -> std::collections::BTreeSet<String> {
        let named = layout.types().filter_map(|(_, ty)| match ty {
            Type::Composite(composite) => composite.name.clone(),
            _ => None,
        });
        named
            .filter(|name| layout.composite(name).is_some())
            .collect()
    };
    let (was, is) = (tags(old), tags(new));
    Shared {
        both: was.intersection(&is).cloned().collect(),
        old: was.difference(&is).cloned().collect(),
        new: is.difference(&was).cloned().collect(),
    }
}
