//! The structures of all layouts of a family as Rust: explicit padding, little-endian unaligned
//! integers, storage units for bit-fields; each distinct shape once.
//!
//! Two structures are one shape if they read the same in Rust, whatever else their layouts say of
//! the types behind pointers.

use super::names::{ident, literal, module_name, version};
use crate::ctype::{self, Field, Scalar, Shape as CShape};
use crate::plan::Plan;
use kernel_structs::layout::{Composite, Layout, TypeId};
use proc_macro2::TokenStream;
use quote::quote;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Which layout of a pair a type is of.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Which {
    Old,
    New,
}

/// The shapes of a family.
pub(super) struct Views<'a> {
    layouts: Vec<(&'a str, &'a Layout)>,
    shapes: Vec<Shape>,
    /// Shapes by the structures that have them, for each layout.
    of: Vec<BTreeMap<TypeId, usize>>,
    /// Shapes by module and text.
    known: BTreeMap<(String, String), usize>,
}

/// One shape of a structure.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// Its module, which is named after the type.
    pub(super) module: String,
    /// Its name in there: that of the first layout that has it.
    pub(super) name: String,
    /// The layout that the types of its parts are of.
    pub(super) layout: usize,
    /// Bytes.
    pub(super) size: u64,
    /// Its fields.
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

/// Both layouts of a pair, with the shapes of their structures.
#[derive(Copy, Clone)]
pub(super) struct Structs<'a> {
    pub(super) views: &'a Views<'a>,
    /// The two, by their place among the layouts of the family.
    pub(super) pair: [usize; 2],
}

impl<'a> Structs<'a> {
    pub(super) fn layout(&self, which: Which) -> &'a Layout {
        self.views.layouts[self.pair[which as usize]].1
    }

    /// The shape of a structure.
    pub(super) fn shape(&self, which: Which, id: TypeId) -> Option<&'a Shape> {
        self.views.shape(self.pair[which as usize], id)
    }

    /// A type in Rust; structures with the path of their module.
    pub(super) fn rust_type(&self, which: Which, id: TypeId) -> TokenStream {
        self.views.rust_type(self.pair[which as usize], id)
    }
}

impl<'a> Views<'a> {
    /// The shapes of all structures that the types of `plans` contain by value: for each layout
    /// its plan to itself.
    pub(super) fn collect(layouts: Vec<(&'a str, &'a Layout)>, plans: &[Plan]) -> Views<'a> {
        let mut views = Views {
            of: vec![BTreeMap::new(); layouts.len()],
            layouts,
            shapes: Vec::new(),
            known: BTreeMap::new(),
        };
        for (layout, plan) in plans.iter().enumerate() {
            for ty in plan.types.values() {
                if let Some((id, _)) = ty.ids {
                    views.visit(layout, id, &ty.name);
                }
            }
        }
        views
    }

    fn visit(&mut self, index: usize, id: TypeId, shown: &str) {
        let layout = self.layouts[index].1;
        let (id, composite) = match ctype::shape(layout, id) {
            CShape::Struct(id, composite) => (id, composite),
            CShape::Array { element, .. } => return self.visit(index, element, shown),
            _ => return,
        };
        if self.of[index].contains_key(&id) {
            return;
        }
        let fields = ctype::fields(layout, composite);
        for field in &fields {
            let typedef = ctype::type_name(layout, field.ty);
            let shown = format!("{shown}__{}", field.name);
            self.visit(index, field.ty, typedef.unwrap_or(&shown));
        }
        let module = module_name(composite.name.as_deref().unwrap_or(shown));
        let mut shape = Shape {
            name: String::new(),
            layout: index,
            size: composite.size.0,
            parts: parts(layout, &fields, composite.size.0),
            module,
        };
        let key = (
            shape.module.clone(),
            self.text(&shape) + &self.bit_fields(&shape),
        );
        let number = match self.known.get(&key) {
            Some(number) => *number,
            None => {
                shape.name = self.free_name(&shape.module, index);
                self.known.insert(key, self.shapes.len());
                self.shapes.push(shape);
                self.shapes.len() - 1
            }
        };
        self.of[index].insert(id, number);
    }

    /// A name after the layout that no other shape of the module has.
    fn free_name(&self, module: &str, layout: usize) -> String {
        let base = format!("V{}", version(self.layouts[layout].0));
        let taken = |name: &str| {
            let mut shapes = self.shapes.iter();
            shapes.any(|shape| shape.module == module && shape.name == name)
        };
        // No layout's own name has a number behind `__`.
        let mut name = base.clone();
        let mut number = 2;
        while taken(&name) {
            name = format!("{base}__{number}");
            number += 1;
        }
        name
    }

    /// A layout of the family.
    pub(super) fn layout(&self, index: usize) -> &'a Layout {
        self.layouts[index].1
    }

    /// The shape of a structure of a layout.
    pub(super) fn shape(&self, layout: usize, id: TypeId) -> Option<&Shape> {
        let id = self.layouts[layout].1.strip(id);
        self.of[layout].get(&id).map(|number| &self.shapes[*number])
    }

    /// A type in Rust; structures with the path of their module.
    pub(super) fn rust_type(&self, index: usize, id: TypeId) -> TokenStream {
        let layout = self.layouts[index].1;
        match ctype::shape(layout, id) {
            CShape::Scalar(scalar) | CShape::Enum(scalar) => scalar_type(scalar),
            CShape::Array { element, count } => {
                let element = self.rust_type(index, element);
                let count = literal(count);
                quote!([#element; #count])
            }
            CShape::Struct(id, _) => match self.shape(index, id) {
                Some(shape) => {
                    let (module, name) = (ident(&shape.module), ident(&shape.name));
                    quote!(ŋviews::#module::#name)
                }
                None => bytes_type(layout.size_of(id).map_or(0, |size| size.0)),
            },
            CShape::Union(id, _) => bytes_type(layout.size_of(id).map_or(0, |size| size.0)),
            CShape::Opaque { bytes } => bytes_type(bytes),
        }
    }

    /// Modules, each with its text: for each type its shapes, and for each layout which shape it
    /// has. `root` is the path of the module that they are in.
    pub(super) fn modules(&self, root: &str) -> BTreeMap<String, String> {
        let mut modules: BTreeMap<String, String> = BTreeMap::new();
        for (number, shape) in self.shapes.iter().enumerate() {
            let having: Vec<&str> = (0..self.layouts.len())
                .filter(|layout| self.of[*layout].values().any(|of| *of == number))
                .map(|layout| self.layouts[layout].0)
                .collect();
            let text = modules.entry(shape.module.clone()).or_default();
            if !text.is_empty() {
                text.push('\n');
            }
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "view! {{\n    /// {}.\n    pub struct {}[{}] {{\n{}    }}\n}}\n",
                having.join(", "),
                shape.name,
                shape.size,
                self.text(shape),
            );
            text.push_str(&self.bit_fields(shape));
        }
        for text in modules.values_mut() {
            *text = text.replace("ŋviews", root);
        }
        modules
    }

    /// For each layout a module with the shapes that it has, by the names of their types.
    pub(super) fn lists(&self, root: &str) -> String {
        let mut text = String::new();
        for (layout, (id, _)) in self.layouts.iter().enumerate() {
            let shapes: BTreeSet<usize> = self.of[layout].values().copied().collect();
            let mut named: BTreeMap<&str, &str> = BTreeMap::new();
            for shape in shapes.into_iter().map(|shape| &self.shapes[shape]) {
                named.entry(&shape.module).or_insert(&shape.name);
            }
            // Writing to a string cannot fail.
            let _ = writeln!(text, "\n/// {id}.\npub mod v{} {{", version(id));
            for (module, name) in named {
                let module = ident(module);
                let _ = writeln!(text, "    pub use {root}::{module}::{name} as {module};");
            }
            text.push_str("}\n");
        }
        text
    }

    /// The fields of a shape, one a line: offset, name, type.
    fn text(&self, shape: &Shape) -> String {
        let mut text = String::new();
        for part in &shape.parts {
            let (name, offset, ty) = match part {
                Part::Member { name, offset, ty } => {
                    (name, offset, self.rust_type(shape.layout, *ty))
                }
                Part::Unit {
                    name, offset, len, ..
                }
                | Part::Padding { name, offset, len } => (name, offset, bytes_type(*len)),
            };
            let ty = ty.to_string().replace(" ; ", "; ").replace(" :: ", "::");
            // Writing to a string cannot fail.
            let _ = writeln!(text, "        {offset} {}: {ty},", ident(name));
        }
        text
    }

    fn bit_fields(&self, shape: &Shape) -> String {
        let mut text = String::new();
        for part in &shape.parts {
            let Part::Unit {
                name: unit,
                offset,
                fields,
                ..
            } = part
            else {
                continue;
            };
            for field in fields {
                let layout = self.layouts[shape.layout].1;
                let signed = match ctype::shape(layout, field.ty) {
                    CShape::Scalar(scalar) | CShape::Enum(scalar) => scalar.signed,
                    _ => false,
                };
                // Writing to a string cannot fail.
                let _ = writeln!(
                    text,
                    "    {} set_{}: {} {} {} {signed},",
                    ident(&field.name),
                    field.name,
                    ident(unit),
                    field.offset - offset * 8,
                    field.len,
                );
            }
        }
        match text.as_str() {
            "" => text,
            _ => format!("\nbit_fields! {{ {} {{\n{text}}} }}\n", shape.name),
        }
    }
}

impl Shape {
    /// The storage unit of the bit-field `name`: its name and number of bytes.
    pub(super) fn unit_of(&self, name: &str) -> Option<(&str, u64)> {
        self.parts.iter().find_map(|part| match part {
            Part::Unit {
                name: unit,
                len,
                fields,
                ..
            } => fields
                .iter()
                .any(|field| field.name == name)
                .then_some((unit.as_str(), *len)),
            _ => None,
        })
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
            pad(&mut parts, end, first, fields);
            parts.push(Part::Unit {
                name: unit_name(&field.name, fields),
                offset: first,
                len: last - first,
                fields: vec![field.clone()],
            });
            end = last;
        } else {
            let first = field.offset / 8;
            pad(&mut parts, end, first, fields);
            parts.push(Part::Member {
                name: field.name.clone(),
                offset: first,
                ty: field.ty,
            });
            end = first + ctype::size_bits(layout, field.ty) / 8;
        }
    }
    pad(&mut parts, end, size, fields);
    parts
}

/// First byte of the storage unit of the bit-field `name` of a structure.
pub(super) fn unit_start(layout: &Layout, composite: &Composite, name: &str) -> Option<u64> {
    let fields = ctype::fields(layout, composite);
    let parts = parts(layout, &fields, composite.size.0);
    parts.into_iter().find_map(|part| match part {
        Part::Unit { offset, fields, .. } => {
            let is_in = fields.iter().any(|field| field.name == name);
            is_in.then_some(offset)
        }
        Part::Member { .. } | Part::Padding { .. } => None,
    })
}

/// A name for the storage unit whose first bit-field is `first`, which no member has.
fn unit_name(first: &str, fields: &[Field]) -> String {
    free(format!("{first}_bits"), fields)
}

/// The name, or the first with more `_` behind it, that no member has.
fn free(mut name: String, fields: &[Field]) -> String {
    while fields.iter().any(|field| field.name == name) {
        name.push('_');
    }
    name
}

fn pad(parts: &mut Vec<Part>, from: u64, to: u64, fields: &[Field]) {
    if from < to {
        parts.push(Part::Padding {
            name: free(format!("_pad_{from}"), fields),
            offset: from,
            len: to - from,
        });
    }
}

/// An integer type of the runtime.
pub(super) fn scalar_type(scalar: Scalar) -> TokenStream {
    let name = ident(scalar.word());
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
