//! The text that is generated for small layouts, kept in `tests/generated`.
//!
//! `KCONV_BLESS=1 cargo test -p kconv-codegen --test emission` writes it anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "fixture/emitted.rs"]
mod emitted;
mod fixture;

use fixture::{Fixture, house};
use kconv_codegen::coverage;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The files below `folder`, by their path in it.
fn kept(folder: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
            files.insert(name.to_owned(), fs::read_to_string(&path).unwrap());
        }
    }
    files
}

fn check(fixture: &Fixture, name: &str) {
    let made = fixture.make();
    assert_eq!(made.undecided, []);
    let unneeded = fixture
        .overrides
        .entries
        .iter()
        .filter(|e| !made.needed.contains(&e.index));
    assert_eq!(unneeded.count(), 0);
    assert_eq!(coverage::check(&made.plan, &fixture.old, &fixture.new), []);
    if let Some(back) = fixture.make_back() {
        assert_eq!(back.undecided, []);
        assert_eq!(coverage::check(&back.plan, &fixture.new, &fixture.old), []);
    }
    let files = house::files(fixture, &made, name).unwrap();
    let again = house::files(fixture, &fixture.make(), name).unwrap();
    assert_eq!(files, again);
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/generated")
        .join(name);
    if std::env::var_os("KCONV_BLESS").is_some() {
        let _ = fs::remove_dir_all(&folder);
        for (file, text) in &files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
    let kept = kept(&folder);
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    for (file, text) in &files {
        let kept = kept.get(file).map_or("", String::as_str);
        if kept != text {
            let diff = similar::TextDiff::from_lines(kept, text);
            panic!(
                "{file}\n{}",
                diff.unified_diff().header("kept", "generated")
            );
        }
    }
    assert_eq!(names(&kept), names(&files));
}

#[test]
fn every_rule() {
    check(&emitted::rules(), "rules");
}

#[test]
fn every_decision() {
    check(&emitted::decisions(), "decisions");
}

#[test]
fn names_of_rust_and_of_the_engine() {
    check(&emitted::names(), "names");
}

#[test]
fn every_place_of_a_reason() {
    check(&emitted::reasons(), "reasons");
}

#[test]
fn an_array_without_elements() {
    check(&emitted::flexible(), "flexible");
}

#[test]
fn every_initial_value() {
    check(&emitted::initials(), "initials");
}

#[test]
fn an_object_behind_another() {
    check(&emitted::trailing(), "trailing");
}

#[test]
fn a_member_that_is_an_object_behind_another() {
    check(&emitted::moved_behind(), "moved_behind");
}
