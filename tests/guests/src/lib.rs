//! Debian's kernels in QEMU, for tests that need a whole machine.
//!
//! - [`kernel`]: kernel packages of the archive, and what a guest needs of them.
//! - [`initramfs`]: what runs in a guest.
//! - [`guest`]: a guest: commands, files, kexec, memory dumps.
//! - [`proc`]: what the guest's /proc says of its processes.
//! - [`compare`]: that, held against what `kconv inspect --json` says.
//!
//! Everything is emulated (TCG), so that no rights and no hardware are needed: a boot takes
//! seconds, and one boot serves many checks.

mod channel;
pub mod compare;
mod cpio;
mod error;
pub mod guest;
mod host;
pub mod initramfs;
pub mod kernel;
mod monitor;
pub mod proc;

pub use error::Error;
pub use guest::{Guest, LIMIT, Machine, Output};
pub use host::static_kconv;
pub use initramfs::Initramfs;
pub use kernel::Kernel;
