//! A structure in bytes.

use crate::error::{FieldAt, FieldError};
use crate::names::{Field, Names, Number};
use kconv_image::KernelAddr;
use kernel_structs::layout::{Resolved, Type, TypeId};
use kernel_structs::units::BitOffset;
use kernel_structs_bits as bits;

/// A structure: its type, where it lies, and the bytes from there on.
///
/// A path to a field is one as the layout has it, `pending.signal.sig[0]`, or several with `|` between
/// them for what has another name in another kernel: the first that the layout has is meant. The empty
/// path is the structure itself.
#[derive(Copy, Clone)]
pub struct Structure<'n, B> {
    names: &'n Names<'n>,
    ty: TypeId,
    at: KernelAddr,
    bytes: B,
}

impl<'n, B: AsRef<[u8]>> Structure<'n, B> {
    /// The structure of type `ty` at `at`, whose memory is `bytes`. Those may go on behind its end.
    pub fn new(names: &'n Names<'n>, ty: TypeId, at: KernelAddr, bytes: B) -> Structure<'n, B> {
        Structure {
            names,
            ty,
            at,
            bytes,
        }
    }

    /// The names of its layout.
    pub fn names(&self) -> &'n Names<'n> {
        self.names
    }

    /// Its type.
    pub fn type_id(&self) -> TypeId {
        self.ty
    }

    /// Where it lies.
    pub fn at(&self) -> KernelAddr {
        self.at
    }

    /// Whether the layout has the field at `path`: what only some kernels have is asked for first.
    pub fn has(&self, path: &str) -> bool {
        self.names.field(self.ty, path).is_some()
    }

    /// The integer, enumerator or pointer at `path`.
    ///
    /// # Errors
    /// If there is no such field, it is no number, or the bytes end before it.
    pub fn number(&self, path: &str) -> Result<i128, FieldError> {
        Ok(self.read(path)?.0)
    }

    /// As [`Structure::number`]; of a signed field, its bits and zeros above them.
    ///
    /// # Errors
    /// As [`Structure::number`].
    pub fn unsigned(&self, path: &str) -> Result<u64, FieldError> {
        let (number, kept) = self.read(path)?;
        Ok(kept.bits_of(number))
    }

    /// As [`Structure::number`], for a field that can be negative.
    ///
    /// # Errors
    /// As [`Structure::number`].
    pub fn signed(&self, path: &str) -> Result<i64, FieldError> {
        Ok(self.number(path)? as i64)
    }

    /// As [`Structure::number`], the low 32 bits of it: an `int`, such as a pid.
    ///
    /// # Errors
    /// As [`Structure::number`].
    pub fn int(&self, path: &str) -> Result<i32, FieldError> {
        Ok(self.number(path)? as i32)
    }

    /// As [`Structure::unsigned`], of a field that only some kernels have: `None` in the others.
    ///
    /// # Errors
    /// If it is no number, or the bytes end before it.
    pub fn optional(&self, path: &str) -> Result<Option<u64>, FieldError> {
        match self.has(path) {
            true => self.unsigned(path).map(Some),
            false => Ok(None),
        }
    }

    /// The pointer at `path`; `None` if it is null.
    ///
    /// # Errors
    /// As [`Structure::number`].
    pub fn pointer(&self, path: &str) -> Result<Option<KernelAddr>, FieldError> {
        let value = self.unsigned(path)?;
        Ok((value != 0).then_some(KernelAddr(value)))
    }

    /// The pointer at `path`, which is never null.
    ///
    /// # Errors
    /// As [`Structure::number`], and if it is null.
    pub fn address(&self, path: &str) -> Result<KernelAddr, FieldError> {
        let null = || FieldError::Null {
            field: self.field_at(path),
        };
        self.pointer(path)?.ok_or_else(null)
    }

    /// The numbers of the array at `path`, each as by [`Structure::unsigned`].
    ///
    /// # Errors
    /// If it is no array of numbers, or the bytes end before it.
    pub fn numbers(&self, path: &str) -> Result<Vec<u64>, FieldError> {
        let field = self.field(path)?;
        let (count, element) = self.array(path, &field)?;
        let element = self.names.described(Resolved {
            ty: element,
            offset: BitOffset(0),
            bit_field: None,
        });
        let (Some(size), Some(kept)) = (element.size, element.number) else {
            return Err(self.kind(path, &element, "an array of numbers"));
        };
        let start = field.place.offset.byte().0;
        let end = start.checked_add(size.saturating_mul(count));
        let bytes = self.range(path, start, end)?;
        let elements = bytes.chunks_exact(size as usize);
        let numbers = elements.filter_map(|bytes| number_in(bytes, &element));
        Ok(numbers.map(|number| kept.bits_of(number)).collect())
    }

    /// The elements of the array at `path`, as many as the layout says.
    ///
    /// # Errors
    /// If it is no array, or the bytes end before it.
    pub fn elements(&self, path: &str) -> Result<Vec<Structure<'n, &[u8]>>, FieldError> {
        let (count, _) = self.array(path, &self.field(path)?)?;
        self.elements_of(path, count)
    }

    /// The elements of the flexible array at `path`, of which the kernel says elsewhere that there are
    /// `count`.
    ///
    /// # Errors
    /// If it is no array, or the bytes end before it.
    pub fn elements_of(
        &self,
        path: &str,
        count: u64,
    ) -> Result<Vec<Structure<'n, &[u8]>>, FieldError> {
        let field = self.field(path)?;
        let (_, element) = self.array(path, &field)?;
        let first = field.place.offset.byte().0;
        let size = self.names.layout().size_of(element);
        let size = size.map_or(0, |size| size.0);
        // The whole array first: a count that makes no sense takes no memory.
        let end = count
            .checked_mul(size)
            .and_then(|all| all.checked_add(first));
        let bytes = self.range(path, first, end)?;
        if size == 0 {
            return Ok(Vec::new());
        }
        let places = (0..count).map(|index| first + index * size);
        let elements = places.zip(bytes.chunks_exact(size as usize));
        elements
            .map(|(start, bytes)| {
                let at = self.at.checked_add(start);
                let at = at.ok_or_else(|| self.past_end(path, start))?;
                Ok(Structure::new(self.names, element, at, bytes))
            })
            .collect()
    }

    /// The bytes of the field at `path`.
    ///
    /// # Errors
    /// If there is no such field, it has no size, or the bytes end before it.
    pub fn bytes(&self, path: &str) -> Result<&[u8], FieldError> {
        let field = self.field(path)?;
        let sized = field.size.filter(|_| field.place.bit_field.is_none());
        let size = sized.ok_or_else(|| self.kind(path, &field, "a field of whole bytes"))?;
        self.bytes_from(path, size)
    }

    /// `size` bytes from where the field at `path` begins; past its end too, if there are so many.
    ///
    /// # Errors
    /// If there is no such field, or the bytes end before that.
    pub fn bytes_from(&self, path: &str, size: u64) -> Result<&[u8], FieldError> {
        let start = self.offset_of(path)?;
        self.range(path, start, start.checked_add(size))
    }

    /// What there is from where the field at `path` begins, to the end of the bytes.
    ///
    /// # Errors
    /// If there is no such field, or the bytes end before it.
    pub fn bytes_to_end(&self, path: &str) -> Result<&[u8], FieldError> {
        let start = self.offset_of(path)?;
        self.range(path, start, Some(self.bytes.as_ref().len() as u64))
    }

    /// The characters at `path`, up to the first NUL.
    ///
    /// # Errors
    /// As [`Structure::bytes`].
    pub fn text(&self, path: &str) -> Result<&[u8], FieldError> {
        let bytes = self.bytes(path)?;
        let end = bytes.iter().position(|byte| *byte == 0);
        Ok(&bytes[..end.unwrap_or(bytes.len())])
    }

    /// Where the field at `path` begins, in bytes from the start of the structure.
    ///
    /// # Errors
    /// If there is no such field.
    pub fn offset_of(&self, path: &str) -> Result<u64, FieldError> {
        Ok(self.field(path)?.place.offset.byte().0)
    }

    /// Where the field at `path` lies in the kernel's memory.
    ///
    /// # Errors
    /// If there is no such field, or it would lie past the last address.
    pub fn address_of(&self, path: &str) -> Result<KernelAddr, FieldError> {
        let offset = self.offset_of(path)?;
        let address = self.at.checked_add(offset);
        address.ok_or_else(|| self.past_end(path, offset))
    }

    /// That the field at `path` has a value that it cannot have.
    pub fn absurd(&self, path: &str, found: u64, expected: &'static str) -> FieldError {
        let field = self.field_at(path);
        FieldError::Absurd {
            field,
            found,
            expected,
        }
    }

    /// The number at `path`, and how it is kept.
    fn read(&self, path: &str) -> Result<(i128, Number), FieldError> {
        let field = self.field(path)?;
        let Some(kept) = field.number else {
            return Err(self.kind(path, &field, "a number"));
        };
        match number_in(self.bytes.as_ref(), &field) {
            Some(number) => Ok((number, kept)),
            None => Err(self.past_end(path, field.end())),
        }
    }

    pub(crate) fn field(&self, path: &str) -> Result<Field, FieldError> {
        let field = self.names.declared(self.ty, path);
        field.map_err(|source| FieldError::NoField {
            field: self.field_at(path),
            source,
        })
    }

    pub(crate) fn kind(&self, path: &str, field: &Field, expected: &'static str) -> FieldError {
        FieldError::Kind {
            field: self.field_at(path),
            found: match field.place.bit_field {
                Some(_) => "a bit-field",
                None => self.names.kind(field.place.ty),
            },
            expected,
        }
    }

    pub(crate) fn past_end(&self, path: &str, expected: u64) -> FieldError {
        FieldError::PastEnd {
            field: self.field_at(path),
            found: self.bytes.as_ref().len() as u64,
            expected,
        }
    }

    pub(crate) fn field_at(&self, path: &str) -> Box<FieldAt> {
        Box::new(FieldAt {
            ty: self.names.type_name(self.ty),
            path: path.to_owned(),
            at: Some(self.at),
        })
    }

    /// Number and type of the elements of an array.
    fn array(&self, path: &str, field: &Field) -> Result<(u64, TypeId), FieldError> {
        let layout = self.names.layout();
        match layout.get(layout.strip(field.place.ty)) {
            Type::Array { element, count } => Ok((*count, *element)),
            _ => Err(self.kind(path, field, "an array")),
        }
    }

    fn range(&self, path: &str, start: u64, end: Option<u64>) -> Result<&[u8], FieldError> {
        let range = end.and_then(|end| Some(start.try_into().ok()?..end.try_into().ok()?));
        let bytes = range.and_then(|range: std::ops::Range<usize>| self.bytes.as_ref().get(range));
        bytes.ok_or_else(|| self.past_end(path, end.unwrap_or(u64::MAX)))
    }
}

impl Number {
    /// The bits of a number that is kept like this.
    fn bits_of(self, number: i128) -> u64 {
        number as u64 & (u64::MAX >> (64 - self.bits))
    }
}

impl Field {
    /// The first byte after it.
    fn end(&self) -> u64 {
        let bits = self.number.map_or(0, |number| number.bits);
        self.place.offset.0.saturating_add(bits).div_ceil(8)
    }
}

/// The number in `bytes` at a place that was found in the layout otherwise than by name; `None` if it is
/// no number, or the bytes end before it.
pub fn number_at(names: &Names<'_>, bytes: &[u8], place: Resolved) -> Option<i128> {
    number_in(bytes, &names.described(place))
}

fn number_in(bytes: &[u8], field: &Field) -> Option<i128> {
    let number = field.number?;
    let start = usize::try_from(field.place.offset.byte().0).ok()?;
    let end = usize::try_from(field.end()).ok()?;
    let bytes = bytes.get(start..end)?;
    let shift = u32::from(field.place.offset.bit_in_byte());
    Some(bits::get(bytes, shift, number.bits as u32, number.signed))
}
