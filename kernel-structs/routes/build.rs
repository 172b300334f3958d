//! Lists the profiles of kernel families that are built into the library.

#![allow(clippy::expect_used)] // A build script has nobody to report to but cargo.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let folder = Path::new(&root).join("profiles");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the folder is part of the crate")
        .map(|entry| entry.expect("the folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|found| found == "toml"))
        .collect();
    files.sort();
    let mut table = String::from("const PROFILES: &[(&str, &str)] = &[\n");
    for path in files {
        println!("cargo::rerun-if-changed={}", path.display());
        let family = path.file_stem().unwrap_or_default().to_string_lossy();
        writeln!(table, "    ({family:?}, include_str!({path:?})),").expect("writing to a string");
    }
    table.push_str("];\n");
    fs::write(Path::new(&out).join("profiles.rs"), table).expect("OUT_DIR can be written to");
}
