//! Which kernel family a kernel is of that the table of releases does not name.
//!
//! A family's name, after `linux-`, is what the versions of its kernels begin with. Where no
//! version is known, the kernel's types tell: a family's state map fits those kernels that have
//! its saved types, on its machines. What has no root, such as the formats that kernels hand on, is of
//! no kernel by its types alone.

use super::{Registry, RegistryError};
use crate::layout::Layout;
use std::collections::BTreeSet;
use thiserror::Error;

/// Why it cannot be told which family a kernel is of.
#[derive(Debug, Error)]
pub enum FamilyError {
    /// No state map says what is saved of such a kernel.
    #[error("no state map is for Linux {version}; there are {}", families.join("; "))]
    Version {
        /// Its version.
        version: String,
        /// The families that there are.
        families: Vec<String>,
    },
    /// No family is for the machine.
    #[error("no state map is for a machine with pointers of {pointer_size} bytes; {}", families.join(", "))]
    Machine {
        /// The size of its pointers in bytes.
        pointer_size: u8,
        /// The families that there are, with their machines.
        families: Vec<String>,
    },
    /// The kernel lacks types that every family saves.
    #[error("these are the types of no family whose state is known: {}", lacking.join("; "))]
    Types {
        /// Each family for the machine, and what it saves that the kernel lacks.
        lacking: Vec<String>,
    },
    /// Several families save types that the kernel has.
    #[error("this can be a kernel of {}", families.join(" or "))]
    Several {
        /// The families.
        families: Vec<String>,
    },
    /// A state map cannot be read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// A machine as the table of releases names it, and the size of its pointers in bytes.
const MACHINES: [(&str, u8); 2] = [("i386", 4), ("amd64", 8)];

/// The machine that a family's kernels are for whose pointers have `pointer_size` bytes, as the
/// table of releases names it.
pub fn machine_with_pointers(machines: &[String], pointer_size: u8) -> Option<&'static str> {
    let known = MACHINES.iter().filter(|(_, size)| *size == pointer_size);
    let mut known = known.map(|(name, _)| *name);
    known.find(|name| machines.iter().any(|machine| machine == name))
}

impl Registry {
    /// The families that there are state maps of, in order of their names.
    pub fn families(&self) -> BTreeSet<&str> {
        let files = self.files.states();
        files
            .filter_map(|file| file.strip_suffix(".toml"))
            .collect()
    }

    /// The family of the kernels of `version`, such as `6.1.170`.
    ///
    /// # Errors
    /// If there is no state map for them, or if one cannot be read.
    pub fn family_of_version(&self, version: &str) -> Result<&str, FamilyError> {
        let begins_with = |start: &String| {
            let rest = version.strip_prefix(start.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '+']))
        };
        let mut known = Vec::new();
        for family in self.families() {
            let map = self.state_map(family)?;
            // What is no kernel has the family's name before its own.
            if map.series.iter().any(begins_with) || begins_with(&map.family) {
                return Ok(family);
            }
            known.push(match map.series.as_slice() {
                [] => family.to_owned(),
                series => format!("{family} for {}", series.join(", ")),
            });
        }
        Err(FamilyError::Version {
            version: version.to_owned(),
            families: known,
        })
    }

    /// The families of kernels for a machine whose pointers have `pointer_size` bytes.
    ///
    /// # Errors
    /// If there is none, or if a state map cannot be read.
    pub fn families_with_pointers(&self, pointer_size: u8) -> Result<Vec<&str>, FamilyError> {
        let mut found = Vec::new();
        let mut all = Vec::new();
        for family in self.families() {
            let map = self.state_map(family)?;
            if map.roots.is_empty() {
                continue;
            }
            if machine_with_pointers(&map.machines, pointer_size).is_some() {
                found.push(family);
            }
            all.push(format!("{family} is for {}", map.machines.join(", ")));
        }
        match found.is_empty() {
            false => Ok(found),
            true => Err(FamilyError::Machine {
                pointer_size,
                families: all,
            }),
        }
    }

    /// The family whose saved types `layout`, of a whole kernel or reduced, has.
    ///
    /// # Errors
    /// If none fits, or more than one.
    pub fn family_of_layout(&self, layout: &Layout) -> Result<&str, FamilyError> {
        let mut fitting = Vec::new();
        let mut lacking = Vec::new();
        for family in self.families_with_pointers(layout.target().pointer_size)? {
            let map = self.state_map(family)?;
            // What only some layouts of a family have need not be there.
            let saved = map.saved_in(layout);
            let missing: Vec<&str> = saved
                .into_iter()
                .filter(|name| layout.find(name).is_none())
                .collect();
            match missing.as_slice() {
                [] => fitting.push(family),
                [first, ..] => {
                    let more = match missing.len() {
                        1 => String::new(),
                        count => format!(" and {} more types", count - 1),
                    };
                    lacking.push(format!("{family} saves {first}{more}, which it lacks"));
                }
            }
        }
        match fitting.as_slice() {
            [family] => Ok(family),
            [] => Err(FamilyError::Types { lacking }),
            several => Err(FamilyError::Several {
                families: several.iter().map(|family| (*family).to_owned()).collect(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::{Files, LayoutId};
    use super::*;
    use crate::layout::{LayoutBuilder, Target};
    use std::borrow::Cow;

    #[test]
    fn a_version_is_of_the_family_it_begins_with() {
        let registry = Registry::builtin().unwrap();
        let family = |version| registry.family_of_version(version).unwrap();
        assert_eq!(family("2.4.36"), "linux-2.4");
        for known in ["5.10.262", "6.1.170", "6.18.15", "7.3"] {
            assert_eq!(family(known), "linux-6", "{known}");
        }
        assert_eq!(family("kho-luo5"), "kho");
        for foreign in ["2.40", "2.6.32", "5.1", "5.100.1", "60.1", ""] {
            assert!(registry.family_of_version(foreign).is_err(), "{foreign}");
        }
    }

    /// Formats that kernels hand on are no kernel, and no kernel is taken for some.
    #[test]
    fn every_stored_layout_is_of_its_family() {
        let registry = Registry::builtin().unwrap();
        for entry in registry.layouts() {
            let layout = registry.layout(&entry.id).unwrap();
            match registry.family_of_layout(&layout) {
                Ok(family) => assert_eq!(family, entry.family),
                Err(error) => assert_eq!(entry.family, "kho", "{error}"),
            }
        }
    }

    #[test]
    fn a_type_that_only_some_layouts_have_is_not_missed() {
        let builtin = Registry::builtin().unwrap();
        let id = LayoutId("6.1.0-47-amd64".to_owned());
        let layout = builtin.layout(&id).unwrap();
        let mut files = Files::builtin();
        let map = String::from_utf8(files.states["linux-6.toml"].to_vec()).unwrap();
        let map = format!("{map}\n[type.of_another_release]\nsaved = true\n").into_bytes();
        files
            .states
            .insert("linux-6.toml".to_owned(), Cow::Owned(map));
        let registry = Registry::parse(files).unwrap();
        assert_eq!(registry.family_of_layout(&layout).unwrap(), "linux-6");
        assert!(registry.layout(&id).is_ok());
    }

    #[test]
    fn what_fits_no_family_or_two_is_told() {
        let registry = Registry::builtin().unwrap();
        let empty = |registry: &Registry, pointer_size| {
            let layout = LayoutBuilder::new(Target { pointer_size }).finish();
            registry.family_of_layout(&layout.unwrap()).unwrap_err()
        };
        let mut files = Files::builtin();
        files.states.remove("linux-2.4.toml");
        (files.releases, files.layouts) = (Cow::Borrowed(""), [].into());
        let error = empty(&Registry::parse(files).unwrap(), 4).to_string();
        assert_eq!(
            error,
            "no state map is for a machine with pointers of 4 bytes; linux-6 is for amd64"
        );
        let message = empty(registry, 8).to_string();
        assert!(message.contains("linux-6 saves "), "{message}");
        assert!(!message.contains("linux-2.4"), "{message}");

        let layout = registry.layout(&LayoutId("6.1.0-47-amd64".to_owned()));
        let mut files = Files::builtin();
        let map = String::from_utf8(files.states["linux-6.toml"].to_vec()).unwrap();
        let map = map.replacen("\"linux-6\"", "\"linux-7\"", 1).into_bytes();
        files
            .states
            .insert("linux-7.toml".to_owned(), Cow::Owned(map));
        let error = Registry::parse(files).unwrap();
        let error = error.family_of_layout(&layout.unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "this can be a kernel of linux-6 or linux-7"
        );
    }
}
