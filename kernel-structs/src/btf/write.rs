//! From a layout to BTF.

use super::WriteError;
use super::raw::{HEADER_LENGTH, INT_BOOL, INT_CHAR, INT_SIGNED, Kind, MAGIC, VERSION};
use super::read::is_long;
use crate::layout::{Composite, CompositeKind, EnumType, IntType, Layout, Qualifier, Type, TypeId};
use std::collections::BTreeMap;

/// Writes detached BTF. The same layout gives the same bytes, and types keep their order.
///
/// Readers tell the size of a pointer from `long`. If the layout has no such integer, one is
/// added at the end.
///
/// # Errors
/// If the layout has something that BTF cannot say.
pub fn write(layout: &Layout) -> Result<Vec<u8>, WriteError> {
    let mut writer = Writer {
        ids: Vec::new(),
        index_type: 0,
        types: Vec::new(),
        strings: Strings {
            bytes: vec![0],
            offsets: BTreeMap::new(),
        },
    };
    let mut next = 0;
    for (_, ty) in layout.types() {
        // BTF has one `void`, with the id 0 and without a record.
        let own = !matches!(ty, Type::Void);
        next += u32::from(own);
        writer.ids.push(if own { next } else { 0 });
    }
    let long = layout
        .types()
        .any(|(_, ty)| matches!(ty, Type::Int(int) if is_long(&int.name)));
    let first_int = layout.types().find(|(_, ty)| matches!(ty, Type::Int(_)));
    writer.index_type = first_int.map_or(next + 1, |(id, _)| writer.ids[id.0 as usize]);
    for (id, ty) in layout.types() {
        writer.ty(id, ty)?;
    }
    if !long {
        let size = u32::from(layout.target().pointer_size);
        writer.head(Kind::Int, false, 0, "long unsigned int", size)?;
        writer.word(size * 8);
    }
    writer.finish()
}

struct Writer<'a> {
    /// BTF ids of the layout's types.
    ids: Vec<u32>,
    /// What all arrays name as the type of their index.
    index_type: u32,
    types: Vec<u8>,
    strings: Strings<'a>,
}

struct Strings<'a> {
    bytes: Vec<u8>,
    offsets: BTreeMap<&'a str, u32>,
}

impl<'a> Writer<'a> {
    fn ty(&mut self, id: TypeId, ty: &'a Type) -> Result<(), WriteError> {
        let narrow = |what, value: u64| {
            u32::try_from(value).map_err(|_| WriteError::TooLarge { id, what, value })
        };
        match ty {
            Type::Void => {}
            Type::Int(int) => {
                self.head(Kind::Int, false, 0, &int.name, narrow("size", int.size.0)?)?;
                self.word(u32::from(encoding(int)) << 24 | (int.size.0 * 8) as u32);
            }
            Type::Float { name, size } => {
                self.head(Kind::Float, false, 0, name, narrow("size", size.0)?)?;
            }
            Type::Pointer { target } => {
                self.head(Kind::Ptr, false, 0, "", self.id(*target))?;
            }
            Type::Array { element, count } => {
                self.head(Kind::Array, false, 0, "", 0)?;
                self.word(self.id(*element));
                self.word(self.index_type);
                self.word(narrow("element count", *count)?);
            }
            Type::Composite(composite) => {
                narrow("size", composite.size.0)?;
                self.composite(id, composite)?;
            }
            Type::Enum(e) => self.enumeration(id, e)?,
            Type::Typedef { name, target } => {
                self.head(Kind::Typedef, false, 0, name, self.id(*target))?;
            }
            Type::Qualified { qualifier, target } => {
                let (kind, name) = match qualifier {
                    Qualifier::Const => (Kind::Const, ""),
                    Qualifier::Volatile => (Kind::Volatile, ""),
                    Qualifier::Restrict => (Kind::Restrict, ""),
                    Qualifier::TypeTag(tag) => (Kind::TypeTag, tag.as_str()),
                };
                self.head(kind, false, 0, name, self.id(*target))?;
            }
            Type::Forward { kind, name } => {
                self.head(Kind::Fwd, *kind == CompositeKind::Union, 0, name, 0)?;
            }
            Type::FunctionProto {
                returns,
                parameters,
            } => {
                let count = count(id, "parameters", parameters.len())?;
                self.head(Kind::FuncProto, false, count, "", self.id(*returns))?;
                for (name, ty) in parameters {
                    let name = self.strings.offset(name)?;
                    self.word(name);
                    self.word(self.id(*ty));
                }
            }
        }
        Ok(())
    }

    fn composite(&mut self, id: TypeId, composite: &'a Composite) -> Result<(), WriteError> {
        let kind = match composite.kind {
            CompositeKind::Struct => Kind::Struct,
            CompositeKind::Union => Kind::Union,
        };
        let bit_fields = composite
            .members
            .iter()
            .any(|member| member.bit_field.is_some());
        let count = count(id, "members", composite.members.len())?;
        let name = composite.name.as_deref().unwrap_or("");
        self.head(kind, bit_fields, count, name, composite.size.0 as u32)?;
        for member in &composite.members {
            let name = self.strings.offset(member.name.as_deref().unwrap_or(""))?;
            self.word(name);
            self.word(self.id(member.ty));
            let offset = member.offset.0;
            let limit = if bit_fields {
                0xff_ffff
            } else {
                u32::MAX.into()
            };
            if offset > limit {
                return Err(WriteError::TooFar { id, offset });
            }
            let width = member.bit_field.map_or(0, |width| width.0);
            self.word(offset as u32 | (width as u32) << 24);
        }
        Ok(())
    }

    /// Enumerations of up to four bytes are the older kind, which every reader knows.
    fn enumeration(&mut self, id: TypeId, e: &'a EnumType) -> Result<(), WriteError> {
        let wide = e.size.0 > 4;
        let kind = if wide { Kind::Enum64 } else { Kind::Enum };
        let count = count(id, "enumerators", e.enumerators.len())?;
        self.head(
            kind,
            e.signed,
            count,
            e.name.as_deref().unwrap_or(""),
            e.size.0 as u32,
        )?;
        for (name, value) in &e.enumerators {
            let word = match (wide, e.signed) {
                (false, false) => u32::try_from(*value).ok().map(u64::from),
                (false, true) => i32::try_from(*value)
                    .ok()
                    .map(|value| u64::from(value as u32)),
                (true, false) => u64::try_from(*value).ok(),
                (true, true) => i64::try_from(*value).ok().map(|value| value as u64),
            };
            let word = word.ok_or_else(|| WriteError::Enumerator {
                id,
                name: name.clone(),
                value: *value,
            })?;
            let name = self.strings.offset(name)?;
            self.word(name);
            self.word(word as u32);
            if wide {
                self.word((word >> 32) as u32);
            }
        }
        Ok(())
    }

    /// The words every record begins with.
    fn head(
        &mut self,
        kind: Kind,
        kind_flag: bool,
        count: u16,
        name: &'a str,
        size_or_type: u32,
    ) -> Result<(), WriteError> {
        let name = self.strings.offset(name)?;
        self.word(name);
        self.word(u32::from(kind_flag) << 31 | (kind as u32) << 24 | u32::from(count));
        self.word(size_or_type);
        Ok(())
    }

    fn word(&mut self, word: u32) {
        self.types.extend(word.to_le_bytes());
    }

    fn id(&self, id: TypeId) -> u32 {
        self.ids[id.0 as usize]
    }

    fn finish(self) -> Result<Vec<u8>, WriteError> {
        let length = |section: &[u8]| u32::try_from(section.len()).map_err(|_| WriteError::Strings);
        let (types, strings) = (length(&self.types)?, length(&self.strings.bytes)?);
        let mut data = Vec::new();
        data.extend(MAGIC.to_le_bytes());
        data.extend([VERSION, 0]);
        for word in [HEADER_LENGTH, 0, types, types, strings] {
            data.extend(word.to_le_bytes());
        }
        data.extend(self.types);
        data.extend(self.strings.bytes);
        Ok(data)
    }
}

impl<'a> Strings<'a> {
    fn offset(&mut self, text: &'a str) -> Result<u32, WriteError> {
        if text.is_empty() {
            return Ok(0);
        }
        if let Some(offset) = self.offsets.get(text) {
            return Ok(*offset);
        }
        let offset = u32::try_from(self.bytes.len()).map_err(|_| WriteError::Strings)?;
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
        self.offsets.insert(text, offset);
        Ok(offset)
    }
}

fn count(id: TypeId, what: &'static str, count: usize) -> Result<u16, WriteError> {
    u16::try_from(count).map_err(|_| WriteError::TooMany { id, what, count })
}

fn encoding(int: &IntType) -> u8 {
    let mut encoding = 0;
    if int.signed {
        encoding |= INT_SIGNED;
    }
    // A `char` is known by its name, and the kernel allows one flag only.
    if int.character && int.name != "char" {
        encoding |= INT_CHAR;
    }
    if int.boolean {
        encoding |= INT_BOOL;
    }
    encoding
}
