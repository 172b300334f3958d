//! The objects of an image.

mod saved;

pub use saved::Saved;

use crate::error::FieldError;
use crate::names::Names;
use kconv_image::{Head, Image, ImageError, KernelAddr, ObjectBytes, ObjectId, SlotTarget};
use kernel_structs::layout::{Layout, TypeId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The objects of an image, all of them in memory, and the layout that they have.
pub struct Objects<'i> {
    image: &'i Image,
    names: Names<'i>,
    bytes: Arc<ObjectBytes<'i>>,
    /// By the index of a type in the image: the type in the layout. `None` for what has no name there:
    /// an array of pointers or of numbers.
    types: Vec<Option<TypeId>>,
    by_type: Arc<BTreeMap<&'i str, Vec<ObjectId>>>,
}

impl<'i> Objects<'i> {
    /// Reads all objects of `image`, whose kernel has `layout`.
    ///
    /// # Errors
    /// [`ImageError`] if they cannot be read, or are not what their digest says.
    pub fn new(image: &'i Image, layout: &'i Layout) -> Result<Objects<'i>, ImageError> {
        let (head, bytes) = (image.head(), image.read_objects()?);
        let mut by_type: BTreeMap<&str, Vec<ObjectId>> = BTreeMap::new();
        for (id, object) in (0..).map(ObjectId).zip(&head.objects) {
            by_type.entry(head.type_name(object)).or_default().push(id);
        }
        Ok(Objects {
            image,
            names: Names::new(layout),
            bytes: Arc::new(bytes),
            types: head.types.iter().map(|name| layout.find(name)).collect(),
            by_type: Arc::new(by_type),
        })
    }

    /// The same objects, for another thread.
    pub fn again(&self) -> Objects<'i> {
        Objects {
            image: self.image,
            names: Names::new(self.names.layout()),
            bytes: Arc::clone(&self.bytes),
            types: self.types.clone(),
            by_type: Arc::clone(&self.by_type),
        }
    }

    /// The image.
    pub fn image(&self) -> &'i Image {
        self.image
    }

    /// What the image says of itself.
    pub fn head(&self) -> &'i Head {
        self.image.head()
    }

    /// The names of the layout.
    pub fn names(&self) -> &Names<'i> {
        &self.names
    }

    /// The layout.
    pub fn layout(&self) -> &'i Layout {
        self.names.layout()
    }

    /// The bytes of an object.
    pub fn bytes(&self, id: ObjectId) -> &[u8] {
        self.bytes.get(id)
    }

    /// Name of the type of an object (of an element, for an array).
    pub fn type_name(&self, id: ObjectId) -> &'i str {
        self.head().type_name(self.head().object(id))
    }

    /// The type of an object; `None` for an array of pointers or numbers.
    pub fn ty(&self, id: ObjectId) -> Option<TypeId> {
        self.types[self.head().object(id).ty.0 as usize]
    }

    /// The numbers of all objects of a type, in the order of the image.
    pub fn ids_of(&self, ty: &str) -> &[ObjectId] {
        self.by_type.get(ty).map_or(&[], Vec::as_slice)
    }

    /// All objects of a type, in the order of the image.
    ///
    /// # Errors
    /// If there are some, and the layout does not have the type.
    pub fn of_type(&self, ty: &str) -> Result<Vec<Saved<'_>>, FieldError> {
        self.ids_of(ty).iter().map(|id| self.object(*id)).collect()
    }

    /// The object `id`, a structure.
    ///
    /// # Errors
    /// If the layout does not have its type.
    pub fn object(&self, id: ObjectId) -> Result<Saved<'_>, FieldError> {
        let ty = self.ty(id).ok_or_else(|| FieldError::NoType {
            ty: self.type_name(id).to_owned(),
        })?;
        Ok(Saved::new(self, id, 0, ty))
    }

    /// The object at or around an address, and how far into it the address is.
    pub fn object_at(&self, address: u64) -> Option<(ObjectId, u64)> {
        match address {
            0 => None,
            address => self.image.find(KernelAddr(address)),
        }
    }

    /// The symbol or resource that stands `offset` bytes into an object.
    pub fn slot(&self, id: ObjectId, offset: u64) -> Option<SlotTarget> {
        let slots = self.head().slots_of(id);
        let found = slots.binary_search_by_key(&offset, |slot| u64::from(slot.offset));
        found.ok().map(|index| slots[index].target)
    }

    /// Whether a structure of type `ty` lies `into` bytes from the start of an object.
    pub fn holds(&self, id: ObjectId, into: u64, ty: TypeId) -> bool {
        let of = self.head().object(id);
        let element = of.size / u64::from(of.count.max(1));
        let into = match of.count {
            0 | 1 => into,
            _ => into.checked_rem(element).unwrap_or(into),
        };
        self.ty(id).is_some_and(|of| self.names.holds(of, into, ty))
    }
}
