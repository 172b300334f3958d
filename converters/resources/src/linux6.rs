//! Resources of Linux 6, and what is known of the machine that it ran on.

mod events;
mod file;
mod journal;
mod kinds;
mod lock;
mod machine;
mod named;
mod pipe;
mod resources;
mod socket;

pub use events::{EpollWatch, EventFd, SignalFd, TimerFd};
pub use file::{File, FileType, Inode, Place};
pub use journal::{JOURNAL, JournalStream};
pub use kinds::{Resource, is_had_by_number};
pub use lock::{FileLock, LockStyle, LockType, LockedFile};
pub use machine::{Cpu, Machine, Suspended};
pub use named::{
    Cgroup, Filter, Keyring, Mount, Namespace, Parent, SeccompFilter, SharedMemory, Special,
    Terminal, TimeNamespace, Vfork,
};
pub use pipe::{Pipe, PipeState};
pub use resources::{Resources, time_namespaces};
pub use socket::{PairedSocket, Queue, SocketType};

/// What images call the family.
pub const FAMILY: &str = "linux-6";
