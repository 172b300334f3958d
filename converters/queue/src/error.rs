//! Why the queue cannot be used.

use kconv_image::WriteError;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why the queue, or an upgrade in it, cannot be used.
#[derive(Debug, Error)]
pub enum QueueError {
    /// A folder or a file cannot be read or made.
    #[error("{}: {source}", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A record cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A record says something else than records do.
    #[error("{}: not the record of an upgrade: {source}", path.display())]
    Record {
        /// The record.
        path: PathBuf,
        /// What the reader says.
        source: serde_json::Error,
    },
    /// A record of another format.
    #[error("{}: a record of format {found}; this kconv knows {known}", path.display())]
    Format {
        /// The record.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The one that is known.
        known: u32,
    },
    /// There is no upgrade of that name.
    #[error("{}: there is no upgrade {name} here{}", queue.display(), those(there))]
    NoEntry {
        /// The queue.
        queue: PathBuf,
        /// The name.
        name: String,
        /// Those that there are.
        there: Vec<String>,
    },
}

impl QueueError {
    /// What the user can do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            QueueError::Io { .. } => {
                "run kconv as root, whose the queue is, or name another with --queue"
            }
            QueueError::Write(error) => error.advice(),
            QueueError::Record { .. } => {
                "nothing but kconv writes there; the images beside it are whole and can be given to `kconv thaw`; `kconv forget` throws them away with the record"
            }
            QueueError::Format { .. } => "use the kconv that wrote it, or a newer one",
            QueueError::NoEntry { .. } => "`kconv status` says which there are",
        }
    }
}

fn those(there: &[String]) -> String {
    match there {
        [] => ", and no other".to_owned(),
        there => format!("; there are {}", there.join(", ")),
    }
}
