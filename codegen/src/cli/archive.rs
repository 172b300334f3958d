//! Where packages are looked for: folders, and for what a person named, the distribution's archive.

use super::CliError;
use kernel_structs_routes::package::Need;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Where the packages of a kernel are looked for.
pub(crate) struct Places {
    /// Folders, in which a package is called `NAME_VERSION_ARCH.deb` as apt-get calls it.
    folders: Vec<PathBuf>,
    /// Whether the archive is asked. A file that a person has at hand is read without the network.
    archive: bool,
    /// What was downloaded, which is there as long as this value.
    downloads: Vec<TempDir>,
}

/// Why there is no file of a package.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The archive was not asked.
    NotAsked,
    /// What apt-get said.
    NotOffered(String),
}

impl Places {
    /// Beside `file`, and nowhere else.
    pub(crate) fn beside(file: &Path) -> Places {
        let folder = file.parent().unwrap_or(Path::new("."));
        Places {
            folders: vec![folder.to_owned()],
            archive: false,
            downloads: Vec::new(),
        }
    }

    /// Nowhere: what is needed lies beside what needs it.
    pub(crate) fn none() -> Places {
        Places {
            folders: Vec::new(),
            archive: false,
            downloads: Vec::new(),
        }
    }

    /// For a package that a person named: this folder, and then the archive.
    pub(crate) fn of_named() -> Places {
        Places {
            folders: vec![PathBuf::from(".")],
            archive: true,
            downloads: Vec::new(),
        }
    }

    /// The folders that packages are looked for in, in words.
    pub(crate) fn folders(&self) -> String {
        let folders = self.folders.iter().map(|folder| match folder.as_os_str() {
            empty if empty.is_empty() => ".".to_owned(),
            _ => folder.display().to_string(),
        });
        folders.collect::<Vec<_>>().join(", ")
    }

    /// The path of a file for those who read of it: what was downloaded goes away, and is its name alone.
    pub(crate) fn shown(&self, file: &Path) -> PathBuf {
        let mut downloads = self.downloads.iter();
        match file.file_name() {
            Some(name) if downloads.any(|folder| file.starts_with(folder.path())) => name.into(),
            _ => file.to_owned(),
        }
    }

    /// The file of the package that is needed, if it lies in one of the folders.
    ///
    /// # Errors
    /// If a folder cannot be read, or has several files of that name.
    pub(crate) fn at_hand(&self, need: &Need) -> Result<Option<PathBuf>, CliError> {
        for folder in &self.folders {
            if let Some(file) = in_folder(folder, &need.name)? {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    /// The file of the package that is needed, from the archive if it does not lie in one of the folders.
    ///
    /// # Errors
    /// As [`Places::at_hand`].
    pub(crate) fn find(&mut self, need: &Need) -> Result<Result<PathBuf, Missing>, CliError> {
        if let Some(file) = self.at_hand(need)? {
            return Ok(Ok(file));
        }
        match self.archive {
            false => Ok(Err(Missing::NotAsked)),
            true => Ok(match download(need)? {
                Ok((folder, file)) => {
                    self.downloads.push(folder);
                    Ok(file)
                }
                Err(said) => Err(Missing::NotOffered(said)),
            }),
        }
    }
}

/// The file of a package in a folder, called `NAME_VERSION_ARCH.deb` as apt-get calls it. Of
/// several, it is a person who knows which one is meant.
fn in_folder(folder: &Path, package: &str) -> Result<Option<PathBuf>, CliError> {
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

/// The file of a package of the archive, and the folder that goes away with it; or what apt-get said.
fn download(need: &Need) -> Result<Result<(TempDir, PathBuf), String>, CliError> {
    let io = |error| CliError::io(Path::new(&need.name), error);
    let folder = tempfile::tempdir().map_err(io)?;
    let output = Command::new("apt-get")
        .args(["--quiet=2", "download", &in_archive(need)])
        .current_dir(folder.path())
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => return Ok(Err(format!("apt-get cannot be run: {error}"))),
    };
    let file = fs::read_dir(folder.path()).map_err(io)?.next();
    match file {
        Some(file) if output.status.success() => {
            let file = file.map_err(io)?.path();
            Ok(Ok((folder, file)))
        }
        _ => {
            let said = String::from_utf8_lossy(&output.stderr);
            Ok(Err(said.trim().to_owned()))
        }
    }
}

/// The kernels that the archive offers, by the names of their packages, the oldest first: those of the suites that apt has
/// lists of.
///
/// # Errors
/// That apt-cache cannot be run, fails, or knows of no kernel.
pub(crate) fn kernels() -> Result<Vec<String>, CliError> {
    let names = apt_cache(&["pkgnames", "linux-image-"])?;
    let names = kernels_among(&names);
    // Names that others depend on are known too, and are nowhere to be had.
    let mut arguments = vec!["madison"];
    arguments.extend(names.iter().map(String::as_str));
    let offered = apt_cache(&arguments)?;
    let offered = offered.lines().filter_map(|line| line.split_once('|'));
    let offered: BTreeSet<&str> = offered.map(|(name, _)| name.trim()).collect();
    let offered = names.iter().filter(|name| offered.contains(name.as_str()));
    let offered: Vec<String> = offered.cloned().collect();
    match offered.is_empty() {
        true => Err(CliError::NoLists),
        false => Ok(offered),
    }
}

/// Names of kernels for amd64 among names of packages, the oldest first: those with a whole version in them. Others stand for the
/// newest of a series, or are unsigned, or have what is for a debugger.
fn kernels_among(names: &str) -> Vec<String> {
    let mut kernels: Vec<(Vec<u32>, &str)> = names
        .lines()
        .filter_map(|name| {
            let release = name.strip_prefix("linux-image-")?.strip_suffix("-amd64")?;
            let numbers = release.split(['.', '-', '+']);
            let numbers: Vec<u32> = numbers.map_while(|part| part.parse().ok()).collect();
            (numbers.len() >= 3).then_some((numbers, name))
        })
        .collect();
    kernels.sort();
    kernels.dedup();
    kernels
        .into_iter()
        .map(|(_, name)| name.to_owned())
        .collect()
}

/// What apt-cache prints.
fn apt_cache(arguments: &[&str]) -> Result<String, CliError> {
    let output = Command::new("apt-cache").args(arguments).output();
    let output = output.map_err(|error| CliError::AptCache(error.to_string()))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(CliError::AptCache(said.trim().to_owned()))
        }
    }
}

/// What apt-get calls a package of one version (apt-get(8), install).
pub(crate) fn in_archive(need: &Need) -> String {
    match &need.version {
        Some(version) => format!("{}={version}", need.name),
        None => need.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn need(name: &str, version: Option<&str>) -> Need {
        Need {
            name: name.to_owned(),
            version: version.map(str::to_owned),
        }
    }

    #[test]
    fn a_package_is_found_by_its_whole_name() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = folder.path().join("linux-base-7.2_7.2.12-1_amd64.deb");
        for name in [
            "linux-base-7.2_7.2.12-1_amd64.deb",
            "linux-base-7.2-rt_7.2.12-1_amd64.deb",
            "linux-base-7.2_7.2.12-1_amd64.deb.part",
        ] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let mut places = Places::beside(&folder.path().join("x.deb"));
        let found = places.find(&need("linux-base-7.2", None)).unwrap();
        assert_eq!(found, Ok(wanted));
        let found = places.find(&need("linux-base", None)).unwrap();
        assert_eq!(found, Err(Missing::NotAsked));
    }

    #[test]
    fn kernels_are_sorted_by_their_numbers_and_have_a_whole_version() {
        let names = "linux-image-6.12.117+deb12-amd64\nlinux-image-amd64\nlinux-image-6.1-amd64\n\
                     linux-image-6.12.95+deb13-rt-amd64\nlinux-image-6.1.0-47-amd64-dbg\n\
                     linux-image-6.1.0-47-cloud-amd64\nlinux-image-6.1.0-47-amd64-unsigned\n\
                     linux-image-6.1.0-9-amd64\nlinux-image-6.1.0-9-arm64\n";
        assert_eq!(
            kernels_among(names),
            [
                "linux-image-6.1.0-9-amd64",
                "linux-image-6.1.0-47-cloud-amd64",
                "linux-image-6.12.95+deb13-rt-amd64",
                "linux-image-6.12.117+deb12-amd64",
            ]
        );
    }

    #[test]
    fn the_archive_is_asked_for_the_one_version_that_will_do() {
        assert_eq!(in_archive(&need("linux-base-7.2", None)), "linux-base-7.2");
        let exact = need("linux-base-7.2", Some("7.2.12-1~bpo13+1"));
        assert_eq!(in_archive(&exact), "linux-base-7.2=7.2.12-1~bpo13+1");
    }
}
