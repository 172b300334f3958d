//! What kconv takes for images of any number of tasks, beside programs that do as little as can be done.
//!
//! - [`repeat`]: images of any number of tasks, out of one.
//! - [`linux6`]: one of Linux 6 to be repeated.
//! - [`once`]: one run of a program, measured whole.
//! - [`pairs`]: two programs, measured in turn.
//! - [`suite`]: what is measured, and what has to be reached.
//! - [`page`]: the page of the book that says what came of it.
//!
//! Nothing is timed inside of a program: what counts is what somebody who runs it waits for, and what the machine is
//! short of meanwhile.
#![forbid(unsafe_code)]

pub mod linux6;
pub mod machine;
pub mod once;
pub mod page;
pub mod pairs;
pub mod repeat;
pub mod statistics;
pub mod suite;
pub mod tools;
