//! The fields of one structure, read strictly by the layout: one that is not there is an error and
//! never a zero.

use crate::inspect::error::FieldError;
use crate::inspect::raw::hex;
use crate::inspect::view::View;
use kconv_image::{ObjectId, Resource, SlotTarget, Symbol};
use kernel_structs::layout::{FieldPath, Resolved, Type, TypeId};
use kernel_structs::units::BitOffset;

/// Most elements of a list that are followed; a longer one is a broken image.
const LIST_LIMIT: usize = 1 << 20;

/// A structure: an object, or a place inside one.
#[derive(Copy, Clone)]
pub(super) struct Fields<'v> {
    pub(super) view: &'v View,
    pub(super) id: ObjectId,
    ty: TypeId,
    /// Bytes of the object before the structure.
    start: u64,
}

impl<'v> Fields<'v> {
    /// The fields of an object.
    pub(super) fn of(view: &'v View, id: ObjectId) -> Result<Fields<'v>, FieldError> {
        let at = view.head().object(id).address;
        let ty = view.ty(id).ok_or(FieldError::NoType { at })?;
        Ok(Fields {
            view,
            id,
            ty,
            start: 0,
        })
    }

    /// Where the structure lies.
    pub(super) fn address(&self) -> u64 {
        let object = self.view.head().object(self.id).address.0;
        object.wrapping_add(self.start)
    }

    /// Whether the layout has the field `path`.
    pub(super) fn has(&self, path: &str) -> bool {
        self.resolve(path).is_ok()
    }

    /// The number at `path`; of `a|b`, the first that the layout has.
    pub(super) fn number(&self, path: &str) -> Result<i128, FieldError> {
        let found = self.resolve(path)?;
        let layout = &self.view.layout;
        let scalar = matches!(
            layout.get(layout.strip(found.ty)),
            Type::Int(_) | Type::Enum(_) | Type::Pointer { .. }
        );
        if !scalar {
            let (ty, path) = self.names(path);
            return Err(FieldError::NotANumber { ty, path });
        }
        let number = self.view.scalar(self.view.bytes(self.id), &found);
        number.ok_or_else(|| self.past_end(path))
    }

    /// As [`Fields::number`]; of a signed field, the bits.
    pub(super) fn unsigned(&self, path: &str) -> Result<u64, FieldError> {
        Ok(self.number(path)? as u64)
    }

    /// As [`Fields::number`], for a field that can be negative.
    pub(super) fn signed(&self, path: &str) -> Result<i64, FieldError> {
        Ok(self.number(path)? as i64)
    }

    /// As [`Fields::number`], in hexadecimal.
    pub(super) fn hex(&self, path: &str) -> Result<String, FieldError> {
        Ok(hex(self.unsigned(path)?))
    }

    /// The elements of the array at `path`, or the one number there.
    pub(super) fn words(&self, path: &str) -> Result<Vec<u64>, FieldError> {
        let found = self.resolve(path)?;
        let layout = &self.view.layout;
        let Type::Array { count, .. } = layout.get(layout.strip(found.ty)) else {
            return Ok(vec![self.unsigned(path)?]);
        };
        // The name that the layout has, so that an index can follow it.
        let path = path.split('|').find(|path| self.has(path)).unwrap_or(path);
        let elements = (0..*count).map(|index| self.unsigned(&format!("{path}[{index}]")));
        elements.collect()
    }

    /// The text in the `char` array at `path`, up to a NUL.
    pub(super) fn text(&self, path: &str) -> Result<String, FieldError> {
        let bytes = self.bytes(path)?;
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(text.escape_ascii().to_string())
    }

    /// The bytes at `path`.
    pub(super) fn bytes(&self, path: &str) -> Result<&'v [u8], FieldError> {
        let found = self.resolve(path)?;
        let start = found.offset.byte().0 as usize;
        let size = self.view.layout.size_of(found.ty);
        let end = start + size.map_or(0, |size| size.0 as usize);
        let bytes = self.view.bytes(self.id).get(start..end);
        bytes.ok_or_else(|| self.past_end(path))
    }

    /// The object of type `ty` that begins where this one ends.
    pub(super) fn right_behind(&self, ty: &str) -> Option<Fields<'v>> {
        let object = self.view.head().object(self.id);
        let end = object.address.0.checked_add(object.size)?;
        let (id, start) = self.view.object_at(end)?;
        let found = start == 0 && self.view.type_name(id) == ty;
        Some(Fields {
            view: self.view,
            id,
            ty: self.view.ty(id).filter(|_| found)?,
            start,
        })
    }

    /// The structure that the pointer at `path` leads to; `None` if it is null or that was not
    /// saved.
    pub(super) fn follow(&self, path: &str) -> Result<Option<Fields<'v>>, FieldError> {
        let found = self.resolve(path)?;
        let layout = &self.view.layout;
        let Type::Pointer { target } = layout.get(layout.strip(found.ty)) else {
            let (ty, path) = self.names(path);
            return Err(FieldError::NotAPointer { ty, path });
        };
        let target = layout.strip(*target);
        let pointee = self.view.object_at(self.unsigned(path)?);
        Ok(pointee.map(|(id, start)| Fields {
            view: self.view,
            id,
            ty: target,
            start,
        }))
    }

    /// The structures `ty` that are linked by their `link` to the list head at `path`.
    pub(super) fn list(
        &self,
        path: &str,
        ty: &str,
        link: &str,
    ) -> Result<Vec<Fields<'v>>, FieldError> {
        let head = self.address_of(path)?;
        let mut elements = Vec::new();
        let mut next = self.unsigned(&format!("{path}.next"))?;
        while next != head && next != 0 {
            if elements.len() >= LIST_LIMIT {
                let (ty, path) = self.names(path);
                let at = self.view.head().object(self.id).address;
                return Err(FieldError::Endless { ty, path, at });
            }
            // What is on the list and was not saved ends it.
            let Some((id, _)) = self.view.object_at(next) else {
                break;
            };
            if self.view.type_name(id) != ty {
                break;
            }
            let element = Fields::of(self.view, id)?;
            next = element.unsigned(&format!("{link}.next"))?;
            elements.push(element);
        }
        Ok(elements)
    }

    /// The symbol that the pointer at `path` stands for.
    pub(super) fn symbol(&self, path: &str) -> Result<Option<&'v Symbol>, FieldError> {
        Ok(match self.slot(path)? {
            Some(SlotTarget::Symbol(symbol)) => self.view.head().symbols.get(symbol.0 as usize),
            _ => None,
        })
    }

    /// The resource that the pointer at `path` stands for.
    pub(super) fn resource(&self, path: &str) -> Result<Option<&'v Resource>, FieldError> {
        Ok(match self.slot(path)? {
            Some(SlotTarget::Resource(resource)) => self.view.resource_by_id(resource),
            _ => None,
        })
    }

    /// The elements of the flexible array that the object ends in.
    pub(super) fn tail(&self) -> Vec<Fields<'v>> {
        let Some(tail) = self.view.tail(self.id) else {
            return Vec::new();
        };
        let room = self.view.bytes(self.id).len() as u64 / tail.place.element_size.max(1);
        let elements = (0..tail.elements.min(room)).map(|index| Fields {
            ty: tail.place.element,
            start: tail.place.offset + index * tail.place.element_size,
            ..*self
        });
        elements.collect()
    }

    fn address_of(&self, path: &str) -> Result<u64, FieldError> {
        let object = self.view.head().object(self.id).address.0;
        Ok(object.wrapping_add(self.resolve(path)?.offset.byte().0))
    }

    fn slot(&self, path: &str) -> Result<Option<SlotTarget>, FieldError> {
        let offset = self.resolve(path)?.offset.byte().0;
        Ok(self.view.slot(self.id, offset))
    }

    /// Where `path` leads to, from the start of the object.
    fn resolve(&self, path: &str) -> Result<Resolved, FieldError> {
        let mut names = path.split('|').peekable();
        loop {
            let name = names.next().unwrap_or_default();
            let found = FieldPath::parse(name)
                .and_then(|parsed| self.view.layout.resolve(self.ty, &parsed));
            match found {
                Ok(found) => {
                    let start = BitOffset(8 * self.start);
                    let offset = start.checked_add(found.offset);
                    let offset = offset.ok_or_else(|| self.past_end(path))?;
                    return Ok(Resolved { offset, ..found });
                }
                Err(source) if names.peek().is_none() => {
                    let ty = self.names(path).0;
                    return Err(FieldError::Path { ty, source });
                }
                Err(_) => {}
            }
        }
    }

    fn names(&self, path: &str) -> (String, String) {
        (self.view.layout.type_name(self.ty), path.to_owned())
    }

    fn past_end(&self, path: &str) -> FieldError {
        let (ty, path) = self.names(path);
        let at = self.view.head().object(self.id).address;
        FieldError::PastEnd { ty, path, at }
    }
}

/// The same reading of several fields, by name.
pub(super) fn each<T, const N: usize>(
    names: [&'static str; N],
    read: impl Fn(&str) -> Result<T, FieldError>,
) -> Result<std::collections::BTreeMap<&'static str, T>, FieldError> {
    names
        .into_iter()
        .map(|name| Ok((name, read(name)?)))
        .collect()
}
