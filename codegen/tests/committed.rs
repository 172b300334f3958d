//! The committed converters are what would be generated now.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_codegen::generate;
use kernel_structs::releases::Registry;
use std::path::Path;

#[test]
fn generated_files_are_fresh() {
    let registry = Registry::builtin().unwrap();
    let converters = Path::new(env!("CARGO_MANIFEST_DIR")).join("../converters");
    let crates = generate::crates(&converters).unwrap();
    assert!(crates.len() >= 4, "{crates:?}");
    for dir in crates {
        let files = generate::generate(&dir, &registry).unwrap();
        let differences = generate::compare(&dir, &files).unwrap();
        assert_eq!(
            differences,
            [],
            "run `cargo run -p kconv-codegen --bin kconv-gen -- generate`"
        );
    }
}
