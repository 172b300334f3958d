//! Files that are whole or not there: written beside their place, and moved there at once.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

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
        let mut file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
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
}
