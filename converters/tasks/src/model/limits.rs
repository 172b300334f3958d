//! Limits of a process.

use kconv_objects::{FieldError, Saved};

/// A limit of setrlimit(2); all ones for none.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The one that holds.
    pub soft: u64,
    /// What it can be raised to.
    pub hard: u64,
}

/// Those of a `signal_struct`, by the number of the resource.
///
/// # Errors
/// If they cannot be read.
pub fn limits(signal: &Saved<'_>) -> Result<Vec<Limit>, FieldError> {
    let limits = signal.elements("rlim")?;
    let limits = limits.iter().map(|limit| {
        Ok(Limit {
            soft: limit.unsigned("rlim_cur")?,
            hard: limit.unsigned("rlim_max")?,
        })
    });
    limits.collect()
}
