//! A structure in an image, and the way from it to others.

use super::Objects;
use crate::error::FieldError;
use crate::structure::Structure;
use kconv_image::{KernelAddr, ObjectId, Resource, ResourceId, SlotTarget, Symbol};
use kernel_structs::layout::TypeId;
use std::collections::BTreeSet;
use std::ops::Deref;

/// A structure that was saved: an object of an image, or a part of one. Its fields are those of a
/// [`Structure`].
#[derive(Copy, Clone)]
pub struct Saved<'o> {
    objects: &'o Objects<'o>,
    id: ObjectId,
    /// Where it begins in the object, in bytes.
    start: u64,
    structure: Structure<'o, &'o [u8]>,
}

impl<'o> Deref for Saved<'o> {
    type Target = Structure<'o, &'o [u8]>;

    fn deref(&self) -> &Structure<'o, &'o [u8]> {
        &self.structure
    }
}

impl<'o> Saved<'o> {
    /// The structure of type `ty`, `start` bytes into an object.
    pub(crate) fn new(objects: &'o Objects<'o>, id: ObjectId, start: u64, ty: TypeId) -> Saved<'o> {
        let bytes = usize::try_from(start).ok();
        let bytes = bytes.and_then(|start| objects.bytes(id).get(start..));
        let at = objects.head().object(id).address.0.wrapping_add(start);
        let bytes = bytes.unwrap_or_default();
        Saved {
            objects,
            id,
            start,
            structure: Structure::new(objects.names(), ty, KernelAddr(at), bytes),
        }
    }

    /// The objects that it is one of.
    pub fn objects(&self) -> &'o Objects<'o> {
        self.objects
    }

    /// The object that it is, or is a part of.
    pub fn id(&self) -> ObjectId {
        self.id
    }

    /// The structure that the pointer at `path` leads to; `None` if it is null, or leads to what was not
    /// saved.
    ///
    /// # Errors
    /// If it is no pointer at a structure, or something else was saved where it leads to.
    pub fn follow(&self, path: &str) -> Result<Option<Saved<'o>>, FieldError> {
        let (address, ty) = (self.unsigned(path)?, self.pointee(path)?);
        self.structure_at(path, address, ty)
    }

    /// As [`Saved::follow`], where there has to be one.
    ///
    /// # Errors
    /// As [`Saved::follow`], and if it leads to nothing that was saved.
    pub fn required(&self, path: &str) -> Result<Saved<'o>, FieldError> {
        match self.follow(path)? {
            Some(found) => Ok(found),
            None => {
                let expected = self.names().type_name(self.pointee(path)?);
                Err(self.dangling(path, self.unsigned(path)?, expected))
            }
        }
    }

    /// `size` bytes that the pointer at `path` leads to.
    ///
    /// # Errors
    /// If it leads to nothing that was saved, or to less.
    pub fn bytes_at(&self, path: &str, size: u64) -> Result<&'o [u8], FieldError> {
        let (bytes, into) = self.memory_at(path)?;
        let range = into..into.saturating_add(usize::try_from(size).unwrap_or(usize::MAX));
        let short = || self.too_short(path, bytes, into, size);
        bytes.get(range).ok_or_else(short)
    }

    /// All bytes of the object that the pointer at `path` leads to.
    ///
    /// # Errors
    /// If it leads to nothing that was saved, or into the middle of something.
    pub fn all_at(&self, path: &str) -> Result<&'o [u8], FieldError> {
        match self.memory_at(path)? {
            (bytes, 0) => Ok(bytes),
            _ => Err(FieldError::OtherType {
                field: self.field_at(path),
                found: "a part of an object".to_owned(),
                expected: "a whole one".to_owned(),
            }),
        }
    }

    /// The object of type `ty` that begins where the one that this is in ends; `None` if there is none.
    ///
    /// # Errors
    /// If the layout does not have the type.
    pub fn right_behind(&self, ty: &str) -> Result<Option<Saved<'o>>, FieldError> {
        let object = self.objects.head().object(self.id);
        let end = object.address.0.checked_add(object.size);
        let found = end.and_then(|end| self.objects.object_at(end));
        let of_type =
            |(id, into): &(ObjectId, u64)| *into == 0 && self.objects.type_name(*id) == ty;
        let found = found.filter(of_type);
        found.map(|(id, _)| self.objects.object(id)).transpose()
    }

    /// The structures `ty` that are linked by their `link` to the list head at `path`.
    ///
    /// # Errors
    /// If the list does not end, or leads to what was not saved or is something else.
    pub fn list(&self, path: &str, ty: &str, link: &str) -> Result<Vec<Saved<'o>>, FieldError> {
        let names = self.names();
        let ty_id = names.find(ty)?;
        let next_of = format!("{link}.next");
        let head = self.address_of(path)?.0;
        let mut next = self.unsigned(&format!("{path}.next"))?;
        let mut offset = None;
        let mut elements = Vec::new();
        let mut seen = BTreeSet::new();
        while next != head {
            if !seen.insert(next) {
                return Err(FieldError::Endless {
                    field: self.field_at(path),
                    again: KernelAddr(next),
                });
            }
            let offset = match offset {
                Some(offset) => offset,
                None => *offset.insert(names.offset_in(ty_id, link)?),
            };
            let element = next.checked_sub(offset).filter(|_| next != 0);
            let element = match element {
                Some(at) => self.structure_at(path, at, ty_id)?,
                None => None,
            };
            let element = element.ok_or_else(|| self.dangling(path, next, ty.to_owned()))?;
            elements.push(element);
            next = element.unsigned(&next_of)?;
        }
        Ok(elements)
    }

    /// The structures of one type of which the pointer at `path` leads to the first, and the pointer `next` of
    /// each to the next, until one is null or leads to what was not saved.
    ///
    /// # Errors
    /// If one comes twice, or something else was saved where a pointer leads to.
    pub fn chain(&self, path: &str, next: &str) -> Result<Vec<Saved<'o>>, FieldError> {
        let mut seen = BTreeSet::new();
        let mut elements = Vec::new();
        let mut following = self.follow(path)?;
        while let Some(element) = following {
            if !seen.insert(element.at()) {
                return Err(FieldError::Endless {
                    field: self.field_at(path),
                    again: element.at(),
                });
            }
            elements.push(element);
            following = element.follow(next)?;
        }
        Ok(elements)
    }

    /// The symbol that the pointer at `path` stands for.
    ///
    /// # Errors
    /// If there is no such field.
    pub fn symbol(&self, path: &str) -> Result<Option<&'o Symbol>, FieldError> {
        Ok(match self.slot(path)? {
            Some(SlotTarget::Symbol(id)) => self.objects.head().symbols.get(id.0 as usize),
            Some(SlotTarget::Resource(_)) | None => None,
        })
    }

    /// As [`Saved::symbol`], the name of it: where the pointer leads past the symbol does not matter.
    ///
    /// # Errors
    /// If there is no such field.
    pub fn symbol_name(&self, path: &str) -> Result<Option<&'o str>, FieldError> {
        let symbol = self.symbol(path)?;
        Ok(symbol.map(|symbol| symbol.name.as_str()))
    }

    /// The number of the resource that the pointer at `path` stands for.
    ///
    /// # Errors
    /// If there is no such field.
    pub fn resource_id(&self, path: &str) -> Result<Option<ResourceId>, FieldError> {
        Ok(match self.slot(path)? {
            Some(SlotTarget::Resource(id)) => Some(id),
            Some(SlotTarget::Symbol(_)) | None => None,
        })
    }

    /// The resource that the pointer at `path` stands for.
    ///
    /// # Errors
    /// If there is no such field.
    pub fn resource(&self, path: &str) -> Result<Option<&'o Resource>, FieldError> {
        let id = self.resource_id(path)?;
        Ok(id.and_then(|id| self.objects.head().resources.get(id.0 as usize)))
    }

    /// Whether the number at `path`, which a conversion may have reset, was anything but zero at the
    /// freeze.
    ///
    /// # Errors
    /// As [`Structure::number`].
    pub fn was_set(&self, path: &str) -> Result<bool, FieldError> {
        if self.unsigned(path)? != 0 {
            return Ok(true);
        }
        let kept = self.objects.head().remainder.iter();
        let mut own = kept.filter(|kept| kept.object == self.id && *kept.field == *path);
        Ok(own.any(|kept| kept.bytes.iter().any(|byte| *byte != 0)))
    }

    /// The structure that is the field at `path`.
    ///
    /// # Errors
    /// If there is no such field, or the object ends before it.
    pub fn part(&self, path: &str) -> Result<Saved<'o>, FieldError> {
        let field = self.field(path)?;
        self.bytes_from(path, field.size.unwrap_or(0))?;
        let into = field.place.offset.byte().0;
        Ok(self.inside(into, field.place.ty))
    }

    /// The elements of the flexible array at `path`, of which the kernel says elsewhere that there are
    /// `count`.
    ///
    /// # Errors
    /// If it is no array, or the object ends before it.
    pub fn flexible(&self, path: &str, count: u64) -> Result<Vec<Saved<'o>>, FieldError> {
        let elements = self.structure.elements_of(path, count)?;
        let own = self.at().0;
        let inside = |element: Structure<'_, _>| {
            self.inside(element.at().0.wrapping_sub(own), element.type_id())
        };
        Ok(elements.into_iter().map(inside).collect())
    }

    fn inside(&self, into: u64, ty: TypeId) -> Saved<'o> {
        Saved::new(self.objects, self.id, self.start + into, ty)
    }

    fn pointee(&self, path: &str) -> Result<TypeId, FieldError> {
        let field = self.field(path)?;
        let pointee = self.names().pointee(field.place.ty);
        pointee.ok_or_else(|| self.kind(path, &field, "a pointer at a structure"))
    }

    /// The structure of type `ty` at `address`, which `path` led to.
    fn structure_at(
        &self,
        path: &str,
        address: u64,
        ty: TypeId,
    ) -> Result<Option<Saved<'o>>, FieldError> {
        let Some((id, into)) = self.objects.object_at(address) else {
            return Ok(None);
        };
        if !self.objects.holds(id, into, ty) {
            let found = self.objects.type_name(id);
            return Err(FieldError::OtherType {
                field: self.field_at(path),
                found: match into {
                    0 => found.to_owned(),
                    into => format!("{found}+{into}"),
                },
                expected: self.names().type_name(ty),
            });
        }
        Ok(Some(Saved::new(self.objects, id, into, ty)))
    }

    /// The object that the pointer at `path` leads to, and how far into it.
    fn memory_at(&self, path: &str) -> Result<(&'o [u8], usize), FieldError> {
        let address = self.unsigned(path)?;
        let found = self.objects.object_at(address);
        let found = found.and_then(|(id, into)| Some((id, usize::try_from(into).ok()?)));
        let nothing = || self.dangling(path, address, "an array".to_owned());
        let (id, into) = found.ok_or_else(nothing)?;
        Ok((self.objects.bytes(id), into))
    }

    fn too_short(&self, path: &str, bytes: &[u8], into: usize, expected: u64) -> FieldError {
        FieldError::PastEnd {
            field: self.field_at(path),
            found: (bytes.len() - into.min(bytes.len())) as u64,
            expected,
        }
    }

    fn dangling(&self, path: &str, found: u64, expected: String) -> FieldError {
        FieldError::Dangling {
            field: self.field_at(path),
            found,
            expected,
        }
    }

    fn slot(&self, path: &str) -> Result<Option<SlotTarget>, FieldError> {
        let offset = self.offset_of(path)?.checked_add(self.start);
        Ok(offset.and_then(|offset| self.objects.slot(self.id, offset)))
    }
}
