//! What can be wrong with a kernel image.

use super::compression::Compression;
use super::config::ConfigError;
use kernel_structs::btf::BtfError;
use thiserror::Error;

/// The rule that a file breaks which should be a kernel.
#[derive(Debug, Error)]
pub enum KernelError {
    /// The file is shorter than the boot header.
    #[error("neither an ELF file nor a bzImage: {length} bytes are too short for a boot header")]
    TooShort {
        /// Its length in bytes.
        length: usize,
    },
    /// The signature of the boot header is missing.
    #[error("neither an ELF file nor a bzImage: {found:02x?} at byte 0x202, where HdrS should be")]
    NoBootHeader {
        /// What is there.
        found: [u8; 4],
    },
    /// The boot protocol is too old to tell where the payload is.
    #[error(
        "boot protocol {}.{:02}: the payload is described from 2.08 (Linux 2.6.26) on",
        .0 >> 8,
        .0 & 0xff
    )]
    OldProtocol(u16),
    /// The payload lies outside the file.
    #[error("the payload should be {length} bytes at byte {offset}; the file has {file} bytes")]
    PayloadRange {
        /// Where it should begin.
        offset: u64,
        /// How long it should be.
        length: u64,
        /// Length of the file.
        file: usize,
    },
    /// No known compression begins like this.
    #[error("the payload begins with {found:02x?}: {hint}")]
    UnknownCompression {
        /// The first bytes, eight at most.
        found: Vec<u8>,
        /// What that is, if it is known at all.
        hint: &'static str,
    },
    /// The payload cannot be decompressed.
    #[error("damaged {compression} payload")]
    Damaged {
        /// What it should be.
        compression: Compression,
        /// What the decompressor says.
        source: std::io::Error,
    },
    /// The payload unpacks to more than the caller allows.
    #[error("the {compression} payload unpacks to more than {limit} bytes")]
    TooLarge {
        /// How it is compressed.
        compression: Compression,
        /// The most that was allowed, in bytes.
        limit: u64,
    },
    /// What was unpacked is no ELF file.
    #[error("the payload is no ELF file: it begins with {found:02x?}")]
    PayloadNotElf {
        /// The first bytes, four at most.
        found: Vec<u8>,
    },
    /// The ELF file cannot be read.
    #[error("damaged ELF file")]
    Elf(#[from] object::Error),
    /// There is no banner.
    #[error(
        "no `Linux version` banner, which every kernel has: another program, or a part of a kernel; take the vmlinux or vmlinuz of a whole one"
    )]
    NoBanner,
    /// The kernel says of itself two different things.
    #[error("the boot header says `{header}`, the kernel itself `{banner}`")]
    Versions {
        /// `uname -r` of the boot header.
        header: String,
        /// `uname -r` of the kernel.
        banner: String,
    },
    /// The banner does not begin with a version.
    #[error("`{0}` begins with no version")]
    NoVersion(String),
    /// The machine is not one that is handled.
    #[error("the kernel is for {0}; only x86 is handled")]
    Machine(String),
    /// The configuration that the kernel carries cannot be read.
    #[error("the configuration inside the kernel cannot be read")]
    Config(#[from] ConfigError),
    /// The BTF cannot be read.
    #[error(transparent)]
    Btf(#[from] BtfError),
}
