//! Why the objects of an image cannot be understood.

use crate::clocks::ClockError;
use kconv_image::ImageError;
use kconv_objects::FieldError;
use kconv_resources::ResourceError;

/// Why the objects of an image cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A field of one cannot be read, or has a value that no task can have.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The clocks make no sense.
    #[error(transparent)]
    Clocks(#[from] ClockError),
    /// A resource that a task has is not what it should be.
    #[error(transparent)]
    Resource(#[from] ResourceError),
    /// The image cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
}
