//! Where two layouts of one kernel disagree.
//!
//! Two routes to the same kernel have to agree on every saved type: on paths, offsets, sizes,
//! widths of bit-fields, and on what kind of value each member is. What a structure is called by
//! a typedef, qualifiers, and what C calls an integer are no part of that, as in the canonical
//! form of a layout. Members of anonymous members are compared by the path at which C finds them,
//! so that it does not matter how deep an anonymous union is nested.
//!
//! Each tagged structure, union and enumeration contained in the types asked for is compared once
//! and reported under its own name.

use kernel_structs::layout::{Composite, EnumType, Layout, Type, TypeId, UnknownType};
use kernel_structs::units::{BitOffset, BitSize, ByteSize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What both routes know; what one of them cannot know is not compared.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Knowledge {
    /// Whether both know where bit-fields lie, and not only how wide they are.
    pub bit_offsets: bool,
    /// Whether both know which members are enumerations.
    pub enums: bool,
    /// Whether both know the dimensions of arrays of arrays, and not only how many elements there
    /// are: pahole makes BTF of `a[3][2]` that says `a[6]`.
    pub dimensions: bool,
}

impl Knowledge {
    /// Everything a layout can say.
    pub const ALL: Knowledge = Knowledge {
        bit_offsets: true,
        enums: true,
        dimensions: true,
    };

    /// What BTF made by pahole says: all but the dimensions of arrays of arrays.
    pub const PAHOLE: Knowledge = Knowledge {
        dimensions: false,
        ..Knowledge::ALL
    };
}

/// One disagreement. It reads `struct file.f_mode: at 64 | at 72`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// The structure, union, enumeration or typedef.
    pub ty: String,
    /// The member, as a path from there; empty for the type itself.
    pub path: String,
    /// What differs.
    pub what: What,
}

/// What differs, on the left and on the right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The right has no such member or enumerator.
    OnlyLeft,
    /// The left has no such member or enumerator.
    OnlyRight,
    /// The places.
    Offset(BitOffset, BitOffset),
    /// The sizes in bytes.
    Size(ByteSize, ByteSize),
    /// The widths of a bit-field; `None` where it is none.
    Width(Option<BitSize>, Option<BitSize>),
    /// The kinds of value, in the canonical spelling of layouts.
    Kind(String, String),
    /// The values of an enumerator.
    Value(i128, i128),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ty)?;
        if !self.path.is_empty() {
            write!(f, ".{}", self.path)?;
        }
        let width = |width: &Option<BitSize>| match width {
            Some(width) => format!("{} bits", width.0),
            None => "no bit-field".to_owned(),
        };
        match &self.what {
            What::OnlyLeft => write!(f, ": there | missing"),
            What::OnlyRight => write!(f, ": missing | there"),
            What::Offset(left, right) => write!(f, ": at {left} | at {right}"),
            What::Size(left, right) => write!(f, ": {left} bytes | {right} bytes"),
            What::Width(left, right) => write!(f, ": {} | {}", width(left), width(right)),
            What::Kind(left, right) => write!(f, ": {left} | {right}"),
            What::Value(left, right) => write!(f, " = {left} | {right}"),
        }
    }
}

/// All disagreements over the types `names` and everything they contain, sorted.
///
/// # Errors
/// If one of the layouts does not have a type, or has several of its name.
pub fn compare(
    left: &Layout,
    right: &Layout,
    names: &[&str],
    known: Knowledge,
) -> Result<Vec<Difference>, UnknownType> {
    let mut compare = Compare {
        left,
        right,
        known,
        seen: BTreeSet::new(),
        pending: Vec::new(),
        found: Vec::new(),
    };
    for name in names {
        let pair = (left.require(name)?, right.require(name)?);
        compare.types(name, "", pair);
        // Not by recursion: types may be nested as deep as they like.
        while let Some((ty, path, pair)) = compare.pending.pop() {
            compare.contents(&ty, &path, pair);
        }
    }
    compare.found.sort();
    compare.found.dedup();
    Ok(compare.found)
}

struct Compare<'a> {
    left: &'a Layout,
    right: &'a Layout,
    known: Knowledge,
    /// Composites and enumerations that were compared.
    seen: BTreeSet<(TypeId, TypeId)>,
    /// Those still to be compared, with the type and path to report them under.
    pending: Vec<(String, String, (TypeId, TypeId))>,
    found: Vec<Difference>,
}

/// A member as C finds it: those of anonymous members included.
struct Flat {
    offset: BitOffset,
    width: Option<BitSize>,
    ty: TypeId,
}

impl Compare<'_> {
    fn report(&mut self, ty: &str, path: &str, what: What) {
        self.found.push(Difference {
            ty: ty.to_owned(),
            path: path.to_owned(),
            what,
        });
    }

    /// Compares the types of one member, or two types that were asked for.
    fn types(&mut self, ty: &str, path: &str, (mut left, mut right): (TypeId, TypeId)) {
        let mut elements = String::new();
        loop {
            left = self.left.strip(left);
            right = self.right.strip(right);
            match (self.left.get(left), self.right.get(right)) {
                (Type::Array { .. }, Type::Array { .. }) => {
                    let a = self.array(self.left, left);
                    let b = self.array(self.right, right);
                    if a.1 != b.1 {
                        let kinds = (kind(self.left, left), kind(self.right, right));
                        return self.report(ty, path, What::Kind(kinds.0, kinds.1));
                    }
                    (left, right) = (a.0, b.0);
                    elements.push_str("[]");
                }
                (Type::Composite(a), Type::Composite(b))
                    if a.kind == b.kind && a.name == b.name =>
                {
                    let (ty, path) = match &a.name {
                        Some(name) => (format!("{} {name}", a.kind.keyword()), String::new()),
                        None => (ty.to_owned(), format!("{path}{elements}")),
                    };
                    return self.pend(ty, path, left, right);
                }
                (Type::Enum(a), Type::Enum(b)) if a.name == b.name => {
                    let (ty, path) = match &a.name {
                        Some(name) => (format!("enum {name}"), String::new()),
                        None => (ty.to_owned(), format!("{path}{elements}")),
                    };
                    return self.pend(ty, path, left, right);
                }
                (a, b) => {
                    let integers = |ty: &Type| matches!(ty, Type::Int(_) | Type::Enum(_));
                    if !self.known.enums
                        && integers(a)
                        && integers(b)
                        && self.left.size_of(left) == self.right.size_of(right)
                    {
                        return;
                    }
                    let kinds = (kind(self.left, left), kind(self.right, right));
                    if kinds.0 != kinds.1 {
                        self.report(ty, path, What::Kind(kinds.0, kinds.1));
                    }
                    return;
                }
            }
        }
    }

    /// The element type and the number of elements of an array, counting those of the arrays in
    /// it if dimensions are not known.
    fn array(&self, layout: &Layout, mut id: TypeId) -> (TypeId, u64) {
        let mut all = 1u64;
        while let Type::Array { element, count } = layout.get(layout.strip(id)) {
            all = all.saturating_mul(*count);
            id = *element;
            if self.known.dimensions {
                break;
            }
        }
        (id, all)
    }

    fn pend(&mut self, ty: String, path: String, left: TypeId, right: TypeId) {
        if self.seen.insert((left, right)) {
            self.pending.push((ty, path, (left, right)));
        }
    }

    fn contents(&mut self, ty: &str, path: &str, (left, right): (TypeId, TypeId)) {
        let (a, b) = (self.left, self.right);
        match (a.get(left), b.get(right)) {
            (Type::Composite(left), Type::Composite(right)) => {
                if left.size != right.size {
                    self.report(ty, path, What::Size(left.size, right.size));
                }
                self.members(ty, path, left, right);
            }
            (Type::Enum(left), Type::Enum(right)) => self.enums(ty, path, left, right),
            _ => {}
        }
    }

    fn members(&mut self, ty: &str, path: &str, left: &Composite, right: &Composite) {
        let left = flatten(self.left, left);
        let right = flatten(self.right, right);
        let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
        for name in names {
            let path = match path {
                "" => name.clone(),
                _ => format!("{path}.{name}"),
            };
            let (a, b) = match (left.get(name), right.get(name)) {
                (Some(a), Some(b)) => (a, b),
                (Some(_), None) => {
                    self.report(ty, &path, What::OnlyLeft);
                    continue;
                }
                (None, _) => {
                    self.report(ty, &path, What::OnlyRight);
                    continue;
                }
            };
            let bit_fields = a.width.is_some() && b.width.is_some();
            if a.offset != b.offset && (self.known.bit_offsets || !bit_fields) {
                self.report(ty, &path, What::Offset(a.offset, b.offset));
            }
            if a.width != b.width {
                self.report(ty, &path, What::Width(a.width, b.width));
            }
            self.types(ty, &path, (a.ty, b.ty));
        }
    }

    fn enums(&mut self, ty: &str, path: &str, left: &EnumType, right: &EnumType) {
        if left.size != right.size {
            self.report(ty, path, What::Size(left.size, right.size));
        }
        let table = |e: &EnumType| e.enumerators.iter().cloned().collect::<BTreeMap<_, _>>();
        let (left, right) = (table(left), table(right));
        let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
        for name in names {
            let path = match path {
                "" => name.clone(),
                _ => format!("{path}.{name}"),
            };
            match (left.get(name), right.get(name)) {
                (Some(a), Some(b)) if a == b => {}
                (Some(a), Some(b)) => self.report(ty, &path, What::Value(*a, *b)),
                (Some(_), None) => self.report(ty, &path, What::OnlyLeft),
                (None, _) => self.report(ty, &path, What::OnlyRight),
            }
        }
    }
}

/// What kind of value a type has, in the spelling of canonical forms. A structure or union that
/// has another counterpart is named without its contents.
fn kind(layout: &Layout, id: TypeId) -> String {
    match layout.get(id) {
        Type::Composite(composite) => match &composite.name {
            Some(name) => format!("{} {name}", composite.kind.keyword()),
            None => format!("{} without a tag", composite.kind.keyword()),
        },
        Type::Enum(e) => match &e.name {
            Some(name) => format!("enum {name}"),
            None => "enum without a tag".to_owned(),
        },
        Type::Array { element, count } => {
            format!("[{count}]{}", kind(layout, layout.strip(*element)))
        }
        _ => layout.canonical_type(id),
    }
}

/// All members of `composite` by name, those of anonymous members included.
fn flatten(layout: &Layout, composite: &Composite) -> BTreeMap<String, Flat> {
    let mut flat = BTreeMap::new();
    let mut pending = vec![(BitOffset(0), composite)];
    while let Some((base, composite)) = pending.pop() {
        for member in &composite.members {
            let offset = BitOffset(base.0.saturating_add(member.offset.0));
            if let Some(name) = &member.name {
                flat.insert(
                    name.clone(),
                    Flat {
                        offset,
                        width: member.bit_field,
                        ty: member.ty,
                    },
                );
            } else if let Type::Composite(inner) = layout.get(layout.strip(member.ty)) {
                pending.push((offset, inner));
            }
        }
    }
    flat
}

#[cfg(test)]
mod tests;
