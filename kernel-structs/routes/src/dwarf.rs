//! Layouts out of DWARF: of a vmlinux, a module, or an object file.
//!
//! Only the types asked for are read, with everything they contain, so that the debug information
//! of a whole kernel need not become a model: the sections are read once from the file, the units
//! are searched one after the other, and what is kept is proportional to the types asked for. A
//! structure behind a pointer is named and not followed.
//!
//! DWARF 2 to 5 is read, little-endian, 32 and 64 bits, compressed sections and the relocations
//! of object files included. A type that is only declared in one unit is found where it is
//! defined. Different definitions of one name are all kept; the layout then calls the name
//! ambiguous.
//!
//! Hostile input gives an error, never a panic; unpacked sections are bounded by
//! [`SECTION_LIMIT`]. Section numbers in the comments are of the DWARF 5 standard.

mod attribute;
mod build;
mod error;
mod index;
mod member;
mod place;
mod sections;

pub use error::DwarfError;
pub use sections::SECTION_LIMIT;

use build::Builder;
use kernel_structs::layout::Layout;
use object::ReadRef;
use sections::Sections;
use std::fs::File;
use std::path::Path;

/// The types of `names`, out of the ELF file `data`. A name is that of a structure, union,
/// enumeration, typedef or integer (`long unsigned int`), where a leading `struct `, `union ` or `enum ` is allowed.
///
/// # Errors
/// If `data` is no ELF file with DWARF, breaks a rule of either, or defines none of a name.
pub fn read(data: &[u8], names: &[&str]) -> Result<Layout, DwarfError> {
    read_from(data, names)
}

/// How many bytes a pointer has on the machine that the ELF file `data` is for.
///
/// # Errors
/// If `data` is no ELF file with DWARF.
pub fn pointer_size(data: &[u8]) -> Result<u8, DwarfError> {
    Ok(Sections::load(data)?.target().pointer_size)
}

/// As [`read`], of a file, of which no more than the sections needed are held in memory.
///
/// # Errors
/// As [`read`], and if the file cannot be opened.
pub fn read_file(path: &Path, names: &[&str]) -> Result<Layout, DwarfError> {
    let file = File::open(path).map_err(|source| DwarfError::Open {
        path: path.to_owned(),
        source,
    })?;
    read_from(&object::ReadCache::new(file), names)
}

fn read_from<'data>(data: impl ReadRef<'data>, names: &[&str]) -> Result<Layout, DwarfError> {
    let sections = Sections::load(data)?;
    let dwarf = sections.dwarf();
    let found = index::find(&dwarf, names)?;
    let mut builder = Builder::new(&dwarf, sections.target());
    for definition in found {
        builder.definition(definition)?;
    }
    builder.finish()
}
