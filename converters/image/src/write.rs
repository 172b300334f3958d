//! Writing an image.

use std::io;
use std::path::Path;

use crate::{AddressSpace, Head, Image, Machine, Object, ObjectId, UserAddr, WriteError};

/// An image in the making: a temporary file beside the destination.
///
/// The destination is replaced, by a rename, only when the image is complete and on disk. An
/// image that is dropped before that leaves nothing behind.
pub struct ImageWriter {}

/// Where the user pages of an image come from.
pub enum PageSource<'a> {
    /// The page area of another image, unread; its digest is carried over. The runs of the two
    /// images have the same positions.
    Copy {
        /// The image to copy from.
        from: &'a Image,
    },
    /// A function that is called for every page of every run, in the order of the index, and
    /// fills in the page. Runs lie one after another in the page area, without gaps.
    Stream(&'a mut dyn FnMut(ObjectId, UserAddr, &mut [u8; 4096]) -> io::Result<()>),
}

impl ImageWriter {
    /// Starts an image that is to become `destination`.
    ///
    /// `objects` and `address_spaces` are those of the head that [`finish`](Self::finish) will
    /// be given: sizes and addresses decide where everything lies in the file.
    ///
    /// # Errors
    ///
    /// If the destination cannot be written, or the objects cannot be an image's.
    pub fn create(
        destination: &Path,
        machine: Machine,
        objects: &[Object],
        address_spaces: &[AddressSpace],
    ) -> Result<ImageWriter, WriteError> {
        todo!()
    }

    /// Appends the bytes of the next object.
    ///
    /// # Errors
    ///
    /// If the size is not the one declared, no object is left, or the file cannot be written.
    pub fn object(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        todo!()
    }

    /// Writes all the rest, and puts the image in the place of the destination.
    ///
    /// # Errors
    ///
    /// If the head breaks a rule of the format, objects are missing, or the file cannot be
    /// written. The destination is then as it was before.
    pub fn finish(self, head: &Head, pages: PageSource<'_>) -> Result<(), WriteError> {
        self.seal(head, pages)?.publish()
    }

    /// Writes all the rest, but leaves the destination alone: the image can first be read back.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish).
    pub fn seal(self, head: &Head, pages: PageSource<'_>) -> Result<SealedImage, WriteError> {
        todo!()
    }
}

/// A complete image on disk that does not have its name yet.
pub struct SealedImage {}

impl SealedImage {
    /// The temporary file; [`Image::open`] reads it.
    pub fn path(&self) -> &Path {
        todo!()
    }

    /// Renames the image to its destination and makes that durable.
    ///
    /// # Errors
    ///
    /// If the operating system refuses.
    pub fn publish(self) -> Result<(), WriteError> {
        todo!()
    }
}
