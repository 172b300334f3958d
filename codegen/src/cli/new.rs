//! `kconv-gen new`.

use super::{CliError, Ended, converters, print, registry};
use kconv_codegen::overrides::FOLDER;
use kconv_codegen::scaffold;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn new(
    from: &str,
    to: &str,
    patch: Option<&Path>,
    output: Option<PathBuf>,
) -> Result<Ended, CliError> {
    let (converters, registry) = (converters()?, registry()?);
    let selection = scaffold::select(&registry, from, to).map_err(scaffold::ScaffoldError::from)?;
    let patch = match patch {
        Some(path) => Some(fs::read(path).map_err(|error| CliError::Io {
            path: path.to_owned(),
            error,
        })?),
        None => None,
    };
    let folder = converters.join(FOLDER);
    let made = scaffold::make(&registry, &selection, patch.as_deref(), &folder)?;
    let named = || converters.join(scaffold::folder(&selection.from, &selection.to));
    let dir = output.unwrap_or_else(named);
    scaffold::write(&dir, &made)?;
    let files = scaffold::propose(&folder, &made)?;
    let files: Vec<_> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let files = files.join(", ");
    let next = match made.undecided {
        0 => "nothing is undecided".to_owned(),
        1 => format!("1 field is undecided; complete its entry in {files}"),
        n => format!("{n} fields are undecided; complete their entries in {files}"),
    };
    print(&format!("{}: {}, {next}\n", dir.display(), made.converter))?;
    Ok(Ended::Clean)
}
