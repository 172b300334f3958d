//! A baseline that is read, and what it has to have.

use super::CliError;
use kconv_codegen::baseline::{self, Baseline};
use kernel_structs::layout::Type;
use kernel_structs::releases::Registry;
use kernel_structs::state::StateMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Reads the baseline at `path`, which has what its family saves: a type that is named in it and not
/// described would be passed over in every patch.
pub(super) fn read(registry: &Registry, path: &Path) -> Result<Baseline, CliError> {
    let failed = |error| CliError::Io {
        path: path.to_owned(),
        error,
    };
    let text = fs::read_to_string(path).map_err(failed)?;
    let baseline = baseline::read(&text).map_err(|error| CliError::Baseline {
        path: path.to_owned(),
        error,
    })?;
    let map = registry.state_map(&baseline.family)?;
    let missing = missing(&map, &baseline);
    match missing.is_empty() {
        true => Ok(baseline),
        false => Err(CliError::BaselineLacks {
            path: path.to_owned(),
            family: baseline.family,
            types: missing.join(", "),
        }),
    }
}

/// The saved types that the baseline has to describe and does not: those that the walk starts from, and
/// those that it names, but for the ones that the kernel itself did not describe.
pub(super) fn missing(map: &StateMap, baseline: &Baseline) -> Vec<String> {
    let layout = &baseline.layout;
    let named: BTreeSet<&str> = layout
        .types()
        .filter_map(|(_, ty)| match ty {
            Type::Forward { name, .. } => Some(name.as_str()),
            _ => None,
        })
        .collect();
    let starts = map.saved_in(layout);
    let has_to = |name: &&str| starts.contains(name) || named.contains(name);
    let missing = map.saved_types().into_iter().filter(has_to);
    missing
        .filter(|name| !layout.has(name))
        .filter(|name| !baseline.lacks.iter().any(|lacks| lacks == name))
        .map(str::to_owned)
        .collect()
}
