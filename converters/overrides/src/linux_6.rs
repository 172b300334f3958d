//! Linux 6.1 and 6.12.
//!
//! `newer` leads up, `older` down. A function serves every pair of layouts between which the change
//! lies: where members of other structures are it is told by its caller.

pub mod futex;
mod newer;
mod older;

pub use newer::*;
pub use older::*;
