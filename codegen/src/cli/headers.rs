//! How the headers of a kernel are read.

use super::CliError;
use kernel_structs_routes::headers::{HeaderError, Profile, Tree};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) fn refused(path: &Path, error: HeaderError) -> CliError {
    CliError::Headers {
        path: path.to_owned(),
        advice: error.advice(),
        error,
    }
}

/// How the headers of a family are read, and the tree with the compiler's own.
pub(super) fn profile_of(
    path: &Path,
    tree: &Tree,
    family: &str,
) -> Result<(Profile, Tree), CliError> {
    let profile = Profile::builtin(family).map_err(|error| refused(path, error.into()))?;
    let profile = profile.ok_or_else(|| CliError::NoProfile {
        path: path.to_owned(),
        family: family.to_owned(),
    })?;
    let tree = Tree {
        builtin: compiler_headers(),
        ..tree.clone()
    };
    Ok((profile, tree))
}

/// The compiler's own headers, if there is a compiler: only old kernels use them, and the route
/// says so when it misses them.
fn compiler_headers() -> Option<PathBuf> {
    let output = Command::new("gcc")
        .arg("-print-file-name=include")
        .output()
        .ok()?;
    let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    folder.is_absolute().then_some(folder)
}
