//! `kconv-gen layout`.

use super::source::{self, Route};
use super::{CliError, Ended, Named, print, registry};
use kernel_structs::btf;
use kernel_structs::layout::{RenderOptions, render_type};
use kernel_structs::releases::prepare_layout;
use kernel_structs_routes::compare;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn show(
    types: &[String],
    release: Option<&str>,
    file: Option<&Path>,
    family: &str,
    expand: bool,
) -> Result<Ended, CliError> {
    let registry = registry()?;
    let layout = match (release, file) {
        (_, Some(file)) => source::read(file, &registry.state_map(family)?)?.0,
        (release, None) => {
            let name = release.unwrap_or_default();
            super::end(&registry, name)?.layout
        }
    };
    let mut text = String::new();
    for name in types {
        let id = layout.require(name)?;
        text.push_str(&render_type(&layout, id, &RenderOptions { expand }));
    }
    print(&text)?;
    Ok(Ended::Clean)
}

pub(crate) fn list() -> Result<Ended, CliError> {
    let registry = registry()?;
    let mut text = String::new();
    for entry in registry.layouts() {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{} ({}) {}",
            entry.id, entry.family, entry.fingerprint
        );
        let names: Vec<&str> = registry
            .releases_of(&entry.id)
            .map(|r| r.name.as_str())
            .collect();
        let _ = writeln!(text, "  {}", names.join(" "));
    }
    print(&text)?;
    Ok(Ended::Clean)
}

/// Holds two layouts against each other that should be of one kernel.
pub(crate) fn compare(
    [left, right]: [&str; 2],
    types: &[String],
    family: &str,
) -> Result<Ended, CliError> {
    let registry = registry()?;
    let [left, right] = [left, right].map(|name| Named::find(&registry, name, family));
    let (left, right) = (left?, right?);
    let map = registry.state_map(&left.family)?;
    let names: Vec<&str> = match types {
        [] => map.saved_types().into_iter().collect(),
        types => types.iter().map(String::as_str).collect(),
    };
    let known = left.route.common(right.route);
    let found = compare::compare(&left.layout, &right.layout, &names, known)?;
    let mut text = String::new();
    for difference in &found {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{difference}");
    }
    let _ = writeln!(
        text,
        "{} types and what they contain: {}",
        names.len(),
        match found.len() {
            0 => "no difference".to_owned(),
            1 => "1 difference".to_owned(),
            count => format!("{count} differences"),
        }
    );
    print(&text)?;
    Ok(if found.is_empty() {
        Ended::Clean
    } else {
        Ended::Findings
    })
}

pub(crate) fn add(files: &[PathBuf], family: &str, output: &Path) -> Result<Ended, CliError> {
    let registry = registry()?;
    let map = registry.state_map(family)?;
    for file in files {
        let named = Named::find(&registry, &file.to_string_lossy(), family)?;
        let fingerprint = named.fingerprint;
        let known = registry.layout_by_fingerprint(fingerprint);
        if let Some(entry) = known.iter().find(|entry| entry.family == family) {
            print(&format!(
                "{}: the same as {}, nothing stored\n",
                file.display(),
                entry.id
            ))?;
            continue;
        }
        if named.route == Route::Headers {
            return Err(CliError::OnlySaved { path: file.clone() });
        }
        let (layout, _) = prepare_layout(&named.layout, &map)?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let path = output.join(format!("{stem}.btf"));
        let data = btf::write(&layout).map_err(|error| CliError::Store {
            path: path.clone(),
            error,
        })?;
        fs::write(&path, data).map_err(|error| CliError::Io {
            path: path.clone(),
            error,
        })?;
        let arch = &named.arch;
        print(&format!(
            "{}: stored; for releases.toml, with the flavour and the source filled in:\n\n\
             [[layout]]\nid = {stem:?}\nfamily = {family:?}\narch = {arch:?}\nflavour = \"\"\n\
             fingerprint = \"{fingerprint}\"\nfile = \"{stem}.btf\"\nsource = \"\"\n\n",
            path.display(),
        ))?;
    }
    Ok(Ended::Clean)
}
