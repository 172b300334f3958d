//! `kconv-gen new`.

use super::{CliError, Ended, converters, print, registry};
use kconv_codegen::overrides::FOLDER;
use kconv_codegen::routes::Routes;
use kconv_codegen::scaffold::{self, LeftOut, ScaffoldError};
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn new(
    from: &str,
    to: &str,
    patch: Option<&Path>,
    output: Option<PathBuf>,
) -> Result<Ended, CliError> {
    let (converters, registry) = (converters()?, registry()?);
    let mut selection = scaffold::select(&registry, from, to).map_err(ScaffoldError::from)?;
    let routes = Routes::read(&registry, converters)?;
    let left_out = scaffold::without_detours(&mut selection, &routes)?;
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
    for LeftOut { from, to, step } in left_out {
        let step = step.display();
        print(&format!(
            "{from} -> {to}: no pair of its own, for {step} and another pair do the same\n"
        ))?;
    }
    Ok(Ended::Clean)
}
