//! Why tasks could not be stopped, and what can be done about it.

use nix::errno::Errno;
use std::io;
use std::path::PathBuf;

/// Why tasks could not be stopped. They run on.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// There is no such process.
    #[error("there is no process {pid}")]
    NoProcess {
        /// Its id.
        pid: i32,
    },
    /// The process is the one that freezes.
    #[error(
        "process {pid} is kconv itself, which is among the descendants or in the cgroup it was asked to freeze"
    )]
    Itself {
        /// Its id.
        pid: i32,
    },
    /// The folder is not of cgroup v2, or is the root of it.
    #[error("{} is no cgroup that can be frozen: it has no cgroup.freeze", path.display())]
    NoFreezer {
        /// The folder.
        path: PathBuf,
    },
    /// There is nobody in the cgroup.
    #[error("there are no processes in the cgroup {}", path.display())]
    Empty {
        /// Its folder.
        path: PathBuf,
    },
    /// A cgroup's files cannot be read or written.
    #[error("the cgroup {} cannot be frozen: {source}", path.display())]
    Cgroup {
        /// Its folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It never runs in user mode.
    #[error("thread {tid} is one of the kernel's own")]
    OfKernel {
        /// The thread.
        tid: i32,
    },
    /// The system refused.
    #[error("thread {tid} cannot be stopped: {error}")]
    Refused {
        /// The thread.
        tid: i32,
        /// What the system said.
        error: Errno,
    },
    /// Its list of robust futexes cannot be emptied, by which others would see that it was killed.
    #[error(
        "process {pid} was not killed, for its list of robust futexes cannot be emptied: {source}; the image is whole, and the tasks run on"
    )]
    Kept {
        /// The process.
        pid: i32,
        /// What the system said.
        source: io::Error,
    },
    /// The list of processes cannot be read.
    #[error("/proc cannot be read: {0}")]
    Proc(#[from] io::Error),
}

impl StopError {
    /// What the user can do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            StopError::NoProcess { .. } | StopError::OfKernel { .. } => {
                "give the ids of processes that are running"
            }
            StopError::Itself { .. } => "freeze it from another session",
            StopError::NoFreezer { .. } | StopError::Cgroup { .. } => {
                "name the folder of a cgroup v2, such as /sys/fs/cgroup/NAME, or give the ids of processes"
            }
            StopError::Empty { .. } => "name a cgroup with running processes",
            StopError::Refused { .. } => "run kconv as root, with CAP_SYS_PTRACE",
            StopError::Kept { .. } => "freeze it without killing it",
            StopError::Proc(_) => "see that /proc is mounted",
        }
    }
}
