//! Numbers of tasks.

use kconv_objects::{FieldError, Saved};

/// The `upid`s of a `struct pid`: one in each PID namespace that it is valid in, the outermost first
/// (`include/linux/pid.h`).
///
/// # Errors
/// If they cannot be read.
pub fn numbers_of<'v>(pid: &Saved<'v>) -> Result<Vec<Saved<'v>>, FieldError> {
    pid.flexible("numbers", pid.unsigned("level")?.saturating_add(1))
}

/// The number of a `struct pid` in the first PID namespace.
///
/// # Errors
/// If it cannot be read.
pub fn number(pid: &Saved<'_>) -> Result<i32, FieldError> {
    match numbers_of(pid)?.first() {
        Some(first) => first.int("nr"),
        None => Err(pid.absurd("level", 0, "a number is valid in one namespace at least")),
    }
}
