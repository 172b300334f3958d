//! What knows a kernel family by its name: the table of the book has all such places, and each of them
//! knows every family that is registered.
#![allow(clippy::unwrap_used)]

use kernel_structs::releases::Registry;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = "book/src/new-release.md";

/// Which families a file knows.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Knows {
    /// All of them.
    All,
    /// Those in which there are tasks.
    OfTasks,
    /// One alone.
    One,
}

/// The files of the table, as it names them, and which families each knows.
fn named(page: &str) -> Vec<(String, Knows)> {
    let lines = page
        .lines()
        .skip_while(|line| *line != "## 8. A new family");
    let rows = lines.filter_map(|line| line.strip_prefix("| `"));
    let names = rows.filter_map(|row| row.split_once('`'));
    let knows = |row: &str| match row {
        row if row.contains("linux-6 alone") => Knows::One,
        row if row.contains("its tasks") => Knows::OfTasks,
        _ => Knows::All,
    };
    names
        .map(|(name, row)| (name.to_owned(), knows(row)))
        .collect()
}

/// The sources below a folder, but for tests and what is generated.
fn sources(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !["tests", "fuzz", "target"].contains(&&*name) {
                sources(&path, found);
            }
        } else if name.ends_with(".rs") && !["tests.rs", "testing.rs"].contains(&&*name) {
            let text = fs::read_to_string(&path).unwrap();
            // Tests of a file are its last part.
            let text = text.split("\nmod tests {").next().unwrap_or_default();
            if !text.starts_with("// @generated") {
                found.push((path, text.to_owned()));
            }
        }
    }
}

/// The code of a file, without comments.
fn code(text: &str) -> String {
    let lines = text.lines();
    let code = lines.filter(|line| !line.trim_start().starts_with("//"));
    code.collect::<Vec<_>>().join("\n")
}

fn families() -> Vec<String> {
    let registry = Registry::builtin().unwrap();
    let families = registry.families().into_iter();
    families.map(str::to_owned).collect()
}

/// What a family is called in code: in words, and as a module or a variant.
fn names(family: &str) -> [String; 3] {
    let plain = family.replace(['-', '.'], "");
    [
        format!("\"{family}\""),
        format!("{plain}::FAMILY"),
        format!("mod {}", family.replace(['-', '.'], "_")),
    ]
}

#[test]
fn no_other_file_knows_a_family() {
    let root = kconv_tests::root();
    let page = fs::read_to_string(root.join(PAGE)).unwrap();
    let mut known: BTreeSet<PathBuf> = named(&page)
        .iter()
        .map(|(name, _)| root.join(name))
        .collect();
    let mut found = Vec::new();
    for folder in ["codegen/src", "converters", "kernel-structs"] {
        sources(&root.join(folder), &mut found);
    }
    let families = families();
    let mut others = Vec::new();
    for (path, text) in &found {
        let code = code(text);
        let is_known = |family: &String| names(family).iter().any(|name| code.contains(name));
        // A module of a family says which it is.
        let own = |family: &String| {
            let says = format!("pub const FAMILY: &str = \"{family}\"");
            code.contains(&says) && code.matches(&format!("\"{family}\"")).count() == 1
        };
        if !known.remove(path)
            && families
                .iter()
                .any(|family| is_known(family) && !own(family))
        {
            others.push(path);
        }
    }
    assert_eq!(others, Vec::<&PathBuf>::new(), "{PAGE} does not name them");
}

#[test]
fn each_place_knows_every_family() {
    let root = kconv_tests::root();
    let page = fs::read_to_string(root.join(PAGE)).unwrap();
    let places = named(&page);
    assert!(places.len() > 3, "{places:?}");
    let registry = Registry::builtin().unwrap();
    for family in families() {
        // Formats that kernels hand on have no tasks.
        let has_tasks = !registry.state_map(&family).unwrap().roots.is_empty();
        let is_meant = |knows: Knows| match knows {
            Knows::All => true,
            Knows::OfTasks => has_tasks,
            Knows::One => false,
        };
        for (place, _) in places.iter().filter(|(_, knows)| is_meant(*knows)) {
            let place = place.replace("FAMILY", &family);
            let path = match place.strip_suffix("/TYPE.toml") {
                Some(folder) => root.join(folder),
                None => root.join(&place),
            };
            assert!(path.exists(), "{place} is missing");
            if place.ends_with(".rs") {
                let code = code(&fs::read_to_string(&path).unwrap());
                let is_known = names(&family).iter().any(|name| code.contains(name));
                assert!(is_known, "{place} does not know {family}");
            }
        }
    }
}
