//! Why the objects of an image cannot be understood.

use crate::clocks::ClockError;
use kconv_image::ImageError;
use kconv_objects::FieldError;

/// Why the objects of an image cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A field of one cannot be read, or has a value that no task can have.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The clocks make no sense.
    #[error(transparent)]
    Clocks(#[from] ClockError),
    /// The image cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
}
