//! `kconv-gen status`.

use super::{CliError, Ended, converters, print, registry, told};
use kconv_codegen::generate::GenerateError;
use kconv_codegen::scaffold::{self, ScaffoldError, SelectError};
use kconv_codegen::status;

pub(crate) fn status(from: &str, to: &str) -> Result<Ended, CliError> {
    let (converters, registry) = (converters()?, registry()?);
    let selection = scaffold::select(&registry, from, to).map_err(ScaffoldError::from)?;
    let status = match status::status(&registry, &selection, converters) {
        Ok(status) => status,
        Err(SelectError::Generate(GenerateError::Steps(steps))) => {
            return Ok(told(&steps));
        }
        Err(error) => return Err(ScaffoldError::from(error).into()),
    };
    print(&status::text(&status))?;
    Ok(match status.is_complete() {
        true => Ended::Clean,
        false => Ended::Findings,
    })
}
