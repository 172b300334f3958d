//! What a value consists of: its scalars, and the bits that belong to none.

use super::{Composite, CompositeKind, FieldPath, Layout, Step, Type, TypeId};
use crate::units::{BitOffset, BitSize};
use thiserror::Error;

/// A scalar inside a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The way to it; empty if the value is itself a scalar.
    pub path: FieldPath,
    /// Its type, typedefs included.
    pub ty: TypeId,
    /// Where it begins, from the start of the value.
    pub offset: BitOffset,
    /// How many bits it has.
    pub size: BitSize,
    /// Whether it is a bit-field.
    pub bit_field: bool,
    /// What it is.
    pub kind: LeafKind,
    /// Whether it lies inside a union, so that others may lie in the same place.
    pub in_union: bool,
}

/// What kind of scalar a [`Leaf`] is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum LeafKind {
    /// A signed integer.
    Signed,
    /// An unsigned integer.
    Unsigned,
    /// A `_Bool`.
    Bool,
    /// A `char`, signed or not.
    Char,
    /// A pointer to a value of this type.
    Pointer(TypeId),
    /// An enumeration: this one.
    Enum(TypeId),
    /// A floating-point number.
    Float,
}

/// A value has more parts than its reader is ready to look at.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Error)]
#[error("the type has more than {limit} parts")]
pub struct TooManyParts {
    /// The most that the caller allowed.
    pub limit: usize,
}

/// All scalars of a value of type `id`, in the order of their declaration, array elements one by
/// one. All members of a union are listed. A flexible array has no elements.
///
/// # Errors
/// If there are more than `limit` scalars, or more than `limit` structures and array elements
/// around them.
pub fn leaves(layout: &Layout, id: TypeId, limit: usize) -> Result<Vec<Leaf>, TooManyParts> {
    let mut walk = Leaves {
        layout,
        limit,
        visited: 0,
        path: Vec::new(),
        unions: 0,
        leaves: Vec::new(),
    };
    walk.visit(id, BitOffset(0), None)?;
    Ok(walk.leaves)
}

/// The bits of a value of type `id` that belong to no scalar, as runs in ascending order: the
/// padding of a structure and of those inside it, and what no member of a union covers.
///
/// # Errors
/// If there are more than `limit` runs of bits to look at.
pub fn padding(
    layout: &Layout,
    id: TypeId,
    limit: usize,
) -> Result<Vec<(BitOffset, BitSize)>, TooManyParts> {
    let mut walk = Cover {
        layout,
        limit,
        visited: 0,
        covered: Vec::new(),
    };
    walk.visit(id, 0, None)?;
    let mut covered = walk.covered;
    covered.sort_unstable();
    let size = layout.size_of(id).map_or(0, |size| size.0 * 8);
    let mut holes = Vec::new();
    let mut end = 0;
    for (from, to) in covered.into_iter().chain([(size, size)]) {
        if from > end {
            holes.push((BitOffset(end), BitSize(from - end)));
        }
        end = end.max(to);
    }
    Ok(holes)
}

struct Leaves<'a> {
    layout: &'a Layout,
    limit: usize,
    visited: usize,
    path: Vec<Step>,
    unions: usize,
    leaves: Vec<Leaf>,
}

impl Leaves<'_> {
    fn visit(
        &mut self,
        id: TypeId,
        offset: BitOffset,
        bit_field: Option<BitSize>,
    ) -> Result<(), TooManyParts> {
        let inner = self.layout.strip(id);
        let kind = match self.layout.get(inner) {
            Type::Composite(composite) => {
                self.count()?;
                return self.visit_members(composite, offset);
            }
            Type::Array { element, count } => {
                let size = self.layout.size_of(*element).map_or(0, |size| size.0 * 8);
                for index in 0..*count {
                    self.count()?;
                    self.path.push(Step::Element(index));
                    self.visit(*element, BitOffset(offset.0 + index * size), None)?;
                    self.path.pop();
                }
                return Ok(());
            }
            Type::Int(int) if int.boolean => LeafKind::Bool,
            Type::Int(int) if int.character => LeafKind::Char,
            Type::Int(int) if int.signed => LeafKind::Signed,
            Type::Int(_) => LeafKind::Unsigned,
            Type::Pointer { target } => LeafKind::Pointer(*target),
            Type::Enum(_) => LeafKind::Enum(inner),
            Type::Float { .. } => LeafKind::Float,
            _ => return Ok(()),
        };
        if self.leaves.len() >= self.limit {
            return Err(TooManyParts { limit: self.limit });
        }
        let size = self.layout.size_of(inner).map_or(0, |size| size.0 * 8);
        self.leaves.push(Leaf {
            path: FieldPath::from(self.path.clone()),
            ty: id,
            offset,
            size: bit_field.unwrap_or(BitSize(size)),
            bit_field: bit_field.is_some(),
            kind,
            in_union: self.unions > 0,
        });
        Ok(())
    }

    fn visit_members(
        &mut self,
        composite: &Composite,
        offset: BitOffset,
    ) -> Result<(), TooManyParts> {
        let union = usize::from(composite.kind == CompositeKind::Union);
        self.unions += union;
        for member in &composite.members {
            self.path.extend(member.name.clone().map(Step::Member));
            self.visit(
                member.ty,
                BitOffset(offset.0 + member.offset.0),
                member.bit_field,
            )?;
            if member.name.is_some() {
                self.path.pop();
            }
        }
        self.unions -= union;
        Ok(())
    }

    fn count(&mut self) -> Result<(), TooManyParts> {
        count(&mut self.visited, self.limit)
    }
}

struct Cover<'a> {
    layout: &'a Layout,
    limit: usize,
    visited: usize,
    /// First bit, and the bit after the last.
    covered: Vec<(u64, u64)>,
}

impl Cover<'_> {
    fn visit(
        &mut self,
        id: TypeId,
        offset: u64,
        bit_field: Option<BitSize>,
    ) -> Result<(), TooManyParts> {
        count(&mut self.visited, self.limit)?;
        let inner = self.layout.strip(id);
        let size = self.layout.size_of(inner).map_or(0, |size| size.0 * 8);
        match self.layout.get(inner) {
            Type::Composite(composite) => {
                for member in &composite.members {
                    self.visit(member.ty, offset + member.offset.0, member.bit_field)?;
                }
            }
            Type::Array { element, count } if self.has_composites(*element) => {
                let size = self.layout.size_of(*element).map_or(0, |size| size.0 * 8);
                for index in 0..*count {
                    self.visit(*element, offset + index * size, None)?;
                }
            }
            _ => self
                .covered
                .push((offset, offset + bit_field.map_or(size, |width| width.0))),
        }
        Ok(())
    }

    /// Whether a value can have padding: only arrays of scalars are looked at as a whole.
    fn has_composites(&self, mut id: TypeId) -> bool {
        loop {
            id = self.layout.strip(id);
            match self.layout.get(id) {
                Type::Array { element, .. } => id = *element,
                Type::Composite(_) => return true,
                _ => return false,
            }
        }
    }
}

fn count(visited: &mut usize, limit: usize) -> Result<(), TooManyParts> {
    *visited += 1;
    match *visited > limit {
        true => Err(TooManyParts { limit }),
        false => Ok(()),
    }
}
