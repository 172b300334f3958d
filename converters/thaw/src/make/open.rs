//! Opening by a path.

use crate::call::CallError;
use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;

/// Opens what is at `path`, with flags of open(2).
pub(super) fn open_with(path: &str, flags: i32) -> Result<OwnedFd, CallError> {
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
