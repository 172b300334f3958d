//! Types, fields and constants of a layout by name.
//!
//! A layout is searched once for each name; after that an answer is one look into a table. There are as
//! many entries as there are different names that are asked for.

use crate::error::{FieldAt, FieldError};
use kernel_structs::layout::{FieldPath, Layout, PathError, Resolved, Type, TypeId};
use rustc_hash::FxHashMap;
use std::cell::RefCell;

/// What names were found to mean; `None` for those that mean nothing. They are names that stand in code, so that nobody
/// can choose them to collide; and there is a look for each field that is read, of which hashing was half.
type Known<T> = FxHashMap<Box<str>, Option<T>>;

/// The names of a layout that were asked for.
pub struct Names<'l> {
    layout: &'l Layout,
    types: RefCell<Known<TypeId>>,
    fields: RefCell<FxHashMap<TypeId, Known<Field>>>,
    constants: RefCell<Known<i128>>,
}

/// A field, as far as reading it takes.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Field {
    pub(crate) place: Resolved,
    /// In bytes; `None` for what has no size.
    pub(crate) size: Option<u64>,
    /// Bits and sign, if it is a number of at most 64 bits.
    pub(crate) number: Option<Number>,
}

/// How a number is kept.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Number {
    pub(crate) bits: u64,
    pub(crate) signed: bool,
}

impl<'l> Names<'l> {
    /// The names of `layout`, none of which has been looked up.
    pub fn new(layout: &'l Layout) -> Names<'l> {
        Names {
            layout,
            types: RefCell::default(),
            fields: RefCell::default(),
            constants: RefCell::default(),
        }
    }

    /// The layout.
    pub fn layout(&self) -> &'l Layout {
        self.layout
    }

    /// The type of this name.
    ///
    /// # Errors
    /// [`FieldError::NoType`] if there is none, or more than one.
    pub fn find(&self, ty: &str) -> Result<TypeId, FieldError> {
        let find = || self.layout.find(ty);
        looked_up(&mut self.types.borrow_mut(), ty, find)
            .ok_or_else(|| FieldError::NoType { ty: ty.to_owned() })
    }

    /// Size of the type of this name, in bytes.
    ///
    /// # Errors
    /// [`FieldError::NoType`] if there is none, or none that has a size.
    pub fn size_of(&self, ty: &str) -> Result<u64, FieldError> {
        let size = self.layout.size_of(self.find(ty)?);
        let size = size.ok_or_else(|| FieldError::NoType { ty: ty.to_owned() })?;
        Ok(size.0)
    }

    /// Where the field at `path` begins in a structure of type `ty`, in bytes; of `a|b`, the first that
    /// the layout has.
    ///
    /// # Errors
    /// [`FieldError::NoField`] if it has none of them.
    pub fn offset_in(&self, ty: TypeId, path: &str) -> Result<u64, FieldError> {
        Ok(self.place(ty, path)?.offset.byte().0)
    }

    /// As [`Names::offset_in`], with the type of the field.
    ///
    /// # Errors
    /// [`FieldError::NoField`] if it has none of them.
    pub fn place(&self, ty: TypeId, path: &str) -> Result<Resolved, FieldError> {
        let field = self.declared(ty, path);
        let field = field.map_err(|source| FieldError::NoField {
            field: Box::new(FieldAt {
                ty: self.type_name(ty),
                path: path.to_owned(),
                at: None,
            }),
            source,
        })?;
        Ok(field.place)
    }

    /// The value of a constant; `None` if the kernel has no constant of this name.
    pub fn constant(&self, name: &str) -> Option<i128> {
        let find = || self.layout.constant(name);
        looked_up(&mut self.constants.borrow_mut(), name, find)
    }

    /// The field of `ty` at `path`; of `a|b`, the first that the layout has. `None` if it has none of
    /// them.
    pub(crate) fn field(&self, ty: TypeId, path: &str) -> Option<Field> {
        let mut fields = self.fields.borrow_mut();
        let fields = fields.entry(ty).or_default();
        looked_up(fields, path, || {
            let mut names = path.split('|');
            names.find_map(|name| Some(self.described(self.resolve(ty, name).ok()?)))
        })
    }

    /// As [`Names::field`], and what is wrong with the last of its names if there is none.
    pub(crate) fn declared(&self, ty: TypeId, path: &str) -> Result<Field, PathError> {
        if let Some(field) = self.field(ty, path) {
            return Ok(field);
        }
        let last = path.rsplit('|').next().unwrap_or_default();
        Ok(self.described(self.resolve(ty, last)?))
    }

    fn resolve(&self, ty: TypeId, path: &str) -> Result<Resolved, PathError> {
        self.layout.resolve(ty, &FieldPath::parse(path)?)
    }

    pub(crate) fn described(&self, place: Resolved) -> Field {
        let size = self.layout.size_of(place.ty).map(|size| size.0);
        let signed = match self.layout.get(self.layout.strip(place.ty)) {
            Type::Int(int) => Some(int.signed),
            Type::Enum(e) => Some(e.signed),
            Type::Pointer { .. } => Some(false),
            Type::Void
            | Type::Float { .. }
            | Type::Array { .. }
            | Type::Composite(_)
            | Type::Typedef { .. }
            | Type::Qualified { .. }
            | Type::Forward { .. }
            | Type::FunctionProto { .. } => None,
        };
        let whole = size.and_then(|size| size.checked_mul(8));
        let bits = place.bit_field.map(|width| width.0).or(whole);
        let number = signed
            .zip(bits)
            .map(|(signed, bits)| Number { bits, signed });
        Field {
            place,
            size,
            number: number.filter(|number| (1..=64).contains(&number.bits)),
        }
    }

    /// What a type is, in a word.
    pub(crate) fn kind(&self, ty: TypeId) -> &'static str {
        match self.layout.get(self.layout.strip(ty)) {
            Type::Void => "nothing",
            Type::Int(_) => "an integer",
            Type::Float { .. } => "a floating-point number",
            Type::Pointer { .. } => "a pointer",
            Type::Array { .. } => "an array",
            Type::Composite(_) => "a structure or union",
            Type::Enum(_) => "an enumerator",
            Type::Forward { .. } => "a structure of which the layout has the name alone",
            Type::FunctionProto { .. } => "a function",
            Type::Typedef { .. } | Type::Qualified { .. } => "another name of a type",
        }
    }

    /// The type that a pointer of type `ty` leads to, if that is a structure or union.
    pub fn pointee(&self, ty: TypeId) -> Option<TypeId> {
        let Type::Pointer { target } = self.layout.get(self.layout.strip(ty)) else {
            return None;
        };
        let target = self.layout.strip(*target);
        matches!(self.layout.get(target), Type::Composite(_)).then_some(target)
    }

    /// Whether a value of type `outer` has, `offset` bytes from its start, a value of type `inner`.
    pub(crate) fn holds(&self, outer: TypeId, offset: u64, inner: TypeId) -> bool {
        let layout = self.layout;
        let (outer, inner) = (layout.strip(outer), layout.strip(inner));
        if offset == 0 && (outer == inner || self.have_one_name(outer, inner)) {
            return true;
        }
        match layout.get(outer) {
            Type::Composite(composite) => composite.members.iter().any(|member| {
                let size = layout.size_of(member.ty).map_or(0, |size| size.0);
                let into = offset.checked_sub(member.offset.byte().0);
                member.bit_field.is_none()
                    && into.is_some_and(|into| into < size && self.holds(member.ty, into, inner))
            }),
            Type::Array { element, .. } => match layout.size_of(*element) {
                Some(size) if size.0 > 0 => self.holds(*element, offset % size.0, inner),
                _ => false,
            },
            _ => false,
        }
    }

    fn have_one_name(&self, one: TypeId, other: TypeId) -> bool {
        let tag = |id| match self.layout.get(id) {
            Type::Composite(composite) => composite.name.as_deref(),
            _ => None,
        };
        tag(one).is_some_and(|name| tag(other) == Some(name))
    }

    /// Name of a type, for errors.
    pub(crate) fn type_name(&self, ty: TypeId) -> String {
        let tag = match self.layout.get(self.layout.strip(ty)) {
            Type::Composite(composite) => composite.name.clone(),
            _ => None,
        };
        let named = || self.layout.names(ty).first().map(|name| (*name).to_owned());
        tag.or_else(named)
            .unwrap_or_else(|| self.kind(ty).to_owned())
    }
}

fn looked_up<T: Copy>(
    known: &mut Known<T>,
    name: &str,
    find: impl FnOnce() -> Option<T>,
) -> Option<T> {
    if let Some(found) = known.get(name) {
        return *found;
    }
    let found = find();
    known.insert(name.into(), found);
    found
}
