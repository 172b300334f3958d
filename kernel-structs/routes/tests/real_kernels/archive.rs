//! Packages of a kernel, out of Debian's archive.

use kernel_structs_routes::headers::Tree;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The unpacked packages of one kernel.
pub(crate) struct Packages {
    release: String,
    folder: PathBuf,
}

impl Packages {
    /// Downloads and unpacks the kernel and its headers, if that was not done before.
    pub(crate) fn fetch(release: &str) -> Packages {
        let packages = Packages {
            release: release.to_owned(),
            folder: Path::new(env!("CARGO_TARGET_TMPDIR")).join(release),
        };
        let common = format!("linux-headers-{}-common", packages.common());
        for package in [
            format!("linux-image-{release}"),
            format!("linux-headers-{release}"),
            common,
        ] {
            packages.unpack(&package);
        }
        packages
    }

    pub(crate) fn vmlinuz(&self) -> PathBuf {
        self.folder.join(format!("boot/vmlinuz-{}", self.release))
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join(format!("boot/config-{}", self.release))
    }

    pub(crate) fn tree(&self) -> Tree {
        let source = self.folder.join("usr/src");
        Tree {
            source: source.join(format!("linux-headers-{}-common", self.common())),
            build: source.join(format!("linux-headers-{}", self.release)),
            builtin: None,
        }
    }

    /// The vmlinux of the debug package.
    pub(crate) fn debug_vmlinux(&self) -> PathBuf {
        self.unpack(&format!("linux-image-{}-dbg", self.release));
        self.folder
            .join(format!("usr/lib/debug/boot/vmlinux-{}", self.release))
    }

    /// The release without its flavour.
    fn common(&self) -> &str {
        self.release.trim_end_matches("-amd64")
    }

    fn unpack(&self, package: &str) {
        let done = self.folder.join(format!(".{package}"));
        if done.exists() {
            return;
        }
        let download = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let status = Command::new("apt-get")
            .args(["--quiet=2", "download", package])
            .current_dir(download.path())
            .status()
            .expect("apt-get has to be installed");
        assert!(
            status.success(),
            "{package} cannot be had from the archive: is it still offered? (apt-cache policy {package})"
        );
        let file = fs::read_dir(download.path())
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        fs::create_dir_all(&self.folder).unwrap();
        let status = Command::new("dpkg-deb")
            .arg("--extract")
            .arg(file.path())
            .arg(&self.folder)
            .status()
            .expect("dpkg-deb has to be installed");
        assert!(status.success(), "{package} cannot be unpacked");
        fs::write(done, "").unwrap();
    }
}
