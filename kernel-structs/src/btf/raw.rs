//! BTF as it stands in the file: header, type records, strings. Ids and offsets are those of the
//! file; nothing is known here about what they mean together.

use super::BtfError;

/// `BTF_MAGIC`, "BTF Header".
pub(super) const MAGIC: u16 = 0xeb9f;
/// `BTF_VERSION`.
pub(super) const VERSION: u8 = 1;
/// Size of `struct btf_header`.
pub(super) const HEADER_LENGTH: u32 = 24;

/// `KSYM_NAME_LEN` without the final zero byte, the kernel's limit (kernel/bpf/btf.c:
/// __btf_name_valid).
const NAME_LENGTH: usize = 511;

/// `BTF_INT_SIGNED`, "BTF_KIND_INT".
pub(super) const INT_SIGNED: u8 = 1;
/// `BTF_INT_CHAR`.
pub(super) const INT_CHAR: u8 = 2;
/// `BTF_INT_BOOL`.
pub(super) const INT_BOOL: u8 = 4;

/// Declares the kinds once, with the number and the name of each ("Type Encoding").
macro_rules! kinds {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        /// `BTF_KIND_*`.
        #[derive(Copy, Clone, Debug, PartialEq, Eq)]
        pub(super) enum Kind { $($name = $number),* }

        impl Kind {
            fn from_number(number: u8) -> Option<Kind> {
                match number {
                    $($number => Some(Kind::$name),)*
                    _ => None,
                }
            }

            /// The kind in words.
            pub(super) fn name(self) -> &'static str {
                match self { $(Kind::$name => $text),* }
            }
        }
    };
}

kinds! {
    Int = 1, "integer";
    Ptr = 2, "pointer";
    Array = 3, "array";
    Struct = 4, "struct";
    Union = 5, "union";
    Enum = 6, "enum";
    Fwd = 7, "forward declaration";
    Typedef = 8, "typedef";
    Volatile = 9, "volatile";
    Const = 10, "const";
    Restrict = 11, "restrict";
    Func = 12, "function";
    FuncProto = 13, "function type";
    Var = 14, "variable";
    Datasec = 15, "section";
    Float = 16, "float";
    DeclTag = 17, "declaration tag";
    TypeTag = 18, "type tag";
    Enum64 = 19, "64-bit enum";
}

impl Kind {
    /// Whether it is another name of a type, or a qualifier of it.
    pub(super) fn is_name(self) -> bool {
        use Kind::{Const, Restrict, TypeTag, Typedef, Volatile};
        matches!(self, Typedef | Volatile | Const | Restrict | TypeTag)
    }
}

/// A type record: `struct btf_type` and what follows it.
#[derive(Copy, Clone, Debug)]
pub(super) struct Record<'data> {
    pub(super) kind: Kind,
    pub(super) kind_flag: bool,
    pub(super) name: u32,
    /// `size` or `type`, by the kind.
    pub(super) size_or_type: u32,
    /// The words after the head.
    pub(super) rest: &'data [u8],
}

impl<'data> Record<'data> {
    pub(super) fn is_composite(&self) -> bool {
        matches!(self.kind, Kind::Struct | Kind::Union)
    }

    /// The record without the members of a composite and the parameters of a function.
    pub(super) fn without_contents(&self) -> Record<'data> {
        let has_contents = self.is_composite() || self.kind == Kind::FuncProto;
        Record {
            rest: if has_contents { &[] } else { self.rest },
            ..*self
        }
    }

    /// The words after the head, `N` to an entry.
    pub(super) fn entries<const N: usize>(&self) -> impl Iterator<Item = [u32; N]> + use<'data, N> {
        self.rest
            .chunks_exact(4 * N)
            .map(|entry| std::array::from_fn(|i| word(&entry[4 * i..])))
    }
}

/// The little-endian word that `bytes` begins with.
fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|i| bytes[i]))
}

/// The sections of a file.
pub(super) struct Sections<'data> {
    types: &'data [u8],
    strings: &'data [u8],
}

impl<'data> Sections<'data> {
    /// Reads the header, "BTF Header".
    pub(super) fn parse(data: &'data [u8]) -> Result<Sections<'data>, BtfError> {
        let mut header = Words {
            what: "the header",
            data,
            at: 0,
        };
        let first = header.next()?;
        let [low, high, version, _flags] = first.to_le_bytes();
        if u16::from_le_bytes([low, high]) != MAGIC {
            if u16::from_be_bytes([low, high]) == MAGIC {
                return Err(BtfError::BigEndian);
            }
            return Err(BtfError::Magic {
                found: first.to_le_bytes().to_vec(),
            });
        }
        if version != VERSION {
            return Err(BtfError::Version(version));
        }
        let header_length = header.next()?;
        if header_length < HEADER_LENGTH {
            return Err(BtfError::HeaderLength(header_length));
        }
        let [type_offset, type_length] = [header.next()?, header.next()?];
        let [string_offset, string_length] = [header.next()?, header.next()?];
        if type_offset % 4 != 0 {
            return Err(BtfError::TypeOffset(type_offset));
        }
        let section = |what, offset: u32, length: u32| {
            // Offsets count from the end of the header.
            let offset = u64::from(header_length) + u64::from(offset);
            let rest = usize::try_from(offset)
                .ok()
                .and_then(|offset| data.get(offset..));
            let rest = rest.unwrap_or_default();
            rest.get(..length as usize).ok_or(BtfError::Truncated {
                what,
                offset,
                needed: length.into(),
                left: rest.len() as u64,
            })
        };
        let types = section("the type section", type_offset, type_length)?;
        let strings = section("the string section", string_offset, string_length)?;
        if strings.first() != Some(&0) || strings.last() != Some(&0) {
            return Err(BtfError::Strings);
        }
        Ok(Sections { types, strings })
    }

    /// The type records. The first has the id 1.
    pub(super) fn records(&self) -> Result<Vec<Record<'data>>, BtfError> {
        let mut words = Words {
            what: "a type",
            data: self.types,
            at: 0,
        };
        let mut records = Vec::new();
        while words.at < words.data.len() {
            let offset = words.at as u64;
            let [name, info, size_or_type] = [words.next()?, words.next()?, words.next()?];
            // "Type Encoding": bits 0-15 vlen, 24-28 kind, 31 kind_flag.
            let vlen = info & 0xffff;
            let number = (info >> 24) as u8 & 0x1f;
            let kind = Kind::from_number(number).ok_or(BtfError::Kind {
                id: records.len() as u32 + 1,
                offset,
                kind: number,
            })?;
            let rest = match kind {
                Kind::Int | Kind::Var | Kind::DeclTag => 1,
                Kind::Array => 3,
                Kind::Struct | Kind::Union | Kind::Datasec | Kind::Enum64 => 3 * vlen,
                Kind::Enum | Kind::FuncProto => 2 * vlen,
                _ => 0,
            };
            records.push(Record {
                kind,
                kind_flag: info >> 31 == 1,
                name,
                size_or_type,
                rest: words.take(4 * rest as usize)?,
            });
        }
        Ok(records)
    }

    /// The name at `offset`, for type `id`; empty for what has no name.
    pub(super) fn name(&self, id: u32, offset: u32) -> Result<&'data str, BtfError> {
        let rest = self
            .strings
            .get(offset as usize..)
            .filter(|rest| !rest.is_empty());
        let rest = rest.ok_or(BtfError::NameOffset { id, offset })?;
        let end = rest
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(rest.len());
        // Many types may share one name; the limit keeps copies of it in proportion to the file.
        if end > NAME_LENGTH {
            return Err(BtfError::NameLength {
                id,
                offset,
                length: end,
            });
        }
        std::str::from_utf8(&rest[..end]).map_err(|_| BtfError::NameText { id, offset })
    }
}

/// Takes words off the front of a section.
struct Words<'data> {
    what: &'static str,
    data: &'data [u8],
    at: usize,
}

impl<'data> Words<'data> {
    fn take(&mut self, length: usize) -> Result<&'data [u8], BtfError> {
        let rest = &self.data[self.at..];
        let taken = rest.get(..length).ok_or(BtfError::Truncated {
            what: self.what,
            offset: self.at as u64,
            needed: length as u64,
            left: rest.len() as u64,
        })?;
        self.at += length;
        Ok(taken)
    }

    fn next(&mut self) -> Result<u32, BtfError> {
        Ok(word(self.take(4)?))
    }
}
