//! The kernel families that there is code for.

use crate::error::{Flaw, FreezeError};
use crate::family::Family;
use crate::linux6::Linux6;
use crate::linux24::Linux24;
use crate::walk::Walked;

/// The families that there is code for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Linux 2.4.
    Linux24,
    /// Linux 6.
    Linux6,
}

impl Known {
    /// The family of this name.
    pub(crate) fn named(family: &str) -> Result<Known, FreezeError> {
        match family {
            "linux-2.4" => Ok(Known::Linux24),
            "linux-6" => Ok(Known::Linux6),
            unknown => Err(FreezeError::UnknownFamily {
                family: unknown.to_owned(),
                known: "linux-2.4 and linux-6",
            }),
        }
    }

    /// What is to be known of it where `walked` was walked.
    pub(crate) fn of<'w>(self, walked: &'w Walked<'w>) -> Result<Box<dyn Family + 'w>, Flaw> {
        Ok(match self {
            Known::Linux24 => Box::new(Linux24::new(walked)?),
            Known::Linux6 => Box::new(Linux6::new(walked)?),
        })
    }
}
