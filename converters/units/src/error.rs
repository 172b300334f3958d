//! Why systemd, or a file for it, is of no use.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use thiserror::Error;

/// Why systemd, or a file for it, is of no use.
#[derive(Debug, Error)]
pub enum UnitError {
    /// systemctl cannot be run.
    #[error("systemctl {command}: {source}")]
    Run {
        /// What it was asked for.
        command: String,
        /// What the system says.
        source: io::Error,
    },
    /// systemctl fails.
    #[error("systemctl {command}: {said}{status}")]
    Failed {
        /// What it was asked for.
        command: String,
        /// What it says, with what has to stand behind it.
        said: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// A file of ours, or of the unit, cannot be read, written or removed.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl UnitError {
    /// What the user can do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            UnitError::Run { .. } | UnitError::Failed { .. } => {
                "see `systemctl status` of it, and `journalctl -b`"
            }
            UnitError::File { .. } => "run kconv as root; files of units for one boot are in /run",
        }
    }
}
