//! What can be wrong with BTF, and with a layout that is to become BTF.

use crate::layout::{LayoutError, TypeId};
use thiserror::Error;

/// The rule that a file breaks which should be BTF.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BtfError {
    /// Neither BTF nor ELF begins like this.
    #[error("neither BTF nor an ELF file: it begins with {found:02x?}")]
    Magic {
        /// The first bytes, four at most.
        found: Vec<u8>,
    },
    /// The BTF of a big-endian machine.
    #[error("this is BTF of a big-endian machine; only little-endian kernels are handled")]
    BigEndian,
    /// The ELF file cannot be read.
    #[error("damaged ELF file: {reason}")]
    Elf {
        /// What is wrong with it.
        reason: String,
    },
    /// The ELF file has no BTF.
    #[error("the ELF file has no section .BTF")]
    NoSection,
    /// A version of the format that is not known.
    #[error("BTF version {0} is not known; 1 is")]
    Version(u8),
    /// The file ends inside something.
    #[error("{what} at byte {offset} needs {needed} bytes; {left} are left")]
    Truncated {
        /// What it is.
        what: &'static str,
        /// Where it begins, in bytes from the start of the BTF or of the section named.
        offset: u64,
        /// How long it is.
        needed: u64,
        /// How many bytes there are.
        left: u64,
    },
    /// The header is shorter than the header of version 1.
    #[error("the header says it has {0} bytes; 24 is the least")]
    HeaderLength(u32),
    /// The type section does not begin at a multiple of four bytes.
    #[error("the type section begins at offset {0}, which is no multiple of 4")]
    TypeOffset(u32),
    /// The string section does not begin and end with a zero byte.
    #[error("the string section does not begin and end with a zero byte")]
    Strings,
    /// A name lies outside the string section.
    #[error("type {id}: the name at offset {offset} lies outside the string section")]
    NameOffset {
        /// The type, by its BTF id.
        id: u32,
        /// The offset found.
        offset: u32,
    },
    /// A name is no UTF-8.
    #[error("type {id}: the name at offset {offset} is no UTF-8 text")]
    NameText {
        /// The type, by its BTF id.
        id: u32,
        /// Where the name is.
        offset: u32,
    },
    /// A name is longer than the kernel allows.
    #[error("type {id}: the name at offset {offset} has {length} bytes; 511 are allowed")]
    NameLength {
        /// The type, by its BTF id.
        id: u32,
        /// Where the name is.
        offset: u32,
        /// How long it is.
        length: usize,
    },
    /// A kind of type that is not known.
    #[error("type {id} at offset {offset} is of unknown kind {kind}")]
    Kind {
        /// The type, by its BTF id.
        id: u32,
        /// Where it is in the type section.
        offset: u64,
        /// The kind found.
        kind: u8,
    },
    /// A type refers to one that does not exist.
    #[error("type {id} refers to type {target}, which does not exist")]
    Reference {
        /// The type, by its BTF id.
        id: u32,
        /// The id it names.
        target: u32,
    },
    /// Something refers to a function, variable or the like as if it were a type.
    #[error("type {id} refers to type {target}, which is a {kind} and no type of data")]
    NotData {
        /// The type, by its BTF id.
        id: u32,
        /// The id it names.
        target: u32,
        /// What that is.
        kind: &'static str,
    },
    /// An integer has bits outside its bytes, or none.
    #[error("type {id}: {bits} bits at bit {offset} of an integer of {size} bytes")]
    IntBits {
        /// The type, by its BTF id.
        id: u32,
        /// How many bits.
        bits: u8,
        /// The first of them.
        offset: u8,
        /// Size of the integer in bytes.
        size: u32,
    },
    /// An array has elements that are no whole integers.
    #[error("type {id} is an array of integers of {bits} bits")]
    ArrayOfBits {
        /// The type, by its BTF id.
        id: u32,
        /// Bits of an element.
        bits: u8,
    },
    /// Nothing says how large a pointer is.
    #[error("nothing in the BTF says how large a pointer is")]
    PointerSize,
    /// The types do not make a layout.
    #[error("the types contradict each other: {0}")]
    Layout(#[from] LayoutError),
}

impl BtfError {
    /// What the user can do about it, where there is something to do.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            BtfError::NoSection => Some(
                "build the kernel with CONFIG_DEBUG_INFO_BTF, or make BTF of its debug information: pahole --btf_encode_detached=FILE VMLINUX",
            ),
            BtfError::PointerSize => Some("say which machine the file is for, such as i386"),
            BtfError::Kind { .. } | BtfError::Version(_) => {
                Some("the file may come from a newer pahole; make it again with an older one")
            }
            _ => None,
        }
    }
}

/// What a layout has that BTF cannot say.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WriteError {
    /// A size or count needs more than 32 bits.
    #[error("{id}: {what} {value} does not fit BTF's 32 bits")]
    TooLarge {
        /// The type.
        id: TypeId,
        /// What it is.
        what: &'static str,
        /// The value.
        value: u64,
    },
    /// More members, parameters or enumerators than 16 bits count.
    #[error("{id}: {count} {what} are more than BTF can list")]
    TooMany {
        /// The type.
        id: TypeId,
        /// What they are.
        what: &'static str,
        /// How many.
        count: usize,
    },
    /// A member of a composite with bit-fields begins past what 24 bits count.
    #[error("{id}: a member at bit {offset} beside bit-fields is too far for BTF")]
    TooFar {
        /// The type.
        id: TypeId,
        /// Where it begins.
        offset: u64,
    },
    /// The value of an enumerator does not fit its enumeration.
    #[error("{id}: enumerator {name} = {value} does not fit the enumeration")]
    Enumerator {
        /// The type.
        id: TypeId,
        /// The enumerator.
        name: String,
        /// Its value.
        value: i128,
    },
    /// All names together are too long.
    #[error("the names have more than 4 GiB")]
    Strings,
}
