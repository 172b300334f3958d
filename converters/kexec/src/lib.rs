//! The next kernel: which release a boot image is, and how the running kernel starts it without
//! firmware or boot loader (kexec).

mod load;
mod paging;
mod release;
mod start;

pub use load::{LoadError, Loaded, may_load};
pub use paging::Running;
pub use release::{ReleaseError, release};
pub use start::{StartError, reboot, start};
