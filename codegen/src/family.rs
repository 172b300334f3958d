//! What is known of a kernel family: its state map, and its stored layouts in the order of the
//! releases that brought them.

use crate::plan::Side;
use kernel_structs::layout::{Fingerprint, Layout};
use kernel_structs::releases::{Registry, RegistryError, flavour_order, numbers};
use kernel_structs::state::StateMap;
use std::collections::BTreeSet;

/// A layout of a family.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its name in `releases.toml`.
    pub id: String,
    /// The release that it is named after, or the first one that has it.
    pub release: String,
    /// Name of the machine.
    pub machine: String,
    /// Fingerprint of the saved types.
    pub fingerprint: Fingerprint,
    /// The layout as it is stored.
    pub layout: Layout,
    /// The layout in which each union is its arm in use.
    pub live: Layout,
}

impl Stored {
    /// This layout as one side of a pair.
    pub fn side(&self) -> Side<'_> {
        Side {
            release: &self.release,
            layout_name: &self.id,
            fingerprint: self.fingerprint,
            layout: &self.layout,
        }
    }

    /// As [`Stored::side`], with each union as its arm in use.
    pub(crate) fn live_side(&self) -> Side<'_> {
        Side {
            layout: &self.live,
            ..self.side()
        }
    }
}

/// What is known of one kernel family, for the generator.
pub struct Family {
    /// The state map.
    pub map: StateMap,
    /// The layouts, in the order of the releases that brought them.
    pub layouts: Vec<Stored>,
}

impl Family {
    /// The family `name` of `registry`.
    ///
    /// # Errors
    /// If a layout or the state map cannot be read.
    pub fn read(registry: &Registry, name: &str) -> Result<Family, RegistryError> {
        let map = registry.state_map(name)?;
        let of_family = registry.layouts();
        let of_family = of_family.filter(|layout| layout.family == name);
        let mut ordered = Vec::new();
        for entry in of_family {
            // The name stays as it is when a distribution's earlier builds are registered, too.
            let release = registry
                .releases_of(&entry.id)
                .find(|release| release.name == entry.id.0)
                .or_else(|| registry.releases_of(&entry.id).next())
                .map_or(entry.id.0.clone(), |release| release.name.clone());
            let version = registry
                .releases_of(&entry.id)
                .map(|release| numbers(&release.version))
                .min()
                .unwrap_or_default();
            let layout = registry.layout(&entry.id)?;
            let stored = Stored {
                id: entry.id.0.clone(),
                release,
                machine: entry.arch.clone(),
                fingerprint: entry.fingerprint,
                live: map.live(&layout),
                layout,
            };
            ordered.push(((version, entry.flavour.clone()), stored));
        }
        ordered.sort_by(|((a, a_flavour), _), ((b, b_flavour), _)| {
            (a, flavour_order(a_flavour)).cmp(&(b, flavour_order(b_flavour)))
        });
        let layouts = ordered.into_iter().map(|(_, stored)| stored).collect();
        Ok(Family { map, layouts })
    }
}

/// Names of all families of `registry`.
pub fn families(registry: &Registry) -> BTreeSet<String> {
    let layouts = registry.layouts();
    layouts.map(|layout| layout.family.clone()).collect()
}
