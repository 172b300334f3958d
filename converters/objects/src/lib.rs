//! Fields of kernel objects, read by name over a layout.
//!
//! - [`Names`]: types, fields and constants of a layout, each looked up once.
//! - [`Structure`]: a structure in bytes, wherever those came from: the memory of a kernel, a dump.
//! - [`Objects`] and [`Saved`]: the objects of an image, and the way from one to the next.
//!
//! It knows layouts and images, and nothing of what the fields mean. Reading is strict: what the layout
//! does not have, what is of another kind than it is read as, and what the bytes are too short for is a
//! [`FieldError`], never a zero. What only some kernels have is asked for as that: with
//! [`Structure::has`], or with a method that gives an `Option`. Whatever the bytes and the layout are,
//! nothing here panics, and memory is taken in proportion to the bytes that are there.
#![forbid(unsafe_code)]

mod error;
mod names;
mod objects;
mod structure;

pub use error::{FieldAt, FieldError};
pub use names::Names;
pub use objects::{Objects, Saved};
pub use structure::{Structure, number_at};
