//! The `.BTF` section of an ELF file.

use super::BtfError;
use crate::layout::Target;
use object::read::elf::ElfFile;
use object::{Endianness, FileKind, Object, ObjectSection};

/// What an ELF file begins with.
pub(super) const MAGIC: &[u8] = b"\x7fELF";

/// The contents of the section, and the machine of the file.
pub(super) fn section(data: &[u8]) -> Result<(&[u8], Target), BtfError> {
    match FileKind::parse(data).map_err(damaged)? {
        FileKind::Elf32 => {
            let file = ElfFile::<object::elf::FileHeader32<Endianness>>::parse(data);
            Ok((
                contents(&file.map_err(damaged)?)?,
                Target { pointer_size: 4 },
            ))
        }
        FileKind::Elf64 => {
            let file = ElfFile::<object::elf::FileHeader64<Endianness>>::parse(data);
            Ok((
                contents(&file.map_err(damaged)?)?,
                Target { pointer_size: 8 },
            ))
        }
        other => Err(BtfError::Elf {
            reason: format!("{other:?}, neither 32 nor 64 bits"),
        }),
    }
}

fn contents<'data>(file: &impl Object<'data>) -> Result<&'data [u8], BtfError> {
    if !file.is_little_endian() {
        return Err(BtfError::BigEndian);
    }
    file.section_by_name(".BTF")
        .ok_or(BtfError::NoSection)?
        .data()
        .map_err(damaged)
}

fn damaged(error: object::Error) -> BtfError {
    BtfError::Elf {
        reason: error.to_string(),
    }
}
