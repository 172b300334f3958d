//! Building a layout and checking it.
//!
//! A layout is made in any order, with forward references, and checked once at the end. Whoever
//! holds a [`Layout`] may rely on what [`LayoutError`] lists never being the case; in particular
//! walks over contained types end, and their depth is at most [`MAX_DEPTH`].

use super::canonical::Speller;
use super::{Composite, IntType, Layout, Qualifier, Target, Type, TypeId};
use crate::units::{BitOffset, BitSize, ByteSize};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// The longest chain of types of which each contains the next, and the longest of which each
/// names, points at or takes the next up to the first structure or union. Walks over a layout
/// recurse no deeper than both together.
pub const MAX_DEPTH: usize = 200;

/// Collects the types of a [`Layout`].
#[derive(Clone, Debug)]
pub struct LayoutBuilder {
    target: Target,
    /// `None` where a type is reserved and not yet set.
    types: Vec<Option<Type>>,
    set_twice: Option<TypeId>,
}

/// The rule that a would-be layout breaks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LayoutError {
    /// Pointers have 4 or 8 bytes.
    #[error("pointers of {0} bytes; only 4 and 8 are known")]
    PointerSize(u8),
    /// There are more types than a [`TypeId`] can tell apart.
    #[error("{0} types are too many")]
    TooManyTypes(usize),
    /// A reserved type was never set.
    #[error("{id} is referred to but was never described")]
    Unset {
        /// The type.
        id: TypeId,
    },
    /// A type was set that was not reserved, or twice.
    #[error("{id} is described twice")]
    SetTwice {
        /// The type.
        id: TypeId,
    },
    /// A type refers to one that does not exist.
    #[error("{in_type} refers to {target}, which does not exist")]
    UnknownTarget {
        /// The type that refers.
        in_type: TypeId,
        /// The type it names.
        target: TypeId,
    },
    /// A type contains itself.
    #[error("{id} ({name}) contains itself")]
    ContainsItself {
        /// The type.
        id: TypeId,
        /// What it is called.
        name: String,
    },
    /// A chain of types is longer than [`MAX_DEPTH`], or anonymous composites are nested in one
    /// another as no C program can.
    #[error("{id} ({name}) begins a chain of more than {MAX_DEPTH} types, or is nested as deep")]
    TooDeep {
        /// The type.
        id: TypeId,
        /// What it is called.
        name: String,
    },
    /// The size of a type, counted in bits, does not fit 64 bits.
    #[error("{id} ({name}) is too large")]
    TooLarge {
        /// The type.
        id: TypeId,
        /// What it is called.
        name: String,
    },
    /// An integer, float or enumeration has a size that no C compiler gives it.
    #[error("{id} ({name}) has {size} bytes")]
    ScalarSize {
        /// The type.
        id: TypeId,
        /// What it is called.
        name: String,
        /// Its size.
        size: ByteSize,
    },
    /// A member or an array element has no size: `void`, a function, a forward declaration.
    #[error("{place} is of a type without a size")]
    Unsized {
        /// The member or array.
        place: String,
    },
    /// A name is not what C allows, so that it could not be told from the text around it.
    #[error("{name:?} is not a C name")]
    Name {
        /// The name.
        name: String,
    },
    /// A member without a name is neither a structure nor a union.
    #[error("{place} has no name and is neither a struct nor a union")]
    UnnamedMember {
        /// The composite and the member's number.
        place: String,
    },
    /// A composite has two members of one name, counting those of its anonymous members.
    #[error("{place} is there twice")]
    DuplicateMember {
        /// The member.
        place: String,
    },
    /// A member ends past the end of its composite.
    #[error("{place} ends at bit {end}, the type has {size} bytes")]
    PastEnd {
        /// The member.
        place: String,
        /// The bit after its last one.
        end: u64,
        /// The size of the composite.
        size: ByteSize,
    },
    /// A member that is no bit-field begins inside a byte.
    #[error("{place} is no bit-field and begins inside a byte, at {offset}")]
    Unaligned {
        /// The member.
        place: String,
        /// Where it begins.
        offset: BitOffset,
    },
    /// A bit-field has no bits, more than 64, or more than its type.
    #[error("{place} is a bit-field of {} bits", width.0)]
    BitFieldWidth {
        /// The member.
        place: String,
        /// Its width.
        width: BitSize,
    },
    /// A bit-field is neither an integer nor an enumeration.
    #[error("{place} is a bit-field, but not of an integer type")]
    BitFieldType {
        /// The member.
        place: String,
    },
}

impl std::fmt::Display for TypeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "type {}", self.0)
    }
}

impl LayoutBuilder {
    /// A layout with nothing in it but `void`.
    pub fn new(target: Target) -> LayoutBuilder {
        LayoutBuilder {
            target,
            types: vec![Some(Type::Void)],
            set_twice: None,
        }
    }

    /// Adds a type.
    pub fn push(&mut self, ty: Type) -> TypeId {
        self.add(Some(ty))
    }

    /// Adds a type whose description follows with [`set`](LayoutBuilder::set).
    pub fn reserve(&mut self) -> TypeId {
        self.add(None)
    }

    /// Describes a reserved type.
    pub fn set(&mut self, id: TypeId, ty: Type) {
        match self.types.get_mut(id.0 as usize) {
            Some(slot @ None) => *slot = Some(ty),
            _ => self.set_twice = self.set_twice.or(Some(id)),
        }
    }

    /// Checks everything and makes the layout.
    pub fn finish(self) -> Result<Layout, LayoutError> {
        if !matches!(self.target.pointer_size, 4 | 8) {
            return Err(LayoutError::PointerSize(self.target.pointer_size));
        }
        if u32::try_from(self.types.len()).is_err() {
            return Err(LayoutError::TooManyTypes(self.types.len()));
        }
        if let Some(id) = self.set_twice {
            return Err(LayoutError::SetTwice { id });
        }
        let types = (0u32..)
            .zip(self.types)
            .map(|(id, ty)| ty.ok_or(LayoutError::Unset { id: TypeId(id) }))
            .collect::<Result<Vec<_>, _>>()?;
        let mut layout = Layout {
            target: self.target,
            types,
            composites: BTreeMap::new(),
            enums: BTreeMap::new(),
            typedefs: BTreeMap::new(),
        };
        layout.check_references()?;
        layout.check_names()?;
        for id in layout.check_depth()? {
            layout.check_sizes(id)?;
        }
        layout.check_duplicates()?;
        layout.fill_tables();
        Ok(layout)
    }

    fn add(&mut self, ty: Option<Type>) -> TypeId {
        // `finish` refuses a table in which this index was cut.
        let id = TypeId(self.types.len() as u32);
        self.types.push(ty);
        id
    }
}

impl Layout {
    fn check_references(&self) -> Result<(), LayoutError> {
        for (in_type, ty) in self.types() {
            for target in references(ty) {
                if target.0 as usize >= self.types.len() {
                    return Err(LayoutError::UnknownTarget { in_type, target });
                }
            }
        }
        Ok(())
    }

    fn check_names(&self) -> Result<(), LayoutError> {
        let check = |name: &str, allowed: fn(&str) -> bool| match allowed(name) {
            true => Ok(()),
            false => Err(LayoutError::Name {
                name: name.to_owned(),
            }),
        };
        for ty in &self.types {
            match ty {
                Type::Int(IntType { name, .. }) | Type::Float { name, .. } => {
                    check(name, |name| name.split(' ').all(is_identifier))?;
                }
                Type::Typedef { name, .. } | Type::Forward { name, .. } => {
                    check(name, is_identifier)?;
                }
                Type::Composite(composite) => {
                    let members = composite.members.iter().map(|member| &member.name);
                    for name in members.chain([&composite.name]).flatten() {
                        check(name, is_identifier)?;
                    }
                }
                Type::Enum(e) => {
                    let names = e.enumerators.iter().map(|(name, _)| name);
                    for name in names.chain(&e.name) {
                        check(name, is_identifier)?;
                    }
                }
                Type::FunctionProto { parameters, .. } => {
                    for (name, _) in parameters {
                        check(name, |name| name.is_empty() || is_identifier(name))?;
                    }
                }
                Type::Qualified {
                    qualifier: Qualifier::TypeTag(tag),
                    ..
                } => {
                    check(tag, |tag| {
                        !tag.contains(|c: char| c.is_control() || c == '"')
                    })?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Refuses types that contain themselves, and chains that are too long.
    /// Returns all types, every one after those it contains.
    fn check_depth(&self) -> Result<Vec<TypeId>, LayoutError> {
        // A pointer to a structure or union is never followed by recursion, so that pointers
        // back to the structure they are in are no cycle; every other chain has to end.
        self.order(|ty| !matches!(ty, Type::Composite(_)))?;
        self.order(|ty| !matches!(ty, Type::Pointer { .. } | Type::FunctionProto { .. }))
    }

    /// All types, every one after those that it refers to; only types which are `followed` count
    /// as referring. Works without recursion.
    fn order(&self, followed: impl Fn(&Type) -> bool) -> Result<Vec<TypeId>, LayoutError> {
        #[derive(Clone, Copy)]
        enum Seen {
            No,
            Open,
            Depth(usize),
        }
        let inner = |id: TypeId| {
            let ty = self.get(id);
            Some(ty)
                .filter(|ty| followed(ty))
                .into_iter()
                .flat_map(references)
        };
        let mut seen = vec![Seen::No; self.types.len()];
        let mut order = Vec::with_capacity(self.types.len());
        for (root, _) in self.types() {
            let mut stack = vec![root];
            while let Some(&id) = stack.last() {
                match seen[id.0 as usize] {
                    Seen::No => {
                        seen[id.0 as usize] = Seen::Open;
                        for inner in inner(id) {
                            match seen[inner.0 as usize] {
                                Seen::No => stack.push(inner),
                                Seen::Open => {
                                    let name = self.describe(inner);
                                    return Err(LayoutError::ContainsItself { id: inner, name });
                                }
                                Seen::Depth(_) => {}
                            }
                        }
                    }
                    Seen::Open => {
                        stack.pop();
                        let deepest = inner(id).map(|inner| match seen[inner.0 as usize] {
                            Seen::Depth(depth) => depth + 1,
                            Seen::No | Seen::Open => 0,
                        });
                        let depth = deepest.max().unwrap_or(0);
                        if depth > MAX_DEPTH {
                            return Err(LayoutError::TooDeep {
                                id,
                                name: self.describe(id),
                            });
                        }
                        seen[id.0 as usize] = Seen::Depth(depth);
                        order.push(id);
                    }
                    Seen::Depth(_) => {
                        stack.pop();
                    }
                }
            }
        }
        Ok(order)
    }

    /// Checks the sizes and members of one type. Those of all types it contains are checked.
    fn check_sizes(&self, id: TypeId) -> Result<(), LayoutError> {
        let scalar = |size: ByteSize, allowed: &[u64]| match allowed.contains(&size.0) {
            true => Ok(()),
            false => Err(LayoutError::ScalarSize {
                id,
                name: self.describe(id),
                size,
            }),
        };
        match self.get(id) {
            Type::Int(int) => scalar(int.size, &[1, 2, 4, 8, 16])?,
            Type::Enum(e) => scalar(e.size, &[1, 2, 4, 8])?,
            Type::Float { size, .. } => scalar(*size, &[2, 4, 8, 12, 16])?,
            Type::Array { element, .. } => {
                if self.size_of(*element).is_none() {
                    return Err(LayoutError::Unsized {
                        place: self.describe(id),
                    });
                }
                if self.size_of(id).and_then(ByteSize::bits).is_none() {
                    return Err(LayoutError::TooLarge {
                        id,
                        name: self.describe(id),
                    });
                }
            }
            Type::Composite(composite) => {
                let Some(size) = composite.size.bits() else {
                    return Err(LayoutError::TooLarge {
                        id,
                        name: self.describe(id),
                    });
                };
                for index in 0..composite.members.len() {
                    self.check_member(id, composite, size, index)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn check_member(
        &self,
        id: TypeId,
        composite: &Composite,
        size: BitSize,
        index: usize,
    ) -> Result<(), LayoutError> {
        let member = &composite.members[index];
        let place = || match &member.name {
            Some(name) => format!("{}.{name}", self.describe(id)),
            None => format!("member {index} of {}", self.describe(id)),
        };
        let inner = self.get(self.strip(member.ty));
        if member.name.is_none() && !matches!(inner, Type::Composite(_)) {
            return Err(LayoutError::UnnamedMember { place: place() });
        }
        let Some(BitSize(type_bits)) = self.size_of(member.ty).and_then(ByteSize::bits) else {
            return Err(LayoutError::Unsized { place: place() });
        };
        let bits = match member.bit_field {
            Some(width) => {
                if !matches!(inner, Type::Int(_) | Type::Enum(_)) {
                    return Err(LayoutError::BitFieldType { place: place() });
                }
                if width.0 == 0 || width.0 > type_bits.min(64) {
                    return Err(LayoutError::BitFieldWidth {
                        place: place(),
                        width,
                    });
                }
                width.0
            }
            None => {
                if !member.offset.is_byte_aligned() {
                    return Err(LayoutError::Unaligned {
                        place: place(),
                        offset: member.offset,
                    });
                }
                type_bits
            }
        };
        match member.offset.0.checked_add(bits) {
            Some(end) if end <= size.0 => Ok(()),
            end => Err(LayoutError::PastEnd {
                place: place(),
                end: end.unwrap_or(u64::MAX),
                size: composite.size,
            }),
        }
    }

    fn check_duplicates(&self) -> Result<(), LayoutError> {
        let composites = || {
            self.types().filter_map(|(id, ty)| match ty {
                Type::Composite(composite) => Some((id, composite)),
                _ => None,
            })
        };
        // In C, a member is visible in as many composites as anonymous ones are nested around
        // it; the limit stops a file that makes them many.
        let members: usize = composites()
            .map(|(_, composite)| composite.members.len())
            .sum();
        let mut budget = members.saturating_mul(16);
        for (id, composite) in composites() {
            let mut names = BTreeSet::new();
            let mut anonymous = BTreeSet::new();
            let mut pending = vec![composite];
            while let Some(composite) = pending.pop() {
                budget = budget.checked_sub(composite.members.len()).ok_or_else(|| {
                    LayoutError::TooDeep {
                        id,
                        name: self.describe(id),
                    }
                })?;
                for member in &composite.members {
                    let duplicate = |what: &str| LayoutError::DuplicateMember {
                        place: format!("{}.{what}", self.describe(id)),
                    };
                    if let Some(name) = &member.name {
                        if !names.insert(name) {
                            return Err(duplicate(name));
                        }
                        continue;
                    }
                    let inner = self.strip(member.ty);
                    if let Type::Composite(composite) = self.get(inner) {
                        if anonymous.insert(inner) {
                            pending.push(composite);
                        } else if !composite.members.is_empty() {
                            return Err(duplicate("<anonymous>"));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Fills the tables of names. Of several identical descriptions of one tag the first is kept.
    fn fill_tables(&mut self) {
        let mut composites: BTreeMap<String, Vec<TypeId>> = BTreeMap::new();
        let mut enums: BTreeMap<String, Vec<TypeId>> = BTreeMap::new();
        let mut typedefs: BTreeMap<String, Vec<TypeId>> = BTreeMap::new();
        for (id, ty) in self.types() {
            match ty {
                Type::Composite(Composite {
                    name: Some(name), ..
                }) => {
                    composites.entry(name.clone()).or_default().push(id);
                }
                // An enumeration without enumerators is a forward declaration.
                Type::Enum(e) if !e.enumerators.is_empty() => {
                    if let Some(name) = &e.name {
                        enums.entry(name.clone()).or_default().push(id);
                    }
                }
                Type::Typedef { name, .. } => {
                    typedefs.entry(name.clone()).or_default().push(id);
                }
                _ => {}
            }
        }
        let mut speller = Speller::new(self);
        for table in [&mut composites, &mut enums, &mut typedefs] {
            for ids in table.values_mut().filter(|ids| ids.len() > 1) {
                let mut known = BTreeSet::new();
                ids.retain(|id| known.insert(speller.spell(*id)));
            }
        }
        self.composites = composites;
        self.enums = enums;
        self.typedefs = typedefs;
    }

    /// A short name of a type for an error message.
    fn describe(&self, id: TypeId) -> String {
        match self.get(id) {
            Type::Composite(c) => {
                format!(
                    "{} {}",
                    c.kind.keyword(),
                    c.name.as_deref().unwrap_or("<anonymous>")
                )
            }
            Type::Enum(e) => format!("enum {}", e.name.as_deref().unwrap_or("<anonymous>")),
            Type::Typedef { name, .. } | Type::Float { name, .. } => name.clone(),
            Type::Int(int) => int.name.clone(),
            Type::Array { count, .. } => format!("an array of {count}"),
            _ => id.to_string(),
        }
    }
}

/// Every type that `ty` refers to.
fn references(ty: &Type) -> impl Iterator<Item = TypeId> {
    let (one, members, parameters): (_, &[_], &[_]) = match ty {
        Type::Pointer { target }
        | Type::Typedef { target, .. }
        | Type::Qualified { target, .. }
        | Type::Array {
            element: target, ..
        } => (Some(*target), &[], &[]),
        Type::Composite(composite) => (None, &composite.members, &[]),
        Type::FunctionProto {
            returns,
            parameters,
        } => (Some(*returns), &[], parameters),
        Type::Void | Type::Int(_) | Type::Float { .. } | Type::Enum(_) | Type::Forward { .. } => {
            (None, &[], &[])
        }
    };
    let members = members.iter().map(|member| member.ty);
    one.into_iter()
        .chain(members)
        .chain(parameters.iter().map(|(_, ty)| *ty))
}

fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    let first = |c: char| c == '_' || c == '$' || c.is_alphabetic();
    chars.next().is_some_and(first) && chars.all(|c| first(c) || c.is_numeric())
}
