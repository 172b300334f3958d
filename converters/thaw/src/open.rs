//! Opening by a path.

use crate::call::CallError;
use crate::plan::OpenFile;
use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;

/// Flags that an open file keeps and that open(2) takes.
const KEPT_FLAGS: i32 = libc::O_ACCMODE
    | libc::O_APPEND
    | libc::O_NONBLOCK
    | libc::O_SYNC
    | libc::O_DIRECT
    | libc::O_DIRECTORY
    | libc::O_NOFOLLOW
    | libc::O_NOATIME
    | libc::O_PATH;
/// The flags with which a file is opened again.
pub(crate) fn again(file: &OpenFile) -> i32 {
    file.flags as i32 & KEPT_FLAGS
}

/// Opens what is at `path`, with flags of open(2).
pub(crate) fn open_with(path: &str, flags: i32) -> Result<OwnedFd, CallError> {
    let access = flags & libc::O_ACCMODE;
    let mut options = OpenOptions::new();
    options
        .read(access != libc::O_WRONLY)
        .write(access != libc::O_RDONLY)
        .custom_flags(flags & !libc::O_ACCMODE);
    let opened = options.open(path);
    let file = opened.map_err(|error| CallError::io("open", &error))?;
    Ok(file.into())
}
