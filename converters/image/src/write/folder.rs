//! The folder of a file that is to be written, found without being led there.
//!
//! A path is gone through name by name, in folders that are open, and every symbolic link in it is looked at before it
//! is followed. The kernel asks of some links whose they are (fs.protected_symlinks, proc_sys_fs(5)), of the last name of a
//! path and in sticky folders alone; and whoever resolves a path by itself, as realpath(3) does, is not asked at all.
//!
//! What is done to the file later is done in the folder that was found, wherever its path leads by then.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::WriteError;

/// How many links may lead from one to the next (path_resolution(7)).
const MOST_LINKS: u32 = 40;

/// Mode bit of what all may write to.
const OTHERS_WRITE: u32 = 0o002;

/// A place for a file: a folder and a name in it. There is a regular file, or nothing.
#[derive(Debug)]
pub(super) struct Place {
    /// The folder, open.
    pub(super) folder: OwnedFd,
    /// Where the folder is, for messages.
    pub(super) folder_path: PathBuf,
    /// The name.
    pub(super) name: OsString,
    /// Whether there is a file.
    pub(super) exists: bool,
}

impl Place {
    /// Finds where `destination` leads.
    ///
    /// # Errors
    /// If there is something else than a regular file, the folder is not there, or a link leads there that others could
    /// have put in the way.
    pub(super) fn find(destination: &Path) -> Result<Place, WriteError> {
        let not_a_file = || WriteError::NotAFile {
            path: destination.to_owned(),
        };
        let mut walk = Walk::begin(destination)?;
        while let Some(step) = walk.left.pop_front() {
            let is_last = walk.left.is_empty();
            let Step::Name(name) = step else {
                walk.enter(&step.name())?;
                continue;
            };
            let entry = match walk.look(&name) {
                Ok(entry) => Some(entry),
                Err(Errno::NOENT) if is_last => None,
                Err(error) => return Err(walk.unusable(error)),
            };
            let kind = entry.as_ref().map(|(_, found)| kind(found));
            match (kind, entry) {
                (Some(FileType::Symlink), Some((link, found))) => {
                    walk.follow(&name, &link, &found)?
                }
                (None | Some(FileType::RegularFile), _) if is_last => {
                    return walk.end(name, kind.is_some());
                }
                _ if is_last => return Err(not_a_file()),
                _ => walk.enter(&name)?,
            }
        }
        Err(not_a_file())
    }
}

/// A part of a path.
enum Step {
    /// The root.
    Root,
    /// The folder above.
    Up,
    /// What has a name.
    Name(OsString),
}

impl Step {
    /// The parts of a path, in their order.
    fn all(path: &Path) -> Vec<Step> {
        let steps = path.components().filter_map(|component| match component {
            Component::RootDir => Some(Step::Root),
            Component::ParentDir => Some(Step::Up),
            Component::Normal(name) => Some(Step::Name(name.to_owned())),
            Component::CurDir | Component::Prefix(_) => None,
        });
        steps.collect()
    }

    fn name(&self) -> OsString {
        match self {
            Step::Root => OsString::from("/"),
            Step::Up => OsString::from(".."),
            Step::Name(name) => name.clone(),
        }
    }
}

struct Walk<'d> {
    destination: &'d Path,
    folder: OwnedFd,
    path: PathBuf,
    /// What is left of the way.
    left: VecDeque<Step>,
    links: u32,
}

impl<'d> Walk<'d> {
    fn begin(destination: &'d Path) -> Result<Walk<'d>, WriteError> {
        let left = VecDeque::from(Step::all(destination));
        let start = match left.front() {
            Some(Step::Root) => "/",
            _ => ".",
        };
        let path = PathBuf::from(start);
        let opened = rustix::fs::open(start, FOLDER, Mode::empty());
        let folder = opened.map_err(|error| WriteError::Directory {
            path: path.clone(),
            source: error.into(),
        })?;
        Ok(Walk {
            destination,
            folder,
            path,
            left,
            links: 0,
        })
    }

    /// The place where the walk ended. A folder that is to be flushed has to be open for reading.
    fn end(self, name: OsString, exists: bool) -> Result<Place, WriteError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.folder, ".", flags, Mode::empty()) {
            Ok(folder) => Ok(Place {
                folder,
                folder_path: self.path,
                name,
                exists,
            }),
            Err(error) => Err(WriteError::Directory {
                path: self.path,
                source: error.into(),
            }),
        }
    }

    /// What has a name in the folder, without following it.
    fn look(&self, name: &OsStr) -> Result<(OwnedFd, Stat), Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = rustix::fs::openat(&self.folder, name, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&found)?;
        Ok((found, stat))
    }

    /// Goes into a folder. A link that has taken its place meanwhile is not followed.
    fn enter(&mut self, name: &OsStr) -> Result<(), WriteError> {
        let opened = rustix::fs::openat(&self.folder, name, FOLDER, Mode::empty());
        self.folder = opened.map_err(|error| self.unusable(error))?;
        self.path = match (name.as_bytes(), self.path.as_os_str().as_bytes()) {
            (b"/", _) => PathBuf::from("/"),
            (_, b".") => PathBuf::from(name),
            _ => self.path.join(name),
        };
        Ok(())
    }

    /// Puts what a link says in its place, if nobody else can have put it there.
    fn follow(&mut self, name: &OsStr, link: &OwnedFd, found: &Stat) -> Result<(), WriteError> {
        let folder = rustix::fs::fstat(&self.folder).map_err(|error| self.unusable(error))?;
        let caller = rustix::process::geteuid().as_raw();
        let planted = match found.st_uid {
            owner if owner != 0 && owner != caller => Some(format!("user {owner} owns it")),
            _ if folder.st_mode & OTHERS_WRITE != 0 => {
                Some("all may write to the folder that it is in".to_owned())
            }
            _ => None,
        };
        if let Some(why) = planted {
            return Err(WriteError::Planted {
                path: self.destination.to_owned(),
                link: self.path.join(name),
                why,
            });
        }
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(self.unusable(Errno::LOOP));
        }
        let target = rustix::fs::readlinkat(link, "", Vec::new());
        let target = target.map_err(|error| self.unusable(error))?;
        let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
        let leads_to_nothing = self.left.is_empty() && !self.there(&target);
        if leads_to_nothing {
            // Where it leads to nothing, there is nothing to be replaced.
            return Err(WriteError::NotAFile {
                path: self.destination.to_owned(),
            });
        }
        for step in Step::all(&target).into_iter().rev() {
            self.left.push_front(step);
        }
        Ok(())
    }

    /// Whether there is something at a path that begins in the folder.
    fn there(&self, target: &Path) -> bool {
        rustix::fs::statat(&self.folder, target, AtFlags::empty()).is_ok()
    }

    /// What keeps the walk from going on.
    fn unusable(&self, error: Errno) -> WriteError {
        let names = self
            .destination
            .parent()
            .map_or(0, |parent| parent.components().count());
        match error {
            Errno::NOENT if names > 0 => WriteError::Directory {
                path: self
                    .destination
                    .parent()
                    .unwrap_or(Path::new("."))
                    .to_owned(),
                source: error.into(),
            },
            error => WriteError::Write {
                path: self.destination.to_owned(),
                source: error.into(),
            },
        }
    }
}

/// How folders on the way are opened: as what they are, not through a link, and without asking to read them.
const FOLDER: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

fn kind(of: &Stat) -> FileType {
    FileType::from_raw_mode(of.st_mode)
}

/// Removes a file, if it is there.
///
/// # Errors
/// As for a file that is to be written; and if the folder does not let it go.
pub fn remove_file(path: &Path) -> Result<(), WriteError> {
    let place = match Place::find(path) {
        Err(WriteError::Directory { source, .. })
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            return Ok(());
        }
        found => found?,
    };
    if !place.exists {
        return Ok(());
    }
    match rustix::fs::unlinkat(&place.folder, &place.name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(WriteError::Write {
            path: path.to_owned(),
            source: error.into(),
        }),
    }
}
