//! `kconv-gen state`.

use super::{CliError, Ended, print, registry, tell};
use kernel_structs::layout::Layout;
use std::collections::BTreeSet;

pub(crate) fn check() -> Result<Ended, CliError> {
    let registry = registry()?;
    let families: BTreeSet<&str> = registry
        .layouts()
        .map(|entry| entry.family.as_str())
        .collect();
    let mut ended = Ended::Clean;
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
            tell(&format!("{family}: {finding}\n"));
        }
        if findings.is_empty() {
            print(&format!("{family}: fits its {} layouts\n", layouts.len()))?;
        }
    }
    Ok(ended)
}
