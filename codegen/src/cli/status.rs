//! `kconv-gen status`.

use super::{CliError, Ended, print, registry};
use kconv_codegen::scaffold::{self, ScaffoldError};
use kconv_codegen::status;
use std::path::Path;

pub(crate) fn status(from: &str, to: &str) -> Result<Ended, CliError> {
    let registry = registry()?;
    let selection = scaffold::select(&registry, from, to).map_err(ScaffoldError::from)?;
    let status = status::status(&registry, &selection, Path::new("converters"))
        .map_err(ScaffoldError::from)?;
    print(&status::text(&status))?;
    Ok(match status.is_complete() {
        true => Ended::Clean,
        false => Ended::Findings,
    })
}
