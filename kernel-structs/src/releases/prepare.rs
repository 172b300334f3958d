//! A kernel's layout made ready to be stored.

use super::RegistryError;
use crate::layout::{Fingerprint, Layout, MinimiseError};
use crate::state::StateMap;
use std::collections::BTreeMap;

/// Reduces the layout of a whole kernel, with the constants that were found for it, to what `map`
/// needs of it, and tells the fingerprint. The result is what `layouts/` holds, written with [`crate::btf::write`].
///
/// # Errors
/// If the kernel lacks a type or member that the map names.
pub fn prepare_layout(
    full: &Layout,
    map: &StateMap,
) -> Result<(Layout, Fingerprint), RegistryError> {
    let layout = full.minimise(&map.keep_of(full))?;
    let layout = without_repeated(layout);
    let layout = without_meaning(layout, map);
    let fingerprint = layout
        .fingerprint(&map.saved_in(&layout))
        .map_err(MinimiseError::from)?;
    Ok((layout, fingerprint))
}

/// Constants that mean something under other layouts alone are not stored.
fn without_meaning(layout: Layout, map: &StateMap) -> Layout {
    let means = |name: &str| {
        let meanings = map.watch.meanings();
        let mut of_name = meanings.filter(|(entry, _)| entry.watches(name)).peekable();
        of_name.peek().is_none() || of_name.any(|(_, meaning)| meaning.holds(&layout))
    };
    let constants = layout.constants().into_iter();
    let own: BTreeMap<String, i128> = constants
        .filter(|(name, _)| means(name))
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    layout.with_constants(&own)
}

/// Enumerators that a saved type has are not constants as well: C allows a name once.
fn without_repeated(layout: Layout) -> Layout {
    let own: BTreeMap<String, i128> = layout
        .constants()
        .into_iter()
        .filter(|(name, _)| {
            layout
                .enumerators()
                .filter(|(other, _)| other == name)
                .count()
                == 1
        })
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    layout.with_constants(&own)
}
