//! Linux 6.1 and 6.12.
//!
//! `newer` leads up, `older` down. What a function looks up beyond its arguments it finds by the
//! offsets of two layouts, and refuses any others.

mod newer;
mod older;

pub use newer::*;
pub use older::*;
