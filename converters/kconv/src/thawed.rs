//! Which processes of which freezes were thawed. A freeze is known by the kernel that ran and its clocks, which all images
//! have that were made of it by conversion; two copies of one process write to the same files, so that the second is not made
//! unless it is asked for.
//!
//! It is noted before anything is made, and struck out if nothing was: whatever ends kconv in between, a process is not made
//! twice without a word, but one may have to be asked for with `--again` that never was.

use crate::failure::Failure;
use kconv_image::{Digest, Temporary, WriteError, remove_file};
use kconv_runtime::error::ConvertError;
use std::collections::BTreeSet;
use std::fs::DirBuilder;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Where it is noted, in a file for each freeze, with a line for each process.
pub(crate) const FOLDER: &str = "/var/lib/kconv/thawed";

/// What was noted of a freeze.
pub(crate) struct Note {
    path: PathBuf,
    /// What was noted before.
    before: BTreeSet<i32>,
}

impl Note {
    /// Notes in `folder` that these processes of an image, which was made by a freeze, are made. Those that were made before are in the way, unless they
    /// are to be made `again`.
    pub(crate) fn make(
        folder: &Path,
        (image, freeze): (&Path, Digest),
        processes: &BTreeSet<i32>,
        again: bool,
    ) -> Result<Note, Failure> {
        let path = folder.join(freeze.to_string());
        let before = read(&path)?;
        let twice: BTreeSet<i32> = before.intersection(processes).copied().collect();
        if !twice.is_empty() && !again {
            return Err(Failure::Thawed {
                image: image.to_owned(),
                processes: twice,
                note: path,
            });
        }
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|source| not_noted(folder, source))?;
        write(&path, &before.union(processes).copied().collect())?;
        Ok(Note { path, before })
    }

    /// Strikes it out: nothing was made.
    pub(crate) fn strike(self) -> Result<(), Failure> {
        match self.before.is_empty() {
            true => Ok(remove_file(&self.path).map_err(ConvertError::from)?),
            false => write(&self.path, &self.before),
        }
    }
}

fn read(path: &Path) -> Result<BTreeSet<i32>, Failure> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        text => text.map_err(|source| not_noted(path, source))?,
    };
    let processes: Result<BTreeSet<i32>, _> = text.lines().map(str::parse).collect();
    processes.map_err(|_| not_noted(path, io::ErrorKind::InvalidData.into()))
}

fn write(path: &Path, processes: &BTreeSet<i32>) -> Result<(), Failure> {
    let failed = |error: WriteError| Failure::Convert(ConvertError::from(error));
    let mut file = Temporary::create(path).map_err(failed)?;
    let text: String = processes.iter().map(|pid| format!("{pid}\n")).collect();
    let written = file
        .file
        .write_all(text.as_bytes())
        .and_then(|()| file.file.sync_all());
    written.map_err(|source| not_noted(path, source))?;
    file.publish().map_err(failed)
}

fn not_noted(path: &Path, source: io::Error) -> Failure {
    Failure::NotNoted {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn make(folder: &Path, freeze: u8, pids: &[i32], again: bool) -> Result<Note, Failure> {
        let image = (Path::new("a.img"), Digest([freeze; 32]));
        Note::make(folder, image, &pids.iter().copied().collect(), again)
    }

    #[test]
    fn a_process_is_made_once_unless_it_is_asked_for_again() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("kconv/thawed");
        make(&at, 1, &[5, 9], false).unwrap();
        let refused = make(&at, 1, &[9, 11], false).err().unwrap();
        assert!(
            refused.to_string().contains("thawed before: 9"),
            "{refused}"
        );
        assert!(refused.advice().unwrap().contains("--again"));
        // Another process of it, the same of another freeze, and the same if it has to be.
        make(&at, 1, &[11], false).unwrap();
        make(&at, 2, &[5, 9], false).unwrap();
        make(&at, 1, &[5], true).unwrap();
        assert!(make(&at, 1, &[5], false).is_err());
        assert!(make(&at, 1, &[11], false).is_err());
    }

    #[test]
    fn what_was_not_made_is_struck_out_and_what_was_before_is_not() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), 1, &[5], false)
            .unwrap()
            .strike()
            .unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        make(folder.path(), 1, &[5], false).unwrap();
        make(folder.path(), 1, &[9], false)
            .unwrap()
            .strike()
            .unwrap();
        make(folder.path(), 1, &[5], true)
            .unwrap()
            .strike()
            .unwrap();
        assert!(make(folder.path(), 1, &[5], false).is_err());
        make(folder.path(), 1, &[9], false).unwrap();
    }

    /// A note that says nothing is none that nothing was made.
    #[test]
    fn a_note_that_cannot_be_read_is_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), 1, &[5], false).unwrap();
        let note = std::fs::read_dir(folder.path()).unwrap().next().unwrap();
        std::fs::write(note.unwrap().path(), "5\nsix\n").unwrap();
        assert!(make(folder.path(), 1, &[9], false).is_err());
    }
}
