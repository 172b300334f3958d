//! What Debian's packages have of a kernel.

use kernel_structs::layout::Layout;
use kernel_structs_routes::bzimage::{DEFAULT_LIMIT, Kernel};
use kernel_structs_routes::headers::Tree;
use kernel_structs_routes::package::Package;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::{NamedTempFile, TempDir};

/// A kernel out of its package.
pub(crate) struct Real {
    /// What `uname -r` says of it.
    pub(crate) release: String,
    pub(crate) package: Package,
    pub(crate) kernel: Kernel,
    /// All its types, from its BTF.
    pub(crate) layout: Layout,
}

impl Real {
    pub(crate) fn read(package: &str) -> Real {
        let deb = fs::read(file(package)).unwrap();
        let packed = Package::read(&deb).unwrap();
        let image = packed.vmlinuz.as_ref().unwrap();
        let kernel = Kernel::read(&image.data, DEFAULT_LIMIT).unwrap();
        Real {
            release: package.strip_prefix("linux-image-").unwrap().to_owned(),
            package: packed,
            layout: kernel.layout().unwrap(),
            kernel,
        }
    }

    /// The unpacked vmlinux, for programs that read files.
    pub(crate) fn vmlinux(&self) -> NamedTempFile {
        let file = NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::write(file.path(), self.kernel.elf()).unwrap();
        file
    }

    /// The configured header tree, and the folder that goes away with it.
    pub(crate) fn headers(&self) -> (TempDir, Tree) {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let configured = format!("linux-headers-{}", self.release);
        let common = configured.replace("-amd64", "-common");
        for package in [&configured, &common] {
            let status = Command::new("dpkg-deb")
                .arg("--extract")
                .arg(file(package))
                .arg(folder.path())
                .status()
                .expect("dpkg-deb has to be installed");
            assert!(status.success(), "{package} cannot be unpacked");
        }
        let source = folder.path().join("usr/src");
        let tree = Tree {
            source: source.join(common),
            build: source.join(configured),
            builtin: None,
        };
        (folder, tree)
    }

    /// The vmlinux of the debug package, whose modules stay packed; kept in cargo's target folder.
    pub(crate) fn debug_vmlinux(&self) -> PathBuf {
        let package = format!("linux-image-{}-dbg", self.release);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&package);
        let vmlinux = format!("usr/lib/debug/boot/vmlinux-{}", self.release);
        let unpacked = folder.join(&vmlinux);
        if unpacked.exists() {
            return unpacked;
        }
        fs::create_dir_all(&folder).unwrap();
        let mut archive = Command::new("dpkg-deb")
            .arg("--fsys-tarfile")
            .arg(file(&package))
            .stdout(Stdio::piped())
            .spawn()
            .expect("dpkg-deb has to be installed");
        let status = Command::new("tar")
            .arg("--extract")
            .arg("--directory")
            .arg(&folder)
            .arg(format!("./{vmlinux}"))
            .stdin(archive.stdout.take().unwrap())
            .status()
            .expect("tar has to be installed");
        assert!(archive.wait().unwrap().success() && status.success());
        unpacked
    }
}

fn file(package: &str) -> PathBuf {
    kconv_archive::package(package).unwrap_or_else(|error| panic!("{error}"))
}
