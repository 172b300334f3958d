//! The steps of a project: folders `linux-FROM-TO` with what people wrote of them.
//!
//! One layout is converted to another by one step, whose folder has the name of its converter. Of two
//! steps the one that `kconv` takes would depend on the order of their names, and a step that is not
//! where its name says would not be found by whoever looks for it.

use crate::overrides::{self, OverrideFinding, OverrideProblem, OverridesFile};
use kernel_structs::releases::{LayoutId, Registry, Release};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Name of the file that says what a step converts between.
pub const STEP: &str = "step.toml";

/// What the name of a step's folder begins with.
const FOLDER: &str = "linux-";

/// What the name of a step's converter begins with.
const CONVERTER: &str = "convert-";

/// A folder or file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct StepsError {
    /// The path.
    pub path: PathBuf,
    /// What the system said.
    pub error: io::Error,
}

/// All steps of a folder.
#[derive(Debug, Default)]
pub struct Steps {
    /// Those whose files are right, by name.
    pub files: Vec<StepFile>,
    /// What is wrong, by the path of the file.
    pub wrong: Vec<(PathBuf, Vec<OverrideFinding>)>,
}

/// One step.
#[derive(Clone, Debug)]
pub struct StepFile {
    /// Its folder.
    pub dir: PathBuf,
    /// The text of its file.
    pub text: String,
    /// What that says.
    pub file: OverridesFile,
}

impl StepFile {
    /// The path of the file.
    pub fn path(&self) -> PathBuf {
        self.dir.join(STEP)
    }
}

impl Steps {
    /// The steps in the folder `converters`, each held against the others, its own name and the releases
    /// of `registry`; none if there is no such folder.
    ///
    /// # Errors
    /// If a folder or file cannot be read.
    pub fn read(registry: &Registry, converters: &Path) -> Result<Steps, StepsError> {
        let mut steps = Steps::default();
        let mut taken: BTreeMap<(LayoutId, LayoutId), String> = BTreeMap::new();
        for dir in folders(converters)? {
            let path = dir.join(STEP);
            // Whatever else has the name, such as a pipe, might never end.
            if path.exists() && !path.is_file() {
                let error = io::Error::new(io::ErrorKind::InvalidInput, "no regular file");
                return Err(StepsError { path, error });
            }
            let text = match fs::read_to_string(&path) {
                Ok(text) => text,
                // Its pages are linked into kconv all the same.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let problem = OverrideProblem::NoStep;
                    steps
                        .wrong
                        .push((path, vec![OverrideFinding { line: 1, problem }]));
                    continue;
                }
                Err(error) => return Err(StepsError { path, error }),
            };
            let file = match overrides::parse(&text) {
                Ok(file) => file,
                Err(wrong) => {
                    steps.wrong.push((path, wrong));
                    continue;
                }
            };
            let mut wrong = Vec::from_iter(misnamed(&dir, &text, &file));
            for pair in &file.pairs {
                let mut found = Vec::new();
                let mut problems = Vec::new();
                for name in [&pair.from, &pair.to] {
                    match registry.release(name, None, None) {
                        Ok(release) => found.push(release),
                        Err(error) => problems.push(OverrideProblem::NoRelease(error.to_string())),
                    }
                }
                let family = |release: &Release| registry.layout_entry(&release.layout);
                let is_of_it = |release: &&Release| {
                    family(release).is_ok_and(|layout| layout.family == file.family)
                };
                if !found.iter().all(is_of_it) {
                    problems.push(OverrideProblem::OtherFamily {
                        family: file.family.clone(),
                    });
                }
                let line = pair.line;
                let findings = problems.into_iter();
                wrong.extend(findings.map(|problem| OverrideFinding { line, problem }));
                let &[from, to] = found.as_slice() else {
                    continue;
                };
                if from.layout == to.layout {
                    wrong.push(OverrideFinding {
                        line,
                        problem: OverrideProblem::OneLayout {
                            from: from.name.clone(),
                            to: to.name.clone(),
                            layout: from.layout.0.clone(),
                        },
                    });
                    continue;
                }
                match taken.entry((from.layout.clone(), to.layout.clone())) {
                    Entry::Vacant(free) => {
                        free.insert(format!("{}:{}", path.display(), pair.line));
                    }
                    Entry::Occupied(taken) => wrong.push(OverrideFinding {
                        line: pair.line,
                        problem: OverrideProblem::PairTwice {
                            from: taken.key().0.0.clone(),
                            to: taken.key().1.0.clone(),
                            place: taken.get().clone(),
                        },
                    }),
                }
            }
            match wrong.is_empty() {
                true => steps.files.push(StepFile { dir, text, file }),
                false => steps.wrong.push((path, wrong)),
            }
        }
        Ok(steps)
    }
}

/// The folders of steps in the folder `converters`: those named `linux-…`, by name.
///
/// # Errors
/// If the folder cannot be read.
pub fn folders(converters: &Path) -> Result<Vec<PathBuf>, StepsError> {
    let mut steps: Vec<PathBuf> = entries(converters)?
        .into_iter()
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // A step under another name is told as that.
            path.is_dir() && (name.starts_with(FOLDER) || path.join(STEP).exists())
        })
        .collect();
    steps.sort();
    Ok(steps)
}

/// What is in a folder; nothing if it is not there.
///
/// # Errors
/// If the folder cannot be read.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, StepsError> {
    let fail = |error| StepsError {
        path: folder.to_owned(),
        error,
    };
    let read = match fs::read_dir(folder) {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fail(error)),
    };
    read.map(|entry| Ok(entry.map_err(fail)?.path())).collect()
}

/// The name of the folder of the step between two names.
pub fn folder_name(from: &str, to: &str) -> String {
    format!("{FOLDER}{from}-{to}")
}

/// The name of the folder of the step with a converter of this name.
pub(crate) fn folder_of(converter: &str) -> String {
    let between = converter.strip_prefix(CONVERTER).unwrap_or(converter);
    format!("{FOLDER}{between}")
}

/// The name of the converter of the step between two names.
pub fn converter_name(from: &str, to: &str) -> String {
    format!("{CONVERTER}{from}-{to}")
}

/// That the folder of a step does not have the name of its converter.
fn misnamed(dir: &Path, text: &str, file: &OverridesFile) -> Option<OverrideFinding> {
    let found = dir.file_name().unwrap_or_default().to_string_lossy();
    let between = file.converter.strip_prefix(CONVERTER);
    let is_said = |line: &str| line.trim_start().starts_with("converter");
    (found.strip_prefix(FOLDER) != between).then(|| OverrideFinding {
        line: 1 + text.lines().position(is_said).unwrap_or_default(),
        problem: OverrideProblem::WrongFolder {
            converter: file.converter.clone(),
            found: dir.display().to_string(),
            expected: between.map(|between| format!("{FOLDER}{between}")),
            would_be: found
                .strip_prefix(FOLDER)
                .map(|name| format!("{CONVERTER}{name}")),
        },
    })
}
