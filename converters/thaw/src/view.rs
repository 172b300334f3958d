//! The kernel objects of an image, read by names of fields and the running kernel's layout, and by
//! nothing else: the notes for debuggers that an image has as well are not looked at.

use crate::clocks::ClockError;
use kconv_image::{
    Image, ImageError, KernelAddr, ObjectId, Resource, ResourceId, SlotTarget, Value,
};
use kernel_structs::layout::{FieldPath, Layout, PathError, Resolved, Type, TypeId};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The longest list that is believed: there are no more tasks, signals or mappings than this.
const LIST_LIMIT: usize = 1 << 20;

/// Why the objects of an image cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The kernel has no such type.
    #[error("the kernel has no type {ty}")]
    NoType {
        /// Its name.
        ty: &'static str,
    },
    /// The kernel's type has no such field.
    #[error("{ty}.{path}: {source}")]
    NoField {
        /// The type.
        ty: String,
        /// The field.
        path: String,
        /// Why not.
        source: PathError,
    },
    /// A field is no number.
    #[error("{ty}.{path} is no number")]
    NotScalar {
        /// The type.
        ty: String,
        /// The field.
        path: String,
    },
    /// An object ends before a field of it does.
    #[error("{ty} at {at}: {path} lies past its end")]
    TooShort {
        /// Type of the object.
        ty: String,
        /// Its address.
        at: KernelAddr,
        /// The field.
        path: String,
    },
    /// A pointer leads to nothing that was saved, though a task cannot be without.
    #[error("{ty} at {at}: {path} leads to nothing in the image")]
    Dangling {
        /// Type of the object.
        ty: String,
        /// Its address.
        at: KernelAddr,
        /// The field.
        path: String,
    },
    /// A list does not end.
    #[error("{ty} at {at}: the list {path} has no end")]
    Endless {
        /// Type of the object.
        ty: String,
        /// Its address.
        at: KernelAddr,
        /// The field.
        path: String,
    },
    /// A value that no task can have.
    #[error("{ty} at {at}: {path} is {found}, which no task can have: {why}")]
    Absurd {
        /// Type of the object.
        ty: String,
        /// Its address.
        at: KernelAddr,
        /// The field.
        path: String,
        /// The value.
        found: u64,
        /// What it has to be.
        why: &'static str,
    },
    /// The clocks make no sense.
    #[error(transparent)]
    Clocks(#[from] ClockError),
    /// The image cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
}

/// An image and the layout that its objects have.
pub(crate) struct View<'i> {
    pub(crate) image: &'i Image,
    layout: &'i Layout,
    bytes: Vec<Vec<u8>>,
    /// The constants that were asked for: a layout is searched for each, and each mapping asks for some.
    constants: RefCell<BTreeMap<String, Option<i128>>>,
}

/// A structure in an object: the object itself, or a part of it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) object: ObjectId,
    base: u64,
    ty: TypeId,
}

impl<'i> View<'i> {
    /// Reads all objects of `image`, whose layout is `layout`.
    pub(crate) fn new(image: &'i Image, layout: &'i Layout) -> Result<View<'i>, ImageError> {
        let mut bytes = Vec::with_capacity(image.head().objects.len());
        let mut objects = image.objects();
        while let Some((_, object)) = objects.next_object()? {
            bytes.push(object.to_vec());
        }
        Ok(View {
            image,
            layout,
            bytes,
            constants: RefCell::default(),
        })
    }

    /// All objects of a type, in the order of the image.
    pub(crate) fn of_type(&self, ty: &'static str) -> Result<Vec<Place>, DecodeError> {
        let head = self.image.head();
        let of_type = |object: &&kconv_image::Object| head.type_name(object) == ty;
        if !head.objects.iter().any(|object| of_type(&object)) {
            return Ok(Vec::new());
        }
        let id = self.find(ty)?;
        let objects = (0..).map(ObjectId).zip(&head.objects);
        Ok(objects
            .filter(|(_, object)| of_type(object))
            .map(|(object, _)| Place {
                object,
                base: 0,
                ty: id,
            })
            .collect())
    }

    fn find(&self, ty: &'static str) -> Result<TypeId, DecodeError> {
        self.layout.find(ty).ok_or(DecodeError::NoType { ty })
    }

    /// Address of a structure in kernel memory.
    pub(crate) fn address(&self, place: Place) -> KernelAddr {
        let object = self.image.head().object(place.object);
        KernelAddr(object.address.0.wrapping_add(place.base))
    }

    fn type_name(&self, place: Place) -> String {
        let names = self.layout.names(place.ty);
        match (names.first(), self.layout.get(self.layout.strip(place.ty))) {
            (_, Type::Composite(composite)) if composite.name.is_some() => {
                composite.name.clone().unwrap_or_default()
            }
            (Some(name), _) => (*name).to_owned(),
            _ => "a structure".to_owned(),
        }
    }

    fn resolve(&self, place: Place, path: &str) -> Result<Resolved, DecodeError> {
        let no_field = |source| DecodeError::NoField {
            ty: self.type_name(place),
            path: path.to_owned(),
            source,
        };
        let parsed = FieldPath::parse(path).map_err(no_field)?;
        self.layout.resolve(place.ty, &parsed).map_err(no_field)
    }

    /// Whether the kernel's type has a field.
    pub(crate) fn has(&self, place: Place, path: &str) -> bool {
        self.resolve(place, path).is_ok()
    }

    /// The value of a constant of the kernel, if it has it.
    pub(crate) fn constant(&self, name: &str) -> Option<i128> {
        let mut known = self.constants.borrow_mut();
        if let Some(value) = known.get(name) {
            return *value;
        }
        let value = self.layout.constant(name);
        known.insert(name.to_owned(), value);
        value
    }

    fn too_short(&self, place: Place, path: &str) -> DecodeError {
        DecodeError::TooShort {
            ty: self.type_name(place),
            at: self.address(place),
            path: path.to_owned(),
        }
    }

    /// A value that no task can have.
    pub(crate) fn absurd(
        &self,
        place: Place,
        path: &str,
        found: u64,
        why: &'static str,
    ) -> DecodeError {
        DecodeError::Absurd {
            ty: self.type_name(place),
            at: self.address(place),
            path: path.to_owned(),
            found,
            why,
        }
    }

    /// `size` bytes from where a field begins; past its end too, if the object is that long.
    pub(crate) fn bytes_from(
        &self,
        place: Place,
        path: &str,
        size: u64,
    ) -> Result<&[u8], DecodeError> {
        let start = place.base + self.resolve(place, path)?.offset.byte().0;
        let bytes = &self.bytes[place.object.0 as usize];
        usize::try_from(start)
            .ok()
            .zip(usize::try_from(start.saturating_add(size)).ok())
            .and_then(|(start, end)| bytes.get(start..end))
            .ok_or_else(|| self.too_short(place, path))
    }

    /// The bytes of a field.
    pub(crate) fn field(&self, place: Place, path: &str) -> Result<&[u8], DecodeError> {
        let ty = self.resolve(place, path)?.ty;
        let size = self.layout.size_of(ty).map_or(0, |size| size.0);
        self.bytes_from(place, path, size)
    }

    fn number(&self, place: Place, path: &str) -> Result<i128, DecodeError> {
        let field = self.resolve(place, path)?;
        let stripped = self.layout.strip(field.ty);
        let not_scalar = || DecodeError::NotScalar {
            ty: self.type_name(place),
            path: path.to_owned(),
        };
        let signed = match self.layout.get(stripped) {
            Type::Int(int) => int.signed,
            Type::Enum(e) => e.signed,
            Type::Pointer { .. } => false,
            _ => return Err(not_scalar()),
        };
        let whole = self.layout.size_of(stripped).ok_or_else(not_scalar)?.0 * 8;
        let width = field.bit_field.map_or(whole, |width| width.0).min(64);
        let first = 8 * place.base + field.offset.0;
        let bytes = &self.bytes[place.object.0 as usize];
        let span = (first / 8) as usize..(first + width).div_ceil(8) as usize;
        let bytes = bytes.get(span).ok_or_else(|| self.too_short(place, path))?;
        let value = bytes
            .iter()
            .rev()
            .fold(0u128, |value, byte| value << 8 | u128::from(*byte));
        let value = value >> (first % 8) & ((1u128 << width) - 1);
        Ok(match signed && width > 0 && value >> (width - 1) & 1 == 1 {
            true => value as i128 - (1i128 << width),
            false => value as i128,
        })
    }

    /// A field as a number without a sign.
    pub(crate) fn unsigned(&self, place: Place, path: &str) -> Result<u64, DecodeError> {
        Ok(self.number(place, path)? as u64)
    }

    /// A field as a number with a sign.
    pub(crate) fn signed(&self, place: Place, path: &str) -> Result<i64, DecodeError> {
        Ok(self.number(place, path)? as i64)
    }

    /// A field as a number of 32 bits, such as a pid.
    pub(crate) fn int(&self, place: Place, path: &str) -> Result<i32, DecodeError> {
        Ok(self.number(place, path)? as i32)
    }

    /// A field of characters, up to the first zero.
    pub(crate) fn text(&self, place: Place, path: &str) -> Result<Vec<u8>, DecodeError> {
        let bytes = self.field(place, path)?.split(|byte| *byte == 0);
        Ok(bytes.take(1).flatten().copied().collect())
    }

    /// The structure of type `ty` that the pointer in `path` leads to; `None` if that was not saved.
    pub(crate) fn follow(
        &self,
        place: Place,
        path: &str,
        ty: &'static str,
    ) -> Result<Option<Place>, DecodeError> {
        let address = self.unsigned(place, path)?;
        Ok(match self.object_at(address) {
            Some((object, base)) => Some(Place {
                object,
                base,
                ty: self.find(ty)?,
            }),
            None => None,
        })
    }

    /// As [`View::follow`], for a pointer that a task cannot be without.
    pub(crate) fn required(
        &self,
        place: Place,
        path: &str,
        ty: &'static str,
    ) -> Result<Place, DecodeError> {
        self.follow(place, path, ty)?
            .ok_or_else(|| DecodeError::Dangling {
                ty: self.type_name(place),
                at: self.address(place),
                path: path.to_owned(),
            })
    }

    /// The object of type `ty` that begins where the one of `place` ends.
    pub(crate) fn right_behind(
        &self,
        place: Place,
        ty: &'static str,
    ) -> Result<Option<Place>, DecodeError> {
        let object = self.image.head().object(place.object);
        let end = object.address.0.checked_add(object.size);
        let found = end.and_then(|end| self.object_at(end));
        let of_type = |(id, into): &(ObjectId, u64)| {
            let head = self.image.head();
            *into == 0 && head.type_name(head.object(*id)) == ty
        };
        match found.filter(of_type) {
            Some((object, base)) => Ok(Some(Place {
                object,
                base,
                ty: self.find(ty)?,
            })),
            None => Ok(None),
        }
    }

    /// The object at or around an address, and how far into it the address is.
    pub(crate) fn object_at(&self, address: u64) -> Option<(ObjectId, u64)> {
        match address {
            0 => None,
            address => self.image.find(KernelAddr(address)),
        }
    }

    /// `size` bytes that the pointer in `path` leads to.
    pub(crate) fn bytes_at(
        &self,
        place: Place,
        path: &str,
        size: u64,
    ) -> Result<&[u8], DecodeError> {
        let address = self.unsigned(place, path)?;
        let (object, into) = self
            .object_at(address)
            .ok_or_else(|| DecodeError::Dangling {
                ty: self.type_name(place),
                at: self.address(place),
                path: path.to_owned(),
            })?;
        let bytes = &self.bytes[object.0 as usize];
        let range = into as usize..into.saturating_add(size) as usize;
        bytes.get(range).ok_or_else(|| self.too_short(place, path))
    }

    /// All bytes of the object that the pointer in `path` leads to.
    pub(crate) fn all_at(&self, place: Place, path: &str) -> Result<&[u8], DecodeError> {
        let address = self.unsigned(place, path)?;
        let found = self.object_at(address).filter(|(_, into)| *into == 0);
        let (object, _) = found.ok_or_else(|| DecodeError::Dangling {
            ty: self.type_name(place),
            at: self.address(place),
            path: path.to_owned(),
        })?;
        Ok(&self.bytes[object.0 as usize])
    }

    /// The elements of type `ty`, linked by their field `link`, of the list whose head is the field
    /// `path`.
    pub(crate) fn list(
        &self,
        place: Place,
        path: &str,
        ty: &'static str,
        link: &str,
    ) -> Result<Vec<Place>, DecodeError> {
        let ty_id = self.find(ty)?;
        let head = self.address(place).0 + self.resolve(place, path)?.offset.byte().0;
        let mut next = self.unsigned(place, &format!("{path}.next"))?;
        let mut elements = Vec::new();
        while next != head {
            let Some((object, into)) = self.object_at(next) else {
                break;
            };
            let whole = Place {
                object,
                base: 0,
                ty: ty_id,
            };
            let offset = self.resolve(whole, link)?.offset.byte().0;
            let Some(base) = into.checked_sub(offset) else {
                break;
            };
            if elements.len() >= LIST_LIMIT {
                return Err(DecodeError::Endless {
                    ty: self.type_name(place),
                    at: self.address(place),
                    path: path.to_owned(),
                });
            }
            let element = Place { base, ..whole };
            elements.push(element);
            next = self.unsigned(element, &format!("{link}.next"))?;
        }
        Ok(elements)
    }

    fn slot(&self, place: Place, path: &str) -> Result<Option<SlotTarget>, DecodeError> {
        let offset = place.base + self.resolve(place, path)?.offset.byte().0;
        let slots = self.image.head().slots_of(place.object);
        let found = slots.binary_search_by_key(&offset, |slot| u64::from(slot.offset));
        Ok(found.ok().map(|index| slots[index].target))
    }

    /// Name of the symbol that the pointer in `path` stands for.
    pub(crate) fn symbol(&self, place: Place, path: &str) -> Result<Option<&str>, DecodeError> {
        Ok(match self.slot(place, path)? {
            Some(SlotTarget::Symbol(symbol)) => {
                let symbol = self.image.head().symbols.get(symbol.0 as usize);
                symbol.map(|symbol| symbol.name.as_str())
            }
            _ => None,
        })
    }

    /// The resource that the pointer in `path` stands for.
    pub(crate) fn resource(
        &self,
        place: Place,
        path: &str,
    ) -> Result<Option<ResourceId>, DecodeError> {
        Ok(match self.slot(place, path)? {
            Some(SlotTarget::Resource(resource)) => Some(resource),
            _ => None,
        })
    }

    /// Whether a field that a conversion resets was anything but zero at the freeze.
    pub(crate) fn was_set(&self, place: Place, path: &str) -> Result<bool, DecodeError> {
        if self.unsigned(place, path)? != 0 {
            return Ok(true);
        }
        let remainder = &self.image.head().remainder;
        Ok(remainder.iter().any(|kept| {
            kept.object == place.object
                && kept.field == path
                && kept.bytes.iter().any(|byte| *byte != 0)
        }))
    }
}

/// A number among the attributes of a resource.
pub(crate) fn number(resource: &Resource, name: &str) -> Option<i128> {
    match resource.get(name)? {
        Value::Unsigned(number) => Some(i128::from(*number)),
        Value::Signed(number) => Some(i128::from(*number)),
        _ => None,
    }
}
