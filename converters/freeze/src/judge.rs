//! Whether an image could be thawed, asked of whoever knows before any page is read. This crate does
//! not know how tasks are made; it has the image that would be written, but for its pages.

use kconv_codes::Code;
use kconv_image::{Image, TaskName};
use kernel_structs::layout::Layout;

/// Says what of an image without pages, whose objects lie as the layout says, could not be thawed.
///
/// What could not be described of a task and is refused for that already stands in the image as a
/// resource of kind `not-carried`.
pub type Judge<'j> = dyn FnMut(&Image, &Layout) -> Result<Vec<Judgement>, Unjudged> + 'j;

/// Something that could not be thawed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Its kind.
    pub code: Code,
    /// The tasks that have it; none if all do.
    pub tasks: Vec<TaskName>,
    /// The object, or what else of the tasks it is.
    pub object: String,
    /// The field of the object, if it is of one.
    pub field: Option<String>,
    /// What it is, without the tasks.
    pub text: String,
    /// What the user can do about it.
    pub advice: String,
    /// Whether the tasks could only not be understood: what else is wrong with them explains it.
    pub is_unclear: bool,
}

/// Nobody could judge. Why, whoever was asked has kept.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody could tell whether the image could be thawed")]
pub struct Unjudged;

/// The judge to whom everything is right.
///
/// # Errors
/// None.
pub fn anything(_: &Image, _: &Layout) -> Result<Vec<Judgement>, Unjudged> {
    Ok(Vec::new())
}
