//! The queue of upgrades: what was frozen on one kernel, and is to be thawed on the next.
//!
//! Each upgrade has a folder of its own in the queue, named by a number:
//!
//! ```text
//! /var/lib/kconv/queue/         root's alone
//!   3/
//!     upgrade.json              the kernels, the processes, and how far it came: a Record
//!     frozen.img                as the processes were frozen
//!     next.img                  converted to the kernel that was started
//! ```
//!
//! and the signatures of both images. The record is replaced as a whole, and is on its disk before anything is
//! done that it tells of, so that whatever ends kconv or the machine in between, it says what has to be done next.
#![forbid(unsafe_code)]

mod error;
mod queue;
mod record;

pub use error::QueueError;
pub use queue::{Entry, FOLDER, Queue};
pub use record::{IfRefused, Record, State, Task, Unit, UnitFile, Wish};
