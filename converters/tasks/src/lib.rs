//! Tasks, put together from the objects of an image, and shown.
//!
//! - [`View`]: one image held against its layout and the state map of its family.
//! - [`Tasks`]: its tasks, whichever family their kernel is of, as text and as JSON.
//! - [`model`]: the task of Linux 6, typed.
//! - [`object`] and [`write_object`]: one object with every field of it.
//! - [`image`]: all that an image says beside its tasks, as JSON.
//!
//! It knows what the fields of a task mean, and neither how they come into an image nor how tasks are made
//! of one. What an image says is shown as it is: a pointer that leads to nothing, a structure that the
//! layout does not have and bytes that end too early are errors, never zeros. Nothing here panics, whatever
//! the image is, and nothing prints.
#![forbid(unsafe_code)]

mod error;
mod head;
mod linux24;
mod linux6;
pub mod model;
mod raw;
mod show;
pub mod style;
mod tasks;
mod values;
mod view;

pub use error::TasksError;
pub use head::image;
pub use raw::{object, write_object};
pub use tasks::Tasks;
pub use view::{ObjectTail, View};
