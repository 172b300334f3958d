//! An image held against the layout of its kernel and the state map of its family.

use kconv_image::{Image, ImageError, ObjectId, Symbol};
use kconv_objects::Objects;
use kernel_structs::layout::Layout;
use kernel_structs::state::{StateMap, TailPlace};

/// The objects of an image, and where some of them end in an array as long as they say.
pub struct View<'i> {
    /// The objects.
    pub objects: Objects<'i>,
    /// By the index of a type in the image, the flexible array that it ends in: name and place.
    tails: Vec<Option<(String, TailPlace)>>,
}

/// The flexible array of an object.
pub struct ObjectTail<'a> {
    /// Its name.
    pub member: &'a str,
    /// Where it is.
    pub place: TailPlace,
    /// Number of its elements.
    pub elements: u64,
}

impl<'i> View<'i> {
    /// Reads all objects of `image`, which is of a kernel with `layout`, of the family of `map`.
    ///
    /// # Errors
    /// [`ImageError`] if they cannot be read, or are not what their digest says.
    pub fn new(
        image: &'i Image,
        layout: &'i Layout,
        map: &StateMap,
    ) -> Result<View<'i>, ImageError> {
        let types = image.head().types.iter();
        let tails = types.map(|name| {
            let member = map.types.get(name)?.tail.as_ref()?.member.clone();
            let place = map.tail(layout, layout.find(name)?)?;
            Some((member, place))
        });
        Ok(View {
            objects: Objects::new(image, layout)?,
            tails: tails.collect(),
        })
    }

    /// The flexible array that an object ends in, as long as the object says.
    pub fn tail(&self, id: ObjectId) -> Option<ObjectTail<'_>> {
        let ty = self.objects.head().object(id).ty;
        let (member, place) = self.tails[ty.0 as usize].as_ref()?;
        Some(ObjectTail {
            member,
            place: *place,
            elements: place.elements(self.objects.bytes(id))?,
        })
    }
}

/// `name+0x1c`, or the name alone.
pub(crate) fn symbol_text(symbol: &Symbol) -> String {
    match symbol.offset {
        0 => symbol.name.clone(),
        offset => format!("{}+{offset:#x}", symbol.name),
    }
}
