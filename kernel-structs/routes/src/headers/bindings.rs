//! bindgen's output, item by item.

use super::HeaderError;
use super::expression::{bit_access, integer, unsigned};
use super::run::MEMBER;
use super::rust_type::RustType;
use kernel_structs::layout::CompositeKind;
use std::collections::BTreeMap;
use syn::{
    Attribute, Expr, Fields, ImplItem, Item, ItemConst, ItemImpl, ItemStruct, Stmt, Type, UseTree,
};

/// Everything that bindgen wrote of types.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    pub(super) composites: BTreeMap<String, Composite>,
    pub(super) enums: BTreeMap<String, Enumeration>,
    pub(super) aliases: BTreeMap<String, RustType>,
    /// What clang said of each structure and union.
    pub(super) asserted: BTreeMap<String, Asserted>,
}

/// A structure or union.
#[derive(Debug)]
pub(super) struct Composite {
    pub(super) kind: CompositeKind,
    /// `packed(n)`, in bytes.
    pub(super) packed: Option<u64>,
    /// `align(n)`, in bytes.
    pub(super) align: Option<u64>,
    /// Fields as bindgen names them, with their types.
    pub(super) fields: Vec<(String, RustType)>,
    /// The bit-fields, with what bindgen calls the unit that each is in.
    pub(super) bit_fields: Vec<(String, BitField)>,
}

/// A bit-field, from the methods that bindgen makes for it.
#[derive(Debug)]
pub(super) struct BitField {
    pub(super) name: String,
    /// First bit, counted from the start of its unit.
    pub(super) offset: u64,
    pub(super) width: u64,
    pub(super) ty: RustType,
}

/// An enumeration: a structure around an integer.
#[derive(Debug)]
pub(super) struct Enumeration {
    pub(super) repr: RustType,
    pub(super) enumerators: Vec<(String, i128)>,
}

/// Sizes and offsets in bytes.
#[derive(Debug, Default)]
pub(super) struct Asserted {
    pub(super) size: Option<u64>,
    pub(super) align: Option<u64>,
    /// By the name that bindgen gives the field.
    pub(super) offsets: BTreeMap<String, u64>,
}

impl Bindings {
    pub(super) fn parse(text: &str) -> Result<Bindings, HeaderError> {
        let file = syn::parse_file(text)?;
        let mut bindings = Bindings::default();
        for item in &file.items {
            bindings.definition(item)?;
        }
        // Methods and constants after the types they belong to.
        for item in &file.items {
            match item {
                Item::Impl(item) => bindings.methods(item)?,
                Item::Const(item) => bindings.constant(item)?,
                _ => {}
            }
        }
        Ok(bindings)
    }

    fn definition(&mut self, item: &Item) -> Result<(), HeaderError> {
        match item {
            // What bindgen needs for itself.
            Item::Struct(item) if item.ident.to_string().starts_with("__Bindgen") => {}
            Item::Struct(item) if item.ident == "__IncompleteArrayField" => {}
            Item::Struct(item) => self.structure(item)?,
            Item::Union(item) => {
                let name = item.ident.to_string();
                let composite = composite(
                    &name,
                    CompositeKind::Union,
                    &item.attrs,
                    item.fields.named.iter(),
                )?;
                self.composites.insert(name, composite);
            }
            Item::Type(item) => {
                let name = item.ident.to_string();
                let ty = RustType::parse(&item.ty, &name)?;
                self.aliases.insert(name, ty);
            }
            // `pub use self::enum_x as x;`
            Item::Use(item) => {
                let mut tree = &item.tree;
                while let UseTree::Path(path) = tree {
                    tree = &path.tree;
                }
                if let UseTree::Rename(rename) = tree {
                    self.aliases.insert(
                        rename.rename.to_string(),
                        RustType::Item(rename.ident.to_string()),
                    );
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn structure(&mut self, item: &ItemStruct) -> Result<(), HeaderError> {
        let name = item.ident.to_string();
        match &item.fields {
            Fields::Named(fields) => {
                let composite = composite(
                    &name,
                    CompositeKind::Struct,
                    &item.attrs,
                    fields.named.iter(),
                )?;
                self.composites.insert(name, composite);
            }
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                let repr = RustType::parse(&fields.unnamed[0].ty, &name)?;
                let enumerators = Vec::new();
                self.enums.insert(name, Enumeration { repr, enumerators });
            }
            _ => {}
        }
        Ok(())
    }

    fn methods(&mut self, item: &ItemImpl) -> Result<(), HeaderError> {
        let Type::Path(path) = &*item.self_ty else {
            return Ok(());
        };
        let Some(name) = path.path.get_ident().map(ToString::to_string) else {
            return Ok(());
        };
        for item in &item.items {
            match item {
                ImplItem::Const(constant) => {
                    let enumerator = constant.ident.to_string();
                    self.enumerator(&name, enumerator, &constant.expr)?;
                }
                ImplItem::Fn(method) => {
                    if let Some(composite) = self.composites.get_mut(&name)
                        && let Some((unit, field)) = bit_field(&name, method)?
                    {
                        composite.bit_fields.push((unit, field));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn enumerator(&mut self, ty: &str, name: String, value: &Expr) -> Result<(), HeaderError> {
        let Some(e) = self.enums.get_mut(ty) else {
            return Ok(());
        };
        let value = match value {
            Expr::Call(call) => call.args.first().and_then(integer),
            // A second name for a value.
            Expr::Path(path) => path.path.segments.last().and_then(|last| {
                let other = last.ident.to_string();
                let found = e.enumerators.iter().find(|(known, _)| *known == other);
                found.map(|(_, value)| *value)
            }),
            _ => None,
        };
        match value {
            Some(value) => e.enumerators.push((name, value)),
            None => {
                return Err(HeaderError::Unexpected {
                    place: format!("{ty}::{name}"),
                    text: "another expression".to_owned(),
                    expected: "a number",
                });
            }
        }
        Ok(())
    }

    /// An enumerator outside its enumeration, or a block of assertions.
    fn constant(&mut self, item: &ItemConst) -> Result<(), HeaderError> {
        if let Type::Path(path) = &*item.ty
            && let Some(ty) = path.path.get_ident()
        {
            return self.enumerator(&ty.to_string(), item.ident.to_string(), &item.expr);
        }
        if let Expr::Block(block) = &*item.expr {
            for statement in &block.block.stmts {
                if let Stmt::Expr(expression, _) = statement {
                    self.assertion(expression);
                }
            }
        }
        Ok(())
    }

    /// `["Offset of field: T::f"][::std::mem::offset_of!(T, f) - 4usize];`
    fn assertion(&mut self, expression: &Expr) -> Option<()> {
        let Expr::Index(index) = expression else {
            return None;
        };
        let Expr::Array(array) = &*index.expr else {
            return None;
        };
        let Some(Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(what),
            ..
        })) = array.elems.first()
        else {
            return None;
        };
        let Expr::Binary(difference) = &*index.index else {
            return None;
        };
        let number = unsigned(&difference.right)?;
        let what = what.value();
        if let Some(ty) = what.strip_prefix("Size of ") {
            self.asserted(ty).size = Some(number);
        } else if let Some(ty) = what.strip_prefix("Alignment of ") {
            self.asserted(ty).align = Some(number);
        } else {
            let (ty, field) = what.strip_prefix("Offset of field: ")?.split_once("::")?;
            self.asserted(ty).offsets.insert(field.to_owned(), number);
        }
        Some(())
    }

    fn asserted(&mut self, ty: &str) -> &mut Asserted {
        self.asserted.entry(ty.to_owned()).or_default()
    }
}

fn composite<'a>(
    name: &str,
    kind: CompositeKind,
    attributes: &[Attribute],
    fields: impl Iterator<Item = &'a syn::Field>,
) -> Result<Composite, HeaderError> {
    let mut composite = Composite {
        kind,
        packed: None,
        align: None,
        fields: Vec::new(),
        bit_fields: Vec::new(),
    };
    for attribute in attributes.iter().filter(|a| a.path().is_ident("repr")) {
        attribute.parse_nested_meta(|meta| {
            let number = |default| {
                if !meta.input.peek(syn::token::Paren) {
                    return Ok(default);
                }
                let inner;
                syn::parenthesized!(inner in meta.input);
                inner.parse::<syn::LitInt>()?.base10_parse::<u64>()
            };
            if meta.path.is_ident("packed") {
                composite.packed = Some(number(1)?);
            } else if meta.path.is_ident("align") {
                composite.align = Some(number(1)?);
            }
            Ok(())
        })?;
    }
    for field in fields {
        if let Some(ident) = &field.ident {
            let field_name = ident.to_string();
            let ty = RustType::parse(&field.ty, &format!("{name}::{field_name}"))?;
            composite.fields.push((field_name, ty));
        }
    }
    Ok(composite)
}

/// The bit-field that `method` reads, if it reads one.
fn bit_field(
    ty: &str,
    method: &syn::ImplItemFn,
) -> Result<Option<(String, BitField)>, HeaderError> {
    let name = method.sig.ident.to_string();
    let (Some(member), syn::ReturnType::Type(_, returns)) =
        (name.strip_prefix(MEMBER), &method.sig.output)
    else {
        return Ok(None);
    };
    // Those with a raw pointer instead of `self` say the same again.
    if method.sig.receiver().is_none() {
        return Ok(None);
    }
    let access = method
        .block
        .stmts
        .iter()
        .find_map(|statement| match statement {
            Stmt::Expr(expression, _) => bit_access(expression),
            _ => None,
        });
    let Some(access) = access else {
        return Ok(None);
    };
    Ok(Some((
        access.unit,
        BitField {
            name: member.to_owned(),
            offset: access.offset,
            width: access.width,
            ty: RustType::parse(returns, &format!("{ty}::{name}"))?,
        },
    )))
}
