//! Finds the pages of all steps, so that to add a step is to add its folder.
#![forbid(unsafe_code)]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let converters = here.parent().unwrap_or(&here);
    println!("cargo::rerun-if-changed={}", converters.display());
    let mut steps = String::new();
    let mut list = String::new();
    let folders = sorted(converters)?.into_iter();
    let folders = folders.filter(|path| file_name(path).starts_with("linux-") && path.is_dir());
    // Names that differ in signs alone become one: the number tells them apart.
    for (number, folder) in folders.enumerate() {
        let step = identifier(&format!("s{number}_{}", file_name(&folder)));
        println!("cargo::rerun-if-changed={}", folder.display());
        // The pages of a step use each other's functions.
        let mut pages = String::new();
        for page in sorted(&folder)? {
            if page.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            println!("cargo::rerun-if-changed={}", page.display());
            let module = identifier(&page.file_stem().unwrap_or_default().to_string_lossy());
            let path = page.display().to_string();
            // Writing to a string cannot fail.
            let _ = writeln!(pages, "    #[path = {path:?}]\n    pub mod {module};");
            let _ = writeln!(list, "    &{step}::{module}::CONVERTER,");
        }
        let _ = writeln!(steps, "pub mod {step} {{\n{pages}}}");
    }
    let text = format!("{steps}\n/// All of them.\nstatic ALL: &[&Converter] = &[\n{list}];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("steps.rs"), text)
}

fn identifier(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    text.chars().map(plain).collect()
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// What is in a folder, by name.
fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
