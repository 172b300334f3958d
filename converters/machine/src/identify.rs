//! Which kernel this is: its own type information, held against the registered layouts.

use kconv_image::{Fingerprint, KernelId};
use kernel_structs::btf::{self, BtfError};
use kernel_structs::layout::Layout;
use kernel_structs::releases::{FamilyError, Registry, RegistryError, prepare_layout};
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
                "register the release (`kconv-gen release import`), and make a converter for it"
            }
            IdentifyError::OtherLayout { .. } => {
                "the kernel was built anew under an old name; register it under a name of its own"
            }
            IdentifyError::Registry(_) => "this is a fault of kconv; please report it",
        }
    }
}

/// The kernel that calls itself `release` and has the type information `btf`.
///
/// # Errors
/// If `btf` is damaged or of no kernel whose tasks are saved, or lies like no registered layout.
pub fn identify(btf: &[u8], release: &str, build_id: Vec<u8>) -> Result<Identified, IdentifyError> {
    let registry = Registry::builtin().map_err(IdentifyError::Registry)?;
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
