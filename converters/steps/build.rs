//! Finds the pages of all steps, so that to add a step is to add its folder.
#![forbid(unsafe_code)]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let converters = here.parent().unwrap_or(&here);
    println!("cargo::rerun-if-changed={}", converters.display());
    let mut modules = String::new();
    let mut list = String::new();
    for folder in sorted(converters)? {
        let name = file_name(&folder);
        if !name.starts_with("linux-") || !folder.is_dir() {
            continue;
        }
        println!("cargo::rerun-if-changed={}", folder.display());
        for page in sorted(&folder)? {
            if page.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            println!("cargo::rerun-if-changed={}", page.display());
            let stem = page.file_stem().unwrap_or_default().to_string_lossy();
            // Names that differ in signs alone become one: the number tells them apart.
            let module: String = format!("p{}_{name}_to_{stem}", list.lines().count())
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
                .collect();
            let path = page.display().to_string();
            // Writing to a string cannot fail.
            let _ = writeln!(modules, "#[path = {path:?}]\npub mod {module};");
            let _ = writeln!(list, "    &{module}::CONVERTER,");
        }
    }
    let text = format!("{modules}\n/// All of them.\nstatic ALL: &[&Converter] = &[\n{list}];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("steps.rs"), text)
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
