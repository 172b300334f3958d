//! Types in the manner of pahole.

use super::{Layout, TypeId};

/// What [`render_type`] shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenderOptions {
    /// Show the members of structures with a tag inside others, too.
    pub expand: bool,
}

/// A type as C, with the offset and size of each member.
pub fn render_type(_layout: &Layout, _id: TypeId, _options: &RenderOptions) -> String {
    String::new()
}
