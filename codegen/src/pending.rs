//! Files that are whole or not there: written beside their place, and moved there at once.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tempfile::NamedTempFile;

/// What the names of files and folders begin with that have not their own yet. Version control leaves
/// them alone (`.gitignore`).
pub const PREFIX: &str = ".kconv-gen-";

/// A file of this age is no running command's: those are there from their first byte to the last.
const OLD: Duration = Duration::from_secs(60 * 60);

/// A file that is written and has not its name yet. Without it it is gone when this is.
pub struct Pending {
    file: NamedTempFile,
    path: PathBuf,
}

impl Pending {
    /// Writes `data` for the file at `path`, down to the disk. A file that is there keeps its mode.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(path: &Path, data: &[u8]) -> io::Result<Pending> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let mut file = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempfile_in(folder.unwrap_or(Path::new(".")))?;
        file.write_all(data)?;
        // A temporary file is for its owner alone, and these are for everybody.
        let permissions = fs::metadata(path).map(|metadata| metadata.permissions());
        let permissions = permissions.unwrap_or_else(|_| fs::Permissions::from_mode(0o644));
        file.as_file().set_permissions(permissions)?;
        file.as_file().sync_all()?;
        Ok(Pending {
            file,
            path: path.to_owned(),
        })
    }

    /// Where it will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// What the system says.
    pub fn take_name(self) -> io::Result<()> {
        self.file.persist(self.path)?;
        Ok(())
    }
}

/// Writes a file, whole or not at all.
///
/// # Errors
/// What the system says.
pub(crate) fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    Pending::write(path, text.as_bytes())?.take_name()
}

/// Removes what commands that were killed left in `folder` and below, as far as that can be. What a
/// running command writes stays.
pub fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        if !name.to_string_lossy().starts_with(PREFIX) {
            if metadata.is_dir() && name != "target" && name != ".git" {
                sweep(&path);
            }
            continue;
        }
        let age = metadata
            .modified()
            .ok()
            .and_then(|at| SystemTime::now().duration_since(at).ok());
        if age.is_some_and(|age| age > OLD) {
            // What cannot be removed does no harm where it is.
            let _ = match metadata.is_dir() {
                true => fs::remove_dir_all(&path),
                false => fs::remove_file(&path),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_is_whole_or_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let names = || fs::read_dir(folder.path()).unwrap().count();
        drop(Pending::write(&path, b"never").unwrap());
        assert_eq!(names(), 0);
        write_whole(&path, "first").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        write_whole(&path, "second").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "second");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o640
        );
        // What cannot take the place of a folder leaves nothing.
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).unwrap();
        assert!(write_whole(&taken, "third").is_err());
        assert_eq!(names(), 2);
    }

    /// What is left of a command that was killed goes, and what may be a running one's stays.
    #[test]
    fn what_is_left_over_is_removed_when_it_is_old() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        fs::create_dir_all(file("a/b")).unwrap();
        fs::create_dir_all(file(".kconv-gen-step/rest")).unwrap();
        let pending = Pending::write(&file("a/file"), b"one").unwrap();
        let [killed, own] = ["a/b/.kconv-gen-xyz", "a/b/own.rs"].map(|name| {
            fs::write(file(name), "text").unwrap();
            file(name)
        });
        let long_ago = SystemTime::now() - OLD - OLD;
        for path in [&killed, &own, &file(".kconv-gen-step")] {
            fs::File::open(path)
                .unwrap()
                .set_modified(long_ago)
                .unwrap();
        }
        sweep(folder.path());
        assert!(!killed.exists() && own.exists());
        assert!(!file(".kconv-gen-step").exists());
        pending.take_name().unwrap();
        assert_eq!(fs::read(file("a/file")).unwrap(), b"one");
    }
}
