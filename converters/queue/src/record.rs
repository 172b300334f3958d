//! What is written of an upgrade.

use crate::error::QueueError;
use kconv_image::Temporary;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The version of the format. It grows when a reader of the last one would go wrong.
const FORMAT: u32 = 2;

/// The oldest that is still read: it knew of no units.
const OLDEST: u32 = 1;

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
    /// What they are for systemd, if they go on as that.
    #[serde(default)]
    pub unit: Option<Unit>,
    /// How far it came.
    pub state: State,
}

/// A service of systemd that goes on as that service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// Its name, such as `redis.service`.
    pub name: String,
    /// The number of its main process.
    pub main: i32,
    /// The file with this number that its own settings name (`PIDFile=`), which a boot may wipe.
    pub pid_file: Option<PathBuf>,
    /// What is set of it in files that a boot wipes: a unit that `systemd-run` made has no others.
    pub files: Vec<UnitFile>,
    /// The boot in which it was frozen, where systemd is not to start it again: the next kernel is about to be
    /// started.
    pub boot: String,
    /// What becomes of it when its thaw is refused.
    pub if_refused: IfRefused,
    /// What an administrator wants of the next thaw, and of no other.
    pub wish: Option<Wish>,
}

/// What an administrator wants of a thaw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// Whether it is made although it was before.
    pub again: bool,
    /// What its clocks read after the thaw, by the name of the rule.
    pub clocks: String,
}

/// A file with settings of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitFile {
    /// Where it is.
    pub path: PathBuf,
    /// What stands in it.
    pub text: String,
}

/// What becomes of a unit when its thaw is refused.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IfRefused {
    /// It has failed, and its images wait.
    Wait,
    /// It is started afresh, and its images are kept.
    Fresh,
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
    /// A thaw was refused, and the unit was started afresh. The images are kept.
    Replaced {
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
            State::Frozen | State::Replaced { .. } | State::Thawed { .. } => false,
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
            unit: None,
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
            OLDEST..=FORMAT => {
                let record = serde_json::from_slice(&text).map_err(wrong)?;
                Ok(Record {
                    format: FORMAT,
                    ..record
                })
            }
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
