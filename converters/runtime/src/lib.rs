//! What generated converters call.
//!
//! A generated converter is one function per type, written against [`context::Context`], beside the
//! rules that say what it does ([`table`]). This crate runs a chain of them over an image:
//! it places the objects ([`placement`]), streams them through the converters ([`convert`]),
//! keeps what they could not carry, collects findings ([`finding`]) and accounts for all of it
//! ([`report`]).
//!
//! It knows images and tables. It knows no layout and nothing of how converters are made.
#![forbid(unsafe_code)]

pub mod at;
pub mod chain;
pub mod context;
pub mod convert;
pub mod error;
pub mod finding;
pub mod flags;
mod item;
mod names;
mod open;
mod parts;
pub mod placement;
pub mod report;
pub mod scalar;
mod steps;
pub mod table;

pub use kernel_structs_bits as bits;

/// What a generated file imports.
pub mod prelude {
    pub use crate::at::At;
    pub use crate::context::Context;
    pub use crate::flags::Flags;
    pub use crate::table::{Converter, Node, TaskLabel, TypeConverter};
    pub use kconv_image::model::{Fingerprint, Machine};
    pub use kconv_rules::{
        Anchor, Bits, FieldRule, Part, PartKind, RuleKind, Source, Span, Tail, TypeRules, joined,
    };
    pub use kernel_structs_bits::{Bytes, I16, I32, I64, U16, U32, U64};
}
