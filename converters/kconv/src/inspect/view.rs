//! An image held against the layout of its kernel.

use kconv_image::{
    Fingerprint, Head, Image, ImageError, KernelAddr, ObjectId, Resource, ResourceId, SlotTarget,
    Symbol,
};
use kconv_runtime::bits;
use kernel_structs::layout::{FieldPath, Layout, Resolved, Type, TypeId};
use kernel_structs::state::{StateMap, TailPlace};
use std::collections::BTreeMap;

/// An image with all its objects in memory, and the layout they have.
pub(crate) struct View {
    pub(crate) image: Image,
    pub(crate) layout: Layout,
    bytes: Vec<Vec<u8>>,
    types: BTreeMap<String, TypeId>,
    /// Flexible arrays by the type that ends in them: name and place.
    tails: BTreeMap<String, (String, TailPlace)>,
}

/// The flexible array of an object.
pub(crate) struct ObjectTail<'a> {
    pub(crate) member: &'a str,
    pub(crate) place: TailPlace,
    pub(crate) elements: u64,
}

impl View {
    /// Reads all objects of `image`, which is of a kernel with `layout`, of the family of `map`.
    ///
    /// # Errors
    /// [`ImageError`] if they cannot be read.
    pub(crate) fn new(image: Image, layout: Layout, map: &StateMap) -> Result<View, ImageError> {
        let mut bytes = Vec::with_capacity(image.head().objects.len());
        let mut objects = image.objects();
        while let Some((_, object)) = objects.next_object()? {
            bytes.push(object.to_vec());
        }
        let types: BTreeMap<String, TypeId> = image
            .head()
            .types
            .iter()
            .filter_map(|name| Some((name.clone(), layout.find(name)?)))
            .collect();
        let tails = types
            .iter()
            .filter_map(|(name, ty)| {
                let member = map.types.get(name)?.tail.as_ref()?.member.clone();
                Some((name.clone(), (member, map.tail(&layout, *ty)?)))
            })
            .collect();
        Ok(View {
            image,
            layout,
            bytes,
            types,
            tails,
        })
    }

    pub(crate) fn head(&self) -> &Head {
        self.image.head()
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.head().identity.kernel.fingerprint
    }

    /// The bytes of an object.
    pub(crate) fn bytes(&self, id: ObjectId) -> &[u8] {
        &self.bytes[id.0 as usize]
    }

    /// Name of the type of an object (of an element, for an array).
    pub(crate) fn type_name(&self, id: ObjectId) -> &str {
        self.head().type_name(self.head().object(id))
    }

    /// The type of an object; `None` for an array of pointers or integers.
    pub(crate) fn ty(&self, id: ObjectId) -> Option<TypeId> {
        self.types.get(self.type_name(id)).copied()
    }

    /// The flexible array that an object ends in, as long as the object says.
    pub(crate) fn tail(&self, id: ObjectId) -> Option<ObjectTail<'_>> {
        let (member, place) = self.tails.get(self.type_name(id))?;
        Some(ObjectTail {
            member,
            place: *place,
            elements: place.elements(self.bytes(id))?,
        })
    }

    /// All objects of a type.
    pub(crate) fn of_type<'a>(&'a self, ty: &'a str) -> impl Iterator<Item = ObjectId> + 'a {
        (0..self.head().objects.len() as u32)
            .map(ObjectId)
            .filter(move |id| self.type_name(*id) == ty)
    }

    /// Where the field `path` of object `id` lies.
    pub(crate) fn resolve(&self, id: ObjectId, path: &str) -> Option<Resolved> {
        let path = FieldPath::parse(path).ok()?;
        self.layout.resolve(self.ty(id)?, &path).ok()
    }

    /// The integer, pointer or enumerator in the field `path` of object `id`.
    pub(crate) fn number(&self, id: ObjectId, path: &str) -> Option<i128> {
        let field = self.resolve(id, path)?;
        self.scalar(self.bytes(id), &field)
    }

    /// As [`View::number`]; 0 if there is no such field.
    pub(crate) fn unsigned(&self, id: ObjectId, path: &str) -> u64 {
        self.number(id, path).unwrap_or(0) as u64
    }

    /// As [`View::number`], for a field that can be negative; 0 if there is no such field.
    pub(crate) fn signed(&self, id: ObjectId, path: &str) -> i64 {
        self.number(id, path).unwrap_or(0) as i64
    }

    /// The scalar at `field` in `bytes`.
    pub(crate) fn scalar(&self, bytes: &[u8], field: &Resolved) -> Option<i128> {
        let stripped = self.layout.strip(field.ty);
        let signed = match self.layout.get(stripped) {
            Type::Int(int) => int.signed,
            Type::Enum(e) => e.signed,
            Type::Pointer { .. } => false,
            _ => return None,
        };
        let width = match field.bit_field {
            Some(width) => width.0,
            None => self.layout.size_of(stripped)?.bits()?.0,
        };
        let offset = u32::try_from(field.offset.0).ok()?;
        (field.offset.0 + width <= 8 * bytes.len() as u64)
            .then(|| bits::get(bytes, offset, width as u32, signed))
    }

    /// Bytes of the field `path`, up to the first zero, as text.
    pub(crate) fn text(&self, id: ObjectId, path: &str) -> String {
        let Some(field) = self.resolve(id, path) else {
            return String::new();
        };
        let start = field.offset.byte().0 as usize;
        let size = self
            .layout
            .size_of(field.ty)
            .map_or(0, |size| size.0 as usize);
        let bytes = self.bytes(id).get(start..start + size).unwrap_or_default();
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        text.escape_ascii().to_string()
    }

    /// The object that the pointer in `path` points at.
    pub(crate) fn pointee(&self, id: ObjectId, path: &str) -> Option<ObjectId> {
        self.object_at(self.unsigned(id, path))
            .map(|(target, _)| target)
    }

    /// The object at or around an address, and how far into it the address is.
    pub(crate) fn object_at(&self, address: u64) -> Option<(ObjectId, u64)> {
        match address {
            0 => None,
            address => self.image.find(KernelAddr(address)),
        }
    }

    /// What the slot at byte `offset` of object `id` means.
    pub(crate) fn slot(&self, id: ObjectId, offset: u64) -> Option<SlotTarget> {
        let slots = self.head().slots_of(id);
        slots
            .binary_search_by_key(&offset, |slot| u64::from(slot.offset))
            .ok()
            .map(|index| slots[index].target)
    }

    /// The symbol behind the pointer in `path`.
    pub(crate) fn symbol(&self, id: ObjectId, path: &str) -> Option<&Symbol> {
        match self.slot(id, self.resolve(id, path)?.offset.byte().0)? {
            SlotTarget::Symbol(symbol) => self.head().symbols.get(symbol.0 as usize),
            SlotTarget::Resource(_) => None,
        }
    }

    /// The resource behind the pointer in `path`.
    pub(crate) fn resource(&self, id: ObjectId, path: &str) -> Option<&Resource> {
        match self.slot(id, self.resolve(id, path)?.offset.byte().0)? {
            SlotTarget::Resource(resource) => self.resource_by_id(resource),
            SlotTarget::Symbol(_) => None,
        }
    }

    pub(crate) fn resource_by_id(&self, id: ResourceId) -> Option<&Resource> {
        self.head().resources.get(id.0 as usize)
    }
}

/// `name+0x1c`, or the name alone.
pub(crate) fn symbol_text(symbol: &Symbol) -> String {
    match symbol.offset {
        0 => symbol.name.clone(),
        offset => format!("{}+{offset:#x}", symbol.name),
    }
}
