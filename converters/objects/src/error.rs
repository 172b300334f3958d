//! Why a field cannot be read.

use kconv_image::KernelAddr;
use kernel_structs::layout::PathError;
use std::fmt;

/// The field that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldAt {
    /// Type of the structure.
    pub ty: String,
    /// The way to the field from there; empty for the structure itself.
    pub path: String,
    /// Address of the structure, if it is a certain one.
    pub at: Option<KernelAddr>,
}

impl fmt::Display for FieldAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FieldAt { ty, path, at } = self;
        match path.as_str() {
            path if path.is_empty() || path.starts_with('[') => write!(f, "{ty}{path}")?,
            path => write!(f, "{ty}.{path}")?,
        }
        match at {
            Some(at) => write!(f, " at {at}"),
            None => Ok(()),
        }
    }
}

/// Why a field cannot be read: what was found in its place, and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The layout does not have the type, or has several of that name.
    #[error("found no type {ty} in the layout, expected exactly one")]
    NoType {
        /// Its name.
        ty: String,
    },
    /// The layout does not have the field, under any of its names.
    #[error("{field}: {source}")]
    NoField {
        /// The field.
        field: Box<FieldAt>,
        /// What is wrong with the last of its names.
        source: PathError,
    },
    /// The field is of another kind.
    #[error("{field}: found {found}, expected {expected}")]
    Kind {
        /// The field.
        field: Box<FieldAt>,
        /// What the layout has there.
        found: &'static str,
        /// What it was read as.
        expected: &'static str,
    },
    /// The object ends before the field does.
    #[error("{field}: found an end after {found} bytes, expected {expected} bytes at least")]
    PastEnd {
        /// The field.
        field: Box<FieldAt>,
        /// How many bytes there are.
        found: u64,
        /// How many it would take.
        expected: u64,
    },
    /// A pointer is null, and never is.
    #[error("{field}: found a null pointer, expected an address")]
    Null {
        /// The field.
        field: Box<FieldAt>,
    },
    /// A pointer leads to nothing that was saved, and something has to be there.
    #[error(
        "{field}: found {found:#x}, where nothing was saved, expected the address of {expected}"
    )]
    Dangling {
        /// The field.
        field: Box<FieldAt>,
        /// The address.
        found: u64,
        /// What has to be there.
        expected: String,
    },
    /// A pointer leads to something else.
    #[error("{field}: found the address of {found}, expected that of {expected}")]
    OtherType {
        /// The field.
        field: Box<FieldAt>,
        /// What is there.
        found: String,
        /// What should be.
        expected: String,
    },
    /// A list has an element twice, so that it does not come back to where it began.
    #[error("{field}: found a list that comes back to {again}, expected one that ends")]
    Endless {
        /// The field.
        field: Box<FieldAt>,
        /// The element that it has twice.
        again: KernelAddr,
    },
    /// A value that the field cannot have.
    #[error("{field}: found {found}, which it cannot be: {expected}")]
    Absurd {
        /// The field.
        field: Box<FieldAt>,
        /// The value.
        found: u64,
        /// What it has to be.
        expected: &'static str,
    },
}

impl FieldError {
    /// Whether the layout lacks what was asked for, rather than that the bytes make no sense.
    pub fn is_of_layout(&self) -> bool {
        match self {
            FieldError::NoType { .. } | FieldError::NoField { .. } | FieldError::Kind { .. } => {
                true
            }
            FieldError::PastEnd { .. }
            | FieldError::Null { .. }
            | FieldError::Dangling { .. }
            | FieldError::OtherType { .. }
            | FieldError::Endless { .. }
            | FieldError::Absurd { .. } => false,
        }
    }
}
