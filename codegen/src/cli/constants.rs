//! The constants of a kernel, out of the headers that were built with it.

use super::CliError;
use super::headers::{profile_of, refused};
use kernel_structs::releases::Registry;
use kernel_structs::state::StateMap;
use kernel_structs_routes::headers::{self, Tree};
use kernel_structs_routes::package::Headers;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

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

/// The constants of the kernel `uname`, whose image is the file `beside`: as said, else from the
/// packages of headers that lie beside it or are in the archive, else from the headers that are
/// installed. `None` if the family has no constants, or none can be had.
///
/// # Errors
/// If what was said, or found, cannot be read.
pub(crate) fn find(
    registry: &Registry,
    map: &StateMap,
    uname: &str,
    beside: Option<&Path>,
    said: Said<'_>,
) -> Result<Option<Found>, CliError> {
    if map.watch.meanings().next().is_none() {
        return Ok(None);
    }
    if let Some(found) = as_said(registry, map, said)? {
        return Ok(Some(found));
    }
    let package = format!("linux-headers-{uname}");
    if let Some(folder) = beside.map(|file| file.parent().unwrap_or(Path::new(".")))
        && let Some(file) = in_folder(folder, &package)?
    {
        return of_packages(map, &[file]).map(Some);
    }
    let installed = Path::new("/usr/src").join(&package);
    if installed.is_dir() {
        let origin = format!("{}, as it is installed", package);
        return of_tree(map, &installed, origin).map(Some);
    }
    match uname.is_empty() {
        true => Ok(None),
        false => match download(&package)? {
            Some((_folder, file)) => of_packages(map, &[file]).map(Some),
            None => Ok(None),
        },
    }
}

/// The constants that a person says where to find.
pub(crate) fn as_said(
    registry: &Registry,
    map: &StateMap,
    said: Said<'_>,
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
        packages => of_packages(map, packages).map(Some),
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

/// The constants of packages of headers, the kernel's own first. Those that it needs lie beside it,
/// or are in the archive.
fn of_packages(map: &StateMap, files: &[PathBuf]) -> Result<Found, CliError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| CliError::Io { path, error }
    };
    let folder = tempfile::tempdir().map_err(io(Path::new("headers")))?;
    let mut own: Option<Headers> = None;
    let mut pending: Vec<PathBuf> = files.iter().rev().cloned().collect();
    let mut unpacked: Vec<String> = Vec::new();
    let mut downloads: Vec<TempDir> = Vec::new();
    while let Some(path) = pending.pop() {
        let wrong = |error| CliError::Package {
            path: path.clone(),
            error,
        };
        let data = fs::read(&path).map_err(io(&path))?;
        let headers = Headers::read(&data).map_err(wrong)?;
        Headers::unpack(&data, folder.path()).map_err(wrong)?;
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
        for name in headers.needs {
            let start = format!("{name}_");
            if unpacked.contains(&name) || given.iter().any(|file| file.starts_with(&start)) {
                continue;
            }
            let beside = path.parent().unwrap_or(Path::new("."));
            let file = match in_folder(beside, &name)? {
                Some(file) => file,
                None => {
                    let (folder, file) = download(&name)?.ok_or_else(|| CliError::NoHeaders {
                        path: path.clone(),
                        needs: name.clone(),
                    })?;
                    downloads.push(folder);
                    file
                }
            };
            pending.push(file);
        }
    }
    let own = own.map(|own| (own.name, own.version)).unwrap_or_default();
    let build = folder.path().join("usr/src").join(&own.0);
    of_tree(map, &build, format!("{} {}", own.0, own.1))
}

/// The file of a package in a folder, called `NAME_VERSION_ARCH.deb` as apt-get calls it. Of
/// several, it is a person who knows which one is meant.
pub(super) fn in_folder(folder: &Path, package: &str) -> Result<Option<PathBuf>, CliError> {
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    let io = |error| CliError::io(folder, error);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        let text = name.to_string_lossy();
        let rest = text.strip_prefix(package);
        if rest.is_some_and(|rest| rest.starts_with('_') && rest.ends_with(".deb")) {
            found.push(text.into_owned());
        }
    }
    match found.len() {
        0 | 1 => Ok(found.pop().map(|name| folder.join(name))),
        _ => {
            found.sort();
            Err(CliError::Packages {
                package: package.to_owned(),
                found,
            })
        }
    }
}

/// The file of a package of the archive, and the folder that goes away with it; `None` if the
/// archive does not offer it, or there is none.
fn download(package: &str) -> Result<Option<(TempDir, PathBuf)>, CliError> {
    let io = |error| CliError::Io {
        path: PathBuf::from(package),
        error,
    };
    let folder = tempfile::tempdir().map_err(io)?;
    let output = Command::new("apt-get")
        .args(["--quiet=2", "download", package])
        .current_dir(folder.path())
        .output();
    let succeeded = output.is_ok_and(|output| output.status.success());
    let file = fs::read_dir(folder.path()).map_err(io)?.next();
    match file {
        Some(file) if succeeded => {
            let file = file.map_err(io)?.path();
            Ok(Some((folder, file)))
        }
        _ => Ok(None),
    }
}
