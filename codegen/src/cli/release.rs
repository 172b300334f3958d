//! `kconv-gen release import`.

use super::constants::{self, Said};
use super::{CliError, Ended, print};
use kconv_codegen::import::{self, Found, ImportError, Imported, Renewal};
use kconv_codegen::pending::{Pending, sweep};
use kconv_codegen::status;
use kernel_structs::releases::{Files, LayoutEntry, LayoutId, Registry};
use kernel_structs_routes::bzimage::{Compression, Config, DEFAULT_LIMIT, Identity, Kernel};
use kernel_structs_routes::package::{self, Package};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// What of a configuration decides what the saved structures hold.
const FACTS: [&str; 8] = [
    "CONFIG_HZ",
    "CONFIG_SMP",
    "CONFIG_PREEMPT_RT",
    "CONFIG_NUMA",
    "CONFIG_MEMCG",
    "CONFIG_SECURITY",
    "CONFIG_AUDIT",
    "CONFIG_X86_USER_SHADOW_STACK",
];

/// A kernel as it was found.
struct Source {
    kernel: import::Kernel,
    /// The file that it was read from.
    path: PathBuf,
    config: Option<Config>,
    compression: Option<Compression>,
    /// The folder that it was downloaded to, which is there as long as this value: what belongs to the kernel is
    /// looked for beside it.
    _download: Option<TempDir>,
}

/// The folders of a project that a kernel is registered in.
pub(super) struct Project {
    structs: PathBuf,
    converters: PathBuf,
}

impl Project {
    pub(super) fn at(folder: &Path) -> Project {
        Project {
            structs: folder.join(super::RELEASES),
            converters: folder.join("converters"),
        }
    }

    pub(super) fn registry(&self) -> Result<Registry, CliError> {
        self.is_there()?;
        super::stored_registry(&self.structs)
    }

    fn is_there(&self) -> Result<(), CliError> {
        match self.structs.is_dir() {
            true => Ok(()),
            false => Err(CliError::NoReleases {
                path: std::path::absolute(&self.structs).unwrap_or_else(|_| self.structs.clone()),
            }),
        }
    }

    /// Computes the fingerprints of all stored layouts anew.
    pub(super) fn recompute(&self) -> Result<Vec<(LayoutId, Renewal)>, CliError> {
        self.is_there()?;
        let _alone = super::lock(&self.structs, File::lock)?;
        let before = super::stored_files(&self.structs)?;
        let (files, all) = import::renew(before.clone()).map_err(Box::new)?;
        if files.releases != before.releases {
            self.write(&before, &files, None)?;
        }
        Ok(all)
    }

    /// Registers a kernel, with its layout if that is new. What others register meanwhile waits, from
    /// the reading of the table to the new one: it would be written over otherwise.
    pub(super) fn register(&self, kernel: &import::Kernel) -> Result<Imported, CliError> {
        let _alone = super::lock(&self.structs, File::lock)?;
        sweep(&self.structs);
        let before = super::stored_files(&self.structs)?;
        super::decisions(&Registry::parse(before.clone())?, &self.converters)?;
        let imported = import::import(before.clone(), kernel, &self.converters);
        let imported = imported.map_err(Box::new)?;
        self.store(&before, &imported)?;
        Ok(imported)
    }

    /// Stores the layout of `entry` with other constants.
    pub(super) fn renew(
        &self,
        entry: &LayoutEntry,
        constants: &BTreeMap<String, i128>,
        origin: String,
    ) -> Result<LayoutEntry, CliError> {
        let _alone = super::lock(&self.structs, File::lock)?;
        let before = super::stored_files(&self.structs)?;
        // It may have changed since it was looked at.
        let registry = Registry::parse(before.clone())?;
        let entry = registry.layout_entry(&entry.id)?;
        let renewed = import::with_constants(before.clone(), entry, constants, origin);
        let (files, renewed) = renewed.map_err(Box::new)?;
        self.write(&before, &files, Some(&renewed))?;
        Ok(renewed)
    }

    /// Writes what the import added.
    fn store(&self, before: &Files, imported: &Imported) -> Result<(), CliError> {
        match &imported.found {
            Found::Registered => Ok(()),
            Found::Same(_) => self.write(before, &imported.files, None),
            Found::New { entry, .. } | Found::Renewed(entry) => {
                self.write(before, &imported.files, Some(entry))
            }
        }
    }

    /// Writes the table, and the layout of `entry`. Both files are whole on the disk before the
    /// first of them takes its name, and if the second cannot take its own, the first is put back.
    fn write(
        &self,
        before: &Files,
        files: &Files,
        entry: Option<&LayoutEntry>,
    ) -> Result<(), CliError> {
        let write = |path: PathBuf, data: &[u8]| {
            Pending::write(&path, data).map_err(|error| CliError::Io { path, error })
        };
        let take_name = |file: Pending| {
            let path = file.path().to_owned();
            let named = file.take_name();
            named.map_err(|error| CliError::Io { path, error })
        };
        let table = self.structs.join("releases.toml");
        let table = write(table, files.releases.as_bytes())?;
        let layout = match entry {
            Some(entry) => {
                let path = self.structs.join("layouts").join(&entry.file);
                let data = files.layouts.get(&entry.file);
                data.map(|data| write(path, data)).transpose()?
            }
            None => None,
        };
        let Some(layout) = layout else {
            return take_name(table);
        };
        let path = layout.path().to_owned();
        take_name(layout)?;
        let failed = match take_name(table) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let put_back = match before.layouts.get(&*name) {
            Some(data) => fs::write(&path, data),
            None => fs::remove_file(&path),
        };
        put_back.map_err(|error| CliError::Io { path, error })?;
        Err(failed)
    }
}

pub(crate) fn import(
    sources: &[String],
    said: Said<'_>,
    replace: bool,
    project: &Path,
) -> Result<Ended, CliError> {
    if replace && sources.len() > 1 {
        return Err(CliError::ReplaceOne);
    }
    if sources.len() > 1 && (!said.headers.is_empty() || said.of.is_some()) {
        return Err(CliError::OneAtATime);
    }
    let project = Project::at(project);
    let mut ended = Ended::Clean;
    for name in sources {
        let mut source = read(name)?;
        source.kernel.replace = replace;
        let registry = project.registry()?;
        let family = registry.family_of_version(&source.kernel.version);
        let map = registry.state_map(family.map_err(ImportError::from).map_err(Box::new)?)?;
        let uname = source.kernel.name.clone();
        let found = constants::find(&registry, &map, &uname, Some(&source.path), said)?;
        if let Some(found) = found {
            if let Some(found) = found.uname.filter(|found| *found != uname) {
                return Err(CliError::NotItsHeaders { found, uname });
            }
            let layout = source.kernel.layout;
            source.kernel.layout = layout.with_constants(&found.values);
            source.kernel.constants = Some(found.origin);
        }
        let imported = project.register(&source.kernel)?;
        let facts = facts(source.config.as_ref());
        let origin = match source.compression {
            Some(compression) => format!("the BTF of a kernel packed with {compression}"),
            None => "the BTF of an ELF file".to_owned(),
        };
        let details = [types(&source.kernel, &origin), facts];
        print(&text(name, &source.kernel, &details, &imported, &project))?;
        if imported.is_undecided() {
            ended = Ended::Findings;
        }
    }
    Ok(ended)
}

/// The build id of a kernel in hexadecimal digits.
pub(super) fn build_id(identity: &Identity) -> Option<String> {
    let bytes = identity.build_id.as_ref()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Reads a package, a vmlinuz or an ELF vmlinux; a name that is no file is a package, whose `.deb`
/// lies in this folder or is in the distribution's archive.
fn read(name: &str) -> Result<Source, CliError> {
    let mut path = PathBuf::from(name);
    let mut _download = None;
    // A folder of that name is what somebody unpacked.
    if !path.is_file() && !name.contains('/') && name.starts_with("linux-image-") {
        path = match constants::in_folder(Path::new("."), name)? {
            Some(file) => file,
            None => {
                let (folder, file) = download(name)?;
                _download = Some(folder);
                file
            }
        };
    }
    let failed = |error| CliError::Kernel {
        path: path.clone(),
        error,
    };
    let data = fs::read(&path).map_err(|error| CliError::io(&path, error))?;
    let (image, config, origin) = match data.starts_with(package::MAGIC) {
        false => (data, None, None),
        true => {
            let package = Package::read(&data).map_err(|error| CliError::Package {
                path: path.clone(),
                error,
            })?;
            let origin = format!("BTF of Debian's {} {}", package.name, package.version);
            (package.vmlinuz, Some(package.config), Some(origin))
        }
    };
    let kernel = Kernel::read(&image, DEFAULT_LIMIT).map_err(failed)?;
    let identity = kernel.identity().map_err(failed)?;
    let config = match config {
        Some(config) => Some(config),
        None => kernel.config().map_err(failed)?,
    };
    let arch = match identity.machine {
        "x86_64" => "amd64",
        machine => machine,
    };
    let hz = config
        .as_ref()
        .and_then(|config| config.number("CONFIG_HZ"));
    Ok(Source {
        kernel: import::Kernel {
            build_id: build_id(&identity),
            source: origin.unwrap_or_else(|| format!("BTF of {}", identity.banner)),
            flavour: import::flavour(&identity.release, arch),
            name: identity.release.clone(),
            uname: Some(identity.release),
            version: identity.version,
            arch: arch.to_owned(),
            family: None,
            hz: hz.and_then(|hz| u32::try_from(hz).ok()),
            layout: kernel.layout().map_err(failed)?,
            constants: None,
            replace: false,
        },
        path: path.clone(),
        config,
        compression: kernel.compression(),
        _download,
    })
}

/// The file of a package, and the folder that goes away with it.
fn download(package: &str) -> Result<(TempDir, PathBuf), CliError> {
    let io = |error| CliError::Io {
        path: PathBuf::from(package),
        error,
    };
    let folder = tempfile::tempdir().map_err(io)?;
    let output = Command::new("apt-get")
        .args(["--quiet=2", "download", package])
        .current_dir(folder.path())
        .output()
        .map_err(io)?;
    let file = fs::read_dir(folder.path()).map_err(io)?.next();
    match file {
        Some(file) if output.status.success() => Ok((folder, file.map_err(io)?.path())),
        _ => Err(CliError::Download {
            package: package.to_owned(),
            said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        }),
    }
}

/// What of a configuration decides what the saved structures hold, in one line.
fn facts(config: Option<&Config>) -> String {
    let Some(config) = config else {
        return "no configuration with it".to_owned();
    };
    let facts = FACTS.iter().map(|option| match config.get(option) {
        Some(value) => format!("{option}={value}"),
        None => format!("{option}=n"),
    });
    facts.collect::<Vec<_>>().join(" ")
}

/// How many types and constants were read, and where from.
pub(super) fn types(kernel: &import::Kernel, origin: &str) -> String {
    let own = kernel.layout.types().count() - usize::from(kernel.layout.has_constants());
    let types = format!("{own} types, from {origin}");
    match &kernel.constants {
        Some(from) => format!(
            "{types}; {} constants, from {from}",
            kernel.layout.constants().len()
        ),
        None => types,
    }
}

/// What became of a kernel, which was called `name`; `details` are lines about it.
pub(super) fn text(
    name: &str,
    kernel: &import::Kernel,
    details: &[String],
    imported: &Imported,
    project: &Project,
) -> String {
    let release = &imported.release;
    let table = project.structs.join("releases.toml");
    let file = |entry: &LayoutEntry| project.structs.join("layouts").join(&entry.file);
    let mut lines = vec![format!(
        "Linux {}, {}, {}, family {}",
        release.version, release.arch, release.flavour, imported.family
    )];
    lines.extend(kernel.build_id.as_ref().map(|id| format!("build id {id}")));
    lines.extend_from_slice(details);
    match &imported.found {
        Found::Registered => lines.push(format!(
            "registered before, with the layout {}",
            release.layout
        )),
        Found::Renewed(entry) => lines.push(format!(
            "registered before; its layout, now {}, is stored anew as {}",
            entry.fingerprint,
            file(entry).display()
        )),
        Found::Same(id) => {
            lines.push(format!(
                "the same layout as {id}; registered in {}",
                table.display()
            ));
            let stored = project
                .registry()
                .and_then(|registry| Ok(registry.layout(id)?));
            let has_constants = stored.is_ok_and(|layout| layout.has_constants());
            if kernel.constants.is_none() && has_constants {
                lines.push(
                    "its constants were not looked at, and are taken to be those of that layout; --headers or --constants-of says them"
                        .to_owned(),
                );
            }
        }
        Found::New { entry, step } => {
            lines.push(format!("a layout of its own, {}", entry.fingerprint));
            lines.push(format!(
                "stored as {}, registered in {}",
                file(entry).display(),
                table.display()
            ));
            let step = step.as_ref().map(status::text).unwrap_or_default();
            lines.extend(step.lines().map(str::to_owned));
        }
    }
    if let Some(before) = &imported.instead_of {
        lines.push(format!(
            "instead of {}, {}",
            before.layout, before.fingerprint
        ));
        if !before.releases.is_empty() {
            let kept = before.releases.join(", ");
            lines.push(format!("which stays that of {kept}"));
        } else if before.layout != release.layout {
            lines.push("which no release has any more".to_owned());
        }
        if !before.steps.is_empty() {
            lines.push(format!(
                "steps from or to that: {}; run `kconv-gen generate`",
                before.steps.join(", ")
            ));
        }
    }
    let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("{name}: {}\n{lines}", release.name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use kernel_structs::layout::Fingerprint;
    use kernel_structs::releases::Release;
    use std::borrow::Cow;

    /// A table that cannot take its name leaves no layout without an entry, and no other file.
    #[test]
    fn a_layout_is_taken_back_if_its_entry_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::at(folder.path());
        let layouts = project.structs.join("layouts");
        fs::create_dir_all(&layouts).unwrap();
        // No file takes the place of a folder that is not empty.
        fs::create_dir_all(project.structs.join("releases.toml/x")).unwrap();
        fs::write(layouts.join("renewed.btf"), "before").unwrap();
        let fingerprint: Fingerprint = "0".repeat(64).parse().unwrap();
        let mut before = Files::default();
        let text = |text: &'static str| Cow::Borrowed(text.as_bytes());
        before
            .layouts
            .insert("renewed.btf".to_owned(), text("before"));
        for name in ["new", "renewed"] {
            let entry = LayoutEntry {
                id: LayoutId(name.to_owned()),
                family: "linux-6".to_owned(),
                arch: "amd64".to_owned(),
                flavour: "standard".to_owned(),
                fingerprint,
                types: fingerprint,
                file: format!("{name}.btf"),
                source: "a test".to_owned(),
                constants: None,
            };
            let mut files = before.clone();
            files.layouts.insert(entry.file.clone(), text("after"));
            let imported = Imported {
                release: Release {
                    name: name.to_owned(),
                    version: "6.1".to_owned(),
                    arch: entry.arch.clone(),
                    flavour: entry.flavour.clone(),
                    layout: entry.id.clone(),
                    uname: None,
                    build_id: None,
                    hz: None,
                },
                family: entry.family.clone(),
                found: Found::New { entry, step: None },
                instead_of: None,
                files,
            };
            let error = project.store(&before, &imported).unwrap_err();
            assert!(error.to_string().contains("releases.toml"), "{error}");
        }
        let files: Vec<_> = fs::read_dir(&layouts)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(files, ["renewed.btf"]);
        assert_eq!(fs::read(layouts.join("renewed.btf")).unwrap(), b"before");
        assert_eq!(fs::read_dir(&project.structs).unwrap().count(), 2);
    }
}
