//! Layouts for tests: small ones by hand, random ones by proptest.

use super::{
    Composite, CompositeKind, EnumType, IntType, Layout, LayoutBuilder, Member, Qualifier, Target,
    Type, TypeId,
};
use crate::units::{BitOffset, BitSize, ByteSize};
use proptest::prelude::*;

pub(crate) const I386: Target = Target { pointer_size: 4 };

pub(crate) fn int(name: &str, size: u64, signed: bool) -> Type {
    Type::Int(IntType {
        name: name.to_owned(),
        size: ByteSize(size),
        signed,
        character: name == "char",
        boolean: name == "_Bool",
    })
}

pub(crate) fn member(name: &str, bit_offset: u64, ty: TypeId) -> Member {
    Member {
        name: Some(name.to_owned()).filter(|name| !name.is_empty()),
        ty,
        offset: BitOffset(bit_offset),
        bit_field: None,
    }
}

pub(crate) fn bit_field(name: &str, bit_offset: u64, width: u64, ty: TypeId) -> Member {
    Member {
        bit_field: Some(BitSize(width)),
        ..member(name, bit_offset, ty)
    }
}

fn composite(kind: CompositeKind, name: &str, size: u64, members: Vec<Member>) -> Type {
    let name = Some(name.to_owned()).filter(|name| !name.is_empty());
    Type::Composite(Composite {
        kind,
        name,
        size: ByteSize(size),
        members,
    })
}

pub(crate) fn structure(name: &str, size: u64, members: Vec<Member>) -> Type {
    composite(CompositeKind::Struct, name, size, members)
}

pub(crate) fn union(name: &str, size: u64, members: Vec<Member>) -> Type {
    composite(CompositeKind::Union, name, size, members)
}

pub(crate) fn typedef(name: &str, target: TypeId) -> Type {
    Type::Typedef {
        name: name.to_owned(),
        target,
    }
}

pub(crate) fn pointer(target: TypeId) -> Type {
    Type::Pointer { target }
}

pub(crate) fn array(element: TypeId, count: u64) -> Type {
    Type::Array { element, count }
}

pub(crate) fn enumeration(name: &str, enumerators: &[(&str, i128)]) -> Type {
    Type::Enum(EnumType {
        name: Some(name.to_owned()).filter(|name| !name.is_empty()),
        size: ByteSize(4),
        signed: enumerators.iter().any(|(_, value)| *value < 0),
        enumerators: enumerators
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect(),
    })
}

/// A layout of `types`, of which the first has the id 1.
pub(crate) fn layout(types: Vec<Type>) -> Layout {
    let mut builder = LayoutBuilder::new(I386);
    for ty in types {
        builder.push(ty);
    }
    builder.finish().unwrap()
}

/// The type that was given to [`layout`] as number `number`, counted from 1.
pub(crate) fn id(number: u32) -> TypeId {
    TypeId(number)
}

/// The same types under other ids: `order` says where each goes.
pub(crate) fn reordered(layout: &Layout, order: &[u32]) -> Layout {
    let map = |id: TypeId| match id {
        TypeId::VOID => TypeId::VOID,
        TypeId(id) => TypeId(order[id as usize - 1] + 1),
    };
    let mut builder = LayoutBuilder::new(layout.target());
    for _ in order {
        builder.reserve();
    }
    for (id, ty) in layout.types().skip(1) {
        let mut ty = ty.clone();
        match &mut ty {
            Type::Pointer { target }
            | Type::Typedef { target, .. }
            | Type::Qualified { target, .. }
            | Type::Array {
                element: target, ..
            } => *target = map(*target),
            Type::Composite(composite) => {
                composite
                    .members
                    .iter_mut()
                    .for_each(|member| member.ty = map(member.ty));
            }
            Type::FunctionProto {
                returns,
                parameters,
            } => {
                *returns = map(*returns);
                parameters.iter_mut().for_each(|(_, ty)| *ty = map(*ty));
            }
            _ => {}
        }
        builder.set(map(id), ty);
    }
    builder.finish().unwrap()
}

/// Random types, each made of earlier ones; pointers lead anywhere. The composites with tags are
/// called `s0`, `s1` and so on.
pub(crate) fn any_layout() -> impl Strategy<Value = Layout> {
    let step = (
        0u8..14,
        any::<[u8; 4]>(),
        proptest::collection::vec(any::<(u8, u8, u8)>(), 0..6),
    );
    (
        prop_oneof![Just(4u8), Just(8u8)],
        proptest::collection::vec(step, 1..40),
    )
        .prop_map(|(pointer_size, steps)| {
            let mut random = Random::new(Target { pointer_size });
            for (kind, choice, parts) in &steps {
                random.step(*kind, *choice, parts);
            }
            random.builder.finish().unwrap()
        })
}

struct Random {
    builder: LayoutBuilder,
    pointer_size: u64,
    /// Types with a size, of not too many bytes, and how deep they are.
    values: Vec<(TypeId, u64, usize)>,
    /// Of the values, the integers and enumerations.
    integers: Vec<(TypeId, u64)>,
    /// Anything a pointer can lead to.
    targets: Vec<TypeId>,
    number: usize,
}

impl Random {
    fn new(target: Target) -> Random {
        let mut builder = LayoutBuilder::new(target);
        let pointer_size = u64::from(target.pointer_size);
        let long = builder.push(int("long int", pointer_size, true));
        Random {
            builder,
            pointer_size,
            values: vec![(long, pointer_size, 0)],
            integers: vec![(long, pointer_size)],
            targets: vec![TypeId::VOID, long],
            number: 0,
        }
    }

    fn step(&mut self, kind: u8, [a, b, c, d]: [u8; 4], parts: &[(u8, u8, u8)]) {
        self.number += 1;
        let number = self.number;
        let target = self.targets[usize::from(a) % self.targets.len()];
        let (value, size, depth) = self.values[usize::from(b) % self.values.len()];
        let sized = match kind {
            0 | 1 => {
                let size = 1 << (a % 4);
                let names = ["char", "unsigned int", "short int", "_Bool", "u_quad"];
                let ty = int(names[usize::from(b) % names.len()], size, c % 2 == 0);
                let id = self.builder.push(ty);
                self.integers.push((id, size));
                Some((id, size, 0))
            }
            2 => Some((self.builder.push(pointer(target)), self.pointer_size, 0)),
            3 if depth < 8 && size < 2000 => {
                let count = u64::from(c % 5);
                Some((
                    self.builder.push(array(value, count)),
                    size * count,
                    depth + 1,
                ))
            }
            4..=8 => Some(self.composite(kind, [a, c, d], parts)),
            9 => {
                let size = 1 << (a % 4);
                let bits = size.min(8) * 8;
                let signed = b % 2 == 0;
                let low = if signed { -(1i128 << (bits - 1)) } else { 0 };
                let enumerators = (0..parts.len())
                    .map(|i| (format!("e{number}_{i}"), low + i128::from(parts[i].0 % 100)))
                    .collect();
                let name = Some(format!("e{number}")).filter(|_| c % 2 == 0);
                let ty = EnumType {
                    name,
                    size: ByteSize(size),
                    signed,
                    enumerators,
                };
                let id = self.builder.push(Type::Enum(ty));
                self.integers.push((id, size));
                Some((id, size, 0))
            }
            10 if depth < 8 => Some((
                self.builder.push(typedef(&format!("t{number}"), value)),
                size,
                depth + 1,
            )),
            11 if depth < 8 => {
                let qualifier = match a % 4 {
                    0 => Qualifier::Const,
                    1 => Qualifier::Volatile,
                    2 => Qualifier::Restrict,
                    _ => Qualifier::TypeTag(format!("tag {}", c % 3)),
                };
                let ty = Type::Qualified {
                    qualifier,
                    target: value,
                };
                Some((self.builder.push(ty), size, depth + 1))
            }
            12 => {
                let parameters = parts
                    .iter()
                    .map(|(a, b, _)| {
                        let name = if a % 2 == 0 {
                            format!("p{a}")
                        } else {
                            String::new()
                        };
                        (name, self.targets[usize::from(*b) % self.targets.len()])
                    })
                    .collect();
                let id = self.builder.push(Type::FunctionProto {
                    returns: target,
                    parameters,
                });
                self.targets.push(id);
                None
            }
            13 => {
                let kind = [CompositeKind::Struct, CompositeKind::Union][usize::from(a % 2)];
                let id = self.builder.push(Type::Forward {
                    kind,
                    name: format!("f{number}"),
                });
                self.targets.push(id);
                None
            }
            _ => None,
        };
        if let Some((id, size, depth)) = sized {
            self.targets.push(id);
            if size < 4000 {
                self.values.push((id, size, depth));
            }
        }
    }

    /// A composite with members one after the other, at times with a hole between, bit-fields
    /// among them, and pointers to itself.
    fn composite(
        &mut self,
        kind: u8,
        [a, c, d]: [u8; 3],
        parts: &[(u8, u8, u8)],
    ) -> (TypeId, u64, usize) {
        let own = self.builder.reserve();
        let to_self = self.builder.push(pointer(own));
        let is_union = kind == 4;
        let mut members = Vec::new();
        let (mut end, mut size, mut depth) = (0u64, 0u64, 0);
        for (index, (pick, gap, what)) in parts.iter().enumerate() {
            let name = format!("m{index}");
            let start = if is_union { 0 } else { end };
            if what % 4 == 0 {
                let (ty, bytes) = self.integers[usize::from(*pick) % self.integers.len()];
                let width = 1 + u64::from(*gap) % (bytes * 8).min(64);
                let start = start + u64::from(*gap % 3);
                members.push(bit_field(&name, start, width, ty));
                end = start + width;
            } else {
                let (ty, bytes, inner) = match what % 16 {
                    1 => (to_self, self.pointer_size, 0),
                    _ => self.values[usize::from(*pick) % self.values.len()],
                };
                if inner >= 8 {
                    continue;
                }
                let start = start.div_ceil(8) * 8 + u64::from(*gap % 3) * 8;
                members.push(member(&name, start, ty));
                end = start + bytes * 8;
                depth = depth.max(inner + 1);
            }
            size = size.max(end);
        }
        let name = if c % 4 == 0 {
            String::new()
        } else {
            format!("s{}", self.number)
        };
        let kind = if is_union {
            CompositeKind::Union
        } else {
            CompositeKind::Struct
        };
        let size = size.div_ceil(8) + u64::from(a % 4);
        let mut members_and_more = members;
        if d % 8 == 0 {
            members_and_more.clear();
        }
        self.builder
            .set(own, composite(kind, &name, size, members_and_more));
        (own, size, depth)
    }
}
