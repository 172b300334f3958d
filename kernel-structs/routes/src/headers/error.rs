//! Why headers give no layout.

use super::ProfileError;
use kernel_structs::layout::LayoutError;
use thiserror::Error;

/// What stands between a header tree and a layout.
#[derive(Debug, Error)]
pub enum HeaderError {
    /// libclang is not installed.
    #[error("libclang cannot be loaded: {0}")]
    NoLibclang(String),
    /// The profile or the tree is not right.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The target is not one that is handled.
    #[error("the target `{0}` is neither i386-linux-gnu nor x86_64-linux-gnu")]
    Target(String),
    /// The headers do not compile, or bindgen failed otherwise.
    #[error("bindgen failed: {0}")]
    Bindgen(String),
    /// bindgen's output is no Rust.
    #[error("bindgen's output is no Rust")]
    Rust(#[from] syn::Error),
    /// bindgen wrote something that is not understood.
    #[error("{place}: bindgen wrote `{text}`, {expected} was expected")]
    Unexpected {
        /// The item and member.
        place: String,
        /// What it wrote.
        text: String,
        /// What was expected.
        expected: &'static str,
    },
    /// The headers do not define a type.
    #[error("the headers do not define `{name}`{}", if *.declared { "; they declare it only" } else { "" })]
    Undefined {
        /// Its name.
        name: String,
        /// Whether they declare it.
        declared: bool,
    },
    /// Types are nested too deep.
    #[error("{0} begins too long a chain of types")]
    TooDeep(String),
    /// The types make no layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

impl HeaderError {
    /// What to do about it, if that is known.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            HeaderError::NoLibclang(_) => Some(
                "install libclang1-14 (Debian 12; elsewhere libclang-dev, clang-libs or llvm), or \
                 set LIBCLANG_PATH to the folder that holds libclang.so",
            ),
            HeaderError::Undefined { declared: true, .. } => Some(
                "a type that is defined in a .c file cannot be had from headers; use BTF or DWARF",
            ),
            HeaderError::Undefined { .. } => Some("add the header that defines it to the profile"),
            _ => None,
        }
    }
}
