//! Kernel memory read through a layout: structures and their members by name.

use crate::error::Fault;
use crate::source::{MemorySource, ReadError};
use kconv_image::KernelAddr;
use kernel_structs::layout::{FieldPath, Layout, Resolved, Type, TypeId};
use std::borrow::Cow;

/// A kernel's memory, and how its structures are laid out.
#[derive(Copy, Clone)]
pub(crate) struct Memory<'a> {
    pub(crate) source: &'a dyn MemorySource,
    pub(crate) layout: &'a Layout,
}

/// A structure, read.
pub(crate) struct View<'a> {
    layout: &'a Layout,
    ty: TypeId,
    at: KernelAddr,
    bytes: Cow<'a, [u8]>,
}

impl<'a> Memory<'a> {
    /// The structure `ty` at `at`.
    pub(crate) fn read(&self, ty: &str, at: KernelAddr) -> Result<View<'a>, Fault> {
        self.read_id(self.find(ty)?, at)
    }

    /// The structure of type `id` at `at`.
    pub(crate) fn read_id(&self, id: TypeId, at: KernelAddr) -> Result<View<'a>, Fault> {
        let size = self
            .layout
            .size_of(id)
            .ok_or_else(|| no_type("of the pointer"))?;
        let bytes = self.bytes(at, size.0)?;
        Ok(View {
            layout: self.layout,
            ty: id,
            at,
            bytes: Cow::Owned(bytes),
        })
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
        let ty = self.find(ty)?;
        Ok(View {
            layout: self.layout,
            ty,
            at,
            bytes: Cow::Borrowed(bytes),
        })
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

    pub(crate) fn find(&self, ty: &str) -> Result<TypeId, Fault> {
        self.layout.find(ty).ok_or_else(|| no_type(ty))
    }
}

fn no_type(ty: &str) -> Fault {
    Fault::NoType { ty: ty.to_owned() }
}

impl View<'_> {
    /// The type of the structure.
    pub(crate) fn type_id(&self) -> TypeId {
        self.ty
    }

    /// Where the structure lies.
    pub(crate) fn at(&self) -> KernelAddr {
        self.at
    }

    /// The unsigned number, or the bits of the signed one, at `path`.
    pub(crate) fn unsigned(&self, path: &str) -> Result<u64, Fault> {
        Ok(self.scalar(path)?.0)
    }

    /// The number at `path`, its sign extended if its type has one.
    pub(crate) fn signed(&self, path: &str) -> Result<i64, Fault> {
        let (value, bits, ty) = self.scalar(path)?;
        let signed = match self.layout.get(self.layout.strip(ty)) {
            Type::Int(int) => int.signed,
            Type::Enum(e) => e.signed,
            _ => false,
        };
        let unused = 64 - bits;
        Ok(if signed {
            ((value << unused) as i64) >> unused
        } else {
            value as i64
        })
    }

    /// The pointer at `path`; `None` if it is null.
    pub(crate) fn pointer(&self, path: &str) -> Result<Option<KernelAddr>, Fault> {
        let value = self.unsigned(path)?;
        Ok((value != 0).then_some(KernelAddr(value)))
    }

    /// The bytes at `path`.
    pub(crate) fn slice(&self, path: &str) -> Result<&[u8], Fault> {
        let found = self.resolve(path)?;
        let size = self.layout.size_of(found.ty);
        let size = size.ok_or_else(|| Fault::NotANumber {
            path: path.to_owned(),
        })?;
        self.range(found.offset.byte().0, size.0)
    }

    /// The text in the `char` array at `path`, up to a NUL.
    pub(crate) fn text(&self, path: &str) -> Result<String, Fault> {
        let bytes = self.slice(path)?;
        let end = bytes.iter().position(|byte| *byte == 0);
        Ok(readable(&bytes[..end.unwrap_or(bytes.len())]))
    }

    /// Where the member at `path` lies.
    pub(crate) fn address_of(&self, path: &str) -> Result<KernelAddr, Fault> {
        let offset = self.resolve(path)?.offset.byte().0;
        let past = || ReadError::Missing {
            at: self.at,
            size: offset,
        };
        Ok(self.at.checked_add(offset).ok_or_else(past)?)
    }

    /// The member at `path`; of `a|b` the first that the layout has.
    fn resolve(&self, path: &str) -> Result<Resolved, Fault> {
        let mut paths = path.split('|');
        loop {
            let path = FieldPath::parse(paths.next().unwrap_or_default())?;
            match self.layout.resolve(self.ty, &path) {
                Err(error) if paths.clone().next().is_none() => return Err(error.into()),
                Err(_) => {}
                Ok(found) => return Ok(found),
            }
        }
    }

    fn range(&self, start: u64, size: u64) -> Result<&[u8], Fault> {
        let (at, end) = (self.at, start.saturating_add(size));
        let bytes = self.bytes.get(start as usize..end as usize);
        Ok(bytes.ok_or(ReadError::Missing { at, size: end })?)
    }

    /// The bits of the number at `path`, how many they are, and its type.
    fn scalar(&self, path: &str) -> Result<(u64, u64, TypeId), Fault> {
        let found = self.resolve(path)?;
        let inner = self.layout.get(self.layout.strip(found.ty));
        let size = self.layout.size_of(found.ty).map_or(0, |size| size.0);
        let number = matches!(inner, Type::Int(_) | Type::Enum(_) | Type::Pointer { .. });
        if !number || !(1..=8).contains(&size) {
            return Err(Fault::NotANumber {
                path: path.to_owned(),
            });
        }
        let shift = u64::from(found.offset.bit_in_byte());
        let bits = found.bit_field.map_or(size * 8, |width| width.0);
        let bytes = self.range(found.offset.byte().0, (shift + bits).div_ceil(8))?;
        let all = bytes
            .iter()
            .rev()
            .fold(0u128, |all, byte| all << 8 | u128::from(*byte));
        let value = (all >> shift) & ((1u128 << bits) - 1);
        Ok((value as u64, bits, found.ty))
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
