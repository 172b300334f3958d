//! Two programs, measured in turn.
//!
//! What else the machine does goes up and down, and so does what its disk takes. Two programs one right after the other
//! meet the same of it, and which comes first changes with each pair.

use crate::once::{RunError, Usage, apart};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Two commands that are measured in turn.
pub struct Contest {
    /// What is measured.
    pub own: Vec<OsString>,
    /// What it is held against.
    pub peer: Vec<OsString>,
    /// A file that both write; it is removed before each run.
    pub output: Option<PathBuf>,
    /// A folder on the file system that they write to: what is not on disk yet is written before each run, for
    /// else the next would wait for it.
    pub folder: PathBuf,
}

/// What a pair of runs took.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// What is measured.
    pub own: Usage,
    /// What it is held against.
    pub peer: Usage,
}

impl Contest {
    /// Runs each of the two so many times, after once more of which nothing is said: files that they read are in memory
    /// then. `measurer` is this program.
    ///
    /// # Errors
    /// If a program cannot be run, or fails.
    pub fn measure(&self, measurer: &Path, pairs: usize) -> Result<Vec<Pair>, RunError> {
        let run = |command: &[OsString]| {
            self.prepare().map_err(|source| RunError::Start {
                program: self.folder.display().to_string(),
                source,
            })?;
            apart(measurer, command)
        };
        let mut found = Vec::new();
        for number in 0..=pairs {
            let pair = match number % 2 {
                0 => {
                    let own = run(&self.own)?;
                    let peer = run(&self.peer)?;
                    Pair { own, peer }
                }
                _ => {
                    let peer = run(&self.peer)?;
                    let own = run(&self.own)?;
                    Pair { own, peer }
                }
            };
            if number > 0 {
                found.push(pair);
            }
        }
        self.prepare().map_err(|source| RunError::Start {
            program: self.folder.display().to_string(),
            source,
        })?;
        Ok(found)
    }

    fn prepare(&self) -> io::Result<()> {
        if let Some(output) = &self.output {
            match fs::remove_file(output) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        rustix::fs::syncfs(fs::File::open(&self.folder)?)?;
        Ok(())
    }
}
