//! Why an image cannot be shown.

use kconv_objects::FieldError;
use kconv_resources::ResourceError;
use std::path::PathBuf;

/// Why tasks cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum TasksError {
    /// Their kernel is of a family that this program does not know.
    #[error("{}: nobody here knows what the tasks of a kernel of the family {family} are", image.display())]
    UnknownFamily {
        /// The image.
        image: PathBuf,
        /// The family it names.
        family: String,
    },
    /// A structure of theirs cannot be read.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// Something that they have outside of the image is not what it should be.
    #[error(transparent)]
    Resource(#[from] ResourceError),
}
