//! Plans as Rust for people to read, and as data ([`data()`]) for whoever has no compiler.
//!
//! What a family needs is a [`House`]: one view for each distinct shape of a structure, the
//! functions and rules of types that both sides of a conversion have alike, each once, and a page
//! for each step with the types that differ. The text depends on plans and layouts and on nothing
//! else.

mod carry;
mod data;
mod entry;
mod file;
mod functions;
mod group;
mod house;
mod lines;
mod names;
mod reasons;
mod shared;
mod step;
mod tables;
mod text;
mod views;
mod written;

pub use data::data;
pub use file::plan_file;
pub use house::{House, HouseError, Paths};
pub use names::{NameClash, clashes};
pub use step::Page;

use crate::coverage::CoverageFinding;

/// Name and version of the generator, as generated files carry it.
pub const TOOL: &str = concat!("kconv-gen ", env!("CARGO_PKG_VERSION"));

/// The folder, in that of a step, with what of its pages needs no reading.
pub const REST: &str = "rest";

/// Why a plan was not written out.
#[derive(Debug, thiserror::Error)]
pub enum EmitError {
    /// The plan is not total.
    #[error("the plan is not total: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    NotTotal(Vec<CoverageFinding>),
    /// A type of the plan that the layouts have no structure for.
    #[error("{ty}: the layouts have no such structure")]
    NoStructure {
        /// The type.
        ty: String,
    },
    /// A rule that has no form in Rust.
    #[error("{ty}.{field}: the rule `{rule}` cannot be written for this field")]
    NoForm {
        /// The type.
        ty: String,
        /// The field.
        field: String,
        /// The rule.
        rule: &'static str,
    },
    /// A rule that has no form as data.
    #[error(
        "{ty}.{field}: the rule `{rule}` cannot be written as data: {why}; a plan with it is carried out by the converter that is generated of it alone"
    )]
    NoData {
        /// The type.
        ty: String,
        /// The field.
        field: String,
        /// The rule.
        rule: &'static str,
        /// What is in the way.
        why: &'static str,
    },
    /// What was written of a plan cannot be read. This is a fault of the generator.
    #[error("the plan was written in a way that cannot be read: {0}")]
    NotReadable(String),
    /// A plan for a layout that is not among those that code is generated for.
    #[error("{layout} is no stored layout of the family")]
    NoLayout {
        /// Its name.
        layout: String,
    },
    /// A machine that the runtime does not know.
    #[error("the runtime knows no machine `{machine}`")]
    NoMachine {
        /// Its name.
        machine: String,
    },
    /// A number that the runtime's tables have no room for.
    #[error("{ty}: {value} does not fit the tables")]
    TooLarge {
        /// The type.
        ty: String,
        /// The number.
        value: u64,
    },
    /// The text is not Rust. This is a fault of the generator.
    #[error("the generated text is not Rust: {0}")]
    NotRust(#[from] syn::Error),
}
