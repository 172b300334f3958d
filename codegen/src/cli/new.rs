//! `kconv-gen new`.

use super::{CliError, Ended, converters, print, registry};
use kconv_codegen::overrides::FOLDER;
use kconv_codegen::pending::sweep;
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
    super::decisions(&registry, converters)?;
    sweep(converters);
    let mut selection = scaffold::select(&registry, from, to).map_err(ScaffoldError::from)?;
    let routes = Routes::read(&registry, converters)?;
    let step = scaffold::folder(&selection.from, &selection.to);
    let dir = output.unwrap_or_else(|| converters.join(&step));
    is_named(&dir, &step, converters)?;
    // A flavour that came later is added to the step that the others have.
    let known = scaffold::known(&dir)?;
    match &known {
        Some(known) => scaffold::without_known(&mut selection, (&dir, known), &routes)?,
        None => scaffold::is_free(&dir)?,
    }
    scaffold::is_unjoined(&selection, &routes)?;
    let left_out = scaffold::without_detours(&mut selection, &routes)?;
    let file = patch;
    let patch = match file {
        Some(path) => Some(fs::read(path).map_err(|error| CliError::io(path, error))?),
        None => None,
    };
    let folder = converters.join(FOLDER);
    let made = scaffold::make(&registry, &selection, patch.as_deref(), &folder);
    let made = made.map_err(|error| match (error, file) {
        (ScaffoldError::Patch(error), Some(path)) => CliError::Patch {
            path: path.to_owned(),
            error,
        },
        (error, _) => error.into(),
    })?;
    // The proposals change nothing before somebody has completed them.
    let files = scaffold::propose(&folder, &made)?;
    match known {
        Some(_) => scaffold::extend(&dir, &selection, &made)?,
        None => scaffold::write(&dir, &made)?,
    }
    let files: Vec<_> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let files = files.join(", ");
    // Those that the state map, or a decision that is there, has to be corrected for have no entry.
    let entries = made.proposals.iter().filter(|one| !one.entry.is_empty());
    let next = match (made.undecided, entries.count()) {
        (0, _) => "nothing is undecided".to_owned(),
        (1, 1) => format!("1 field is undecided; complete its entry in {files}"),
        (1, _) => format!("1 field is undecided; what to do stands in {files}"),
        (n, entries) if n == entries => {
            format!("{n} fields are undecided; complete their entries in {files}")
        }
        (n, _) => format!(
            "{n} fields are undecided; complete their entries, or do what stands for them, in {files}"
        ),
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

/// A step is where steps are looked for, and has its folder's name, by which it is found.
fn is_named(dir: &Path, step: &str, converters: &Path) -> Result<(), CliError> {
    let (given, expected) = (dir.to_owned(), converters.join(step));
    let parent = dir
        .parent()
        .map(|parent| match parent.as_os_str().is_empty() {
            true => Path::new("."),
            false => parent,
        });
    let place = parent.and_then(|parent| parent.canonicalize().ok());
    let is_there = place.is_some() && place == converters.canonicalize().ok();
    if !is_there {
        return Err(CliError::StepPlace {
            given,
            converters: converters.to_owned(),
            expected,
        });
    }
    match dir.file_name().is_some_and(|name| name == step) {
        true => Ok(()),
        false => Err(CliError::StepName { given, expected }),
    }
}
