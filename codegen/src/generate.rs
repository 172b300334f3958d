//! Converter crates: their generated files, made and compared with what is there.
//!
//! A crate holds what people wrote, `overrides.toml` and where needed `src/overrides.rs`, and one
//! file per pair of releases that is made from it and from the decisions of the family,
//! `src/generated/MODULE.rs`.

use crate::emit::{self, EmitError};
use crate::overrides::{
    self, Changes, ChangesError, OverrideFinding, OverrideProblem, Overrides, PairEntry, stale,
};
use crate::plan::{Made, Pair, Plan, Side, Undecided};
use kernel_structs::layout::Layout;
use kernel_structs::releases::{LookupError, Registry, RegistryError, Release};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Name of the file with the decisions.
pub const OVERRIDES: &str = "overrides.toml";

/// Where the generated files are, in a crate.
pub const GENERATED: &str = "src/generated";

/// A file of a crate that is made from its overrides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedFile {
    /// Its path in the crate.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// What is wrong with a crate's decisions.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Entries of `overrides.toml`.
    pub overrides: Vec<OverrideFinding>,
    /// Undecided fields, with the names of the releases.
    pub undecided: Vec<((String, String), Undecided)>,
}

impl Findings {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.overrides.is_empty() && self.undecided.is_empty()
    }
}

/// Why a crate's files were not made.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The decisions are wrong or not enough.
    #[error("the plan is not complete")]
    Findings(Findings),
    /// Decisions of the family that cannot be used.
    #[error(transparent)]
    Changes(#[from] ChangesError),
    /// A release that is not known.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// A layout or state map that cannot be read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The releases of a pair are of different machines or families.
    #[error("{from} and {to} are not of one machine and family, {family}")]
    Unrelated {
        /// The first.
        from: String,
        /// The second.
        to: String,
        /// The family in the overrides file.
        family: String,
    },
    /// The releases are of different kernel families.
    #[error("{from} and {to} are of different families, {from_family} and {to_family}")]
    Families {
        /// The first.
        from: String,
        /// The second.
        to: String,
        /// Family of the first.
        from_family: String,
        /// Family of the second.
        to_family: String,
    },
    /// A plan that cannot be written as Rust.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// A file that cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// Makes the generated files of the crate in `dir`, with the decisions of its family in the folder
/// [`overrides::FOLDER`] beside it; nothing is written.
///
/// # Errors
/// [`GenerateError`]. Findings of all pairs are reported together.
pub fn generate(dir: &Path, registry: &Registry) -> Result<Vec<GeneratedFile>, GenerateError> {
    let path = dir.join(OVERRIDES);
    let text = fs::read_to_string(&path).map_err(|error| GenerateError::Io {
        path: path.clone(),
        error,
    })?;
    generate_from(&text, registry, &family_folder(dir))
}

/// The folder with the decisions of all families, for the crate in `dir`.
pub fn family_folder(dir: &Path) -> PathBuf {
    match dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(converters) => converters.join(overrides::FOLDER),
        None => Path::new("..").join(overrides::FOLDER),
    }
}

/// As [`generate`], with the text of the overrides file, and the folder with the decisions of all
/// families.
///
/// # Errors
/// As for [`generate`].
pub fn generate_from(
    text: &str,
    registry: &Registry,
    folder: &Path,
) -> Result<Vec<GeneratedFile>, GenerateError> {
    let file = overrides::parse(text).map_err(|overrides| {
        GenerateError::Findings(Findings {
            overrides,
            ..Findings::default()
        })
    })?;
    let changes = Changes::read(folder, &file.family)?;
    let map = registry.state_map(&file.family)?;
    let mut findings = Findings::default();
    let mut all = Vec::new();
    for entry in &file.pairs {
        let (from, to) = (end(registry, &entry.from)?, end(registry, &entry.to)?);
        for end in [&from, &to] {
            findings.overrides.extend(check_pin(entry, end));
        }
        if from.release.arch != to.release.arch
            || [&from, &to].iter().any(|end| end.family != file.family)
        {
            return Err(GenerateError::Unrelated {
                from: from.release.name.clone(),
                to: to.release.name.clone(),
                family: file.family.clone(),
            });
        }
        let (decided, twice) = decided(&file.overrides, &changes, (&from, &to));
        for finding in twice {
            if !findings.overrides.contains(&finding) {
                findings.overrides.push(finding);
            }
        }
        let made = Plan::make(&Pair {
            converter: &file.converter,
            machine: &from.release.arch,
            from: from.side(),
            to: to.side(),
            map: &map,
            overrides: &decided,
        });
        let names = (entry.from.clone(), entry.to.clone());
        let undecided = made.undecided.iter().cloned();
        findings
            .undecided
            .extend(undecided.map(|undecided| (names.clone(), undecided)));
        all.push((entry, from, to, made));
    }
    let made: Vec<&Made> = all.iter().map(|(_, _, _, made)| made).collect();
    findings.overrides.extend(stale(&file.overrides, &made));
    if !findings.is_empty() {
        return Err(GenerateError::Findings(findings));
    }
    all.iter()
        .map(|(entry, from, to, made)| {
            Ok(GeneratedFile {
                path: Path::new(GENERATED).join(format!("{}.rs", entry.module)),
                text: emit::emit(&made.plan, &map.live(&from.layout), &map.live(&to.layout))?,
            })
        })
        .collect()
}

/// What is decided for a pair: by the step itself, and by its family, with what is wrong about the
/// two together.
pub fn decided(
    own: &Overrides,
    changes: &Changes,
    (from, to): (&End<'_>, &End<'_>),
) -> (Overrides, Vec<OverrideFinding>) {
    own.with(changes.between(&from.layout, &to.layout))
}

/// One release of a pair, with its layout.
pub struct End<'a> {
    /// The release.
    pub release: &'a Release,
    /// Its kernel family.
    pub family: &'a str,
    /// Fingerprint of the saved types.
    pub fingerprint: kernel_structs::layout::Fingerprint,
    /// Its layout.
    pub layout: Layout,
}

impl End<'_> {
    /// This release as one side of a pair.
    pub fn side(&self) -> Side<'_> {
        Side {
            release: &self.release.name,
            layout_name: &self.release.layout.0,
            fingerprint: self.fingerprint,
            layout: &self.layout,
        }
    }
}

/// The release that `name` means, with its layout.
///
/// # Errors
/// If there is no such release, or its layout cannot be read.
pub fn end<'a>(registry: &'a Registry, name: &str) -> Result<End<'a>, GenerateError> {
    let release = registry.release(name, None, None)?;
    let entry = registry.layout_entry(&release.layout)?;
    Ok(End {
        release,
        family: &entry.family,
        fingerprint: entry.fingerprint,
        layout: registry.layout(&release.layout)?,
    })
}

pub(crate) fn check_pin(entry: &PairEntry, end: &End<'_>) -> Option<OverrideFinding> {
    let pinned = match end.release.name == entry.from {
        true => entry.from_fingerprint,
        false => entry.to_fingerprint,
    };
    (pinned != end.fingerprint).then(|| OverrideFinding {
        line: entry.line,
        problem: OverrideProblem::WrongFingerprint {
            release: end.release.name.clone(),
            found: end.fingerprint,
            pinned,
        },
    })
}

/// A generated file that is not as it would be made now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It is not there.
    Missing(PathBuf),
    /// It has another text.
    Changed(PathBuf),
    /// Nothing makes it any more.
    LeftOver(PathBuf),
}

/// Holds the files in `dir` against those that are made now.
///
/// # Errors
/// If a file cannot be read.
pub fn compare(dir: &Path, files: &[GeneratedFile]) -> Result<Vec<Difference>, GenerateError> {
    let mut differences = Vec::new();
    for file in files {
        let path = dir.join(&file.path);
        match fs::read(&path) {
            Ok(found) if found == file.text.as_bytes() => {}
            Ok(_) => differences.push(Difference::Changed(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                differences.push(Difference::Missing(path));
            }
            Err(error) => return Err(GenerateError::Io { path, error }),
        }
    }
    differences.extend(left_over(dir, files)?.into_iter().map(Difference::LeftOver));
    Ok(differences)
}

/// Writes the files into `dir`, and removes generated files that nothing makes any more. Returns
/// the paths of those that changed.
///
/// # Errors
/// If a file cannot be read or written.
pub fn write(dir: &Path, files: &[GeneratedFile]) -> Result<Vec<PathBuf>, GenerateError> {
    let mut changed = Vec::new();
    for difference in compare(dir, files)? {
        let path = match difference {
            Difference::LeftOver(path) => {
                fs::remove_file(&path).map_err(|error| GenerateError::Io {
                    path: path.clone(),
                    error,
                })?;
                changed.push(path);
                continue;
            }
            Difference::Missing(path) | Difference::Changed(path) => path,
        };
        let text = files.iter().find(|file| dir.join(&file.path) == path);
        if let Some(file) = text {
            write_file(&path, &file.text).map_err(|error| GenerateError::Io {
                path: path.clone(),
                error,
            })?;
            changed.push(path);
        }
    }
    Ok(changed)
}

fn write_file(path: &Path, text: &str) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, text)
}

fn left_over(dir: &Path, files: &[GeneratedFile]) -> Result<Vec<PathBuf>, GenerateError> {
    let generated = dir.join(GENERATED);
    let fail = |error| GenerateError::Io {
        path: generated.clone(),
        error,
    };
    let entries = match fs::read_dir(&generated) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fail(error)),
    };
    let mut left_over = Vec::new();
    for entry in entries {
        let path = entry.map_err(fail)?.path();
        if !files.iter().any(|file| dir.join(&file.path) == path) {
            left_over.push(path);
        }
    }
    left_over.sort();
    Ok(left_over)
}

/// The converter crates in the folder `converters`: those named `linux-…`, by name.
///
/// # Errors
/// If the folder cannot be read.
pub fn crates(converters: &Path) -> Result<Vec<PathBuf>, GenerateError> {
    let fail = |error| GenerateError::Io {
        path: converters.to_owned(),
        error,
    };
    let mut crates = Vec::new();
    for entry in fs::read_dir(converters).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let named = entry.file_name().to_string_lossy().starts_with("linux-");
        if named && entry.path().join(OVERRIDES).is_file() {
            crates.push(entry.path());
        }
    }
    crates.sort();
    Ok(crates)
}
