//! Kernels of Debian's archive in every flavour are recognised when they are imported.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kernel_structs::releases::{Files, Registry, with_entries};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A package of the archive, and its flavour.
fn packages() -> [(String, &'static str); 4] {
    let had = |package: Result<String, kconv_archive::Error>| {
        package.unwrap_or_else(|error| panic!("{error}"))
    };
    let (oldest, newest) = (
        had(kconv_archive::oldest("6.1")),
        had(kconv_archive::newest("6.12")),
    );
    let flavoured =
        |package: &str, flavour: &str| package.replace("-amd64", &format!("-{flavour}-amd64"));
    [
        (flavoured(&oldest, "rt"), "rt"),
        (flavoured(&newest, "cloud"), "cloud"),
        (oldest, "standard"),
        (newest, "standard"),
    ]
}

#[test]
fn every_flavour_is_recognised() {
    let builtin = Registry::builtin().unwrap();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let structs = folder.path().join("kernel-structs");
    let files = builtin.files();
    for (part, contents) in [("layouts", &files.layouts), ("state", &files.states)] {
        fs::create_dir_all(structs.join(part)).unwrap();
        for (name, data) in contents {
            fs::write(structs.join(part).join(name), data).unwrap();
        }
    }
    // The table as it would be without the kernels that are imported.
    let packages = packages();
    let names = packages.each_ref().map(|(package, _)| {
        let name = package.strip_prefix("linux-image-").unwrap();
        name.to_owned()
    });
    let layouts: Vec<_> = builtin.layouts().cloned().collect();
    let releases = builtin.releases().iter().cloned();
    let others: Vec<_> = releases
        .filter(|release| !names.contains(&release.name))
        .collect();
    let table = with_entries("", &layouts, &others);
    fs::write(structs.join("releases.toml"), table).unwrap();

    let archive = Archive::new(folder.path());
    for (index, ((package, flavour), name)) in packages.iter().zip(&names).enumerate() {
        // The first is in no folder, and comes out of the archive with its headers.
        let lies_in = match index {
            0 => archive.packages.as_path(),
            _ => folder.path(),
        };
        for name in kconv_archive::headers(package).iter().chain([package]) {
            let deb = kconv_archive::package(name).unwrap_or_else(|error| panic!("{error}"));
            let here = lies_in.join(deb.file_name().unwrap());
            if !here.exists() {
                std::os::unix::fs::symlink(deb, here).unwrap();
            }
        }
        let printed = import(folder.path(), package, &archive);
        let registry = Registry::parse(Files::read(&structs).unwrap()).unwrap();
        let release = registry.release(name, None, None).unwrap();
        assert_eq!(
            (&release.flavour[..], &release.arch[..]),
            (*flavour, "amd64")
        );
        match builtin.release(name, None, None) {
            Ok(known) => {
                assert_eq!(release, known);
                let same = format!("  the same layout as {};", known.layout);
                assert!(printed.contains(&same), "{printed}");
            }
            // A kernel that came to the archive after the last import.
            Err(_) => assert!(printed.contains(" layout "), "{printed}"),
        }
    }
    assert_eq!(
        fs::read_dir(structs.join("layouts")).unwrap().count(),
        Registry::parse(Files::read(&structs).unwrap())
            .unwrap()
            .layouts()
            .count()
    );
}

/// An archive of packages, and a folder with the `apt-get` that downloads them from there.
struct Archive {
    packages: PathBuf,
    programs: PathBuf,
}

impl Archive {
    fn new(folder: &Path) -> Archive {
        let [packages, programs] = ["archive", "bin"].map(|name| folder.join(name));
        for folder in [&packages, &programs] {
            fs::create_dir(folder).unwrap();
        }
        let program = programs.join("apt-get");
        let text = format!(
            "#!/bin/sh\n# apt-get --quiet=2 download PACKAGE[=VERSION]\nexec cp -L {}/\"${{3%%=*}}\"_*.deb .\n",
            packages.display()
        );
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Archive { packages, programs }
    }
}

/// What `release import` prints.
fn import(project: &Path, package: &str, archive: &Archive) -> String {
    let path = std::env::var("PATH").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_kconv-gen"))
        .args(["release", "import", package])
        .env("PATH", format!("{}:{path}", archive.programs.display()))
        .current_dir(project)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.is_empty(), "{package}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}
