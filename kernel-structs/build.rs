//! Packs the data files that are built into the library: every stored layout and state map, and what headers
//! say of the types that the latter save.

#![allow(clippy::expect_used)] // A build script has nobody to report to but cargo.

use miniz_oxide::deflate::compress_to_vec;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// The best that there is.
const LEVEL: u8 = 9;

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    println!("cargo::rerun-if-changed=build.rs");
    let mut table = String::new();
    for (name, folder, extension) in [
        ("LAYOUTS", "layouts", "btf"),
        ("STATES", "state", "toml"),
        ("USES", "uses", "toml"),
    ] {
        let folder = Path::new(&root).join(folder);
        println!("cargo::rerun-if-changed={}", folder.display());
        let mut files: Vec<_> = fs::read_dir(&folder)
            .expect("the folder is part of the crate")
            .map(|entry| entry.expect("the folder can be listed").path())
            .filter(|path| path.extension().is_some_and(|found| found == extension))
            .collect();
        files.sort();
        let packed = Path::new(&out).join(name);
        fs::create_dir_all(&packed).expect("OUT_DIR can be written to");
        writeln!(
            table,
            "pub(in crate::releases) const {name}: &[Packed] = &["
        )
        .expect("writing to a string");
        for path in files {
            println!("cargo::rerun-if-changed={}", path.display());
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let data = fs::read(&path).expect("a file of the crate can be read");
            let packed = packed.join(&*name);
            fs::write(&packed, compress_to_vec(&data, LEVEL)).expect("OUT_DIR can be written to");
            let length = data.len();
            writeln!(
                table,
                "    Packed {{ name: {name:?}, length: {length}, data: include_bytes!({packed:?}) }},"
            )
            .expect("writing to a string");
        }
        table.push_str("];\n");
    }
    fs::write(Path::new(&out).join("files.rs"), table).expect("OUT_DIR can be written to");
}
