//! The decisions of a project's converters.

use crate::generate::{self, GenerateError, STEP};
use crate::overrides::{self, Override, OverrideAction, OverridesFile};
use std::fs;
use std::path::{Path, PathBuf};

/// The overrides of all converters of one family.
#[derive(Clone, Debug, Default)]
pub struct Project {
    files: Vec<(PathBuf, OverridesFile)>,
}

impl Project {
    /// Reads the converter crates in `converters`; none if there is no such folder.
    ///
    /// # Errors
    /// If a crate's overrides cannot be read.
    pub fn read(converters: &Path, family: &str) -> Result<Project, GenerateError> {
        let mut files = Vec::new();
        if converters.is_dir() {
            for dir in generate::steps(converters)? {
                let path = dir.join(STEP);
                let text = fs::read_to_string(&path).map_err(|error| GenerateError::Io {
                    path: path.clone(),
                    error,
                })?;
                let file = overrides::parse(&text).map_err(|overrides| {
                    GenerateError::Findings(generate::Findings {
                        overrides,
                        ..Default::default()
                    })
                })?;
                if file.family == family {
                    files.push((path, file));
                }
            }
        }
        Ok(Project { files })
    }

    fn entries<'a>(&'a self, field: &'a str) -> impl Iterator<Item = (&'a Path, &'a Override)> {
        self.files.iter().flat_map(move |(path, file)| {
            let entries = file.overrides.entries.iter();
            entries
                .filter(move |entry| entry.field == field)
                .map(move |entry| (path.as_path(), entry))
        })
    }

    /// The override that says what a new field `field` gets.
    pub(super) fn writes(&self, field: &str) -> Option<Decision> {
        let mut all = self.entries(field).filter(|(_, entry)| !entry.is_drop());
        all.next().map(|(path, entry)| Decision::of(path, entry))
    }

    /// The override that says what becomes of the old field `field`.
    pub(super) fn reads(&self, field: &str) -> Option<Decision> {
        let mut drops = self.entries(field).filter(|(_, entry)| entry.is_drop());
        if let Some((path, entry)) = drops.next() {
            return Some(Decision::of(path, entry));
        }
        let (ty, name) = field.split_once('.')?;
        let all = self.files.iter();
        let mut all = all.flat_map(|(path, file)| {
            file.overrides
                .entries
                .iter()
                .map(move |entry| (path, entry))
        });
        let used = |entry: &Override| match &entry.action {
            OverrideAction::Rename { old } => old == name,
            OverrideAction::Call { from, .. } => from.iter().any(|from| from == name),
            _ => false,
        };
        let of_type = |entry: &Override| entry.field.split_once('.').is_some_and(|own| own.0 == ty);
        let found = all.find(|(_, entry)| of_type(entry) && used(entry));
        found.map(|(path, entry)| Decision::of(path, entry))
    }

    /// The override that converts `field`, which both sides have.
    pub(super) fn converts(&self, field: &str) -> Option<Decision> {
        let both = |entry: &Override| {
            matches!(
                entry.action,
                OverrideAction::Scale { .. }
                    | OverrideAction::Remap(_)
                    | OverrideAction::MergeSum
                    | OverrideAction::Call { .. }
            )
        };
        let mut all = self.entries(field).filter(|(_, entry)| both(entry));
        all.next().map(|(path, entry)| Decision::of(path, entry))
    }

    /// The override that knows a flag by the name of its constant.
    pub(super) fn remaps(&self, constant: &str) -> Option<Decision> {
        let all = self.files.iter();
        let mut all = all.flat_map(|(path, file)| {
            file.overrides
                .entries
                .iter()
                .map(move |entry| (path, entry))
        });
        let knows = |entry: &Override| match &entry.action {
            OverrideAction::Remap(flags) => flags.iter().any(|flag| flag.name == constant),
            _ => false,
        };
        let found = all.find(|(_, entry)| knows(entry));
        found.map(|(path, entry)| Decision::of(path, entry))
    }
}

/// An override, as it is shown.
pub(super) struct Decision {
    pub(super) place: String,
    pub(super) reason: String,
}

impl Decision {
    fn of(path: &Path, entry: &Override) -> Decision {
        Decision {
            place: format!("{}:{}", path.display(), entry.line),
            reason: entry.reason.clone(),
        }
    }
}
