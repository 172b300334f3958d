//! The checks that every layout has passed.

use super::build::{LayoutError, MAX_DEPTH};
use super::{Composite, IntType, Layout, Qualifier, Type, TypeId};
use crate::units::{BitSize, ByteSize};
use std::collections::BTreeSet;

impl Layout {
    /// All checks that do not need the tables of names.
    pub(super) fn check(&self) -> Result<(), LayoutError> {
        self.check_references()?;
        self.check_names()?;
        // Every type comes after those it contains, whose sizes are then known to be right.
        for id in self.check_depth()? {
            self.check_sizes(id)?;
        }
        self.check_duplicates()
    }

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
