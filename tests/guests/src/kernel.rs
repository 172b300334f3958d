//! Kernels of Debian's archive: which there are, how they are fetched, and what a guest needs of
//! them.
//!
//! Packages and what was taken out of them are kept in TARGET/kernels, or in the folder that
//! KCONV_KERNELS names; a `.deb` that is there already is not downloaded.

use crate::Error;
use crate::host;
use object::{Object, ObjectSection};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The drivers that a guest loads, in the order of their names' use: the channel to the host, disks,
/// what tells QEMU where the kernel's VMCOREINFO is, and the file system of the disks.
const DRIVERS: [&str; 7] = [
    "virtio_pci",
    "virtio_console",
    "virtio_blk",
    "qemu_fw_cfg",
    "ext4",
    // ext4 asks for the checksum by the name of the algorithm, which no module depends on.
    "crc32c_generic",
    "libcrc32c",
];

/// Folders of a kernel's modules that have them and what they depend on.
const FOLDERS: [&str; 7] = [
    "arch/x86/crypto",
    "crypto",
    "drivers/block",
    "drivers/char",
    "drivers/firmware",
    "drivers/virtio",
    "lib",
];

/// A kernel, ready to be booted.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// What `uname -r` will say.
    pub release: String,
    /// The kernel itself.
    pub vmlinuz: PathBuf,
    /// The modules a guest loads, uncompressed, in the order in which they have to be loaded.
    pub modules: Vec<PathBuf>,
}

impl Kernel {
    /// The oldest kernel of a series (`6.1`) that the archive offers today.
    ///
    /// # Errors
    /// That there is none, that it cannot be fetched, or what is wrong with it.
    pub fn oldest(series: &str) -> Result<Kernel, Error> {
        let offered = offered()?;
        let first = in_series(&offered, series).next();
        Kernel::of(first, series, offered.len())
    }

    /// The newest kernel of a series that the archive offers today.
    ///
    /// # Errors
    /// As for [`Kernel::oldest`].
    pub fn newest(series: &str) -> Result<Kernel, Error> {
        let offered = offered()?;
        let last = in_series(&offered, series).last();
        Kernel::of(last, series, offered.len())
    }

    fn of(package: Option<&str>, series: &str, offered: usize) -> Result<Kernel, Error> {
        let package = package.ok_or_else(|| Error::NoKernel {
            wanted: format!("linux-image-{series}.*-amd64"),
            offered,
        })?;
        Kernel::named(package)
    }

    /// The kernel of a package, as `linux-image-6.1.0-47-amd64`.
    ///
    /// # Errors
    /// As for [`Kernel::oldest`].
    pub fn named(package: &str) -> Result<Kernel, Error> {
        let release = package
            .strip_prefix("linux-image-")
            .ok_or_else(|| Error::NoKernel {
                wanted: package.to_owned(),
                offered: 0,
            })?;
        let cache = cache()?;
        let extracted = cache.join(package);
        if !extracted.exists() {
            let deb = match downloaded(&cache, package)? {
                Some(deb) => deb,
                None => download(&cache, package)?,
            };
            // Whole or not at all: another test may be at the same.
            let folder = folder_in(&cache)?;
            extract(&deb, folder.path())?;
            if let Err(source) = std::fs::rename(folder.path(), &extracted)
                && !extracted.exists()
            {
                return Err(Error::File {
                    path: extracted,
                    source,
                });
            }
        }
        let load = extracted.join("load");
        let order = std::fs::read_to_string(&load).map_err(Error::file(&load))?;
        Ok(Kernel {
            release: release.to_owned(),
            vmlinuz: extracted.join(format!("boot/vmlinuz-{release}")),
            modules: order
                .lines()
                .map(|name| extracted.join("modules").join(name))
                .collect(),
        })
    }
}

/// Packages of the standard flavour, from the oldest to the newest.
///
/// # Errors
/// That apt-cache cannot be run.
pub fn offered() -> Result<Vec<String>, Error> {
    let names = host::run(
        Command::new("apt-cache").args(["pkgnames", "linux-image-"]),
        "apt",
    )?;
    let mut packages: Vec<(Vec<u64>, String)> = String::from_utf8_lossy(&names)
        .lines()
        .filter_map(|name| Some((version(name)?, name.to_owned())))
        .collect();
    packages.sort();
    packages.dedup();
    Ok(packages.into_iter().map(|(_, name)| name).collect())
}

/// The numbers in the name of a package of the standard flavour; `None` for other flavours,
/// unsigned images, debug information, and names that stand for the newest of a series.
fn version(package: &str) -> Option<Vec<u64>> {
    let release = package
        .strip_prefix("linux-image-")?
        .strip_suffix("-amd64")?;
    let numbers: Option<Vec<u64>> = release
        .split(['.', '-', '+'])
        .map(|part| part.strip_prefix("deb").unwrap_or(part).parse().ok())
        .collect();
    numbers.filter(|numbers| numbers.len() >= 3)
}

fn in_series<'a>(packages: &'a [String], series: &str) -> impl Iterator<Item = &'a str> {
    let prefix = format!("linux-image-{series}.");
    packages
        .iter()
        .map(String::as_str)
        .filter(move |name| name.starts_with(&prefix))
}

fn cache() -> Result<PathBuf, Error> {
    let cache = match std::env::var_os("KCONV_KERNELS") {
        Some(folder) => PathBuf::from(folder),
        None => host::target()?.join("kernels"),
    };
    std::fs::create_dir_all(&cache).map_err(Error::file(&cache))?;
    Ok(cache)
}

fn folder_in(cache: &Path) -> Result<tempfile::TempDir, Error> {
    tempfile::tempdir_in(cache).map_err(Error::file(cache))
}

fn downloaded(folder: &Path, package: &str) -> Result<Option<PathBuf>, Error> {
    let prefix = format!("{package}_");
    for entry in std::fs::read_dir(folder).map_err(Error::file(folder))? {
        let path = entry.map_err(Error::file(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(&prefix) && name.ends_with(".deb") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn download(cache: &Path, package: &str) -> Result<PathBuf, Error> {
    let folder = folder_in(cache)?;
    let mut apt = Command::new("apt-get");
    apt.args(["download", "--quiet", package])
        .current_dir(folder.path());
    host::run(&mut apt, "apt").map_err(|error| match error {
        Error::Host { stderr, .. } => Error::Archive {
            package: package.to_owned(),
            cache: cache.to_owned(),
            stderr,
        },
        other => other,
    })?;
    let fresh = downloaded(folder.path(), package)?.ok_or_else(|| Error::Package {
        path: package.into(),
        problem: "apt-get download wrote no .deb of this name".to_owned(),
    })?;
    let kept = cache.join(fresh.file_name().unwrap_or_default());
    std::fs::rename(&fresh, &kept).map_err(Error::file(&kept))?;
    Ok(kept)
}

/// Takes the kernel and the drivers out of a package: `boot/vmlinuz-RELEASE`, `modules/*.ko`, and
/// `load` with the names of the modules in order.
fn extract(deb: &Path, folder: &Path) -> Result<(), Error> {
    let mut package = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(deb)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|source| Error::Missing {
            program: "dpkg-deb".to_owned(),
            package: "dpkg",
            source,
        })?;
    let mut tar = Command::new("tar");
    tar.args(["-x", "--wildcards", "-C"])
        .arg(folder)
        .args(["./boot/vmlinuz-*", "./lib/modules/*/modules.builtin"])
        .args(FOLDERS.map(|below| format!("./lib/modules/*/kernel/{below}")))
        .args(["ext4", "jbd2", "mbcache.ko*"].map(|fs| format!("./lib/modules/*/kernel/fs/{fs}")));
    if let Some(stream) = package.stdout.take() {
        tar.stdin(stream);
    }
    let output = tar.output().map_err(Error::file("tar"))?;
    let status = package.wait().map_err(Error::file("dpkg-deb"))?;
    if !output.status.success() || !status.success() {
        return Err(Error::Package {
            path: deb.to_owned(),
            problem: format!(
                "cannot be unpacked; remove it, and it is fetched again. tar said:\n{}",
                String::from_utf8_lossy(&output.stderr)
            ),
        });
    }
    let all = folder.join("lib/modules");
    let order = load_order(&modules_in(&all)?, &built_in(&all)?, deb)?;
    let modules = folder.join("modules");
    std::fs::create_dir(&modules).map_err(Error::file(&modules))?;
    let mut load = String::new();
    for (name, bytes) in order {
        let file = format!("{name}.ko");
        std::fs::write(modules.join(&file), bytes).map_err(Error::file(&modules))?;
        load.push_str(&file);
        load.push('\n');
    }
    std::fs::write(folder.join("load"), load).map_err(Error::file(folder))?;
    std::fs::remove_dir_all(folder.join("lib")).map_err(Error::file(folder))
}

/// Name of a module by the name of its file, which may have dashes for underscores.
fn module_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let stem = name
        .strip_suffix(".ko")
        .or_else(|| name.strip_suffix(".ko.xz"))?;
    Some(stem.replace('-', "_"))
}

fn modules_in(folder: &Path) -> Result<BTreeMap<String, PathBuf>, Error> {
    let mut modules = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(Error::file(&folder))? {
            let path = entry.map_err(Error::file(&folder))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Some(name) = module_name(&path) {
                modules.insert(name, path);
            }
        }
    }
    Ok(modules)
}

/// Names of what is a module in other kernels and a part of this one.
fn built_in(folder: &Path) -> Result<BTreeSet<String>, Error> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).map_err(Error::file(folder))? {
        let list = entry
            .map_err(Error::file(folder))?
            .path()
            .join("modules.builtin");
        let text = std::fs::read_to_string(&list).map_err(Error::file(&list))?;
        names.extend(text.lines().filter_map(|line| module_name(Path::new(line))));
    }
    Ok(names)
}

/// The drivers and what they depend on, each after its dependencies, with their contents.
fn load_order(
    modules: &BTreeMap<String, PathBuf>,
    built_in: &BTreeSet<String>,
    deb: &Path,
) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut order: Vec<(String, Vec<u8>)> = Vec::new();
    let mut wanted: Vec<String> = DRIVERS.iter().rev().map(|&name| name.to_owned()).collect();
    while let Some(name) = wanted.pop() {
        if built_in.contains(&name) || order.iter().any(|(loaded, _)| *loaded == name) {
            continue;
        }
        let path = modules.get(&name).ok_or_else(|| Error::Package {
            path: deb.to_owned(),
            problem: format!("has no module {name}, and it is not built in"),
        })?;
        let bytes = module(path)?;
        let missing: Vec<String> = depends(path, &bytes)?
            .into_iter()
            .filter(|name| !built_in.contains(name))
            .filter(|name| !order.iter().any(|(loaded, _)| loaded == name))
            .collect();
        if missing.is_empty() {
            order.push((name, bytes));
        } else {
            // depmod refuses circles, so this ends.
            wanted.push(name);
            wanted.extend(missing);
        }
    }
    Ok(order)
}

fn module(path: &Path) -> Result<Vec<u8>, Error> {
    let file = std::fs::File::open(path).map_err(Error::file(path))?;
    let mut bytes = Vec::new();
    let read = if path.extension().is_some_and(|extension| extension == "xz") {
        lzma_rust2::XzReader::new(file, true).read_to_end(&mut bytes)
    } else {
        (&file).read_to_end(&mut bytes)
    };
    read.map_err(Error::file(path))?;
    Ok(bytes)
}

/// What `depends=` in a module's section .modinfo names (scripts/mod/modpost.c: add_depends).
fn depends(path: &Path, module: &[u8]) -> Result<Vec<String>, Error> {
    let damaged = |problem: String| Error::Package {
        path: path.to_owned(),
        problem,
    };
    let file = object::File::parse(module).map_err(|error| damaged(error.to_string()))?;
    let section = file
        .section_by_name(".modinfo")
        .ok_or_else(|| damaged("has no section .modinfo".to_owned()))?;
    let info = section.data().map_err(|error| damaged(error.to_string()))?;
    Ok(info
        .split(|byte| *byte == 0)
        .filter_map(|entry| std::str::from_utf8(entry).ok()?.strip_prefix("depends="))
        .flat_map(|names| names.split(','))
        .filter(|name| !name.is_empty())
        .map(|name| name.replace('-', "_"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::{in_series, version};

    #[test]
    fn packages_of_the_standard_flavour_are_ordered_by_number() {
        assert_eq!(
            version("linux-image-6.1.0-47-amd64"),
            Some(vec![6, 1, 0, 47])
        );
        assert_eq!(
            version("linux-image-6.12.117+deb12-amd64"),
            Some(vec![6, 12, 117, 12])
        );
        assert!(
            version("linux-image-6.12.9+deb12-amd64") < version("linux-image-6.12.100+deb12-amd64")
        );
        for other in [
            "linux-image-6.12-amd64",
            "linux-image-amd64",
            "linux-image-6.1.0-47-cloud-amd64",
            "linux-image-6.1.0-47-rt-amd64",
            "linux-image-6.1.0-47-amd64-dbg",
            "linux-image-6.1.0-47-amd64-unsigned",
        ] {
            assert_eq!(version(other), None, "{other}");
        }
    }

    #[test]
    fn a_series_is_not_the_beginning_of_another() {
        let packages = ["linux-image-6.1.0-47-amd64", "linux-image-6.12.9-amd64"].map(String::from);
        let of_6_1: Vec<&str> = in_series(&packages, "6.1").collect();
        assert_eq!(of_6_1, ["linux-image-6.1.0-47-amd64"]);
    }
}
