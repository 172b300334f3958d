//! Small files that belong to who may decide.

use crate::TrustError;
use rustix::fs::{Mode, OFlags};
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// How many bytes of a key, a signature or a policy are read.
pub const MOST: u64 = 1 << 20;

/// Who may write to a file, or read it.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(crate) enum Guard {
    /// It is not ours to ask: a signature lies beside the image of whoever brings it.
    None,
    /// Root or the caller owns it, and nobody else writes to it.
    OwnersAlone,
    /// And nobody else reads it.
    Secret,
}

/// All of a file; `None` if it is not there. Links are not followed.
pub(crate) fn read(path: &Path, guard: Guard) -> Result<Option<Vec<u8>>, TrustError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(rustix::io::Errno::LOOP) => {
            return Err(TrustError::NotAFile {
                path: path.to_owned(),
            });
        }
        Err(error) => return Err(TrustError::file(path, error.into())),
    };
    let metadata = file
        .metadata()
        .map_err(|error| TrustError::file(path, error))?;
    if !metadata.is_file() {
        return Err(TrustError::NotAFile {
            path: path.to_owned(),
        });
    }
    guarded(path, &metadata, guard)?;
    let mut bytes = Vec::new();
    let read = (&mut file).take(MOST + 1).read_to_end(&mut bytes);
    read.map_err(|error| TrustError::file(path, error))?;
    match bytes.len() as u64 > MOST {
        true => Err(TrustError::TooLong {
            path: path.to_owned(),
            most: MOST,
        }),
        false => Ok(Some(bytes)),
    }
}

/// That a file or folder is whose it has to be.
pub(crate) fn guarded(path: &Path, of: &Metadata, guard: Guard) -> Result<(), TrustError> {
    let forbidden = match guard {
        Guard::None => return Ok(()),
        Guard::OwnersAlone => 0o022,
        Guard::Secret => 0o077,
    };
    let caller = rustix::process::geteuid().as_raw();
    let found = of.uid();
    if found != 0 && found != caller {
        return Err(TrustError::Owner {
            path: path.to_owned(),
            found,
            expected: match caller {
                0 => "root".to_owned(),
                caller => format!("root or user {caller}"),
            },
        });
    }
    let mode = of.mode() & 0o7777;
    match mode & forbidden {
        0 => Ok(()),
        others => Err(TrustError::Mode {
            path: path.to_owned(),
            found: mode,
            what: match others & 0o022 {
                0 => "read",
                _ => "write to",
            },
        }),
    }
}
