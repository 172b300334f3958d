//! Why a file is no plan.

use std::fmt;
use thiserror::Error;

/// Why a file is no plan.
#[derive(Debug, Error)]
pub enum PlanError {
    /// It is longer than any plan is.
    #[error("the file has {bytes} bytes; a plan has at most {most}")]
    TooLong {
        /// Its length.
        bytes: u64,
        /// The most that is read.
        most: u64,
    },
    /// It is not of the form of a plan: cut short, or with a key or value that no plan has.
    #[error("not a plan of kconv: {0}; write it again with `kconv-gen plan FROM TO -o FILE`")]
    Form(#[from] serde_json::Error),
    /// It is of another version of the format.
    #[error(
        "the plan is of version {found} of the format, and this program reads {expected}; write it with the kconv-gen of this program"
    )]
    Version {
        /// Its version.
        found: u32,
        /// The version that is read.
        expected: u32,
    },
    /// What it says of itself cannot be.
    #[error("{place} is {found}; expected {expected}")]
    Head {
        /// The key.
        place: String,
        /// What it says.
        found: String,
        /// What it may say.
        expected: &'static str,
    },
    /// A type or a field of one cannot be.
    #[error("types[{index}] `{ty}`, {place}: {problem}")]
    Type {
        /// The number of the type, from 0.
        index: usize,
        /// Its name.
        ty: String,
        /// The field, or the key of the type.
        place: String,
        /// What is wrong.
        problem: Problem,
    },
}

/// What is wrong at a place of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A number is larger than anything that is saved.
    TooLarge {
        /// The number.
        found: u64,
        /// The largest that is read.
        most: u64,
    },
    /// Bits end behind the value that they are in.
    Outside {
        /// Whether the new value is meant.
        new: bool,
        /// The bit behind the last.
        end: u64,
        /// Number of bits of the value.
        size: u64,
    },
    /// New bits are written twice.
    Twice {
        /// The first of them.
        bit: u64,
    },
    /// New bits are never written.
    Never {
        /// The first of them.
        bit: u64,
        /// The first behind them that is written, or the end of the value.
        end: u64,
    },
    /// A type is named that is not there.
    NoType {
        /// Its name or number.
        ty: String,
    },
    /// A type is nested in one that does not stand behind it, or in itself.
    NotBefore {
        /// Its number.
        ty: u32,
    },
    /// Types are inside one another without end.
    Nested {
        /// How many may be.
        most: u32,
    },
    /// A value of a type that has no bytes is nested.
    Empty {
        /// The type.
        ty: String,
    },
    /// A bit-field that is none.
    Width {
        /// Its number of bits.
        bits: u32,
    },
    /// Sizes that have to be the same are not.
    Sizes {
        /// The one.
        found: u64,
        /// The other.
        expected: u64,
    },
    /// An integer does not hold what it is said to hold.
    Holds {
        /// What.
        what: &'static str,
    },
    /// There is no reason of that number.
    NoReason {
        /// The number.
        reason: u32,
    },
    /// Something is not where its order puts it.
    Order {
        /// What has an order.
        what: &'static str,
    },
    /// What is there leaves out, or has besides, something else.
    Contradicts {
        /// What.
        what: &'static str,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::TooLarge { found, most } => {
                write!(f, "{found} is more than the {most} that anything saved has")
            }
            Problem::Outside { new, end, size } => {
                let side = if *new { "new" } else { "old" };
                write!(
                    f,
                    "ends at bit {end}, behind the {size} bits of the {side} value"
                )
            }
            Problem::Twice { bit } => write!(f, "bit {bit} of the new value is written twice"),
            Problem::Never { bit, end } => {
                write!(f, "bits {bit} to {end} of the new value are never written")
            }
            Problem::NoType { ty } => write!(f, "there is no type {ty} in this plan"),
            Problem::NotBefore { ty } => {
                write!(
                    f,
                    "type {ty} does not stand before this one, which has it inside"
                )
            }
            Problem::Nested { most } => {
                write!(f, "more than {most} types are inside one another")
            }
            Problem::Empty { ty } => write!(f, "`{ty}` has no bytes, and cannot be inside another"),
            Problem::Width { bits } => write!(f, "{bits} bits; a bit-field has 1 to 64"),
            Problem::Sizes { found, expected } => {
                write!(f, "{found} bytes where {expected} are expected")
            }
            Problem::Holds { what } => write!(f, "the new integer does not hold {what}"),
            Problem::NoReason { reason } => write!(f, "there is no reason {reason}"),
            Problem::Order { what } => write!(f, "{what} are not in their order, each once"),
            Problem::Contradicts { what } => f.write_str(what),
        }
    }
}
