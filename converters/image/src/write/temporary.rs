//! The file that becomes the destination, and everything that can stand in its way.
//!
//! What is counted on, of the file system: that rename(2) is atomic; that what was flushed with fsync(2) is there after a
//! crash; and that a name is, once its folder was flushed. So all is written, then flushed, then named, and then the folder
//! is flushed. The file has no name before, where the file system has such files (O_TMPFILE in open(2)): whatever ends the
//! process leaves nothing, but between its first name and its last. Elsewhere it has a name that tells what it is
//! all along. It is locked: a file of such a name that nobody has locked was left by a process that is no more, and is
//! removed by the next that writes the same file.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::folder::Place;
use crate::WriteError;

/// The longest file name that every usual file system takes (NAME_MAX).
const NAME_MAX: usize = 255;

/// How many names are tried; a name is taken only if a killed process with our number left it.
const ATTEMPTS: u32 = 1000;

/// What follows the name of the destination in that of a temporary file.
const MARK: &[u8] = b".kconv-";

/// Who alone may read and write what is made.
const MODE: Mode = Mode::from_raw_mode(0o600);

/// A file that is to take the place of the destination: that is written whole or not at all. Dropped before, nothing
/// is left of it.
#[derive(Debug)]
pub struct Temporary {
    /// What is written to.
    pub file: File,
    pub(super) destination: PathBuf,
    place: Place,
    /// Its name in the folder, once it has one.
    name: Option<OsString>,
}

/// Whether a file has a name while it is written.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Named {
    /// Only where there are no files without one.
    IfNeeded,
    /// As on a file system that has no others.
    #[cfg_attr(not(test), allow(dead_code, reason = "tests ask for it"))]
    Always,
}

impl Temporary {
    /// Makes the file. What processes that are no more left of the same destination is removed.
    ///
    /// # Errors
    /// If the folder of the destination takes no file, or what is at the destination is no file that
    /// could be replaced, or a link leads there that others could have put in the way.
    pub fn create(destination: &Path) -> Result<Temporary, WriteError> {
        Temporary::create_as(destination, Named::IfNeeded)
    }

    fn create_as(destination: &Path, named: Named) -> Result<Temporary, WriteError> {
        let place = Place::find(destination)?;
        remove_leftovers(&place);
        let without_name = match named {
            Named::IfNeeded => create_without_name(&place),
            Named::Always => None,
        };
        let made = match without_name {
            Some(file) => Ok((file, None)),
            None => create_named(&place).map(|(file, name)| (file, Some(name))),
        };
        let (file, name) = made.map_err(|error| WriteError::Directory {
            path: place.folder_path.clone(),
            source: error.into(),
        })?;
        Ok(Temporary {
            file,
            destination: destination.to_owned(),
            place,
            name,
        })
    }

    /// Renames the file to its destination. The rename is atomic (rename(2)), so that there is
    /// the old file or the new one at any time; the folder is flushed so that it lasts. What was
    /// written has to be flushed before.
    ///
    /// # Errors
    /// If the operating system refuses. [`WriteError::NotDurable`] says that the new file is in its place and may not
    /// outlast a crash; with every other, what was at the destination stays.
    pub fn publish(mut self) -> Result<(), WriteError> {
        let name = match self.name.take() {
            Some(name) => name,
            None => link(&self.file, &self.place).map_err(|error| self.failed(error.into()))?,
        };
        // What fails from here on removes it.
        let name = &*self.name.insert(name);
        let folder = &self.place.folder;
        rustix::fs::renameat(folder, name, folder, &self.place.name)
            .map_err(|error| self.failed(error.into()))?;
        self.name = None;
        rustix::fs::fsync(&self.place.folder).map_err(|error| WriteError::NotDurable {
            path: self.destination.clone(),
            source: error.into(),
        })
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
        if let Some(name) = &self.name {
            // Nobody is left to tell; a leftover is recognised by the next that writes the file.
            let _ = rustix::fs::unlinkat(&self.place.folder, name, AtFlags::empty());
        }
    }
}

/// A file in the folder that has no name; `None` where there are none, or could not be given one later.
fn create_without_name(place: &Place) -> Option<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(&place.folder, ".", flags, MODE).ok()?);
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    // It is named through /proc (open(2)), which not every process sees.
    let seen = rustix::fs::stat(own_path(&file)).ok()?;
    let own = rustix::fs::fstat(&file).ok()?;
    ((seen.st_dev, seen.st_ino) == (own.st_dev, own.st_ino)).then_some(file)
}

fn own_path(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// Gives a file without a name one, and returns it.
fn link(file: &File, place: &Place) -> rustix::io::Result<OsString> {
    let mut attempt = 0;
    loop {
        let name = temporary_name(&place.name, attempt);
        let follow = AtFlags::SYMLINK_FOLLOW;
        match rustix::fs::linkat(CWD, own_path(file), &place.folder, &name, follow) {
            Ok(()) => return Ok(name),
            Err(Errno::EXIST) if attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

fn create_named(place: &Place) -> rustix::io::Result<(File, OsString)> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut attempt = 0;
    loop {
        let name = temporary_name(&place.name, attempt);
        match rustix::fs::openat(&place.folder, &name, flags, MODE) {
            Ok(file) => {
                // Between the two calls it is a leftover to anybody who looks.
                let is_ours = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)
                    .is_ok()
                    && rustix::fs::fstat(&file)?.st_nlink > 0;
                if is_ours {
                    return Ok((File::from(file), name));
                }
            }
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        if attempt >= ATTEMPTS {
            return Err(Errno::EXIST);
        }
        attempt += 1;
    }
}

/// Removes what processes that are no more left of a destination. That some of it stays is no failure of who writes now.
fn remove_leftovers(place: &Place) {
    let Ok(entries) = Dir::read_from(&place.folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if is_temporary(name, &place.name) && is_left(place, name).unwrap_or(false) {
            let _ = rustix::fs::unlinkat(&place.folder, name, AtFlags::empty());
        }
    }
}

/// Whether a temporary file was made by us, and nobody writes to it any more.
fn is_left(place: &Place, name: &OsStr) -> rustix::io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&place.folder, name, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&file)?;
    Ok(
        FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
            && stat.st_uid == rustix::process::geteuid().as_raw()
            && rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok(),
    )
}

/// Whether a name is that of a temporary file for `destination`.
fn is_temporary(name: &OsStr, destination: &OsStr) -> bool {
    let Some(rest) = name.as_bytes().strip_prefix(b".") else {
        return false;
    };
    let Some(at) = rest.windows(MARK.len()).rposition(|part| part == MARK) else {
        return false;
    };
    let (start, numbers) = (&rest[..at], &rest[at + MARK.len()..]);
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let mut parts = numbers.split(|byte| *byte == b'-');
    let is_numbered = parts
        .by_ref()
        .take(2)
        .filter(|part| is_number(part))
        .count()
        == 2;
    let is_cut = name.len() == NAME_MAX && destination.as_bytes().starts_with(start);
    is_numbered && parts.next().is_none() && (start == destination.as_bytes() || is_cut)
}

/// `.<name>.kconv-<process>-<attempt>`; a name that would become too long is cut.
fn temporary_name(name: &OsStr, attempt: u32) -> OsString {
    let mark = String::from_utf8_lossy(MARK);
    let suffix = format!("{mark}{}-{attempt}", std::process::id());
    let kept = name.len().min(NAME_MAX - 1 - suffix.len());
    let mut bytes = vec![b'.'];
    bytes.extend_from_slice(&name.as_bytes()[..kept]);
    bytes.extend_from_slice(suffix.as_bytes());
    OsString::from_vec(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    #[test]
    fn a_long_name_is_cut_to_what_a_file_system_takes() {
        let name = "x".repeat(255);
        let temporary = temporary_name(OsStr::new(&name), 999);
        assert_eq!(temporary.len(), NAME_MAX);
        assert!(temporary.to_string_lossy().ends_with("-999"));
        assert!(is_temporary(&temporary, OsStr::new(&name)));
    }

    #[test]
    fn a_short_name_is_kept() {
        let temporary = temporary_name(OsStr::new("a.img"), 0);
        let expected = format!(".a.img.kconv-{}-0", std::process::id());
        assert_eq!(temporary, OsString::from(expected));
        assert!(is_temporary(&temporary, OsStr::new("a.img")));
    }

    #[test]
    fn only_its_own_temporary_files_are_those_of_a_destination() {
        for name in [
            "a.img",
            ".a.img",
            ".a.img.kconv-",
            ".a.img.kconv-1",
            ".a.img.kconv-1-",
            ".a.img.kconv--1",
            ".a.img.kconv-1-0-0",
            ".a.img.kconv-1-x",
            "a.img.kconv-1-0",
            ".b.img.kconv-1-0",
            ".a.img.sig.kconv-1-0",
            ".a.im.kconv-1-0",
        ] {
            assert!(
                !is_temporary(OsStr::new(name), OsStr::new("a.img")),
                "{name}"
            );
        }
        let own = OsStr::new(".a.img.kconv-4194304-1000");
        assert!(is_temporary(own, OsStr::new("a.img")));
    }

    fn names(folder: &Path) -> Vec<OsString> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<OsString> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    /// With a name and without one: until it is published nothing has changed, and then all has.
    #[test]
    fn a_file_takes_the_place_of_another_or_leaves_nothing() {
        for named in [Named::IfNeeded, Named::Always] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.img");
            fs::write(&path, "old").unwrap();
            let begin = || {
                let mut temporary = Temporary::create_as(&path, named).unwrap();
                temporary.file.write_all(b"new").unwrap();
                assert_eq!(temporary.name.is_some(), named == Named::Always);
                assert_eq!(
                    names(folder.path()).len(),
                    1 + usize::from(named == Named::Always)
                );
                assert_eq!(fs::read(&path).unwrap(), b"old");
                temporary
            };
            drop(begin());
            assert_eq!(names(folder.path()), ["a.img"]);
            begin().publish().unwrap();
            assert_eq!(names(folder.path()), ["a.img"]);
            assert_eq!(fs::read(&path).unwrap(), b"new");
        }
    }

    /// Another that writes the same file still holds its lock.
    #[test]
    fn a_leftover_is_removed_and_a_file_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.img");
        let living = Temporary::create_as(&path, Named::Always).unwrap();
        let living_name = living.name.clone().unwrap();
        let left = [".a.img.kconv-4194305-0", ".a.img.kconv-4194305-7"];
        let others = [".b.img.kconv-4194305-0", ".a.img.kconv-4194305"];
        for name in left.iter().chain(&others) {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let second = Temporary::create(&path).unwrap();
        let found = names(folder.path());
        assert!(
            left.iter()
                .all(|name| !found.contains(&OsString::from(name))),
            "{found:?}"
        );
        assert!(
            others
                .iter()
                .all(|name| found.contains(&OsString::from(name))),
            "{found:?}"
        );
        assert!(found.contains(&living_name), "{found:?}");
        drop((living, second));
    }
}
