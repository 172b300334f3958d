//! From two kernel layouts to a converter between them.
//!
//! - [`check`]: what a patch to the kernel does to saved state.
//! - [`diff`]: what changed between two layouts, for people to look at.
//! - [`plan`]: one rule for every bit, decided by overrides, the state map and automatic rules.
//! - [`overrides`]: what people decided.
//! - [`needed`]: decisions that no plan needs.
//! - [`decisions`]: where they are.
//! - [`chain`]: whether a chain of plans gives what a direct one gives.
//! - [`coverage`]: the proof that a plan leaves no bit out and writes none twice.
//! - [`emit`]: a plan as Rust for people to read.
//! - [`patch`]: unified and context diffs, read as a stream.
//! - [`generate`]: converter crates, made and compared.
//! - [`routes`]: the steps that there are, and the ways they make.
//! - [`scaffold`]: converter crates from nothing.
//! - [`import`]: kernels made known releases.
//! - [`status`]: what is left to decide between two releases.
//! - [`steps`]: the folders of steps, held against each other.
//! - [`show`]: plans, diffs and findings as text.
//!
//! The library prints nothing.
#![forbid(unsafe_code)]

pub mod baseline;
pub mod chain;
pub mod check;
pub mod coverage;
pub mod ctype;
pub mod decisions;
pub mod diff;
pub mod emit;
pub mod family;
pub mod generate;
mod identifier;
pub mod import;
pub mod needed;
pub mod overrides;
pub mod patch;
pub mod pending;
pub mod plan;
pub mod routes;
pub mod scaffold;
pub mod show;
pub mod status;
pub mod steps;
mod workers;
