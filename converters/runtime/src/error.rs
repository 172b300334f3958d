//! Why an image was not converted, and what can be done about it.

use crate::finding::Finding;
use crate::placement::PlacementError;
use kconv_image::{ImageError, WriteError};

/// Why an image was not converted.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The image is of another kernel than the chain begins with.
    #[error(
        "the image is of {found} (layout {found_fingerprint}), but {converter} reads {expected} (layout {expected_fingerprint})"
    )]
    WrongKernel {
        /// Release and layout node of the image.
        found: String,
        /// The beginning of its fingerprint.
        found_fingerprint: String,
        /// The converter.
        converter: String,
        /// The layout node it reads.
        expected: String,
        /// The beginning of its fingerprint.
        expected_fingerprint: String,
    },
    /// The image is of another machine or family than the converter.
    #[error("the image is of {found}, but {converter} converts {expected}")]
    WrongMachine {
        /// Family and machine of the image.
        found: String,
        /// The converter.
        converter: &'static str,
        /// Its family and machine.
        expected: String,
    },
    /// An object that the converter does not fit.
    #[error(transparent)]
    Placement(#[from] PlacementError),
    /// Values that cannot be carried.
    #[error("{} values cannot be carried; nothing was written", .0.len())]
    Refused(Vec<Finding>),
    /// The image cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The result cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// What was read back is not what was written.
    #[error("the image written reads back differently: {what}")]
    ReadBack {
        /// What differs.
        what: &'static str,
    },
    /// A converter broke its own rules.
    #[error("{0}; this is a fault of the converter, please report it")]
    Fault(String),
}

impl ConvertError {
    /// What can be done about it.
    pub fn advice(&self) -> &'static str {
        match self {
            ConvertError::WrongKernel { .. } | ConvertError::WrongMachine { .. } => {
                "name the kernel the image is of (`kconv inspect IMAGE`), or convert it step by step (`kconv path FROM TO`)"
            }
            ConvertError::Placement(_) => {
                "check the image with `kconv verify`; if it is sound, please report this"
            }
            ConvertError::Refused(_) => "see each finding",
            ConvertError::Image(error) => error.advice(),
            ConvertError::Write(error) => error.advice(),
            ConvertError::ReadBack { .. } => "check the disk and the memory of this machine",
            ConvertError::Fault(_) => "the image was not touched",
        }
    }
}
