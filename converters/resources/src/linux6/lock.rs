//! Locks on open files.

use crate::attributes::Together;
use kconv_image::{ObjectId, ResourceId};

words! {
    /// Whose a lock is.
    pub enum LockStyle {
        /// A process's, or an open file's (fcntl(2): F_SETLK, F_OFD_SETLK); the owner tells.
        Posix = "posix",
        /// An open file's (flock(2)).
        Flock = "flock",
    }
}

words! {
    /// What a lock keeps others from.
    pub enum LockType {
        /// Others may have it too.
        Read = "read",
        /// Nobody else may have it.
        Write = "write",
    }
}

attributes! {
    /// A lock (`include/linux/fs.h`, in 6.12 `include/linux/filelock.h`: struct file_lock) on a file that the tasks have
    /// open.
    pub struct FileLock {
        /// Whose it is.
        style: LockStyle = "style",
        /// `FL_*` bits.
        flags: u64 = "flags",
        /// What it keeps others from.
        lock_type: LockType = "type",
        /// The first byte that is locked.
        start: i64 = "start",
        /// The last; `i64::MAX` if it is locked to the end, wherever that is.
        end: i64 = "end",
        /// The process that set it.
        pid: u32 = "pid",
        /// The `files_struct` or `file` that owns it. `None` if that is not in the image: it is the lock of somebody who was
        /// not frozen.
        owner: Option<ObjectId> = "owner",
        /// The open file that it was set through. `None` if that is not in the image, for the same reason.
        file: Option<LockedFile> = ..,
    }
}

attributes! {
    /// The open file that a lock was set through.
    pub struct LockedFile {
        /// The `file`.
        file: ObjectId = "file",
        /// What it leads to.
        resource: ResourceId = "resource",
    }
}

impl Together for LockedFile {
    const NAMES: &'static [&'static str] = &["file", "resource"];
}
