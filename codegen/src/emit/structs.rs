//! The structures of both layouts as Rust: explicit padding, little-endian unaligned integers,
//! storage units for bit-fields, and assertions of every size and offset.

use crate::ctype::{self, Field, Scalar, Shape};
use crate::plan::Plan;
use kernel_structs::layout::{Layout, TypeId};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use std::collections::{BTreeMap, BTreeSet};

/// Which layout a type is of.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Which {
    Old,
    New,
}

/// The structures that generated code needs.
pub(super) struct Structs<'a> {
    layouts: [&'a Layout; 2],
    /// By canonical spelling and name: identical structures of both layouts are one.
    definitions: BTreeMap<(String, String), Definition>,
    keys: [BTreeMap<TypeId, (String, String)>; 2],
}

/// One structure.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) module: &'static str,
    /// The layout that the types of its parts are of.
    pub(super) of: Which,
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) parts: Vec<Part>,
}

/// A field of a structure in Rust. Offsets and sizes are in bytes.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// A member.
    Member {
        /// As in C.
        name: String,
        /// First byte.
        offset: u64,
        /// Its type.
        ty: TypeId,
    },
    /// The bytes that hold bit-fields.
    Unit {
        /// Name of the Rust field.
        name: String,
        /// First byte.
        offset: u64,
        /// Number of bytes.
        len: u64,
        /// The bit-fields, their offsets counted from the structure.
        fields: Vec<Field>,
    },
    /// Bytes between members.
    Padding {
        /// Name of the Rust field.
        name: String,
        /// First byte.
        offset: u64,
        /// Number of bytes.
        len: u64,
    },
}

impl<'a> Structs<'a> {
    /// All structures that the types of `plan` contain by value.
    pub(super) fn collect(plan: &Plan, old: &'a Layout, new: &'a Layout) -> Structs<'a> {
        let mut structs = Structs {
            layouts: [old, new],
            definitions: BTreeMap::new(),
            keys: [BTreeMap::new(), BTreeMap::new()],
        };
        for ty in plan.types.values() {
            if let Some((old_id, new_id)) = ty.ids {
                structs.visit(Which::Old, old_id, &ty.name);
                structs.visit(Which::New, new_id, &ty.name);
            }
        }
        structs.make_names_unique();
        structs
    }

    pub(super) fn layout(&self, which: Which) -> &'a Layout {
        self.layouts[which as usize]
    }

    fn visit(&mut self, which: Which, id: TypeId, shown: &str) {
        let layout = self.layout(which);
        let (id, composite) = match ctype::shape(layout, id) {
            Shape::Struct(id, composite) => (id, composite),
            Shape::Array { element, .. } => return self.visit(which, element, shown),
            _ => return,
        };
        if self.keys[which as usize].contains_key(&id) {
            return;
        }
        let name = sanitized(composite.name.as_deref().unwrap_or(shown));
        let key = (layout.canonical_type(id), name.clone());
        self.keys[which as usize].insert(id, key.clone());
        let fields = ctype::fields(layout, composite);
        for field in &fields {
            let typedef = ctype::type_name(layout, field.ty);
            let shown = format!("{shown}__{}", field.name);
            self.visit(which, field.ty, typedef.unwrap_or(&shown));
        }
        let module = match which {
            Which::Old => "old",
            Which::New => "new",
        };
        self.definitions
            .entry(key)
            .and_modify(|known| {
                if known.module != module {
                    known.module = "same";
                }
            })
            .or_insert_with(|| Definition {
                module,
                of: which,
                name,
                size: composite.size.0,
                parts: parts(layout, &fields, composite.size.0),
            });
    }

    fn make_names_unique(&mut self) {
        let mut taken: BTreeSet<(&'static str, String)> = BTreeSet::new();
        for definition in self.definitions.values_mut() {
            let base = definition.name.clone();
            let mut number = 2;
            while !taken.insert((definition.module, definition.name.clone())) {
                definition.name = format!("{base}_{number}");
                number += 1;
            }
        }
    }

    /// The definition of a structure.
    pub(super) fn definition(&self, which: Which, id: TypeId) -> Option<&Definition> {
        let id = self.layout(which).strip(id);
        self.definitions.get(self.keys[which as usize].get(&id)?)
    }

    /// A type in Rust; structures with the path of their module.
    pub(super) fn rust_type(&self, which: Which, id: TypeId) -> TokenStream {
        let layout = self.layout(which);
        match ctype::shape(layout, id) {
            Shape::Scalar(scalar) | Shape::Enum(scalar) => scalar_type(scalar),
            Shape::Array { element, count } => {
                let element = self.rust_type(which, element);
                let count = literal(count);
                quote!([#element; #count])
            }
            Shape::Struct(id, _) => match self.definition(which, id) {
                Some(definition) => {
                    let module = ident(definition.module);
                    let name = ident(&definition.name);
                    quote!(#module::#name)
                }
                None => bytes_type(layout.size_of(id).map_or(0, |size| size.0)),
            },
            Shape::Union(id, _) => bytes_type(layout.size_of(id).map_or(0, |size| size.0)),
            Shape::Opaque { bytes } => bytes_type(bytes),
        }
    }

    /// The modules `same`, `old` and `new`.
    pub(super) fn modules(&self) -> TokenStream {
        let modules = [
            ("same", " Structures that are the same under both layouts."),
            (
                "old",
                " Structures of the layout read that differ from those written.",
            ),
            (
                "new",
                " Structures of the layout written that differ from those read.",
            ),
        ];
        let all = modules.map(|(module, doc)| {
            let of_module = |definition: &&Definition| definition.module == module;
            let mut definitions: Vec<&Definition> =
                self.definitions.values().filter(of_module).collect();
            if definitions.is_empty() {
                return TokenStream::new();
            }
            definitions.sort_by(|a, b| a.name.cmp(&b.name));
            let items: Vec<TokenStream> = definitions
                .iter()
                .map(|definition| self.structure(definition))
                .collect();
            let text = quote!(#(#items)*).to_string();
            let same = (module != "same" && text.contains("same ::")).then(|| {
                quote!(
                    use super::same;
                )
            });
            let own = ident(module);
            let own = text
                .contains(&format!("{module} ::"))
                .then(|| quote!(use super::#own;));
            let name = ident(module);
            quote! {
                #[doc = #doc]
                pub mod #name {
                    use core::mem::offset_of;
                    use kconv_runtime::prelude::*;
                    #own
                    #same
                    #(#items)*
                }
            }
        });
        quote!(#(#all)*)
    }

    fn structure(&self, definition: &Definition) -> TokenStream {
        let which = definition.of;
        let name = ident(&definition.name);
        let mut fields = Vec::new();
        let mut checks = Vec::new();
        let mut accessors = Vec::new();
        for part in &definition.parts {
            let (field, offset, ty) = match part {
                Part::Member { name, offset, ty } => (name, *offset, self.rust_type(which, *ty)),
                Part::Unit {
                    name,
                    offset,
                    len,
                    fields,
                } => {
                    for field in fields {
                        accessors.push(self.accessors(which, name, *offset, field));
                    }
                    (name, *offset, bytes_type(*len))
                }
                Part::Padding { name, offset, len } => (name, *offset, bytes_type(*len)),
            };
            let field_name = ident(field);
            let message = format!("{}.{field}", definition.name);
            let offset = literal(offset);
            fields.push(quote!(pub #field_name: #ty));
            checks.push(quote! {
                const _: () = assert!(offset_of!(#name, #field_name) == #offset, #message);
            });
        }
        let size = literal(definition.size);
        let message = format!("size of {}", definition.name);
        let accessors = (!accessors.is_empty()).then(|| quote!(impl #name { #(#accessors)* }));
        quote! {
            #[repr(C)]
            #[derive(Copy, Clone, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
            #[zerocopy(crate = "kconv_runtime::zerocopy")]
            pub struct #name { #(#fields,)* }
            #accessors
            const _: () = assert!(size_of::<#name>() == #size, #message);
            #(#checks)*
        }
    }

    fn accessors(&self, which: Which, unit: &str, offset: u64, field: &Field) -> TokenStream {
        let signed = match ctype::shape(self.layout(which), field.ty) {
            Shape::Scalar(scalar) | Shape::Enum(scalar) => scalar.signed,
            _ => false,
        };
        let unit = ident(unit);
        let (get, set) = (ident(&field.name), format_ident!("set_{}", field.name));
        let (first, width) = (literal(field.offset - offset * 8), literal(field.len));
        quote! {
            pub fn #get(&self) -> i128 {
                bits::get(&self.#unit, #first, #width, #signed)
            }
            pub fn #set(&mut self, value: i128) {
                bits::set(&mut self.#unit, #first, #width, value);
            }
        }
    }
}

/// Lays out the fields of a structure as Rust has them.
fn parts(layout: &Layout, fields: &[Field], size: u64) -> Vec<Part> {
    let mut sorted: Vec<&Field> = fields.iter().collect();
    // Empty members come before what begins where they are.
    sorted.sort_by_key(|field| (field.offset, field.len));
    let mut parts = Vec::new();
    let mut end = 0;
    for field in sorted {
        if field.bit_field {
            let last = (field.offset + field.len).div_ceil(8);
            if let Some(Part::Unit {
                offset,
                len,
                fields,
                ..
            }) = parts.last_mut()
                && field.offset / 8 <= *offset + *len
            {
                *len = (*len).max(last - *offset);
                end = *offset + *len;
                fields.push(field.clone());
                continue;
            }
            let first = field.offset / 8;
            pad(&mut parts, end, first);
            parts.push(Part::Unit {
                name: format!("{}_bits", field.name),
                offset: first,
                len: last - first,
                fields: vec![field.clone()],
            });
            end = last;
        } else {
            let first = field.offset / 8;
            pad(&mut parts, end, first);
            parts.push(Part::Member {
                name: field.name.clone(),
                offset: first,
                ty: field.ty,
            });
            end = first + ctype::size_bits(layout, field.ty) / 8;
        }
    }
    pad(&mut parts, end, size);
    parts
}

fn pad(parts: &mut Vec<Part>, from: u64, to: u64) {
    if from < to {
        parts.push(Part::Padding {
            name: format!("_pad_{from}"),
            offset: from,
            len: to - from,
        });
    }
}

/// An integer type of the runtime.
pub(super) fn scalar_type(scalar: Scalar) -> TokenStream {
    let name = match (scalar.bytes, scalar.signed) {
        (1, false) => "u8",
        (1, true) => "i8",
        (2, false) => "U16",
        (2, true) => "I16",
        (4, false) => "U32",
        (4, true) => "I32",
        (_, false) => "U64",
        (_, true) => "I64",
    };
    let name = ident(name);
    quote!(#name)
}

/// A number of an integer type, wrapped to its width.
pub(super) fn scalar_value(scalar: Scalar, value: i64) -> TokenStream {
    let bits = (scalar.bytes * 8) as u32;
    let unsigned = (value as u64) & (u64::MAX >> (64 - bits));
    let number = match scalar.signed {
        true => proc_macro2::Literal::i64_unsuffixed(value),
        false => literal(unsigned),
    };
    if scalar.bytes == 1 {
        return quote!(#number);
    }
    let ty = scalar_type(scalar);
    quote!(#ty::new(#number))
}

fn bytes_type(len: u64) -> TokenStream {
    let len = literal(len);
    quote!([u8; #len])
}

/// A number without a suffix.
pub(super) fn literal(value: u64) -> proc_macro2::Literal {
    proc_macro2::Literal::u64_unsuffixed(value)
}

/// A C name as a Rust identifier: keywords raw, where that is possible.
pub(super) fn ident(name: &str) -> Ident {
    if syn::parse_str::<Ident>(name).is_ok() {
        return format_ident!("{name}");
    }
    match name {
        "self" | "super" | "crate" | "Self" | "_" => format_ident!("{name}_"),
        _ if is_plain(name) => format_ident!("r#{name}"),
        _ => format_ident!("{}", sanitized(name)),
    }
}

/// Whether `name` is an identifier but for being a keyword.
fn is_plain(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|c| c == '_' || c.is_ascii_alphabetic())
        && chars.all(|c| c == '_' || c.is_ascii_alphanumeric())
}

/// A type's name as an identifier: `file *` is `file_pointer`.
pub(super) fn sanitized(name: &str) -> String {
    if is_plain(name) {
        return name.to_owned();
    }
    let mut plain = String::new();
    for c in name.replace('*', " pointer ").chars() {
        match c {
            '_' => plain.push('_'),
            c if c.is_ascii_alphanumeric() => plain.push(c),
            _ if plain.ends_with('_') => {}
            _ => plain.push('_'),
        }
    }
    let plain = plain.trim_end_matches('_');
    let first_is_digit = plain.starts_with(|c: char| c.is_ascii_digit());
    if plain.is_empty() || first_is_digit {
        format!("_{plain}")
    } else {
        plain.to_owned()
    }
}
