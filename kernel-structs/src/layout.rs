//! The model of C types as one kernel laid them out.
//!
//! A [`Layout`] is a table of types that refer to each other by [`TypeId`]. It is what every
//! route to a layout (BTF, DWARF, headers) produces and what everything after works on; it holds
//! no bytes of a format. References are checked when a layout is built ([`LayoutBuilder::finish`])
//! so that a `TypeId` of a finished layout always resolves, and by-value containment is known to
//! end: no structure contains itself.

mod build;
mod canonical;
mod check;
mod constants;
mod minimise;
mod path;
mod render;
mod shape;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use build::{LayoutBuilder, LayoutError, MAX_DEPTH};
pub use canonical::{Fingerprint, FingerprintError, UnknownType, canonical_text};
pub use constants::CONSTANTS;
pub use minimise::{Keep, MinimiseError};
pub use path::{FieldPath, PathError, Resolved, Step};
pub use render::{RenderOptions, render_type};
pub use shape::{Leaf, LeafKind, TooManyParts, leaves, padding};

use crate::units::{BitOffset, BitSize, ByteSize};
use std::collections::BTreeMap;

/// Index of a type in its [`Layout`]. It means nothing in another layout.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub(crate) u32);

impl TypeId {
    /// The `void` of every layout.
    pub const VOID: TypeId = TypeId(0);
}

/// Properties of the machine that a layout is for.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Size of a pointer in bytes: 4 or 8.
    pub pointer_size: u8,
}

/// The types of one kernel, as laid out in its memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub(crate) target: Target,
    /// Entry 0 is always [`Type::Void`].
    pub(crate) types: Vec<Type>,
    pub(crate) composites: BTreeMap<String, Vec<TypeId>>,
    pub(crate) enums: BTreeMap<String, Vec<TypeId>>,
    pub(crate) typedefs: BTreeMap<String, Vec<TypeId>>,
}

/// One type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// `void`.
    Void,
    /// An integer, `char` or `_Bool`.
    Int(IntType),
    /// A floating-point number.
    Float {
        /// Its C name.
        name: String,
        /// Its size in bytes.
        size: ByteSize,
    },
    /// A pointer, to an object or to a function.
    Pointer {
        /// What it points at.
        target: TypeId,
    },
    /// An array. A flexible array member has `count` 0.
    Array {
        /// Type of the elements.
        element: TypeId,
        /// Number of elements.
        count: u64,
    },
    /// A `struct` or a `union` with its members.
    Composite(Composite),
    /// An enumeration.
    Enum(EnumType),
    /// A name for another type.
    Typedef {
        /// The name.
        name: String,
        /// The type named.
        target: TypeId,
    },
    /// `const`, `volatile`, `restrict` or a type tag around another type.
    Qualified {
        /// Which of them.
        qualifier: Qualifier,
        /// The type qualified.
        target: TypeId,
    },
    /// A structure or union that is known by its name only.
    Forward {
        /// Struct or union.
        kind: CompositeKind,
        /// Its tag.
        name: String,
    },
    /// The type of a function; it appears behind pointers only.
    FunctionProto {
        /// What the function returns.
        returns: TypeId,
        /// Names (empty where unnamed) and types of its parameters. A last parameter of type
        /// `void` without a name stands for `...`, as in BTF.
        parameters: Vec<(String, TypeId)>,
    },
}

/// An integer type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IntType {
    /// Its C name.
    pub name: String,
    /// Its size in bytes.
    pub size: ByteSize,
    /// Whether it is signed. Of plain `char` this is the compiler's choice, not the kernel's
    /// ([`IntType::is_plain_char`]).
    pub signed: bool,
    /// Whether it is a character.
    pub character: bool,
    /// Whether it is a `_Bool`.
    pub boolean: bool,
}

impl IntType {
    /// Whether this is `char` without a sign of its own. Linux compiles it signed on x86 up to
    /// 6.1 and unsigned from 6.2 on (Makefile: -funsigned-char); it holds the same bytes.
    pub fn is_plain_char(&self) -> bool {
        self.name == "char" && self.size.0 == 1
    }
}

/// What qualifies a type without changing its layout.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Qualifier {
    /// `const`
    Const,
    /// `volatile`
    Volatile,
    /// `restrict`
    Restrict,
    /// `__attribute__((btf_type_tag("…")))`, such as `user` or `rcu`.
    TypeTag(String),
}

/// `struct` or `union`.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CompositeKind {
    /// `struct`
    Struct,
    /// `union`
    Union,
}

impl CompositeKind {
    /// The C keyword.
    pub const fn keyword(self) -> &'static str {
        match self {
            CompositeKind::Struct => "struct",
            CompositeKind::Union => "union",
        }
    }
}

/// A structure or union.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Composite {
    /// Struct or union.
    pub kind: CompositeKind,
    /// Its tag; `None` for an anonymous one.
    pub name: Option<String>,
    /// Its size in bytes, padding included.
    pub size: ByteSize,
    /// Its members in the order of their declaration.
    pub members: Vec<Member>,
}

/// A member of a structure or union.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its name; `None` for an anonymous struct or union whose members are reached directly.
    pub name: Option<String>,
    /// Its type.
    pub ty: TypeId,
    /// Where it begins, in bits from the start of the composite.
    pub offset: BitOffset,
    /// Its width in bits if it is a bit-field; `None` for every other member.
    pub bit_field: Option<BitSize>,
}

/// An enumeration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EnumType {
    /// Its tag; `None` for an anonymous one.
    pub name: Option<String>,
    /// Its size in bytes.
    pub size: ByteSize,
    /// Whether its values are signed.
    pub signed: bool,
    /// Its enumerators and their values, in the order of their declaration.
    pub enumerators: Vec<(String, i128)>,
}

impl Layout {
    /// Properties of the machine.
    pub fn target(&self) -> Target {
        self.target
    }

    /// The type `id`.
    ///
    /// # Panics
    /// If `id` belongs to another, larger layout.
    pub fn get(&self, id: TypeId) -> &Type {
        &self.types[id.0 as usize]
    }

    /// All types with their ids, in table order.
    pub fn types(&self) -> impl Iterator<Item = (TypeId, &Type)> {
        (0u32..).map(TypeId).zip(&self.types)
    }

    /// The structure or union with the tag `name`, if there is exactly one.
    ///
    /// Forward declarations are not found. A kernel can have two unrelated structures of one
    /// name in different files; such a name is ambiguous and gives `None`.
    pub fn composite(&self, name: &str) -> Option<(TypeId, &Composite)> {
        match self.composites.get(name)?.as_slice() {
            [id] => match self.get(*id) {
                Type::Composite(composite) => Some((*id, composite)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The type that a state map or a command line means by `name`: a structure or union by its
    /// tag, else a typedef, else an enumeration. A leading `struct `, `union ` or `enum ` is
    /// allowed. Ambiguous names give `None`.
    pub fn find(&self, name: &str) -> Option<TypeId> {
        let (tables, bare) = self.tables(name);
        tables
            .iter()
            .find_map(|table| match table.get(bare)?.as_slice() {
                [id] => Some(*id),
                _ => None,
            })
    }

    /// Whether there is a type of this name, or several: then [`Layout::find`] gives none.
    pub fn has(&self, name: &str) -> bool {
        self.composites.contains_key(name)
            || self.typedefs.contains_key(name)
            || self.enums.contains_key(name)
    }

    /// The tables in which `name` is looked up, the first before the next, and the name without a
    /// keyword.
    fn tables<'n>(&self, name: &'n str) -> (Vec<&BTreeMap<String, Vec<TypeId>>>, &'n str) {
        let composite = name
            .strip_prefix("struct ")
            .or_else(|| name.strip_prefix("union "));
        if let Some(bare) = composite {
            (vec![&self.composites], bare)
        } else if let Some(bare) = name.strip_prefix("enum ") {
            (vec![&self.enums], bare)
        } else {
            (vec![&self.composites, &self.typedefs, &self.enums], name)
        }
    }

    /// All types that someone can mean by `name`, as for [`Layout::find`]: several where unrelated
    /// types of one kernel have the same name.
    pub fn find_all(&self, name: &str) -> &[TypeId] {
        let (tables, bare) = self.tables(name);
        let mut found = tables.iter().filter_map(|table| table.get(bare));
        found.next().map_or(&[], Vec::as_slice)
    }

    /// The integer type that C calls `name`, such as `long unsigned int`: those have no names that
    /// [`Layout::find`] knows.
    pub fn integer(&self, name: &str) -> Option<TypeId> {
        let is_it = |ty: &Type| matches!(ty, Type::Int(int) if int.name == name);
        self.types().find_map(|(id, ty)| is_it(ty).then_some(id))
    }

    /// `id` without typedefs and qualifiers around it.
    pub fn strip(&self, mut id: TypeId) -> TypeId {
        while let Type::Typedef { target, .. } | Type::Qualified { target, .. } = self.get(id) {
            id = *target;
        }
        id
    }

    /// The names a type goes by, outermost first: every typedef around it, then the tag of the
    /// structure, union or enumeration inside. Type-level policies of a state map are found by
    /// these names.
    pub fn names(&self, mut id: TypeId) -> Vec<&str> {
        let mut names = Vec::new();
        loop {
            match self.get(id) {
                Type::Typedef { name, target } => {
                    names.push(name.as_str());
                    id = *target;
                }
                Type::Qualified { target, .. } => id = *target,
                Type::Composite(composite) => {
                    names.extend(composite.name.as_deref());
                    return names;
                }
                Type::Enum(e) => {
                    names.extend(e.name.as_deref());
                    return names;
                }
                Type::Forward { name, .. } => {
                    names.push(name);
                    return names;
                }
                _ => return names,
            }
        }
    }

    /// Size of a value of type `id` in bytes; `None` for `void`, functions and forward
    /// declarations, which have none.
    pub fn size_of(&self, id: TypeId) -> Option<ByteSize> {
        match self.get(self.strip(id)) {
            Type::Int(int) => Some(int.size),
            Type::Float { size, .. } => Some(*size),
            Type::Pointer { .. } => Some(ByteSize(u64::from(self.target.pointer_size))),
            Type::Array { element, count } => {
                self.size_of(*element)?.0.checked_mul(*count).map(ByteSize)
            }
            Type::Composite(composite) => Some(composite.size),
            Type::Enum(e) => Some(e.size),
            Type::Void
            | Type::Forward { .. }
            | Type::FunctionProto { .. }
            | Type::Typedef { .. }
            | Type::Qualified { .. } => None,
        }
    }
}
