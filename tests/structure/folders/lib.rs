//! No file imports one that imports it back, but the folders do.

mod back;
mod front;
