//! The account of a command that a program can read: what was not carried, by code and task, whether
//! the command did what it was asked for or refused.

use crate::exit;
use crate::failure::Failure;
use crate::style;
use crate::told::Told;
use kconv_image::{Temporary, WriteError};
use kconv_runtime::report::Report;
use serde_json::{Map, Value, json};
use std::ffi::OsStr;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// The version of the format. It grows when a reader of the last one would go wrong.
const FORMAT: u32 = 1;

/// What a command says of itself in a report.
pub(crate) struct Account {
    command: &'static str,
    path: Option<PathBuf>,
    /// What takes the place of the report; made first, so that what stands in the way of it is found
    /// while nothing has been done.
    file: Option<Temporary>,
    /// The releases of the kernels: where the tasks come from, and where they go.
    pub(crate) kernels: [Option<String>; 2],
    pub(crate) image: Option<PathBuf>,
    pub(crate) dry_run: bool,
    /// What is not carried, but for what a failure tells.
    pub(crate) told: Vec<Told>,
    pub(crate) conversion: Option<Report>,
    /// What was done for each group of tasks, where there can be several.
    pub(crate) jobs: Vec<Value>,
    /// What was measured and counted.
    pub(crate) figures: Map<String, Value>,
}

impl Account {
    /// The account of a command, to be written to `path` if it has one. None of the files `others` may
    /// be there.
    ///
    /// # Errors
    /// If the report cannot be written there.
    pub(crate) fn begin(
        command: &'static str,
        path: Option<&Path>,
        others: &[&Path],
    ) -> Result<Account, Failure> {
        let mut account = Account {
            command,
            path: path.map(Path::to_owned),
            file: path
                .map(Temporary::create)
                .transpose()
                .map_err(not_written)?,
            kernels: [None, None],
            image: None,
            dry_run: false,
            told: Vec::new(),
            conversion: None,
            jobs: Vec::new(),
            figures: Map::new(),
        };
        account.keeps(others)?;
        Ok(account)
    }

    /// That the report does not take the place of one of `files`.
    ///
    /// # Errors
    /// If it would; then none is written, not even of that.
    pub(crate) fn keeps(&mut self, files: &[&Path]) -> Result<(), Failure> {
        let is_one = |path: &mut PathBuf| files.iter().any(|file| place(file) == place(path));
        match self.path.take_if(is_one) {
            Some(path) => {
                self.file = None;
                Err(Failure::ReportOver { path })
            }
            None => Ok(()),
        }
    }

    /// Takes what a conversion drops and resets, with all else that it says of itself.
    pub(crate) fn converted(&mut self, report: Report) {
        self.told
            .extend(report.changed.iter().filter_map(Told::field));
        self.conversion = Some(report);
    }

    /// Adds a figure.
    pub(crate) fn figure(&mut self, name: &str, value: impl Into<Value>) {
        self.figures.insert(name.to_owned(), value.into());
    }

    /// The account of a command that ended like that, as a report has it.
    pub(crate) fn json(&self, failure: Option<&Failure>) -> Value {
        let code = failure.map_or(exit::CLEAN, Failure::exit_code);
        let outcome = match code {
            exit::CLEAN => "done",
            exit::FINDINGS => "refused",
            _ => "failed",
        };
        let refused = failure.map(Failure::told).unwrap_or_default();
        let told = refused.iter().chain(&self.told);
        let [from, to] = &self.kernels;
        let error =
            failure.map(|failure| json!({ "text": failure.text(), "advice": failure.advice() }));
        json!({
            "format": FORMAT,
            "command": self.command,
            "kernels": { "from": from, "to": to },
            "image": self.image.as_ref().map(|image| image.to_string_lossy()),
            "dry-run": self.dry_run,
            "outcome": outcome,
            "exit-code": code,
            "error": error,
            "figures": self.figures,
            "findings": told.flat_map(Told::json).collect::<Vec<_>>(),
            "conversion": self.conversion,
            "jobs": self.jobs,
        })
    }

    /// Writes the report, if one was asked for, over one that was written before.
    ///
    /// # Errors
    /// If it cannot be written; then the file has what it had.
    pub(crate) fn write(&mut self, failure: Option<&Failure>) -> Result<(), Failure> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let mut file = match self.file.take() {
            Some(file) => file,
            None => Temporary::create(path).map_err(not_written)?,
        };
        let shown = self.json(failure);
        write(&mut file, &shown).map_err(|source| Failure::Report {
            path: path.clone(),
            source,
        })?;
        file.publish().map_err(not_written)
    }

    /// Writes the report of a command that ended like that, and hands on how it ended.
    ///
    /// # Errors
    /// As the command, or if the report of one that went well cannot be written.
    pub(crate) fn close<T>(&mut self, ended: Result<T, Failure>) -> Result<T, Failure> {
        let written = self.write(ended.as_ref().err());
        match (ended, written) {
            (Ok(done), written) => written.map(|()| done),
            (Err(failure), written) => {
                if let Err(error) = written {
                    style::warn(&error);
                }
                Err(failure)
            }
        }
    }
}

fn write(file: &mut Temporary, shown: &Value) -> io::Result<()> {
    let mut out = BufWriter::new(&file.file);
    serde_json::to_writer_pretty(&mut out, shown)?;
    out.write_all(b"\n")?;
    out.flush()?;
    drop(out);
    file.file.sync_all()
}

/// Where a path leads, also if nothing is there yet.
fn place(path: &Path) -> PathBuf {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or(OsStr::new(""));
    path.canonicalize()
        .or_else(|_| Ok::<_, io::Error>(folder.canonicalize()?.join(name)))
        .unwrap_or_else(|_| path.to_owned())
}

/// Why the report cannot be put where it was to go.
fn not_written(error: WriteError) -> Failure {
    match error {
        WriteError::Write { path, source } => Failure::Report { path, source },
        error => Failure::ReportPlace(Box::new(error)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use kconv_codes::Code;
    use kconv_image::TaskName;
    use kconv_thaw::{Obstacle, ObstacleOf, ThawError};
    use std::fs;

    fn refused(pids: &[i64]) -> Failure {
        let task = |pid: &i64| TaskName {
            pid: *pid,
            comm: "a\nb".to_owned(),
        };
        let obstacle = Obstacle {
            code: Code::FileMissing,
            of: ObstacleOf::Machine,
            tasks: pids.iter().map(task).collect(),
            resource: "directory /srv".to_owned(),
            found: "nothing".to_owned(),
            expected: "a directory".to_owned(),
            advice: "put it there",
        };
        Failure::Thaw(ThawError::Obstacles {
            all: vec![obstacle],
            apart: None,
        })
    }

    #[test]
    fn a_finding_of_several_tasks_is_reported_of_each() {
        let account = Account::begin("thaw", None, &[]).unwrap();
        let tasks = |failure: &Failure| -> Vec<Value> {
            let shown = account.json(Some(failure));
            let findings = shown["findings"].as_array().unwrap().iter();
            findings.map(|finding| finding["task"].clone()).collect()
        };
        let of = |pid| json!({ "pid": pid, "comm": "a\nb" });
        assert_eq!(tasks(&refused(&[5, 6, 7, 8])), [5, 6, 7, 8].map(of));
        assert_eq!(tasks(&refused(&[])), [Value::Null]);
        insta::assert_snapshot!(format!("{:#}", account.json(Some(&refused(&[5])))));
    }

    #[test]
    fn a_report_is_whole_or_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report");
        let count = || fs::read_dir(folder.path()).unwrap().count();
        fs::write(&path, "before").unwrap();
        let mut account = Account::begin("thaw", Some(&path), &[]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"before");
        // Whoever ends without a report leaves nothing.
        drop(account);
        assert_eq!((fs::read(&path).unwrap(), count()), (b"before".to_vec(), 1));

        account = Account::begin("thaw", Some(&path), &[]).unwrap();
        let outcome = || {
            let shown: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            (shown["outcome"].clone(), shown["exit-code"].clone())
        };
        assert_eq!(account.close(Ok(7)).unwrap(), 7);
        assert_eq!(outcome(), (json!("done"), json!(0)));
        // What fails after that is told in its place.
        let failure = account.close::<()>(Err(refused(&[5]))).unwrap_err();
        assert_eq!(failure.exit_code(), exit::FINDINGS);
        assert_eq!(outcome(), (json!("refused"), json!(1)));
        assert_eq!(count(), 1);
    }

    #[test]
    fn a_report_that_cannot_be_written_at_last_fails_what_went_well() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub/report");
        fs::create_dir(folder.path().join("sub")).unwrap();
        let mut account = Account::begin("thaw", Some(&path), &[]).unwrap();
        fs::remove_dir_all(folder.path().join("sub")).unwrap();
        let failure = account.close(Ok(())).unwrap_err();
        assert!(matches!(failure, Failure::Report { .. }), "{failure}");
        assert_eq!(failure.exit_code(), exit::USAGE);
        // And is no reason to tell another failure than that which there was.
        let mut account = Account::begin("thaw", None, &[]).unwrap();
        account.path = Some(path);
        let failure = account.close::<()>(Err(refused(&[5]))).unwrap_err();
        assert!(matches!(failure, Failure::Thaw(_)), "{failure}");
    }
}
