//! What every plan asks of a layout, whatever the other one is: found once for all of them.

use super::meanings::Meanings;
use kernel_structs::layout::{Layout, TypeId};
use kernel_structs::state::StateMap;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// A layout in which each union is its arm in use, and what plans ask of it.
pub(crate) struct Prepared {
    pub(super) meanings: Meanings,
    canonical: BTreeMap<TypeId, OnceLock<String>>,
}

impl Prepared {
    pub(crate) fn new(map: &StateMap, live: &Layout) -> Prepared {
        Prepared {
            meanings: Meanings::new(map, live),
            canonical: live.types().map(|(id, _)| (id, OnceLock::new())).collect(),
        }
    }

    /// The canonical spelling of a type of `live`, the layout that this was made of; equal
    /// spellings are equal layouts.
    pub(super) fn canonical(&self, live: &Layout, ty: TypeId) -> Option<&str> {
        let spelt = self.canonical.get(&ty)?;
        Some(spelt.get_or_init(|| live.canonical_type(ty)))
    }

    /// The bits of the flag `name` of the field `field`, a `type.member`, if there are such constants.
    pub(crate) fn mask(&self, field: &str, name: &str) -> Option<u64> {
        self.meanings.mask(field, name)
    }
}
