//! The parts of an image that notes hold: their numbers, names and order.

/// Owner of the notes that this format defines.
pub(crate) const OWNER: &str = "KCONV";

/// The notes owned by [`OWNER`].
///
/// BFD, and so gdb and objdump, look at `n_type` without regard to the owner, and would take a
/// note of type 1 for an `NT_PRSTATUS`. Hence numbers that begin with "KC".
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Note {
    Identity = 0x4b43_0001,
    Types = 0x4b43_0002,
    Objects = 0x4b43_0003,
    Symbols = 0x4b43_0004,
    Resources = 0x4b43_0005,
    Slots = 0x4b43_0006,
    Clocks = 0x4b43_0007,
    Facts = 0x4b43_0008,
    Remainder = 0x4b43_0009,
    Provenance = 0x4b43_000a,
    AddressSpaces = 0x4b43_000b,
    Digest = 0x4b43_000c,
    Contents = 0x4b43_000d,
    Signers = 0x4b43_000e,
}

impl Note {
    /// The name in messages and in the book.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Note::Identity => "IDENTITY",
            Note::Types => "TYPES",
            Note::Objects => "OBJECTS",
            Note::Symbols => "SYMBOLS",
            Note::Resources => "RESOURCES",
            Note::Slots => "SLOTS",
            Note::Clocks => "CLOCKS",
            Note::Facts => "FACTS",
            Note::Remainder => "REMAINDER",
            Note::Provenance => "PROVENANCE",
            Note::AddressSpaces => "ADDRESS_SPACES",
            Note::Digest => "DIGEST",
            Note::Contents => "CONTENTS",
            Note::Signers => "SIGNERS",
        }
    }
}

/// Every field of a note (name, descriptor) begins at a multiple of this. Core files use 4 on
/// 64-bit machines too.
pub(crate) const NOTE_ALIGN: usize = 4;

/// Length of `n_namesz`, `n_descsz` and `n_type` together.
pub(crate) const NOTE_HEADER: usize = 12;

/// Length of the descriptor of the DIGEST note: objects, pages, head.
pub(crate) const DIGEST_BYTES: usize = 96;

/// Length of the whole DIGEST note: header, `KCONV\0` padded to 8 bytes, descriptor.
pub(crate) const DIGEST_NOTE: usize = NOTE_HEADER + 8 + DIGEST_BYTES;

/// Length of the head digest, which is the last thing in the note area and does not cover itself.
pub(crate) const HEAD_DIGEST: usize = 32;

/// Lists of values may lie in one another so deep, and no deeper.
pub(crate) const MAX_VALUE_DEPTH: u32 = 16;

/// First byte of a value.
pub(crate) mod tag {
    pub(crate) const UNSIGNED: u8 = 1;
    pub(crate) const SIGNED: u8 = 2;
    pub(crate) const TEXT: u8 = 3;
    pub(crate) const BYTES: u8 = 4;
    pub(crate) const OBJECT: u8 = 5;
    pub(crate) const RESOURCE: u8 = 6;
    pub(crate) const LIST: u8 = 7;
}

/// Kind of a slot's target.
pub(crate) mod target {
    pub(crate) const SYMBOL: u32 = 0;
    pub(crate) const RESOURCE: u32 = 1;
}

/// The least bytes that an element of a list takes, by which a count is held against the bytes
/// that are left before anything is allocated.
pub(crate) mod least {
    pub(crate) const STRING: usize = 4;
    pub(crate) const VALUE: usize = 5;
    pub(crate) const NAMED_VALUE: usize = STRING + VALUE;
    pub(crate) const OBJECT: usize = 40;
    pub(crate) const SYMBOL: usize = STRING + 16;
    pub(crate) const RESOURCE: usize = STRING + 12;
    pub(crate) const SLOT: usize = 16;
    pub(crate) const REMAINDER: usize = 12 + STRING + 4;
    pub(crate) const KERNEL: usize = 3 * STRING + 32;
    pub(crate) const STEP: usize = 2 * STRING + 2 * KERNEL + 32;
    pub(crate) const SIGNERS: usize = 8;
    pub(crate) const ADDRESS_SPACE: usize = 8;
    pub(crate) const RUN: usize = 28;
    pub(crate) const CONTENTS: usize = 8;
    pub(crate) const CONTENT_RUN: usize = 24;
}
