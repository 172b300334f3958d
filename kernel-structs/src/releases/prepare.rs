//! A kernel's layout made ready to be stored.

use super::RegistryError;
use crate::layout::{Fingerprint, Layout, MinimiseError};
use crate::state::StateMap;

/// Reduces the layout of a whole kernel to what `map` needs of it, and tells the fingerprint of
/// the saved types. The result is what `layouts/` holds, written with [`crate::btf::write`].
///
/// # Errors
/// If the kernel lacks a type or member that the map names.
pub fn prepare_layout(
    full: &Layout,
    map: &StateMap,
) -> Result<(Layout, Fingerprint), RegistryError> {
    let layout = full.minimise(&map.keep_of(full))?;
    let fingerprint = layout
        .fingerprint(&map.saved_in(&layout))
        .map_err(MinimiseError::from)?;
    Ok((layout, fingerprint))
}
