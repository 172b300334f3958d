//! Kernels of Debian's archive, and what a guest needs of them.
//!
//! What was taken out of a package is kept beside it: see [`kconv_archive`].

use crate::Error;
use kernel_structs::releases::Registry;
use object::{Object, ObjectSection};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The drivers that a guest loads, in the order of their names' use: the channel to the host, disks,
/// what tells QEMU where the kernel's VMCOREINFO is, and the file system of the disks.
const DRIVERS: [&str; 9] = [
    "virtio_pci",
    "virtio_console",
    "virtio_blk",
    "qemu_fw_cfg",
    "ext4",
    // ext4 asks for the checksum by the name of the algorithm, which no module depends on.
    "crc32c_generic",
    "libcrc32c",
    // CRIU, beside which kconv is measured, does not start without it.
    "nf_tables",
    // It answers who is at the other end of a socket.
    "unix_diag",
];

/// Those of the drivers that are no modules since checksums are functions of the kernel (7.2 `lib/crc`).
const NO_LONGER_MODULES: [&str; 2] = ["crc32c_generic", "libcrc32c"];

/// Folders of a kernel's modules that have them and what they depend on.
const FOLDERS: [&str; 9] = [
    "arch/x86/crypto",
    "crypto",
    "drivers/block",
    "drivers/char",
    "drivers/firmware",
    "drivers/virtio",
    "lib",
    "net/netfilter",
    "net/unix",
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
        Kernel::named(&kconv_archive::oldest(series)?)
    }

    /// The newest kernel of a series that the archive offers today.
    ///
    /// # Errors
    /// As for [`Kernel::oldest`].
    pub fn newest(series: &str) -> Result<Kernel, Error> {
        Kernel::named(&kconv_archive::newest(series)?)
    }

    /// The newest kernel of Linux 7 that the archive offers today, in suites of its own, and that kconv knows; `None`,
    /// which is said, if it offers none: these kernels come and go.
    ///
    /// # Errors
    /// As for [`Kernel::oldest`], and what is wrong with the registry.
    pub fn linux_7() -> Result<Option<Kernel>, Error> {
        Kernel::elsewhere("7")
    }

    /// The newest kernel of Linux 5.10, as [`Kernel::linux_7`].
    ///
    /// # Errors
    /// As for [`Kernel::linux_7`].
    pub fn linux_5_10() -> Result<Option<Kernel>, Error> {
        Kernel::elsewhere("5.10")
    }

    fn elsewhere(series: &str) -> Result<Option<Kernel>, Error> {
        let registry = Registry::builtin()?;
        let offered = kconv_archive::elsewhere(series)?;
        let is_known = |package: &&String| {
            let release = package.strip_prefix("linux-image-");
            registry
                .releases()
                .iter()
                .any(|known| Some(known.name.as_str()) == release)
        };
        let Some(newest) = offered.iter().rfind(is_known) else {
            // What a test prints with `eprintln` is shown only if it fails, and that this cannot be written is
            // no reason to fail.
            let _ = writeln!(
                io::stderr(),
                "NOT RUN on Linux {series}: of what the archive offers ({}) kconv knows nothing",
                offered.join(", ")
            );
            return Ok(None);
        };
        Kernel::named(newest).map(Some)
    }

    /// The kernel of a package, as `linux-image-6.1.0-47-amd64`.
    ///
    /// # Errors
    /// As for [`Kernel::oldest`].
    pub fn named(package: &str) -> Result<Kernel, Error> {
        let release = package.strip_prefix("linux-image-").unwrap_or(package);
        let cache = kconv_archive::cache()?;
        // What another list of drivers has taken out is of no use.
        let mut list = DefaultHasher::new();
        (DRIVERS, FOLDERS).hash(&mut list);
        let extracted = cache.join(format!("{package}.{:x}", list.finish()));
        if !extracted.exists() {
            let debs = packages(package)?;
            // Whole or not at all: another test may be at the same.
            let folder = tempfile::tempdir_in(&cache).map_err(Error::file(&cache))?;
            extract(release, &debs, folder.path())?;
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

/// A package, and what of it is wanted: patterns of names, all of which it has.
type Wanted = (PathBuf, Vec<String>);

/// The packages that a kernel lies in. Up to 6.18 it is one; since then `linux-image-…` is empty, and kernel, table of
/// modules and modules have a package each.
fn packages(package: &str) -> Result<Vec<Wanted>, Error> {
    let drivers = FOLDERS.map(|below| format!("*/lib/modules/*/kernel/{below}"));
    let file_systems = ["ext4", "jbd2", "mbcache.ko*"];
    let file_systems = file_systems.map(|fs| format!("*/lib/modules/*/kernel/fs/{fs}"));
    let modules = drivers.into_iter().chain(file_systems).collect::<Vec<_>>();
    let built_in = String::from("*/lib/modules/*/modules.builtin");
    let image = kconv_archive::package(package)?;
    let rest = package.strip_prefix("linux-image-").unwrap_or(package);
    let binary = format!("linux-binary-{rest}");
    if !depends_on(&image, &binary)? {
        let all = ["./boot/vmlinuz-*".to_owned(), built_in];
        return Ok(vec![(image, all.into_iter().chain(modules).collect())]);
    }
    let other = |kind: &str| kconv_archive::package(&format!("linux-{kind}-{rest}"));
    Ok(vec![
        (other("binary")?, vec!["*/vmlinuz*".to_owned()]),
        (other("base")?, vec![built_in]),
        (other("modules")?, modules),
    ])
}

/// Whether a package says that it depends on the package `other`.
fn depends_on(deb: &Path, other: &str) -> Result<bool, Error> {
    let mut fields = Command::new("dpkg-deb");
    fields.arg("--field").arg(deb).arg("Depends");
    let output = fields.output().map_err(Error::file("dpkg-deb"))?;
    if !output.status.success() {
        return Err(Error::Package {
            path: deb.to_owned(),
            problem: format!(
                "cannot be read; remove it, and it is fetched again. dpkg-deb said:\n{}",
                String::from_utf8_lossy(&output.stderr)
            ),
        });
    }
    let depends = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(depends
        .split([',', '|'])
        .any(|package| package.split_whitespace().next() == Some(other)))
}

/// Takes the kernel and the drivers out of its packages: `boot/vmlinuz-RELEASE`, `modules/*.ko`, and
/// `load` with the names of the modules in order.
fn extract(release: &str, debs: &[Wanted], folder: &Path) -> Result<(), Error> {
    for (deb, wanted) in debs {
        unpack(deb, wanted, folder)?;
    }
    // Since 7.2 the kernel lies beside its modules.
    let beside = folder.join(format!("lib/modules/{release}/vmlinuz"));
    if beside.exists() {
        let boot = folder.join("boot");
        std::fs::create_dir_all(&boot).map_err(Error::file(&boot))?;
        let vmlinuz = boot.join(format!("vmlinuz-{release}"));
        std::fs::rename(&beside, &vmlinuz).map_err(Error::file(&beside))?;
    }
    // That with the modules is the last.
    let deb = debs.last().map_or(folder, |(deb, _)| deb);
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

/// Takes what is wanted out of a package.
fn unpack(deb: &Path, wanted: &[String], folder: &Path) -> Result<(), Error> {
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
        // Debian has them below lib up to bookworm, and below usr/lib from trixie on.
        .arg("--transform=s,^[.]/usr/lib/,./lib/,")
        .args(wanted);
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
    Ok(())
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
        if NO_LONGER_MODULES.contains(&name.as_str()) && !modules.contains_key(&name) {
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
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A package without files that depends on `depends`.
    fn package(folder: &Path, depends: &str) -> PathBuf {
        let tree = folder.join("tree/DEBIAN");
        std::fs::create_dir_all(&tree).unwrap();
        let control = format!(
            "Package: linux-image-9.9-amd64\nVersion: 9.9.1-1\nArchitecture: amd64\nMaintainer: nobody\nDepends: {depends}\nDescription: a test\n"
        );
        std::fs::write(tree.join("control"), control).unwrap();
        let deb = folder.join("test.deb");
        let mut build = Command::new("dpkg-deb");
        build.args(["--build", "--root-owner-group"]);
        let output = build.arg(folder.join("tree")).arg(&deb).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        deb
    }

    #[test]
    fn where_a_kernel_lies_is_said_by_what_its_package_depends_on() {
        let folder = tempfile::tempdir().unwrap();
        let split = "dracut | linux-initramfs-tool, linux-base-9.9-amd64 (= 9.9.1-1), linux-binary-9.9-amd64 (= 9.9.1-1)";
        let deb = package(folder.path(), split);
        assert!(depends_on(&deb, "linux-binary-9.9-amd64").unwrap());
        assert!(!depends_on(&deb, "linux-binary-9.9").unwrap());
        let deb = package(folder.path(), "kmod, linux-base (>= 4.3~)");
        assert!(!depends_on(&deb, "linux-binary-9.9-amd64").unwrap());
    }
}
