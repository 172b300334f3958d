//! A copy of the project as it was before a release.

use kconv_archive::Error;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// What the names of the releases begin with that the copy does not know.
const GONE: [&str; 4] = ["6.12.115", "6.12.116", "6.12.117", "6.12.118"];
/// Steps between releases that stay, which wait for the decision that the chapter makes: of 6.1 and of 7.x
/// some have the change and others have not.
const DECIDED: [&str; 10] = [
    "linux-5.10.251-rt-6.1.192-rt",
    "linux-5.10.262-6.1.192",
    "linux-6.1.190-6.1.192",
    "linux-6.1.192-rt-5.10.251-rt",
    "linux-6.1.192-5.10.262",
    "linux-6.1.192-6.1.190",
    "linux-6.1.192-7.2.12",
    "linux-7.2.12-6.1.192",
    "linux-7.2.12-7.3.4",
    "linux-7.3.4-7.2.12",
];
/// The file with the decision that the copy does not have.
pub(crate) const DECISIONS: &str = "converters/overrides/linux-6/user_struct.toml";
const TABLE: &str = "kernel-structs/releases.toml";
const LAYOUTS: &str = "kernel-structs/layouts";
/// Folders of which a project without them is as good for `kconv-gen` and for `cargo check`.
const LEFT_OUT: [&str; 4] = ["dumps", "generated", "images", "snapshots"];

/// The copy; it goes away with everything that was built in it.
pub(crate) struct Project {
    folder: TempDir,
}

/// The text of a file of the project itself.
pub(crate) fn committed(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap()
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

impl Project {
    pub(crate) fn without_new_releases() -> Project {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for file in ["Cargo.toml", "Cargo.lock"] {
            fs::copy(root().join(file), folder.path().join(file)).unwrap();
        }
        for part in ["codegen", "converters", "kernel-structs", "tests"] {
            copy(&root().join(part), &folder.path().join(part));
        }
        let project = Project { folder };
        project.edit(TABLE, |text| {
            let stay: Vec<&str> = entries(text).filter(|entry| !is_gone(entry)).collect();
            stay.join("\n\n") + "\n"
        });
        for entry in entries(&committed(TABLE)).filter(|entry| is_gone(entry)) {
            if let Some(file) = value(entry, "file") {
                fs::remove_file(project.path().join(LAYOUTS).join(file)).unwrap();
            }
        }
        // The decision that the chapter makes, the last of its file.
        project.edit(DECISIONS, |text| {
            let (others, decision) = text.rsplit_once("\n\n[[change]]\n").unwrap();
            assert!(decision.starts_with("field = \"user_struct.perf_mlock\"\n"));
            others.to_owned() + "\n"
        });
        project.remove_steps();
        project.generate();
        project
    }

    /// Removes the steps that need a release that is gone.
    fn remove_steps(&self) {
        let mut removed = Vec::new();
        for entry in fs::read_dir(self.path().join("converters")).unwrap() {
            let dir = entry.unwrap().path();
            let Ok(step) = fs::read_to_string(dir.join("step.toml")) else {
                continue;
            };
            let mut ends = step.lines().filter_map(|line| {
                let (key, name) = line.split_once(" = ")?;
                matches!(key, "from" | "to").then(|| name.trim_matches('"'))
            });
            let name = dir.file_name().unwrap().to_owned();
            let decided = DECIDED.iter().any(|step| name == *step);
            if decided || ends.any(of_gone_release) {
                removed.push(name);
                fs::remove_dir_all(&dir).unwrap();
            }
        }
        assert!(
            removed.iter().any(|name| name == "linux-6.12.113-6.12.115"),
            "{removed:?}"
        );
    }

    /// Makes everything that is generated as it was then.
    fn generate(&self) {
        let status = Command::new(env!("CARGO_BIN_EXE_kconv-gen"))
            .arg("generate")
            .current_dir(self.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        // The chains lack the steps that wait for the decision, and that is told.
        assert_eq!(status.unwrap().code(), Some(1));
        let lists = self.read("kernel-structs/views/src/linux_6/layouts.rs");
        assert!(!GONE.iter().any(|gone| lists.contains(gone)));
    }

    /// Puts back the steps between releases that stay that wait for the same decision as the new one.
    pub(crate) fn put_back_decided(&self) {
        for step in DECIDED {
            let step = Path::new("converters").join(step);
            assert!(!self.path().join(&step).exists());
            copy(&root().join(&step), &self.path().join(&step));
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path().join(file)).unwrap()
    }

    pub(crate) fn edit(&self, file: &str, change: impl FnOnce(&str) -> String) {
        let text = self.read(file);
        fs::write(self.path().join(file), change(&text)).unwrap();
    }

    /// Puts kernel packages into the project's folder. If the archive offers one of them no
    /// longer, what the project itself knows of these kernels is put into the copy instead, as if
    /// they had been imported, and that is said.
    pub(crate) fn has_packages(&self, names: &[&str]) -> bool {
        let headers = names.iter().flat_map(|name| kconv_archive::headers(name));
        let all = names.iter().map(|name| (*name).to_owned()).chain(headers);
        for name in all.collect::<BTreeSet<String>>() {
            let deb = match kconv_archive::package(&name) {
                Ok(deb) => deb,
                Err(Error::Download { .. }) if !is_offered(&name) => {
                    // What a test prints with `eprintln` is shown only if it fails.
                    let told = writeln!(
                        io::stderr(),
                        "NOT FOLLOWED: `kconv-gen release import {}`: the archive does not offer \
                         {name} any more; what the project knows of it is taken instead",
                        names.join(" ")
                    );
                    told.unwrap();
                    self.restore(names);
                    return false;
                }
                Err(error) => panic!("{error}"),
            };
            let here = self.path().join(deb.file_name().unwrap());
            std::os::unix::fs::symlink(deb, here).unwrap();
        }
        true
    }

    fn restore(&self, names: &[&str]) {
        let table = committed(TABLE);
        let releases = names.iter().map(|name| name.strip_prefix("linux-image-"));
        for release in releases.map(Option::unwrap) {
            let entry = |key: &'static str, name: &str| {
                let found = entries(&table).find(|entry| value(entry, key) == Some(name));
                found.unwrap().trim_end().to_owned()
            };
            let release = entry("name", release);
            let layout = entry("id", value(&release, "layout").unwrap());
            let file = Path::new(LAYOUTS).join(value(&layout, "file").unwrap());
            fs::copy(root().join(&file), self.path().join(&file)).unwrap();
            self.edit(TABLE, |text| match text.contains(&layout) {
                true => format!("{text}\n{release}\n"),
                false => format!("{text}\n{layout}\n\n{release}\n"),
            });
        }
    }
}

fn is_offered(package: &str) -> bool {
    kconv_archive::offers(package).unwrap_or_else(|error| panic!("{error}"))
}

/// The entries of the table of releases.
fn entries(table: &str) -> impl Iterator<Item = &str> {
    table.trim_end().split("\n\n")
}

fn is_gone(entry: &str) -> bool {
    let name = value(entry, "name").or(value(entry, "id"));
    name.is_some_and(of_gone_release)
}

fn of_gone_release(name: &str) -> bool {
    GONE.iter().any(|gone| name.starts_with(gone))
}

/// The text behind `key = ` on a line of its own.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let lines = text.lines();
    let found = lines
        .filter_map(|line| line.split_once(" = "))
        .find(|(have, _)| *have == key);
    Some(found?.1.trim_matches('"'))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if !entry.file_type().unwrap().is_dir() {
            fs::copy(from, to).unwrap();
        } else if !LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
            copy(&from, &to);
        }
    }
}
