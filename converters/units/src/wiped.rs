//! What a boot removes from the disks (tmpfiles.d(5)): `/tmp` of a Debian before 13, among others.

use crate::error::UnitError;
use glob::{MatchOptions, Pattern};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where rules are; those of a file hide those of one of the same name further down.
const FOLDERS: [&str; 4] = [
    "etc/tmpfiles.d",
    "run/tmpfiles.d",
    "usr/local/lib/tmpfiles.d",
    "usr/lib/tmpfiles.d",
];

/// What a boot removes.
#[derive(Clone, Debug, Default)]
pub struct Wiped {
    rules: Vec<Rule>,
}

/// A rule by which it does.
#[derive(Clone, Debug)]
struct Rule {
    removed: Removed,
    /// The file that has it.
    file: PathBuf,
}

#[derive(Clone, Debug)]
enum Removed {
    /// All that is in a folder.
    In(PathBuf),
    /// What has such a path.
    File(Pattern),
    /// That, and all that is in it.
    Tree(Pattern),
}

impl Wiped {
    /// What a boot removes of a machine whose files are below `root`; nothing, where there are no rules.
    ///
    /// # Errors
    /// If rules cannot be read.
    pub fn read(root: &Path) -> Result<Wiped, UnitError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| UnitError::File { path, source }
        };
        let mut files = BTreeMap::new();
        for folder in FOLDERS {
            let folder = root.join(folder);
            let entries = match fs::read_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries.map_err(failed(&folder))?,
            };
            for entry in entries {
                let name = entry.map_err(failed(&folder))?.file_name();
                if name.to_string_lossy().ends_with(".conf") {
                    let path = folder.join(&name);
                    files.entry(name).or_insert(path);
                }
            }
        }
        let mut rules = Vec::new();
        let mut made = BTreeSet::new();
        for file in files.into_values() {
            let text = fs::read_to_string(&file).map_err(failed(&file))?;
            for line in text.lines() {
                if let Some(removed) = removed(line, &mut made) {
                    let file = file.clone();
                    rules.push(Rule { removed, file });
                }
            }
        }
        Ok(Wiped { rules })
    }

    /// The file with the rule by which a boot removes `path`; `None` if none does.
    pub fn by(&self, path: &Path) -> Option<&Path> {
        let removes = |rule: &&Rule| match &rule.removed {
            Removed::In(folder) => path != folder && path.starts_with(folder),
            Removed::File(pattern) => is(pattern, path),
            Removed::Tree(pattern) => path.ancestors().any(|path| is(pattern, path)),
        };
        self.rules
            .iter()
            .find(removes)
            .map(|rule| rule.file.as_path())
    }
}

/// As glob(7) has it.
fn is(pattern: &Pattern, path: &Path) -> bool {
    let options = MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    pattern.matches_path_with(path, options)
}

/// What a line has removed. Of lines that make the same path the first holds; `made` has those there were.
fn removed(line: &str, made: &mut BTreeSet<PathBuf>) -> Option<Removed> {
    let mut fields = line.split_whitespace();
    let (kind, path) = (fields.next()?, fields.next()?);
    let path = path.trim_matches(['"', '\'']);
    match kind.chars().next()? {
        '#' => None,
        'r' => Pattern::new(path).ok().map(Removed::File),
        'R' => Pattern::new(path).ok().map(Removed::Tree),
        kind @ ('D' | 'd' | 'e' | 'v' | 'q' | 'Q') => {
            let path = PathBuf::from(path);
            let is_first = made.insert(path.clone());
            (is_first && kind == 'D').then_some(Removed::In(path))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Wiped) {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let wiped = Wiped::read(root.path()).unwrap();
        (root, wiped)
    }

    fn by(wiped: &Wiped, path: &str) -> Option<String> {
        let file = wiped.by(Path::new(path))?.file_name()?;
        Some(file.to_string_lossy().into_owned())
    }

    #[test]
    fn a_boot_removes_what_rules_say() {
        let (_root, wiped) = machine(&[
            (
                "usr/lib/tmpfiles.d/tmp.conf",
                "# See tmpfiles.d(5)\nD /tmp 1777 root root -\n#q /var/tmp 1777 root root 30d\n",
            ),
            (
                "usr/lib/tmpfiles.d/x.conf",
                "R! /var/tmp/private-*\nr! /etc/.lock[0-9]\nd /run/x 0755\nx /tmp/mine\n",
            ),
            ("usr/lib/tmpfiles.d/README", "D /srv\n"),
        ]);
        for (path, file) in [
            ("/tmp/a", Some("tmp.conf")),
            ("/tmp/mine/b", Some("tmp.conf")),
            ("/tmp", None),
            ("/tmpfile", None),
            ("/var/tmp/a", None),
            ("/var/tmp/private-1", Some("x.conf")),
            ("/var/tmp/private-1/tmp/a", Some("x.conf")),
            ("/etc/.lock1", Some("x.conf")),
            ("/etc/.lock1/a", None),
            ("/etc/.lock", None),
            ("/srv/a", None),
            ("/run/x/a", None),
        ] {
            assert_eq!(by(&wiped, path).as_deref(), file, "{path}");
        }
    }

    #[test]
    fn an_administrator_has_the_last_word() {
        let theirs = ("usr/lib/tmpfiles.d/tmp.conf", "D /tmp\n");
        for own in [
            ("etc/tmpfiles.d/tmp.conf", "q /tmp\n"),
            ("etc/tmpfiles.d/tmp.conf", ""),
            ("etc/tmpfiles.d/own.conf", "d /tmp\n"),
        ] {
            let (_root, wiped) = machine(&[theirs, own]);
            assert_eq!(by(&wiped, "/tmp/a"), None, "{own:?}");
        }
        let (_root, wiped) = machine(&[theirs, ("etc/tmpfiles.d/z.conf", "d /tmp\n")]);
        assert_eq!(by(&wiped, "/tmp/a").as_deref(), Some("tmp.conf"));
        let (root, wiped) = machine(&[]);
        assert_eq!(by(&wiped, "/tmp/a"), None);
        // What cannot be read is told by its name.
        let odd = root.path().join("etc/tmpfiles.d/odd.conf");
        fs::create_dir_all(&odd).unwrap();
        let told = Wiped::read(root.path()).unwrap_err().to_string();
        assert!(told.starts_with(odd.to_str().unwrap()), "{told}");
    }
}
