//! Writing an image: objects one by one, then pages, notes and the head of the file.

mod folder;
mod hashing;
mod memory;
mod notes;
mod pages;
mod temporary;

use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::geometry::{Geometry, OBJECT_ALIGN};
use crate::model::{Head, Machine, Object, PageIndex, PageOf, folded_into};
use crate::notes::{DIGEST_BYTES, HEAD_DIGEST};
use crate::{Digest, Fault, Flaw, Image, ImageError, ImageFile, WriteError, rules};
pub use folder::remove_file;
use pages::PageDigest;
pub use temporary::Temporary;

/// How many bytes of objects are gathered before they are written.
const BUFFER: usize = 1 << 20;

/// An image in the making: a temporary file in the folder of the destination.
///
/// The destination is replaced, by a rename, only when the image is complete and on disk. An
/// image that is dropped before that leaves nothing behind, and neither does one whose process is killed, where
/// the file system has files without a name; elsewhere `.<name>.kconv-<process>-<n>` is left, which the next that
/// writes the file removes. The same parts give the same bytes.
///
/// Memory: the object index, and at the end the notes.
pub struct ImageWriter {
    temporary: Temporary,
    geometry: Geometry,
    sizes: Vec<u64>,
    /// Number of objects appended.
    given: usize,
    /// Bytes of the objects area that were gathered but not written, and where they go.
    buffer: Vec<u8>,
    written: u64,
    hasher: blake3::Hasher,
}

/// Fills in pages that follow one another: the first, and how many, by the bytes of them.
pub type NextPages<'a> = dyn FnMut(PageOf, &mut [u8]) -> io::Result<()> + 'a;

/// Where the user pages of an image come from.
pub enum PageSource<'a> {
    /// The page area of another image, whose digest what is written is held against. The runs of the two
    /// images have the same positions.
    Copy {
        /// The image to copy from.
        from: &'a Image,
    },
    /// A function that is called for the pages of every run, first of contents, then of address
    /// spaces, in the order of the index, and fills them in; they are zero before. It is given those
    /// of a run by the MiB, and one by one once more where it fails. Runs lie one
    /// after another in the page area, without gaps; one whose pages have been given already, for
    /// another, is passed over.
    Stream(&'a mut NextPages<'a>),
}

/// When the digest of the pages is made.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Hashing {
    /// While they are written, where another processor is there for it: the image is whole sooner.
    Meanwhile,
    /// When all are written: they are read sooner.
    Afterwards,
}

impl ImageWriter {
    /// Starts an image that is to become `destination`.
    ///
    /// `objects` and `pages` are those of the head that [`finish`](Self::finish) will
    /// be given: sizes and addresses decide where everything lies in the file.
    ///
    /// # Errors
    ///
    /// If the destination is something else than a regular file, its directory cannot be
    /// written, or objects and pages are too large for an ELF file of this machine.
    pub fn create(
        destination: &Path,
        machine: Machine,
        objects: &[Object],
        pages: PageIndex<'_>,
    ) -> Result<ImageWriter, WriteError> {
        let geometry =
            Geometry::new(machine, objects, pages).map_err(|flaw| flawed(destination, flaw))?;
        let temporary = Temporary::create(destination)?;
        Ok(ImageWriter {
            temporary,
            written: geometry.objects(),
            geometry,
            sizes: objects
                .iter()
                .filter(|object| folded_into(objects, object).is_none())
                .map(|object| object.size)
                .collect(),
            given: 0,
            buffer: Vec::new(),
            hasher: blake3::Hasher::new(),
        })
    }

    /// Appends the bytes of the next object that is not folded into another.
    ///
    /// # Errors
    ///
    /// If the size is not the one declared, no object is left, or the file cannot be written.
    pub fn object(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let declared = self.sizes.get(self.given).copied();
        if declared != Some(bytes.len() as u64) {
            return Err(WriteError::ObjectSize {
                path: self.temporary.destination.clone(),
                object: self.given,
                declared,
                found: bytes.len(),
            });
        }
        self.given += 1;
        let padding = bytes.len().next_multiple_of(OBJECT_ALIGN as usize) - bytes.len();
        self.buffer.extend_from_slice(bytes);
        self.buffer.resize(self.buffer.len() + padding, 0);
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes all the rest, and puts the image in the place of the destination. Returns the digest of its head,
    /// which identifies it.
    ///
    /// # Errors
    ///
    /// If the head breaks a rule of the format, objects are missing, or the file cannot be
    /// written. The destination is then as it was before, unless it is [`WriteError::NotDurable`].
    pub fn finish(self, head: &Head, pages: PageSource<'_>) -> Result<Digest, WriteError> {
        self.take(head, pages, Hashing::Meanwhile)?.finish()
    }

    /// Writes all the rest, but leaves the destination alone: the image can first be read back.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish).
    pub fn seal(self, head: &Head, pages: PageSource<'_>) -> Result<SealedImage, WriteError> {
        self.take(head, pages, Hashing::Meanwhile)?.seal()
    }

    /// Writes the pages. Once it returns nothing is read any more of where they come from.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish), but for what is written afterwards.
    pub fn take(
        mut self,
        head: &Head,
        pages: PageSource<'_>,
        hashing: Hashing,
    ) -> Result<TakenImage, WriteError> {
        let destination = self.temporary.destination.clone();
        let flawed = |flaw| flawed(&destination, flaw);
        if self.given != self.sizes.len() {
            return Err(WriteError::MissingObjects {
                path: destination,
                given: self.given,
                declared: self.sizes.len(),
            });
        }
        rules::check(head).map_err(flawed)?;
        let machine = head.identity.machine;
        let geometry = Geometry::new(machine, &head.objects, head.page_index()).map_err(flawed)?;
        if geometry != self.geometry {
            return Err(WriteError::OtherHead { path: destination });
        }

        self.flush()?;
        let objects = Digest::from(self.hasher.finalize());
        let notes = notes::encode(head).map_err(flawed)?;
        let complete = geometry.complete(notes.len() as u64).map_err(flawed)?;
        // What is not written between the notes and the pages reads as zeros.
        self.temporary
            .file
            .set_len(complete.end)
            .map_err(|source| self.temporary.failed(source))?;
        let pages = pages::fill(
            &self.temporary,
            complete.pages,
            geometry.page_bytes(),
            head.page_index(),
            pages,
            hashing,
        )?;
        Ok(TakenImage {
            temporary: self.temporary,
            head: complete.head,
            notes,
            notes_at: geometry.notes(),
            objects,
            pages,
        })
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        self.hasher.update(&self.buffer);
        self.temporary
            .file
            .write_all_at(&self.buffer, self.written)
            .map_err(|source| self.temporary.failed(source))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// Puts the digests into the notes, and that of the head and the notes themselves behind them.
fn seal(notes: &mut [u8], head: &[u8], objects: Digest, pages: Digest) -> Digest {
    let digests = notes.len() - DIGEST_BYTES;
    let head_digest = notes.len() - HEAD_DIGEST;
    notes[digests..][..32].copy_from_slice(&objects.0);
    notes[digests + 32..][..32].copy_from_slice(&pages.0);
    let seal = Digest::of_head(head, &notes[..head_digest]);
    notes[head_digest..].copy_from_slice(&seal.0);
    seal
}

fn flawed(path: &Path, flaw: Flaw) -> WriteError {
    WriteError::Flaw {
        path: path.to_owned(),
        flaw,
    }
}

/// An image of which all objects and pages are in the file, and digests, notes and the head of the file are not.
/// Dropped, it is removed.
pub struct TakenImage {
    temporary: Temporary,
    head: Vec<u8>,
    /// Without digests.
    notes: Vec<u8>,
    notes_at: u64,
    objects: Digest,
    pages: PageDigest,
}

impl TakenImage {
    /// Writes the rest, and puts the image in the place of the destination. Returns the digest of its head, which
    /// identifies it.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or written. The destination is then as it was before.
    pub fn finish(self) -> Result<Digest, WriteError> {
        let sealed = self.seal()?;
        let digest = sealed.digest();
        sealed.publish()?;
        Ok(digest)
    }

    /// Writes the rest, but leaves the destination alone.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or written.
    pub fn seal(mut self) -> Result<SealedImage, WriteError> {
        let pages = match self.pages {
            PageDigest::Known(digest) => Ok(digest),
            PageDigest::Made(hasher) => hasher.finish(),
        };
        let pages = pages.map_err(|source| self.temporary.failed(source))?;
        let digest = seal(&mut self.notes, &self.head, self.objects, pages);
        let file = &self.temporary.file;
        file.write_all_at(&self.head, 0)
            .and_then(|()| file.write_all_at(&self.notes, self.notes_at))
            .and_then(|()| file.sync_all())
            .map_err(|source| self.temporary.failed(source))?;
        Ok(SealedImage {
            digest,
            temporary: self.temporary,
        })
    }
}

/// A complete image on disk that does not have its name yet. Dropped, it is removed.
pub struct SealedImage {
    digest: Digest,
    temporary: Temporary,
}

impl SealedImage {
    /// Reads the image, which has no name yet; it calls itself by that of the destination.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is none.
    pub fn open(&self) -> Result<Image, ImageError> {
        let path = self.temporary.destination.clone();
        match self.temporary.file.try_clone() {
            Ok(file) => Image::of_file(ImageFile::of(file, path)),
            Err(error) => Err(ImageError {
                path,
                fault: Fault::Open(error),
            }),
        }
    }

    /// The digest of its head, which identifies it.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Renames the image to its destination and makes that durable.
    ///
    /// # Errors
    ///
    /// As [`Temporary::publish`].
    pub fn publish(self) -> Result<(), WriteError> {
        self.temporary.publish()
    }
}
