//! A baseline that is read, and what it has to have.

use super::{CliError, examine};
use kconv_codegen::baseline::{self, Baseline};
use kernel_structs::layout::Layout;
use kernel_structs::releases::Registry;
use kernel_structs::state::StateMap;
use std::path::Path;

/// Reads the baseline at `path`, which has what its family saves: a type that is named in it and not
/// described would be passed over in every patch.
pub(super) fn read(registry: &Registry, path: &Path) -> Result<Baseline, CliError> {
    let text = examine::read(path)?;
    let baseline = baseline::read(&text).map_err(|error| CliError::Baseline {
        path: path.to_owned(),
        error,
    })?;
    let map = registry.state_map(&baseline.family)?;
    let mut missing = missing(&map, &baseline.layout);
    missing.retain(|name| !baseline.lacks.contains(name));
    match missing.is_empty() {
        true => Ok(baseline),
        false => Err(CliError::BaselineLacks {
            path: path.to_owned(),
            family: baseline.family,
            types: missing.join(", "),
        }),
    }
}

/// The saved types that `layout` does not describe: what a kernel has not is written down in its baseline,
/// and what is missing there was lost.
pub(super) fn missing(map: &StateMap, layout: &Layout) -> Vec<String> {
    let missing = map.saved_types().into_iter();
    let missing = missing.filter(|name| !layout.has(name));
    missing.map(str::to_owned).collect()
}
