//! What can be wrong with debug information.

use kernel_structs::layout::{LayoutError, MAX_DEPTH};
use std::path::PathBuf;
use thiserror::Error;

/// The rule that a file breaks which should have debug information.
#[derive(Debug, Error)]
pub enum DwarfError {
    /// The file cannot be opened.
    #[error("{path} cannot be opened")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The ELF file cannot be read.
    #[error("damaged ELF file")]
    Elf(#[from] object::Error),
    /// Only little-endian machines are handled.
    #[error("this is a file for a big-endian machine; only little-endian kernels are handled")]
    BigEndian,
    /// The file has no debug information.
    #[error("the file has no section .debug_info")]
    NoDebugInfo,
    /// A section is compressed in a way that is not known, or damaged.
    #[error("the compressed section {section} is damaged")]
    Section {
        /// Its name.
        section: &'static str,
        /// What the decompressor says.
        source: std::io::Error,
    },
    /// A section is larger than is handled.
    #[error("the section {section} has {size} bytes unpacked, more than {limit}")]
    SectionSize {
        /// Its name.
        section: &'static str,
        /// Its size in bytes.
        size: u64,
        /// The most that is handled.
        limit: u64,
    },
    /// The debug information breaks a rule of DWARF.
    #[error("damaged debug information")]
    Dwarf(#[from] gimli::Error),
    /// No unit defines a type.
    #[error("no unit defines `{name}`{}", if *.declared { "; it is only declared" } else { "" })]
    Undefined {
        /// Its name.
        name: String,
        /// Whether there is a declaration.
        declared: bool,
    },
    /// An entry lacks an attribute that it needs.
    #[error("entry {at:#x} ({tag}) has no {attribute}")]
    Missing {
        /// Its offset in `.debug_info`.
        at: usize,
        /// Its tag.
        tag: gimli::DwTag,
        /// The attribute.
        attribute: gimli::DwAt,
    },
    /// An attribute has a value that is not handled.
    #[error("entry {at:#x}: {attribute} has an unexpected form or value")]
    Attribute {
        /// Offset of the entry in `.debug_info`.
        at: usize,
        /// The attribute.
        attribute: gimli::DwAt,
    },
    /// A type is of a kind that no C program has, or that lies in another file.
    #[error("entry {at:#x}: a type of the kind {tag} is not handled")]
    Kind {
        /// Offset of the entry in `.debug_info`.
        at: usize,
        /// Its tag.
        tag: gimli::DwTag,
    },
    /// A reference leads to no entry.
    #[error("entry {at:#x} refers to {target:#x}, which is in no unit")]
    Reference {
        /// Offset of the entry in `.debug_info`.
        at: usize,
        /// What it refers to.
        target: usize,
    },
    /// Types are nested too deep.
    #[error("entry {at:#x} ends a chain of more than {MAX_DEPTH} types")]
    TooDeep {
        /// Offset of the entry in `.debug_info`.
        at: usize,
    },
    /// The types make no layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}
