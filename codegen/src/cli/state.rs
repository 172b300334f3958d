//! `kconv-gen state`.

use super::{CliError, Ended, print, registry, tell};
use kconv_codegen::check::{Saved, stored_uses};
use kconv_codegen::generate::{STATES, known_families};
use kconv_codegen::overrides;
use kernel_structs::layout::Layout;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Prints what saved types use in `trees`.
pub(crate) fn uses(family: &str, trees: &[PathBuf]) -> Result<Ended, CliError> {
    let registry = registry()?;
    let map = registry.state_map(family)?;
    let layouts = registry.layouts().filter(|entry| entry.family == family);
    let layouts: Result<Vec<Layout>, _> = layouts.map(|entry| registry.layout(&entry.id)).collect();
    let saved = Saved::new(&map, layouts?);
    print(&stored_uses(trees, &saved)?)?;
    Ok(Ended::Clean)
}

pub(crate) fn check() -> Result<Ended, CliError> {
    let registry = registry()?;
    let families: BTreeSet<&str> = registry
        .layouts()
        .map(|entry| entry.family.as_str())
        .collect();
    known_families(
        &registry,
        &Path::new(overrides::CONVERTERS).join(overrides::FOLDER),
    )?;
    let mut ended = Ended::Clean;
    for file in registry.strays() {
        ended = Ended::Findings;
        tell(&format!(
            "layouts/{file}: no layout in releases.toml has this file; a command that was killed left it: run that again, or remove the file\n"
        ));
    }
    for family in families {
        let map = registry.state_map(family)?;
        let layouts = registry
            .layouts()
            .filter(|entry| entry.family == family)
            .map(|entry| registry.layout(&entry.id))
            .collect::<Result<Vec<Layout>, _>>()?;
        let findings = map.check(&layouts.iter().collect::<Vec<_>>());
        for finding in &findings {
            ended = Ended::Findings;
            let line = map.line_of(finding);
            tell(&format!("{STATES}/{family}.toml:{line}: {finding}\n"));
        }
        if findings.is_empty() {
            print(&format!("{family}: fits its {} layouts\n", layouts.len()))?;
        }
    }
    Ok(ended)
}
