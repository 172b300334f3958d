//! What is written of an upgrade.

use crate::error::QueueError;
use kconv_image::Temporary;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::Path;

/// The version of the format. It grows when a reader of the last one would go wrong.
const FORMAT: u32 = 1;

/// An upgrade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    format: u32,
    /// The release of the kernel that ran.
    pub from: String,
    /// That of the kernel that was started.
    pub to: String,
    /// The tasks, threads included; none before they were stopped.
    pub tasks: Vec<Task>,
    /// When they were stopped, by the machine's clock, in milliseconds since 1970; 0 before.
    pub stopped: u64,
    /// How far it came.
    pub state: State,
}

/// A task of an upgrade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Its number.
    pub pid: i32,
    /// Its name.
    pub comm: String,
}

/// How far an upgrade came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum State {
    /// The images are being made, and nobody was killed. Whoever finds this later finds what was broken off.
    Frozen,
    /// The images are whole, and the processes are killed from here on.
    Converted,
    /// A thaw was refused; the images are there for the next one.
    Refused {
        /// The kernel that ran.
        kernel: String,
        /// Why, in lines.
        why: Vec<String>,
    },
    /// The processes run, and the images are gone.
    Thawed {
        /// The kernel on which they do.
        kernel: String,
        /// How long they stood still, in milliseconds.
        after: u64,
    },
}

impl State {
    /// Whether there is something to thaw.
    pub fn waits(&self) -> bool {
        match self {
            State::Converted | State::Refused { .. } => true,
            State::Frozen | State::Thawed { .. } => false,
        }
    }
}

impl Record {
    /// An upgrade that begins.
    pub fn new(from: &str, to: &str) -> Record {
        Record {
            format: FORMAT,
            from: from.to_owned(),
            to: to.to_owned(),
            tasks: Vec::new(),
            stopped: 0,
            state: State::Frozen,
        }
    }

    pub(crate) fn read(path: &Path) -> Result<Record, QueueError> {
        /// What of a record of any format is there.
        #[derive(Deserialize)]
        struct Any {
            format: u32,
        }
        let text = std::fs::read(path).map_err(|source| QueueError::Io {
            path: path.to_owned(),
            source,
        })?;
        let wrong = |source| QueueError::Record {
            path: path.to_owned(),
            source,
        };
        let Any { format } = serde_json::from_slice(&text).map_err(wrong)?;
        match format {
            FORMAT => serde_json::from_slice(&text).map_err(wrong),
            found => Err(QueueError::Format {
                path: path.to_owned(),
                found,
                known: FORMAT,
            }),
        }
    }

    /// Puts it in the place of what was there, on its disk.
    pub(crate) fn write(&self, path: &Path) -> Result<(), QueueError> {
        let failed = |source: std::io::Error| QueueError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = Temporary::create(path)?;
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        let written = file.file.write_all(&text);
        written
            .and_then(|()| file.file.sync_all())
            .map_err(failed)?;
        Ok(file.publish()?)
    }
}
