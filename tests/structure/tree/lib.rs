//! Modules that import in one direction.

mod below;
mod outer;
