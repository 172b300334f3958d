//! Building a layout and checking it.
//!
//! A layout is made in any order, with forward references, and checked once at the end. Whoever
//! holds a [`Layout`] may rely on what [`LayoutError`] lists never being the case; in particular
//! walks over contained types end, and their depth is at most [`MAX_DEPTH`].

use super::canonical::Speller;
use super::{Composite, Layout, Target, Type, TypeId};
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
        layout.check()?;
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
}
