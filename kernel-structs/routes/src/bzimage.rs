//! Layouts and facts out of a `vmlinuz`.
//!
//! A bzImage is a boot header, a small program and the compressed kernel, an ELF file without
//! symbols that still has its BTF, its build id and its banner. The header is specified in the
//! kernel's `Documentation/arch/x86/boot.rst`; its field names are used here. A plain ELF vmlinux
//! is read as well.
//!
//! Reading any bytes whatever gives a kernel or an error, never a panic, and takes no more memory
//! than the limit the caller declares for the unpacked kernel, besides the decompressor's own
//! dictionary, which is bounded by [`payload::DICTIONARY_LIMIT`].

mod compression;
mod config;
mod error;
mod facts;
mod header;
pub mod payload;

pub use compression::Compression;
pub use config::{Config, ConfigError, Value};
pub use error::KernelError;
pub use facts::Identity;

use header::Header;
use kernel_structs::btf;
use kernel_structs::layout::Layout;
use kernel_structs::units::ByteSize;

/// How large an unpacked kernel may be if nothing else is known: several times what distributions
/// ship.
pub const DEFAULT_LIMIT: ByteSize = ByteSize(512 << 20);

const ELF_MAGIC: &[u8] = b"\x7fELF";

/// An unpacked kernel.
#[derive(Clone, Debug)]
pub struct Kernel {
    elf: Vec<u8>,
    compression: Option<Compression>,
    /// `uname -r` and more, as the boot header has it.
    header_version: Option<String>,
}

impl Kernel {
    /// Unpacks a bzImage, or takes an ELF vmlinux as it is.
    ///
    /// # Errors
    /// If `data` is neither, its compression is not known or damaged, the unpacked kernel is
    /// larger than `limit`, or it is no ELF file.
    pub fn read(data: &[u8], limit: ByteSize) -> Result<Kernel, KernelError> {
        if data.starts_with(ELF_MAGIC) {
            return Ok(Kernel::of_elf(data.to_vec()));
        }
        let header = Header::parse(data)?;
        let packed = header.payload(data)?;
        let compression = Compression::detect(packed)?;
        let elf = compression.unpack(packed, limit)?;
        if !elf.starts_with(ELF_MAGIC) {
            return Err(KernelError::PayloadNotElf {
                found: elf.iter().take(4).copied().collect(),
            });
        }
        Ok(Kernel {
            elf,
            compression: Some(compression),
            header_version: header.version(data).map(str::to_owned),
        })
    }

    /// Takes an ELF vmlinux, or another ELF file, as it is.
    pub fn of_elf(elf: Vec<u8>) -> Kernel {
        Kernel {
            elf,
            compression: None,
            header_version: None,
        }
    }

    /// The ELF vmlinux, and nothing else of it.
    pub fn into_elf(self) -> Vec<u8> {
        self.elf
    }

    /// The ELF vmlinux.
    pub fn elf(&self) -> &[u8] {
        &self.elf
    }

    /// How it was compressed; `None` for what was an ELF file to begin with.
    pub fn compression(&self) -> Option<Compression> {
        self.compression
    }

    /// All types of the kernel, from its BTF.
    ///
    /// # Errors
    /// If it has none or it is damaged.
    pub fn layout(&self) -> Result<Layout, KernelError> {
        Ok(btf::read(&self.elf)?)
    }

    /// Version, build id and machine.
    ///
    /// # Errors
    /// If the kernel has no banner, or another than its boot header says.
    pub fn identity(&self) -> Result<Identity, KernelError> {
        facts::identity(&self.elf, self.header_version.as_deref())
    }

    /// The configuration, if the kernel carries it (`CONFIG_IKCONFIG`). Debian's does not; there
    /// it is the file `/boot/config-*` of the same package.
    ///
    /// # Errors
    /// If what it carries cannot be unpacked or is no configuration.
    pub fn config(&self) -> Result<Option<Config>, KernelError> {
        facts::config(&self.elf)
    }
}
