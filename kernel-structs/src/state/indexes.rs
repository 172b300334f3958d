//! Members that say which elements of an array are meant: the processor of a task, and the
//! processors that it may run on.
//!
//! Such a number means nothing where the array has fewer elements, and no type says so.

use super::error::{StateError, reason};
use serde::Deserialize;

/// What a member that says which elements of an array are meant goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// A member of the same type: the array.
    pub array: String,
    /// Why.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIndex {
    array: String,
    reason: String,
}

/// An entry of `[type.NAME.indexes]`.
pub(super) fn index(place: &str, raw: RawIndex) -> Result<Index, StateError> {
    Ok(Index {
        array: raw.array,
        reason: reason(|| place.to_owned(), raw.reason)?,
    })
}
