//! The decisions of a project.

use crate::generate::{self, GenerateError};
use crate::overrides::{self, Changes, FOLDER, FlagDecision, Override, OverrideAction};
use crate::steps::{self, STEP};
use std::fs;
use std::path::{Path, PathBuf};

/// The decisions of one family, and of all of its converters.
#[derive(Clone, Debug, Default)]
pub struct Project {
    entries: Vec<(PathBuf, Override)>,
    flags: Vec<(PathBuf, FlagDecision)>,
}

impl Project {
    /// Reads what is decided in `converters`; nothing if there is no such folder.
    ///
    /// # Errors
    /// If a file with decisions cannot be read.
    pub fn read(converters: &Path, family: &str) -> Result<Project, GenerateError> {
        let (mut entries, mut flags) = (Vec::new(), Vec::new());
        if converters.is_dir() {
            let folder = converters.join(FOLDER);
            let changes = Changes::read(&folder, family)?;
            for flag in &changes.flags {
                flags.push((folder.join(family).join(&flag.file), flag.clone()));
            }
            for entry in changes.all() {
                let file = entry
                    .origin
                    .as_ref()
                    .map_or("", |origin| origin.file.as_str());
                entries.push((folder.join(family).join(file), entry));
            }
            for dir in steps::folders(converters).map_err(GenerateError::from)? {
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
                    let own = file.overrides.entries.into_iter();
                    entries.extend(own.map(|entry| (path.clone(), entry)));
                }
            }
        }
        Ok(Project { entries, flags })
    }

    fn all(&self) -> impl Iterator<Item = (&Path, &Override)> {
        self.entries
            .iter()
            .map(|(path, entry)| (path.as_path(), entry))
    }

    fn entries<'a>(&'a self, field: &'a str) -> impl Iterator<Item = (&'a Path, &'a Override)> {
        self.all().filter(move |(_, entry)| entry.field == field)
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
        let used = |entry: &Override| entry.action.reads().contains(&name);
        let of_type = |entry: &Override| entry.field.split_once('.').is_some_and(|own| own.0 == ty);
        let found = self.all().find(|(_, entry)| of_type(entry) && used(entry));
        found.map(|(path, entry)| Decision::of(path, entry))
    }

    /// The override that converts `field`, which both sides have.
    pub(super) fn converts(&self, field: &str) -> Option<Decision> {
        let both = |entry: &Override| {
            matches!(
                entry.action,
                OverrideAction::Scale { .. } | OverrideAction::MergeSum | OverrideAction::Call(_)
            )
        };
        let mut all = self.entries(field).filter(|(_, entry)| both(entry));
        all.next().map(|(path, entry)| Decision::of(path, entry))
    }

    /// Where an override stands that a plan was made with.
    pub(super) fn place_of(&self, entry: &Override) -> String {
        let is_it = |other: &Override| {
            (&other.origin, other.line, &other.field) == (&entry.origin, entry.line, &entry.field)
        };
        let found = self.all().find(|(_, other)| is_it(other));
        found.map_or_else(
            || entry.place(),
            |(path, entry)| Decision::of(path, entry).place,
        )
    }

    /// Where a decision about a flag stands.
    pub(super) fn place_of_flag(&self, flag: &FlagDecision) -> String {
        let found = self.flags.iter().find(|(_, other)| other == flag);
        found.map_or_else(
            || flag.place(),
            |(path, flag)| format!("{}:{}", path.display(), flag.line),
        )
    }

    /// The decision about a flag, by the name of its constant.
    pub(super) fn of_flag(&self, constant: &str) -> Option<Decision> {
        let found = self.flags.iter().find(|(_, flag)| flag.name == constant);
        found.map(|(path, flag)| Decision {
            place: format!("{}:{}", path.display(), flag.line),
            reason: flag.reason.clone(),
        })
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
