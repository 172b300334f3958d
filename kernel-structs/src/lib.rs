//! What a kernel's structures look like.
//!
//! - [`layout`]: the model of C types as one kernel laid them out: sizes, offsets, bit widths,
//!   pointees, enumerators. It knows nothing of where a layout came from.
//! - [`btf`]: layouts read from and written to BTF, the kernel's own description of C types.
//! - [`releases`]: every known release and the layout that it has.
//! - [`state`]: the state maps, the human-maintained account of which types are saved and what
//!   each of their pointers means.
//! - [`nearest`]: the known name nearest to an unknown one, for error messages.
//! - [`units`]: one type per kind of number, so that a bit offset is never taken for a byte
//!   offset.
#![forbid(unsafe_code)]

pub mod btf;
pub mod layout;
pub mod nearest;
pub mod releases;
pub mod state;
pub mod units;
