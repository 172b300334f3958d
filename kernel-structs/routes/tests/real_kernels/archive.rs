//! Packages of a kernel, out of Debian's archive.

use kernel_structs_routes::headers::Tree;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

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

    /// The vmlinux of the debug package, whose modules stay packed.
    pub(crate) fn debug_vmlinux(&self) -> PathBuf {
        let vmlinux = format!("usr/lib/debug/boot/vmlinux-{}", self.release);
        let package = format!("linux-image-{}-dbg", self.release);
        let done = self.folder.join(format!(".{package}"));
        if !done.exists() {
            let (_download, file) = download(&package);
            let mut archive = Command::new("dpkg-deb")
                .arg("--fsys-tarfile")
                .arg(file)
                .stdout(Stdio::piped())
                .spawn()
                .expect("dpkg-deb has to be installed");
            let status = Command::new("tar")
                .arg("--extract")
                .arg("--directory")
                .arg(&self.folder)
                .arg(format!("./{vmlinux}"))
                .stdin(archive.stdout.take().unwrap())
                .status()
                .expect("tar has to be installed");
            assert!(status.success(), "{package} cannot be unpacked");
            archive.wait().unwrap();
            fs::write(done, "").unwrap();
        }
        self.folder.join(vmlinux)
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
        let (_download, file) = download(package);
        fs::create_dir_all(&self.folder).unwrap();
        let status = Command::new("dpkg-deb")
            .arg("--extract")
            .arg(file)
            .arg(&self.folder)
            .status()
            .expect("dpkg-deb has to be installed");
        assert!(status.success(), "{package} cannot be unpacked");
        fs::write(done, "").unwrap();
    }
}

/// The file of a package, and the folder that goes away with it.
fn download(package: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let status = Command::new("apt-get")
        .args(["--quiet=2", "download", package])
        .current_dir(folder.path())
        .status()
        .expect("apt-get has to be installed");
    assert!(
        status.success(),
        "{package} cannot be had from the archive: is it still offered? (apt-cache policy {package})"
    );
    let file = fs::read_dir(folder.path()).unwrap().next().unwrap();
    let path = file.unwrap().path();
    (folder, path)
}
