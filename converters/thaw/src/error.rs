//! Why a thaw failed.

use crate::call::CallError;
use crate::decode::DecodeError;
use crate::obstacle::Obstacle;
use crate::plan::ChoiceError;
use kconv_image::ImageError;
use kconv_machine::MachineError;
use std::collections::BTreeSet;
use std::fmt;

/// Why there are no thawed tasks.
#[derive(Debug, thiserror::Error)]
pub enum ThawError {
    /// The image cannot be read.
    #[error(transparent)]
    Image(#[from] Box<ImageError>),
    /// The image is of a kernel family that is not thawed.
    #[error("the image is of {family} on {machine}; only linux-6 on amd64 is thawed")]
    Family {
        /// Its family.
        family: String,
        /// Its machine.
        machine: &'static str,
    },
    /// The running kernel cannot be told.
    #[error(transparent)]
    Kernel(#[from] Box<MachineError>),
    /// The image is of a kernel whose structures lie otherwise.
    #[error(
        "the image is of {found}, whose structures lie otherwise than those of {expected}, which is running"
    )]
    OtherKernel {
        /// The release that the image is of.
        found: String,
        /// The release that is running.
        expected: String,
        /// The command that converts it.
        command: String,
    },
    /// There is nothing to make.
    #[error("the image has no task")]
    Empty,
    /// The objects cannot be understood.
    #[error("the image cannot be understood: {0}")]
    Decode(#[from] Box<DecodeError>),
    /// The image has not what was chosen of it.
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    /// Something is missing or in the way.
    #[error("{} in the way; nothing was made", things(all.len()))]
    Obstacles {
        /// All of it.
        all: Vec<Obstacle>,
        /// How to make the processes that nothing is in the way of.
        apart: Option<Apart>,
    },
    /// Making the tasks failed. None of them is left.
    #[error("task {task}: {step}: {error}; all that was made is gone again")]
    Make {
        /// The task.
        task: i32,
        /// What was being made.
        step: String,
        /// What failed.
        error: Box<CallError>,
    },
}

/// Processes that can be left out so that the others are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apart {
    /// Those that are left out.
    pub except: BTreeSet<i32>,
    /// How many others there are.
    pub others: usize,
}

impl fmt::Display for Apart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let except: Vec<String> = self.except.iter().map(i32::to_string).collect();
        let except = except.join(",");
        match self.others {
            1 => write!(f, "`kconv thaw --except {except}` makes the other process"),
            others => write!(
                f,
                "`kconv thaw --except {except}` makes the other {others} processes"
            ),
        }
    }
}

fn things(count: usize) -> String {
    match count {
        1 => "one thing is".to_owned(),
        _ => format!("{count} things are"),
    }
}

impl ThawError {
    /// What the user can do about it.
    pub fn advice(&self) -> String {
        match self {
            ThawError::Image(error) => error.advice().to_owned(),
            ThawError::Family { .. } => "thaw it on the kernel that it is of".to_owned(),
            ThawError::Kernel(error) => error.advice().to_owned(),
            ThawError::OtherKernel { command, .. } => format!("convert it: {command}"),
            ThawError::Empty | ThawError::Decode(_) => {
                "run `kconv verify` on the image, and freeze again if it is damaged".to_owned()
            }
            ThawError::Choice(ChoiceError::Nothing) => {
                "name fewer of them, or leave the image as it is".to_owned()
            }
            ThawError::Choice(_) => {
                "name processes of the image; `kconv inspect IMAGE` lists them".to_owned()
            }
            ThawError::Obstacles { apart, .. } => {
                apart.as_ref().map_or(String::new(), ToString::to_string)
            }
            ThawError::Make { .. } => {
                "the image is as it was; run kconv as root, outside of a container, and report \
                 this if it happens again"
                    .to_owned()
            }
        }
    }
}

impl From<ImageError> for ThawError {
    fn from(error: ImageError) -> ThawError {
        ThawError::Image(Box::new(error))
    }
}

impl From<DecodeError> for ThawError {
    fn from(error: DecodeError) -> ThawError {
        ThawError::Decode(Box::new(error))
    }
}

impl From<MachineError> for ThawError {
    fn from(error: MachineError) -> ThawError {
        ThawError::Kernel(Box::new(error))
    }
}
