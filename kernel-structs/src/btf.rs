//! BTF, the kernel's own compact description of C types.
//!
//! [`read`] takes detached BTF, such as `/sys/kernel/btf/vmlinux`, or an ELF file with a `.BTF`
//! section; [`write()`] makes detached BTF that pahole, bpftool and drgn read. The format is
//! specified in the kernel's `Documentation/bpf/btf.rst`; section names in the comments of the
//! modules are of that document. All kinds up to `BTF_KIND_ENUM64` are known. Functions,
//! variables, sections and declaration tags describe no types of data; they are checked and left
//! out.
//!
//! Reading any bytes whatever takes memory and time proportional to their number and gives a
//! layout or an error, never a panic. Only little-endian BTF is read.

mod elf;
mod error;
mod raw;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use error::{BtfError, WriteError};
pub use read::{read, read_first, read_named, read_with};
pub use write::write;
