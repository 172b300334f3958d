//! Whether nobody but its owner could have put a file where it is, or written to it.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Why a file is not its owner's alone.
#[derive(Debug, thiserror::Error)]
pub enum Elsewhere {
    /// It belongs to somebody else.
    #[error("{} belongs to user {found}, expected {expected}", path.display())]
    Owner {
        /// The file, or a folder on the way to it.
        path: PathBuf,
        /// Its owner.
        found: u32,
        /// Who may own it.
        expected: String,
    },
    /// Others may write to it.
    #[error("others may write to {} (mode {mode:04o})", path.display())]
    Writable {
        /// The file, or a folder on the way to it.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is not where it was opened any more.
    #[error("{} was moved or replaced while it was read", path.display())]
    Moved {
        /// The file.
        path: PathBuf,
    },
    /// Where it is cannot be told.
    #[error("where {} is cannot be told: {source}", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// That root, or the caller, alone writes to an open file and to the folder that it is in, and that nobody else could
/// have put another in its place or that of a folder on the way. A sticky folder that all write to keeps what is
/// somebody's own (unlink(2)), so it may be on the way; but anybody puts files into it, so the file may not be there.
///
/// # Errors
/// If somebody else could have.
pub fn nobody_else_writes(file: &File, opened: &Path) -> Result<(), Elsewhere> {
    let unknown = |source| Elsewhere::Unknown {
        path: opened.to_owned(),
        source,
    };
    let metadata = file.metadata().map_err(unknown)?;
    // Where the file is, not where a link on the way led a moment ago.
    let path = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(unknown)?;
    owners_alone(&path, &metadata)?;
    let mut folders = path.ancestors().skip(1);
    if let Some(folder) = folders.next() {
        let of_folder = fs::symlink_metadata(folder).map_err(unknown)?;
        owners_alone(folder, &of_folder)?;
    }
    for folder in folders {
        let of_folder = fs::symlink_metadata(folder).map_err(unknown)?;
        match of_folder.mode() & 0o1000 {
            0 => owners_alone(folder, &of_folder)?,
            _ => owned(folder, &of_folder)?,
        }
    }
    // After the folders: what is there now cannot be moved by others any more.
    match fs::symlink_metadata(&path) {
        Ok(now) if (now.dev(), now.ino()) == (metadata.dev(), metadata.ino()) => Ok(()),
        _ => Err(Elsewhere::Moved {
            path: opened.to_owned(),
        }),
    }
}

fn owned(path: &Path, of: &Metadata) -> Result<(), Elsewhere> {
    let caller = rustix::process::geteuid().as_raw();
    match of.uid() {
        0 => Ok(()),
        uid if uid == caller => Ok(()),
        found => Err(Elsewhere::Owner {
            path: path.to_owned(),
            found,
            expected: match caller {
                0 => "root".to_owned(),
                caller => format!("root or user {caller}"),
            },
        }),
    }
}

fn owners_alone(path: &Path, of: &Metadata) -> Result<(), Elsewhere> {
    owned(path, of)?;
    match of.mode() & 0o022 {
        0 => Ok(()),
        _ => Err(Elsewhere::Writable {
            path: path.to_owned(),
            mode: of.mode() & 0o7777,
        }),
    }
}
