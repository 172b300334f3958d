//! The kernel families that there is code for.

use crate::error::{Finding, Flaw, FreezeError};
use crate::family::Family;
use crate::linux6::{self, Linux6};
use crate::linux24::Linux24;
use crate::memory::Memory;
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

    /// Ticks a second of every kernel of it, where none can be configured otherwise: i386 of 2.4 has
    /// them in its source (2.4.36 include/asm-i386/param.h: HZ).
    pub(crate) fn fixed_tick_rate(self) -> Option<u32> {
        match self {
            Known::Linux24 => Some(100),
            Known::Linux6 => None,
        }
    }

    /// Ticks a second by what the kernel has in its memory, where it has it there.
    pub(crate) fn tick_rate(self, memory: Memory<'_>) -> Option<u32> {
        match self {
            Known::Linux24 => None,
            Known::Linux6 => linux6::tick_rate(memory),
        }
    }

    /// Takes out of the objects what the kernel has in them for itself and does again, whenever they
    /// were read, and puts into them what some kernels have elsewhere.
    pub(crate) fn settle(self, walked: &mut Walked<'_>) -> Vec<Finding> {
        match self {
            Known::Linux24 => Vec::new(),
            Known::Linux6 => {
                let mut findings = linux6::leave_out_own(walked);
                findings.extend(linux6::note_dumpable(walked));
                findings
            }
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
