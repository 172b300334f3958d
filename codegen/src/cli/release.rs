//! `kconv-gen release import`.

use super::archive;
use super::constants::Said;
use super::kernel::Read;
use super::{CliError, Ended, print};
use kconv_codegen::import::{self, Found, Imported, Refusals, Renewal};
use kconv_codegen::pending::{Pending, sweep};
use kconv_codegen::status;
use kernel_structs::releases::{Files, LayoutEntry, LayoutId, Registry};
use kernel_structs_routes::bzimage::Config;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

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
            self.write(&before, &files)?;
        }
        Ok(all)
    }

    /// Registers kernels, with their layouts where those are new: all of them, or none if one is refused or
    /// they are not `wanted` after all. What others register meanwhile waits, from the reading of the table
    /// to the new one: it would be written over otherwise.
    pub(super) fn register(
        &self,
        kernels: &[&import::Kernel],
        wanted: bool,
    ) -> Result<Vec<Result<Imported, Refusals>>, CliError> {
        let _alone = super::lock(&self.structs, File::lock)?;
        sweep(&self.structs);
        let before = super::stored_files(&self.structs)?;
        super::decisions(&Registry::parse(before.clone())?, &self.converters)?;
        let mut files = before.clone();
        let mut all = Vec::new();
        for kernel in kernels {
            // Each is held against what the ones before it bring.
            let imported = import::import(files.clone(), kernel, &self.converters);
            if let Ok(imported) = &imported {
                files = imported.files.clone();
            }
            all.push(imported);
        }
        if wanted && all.iter().all(Result::is_ok) && files != before {
            self.write(&before, &files)?;
        }
        Ok(all)
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
        self.write(&before, &files)?;
        Ok(renewed)
    }

    /// Writes the table, and the layouts that are new or others than `before`. All files are whole on the disk before
    /// the first of them takes its name, and if one cannot take its own, those before it are put back.
    fn write(&self, before: &Files, files: &Files) -> Result<(), CliError> {
        let write = |path: PathBuf, data: &[u8]| {
            Pending::write(&path, data).map_err(|error| CliError::Io { path, error })
        };
        let table = self.structs.join("releases.toml");
        let table = write(table, files.releases.as_bytes())?;
        let folder = self.structs.join("layouts");
        let mut pending = Vec::new();
        for (name, data) in &files.layouts {
            if before.layouts.get(name) != Some(data) {
                pending.push(write(folder.join(name), data)?);
            }
        }
        let mut taken = Vec::new();
        // The table is the last: it names the others.
        for file in pending.into_iter().chain([table]) {
            let path = file.path().to_owned();
            match file.take_name() {
                Ok(()) => taken.push(path),
                Err(error) => {
                    put_back(before, &taken)?;
                    return Err(CliError::Io { path, error });
                }
            }
        }
        Ok(())
    }
}

/// Gives the files of layouts what they held before, which may be nothing.
fn put_back(before: &Files, layouts: &[PathBuf]) -> Result<(), CliError> {
    for path in layouts {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let put_back = match before.layouts.get(&*name) {
            Some(data) => fs::write(path, data),
            None => fs::remove_file(path),
        };
        put_back.map_err(|error| CliError::Io {
            path: path.clone(),
            error,
        })?;
    }
    Ok(())
}

/// Prints the kernels that the archive offers and nobody has imported.
pub(crate) fn missing(project: &Path) -> Result<Ended, CliError> {
    let registry = Project::at(project).registry()?;
    let known: BTreeSet<&str> = registry
        .releases()
        .iter()
        .map(|release| release.name.as_str())
        .collect();
    let offered = archive::kernels()?;
    let is_missing = |package: &&String| {
        let release = package.strip_prefix("linux-image-");
        release.is_some_and(|release| !known.contains(release))
    };
    let mut ended = Ended::Clean;
    for package in offered.iter().filter(is_missing) {
        print(&format!("{package}\n"))?;
        ended = Ended::Findings;
    }
    Ok(ended)
}

/// That what is said is for as many kernels as there are.
pub(super) fn fit_together(
    sources: &[String],
    said: Said<'_>,
    replace: bool,
) -> Result<(), CliError> {
    let mut wrong = Vec::new();
    if replace && sources.len() > 1 {
        wrong.push(CliError::ReplaceOne);
    }
    if sources.len() > 1 && said.is_anything() {
        wrong.push(CliError::HeadersOfOne);
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(CliError::all(wrong)),
    }
}

/// Imports kernels: all of them, or none. What is wrong with any of them is told at once, so that a person can mend all of
/// it before the next try.
pub(crate) fn import(
    sources: &[String],
    said: Said<'_>,
    replace: bool,
    project: &Path,
) -> Result<Ended, CliError> {
    fit_together(sources, said, replace)?;
    let project = Project::at(project);
    let registry = project.registry()?;
    let read: Vec<Read> = sources
        .iter()
        .map(|name| Read::new(&registry, name, said, replace))
        .collect();
    let is_whole = read.iter().all(|read| read.wrong.is_empty());
    let found = read.iter().filter_map(|read| read.source.as_ref());
    let kernels: Vec<&import::Kernel> = found.map(|source| &source.kernel).collect();
    let mut registered = project.register(&kernels, is_whole)?.into_iter();
    let mut refused = Vec::new();
    let mut imported = Vec::new();
    for (name, mut read) in sources.iter().zip(read) {
        if let Some(source) = read.source.take() {
            match registered.next() {
                Some(Ok(found)) => imported.push((name, source, found)),
                Some(Err(refusals)) => read.refuse(refusals),
                None => {}
            }
        }
        refused.push((name.clone(), read.wrong));
    }
    if refused.iter().any(|(_, wrong)| !wrong.is_empty()) {
        return Err(CliError::Refused(refused));
    }
    let mut ended = Ended::Clean;
    for (name, source, imported) in imported {
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
        let mut before = Files::default();
        let text = |text: &'static str| Cow::Borrowed(text.as_bytes());
        before
            .layouts
            .insert("renewed.btf".to_owned(), text("before"));
        for name in ["new", "renewed"] {
            let mut files = before.clone();
            files.layouts.insert(format!("{name}.btf"), text("after"));
            let error = project.write(&before, &files).unwrap_err();
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
