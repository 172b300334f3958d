//! A kernel out of its packages: the one that was named, and those that it depends on for what it
//! does not hold itself.

use super::archive::{Missing, Places, in_archive};
use super::{CliError, read_file};
use kernel_structs_routes::bzimage::Config;
use kernel_structs_routes::package::{Need, Package, Part};
use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

/// A kernel as its packages have it.
pub(crate) struct Packed {
    /// The package with the image.
    pub(crate) path: PathBuf,
    /// That package's name and version.
    pub(crate) package: String,
    pub(crate) vmlinuz: Part<Vec<u8>>,
    pub(crate) config: Option<Config>,
}

/// A package that is to be read: the first one, or one that another depends on.
enum Next {
    File(PathBuf),
    Needed { need: Need, by: PathBuf },
}

/// Reads the kernel of the package `path`. What belongs to it is looked for in `places`, and no more of
/// it than is missing; what is wrong is added to `wrong`.
pub(crate) fn read(path: &Path, places: &mut Places, wrong: &mut Vec<CliError>) -> Option<Packed> {
    let (mut kernel, mut config): (Option<Packed>, Option<(PathBuf, Part<Config>)>) = (None, None);
    // Of two packages of which one would do, one may be missing: this counts if something is, at the end.
    let mut missing = Vec::new();
    let mut looked = Vec::new();
    let mut known = BTreeSet::new();
    let mut next = VecDeque::from([Next::File(path.to_owned())]);
    while let Some(one) = next.pop_front() {
        let lacking = match (&kernel, &config) {
            (Some(_), Some(_)) => break,
            (None, None) => "neither kernel nor configuration is in it",
            (None, Some(_)) => "the kernel is not in it",
            (Some(_), None) => "the configuration is not in it",
        };
        let (path, package) = match open(one, lacking, places) {
            Ok(opened) => opened,
            Err(error) => {
                missing.push(error);
                continue;
            }
        };
        known.insert(package.name.clone());
        looked.push(package.name.clone());
        if let Some(vmlinuz) = package.vmlinuz {
            match &kernel {
                None => {
                    kernel = Some(Packed {
                        path: path.clone(),
                        package: format!("{} {}", package.name, package.version),
                        vmlinuz,
                        config: None,
                    });
                }
                Some(first) => wrong.push(CliError::TwoKernels {
                    first: first.path.join(&first.vmlinuz.path),
                    second: path.join(&vmlinuz.path),
                }),
            }
        }
        if let Some(part) = package.config.filter(|_| config.is_none()) {
            config = Some((path.clone(), part));
        }
        for need in package.needs {
            if known.insert(need.name.clone()) {
                let by = path.clone();
                next.push_back(Next::Needed { need, by });
            }
        }
    }
    if kernel.is_none() || config.is_none() {
        if missing.is_empty() {
            let path = path.to_owned();
            missing.push(match kernel.is_none() {
                true => CliError::NoKernel { path, looked },
                false => CliError::NoConfig { path, looked },
            });
        }
        wrong.append(&mut missing);
    }
    let mut kernel = kernel?;
    if let Some((path, part)) = config {
        if part.release != kernel.vmlinuz.release {
            wrong.push(CliError::OtherKernels {
                path: path.join(&part.path),
                found: part.release,
                kernel: kernel.path.join(&kernel.vmlinuz.path),
                release: kernel.vmlinuz.release.clone(),
            });
        }
        kernel.config = Some(part.data);
    }
    Some(kernel)
}

/// Finds and reads a package. One that another depends on is what that one says.
fn open(
    next: Next,
    lacking: &'static str,
    places: &mut Places,
) -> Result<(PathBuf, Package), CliError> {
    let (file, needed) = match next {
        Next::File(file) => (file, None),
        Next::Needed { need, by } => {
            let file = places.find(&need)?.map_err(|missing| CliError::NoPart {
                path: by.clone(),
                lacking,
                need: need.to_string(),
                folders: places.folders(),
                how: how(&need, &missing),
            })?;
            (file, Some((need, by)))
        }
    };
    let path = places.shown(&file);
    let package = Package::read(&read_file(&file)?).map_err(|error| CliError::Package {
        path: path.clone(),
        error,
    })?;
    if let Some((need, by)) = needed {
        let version = need.version.as_ref().unwrap_or(&package.version);
        if package.name != need.name || package.version != *version {
            return Err(CliError::OtherPart {
                path,
                found: format!("{} {}", package.name, package.version),
                by,
                how: how(&need, &Missing::NotAsked),
                need: need.to_string(),
            });
        }
    }
    Ok((path, package))
}

/// How a package that is missing is had, or why it is not.
pub(crate) fn how(need: &Need, missing: &Missing) -> String {
    match missing {
        Missing::NotAsked => format!(
            "get it with `apt-get download {}` and put it there",
            in_archive(need)
        ),
        Missing::NotOffered(said) => format!(
            "the archive does not offer it: {}",
            // What follows are the other ways in which apt-get looked for it.
            said.lines().next().unwrap_or("apt-get says no more")
        ),
    }
}
