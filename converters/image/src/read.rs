//! Reading an image.

use std::path::Path;

use crate::{Digest, FileOffset, Head, ImageError, KernelAddr, ObjectId, UserAddr};

/// An image opened for reading. Its head is verified and in memory; objects and pages are read
/// when asked for.
pub struct Image {}

/// How much of an image [`Image::verify`] reads.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Verify {
    /// The objects.
    Objects,
    /// The objects and the user pages.
    Everything,
}

impl Image {
    /// Opens an image and verifies its head: digest first, then bounds, then meaning.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is not an image of this version in every detail.
    pub fn open(path: &Path) -> Result<Image, ImageError> {
        todo!()
    }

    /// Reads an image that lies in memory.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Image, ImageError> {
        todo!()
    }

    /// All of the image but objects and pages.
    pub fn head(&self) -> &Head {
        todo!()
    }

    /// Where the image was opened; `<memory>` if it was not.
    pub fn path(&self) -> &Path {
        todo!()
    }

    /// The digest of the head, which covers the digests of all the rest: it identifies the image.
    pub fn digest(&self) -> Digest {
        todo!()
    }

    /// The digest of the page area.
    pub fn page_digest(&self) -> Digest {
        todo!()
    }

    /// Where the page area begins in the file, and its length in bytes.
    pub fn page_area(&self) -> (FileOffset, u64) {
        todo!()
    }

    /// Reads an object into `bytes`, which is cleared first.
    ///
    /// # Errors
    ///
    /// If there is no such object, or it cannot be read.
    pub fn read_object(&self, id: ObjectId, bytes: &mut Vec<u8>) -> Result<(), ImageError> {
        todo!()
    }

    /// The objects in the order of the index, for reading all of them.
    pub fn objects(&self) -> ObjectStream<'_> {
        todo!()
    }

    /// The object that holds the byte at `address`, and how many bytes lie before it there.
    pub fn find(&self, address: KernelAddr) -> Option<(ObjectId, u64)> {
        todo!()
    }

    /// Reads the page of user memory that holds `address`; `None` if the page was not present.
    ///
    /// # Errors
    ///
    /// If the page cannot be read.
    pub fn read_page(
        &self,
        mm: ObjectId,
        address: UserAddr,
    ) -> Result<Option<[u8; 4096]>, ImageError> {
        todo!()
    }

    /// Holds the bytes of objects, and of pages, against their digests. All that is wrong is
    /// returned together; nothing, if the image is sound.
    pub fn verify(&self, depth: Verify) -> Vec<ImageError> {
        todo!()
    }
}

/// The objects of an image, read one after another.
pub struct ObjectStream<'a> {
    image: &'a Image,
}

impl ObjectStream<'_> {
    /// The next object and its bytes; `None` after the last.
    ///
    /// # Errors
    ///
    /// If the object cannot be read.
    pub fn next_object(&mut self) -> Result<Option<(ObjectId, &[u8])>, ImageError> {
        todo!()
    }
}
