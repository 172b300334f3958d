//! From bindgen's items to a layout.

use super::bindings::{Bindings, Composite as RawComposite, Enumeration};
use super::place::{Machine, Places, bit_field_unit};
use super::run::{MEMBER, Output};
use super::rust_type::{RustType, Scalar, ScalarKind};
use super::{HeaderError, Headers};
use kernel_structs::layout::{
    Composite, CompositeKind, EnumType, IntType, LayoutBuilder, Member, Qualifier, Target, Type,
    TypeId,
};
use kernel_structs::units::{BitOffset, BitSize, ByteSize};
use std::collections::{BTreeMap, BTreeSet};

/// Names of Rust's that bindgen gives an underscore if they are a typedef's.
const MANGLED: [&str; 18] = [
    "u8_", "u16_", "u32_", "u64_", "u128_", "i8_", "i16_", "i32_", "i64_", "i128_", "usize_",
    "isize_", "f32_", "f64_", "bool_", "str_", "fn_", "type_",
];

pub(super) fn build(
    bindings: &Bindings,
    output: &Output,
    machine: Machine,
    target: Target,
    names: &[&str],
) -> Result<Headers, HeaderError> {
    let mut builder = Builder {
        bindings,
        output,
        places: Places::new(bindings, machine),
        layout: LayoutBuilder::new(target),
        contained: BTreeSet::new(),
        ids: BTreeMap::new(),
        pending: Vec::new(),
        scalars: BTreeMap::new(),
    };
    let roots = names
        .iter()
        .filter_map(|name| match name.strip_suffix('?') {
            None => Some(builder.root(name)),
            Some(name) => match builder.root(name) {
                Err(HeaderError::Undefined { .. }) => None,
                root => Some(root),
            },
        })
        .collect::<Result<Vec<_>, _>>()?;
    builder.close(&roots);
    for root in roots {
        builder.item(&root);
        while let Some(name) = builder.pending.pop() {
            let ty = builder.describe(&name)?;
            let id = builder.item(&name);
            builder.layout.set(id, ty);
        }
    }
    Ok(Headers {
        layout: builder.layout.finish()?,
        doubts: builder.places.doubts.into_iter().collect(),
    })
}

struct Builder<'a> {
    bindings: &'a Bindings,
    output: &'a Output,
    places: Places<'a>,
    layout: LayoutBuilder,
    /// Items that are described with their members; others are declarations.
    contained: BTreeSet<&'a str>,
    ids: BTreeMap<String, TypeId>,
    /// Items whose type is not yet described.
    pending: Vec<String>,
    scalars: BTreeMap<&'static str, TypeId>,
}

impl<'a> Builder<'a> {
    /// What bindgen calls the type that was asked for as `name`.
    fn root(&self, name: &str) -> Result<String, HeaderError> {
        let candidates = match name.split_once(' ') {
            Some((keyword @ ("struct" | "union" | "enum"), tag)) => {
                vec![format!("{keyword}_{tag}")]
            }
            _ => ["struct_", "union_", "enum_", ""]
                .iter()
                .map(|prefix| format!("{prefix}{name}"))
                .collect(),
        };
        let known = |name: &String| {
            self.bindings.composites.contains_key(name)
                || self.bindings.enums.contains_key(name)
                || self.bindings.aliases.contains_key(name)
        };
        // A structure without a tag goes by its typedef.
        let found = candidates
            .iter()
            .find(|name| known(name) && self.tag(name).is_some())
            .or_else(|| candidates.iter().find(|name| known(name)));
        let undefined = |declared| HeaderError::Undefined {
            name: name.to_owned(),
            declared,
        };
        let found = found.ok_or_else(|| undefined(false))?;
        match self.bindings.composites.get(found) {
            Some(composite) if is_declaration(composite) => Err(undefined(true)),
            _ => Ok(found.clone()),
        }
    }

    /// Finds everything that values of `roots` contain.
    fn close(&mut self, roots: &[String]) {
        let bindings = self.bindings;
        let mut seen = BTreeSet::new();
        let roots: Vec<RustType> = roots.iter().cloned().map(RustType::Item).collect();
        let mut pending: Vec<(&RustType, bool)> = roots.iter().map(|ty| (ty, true)).collect();
        while let Some((ty, contained)) = pending.pop() {
            match ty {
                RustType::Pointer { target, .. } => pending.push((target, false)),
                // An array has a size even where it is only pointed at.
                RustType::Array { element, .. } | RustType::Flexible(element) => {
                    pending.push((element, true));
                }
                RustType::Function {
                    returns,
                    parameters,
                    ..
                } => {
                    pending.push((returns, false));
                    pending.extend(parameters.iter().map(|ty| (ty, false)));
                }
                RustType::Item(name) => {
                    if let Some(alias) = bindings.aliases.get(name) {
                        if seen.insert((name.as_str(), contained)) {
                            pending.push((alias, contained));
                        }
                        continue;
                    }
                    // What has no tag cannot be declared.
                    let contained = contained || self.tag(name).is_none();
                    if let Some((name, composite)) = bindings.composites.get_key_value(name)
                        && contained
                        && self.contained.insert(name)
                    {
                        pending.extend(composite.fields.iter().map(|(_, ty)| (ty, true)));
                        let bit_fields = composite.bit_fields.iter();
                        pending.extend(bit_fields.map(|(_, field)| (&field.ty, true)));
                    }
                }
                RustType::Void | RustType::Scalar(_) | RustType::BitFields { .. } => {}
            }
        }
    }

    /// The tag that C has for an item; `None` for one without.
    fn tag(&self, name: &str) -> Option<String> {
        if self.output.untagged.contains(name)
            || name.contains("__bindgen_ty_")
            || name.contains("_bindgen_ty_")
        {
            return None;
        }
        let tag = ["struct_", "union_", "enum_"]
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix));
        Some(tag.unwrap_or(name).to_owned())
    }

    fn item(&mut self, name: &str) -> TypeId {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = self.layout.reserve();
        self.ids.insert(name.to_owned(), id);
        self.pending.push(name.to_owned());
        id
    }

    fn describe(&mut self, name: &str) -> Result<Type, HeaderError> {
        let bindings = self.bindings;
        if let Some(alias) = bindings.aliases.get(name) {
            let plain = match MANGLED.contains(&name) {
                true => &name[..name.len() - 1],
                false => name,
            };
            return Ok(Type::Typedef {
                name: plain.to_owned(),
                target: self.ty(alias),
            });
        }
        if let Some(e) = bindings.enums.get(name) {
            return self.enumeration(name, e);
        }
        match bindings.composites.get(name) {
            Some(composite) if self.contained.contains(name) && !is_declaration(composite) => {
                self.composite(name, composite)
            }
            other => Ok(Type::Forward {
                kind: other.map_or(CompositeKind::Struct, |composite| {
                    // bindgen declares unions as structures; the prefix tells.
                    match name.starts_with("union_") {
                        true => CompositeKind::Union,
                        false => composite.kind,
                    }
                }),
                name: self.tag(name).unwrap_or_else(|| name.to_owned()),
            }),
        }
    }

    fn composite(&mut self, name: &str, raw: &RawComposite) -> Result<Type, HeaderError> {
        let placed = self.places.composite(name, raw, 0)?;
        let mut members = Vec::new();
        for ((field, ty), offset) in raw.fields.iter().zip(&placed.offsets) {
            let bits = offset.saturating_mul(8);
            if let Some(member) = field.strip_prefix(MEMBER) {
                members.push(Member {
                    name: Some(member.to_owned()),
                    ty: self.ty(ty),
                    offset: BitOffset(bits),
                    bit_field: None,
                });
            } else if field.starts_with("__bindgen_anon_") {
                members.push(Member {
                    name: None,
                    ty: self.ty(ty),
                    offset: BitOffset(bits),
                    bit_field: None,
                });
            } else if let RustType::BitFields { .. } = ty
                && let Some((unit_offset, _)) = bit_field_unit(raw, &placed, field)
            {
                for (_, bit_field) in raw.bit_fields.iter().filter(|(unit, _)| unit == field) {
                    let first = unit_offset.saturating_mul(8);
                    members.push(Member {
                        name: Some(bit_field.name.clone()),
                        ty: self.ty(&bit_field.ty),
                        offset: BitOffset(first.saturating_add(bit_field.offset)),
                        bit_field: Some(BitSize(bit_field.width)),
                    });
                }
            } else if !(field.starts_with("__bindgen_padding_")
                || field.starts_with("_bitfield_align_")
                || matches!(field.as_str(), "_bindgen_align" | "_bindgen_opaque_blob"))
            {
                return Err(HeaderError::Unexpected {
                    place: name.to_owned(),
                    text: field.clone(),
                    expected: "a field that bindgen is known to add",
                });
            }
        }
        Ok(Type::Composite(Composite {
            kind: raw.kind,
            name: self.tag(name),
            size: ByteSize(placed.extent.size),
            members,
        }))
    }

    fn enumeration(&mut self, name: &str, e: &Enumeration) -> Result<Type, HeaderError> {
        Ok(Type::Enum(EnumType {
            name: self.tag(name),
            size: ByteSize(self.places.extent(&e.repr, 0)?.size),
            // As BTF has it: whether any value is negative.
            signed: e.enumerators.iter().any(|(_, value)| *value < 0),
            enumerators: e.enumerators.clone(),
        }))
    }

    fn ty(&mut self, ty: &RustType) -> TypeId {
        match ty {
            RustType::Void => TypeId::VOID,
            RustType::Scalar(scalar) => self.scalar(scalar),
            RustType::Item(name) => self.item(name),
            RustType::Pointer { target, constant } => {
                let mut target = self.ty(target);
                if *constant {
                    target = self.layout.push(Type::Qualified {
                        qualifier: Qualifier::Const,
                        target,
                    });
                }
                self.layout.push(Type::Pointer { target })
            }
            RustType::Array { element, count } => {
                let element = self.ty(element);
                self.layout.push(Type::Array {
                    element,
                    count: *count,
                })
            }
            RustType::Flexible(element) => {
                let element = self.ty(element);
                self.layout.push(Type::Array { element, count: 0 })
            }
            RustType::Function {
                returns,
                parameters,
                variadic,
            } => {
                let returns = self.ty(returns);
                let mut parameters: Vec<(String, TypeId)> = parameters
                    .iter()
                    .map(|ty| (String::new(), self.ty(ty)))
                    .collect();
                if *variadic {
                    parameters.push((String::new(), TypeId::VOID));
                }
                self.layout.push(Type::FunctionProto {
                    returns,
                    parameters,
                })
            }
            // Replaced by the bit-fields in it.
            RustType::BitFields { .. } => TypeId::VOID,
        }
    }

    fn scalar(&mut self, scalar: &Scalar) -> TypeId {
        if let Some(id) = self.scalars.get(scalar.name) {
            return *id;
        }
        let size = match scalar.kind {
            ScalarKind::SignedLong | ScalarKind::UnsignedLong => self.places.machine().pointer_size,
            _ => scalar.size,
        };
        let name = scalar.name.to_owned();
        let size = ByteSize(size.into());
        let ty = match scalar.kind {
            ScalarKind::Float => Type::Float { name, size },
            kind => Type::Int(IntType {
                name,
                size,
                signed: match kind {
                    ScalarKind::Char => self.output.signed_char,
                    _ => matches!(kind, ScalarKind::Signed | ScalarKind::SignedLong),
                },
                character: kind == ScalarKind::Char,
                boolean: kind == ScalarKind::Bool,
            }),
        };
        let id = self.layout.push(ty);
        self.scalars.insert(scalar.name, id);
        id
    }
}

/// Whether bindgen knows no more of a structure than its name.
fn is_declaration(composite: &RawComposite) -> bool {
    matches!(composite.fields.as_slice(), [(name, _)] if name == "_unused")
}
