//! `kconv-gen status`.

use super::{CliError, Ended, converters, print, registry};
use kconv_codegen::scaffold::{self, ScaffoldError};
use kconv_codegen::status;

pub(crate) fn status(from: &str, to: &str) -> Result<Ended, CliError> {
    let (converters, registry) = (converters()?, registry()?);
    let selection = scaffold::select(&registry, from, to).map_err(ScaffoldError::from)?;
    let status = status::status(&registry, &selection, converters).map_err(ScaffoldError::from)?;
    print(&status::text(&status))?;
    Ok(match status.is_complete() {
        true => Ended::Clean,
        false => Ended::Findings,
    })
}
