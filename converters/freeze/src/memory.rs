//! Kernel memory read through a layout.

use crate::error::Fault;
use crate::source::MemorySource;
use kconv_image::KernelAddr;
use kconv_objects::{FieldError, Names, Structure};
use kernel_structs::layout::{Layout, TypeId};
use std::borrow::Cow;

/// A kernel's memory, and how its structures are laid out.
#[derive(Copy, Clone)]
pub(crate) struct Memory<'a> {
    pub(crate) source: &'a dyn MemorySource,
    pub(crate) names: &'a Names<'a>,
}

/// A structure, read.
pub(crate) type View<'a> = Structure<'a, Cow<'a, [u8]>>;

impl<'a> Memory<'a> {
    pub(crate) fn layout(&self) -> &'a Layout {
        self.names.layout()
    }

    /// The structure `ty` at `at`.
    pub(crate) fn read(&self, ty: &str, at: KernelAddr) -> Result<View<'a>, Fault> {
        self.read_id(self.names.find(ty)?, at)
    }

    /// The structure of type `id` at `at`.
    pub(crate) fn read_id(&self, id: TypeId, at: KernelAddr) -> Result<View<'a>, Fault> {
        let size = self.layout().size_of(id);
        let size = size.ok_or_else(|| FieldError::NoType {
            ty: "of the pointer".to_owned(),
        })?;
        let bytes = self.bytes(at, size.0)?;
        Ok(Structure::new(self.names, id, at, Cow::Owned(bytes)))
    }

    /// The bytes of a `ty` that lay at `at`, as a structure.
    pub(crate) fn view<'v>(
        &self,
        ty: &str,
        at: KernelAddr,
        bytes: &'v [u8],
    ) -> Result<View<'v>, Fault>
    where
        'a: 'v,
    {
        let ty = self.names.find(ty)?;
        Ok(Structure::new(self.names, ty, at, Cow::Borrowed(bytes)))
    }

    /// `size` bytes at `at`. The caller knows a limit to `size`.
    pub(crate) fn bytes(&self, at: KernelAddr, size: u64) -> Result<Vec<u8>, Fault> {
        let mut bytes = vec![0; size as usize];
        self.source.read(at, &mut bytes)?;
        Ok(bytes)
    }

    /// The text at `at` up to a NUL or `most` bytes; `None` if it cannot be read.
    pub(crate) fn text(&self, at: KernelAddr, most: u64) -> Option<String> {
        let mut text = Vec::new();
        for offset in 0..most {
            let mut byte = [0];
            self.source.read(at.checked_add(offset)?, &mut byte).ok()?;
            match byte {
                [0] => break,
                [byte] => text.push(byte),
            }
        }
        Some(readable(&text))
    }
}

/// A kernel string as text; bytes that are not UTF-8 become `\xNN`.
pub(crate) fn readable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}
