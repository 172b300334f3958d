//! The debug sections of an ELF file, unpacked and relocated.

use super::DwarfError;
use gimli::{EndianSlice, LittleEndian, RelocateReader};
use kernel_structs::layout::Target;
use object::read::elf::ElfFile;
use object::read::{CompressedData, RelocationMap};
use object::{CompressionFormat, Endianness, FileKind, Object, ObjectSection, ReadRef};
use std::borrow::Cow;
use std::io::{self, Read};

/// The largest unpacked section that is handled, in bytes. The `.debug_info` of a distribution's
/// kernel has some 500 MB.
pub const SECTION_LIMIT: u64 = 4 << 30;

pub(super) type Reader<'a> = RelocateReader<EndianSlice<'a, LittleEndian>, &'a Relocations>;

/// The debug sections of a file.
pub(super) struct Sections<'data> {
    target: Target,
    sections: Vec<(gimli::SectionId, Section<'data>)>,
    empty: Section<'data>,
}

struct Section<'data> {
    data: Cow<'data, [u8]>,
    relocations: Relocations,
}

/// The relocations of one section; empty but in object files.
#[derive(Debug, Default)]
pub(super) struct Relocations(RelocationMap);

impl gimli::Relocate for &Relocations {
    fn relocate_address(&self, offset: usize, value: u64) -> gimli::Result<u64> {
        Ok(self.0.relocate(offset as u64, value))
    }

    fn relocate_offset(&self, offset: usize, value: usize) -> gimli::Result<usize> {
        usize::try_from(self.0.relocate(offset as u64, value as u64))
            .map_err(|_| gimli::Error::UnsupportedOffset)
    }
}

impl<'data> Sections<'data> {
    pub(super) fn load<R: ReadRef<'data>>(data: R) -> Result<Sections<'data>, DwarfError> {
        match FileKind::parse(data)? {
            FileKind::Elf32 => {
                let file = ElfFile::<object::elf::FileHeader32<Endianness>, R>::parse(data)?;
                Sections::of(&file, Target { pointer_size: 4 })
            }
            _ => {
                let file = ElfFile::<object::elf::FileHeader64<Endianness>, R>::parse(data)?;
                Sections::of(&file, Target { pointer_size: 8 })
            }
        }
    }

    fn of(file: &impl Object<'data>, target: Target) -> Result<Sections<'data>, DwarfError> {
        if !file.is_little_endian() {
            return Err(DwarfError::BigEndian);
        }
        let mut sections = Vec::new();
        // What describes types, and the lines, of which gimli wants the header for each unit.
        // Locations and ranges are left in the file.
        for id in [
            gimli::SectionId::DebugInfo,
            gimli::SectionId::DebugAbbrev,
            gimli::SectionId::DebugStr,
            gimli::SectionId::DebugLineStr,
            gimli::SectionId::DebugStrOffsets,
            gimli::SectionId::DebugLine,
        ] {
            let Some(section) = file.section_by_name(id.name()) else {
                continue;
            };
            let packed = section.compressed_data()?;
            let data = unpack(id.name(), packed)?;
            let relocations = match file.kind() {
                object::ObjectKind::Relocatable => Relocations(relocations(file, &section)?),
                _ => Relocations::default(),
            };
            sections.push((id, Section { data, relocations }));
        }
        match sections.first() {
            Some((gimli::SectionId::DebugInfo, _)) => Ok(Sections {
                target,
                sections,
                empty: Section {
                    data: Cow::Borrowed(&[]),
                    relocations: Relocations::default(),
                },
            }),
            _ => Err(DwarfError::NoDebugInfo),
        }
    }

    pub(super) fn target(&self) -> Target {
        self.target
    }

    pub(super) fn dwarf(&self) -> gimli::Dwarf<Reader<'_>> {
        let section = |id| {
            let section = self
                .sections
                .iter()
                .find(|(found, _)| *found == id)
                .map_or(&self.empty, |(_, section)| section);
            Ok::<_, std::convert::Infallible>(RelocateReader::new(
                EndianSlice::new(&section.data, LittleEndian),
                &section.relocations,
            ))
        };
        let Ok(dwarf) = gimli::Dwarf::load(section);
        dwarf
    }
}

/// All relocations that stand for offsets; the others are of addresses, which no type has.
fn relocations<'data: 'file, 'file, O: Object<'data>>(
    file: &'file O,
    section: &O::Section<'file>,
) -> Result<RelocationMap, DwarfError> {
    let mut map = RelocationMap::default();
    for (offset, relocation) in section.relocations() {
        if relocation.kind() == object::RelocationKind::Absolute {
            map.add(file, offset, relocation)?;
        }
    }
    Ok(map)
}

fn unpack<'data>(
    section: &'static str,
    packed: CompressedData<'data>,
) -> Result<Cow<'data, [u8]>, DwarfError> {
    let size = packed.uncompressed_size;
    if size > SECTION_LIMIT {
        return Err(DwarfError::SectionSize {
            section,
            size,
            limit: SECTION_LIMIT,
        });
    }
    let unpacked = match packed.format {
        CompressionFormat::None => return Ok(Cow::Borrowed(packed.data)),
        CompressionFormat::Zlib => bounded(flate2::read::ZlibDecoder::new(packed.data), size),
        CompressionFormat::Zstandard => ruzstd::decoding::StreamingDecoder::new(packed.data)
            .map_err(io::Error::other)
            .and_then(|stream| bounded(stream, size)),
        _ => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "an unknown compression",
        )),
    };
    match unpacked {
        Ok(data) => Ok(Cow::Owned(data)),
        Err(source) => Err(DwarfError::Section { section, source }),
    }
}

fn bounded(stream: impl Read, size: u64) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    stream.take(size.saturating_add(1)).read_to_end(&mut data)?;
    match data.len() as u64 == size {
        true => Ok(data),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{size} bytes were announced"),
        )),
    }
}
