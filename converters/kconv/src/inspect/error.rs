//! Why an image cannot be shown.

use kconv_image::KernelAddr;
use kernel_structs::layout::PathError;
use std::path::PathBuf;

/// Why tasks cannot be put together.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TasksError {
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
}

/// Why a field cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FieldError {
    /// The layout does not have it, under any of its names.
    #[error("{ty}: {source}")]
    Path {
        /// The structure.
        ty: String,
        /// What is wrong with the last name.
        source: PathError,
    },
    /// It is a structure, an array, or of no known size.
    #[error("{ty}.{path} is no number")]
    NotANumber { ty: String, path: String },
    /// It is no pointer to something that has fields.
    #[error("{ty}.{path} points at no structure")]
    NotAPointer { ty: String, path: String },
    /// The object is too short for it.
    #[error("{ty}.{path} lies behind the end of the object at {at}")]
    PastEnd {
        ty: String,
        path: String,
        at: KernelAddr,
    },
    /// A list does not come back to where it began.
    #[error("the list {ty}.{path} of the object at {at} does not end")]
    Endless {
        ty: String,
        path: String,
        at: KernelAddr,
    },
    /// The image has an object of a type that the layout does not have.
    #[error("the layout has no type of the object at {at}")]
    NoType { at: KernelAddr },
}
