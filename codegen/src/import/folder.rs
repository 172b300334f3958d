//! A kernel for a kconv that was built before it: a folder with its entry, its layout, and the plans that lead from it to
//! the registered release that is most alike, and back.

use super::{Found, Imported, neighbour};
use crate::diff;
use crate::emit::{self, EmitError};
use crate::generate::{End, GenerateError, end};
use crate::overrides::Changes;
use crate::plan::{self, Pair, Plan};
use kernel_structs::releases::{Registry, RegistryError, Release, with_entries};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Two releases, and a field that nobody decided between them.
pub type Undecided = ((String, String), plan::Undecided);

/// What is in the folder of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelFolder {
    /// The name of the folder: that of the release.
    pub name: String,
    /// The registered release that the plans lead to and come from; none if the layout is a registered one.
    pub neighbour: Option<String>,
    /// Its files, by their paths below it.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
}

/// Why there is no such folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The kernel cannot be planned for.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// The table of releases is broken.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// No registered release counts time as this kernel does.
    #[error(
        "no registered release of {family} for {arch} has the ticks of this kernel ({}): the fields that hold ticks would mean other times, and which they are is not known",
        match hz {
            Some(hz) => format!("{hz} a second"),
            None => "not known: name its package, or lay its configuration beside vmlinuz-RELEASE, as config-RELEASE".to_owned(),
        }
    )]
    NoNeighbour {
        /// Its family.
        family: String,
        /// Its machine.
        arch: String,
        /// Its ticks a second.
        hz: Option<u32>,
    },
    /// A plan that is no file.
    #[error("the plan from {from} to {to} is no file: {error}")]
    Plan {
        /// The layout read.
        from: String,
        /// The layout written.
        to: String,
        /// Why.
        error: String,
    },
    /// Somebody has to decide first.
    #[error("{} fields are undecided", .0.len())]
    Undecided(Vec<Undecided>),
}

/// The folder of a kernel that was imported apart, by the decisions in the folder `decisions`.
///
/// # Errors
/// If there is no plan from its layout to a registered one, or back. All that is undecided is told at once.
pub fn folder(imported: &Imported, decisions: &Path) -> Result<KernelFolder, FolderError> {
    let release = &imported.release;
    let releases = std::slice::from_ref(release);
    let mut files = BTreeMap::new();
    let mut put = |path: &str, data: Vec<u8>| files.insert(PathBuf::from(path), data);
    let Found::New { entry, .. } = &imported.found else {
        let table = with_entries("", &[], releases);
        put("releases.toml", table.into_bytes());
        return Ok(KernelFolder {
            name: release.name.clone(),
            neighbour: None,
            files,
        });
    };
    let table = with_entries("", std::slice::from_ref(entry), releases);
    put("releases.toml", table.into_bytes());
    let registry = Registry::parse(imported.files.clone())?;
    let layout = registry.files().layouts.get(&entry.file);
    let layout = layout.ok_or_else(|| RegistryError::NoLayout {
        layout: entry.id.clone(),
        file: entry.file.clone(),
    })?;
    put(&format!("layouts/{}", entry.file), layout.to_vec());
    let family = &imported.family;
    let other = most_alike(&registry, release, family)?;
    let other = other.ok_or_else(|| FolderError::NoNeighbour {
        family: family.clone(),
        arch: release.arch.clone(),
        hz: release.hz,
    })?;
    let (own, other) = (end(&registry, &release.name)?, end(&registry, &other.name)?);
    let changes = Changes::read(decisions, family).map_err(GenerateError::from)?;
    let mut undecided = Vec::new();
    for (from, to) in [(&own, &own), (&own, &other), (&other, &own)] {
        match written(&registry, (from, to), &changes)? {
            Ok((name, text)) => drop(put(&format!("plans/{name}.plan"), text.into_bytes())),
            Err(found) => undecided.extend(found),
        }
    }
    match undecided.is_empty() {
        true => Ok(KernelFolder {
            name: release.name.clone(),
            neighbour: Some(other.release.name.clone()),
            files,
        }),
        false => Err(FolderError::Undecided(undecided)),
    }
}

/// The registered release whose saved types and constants differ in the fewest from those of `release`, and of several the nearest
/// by its version. Who builds a kernel calls it what he likes: of its flavour the name tells nothing.
fn most_alike<'a>(
    registry: &'a Registry,
    release: &Release,
    family: &str,
) -> Result<Option<&'a Release>, RegistryError> {
    let map = registry.state_map(family)?;
    let own = registry.layout(&release.layout)?;
    let saved = map.saved_types();
    let of_own: Vec<_> = saved
        .iter()
        .map(|ty| own.types_fingerprint(&[*ty]).ok())
        .collect();
    let mut differences = BTreeMap::new();
    for entry in registry.layouts() {
        if entry.family == family && entry.arch == release.arch && entry.id != release.layout {
            let layout = registry.layout(&entry.id)?;
            let types = saved.iter().zip(&of_own);
            let types = types.filter(|(ty, own)| layout.types_fingerprint(&[**ty]).ok() != **own);
            let constants = diff::constants(&layout, &own).len();
            differences.insert(&entry.id, types.count() + constants);
        }
    }
    let counts_alike = |other: &Release| other.hz == release.hz;
    let candidates = registry
        .releases()
        .iter()
        .filter(|other| counts_alike(other));
    let fewest = candidates
        .filter_map(|other| differences.get(&other.layout))
        .min();
    Ok(neighbour(registry, release, family, |other| {
        counts_alike(other) && differences.get(&other.layout) == fewest
    }))
}

/// The plan between two releases as the text of a file, and its name; or what is undecided.
fn written(
    registry: &Registry,
    (from, to): (&End<'_>, &End<'_>),
    changes: &Changes,
) -> Result<Result<(String, String), Vec<Undecided>>, FolderError> {
    let names = (from.release.name.clone(), to.release.name.clone());
    let converter = match from.release == to.release {
        true => "identity".to_owned(),
        false => format!("convert-{}-{}", names.0, names.1),
    };
    let map = registry.state_map(from.family)?;
    let made = Plan::make(&Pair {
        converter: &converter,
        machine: &from.release.arch,
        from: from.side(),
        to: to.side(),
        map: &map,
        overrides: &changes.between(&from.layout, &to.layout),
    });
    if !made.undecided.is_empty() {
        let undecided = made.undecided.into_iter();
        return Ok(Err(undecided.map(|it| (names.clone(), it)).collect()));
    }
    let live = [from, to].map(|end| map.live(&end.layout));
    let text = emit::plan_file(&made.plan, [&live[0], &live[1]]);
    let text = text.map_err(|error: EmitError| FolderError::Plan {
        from: from.release.layout.0.clone(),
        to: to.release.layout.0.clone(),
        error: error.to_string(),
    })?;
    Ok(Ok((converter, text)))
}
