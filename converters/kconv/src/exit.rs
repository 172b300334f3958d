//! Exit codes, everywhere the same.

use kconv_image::{Fault, ImageError, WriteError};
use kconv_runtime::error::ConvertError;

/// All is well.
pub(crate) const CLEAN: u8 = 0;
/// Findings: loss refused, an image that is damaged, undecided fields.
pub(crate) const FINDINGS: u8 = 1;
/// Wrong usage or unreadable input.
pub(crate) const USAGE: u8 = 2;
/// A fault of ours.
pub(crate) const FAULT: u8 = 3;

/// The exit code for a conversion that ended in `error`.
pub(crate) fn exit_code(error: &ConvertError) -> u8 {
    match error {
        ConvertError::Refused(_) => FINDINGS,
        // User pages are read while they are copied.
        ConvertError::Image(error) | ConvertError::Write(WriteError::Source { source: error }) => {
            of_image(error)
        }
        ConvertError::WrongKernel { .. }
        | ConvertError::WrongMachine { .. }
        | ConvertError::Placement(_)
        | ConvertError::Write(_) => USAGE,
        ConvertError::ReadBack { .. } | ConvertError::Fault(_) => FAULT,
    }
}

/// The exit code for an image that ended a command: the same whichever it is.
pub(crate) fn of_image(error: &ImageError) -> u8 {
    match is_unreadable(error) {
        true => USAGE,
        false => FINDINGS,
    }
}

/// Whether the file is not an image at all, as opposed to a broken one.
pub(crate) fn is_unreadable(error: &ImageError) -> bool {
    matches!(
        error.fault,
        Fault::Open(_)
            | Fault::Read { .. }
            | Fault::NotAFile
            | Fault::NotElf { .. }
            | Fault::NotACore { .. }
            | Fault::NotAnImage
            | Fault::Machine { .. }
            | Fault::Endianness { .. }
            | Fault::Version { .. }
    )
}
