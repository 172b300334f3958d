//! The file that becomes the destination, and everything that can stand in its way.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::WriteError;

/// The longest file name that every usual file system takes (NAME_MAX).
const NAME_MAX: usize = 255;

/// How many names are tried; a name is taken only if a killed process with our number left it.
const ATTEMPTS: u32 = 1000;

/// A file beside the destination, which is removed when dropped, unless it took its place: the
/// destination is written whole or not at all.
#[derive(Debug)]
pub struct Temporary {
    /// What is written to.
    pub file: File,
    pub(super) path: PathBuf,
    pub(super) destination: PathBuf,
    directory: File,
    published: bool,
}

impl Temporary {
    /// Makes the file.
    ///
    /// # Errors
    /// If the folder of the destination takes no file, or what is at the destination is no file that
    /// could be replaced.
    pub fn create(destination: &Path) -> Result<Temporary, WriteError> {
        let destination = resolve(destination)?;
        let Some(name) = destination.file_name() else {
            return Err(WriteError::NotAFile { path: destination });
        };
        let parent = match destination.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let in_directory = |source| WriteError::Directory {
            path: parent.to_owned(),
            source,
        };
        // Opened now, because a failure after the rename would come too late.
        let directory = File::open(parent).map_err(in_directory)?;
        let (path, file) = create_beside(parent, name).map_err(in_directory)?;
        Ok(Temporary {
            file,
            path,
            destination,
            directory,
            published: false,
        })
    }

    /// Renames the file to its destination. The rename is atomic (rename(2)), so that there is
    /// the old file or the new one at any time; the directory is flushed so that it lasts. What was
    /// written has to be flushed before.
    ///
    /// # Errors
    /// If the operating system refuses; then what was at the destination stays, or the new file is there
    /// and may not outlast a crash.
    pub fn publish(mut self) -> Result<(), WriteError> {
        fs::rename(&self.path, &self.destination).map_err(|source| self.failed(source))?;
        self.published = true;
        self.directory
            .sync_all()
            .map_err(|source| self.failed(source))
    }

    pub(super) fn failed(&self, source: io::Error) -> WriteError {
        WriteError::Write {
            path: self.destination.clone(),
            source,
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.published {
            // Nobody is left to tell; a leftover is recognisable by its name.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The destination with symbolic links followed, so that a link stays one. What exists there
/// must be a regular file: a rename would replace a device or a socket, too.
fn resolve(destination: &Path) -> Result<PathBuf, WriteError> {
    let unusable = |source| WriteError::Write {
        path: destination.to_owned(),
        source,
    };
    let path = match fs::symlink_metadata(destination) {
        Ok(metadata) if metadata.is_symlink() => match fs::canonicalize(destination) {
            Ok(path) => path,
            // Where it leads to nothing, there is nothing to be replaced.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(WriteError::NotAFile {
                    path: destination.to_owned(),
                });
            }
            Err(error) => return Err(unusable(error)),
        },
        Ok(_) => destination.to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(destination.to_owned());
        }
        Err(error) => return Err(unusable(error)),
    };
    if !fs::metadata(&path).map_err(unusable)?.is_file() {
        return Err(WriteError::NotAFile { path });
    }
    Ok(path)
}

fn create_beside(parent: &Path, name: &OsStr) -> io::Result<(PathBuf, File)> {
    let mut attempt = 0;
    loop {
        let path = parent.join(temporary_name(name, attempt));
        let created = OpenOptions::new()
            .write(true)
            .read(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        match created {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < ATTEMPTS => {
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// `.<name>.kconv-<process>-<attempt>`; a name that would become too long is cut.
fn temporary_name(name: &OsStr, attempt: u32) -> OsString {
    let suffix = format!(".kconv-{}-{attempt}", std::process::id());
    let kept = name.len().min(NAME_MAX - 1 - suffix.len());
    let mut bytes = vec![b'.'];
    bytes.extend_from_slice(&name.as_bytes()[..kept]);
    bytes.extend_from_slice(suffix.as_bytes());
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_to_what_a_file_system_takes() {
        let name = "x".repeat(255);
        let temporary = temporary_name(OsStr::new(&name), 999);
        assert_eq!(temporary.len(), NAME_MAX);
        assert!(temporary.to_string_lossy().ends_with("-999"));
    }

    #[test]
    fn a_short_name_is_kept() {
        let temporary = temporary_name(OsStr::new("a.img"), 0);
        let expected = format!(".a.img.kconv-{}-0", std::process::id());
        assert_eq!(temporary, OsString::from(expected));
    }
}
