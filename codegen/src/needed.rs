//! Decisions held against the plans made with them: those that have rotted are findings.
//!
//! - `family`: the changes of a family, against all pairs of its layouts.
//! - `step`: the overrides of one step, against its own pairs.

mod family;
mod step;

pub use step::stale;
