//! A system call that failed, here or in a process in the making.

use kconv_image::ImageError;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use std::fmt;
use std::io;

/// A system call that failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The kernel refused.
    #[error("{call}: {error}")]
    Refused {
        /// Its name.
        call: &'static str,
        /// What the kernel said.
        error: Errno,
    },
    /// A signal came in between.
    #[error("{call}: a signal came in between ({signal})")]
    Interrupted {
        /// Its name.
        call: &'static str,
        /// The signal.
        signal: Signal,
    },
    /// The thread did something else.
    #[error("{call}: the thread did something else ({status})")]
    Unexpected {
        /// Its name.
        call: &'static str,
        /// What it did.
        status: Wrong,
    },
    /// What the call did is not what was wanted.
    #[error("{call}: {problem}")]
    Result {
        /// Its name.
        call: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The image cannot be read.
    #[error(transparent)]
    Image(#[from] Box<ImageError>),
}

/// What a thread did instead of what it was to do.
#[derive(Debug)]
pub struct Wrong(pub(crate) String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ImageError> for CallError {
    fn from(error: ImageError) -> CallError {
        CallError::Image(Box::new(error))
    }
}

impl CallError {
    pub(crate) fn new(call: &'static str, error: Errno) -> CallError {
        CallError::Refused { call, error }
    }

    pub(crate) fn io(call: &'static str, error: &io::Error) -> CallError {
        let number = error.raw_os_error().unwrap_or(libc::EIO);
        CallError::new(call, Errno::from_raw(number))
    }

    pub(crate) fn unexpected(call: &'static str, status: impl Into<Wrong>) -> CallError {
        CallError::Unexpected {
            call,
            status: status.into(),
        }
    }
}
