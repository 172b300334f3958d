//! The task of Linux 6, decoded: one type for each subject, in numbers, as its kernel keeps it.
//!
//! It is what is shown, what a thaw makes its plan of, and what core notes are made of. Decoding is strict: a
//! field that the layout lacks is an error, or an `Option` where a kernel may lack it; a structure that every
//! task has and that is not there is an error, too, and never zeros. What is to be done about any of it is
//! not known here.
//!
//! Kernel sources are cited by file and function; they read the same in 6.1 and 6.12 unless a release is
//! named.

mod controls;
mod credentials;
mod files;
mod folders;
mod identity;
mod limits;
mod memory;
mod pids;
mod registers;
mod restart;
mod scheduling;
mod seccomp;
mod signals;
mod timers;

pub use controls::{Controls, Dispatch, MemoryControls};
pub use credentials::{Capabilities, Credentials};
pub use files::{Descriptor, Descriptors, FileOwner, OpenFile};
pub use folders::Folders;
pub use identity::{Common, Identity, PIDTYPE_PGID, PIDTYPE_SID};
pub use limits::{Limit, limits};
pub use memory::{Bounds, Mapping, Space, auxiliary_vector};
pub use pids::{number, numbers_of};
pub use registers::{ARGUMENTS, AX, FLAGS, IP, ORIG_AX, Registers, SP, fpstate};
pub use restart::Restart;
pub use scheduling::{Deadline, MemoryPolicy, Scheduling, nice};
pub use seccomp::Seccomp;
pub use signals::{Action, AlternateStack, Pending, SignalInfo, Signals, actions};
pub use timers::{CpuTimer, Intervals, PosixTimer, RealTimer};
