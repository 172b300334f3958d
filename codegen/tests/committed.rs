//! What is committed is what would be generated now.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_codegen::emit::REST;
use kconv_codegen::generate::{self, GeneratedFile};
use kconv_codegen::overrides;
use kconv_codegen::steps;
use kernel_structs::releases::Registry;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static MADE: LazyLock<Vec<GeneratedFile>> = LazyLock::new(|| {
    let registry = Registry::builtin().unwrap();
    generate::generate(&root(), registry).unwrap()
});

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn generated_files_are_fresh() {
    let differences = generate::compare(&root(), &MADE).unwrap();
    assert_eq!(
        differences,
        [],
        "run `cargo run -p kconv-codegen --bin kconv-gen -- generate`"
    );
}

#[test]
fn every_file_of_a_layout_is_of_one() {
    let registry = Registry::builtin().unwrap();
    assert_eq!(registry.strays().collect::<Vec<_>>(), [""; 0]);
}

/// A page for every pair of every step, and no step without one.
#[test]
fn every_step_has_its_pages() {
    let steps = steps::folders(&root().join(overrides::CONVERTERS)).unwrap();
    assert!(steps.len() >= 20, "{steps:?}");
    for step in &steps {
        let text = fs::read_to_string(step.join(steps::STEP)).unwrap();
        let pairs = text.lines().filter(|line| *line == "[[pair]]").count();
        let folder = Path::new(overrides::CONVERTERS).join(step.file_name().unwrap());
        for folder in [folder.join(REST), folder] {
            let pages = MADE.iter();
            let pages = pages.filter(|file| file.path.parent() == Some(&folder));
            assert_eq!(pages.count(), pairs, "{folder:?}");
        }
        assert!(pairs > 0, "{step:?}");
    }
}
