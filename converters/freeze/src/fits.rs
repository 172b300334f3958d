//! Whether a dump is of the kernel that it is said to be of.
//!
//! A layout of another kernel reads numbers where there are none, and an image of them would be
//! worthless without anybody noticing. What a dump knows of its kernel besides the name is held
//! against the release: the sizes of its objects, its configuration, its tasks.

use crate::dump::Meta;
use crate::error::{Finding, Flaw};
use crate::families::Known;
use crate::memory::Memory;
use crate::walk::{Selection, TaskAddress, task_addresses};
use kernel_structs::layout::Layout;
use kernel_structs::releases::{Registry, RegistryError, Release};
use kernel_structs::state::StateMap;
use std::collections::BTreeSet;
use std::fmt;

/// Something that a dump has otherwise than the release that it should be of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// Objects of a type have another size.
    Size {
        /// The type.
        ty: String,
        /// Their size in the dump, in bytes.
        found: u64,
        /// The size of the type in the release's layout.
        expected: u64,
    },
    /// A value of the configuration is another.
    Configuration {
        /// What is configured.
        what: &'static str,
        /// As the dump has it.
        found: String,
        /// As the release has it.
        expected: String,
    },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mismatch::Size {
                ty,
                found,
                expected,
            } => write!(
                f,
                "{ty} has {found} bytes in the dump, and {expected} in the release"
            ),
            Mismatch::Configuration {
                what,
                found,
                expected,
            } => write!(
                f,
                "{what} is {found} in the dump, and {expected} in the release"
            ),
        }
    }
}

/// What of the sizes of dumped objects, by type, is not as in `layout`. Types that the layout lacks
/// tell nothing.
pub(crate) fn sizes(sizes: &BTreeSet<(String, u64)>, layout: &Layout) -> Vec<Mismatch> {
    let mut found = Vec::new();
    for (ty, size) in sizes {
        let expected = layout.find(ty).and_then(|id| layout.size_of(id));
        if let Some(expected) = expected.filter(|expected| expected.0 != *size) {
            found.push(Mismatch::Size {
                ty: ty.clone(),
                found: *size,
                expected: expected.0,
            });
        }
    }
    found
}

/// What of the configuration that a dump notes is not that of `release`, a kernel of `family`.
pub(crate) fn configuration(meta: &Meta, release: &Release, family: Known) -> Vec<Mismatch> {
    let mut found = Vec::new();
    let smp = meta.config.iter().any(|line| line == "CONFIG_SMP=y");
    let word = |smp| if smp { "y" } else { "n" }.to_owned();
    if !meta.config.is_empty() && smp != meta.smp {
        found.push(Mismatch::Configuration {
            what: "CONFIG_SMP",
            found: word(smp),
            expected: word(meta.smp),
        });
    }
    let hz = release.hz.or(family.fixed_tick_rate());
    if let Some(hz) = hz.filter(|hz| *hz != meta.hz) {
        found.push(Mismatch::Configuration {
            what: "HZ",
            found: meta.hz.to_string(),
            expected: hz.to_string(),
        });
    }
    found
}

/// Registered releases for the same machine whose types have the sizes of the dumped objects.
pub(crate) fn releases_with(
    registry: &Registry,
    dumped: &BTreeSet<(String, u64)>,
    arch: &str,
) -> Result<Vec<String>, RegistryError> {
    let mut fitting = Vec::new();
    for entry in registry.layouts().filter(|entry| entry.arch == arch) {
        if sizes(dumped, &registry.layout(&entry.id)?).is_empty() {
            let last = registry.releases_of(&entry.id).last();
            fitting.extend(last.map(|release| release.name.clone()));
        }
    }
    Ok(fitting)
}

/// The most processes that there can be (`include/linux/threads.h`: PID_MAX, PID_MAX_LIMIT).
fn most_pids(layout: &Layout) -> i64 {
    if layout.target().pointer_size == 4 {
        0x8000
    } else {
        0x40_0000
    }
}

/// Goes once around the ring of all tasks, whichever of them are wanted: it has to close, the task
/// that it begins with is the idle task with number 0, and all others have numbers of their own.
pub(crate) fn tasks(memory: Memory<'_>, map: &StateMap) -> Result<(), Box<Finding>> {
    let most = most_pids(memory.layout());
    let mut seen = BTreeSet::new();
    let tasks = task_addresses(memory, map, &Selection::All)?;
    for (number, TaskAddress { pid, place, .. }) in tasks.into_iter().enumerate() {
        let flaw = match (number, pid) {
            (0, 0) => continue,
            (0, pid) => Some(Flaw::NotIdle { pid }),
            (_, pid) if pid <= 0 || pid > most => Some(Flaw::NoPid { pid, most }),
            (_, pid) if !seen.insert(pid) => Some(Flaw::PidTwice { pid }),
            _ => None,
        };
        if let Some(flaw) = flaw {
            return Err(Box::new(Finding { place, flaw }));
        }
    }
    Ok(())
}
