//! State out of a kernel: the walk through its memory, and the image it makes.
//!
//! [`freeze`] walks a kernel's structures through a [`MemorySource`], as the state map of the
//! kernel family says, and writes an image. What the map calls a resource is described by code
//! for the family. Everything that cannot be saved is reported together, and then nothing is
//! written.
//!
//! Whatever the memory holds, a freeze ends with an image or an error: lists that loop, absurd
//! counts and pointers to nowhere are refused by name.
#![forbid(unsafe_code)]

mod account;
mod contents;
mod dump;
mod elf;
mod error;
mod families;
mod family;
mod fits;
mod freeze;
mod judge;
mod kallsyms;
mod linux24;
mod linux6;
mod memory;
mod modules;
mod pages;
mod paging;
mod physical;
mod places;
mod refused;
mod registered;
mod resources;
mod running;
mod slots;
mod source;
mod symbols;
mod vmcore;
mod vmcoreinfo;
mod walk;

pub use dump::{Dump, DumpError, Meta};
pub use elf::ElfError;
pub use error::{Fault, Finding, Flaw, FreezeError, Place};
pub use fits::Mismatch;
pub use freeze::{Kernel, Order, Summary, freeze};
pub use judge::{Judge, Judgement, Unjudged, anything};
pub use registered::{FreezeDumpError, OfDump, freeze_dump};
pub use running::{
    Afterwards, Chosen, Frozen, Programs, RunningError, StopError, freeze_running, may_freeze,
    with_descendants,
};
pub use source::{
    Content, FileOf, Mapping, MemorySource, Peer, PresentPage, ReadError, Space, Standing,
};
pub use vmcore::{KdumpError, VmcoreError, freeze_vmcore};
pub use walk::Selection;
