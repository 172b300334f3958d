//! What a plan is made from.

use crate::overrides::Overrides;
use kernel_structs::layout::{Fingerprint, Layout};
use kernel_structs::state::StateMap;

/// Two layouts of one family, and what people know about them.
#[derive(Copy, Clone, Debug)]
pub struct Pair<'a> {
    /// Name of the converter.
    pub converter: &'a str,
    /// Name of the machine, as in `releases.toml`.
    pub machine: &'a str,
    /// The layout read.
    pub from: Side<'a>,
    /// The layout written.
    pub to: Side<'a>,
    /// The family's state map.
    pub map: &'a StateMap,
    /// Decisions for this converter.
    pub overrides: &'a Overrides,
}

/// One layout of a [`Pair`].
#[derive(Copy, Clone, Debug)]
pub struct Side<'a> {
    /// The release that the converter is named after.
    pub release: &'a str,
    /// Name of the layout in `releases.toml`.
    pub layout_name: &'a str,
    /// Fingerprint of the saved types.
    pub fingerprint: Fingerprint,
    /// The layout.
    pub layout: &'a Layout,
}
