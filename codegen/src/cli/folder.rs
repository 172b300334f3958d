//! `kconv-gen release import --to`: folders of kernels for a kconv that was built before them.

use super::constants::Said;
use super::kernel::Read;
use super::release::fit_together;
use super::{CliError, Ended, converters_of, print, registry_of, tell};
use kconv_codegen::decisions::Decisions;
use kconv_codegen::import::{self, FolderError, Found, Imported, KernelFolder};
use kconv_codegen::pending::{PREFIX, sweep};
use kconv_codegen::show;
use kernel_structs::releases::Registry;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Makes a folder in `to` for each kernel that is not registered: for all of them, or for none. What is known of
/// kernels is what the project in `project` says, if there is one, or what this program was built with.
pub(crate) fn import(
    sources: &[String],
    said: Said<'_>,
    replace: bool,
    (to, project): (&Path, &Path),
) -> Result<Ended, CliError> {
    fit_together(sources, said, replace)?;
    let registry = registry_of(project)?;
    let converters = converters_of(project);
    let decisions = Decisions::find(&converters);
    let decisions = decisions.map_err(|error| CliError::io(&std::env::temp_dir(), error))?;
    let mut all = Vec::new();
    let mut refused = Vec::new();
    let mut undecided = Vec::new();
    for name in sources {
        let mut read = Read::new(&registry, name, said, false);
        if let Some(source) = read.source.take() {
            match made(&registry, source.kernel, &converters, &decisions) {
                Ok(made) => all.push((name, made)),
                Err(Refused::Import(refusals)) => read.refuse(refusals),
                Err(Refused::Folder(FolderError::Undecided(found))) => undecided.extend(found),
                Err(Refused::Folder(error)) => read.wrong.push(error.into()),
            }
        }
        refused.push((name.clone(), read.wrong));
    }
    if refused.iter().any(|(_, wrong)| !wrong.is_empty()) {
        return Err(CliError::Refused(refused));
    }
    if !undecided.is_empty() {
        tell(&show::undecided(&undecided));
        tell("nothing was written: somebody has to decide first, in a project\n");
        return Ok(Ended::Findings);
    }
    let at = |error| CliError::io(to, error);
    fs::create_dir_all(to).map_err(at)?;
    let _alone = super::lock(to, File::lock)?;
    sweep(to);
    for (_, (_, folder)) in &all {
        free(folder.as_ref(), to, replace)?;
    }
    for (name, (imported, folder)) in all {
        let text = match folder {
            None => format!(
                "{name}: {}\n  known to kconv without a folder, with the layout {}\n",
                imported.release.name, imported.release.layout
            ),
            Some(folder) => {
                write(&folder, to)?;
                text(name, &imported, &folder, to)
            }
        };
        print(&text)?;
    }
    Ok(Ended::Clean)
}

/// Why there is no folder.
enum Refused {
    Import(import::Refusals),
    Folder(FolderError),
}

/// What is known of a kernel, and its folder if it needs one.
fn made(
    registry: &Registry,
    kernel: import::Kernel,
    converters: &Path,
    decisions: &Decisions,
) -> Result<(Imported, Option<KernelFolder>), Refused> {
    let kernel = import::Kernel {
        apart: true,
        ..kernel
    };
    let files = registry.files().clone();
    let imported = import::import(files, &kernel, converters).map_err(Refused::Import)?;
    let folder = match imported.found {
        Found::Registered | Found::Renewed(_) => None,
        Found::Same(_) | Found::New { .. } => {
            let folder = import::folder(&imported, decisions.folder());
            Some(folder.map_err(Refused::Folder)?)
        }
    };
    Ok((imported, folder))
}

/// That no other folder is where one is to be written, unless it takes the place of that.
fn free(folder: Option<&KernelFolder>, to: &Path, replace: bool) -> Result<(), CliError> {
    let Some(folder) = folder.filter(|_| !replace) else {
        return Ok(());
    };
    let place = to.join(&folder.name);
    match place.exists() && !is_there(folder, &place) {
        true => Err(CliError::FolderTaken { path: place }),
        false => Ok(()),
    }
}

/// Writes a folder: whole, or not at all.
fn write(folder: &KernelFolder, to: &Path) -> Result<(), CliError> {
    let place = to.join(&folder.name);
    if is_there(folder, &place) {
        return Ok(());
    }
    let at = |error| CliError::io(&place, error);
    let whole = || -> io::Result<()> {
        let pending = tempfile::Builder::new().prefix(PREFIX).tempdir_in(to)?;
        let (new, old) = (pending.path().join("new"), pending.path().join("old"));
        for (name, data) in &folder.files {
            let path = new.join(name);
            fs::create_dir_all(path.parent().unwrap_or(&new))?;
            let mut file = File::create(&path)?;
            file.write_all(data)?;
            // Whatever the umask is: who reads it refuses what others can write to.
            file.set_permissions(Permissions::from_mode(0o644))?;
            file.sync_all()?;
        }
        for part in ["layouts", "plans", ""] {
            let part = new.join(part);
            if part.is_dir() {
                fs::set_permissions(&part, Permissions::from_mode(0o755))?;
                File::open(&part)?.sync_all()?;
            }
        }
        if place.exists() {
            fs::rename(&place, &old)?;
        }
        if let Err(error) = fs::rename(&new, &place) {
            if old.exists() {
                fs::rename(&old, &place)?;
            }
            return Err(error);
        }
        File::open(to)?.sync_all()
    };
    whole().map_err(at)
}

/// Whether the folder at `place` has the same files.
fn is_there(folder: &KernelFolder, place: &Path) -> bool {
    let is_same = |(name, data): (_, &Vec<u8>)| {
        let found = fs::read(place.join::<&std::path::PathBuf>(name));
        found.is_ok_and(|found| found == *data)
    };
    folder.files.iter().all(is_same)
}

/// What became of a kernel, which was called `name`.
fn text(name: &str, imported: &Imported, folder: &KernelFolder, to: &Path) -> String {
    let release = &imported.release;
    let mut lines = vec![format!(
        "Linux {}, {}, {}, family {}",
        release.version, release.arch, release.flavour, imported.family
    )];
    lines.push(match &imported.found {
        Found::New { entry, .. } => {
            format!("a layout of its own, {}, {}", entry.id, entry.fingerprint)
        }
        _ => format!("the same layout as {}", release.layout),
    });
    if let Some(neighbour) = &folder.neighbour {
        lines.push(format!("plans to {neighbour} and back"));
    }
    lines.push(format!("in {}", to.join(&folder.name).display()));
    let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("{name}: {}\n{lines}", release.name)
}
