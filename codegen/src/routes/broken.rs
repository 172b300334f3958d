//! Chains that are broken: steps lead to kernels before and behind a place, and none over it.

use super::Routes;
use kernel_structs::releases::{LayoutId, Release, numbers};
use std::collections::{BTreeMap, BTreeSet};

/// How many numbers of a version name the series that a kernel belongs to: 6.12 of 6.12.117.
const SERIES: usize = 2;

/// Where a step is missing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Broken {
    /// The version before it.
    pub from: String,
    /// The version behind it.
    pub to: String,
}

/// A layout with the releases that it begins and ends with.
struct Kernel<'r> {
    id: &'r LayoutId,
    first: &'r Release,
    last: &'r Release,
}

impl Routes<'_> {
    /// Where a step is missing between kernels of one series and flavour that follow one another, and that
    /// both have steps: images of those before it cannot become such of those behind. A way back
    /// need not be.
    ///
    /// Kernels without any step, such as one that was just imported, are no broken chain. Nor are kernels
    /// of several series or flavours, which people join where they want it, and those of other
    /// ticks, between which there can be no step.
    pub fn broken(&self) -> Vec<Broken> {
        let ends: BTreeSet<&LayoutId> = self
            .edges
            .iter()
            .flat_map(|edge| [&edge.from, &edge.to])
            .collect();
        let mut chains: BTreeMap<_, Vec<Kernel<'_>>> = BTreeMap::new();
        for id in ends {
            let releases = self.registry.releases().iter();
            let mut releases = releases.filter(|release| release.layout == *id);
            let (Some(first), Ok(entry)) = (releases.next(), self.registry.layout_entry(id)) else {
                continue;
            };
            let last = releases.rfind(|last| last.flavour == first.flavour);
            let last = last.unwrap_or(first);
            let mut series = numbers(&first.version);
            series.truncate(SERIES);
            let chain = (&entry.family, &first.arch, first.hz, &first.flavour, series);
            let kernel = Kernel { id, first, last };
            chains.entry(chain).or_default().push(kernel);
        }
        let mut broken = BTreeSet::new();
        for chain in chains.values_mut() {
            chain.sort_by_key(|kernel| numbers(&kernel.first.version));
            let next = chain.iter().skip(1);
            for (before, behind) in chain.iter().zip(next) {
                if self.way(before.id, behind.id).is_none() {
                    broken.insert(Broken {
                        from: before.last.version.clone(),
                        to: behind.first.version.clone(),
                    });
                }
            }
        }
        broken.into_iter().collect()
    }
}
