//! Images in which one field of a kernel object is another, and that are sound otherwise: what is
//! thawed of them has to differ, or else the thaw would not read those objects.

use kconv_image::{Image, ObjectId};
use kernel_structs::layout::{FieldPath, Layout};
use kernel_structs::releases::{LayoutId, Registry};

/// An image to be changed.
pub(crate) struct Mutant {
    bytes: Vec<u8>,
    image: Image,
    layout: Layout,
}

impl Mutant {
    pub(crate) fn new(bytes: Vec<u8>) -> Mutant {
        let image = Image::from_bytes(bytes.clone()).unwrap();
        let layout = LayoutId(image.head().identity.kernel.layout.clone());
        let layout = Registry::builtin().unwrap().layout(&layout).unwrap();
        Mutant {
            bytes,
            image,
            layout,
        }
    }

    /// The objects of a type.
    pub(crate) fn objects(&self, ty: &str) -> Vec<ObjectId> {
        let head = self.image.head();
        let objects = (0..).map(ObjectId).zip(&head.objects);
        let of_type = objects.filter(|(_, object)| head.type_name(object) == ty);
        of_type.map(|(id, _)| id).collect()
    }

    /// The open file with this path.
    pub(crate) fn file(&self, path: &str) -> ObjectId {
        let head = self.image.head();
        let of_path = |id: &ObjectId| {
            head.slots_of(*id).iter().any(|slot| match slot.target {
                kconv_image::SlotTarget::Resource(resource) => {
                    kconv_resources::any::path(&head.resources[resource.0 as usize]) == Some(path)
                }
                kconv_image::SlotTarget::Symbol(_) => false,
            })
        };
        self.objects("file").into_iter().find(of_path).unwrap()
    }

    fn place(&self, object: ObjectId, ty: &str, field: &str) -> usize {
        let root = self.layout.find(ty).unwrap();
        let path = FieldPath::parse(field).unwrap();
        let found = self.layout.resolve(root, &path).unwrap();
        let (start, _) = self.image.object_area(object).unwrap();
        (start.0 + found.offset.byte().0) as usize
    }

    /// A field of 64 bits.
    pub(crate) fn get(&self, object: ObjectId, ty: &str, field: &str) -> u64 {
        let at = self.place(object, ty, field);
        u64::from_le_bytes(self.bytes[at..at + 8].try_into().unwrap())
    }

    /// Changes a field of 64 bits.
    pub(crate) fn set(&mut self, object: ObjectId, ty: &str, field: &str, value: u64) {
        let at = self.place(object, ty, field);
        self.bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    /// The image, with the digests that it now has to have (the image format's chapter of the book).
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let word = |at: usize| {
            usize::try_from(u64::from_le_bytes(
                self.bytes[at..at + 8].try_into().unwrap(),
            ))
            .unwrap()
        };
        // p_offset and p_filesz of the first program header, which is that of the notes.
        let (notes, length) = (word(64 + 8), word(64 + 32));
        let objects = (0..self.image.head().objects.len() as u32).map(ObjectId);
        let starts = objects.filter_map(|id| self.image.object_area(id));
        let start = starts.map(|(start, _)| start.0).min().unwrap() as usize;
        let end = notes + length;
        let digest = blake3::hash(&self.bytes[start..notes]);
        self.bytes[end - 96..end - 64].copy_from_slice(digest.as_bytes());
        let mut head = blake3::Hasher::new();
        head.update(&self.bytes[..start]);
        head.update(&self.bytes[notes..end - 32]);
        self.bytes[end - 32..end].copy_from_slice(head.finalize().as_bytes());
        self.bytes
    }
}
