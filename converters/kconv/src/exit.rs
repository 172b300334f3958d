//! Exit codes, everywhere the same.

use kconv_runtime::error::ConvertError;

/// All is well.
pub(crate) const CLEAN: u8 = 0;
/// Findings: loss refused, verification failed, undecided fields.
pub(crate) const FINDINGS: u8 = 1;
/// Wrong usage or unreadable input.
pub(crate) const USAGE: u8 = 2;
/// A fault of ours.
pub(crate) const FAULT: u8 = 3;

/// The exit code for a conversion that ended in `error`.
pub(crate) fn exit_code(error: &ConvertError) -> u8 {
    match error {
        ConvertError::Refused(_) => FINDINGS,
        ConvertError::WrongKernel { .. }
        | ConvertError::WrongMachine { .. }
        | ConvertError::Placement(_)
        | ConvertError::Image(_)
        | ConvertError::Write(_) => USAGE,
        ConvertError::ReadBack { .. } | ConvertError::Fault(_) => FAULT,
    }
}
