//! What an image says, read with the layout of the kernel it is of.
//!
//! - [`view`]: one image held against its layout: fields by name, pointers to objects, symbols
//!   and resources.
//! - [`raw`]: every field of an object as a tree.
//! - [`values`]: what resources and address spaces say, as values to show.
//! - [`tasks`]: the tasks, whichever family their kernel is of.
//! - [`linux24`], [`linux6`]: a task put together from its objects, as `/proc` would show it.
//! - [`show`]: tasks as text.
//! - [`error`]: why an image cannot be shown.

pub(crate) mod error;
pub(crate) mod linux24;
pub(crate) mod linux6;
pub(crate) mod raw;
pub(crate) mod show;
pub(crate) mod tasks;
pub(crate) mod values;
pub(crate) mod view;
