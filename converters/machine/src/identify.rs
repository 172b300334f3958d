//! Which kernel this is: its own type information, held against the registered layouts.

use kconv_image::{Fingerprint, KernelId};
use kernel_structs::btf::{self, BtfError};
use kernel_structs::layout::Layout;
use kernel_structs::releases::{
    FamilyError, Registry, RegistryError, build_id_digits, prepare_layout,
};
use kernel_structs::state::StateMap;

/// A kernel and how its structures lie.
pub struct Identified {
    /// The layout of the saved types, with the constants that values of them are made of.
    pub layout: Layout,
    /// The state map of its family.
    pub map: StateMap,
    /// Its name, and that of its layout.
    pub id: KernelId,
    /// Ticks a second, if the release is registered with them.
    pub hz: Option<u32>,
}

/// Why it is not known how a kernel's structures lie.
#[derive(Debug, thiserror::Error)]
pub enum IdentifyError {
    /// The type information is damaged.
    #[error("the type information (BTF) of the kernel cannot be read: {0}")]
    Btf(#[from] BtfError),
    /// It is of no family, or belongs to something else.
    #[error("the type information (BTF) is not that of a kernel that can be frozen: {0}")]
    Family(#[from] FamilyError),
    /// It lacks what is read to name resources.
    #[error("the type information (BTF) is not that of a kernel of the family {family}: {source}")]
    Foreign {
        /// The family whose types are saved.
        family: String,
        /// What it lacks.
        source: Box<RegistryError>,
    },
    /// The kernel's structures lie like those of no registered release.
    #[error(
        "the structures of {release} lie like those of no registered release (fingerprint {fingerprint})"
    )]
    UnknownLayout {
        /// What `uname -r` prints.
        release: String,
        /// Fingerprint of its saved types.
        fingerprint: Fingerprint,
    },
    /// The kernel's structures lie like those of several registered releases, whose values mean
    /// different things, and its name tells none of them.
    #[error(
        "the structures of {release} lie like those of {}, between which bits of saved values mean different things; the name tells none of them",
        .layouts.join(" and ")
    )]
    Ambiguous {
        /// What `uname -r` prints.
        release: String,
        /// The layouts.
        layouts: Vec<String>,
    },
    /// The kernel calls itself by the name of a release that lies differently.
    #[error(
        "the kernel calls itself {release}, but its structures have the fingerprint {found}; those of that release have {expected}"
    )]
    OtherLayout {
        /// What `uname -r` prints.
        release: String,
        /// Fingerprint of its saved types.
        found: Fingerprint,
        /// That of the registered release.
        expected: Fingerprint,
    },
    /// The table of releases is broken.
    #[error(transparent)]
    Registry(RegistryError),
}

impl IdentifyError {
    /// What the user can do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            IdentifyError::Btf(_) | IdentifyError::Family(_) | IdentifyError::Foreign { .. } => {
                "freeze a kernel of Linux 6.1 or 6.12 with CONFIG_DEBUG_INFO_BTF"
            }
            IdentifyError::UnknownLayout { .. } | IdentifyError::Ambiguous { .. } => {
                "make its layout and plans known here: `kconv-gen release import --to /etc/kconv/kernels`"
            }
            IdentifyError::OtherLayout { .. } => {
                "the kernel was built anew under an old name; register it under a name of its own"
            }
            IdentifyError::Registry(_) => "this is a fault of kconv; please report it",
        }
    }
}

/// The kernel of `registry` that calls itself `release` and was linked to what has this build id, if there is one. The
/// type information is a part of what is hashed for it (`ld --build-id`), and need not be read.
///
/// # Errors
/// If the table of releases is broken.
pub fn identify_build(
    registry: &Registry,
    release: &str,
    build_id: &[u8],
) -> Result<Option<Identified>, RegistryError> {
    let digits = build_id_digits(build_id);
    let mut named = registry
        .releases()
        .iter()
        .filter(|known| known.name == release || known.uname.as_deref() == Some(release));
    let Some(known) = named.find(|known| known.build_id.as_ref() == Some(&digits)) else {
        return Ok(None);
    };
    let entry = registry.layout_entry(&known.layout)?;
    Ok(Some(Identified {
        layout: registry.layout(&entry.id)?,
        map: registry.state_map(&entry.family)?,
        hz: known.hz,
        id: KernelId {
            release: known.name.clone(),
            layout: entry.id.0.clone(),
            fingerprint: Fingerprint(entry.fingerprint.0),
            build_id: build_id.to_vec(),
        },
    }))
}

/// The kernel that calls itself `release` and has the type information `btf`.
///
/// # Errors
/// If `btf` is damaged or of no kernel whose tasks are saved, or lies like no layout of `registry`.
pub fn identify(
    registry: &Registry,
    btf: &[u8],
    release: &str,
    build_id: Vec<u8>,
) -> Result<Identified, IdentifyError> {
    let maps = registry.families().into_iter();
    let maps = maps.map(|family| registry.state_map(family));
    let maps: Vec<_> = maps
        .collect::<Result<_, _>>()
        .map_err(IdentifyError::Registry)?;
    let named = maps.iter().flat_map(|map| map.named_types()).collect();
    let types = btf::read_named(btf, &named)?;
    let map = registry
        .state_map(registry.family_of_layout(&types)?)
        .map_err(IdentifyError::Registry)?;
    let prepared = prepare_layout(&types, &map);
    // A running kernel tells its types, and nothing of what bits of their values mean.
    let (layout, types) = prepared.map_err(|source| IdentifyError::Foreign {
        family: map.family.clone(),
        source: Box::new(source),
    })?;
    let found = Fingerprint(types.0);
    let known = registry
        .releases()
        .iter()
        .find(|known| known.name == release || known.uname.as_deref() == Some(release));
    let (name, entry) = match known {
        Some(known) => {
            let entry = registry.layout_entry(&known.layout);
            let entry = entry.map_err(IdentifyError::Registry)?;
            if entry.types != types {
                return Err(IdentifyError::OtherLayout {
                    release: release.to_owned(),
                    found,
                    expected: Fingerprint(entry.types.0),
                });
            }
            (known.name.clone(), entry)
        }
        None => {
            let entries = registry.layouts_by_types(types);
            let first = entries.first().copied();
            let entry = first.ok_or_else(|| IdentifyError::UnknownLayout {
                release: release.to_owned(),
                fingerprint: found,
            })?;
            if entries
                .iter()
                .any(|other| other.fingerprint != entry.fingerprint)
            {
                return Err(IdentifyError::Ambiguous {
                    release: release.to_owned(),
                    layouts: entries.iter().map(|entry| entry.id.0.clone()).collect(),
                });
            }
            (release.to_owned(), entry)
        }
    };
    let stored = registry.layout(&entry.id);
    let stored = stored.map_err(IdentifyError::Registry)?;
    let constants = stored.constants().into_iter();
    let constants = constants.map(|(name, value)| (name.to_owned(), value));
    Ok(Identified {
        // The bits of values are called as in the registered layout, which is the kernel's own.
        layout: layout.with_constants(&constants.collect()),
        map,
        hz: known.and_then(|known| known.hz),
        id: KernelId {
            release: name,
            layout: entry.id.0.clone(),
            fingerprint: Fingerprint(entry.fingerprint.0),
            build_id,
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use std::collections::BTreeMap;

    fn bytes(digits: &str) -> Vec<u8> {
        let pairs = digits.as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
        pairs.map(byte).collect()
    }

    #[test]
    fn a_build_that_is_registered_is_what_its_types_say() {
        let registry = Registry::builtin().unwrap();
        let registered = registry.releases().iter();
        let registered = registered.filter(|release| release.build_id.is_some());
        let releases: Vec<_> = registered.step_by(10).collect();
        assert!(releases.len() > 5, "{releases:?}");
        for release in releases {
            let uname = release.uname.as_deref().unwrap_or(&release.name);
            let id = bytes(release.build_id.as_deref().unwrap());
            let by_build = identify_build(registry, uname, &id).unwrap().unwrap();
            let stored = registry.layout(&release.layout).unwrap();
            // A kernel itself says nothing of its constants.
            let told = btf::write(&stored.clone().with_constants(&BTreeMap::new())).unwrap();
            let by_types = identify(registry, &told, uname, id).unwrap();
            assert_eq!(by_build.id, by_types.id);
            assert_eq!(by_build.hz, by_types.hz);
            assert_eq!(by_build.map.family, by_types.map.family);
            let saved = by_types.map.saved_in(&stored);
            let fingerprint = |layout: &Layout| layout.fingerprint(&saved).unwrap();
            assert_eq!(fingerprint(&by_build.layout), fingerprint(&by_types.layout));
            assert_eq!(by_build.layout.constants(), by_types.layout.constants());
            assert_eq!(
                by_build.layout.types().count(),
                by_types.layout.types().count()
            );
        }
    }

    #[test]
    fn a_build_is_known_by_its_name_and_its_id() {
        let registry = Registry::builtin().unwrap();
        let registered = registry.releases().iter();
        let with_id = registered.filter(|release| release.build_id.is_some());
        let releases: Vec<_> = with_id.collect();
        let (Some(first), Some(last)) = (releases.first(), releases.last()) else {
            panic!("no release has a build id");
        };
        let id = bytes(first.build_id.as_deref().unwrap());
        assert!(
            identify_build(registry, &first.name, &id)
                .unwrap()
                .is_some()
        );
        for (name, id) in [
            (&last.name, id.clone()),
            (&first.name, id[1..].to_vec()),
            (&first.name, Vec::new()),
        ] {
            assert!(
                identify_build(registry, name, &id).unwrap().is_none(),
                "{name} {id:?}"
            );
        }
    }
}
