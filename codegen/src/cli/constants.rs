//! The constants of a kernel, out of the headers that were built with it.

use super::archive::Places;
use super::headers::{profile_of, refused};
use super::kernel_package::how;
use super::{CliError, read_file};
use kernel_structs::releases::Registry;
use kernel_structs::state::StateMap;
use kernel_structs_routes::headers::{self, Tree};
use kernel_structs_routes::package::{self, Need};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Where the packages of headers come to lie that are installed.
const INSTALLED: &str = "/usr/src";

/// Constants of a kernel, and where they were found.
pub(crate) struct Found {
    pub(crate) values: BTreeMap<String, i128>,
    pub(crate) origin: String,
    /// The kernel whose headers they are, if they are a package's.
    pub(crate) uname: Option<String>,
}

/// What a person says of where the constants are.
#[derive(Copy, Clone)]
pub(crate) struct Said<'a> {
    /// A configured header tree, or the packages of headers.
    pub(crate) headers: &'a [PathBuf],
    /// A release that has the same.
    pub(crate) of: Option<&'a str>,
}

impl Said<'_> {
    /// Whether anything was said.
    pub(crate) fn is_anything(&self) -> bool {
        !self.headers.is_empty() || self.of.is_some()
    }
}

/// Where the constants of a kernel are.
pub(crate) enum Headers<'a> {
    /// Where a person says.
    Said(Said<'a>),
    /// In packages, which are unpacked.
    Packed(Unpacked),
    /// In the configured tree in a folder.
    Installed(PathBuf),
    /// Nowhere.
    Missing(NoHeaders),
}

/// The package of headers that is not there.
#[derive(Debug)]
pub(crate) struct NoHeaders {
    /// Its name.
    pub(crate) package: String,
    /// The folders that it was looked for in, in words.
    pub(crate) folders: String,
    /// How it is had, or why it is not.
    pub(crate) how: String,
}

/// Looks for the constants of the kernel `uname`: where it is said, else in the packages of headers that
/// are in `places`, else in the headers that are installed.
///
/// # Errors
/// If what was found cannot be read, or needs what is not there.
pub(crate) fn locate<'a>(
    uname: &str,
    places: &mut Places,
    said: Said<'a>,
) -> Result<Headers<'a>, CliError> {
    if said.is_anything() {
        return Ok(Headers::Said(said));
    }
    let need = Need {
        name: format!("linux-headers-{uname}"),
        version: None,
    };
    let installed = Path::new(INSTALLED).join(&need.name);
    // What is installed needs no network.
    if let Some(file) = places.at_hand(&need)? {
        return unpack(&[file], places).map(Headers::Packed);
    }
    if installed.is_dir() {
        return Ok(Headers::Installed(installed));
    }
    match places.find(&need)? {
        Ok(file) => unpack(&[file], places).map(Headers::Packed),
        Err(missing) => Ok(Headers::Missing(NoHeaders {
            folders: places.folders(),
            how: how(&need, &missing),
            package: need.name,
        })),
    }
}

impl Headers<'_> {
    /// The constants that `map` watches; `None` if there are no headers.
    ///
    /// # Errors
    /// If they cannot be evaluated.
    pub(crate) fn evaluate(
        &self,
        registry: &Registry,
        map: &StateMap,
        places: &mut Places,
    ) -> Result<Option<Found>, CliError> {
        match self {
            Headers::Said(said) => as_said(registry, map, *said, places),
            Headers::Packed(unpacked) => unpacked.constants(map).map(Some),
            Headers::Installed(folder) => {
                let name = folder.file_name().unwrap_or_default().to_string_lossy();
                of_tree(map, folder, format!("{name}, as it is installed")).map(Some)
            }
            Headers::Missing(_) => Ok(None),
        }
    }
}

/// The constants of the kernel `uname`, which is a file beside which its headers may lie: [`locate`]d and
/// evaluated. `None` if the family has no constants, or none can be had.
///
/// # Errors
/// If what was said, or found, cannot be read.
pub(crate) fn find(
    registry: &Registry,
    map: &StateMap,
    uname: &str,
    file: &Path,
    said: Said<'_>,
) -> Result<Option<Found>, CliError> {
    if !has_any(map) || (uname.is_empty() && !said.is_anything()) {
        return Ok(None);
    }
    let mut places = Places::beside(file);
    locate(uname, &mut places, said)?.evaluate(registry, map, &mut places)
}

/// Whether fields of a family are made of constants.
pub(crate) fn has_any(map: &StateMap) -> bool {
    map.watch.meanings().next().is_some()
}

/// The constants that a person says where to find.
pub(crate) fn as_said(
    registry: &Registry,
    map: &StateMap,
    said: Said<'_>,
    places: &mut Places,
) -> Result<Option<Found>, CliError> {
    if let Some(name) = said.of {
        let end = super::end(registry, name)?;
        if end.family != map.family {
            return Err(CliError::OtherFamily {
                release: end.release.name.clone(),
                family: end.family.to_owned(),
                said: map.family.clone(),
            });
        }
        let values = end.layout.constants();
        return Ok(Some(Found {
            values: values
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            origin: format!("those of {}", end.release.name),
            uname: None,
        }));
    }
    match said.headers {
        [] => Ok(None),
        [folder] if folder.is_dir() => {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            of_tree(map, folder, format!("the headers in {name}")).map(Some)
        }
        packages => unpack(packages, places)?.constants(map).map(Some),
    }
}

/// The constants of a configured header tree.
pub(crate) fn of_tree(map: &StateMap, folder: &Path, origin: String) -> Result<Found, CliError> {
    let tree = Tree::of(folder).map_err(|error| refused(folder, error.into()))?;
    let (profile, tree) = profile_of(folder, &tree, &map.family)?;
    let values = headers::constants(&map.watch, &profile, &tree);
    Ok(Found {
        values: values.map_err(|error| refused(folder, error))?,
        origin,
        uname: folder
            .file_name()
            .and_then(|name| name.to_str()?.strip_prefix("linux-headers-"))
            .map(str::to_owned),
    })
}

/// Packages of headers, unpacked into a folder that goes away with this.
pub(crate) struct Unpacked {
    folder: TempDir,
    /// The name and the version of the kernel's own.
    own: (String, String),
}

impl Unpacked {
    fn constants(&self, map: &StateMap) -> Result<Found, CliError> {
        let (name, version) = &self.own;
        let build = self.folder.path().join("usr/src").join(name);
        of_tree(map, &build, format!("{name} {version}"))
    }
}

/// Unpacks packages of headers, the kernel's own first. Those that it needs lie beside it, or are in `places`.
fn unpack(files: &[PathBuf], places: &mut Places) -> Result<Unpacked, CliError> {
    let folder = tempfile::tempdir().map_err(|error| CliError::Io {
        path: PathBuf::from("headers"),
        error,
    })?;
    let mut own: Option<package::Headers> = None;
    let mut pending: Vec<PathBuf> = files.iter().rev().cloned().collect();
    let mut unpacked: Vec<String> = Vec::new();
    let mut missing = Vec::new();
    while let Some(path) = pending.pop() {
        let wrong = |error| CliError::Package {
            path: path.clone(),
            error,
        };
        let data = read_file(&path)?;
        let headers = package::Headers::read(&data).map_err(wrong)?;
        package::Headers::unpack(&data, folder.path()).map_err(wrong)?;
        unpacked.push(headers.name.clone());
        let own = own.get_or_insert(headers.clone());
        // Of packages that a person named, the one that has the build is whichever needs another.
        if own.needs.is_empty() && !headers.needs.is_empty() {
            *own = headers.clone();
        }
        let given = pending.iter().filter_map(|file| file.file_name());
        let given: Vec<String> = given
            .map(|file| file.to_string_lossy().into_owned())
            .collect();
        for need in headers.needs {
            let start = format!("{}_", need.name);
            if unpacked.contains(&need.name) || given.iter().any(|file| file.starts_with(&start)) {
                continue;
            }
            let beside = Places::beside(&path).at_hand(&need)?;
            let found = match beside {
                Some(file) => Ok(file),
                None => places.find(&need)?,
            };
            match found {
                Ok(file) => pending.push(file),
                Err(why) => missing.push(CliError::NoHeaders {
                    path: places.shown(&path),
                    how: how(&need, &why),
                    needs: need.to_string(),
                }),
            }
        }
    }
    if !missing.is_empty() {
        return Err(CliError::all(missing));
    }
    let own = own.map(|own| (own.name, own.version)).unwrap_or_default();
    Ok(Unpacked { folder, own })
}
