//! Packs the decisions of the project and the functions that they call into the library, for a kconv-gen that runs where no
//! project is.

#![allow(clippy::expect_used)] // A build script has nobody to report to but cargo.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    println!("cargo::rerun-if-changed=build.rs");
    let folder = Path::new(&root).join("../converters/overrides");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = Vec::new();
    gather(&folder, &mut files);
    files.sort();
    let mut table = String::from("pub(super) const FILES: &[(&str, &str)] = &[\n");
    for path in files {
        println!("cargo::rerun-if-changed={}", path.display());
        let name = path.strip_prefix(&folder).expect("it is below the folder");
        writeln!(table, "    ({name:?}, include_str!({path:?})),").expect("writing to a string");
    }
    table.push_str("];\n");
    fs::write(Path::new(&out).join("decisions.rs"), table).expect("OUT_DIR can be written to");
}

/// The decisions and sources in `folder` and below.
fn gather(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is part of the project") {
        let path = entry.expect("the folder can be listed").path();
        let kind = path.extension().unwrap_or_default();
        if path.is_dir() {
            gather(&path, files);
        } else if (kind == "toml" || kind == "rs") && !path.ends_with("Cargo.toml") {
            files.push(path);
        }
    }
}
