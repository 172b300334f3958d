//! Reading an image.

mod bytes;
mod cursor;
mod holes;
mod notes;
mod parse;
mod passed;

use std::path::{Path, PathBuf};

pub(crate) use bytes::Bytes;
use holes::Allowed;
pub use holes::Holes;
pub use passed::{ImageFile, PassedFile};

use crate::geometry::OBJECT_ALIGN;
use crate::model::{Contents, FileOffset, Head, KernelAddr, ObjectId, PAGE_SIZE, UserAddr};
use crate::{Digest, Fault, ImageError, tree};
use parse::Parsed;

/// How much is read at once when objects are read one after another.
const CHUNK: u64 = 1 << 20;

/// What findings call the objects area.
const OBJECTS: &str = "the objects";

/// An image opened for reading. Its head is verified and in memory; objects and pages are read
/// when asked for.
pub struct Image {
    bytes: Bytes,
    path: PathBuf,
    parsed: Parsed,
}

/// How much of an image [`Image::verify`] reads.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Verify {
    /// The objects.
    Objects,
    /// The objects and the user pages.
    Everything,
}

impl Image {
    /// Opens an image and verifies its head: version first, then digest, bounds and meaning.
    /// The digests of objects and pages are held against them by [`verify`](Self::verify).
    ///
    /// Whatever the file holds, this returns; the memory it takes is in proportion to the file's
    /// head and notes, and to what of the file is there ([`Holes::Few`]).
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is not an image of this version in every detail.
    pub fn open(path: &Path) -> Result<Image, ImageError> {
        Image::of_file(ImageFile::open(path)?)
    }

    /// The same, of a file that is open.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn of_file(file: ImageFile) -> Result<Image, ImageError> {
        let (file, path, allowed) = file.into_parts();
        Image::parse(Bytes::File(file), path, allowed)
    }

    /// The same, of a file whose bytes were all seen: what is read of it, now and later, is what was seen
    /// then, or it is an error.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn of_passed(file: PassedFile) -> Result<Image, ImageError> {
        Image::parse(Bytes::Passed(file.blocks), file.path, file.allowed)
    }

    /// Reads an image that lies in memory.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Image, ImageError> {
        Image::parse(
            Bytes::Memory(bytes),
            PathBuf::from("<memory>"),
            Allowed::ALL,
        )
    }

    fn parse(bytes: Bytes, path: PathBuf, allowed: Allowed) -> Result<Image, ImageError> {
        match parse::parse(&bytes, allowed) {
            Ok(parsed) => Ok(Image {
                parsed,
                bytes,
                path,
            }),
            Err(fault) => Err(ImageError { path, fault }),
        }
    }

    /// All of the image but objects and pages.
    pub fn head(&self) -> &Head {
        &self.parsed.head
    }

    /// Where the image was opened; `<memory>` if it was not.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The digest of the head, which covers the digests of all the rest: it identifies the image.
    pub fn digest(&self) -> Digest {
        self.parsed.digests.head
    }

    /// The recorded digest of the page area.
    pub fn page_digest(&self) -> Digest {
        self.parsed.digests.pages
    }

    /// Where the page area begins in the file, and its length in bytes.
    pub fn page_area(&self) -> (FileOffset, u64) {
        (
            FileOffset(self.parsed.pages),
            self.parsed.geometry.page_bytes(),
        )
    }

    /// Where an object begins in the file, and its length in bytes; `None` if there is no such
    /// object.
    pub fn object_area(&self, id: ObjectId) -> Option<(FileOffset, u64)> {
        let index = id.0 as usize;
        let object = self.head().objects.get(index)?;
        Some((FileOffset(self.parsed.geometry.object(index)), object.size))
    }

    /// Reads an object into `bytes`, which is cleared first.
    ///
    /// # Errors
    ///
    /// If there is no such object, or it cannot be read.
    pub fn read_object(&self, id: ObjectId, bytes: &mut Vec<u8>) -> Result<(), ImageError> {
        let Some((offset, size)) = self.object_area(id) else {
            return Err(self.error(Fault::NoObject {
                object: id,
                count: self.head().objects.len(),
            }));
        };
        bytes.clear();
        // The size is at most that of the file, which was measured at the opening.
        bytes.resize(size as usize, 0);
        self.read_at(offset.0, bytes)
    }

    /// Reads all objects, and holds them against their digest.
    ///
    /// # Errors
    ///
    /// If they cannot be read, or are not what their digest says.
    pub fn read_objects(&self) -> Result<ObjectBytes<'_>, ImageError> {
        let geometry = &self.parsed.geometry;
        let (start, end) = (geometry.objects(), geometry.notes());
        let mut bytes = vec![0; (end - start) as usize];
        let found = tree::fill(&mut bytes, &|at, into| self.read_at(start + at, into))?;
        self.hold(OBJECTS, found, self.parsed.digests.objects)?;
        Ok(ObjectBytes { image: self, bytes })
    }

    /// The objects in the order of the index, for reading all of them.
    pub fn objects(&self) -> ObjectStream<'_> {
        ObjectStream {
            image: self,
            next: 0,
            window: Vec::new(),
            window_start: 0,
            hasher: blake3::Hasher::new(),
            hashed: self.parsed.geometry.objects(),
        }
    }

    /// The object that holds the byte at `address`, and how many bytes lie before it there.
    pub fn find(&self, address: KernelAddr) -> Option<(ObjectId, u64)> {
        let (start, id) = self.parsed.index.at_or_below(address)?;
        let before = address.0 - start.0;
        (before < self.head().object(id).size).then_some((id, before))
    }

    /// Reads the page of user memory that holds `address`; `None` if the page was not present,
    /// or the image has no such address space.
    ///
    /// # Errors
    ///
    /// If the page cannot be read.
    pub fn read_page(
        &self,
        mm: ObjectId,
        address: UserAddr,
    ) -> Result<Option<[u8; 4096]>, ImageError> {
        let Some(position) = self.page_position(mm, address) else {
            return Ok(None);
        };
        let mut page = [0; PAGE_SIZE as usize];
        self.read_at(self.parsed.pages + position, &mut page)?;
        Ok(Some(page))
    }

    /// Fills `into` with what was in a file from byte `offset` on; with zeros where there was a hole,
    /// or no file any more.
    ///
    /// # Errors
    ///
    /// If the pages cannot be read.
    pub fn read_contents(
        &self,
        contents: &Contents,
        offset: u64,
        into: &mut [u8],
    ) -> Result<(), ImageError> {
        into.fill(0);
        let end = offset.saturating_add(into.len() as u64);
        let first = contents
            .runs
            .partition_point(|run| run.offset + run.pages * PAGE_SIZE <= offset);
        for run in &contents.runs[first..] {
            if run.offset >= end {
                break;
            }
            let start = run.offset.max(offset);
            let stop = (run.offset + run.pages * PAGE_SIZE).min(end);
            let bytes = &mut into[(start - offset) as usize..(stop - offset) as usize];
            let position = run.position + (start - run.offset);
            self.read_at(self.parsed.pages + position, bytes)?;
        }
        Ok(())
    }

    fn page_position(&self, mm: ObjectId, address: UserAddr) -> Option<u64> {
        let mut spaces = self.head().address_spaces.iter();
        let runs = &spaces.find(|space| space.mm == mm)?.runs;
        let after = runs.partition_point(|run| run.start <= address);
        let run = runs[..after].last()?;
        let page = (address.0 - run.start.0) / PAGE_SIZE;
        (page < run.pages).then_some(run.position + page * PAGE_SIZE)
    }

    /// Holds the bytes of objects, and of pages, against their digests. All that is wrong is
    /// returned together; nothing, if the image is sound.
    pub fn verify(&self, depth: Verify) -> Vec<ImageError> {
        let geometry = &self.parsed.geometry;
        let objects = geometry.notes() - geometry.objects();
        let expected = self.parsed.digests.objects;
        let objects = self.compare(OBJECTS, geometry.objects(), objects, expected);
        let mut findings: Vec<ImageError> = objects.err().into_iter().collect();
        if depth == Verify::Everything {
            findings.extend(self.verify_pages().err());
        }
        findings
    }

    /// Holds the user pages against their digest.
    ///
    /// # Errors
    ///
    /// If they cannot be read, or are not what it says.
    pub fn verify_pages(&self) -> Result<(), ImageError> {
        let (start, length) = self.page_area();
        self.compare("the user pages", start.0, length, self.page_digest())
    }

    fn compare(
        &self,
        part: &'static str,
        start: u64,
        length: u64,
        expected: Digest,
    ) -> Result<(), ImageError> {
        let found = tree::digest(length, &|at, into| self.read_at(start + at, into))?;
        self.hold(part, found, expected)
    }

    fn hold(&self, part: &'static str, found: Digest, expected: Digest) -> Result<(), ImageError> {
        match found == expected {
            true => Ok(()),
            false => Err(self.error(Fault::Digest {
                part,
                found,
                expected,
            })),
        }
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ImageError> {
        self.bytes
            .read_at(offset, buffer)
            .map_err(|fault| self.error(fault))
    }

    fn error(&self, fault: Fault) -> ImageError {
        ImageError {
            path: self.path.clone(),
            fault,
        }
    }
}

/// The bytes of all objects of an image, in memory, which are what their digest says.
pub struct ObjectBytes<'i> {
    image: &'i Image,
    /// The objects area.
    bytes: Vec<u8>,
}

impl ObjectBytes<'_> {
    /// The bytes of an object of the image.
    ///
    /// # Panics
    /// If there is no such object.
    pub fn get(&self, id: ObjectId) -> &[u8] {
        let geometry = &self.image.parsed.geometry;
        let start = geometry.object(id.0 as usize) - geometry.objects();
        let size = self.image.head().object(id).size;
        // The geometry places each object within the area.
        &self.bytes[start as usize..][..size as usize]
    }
}

/// The objects of an image, read one after another in large pieces.
pub struct ObjectStream<'a> {
    image: &'a Image,
    next: usize,
    /// A part of the objects area.
    window: Vec<u8>,
    /// Where that begins in the file.
    window_start: u64,
    /// Of the objects area up to `hashed`, a place in the file.
    hasher: blake3::Hasher,
    hashed: u64,
}

impl ObjectStream<'_> {
    /// The next object and its bytes; `None` after the last.
    ///
    /// # Errors
    ///
    /// If the object cannot be read.
    pub fn next_object(&mut self) -> Result<Option<(ObjectId, &[u8])>, ImageError> {
        let geometry = &self.image.parsed.geometry;
        let Some(object) = self.image.head().objects.get(self.next) else {
            return Ok(None);
        };
        let start = geometry.object(self.next);
        // A folded object lies in another, which can be far from those around it in the index.
        let before = start < self.window_start;
        if before || start + object.size > self.window_start + self.window.len() as u64 {
            // Up to where the object behind it begins.
            let length = object.size.next_multiple_of(OBJECT_ALIGN).max(CHUNK);
            self.read(start, length.min(geometry.notes() - start))?;
        }
        let id = ObjectId(self.next as u32);
        self.next += 1;
        let at = (start - self.window_start) as usize;
        Ok(Some((id, &self.window[at..][..object.size as usize])))
    }

    /// Has the window be `length` bytes from `start` on.
    fn read(&mut self, start: u64, length: u64) -> Result<(), ImageError> {
        self.window.resize(length as usize, 0);
        self.window_start = start;
        if let Err(error) = self.image.read_at(start, &mut self.window) {
            self.window.clear();
            return Err(error);
        }
        // Windows follow one another, and overlap.
        if let Some(seen) = self.hashed.checked_sub(start)
            && let Some(new) = self.window.get(seen as usize..)
        {
            self.hasher.update(new);
            self.hashed += new.len() as u64;
        }
        Ok(())
    }

    /// Holds what was read, and what was not yet, against the digest of the objects.
    ///
    /// # Errors
    ///
    /// If it is something else, or cannot be read.
    pub fn end(mut self) -> Result<(), ImageError> {
        let end = self.image.parsed.geometry.notes();
        while self.hashed < end {
            self.read(self.hashed, CHUNK.min(end - self.hashed))?;
        }
        let expected = self.image.parsed.digests.objects;
        let found = self.hasher.finalize().into();
        self.image.hold(OBJECTS, found, expected)
    }
}
