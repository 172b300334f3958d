//! What is to be made, in the words of system calls: the typed, read-only model that stands between
//! an image and the kernel. Nothing here asks the running system anything.

mod choice;
mod files;
mod memory;
mod model;
mod process;
mod restart;
mod signals;
mod thread;

pub use choice::{Choice, ChoiceError, LeftOut};
pub(crate) use kconv_tasks::model::{Controls, FileOwner, Folders, MemoryControls, OpenFile};
pub use model::*;
pub(crate) use restart::RESTART_SYSCALL;

use crate::clocks::Frozen;
use crate::decode::DecodeError;
use kconv_objects::Objects;
use kconv_resources::linux6::Resources;

impl Plan {
    /// Understands an image, which has these clocks. What of it makes no sense is with the process that has it; registers
    /// other than the general ones are understood with the components of `xsave` of the CPU that the
    /// kernel runs on, and left out without them.
    pub(crate) fn decode(
        objects: &Objects<'_>,
        xsave: Option<&kconv_machine::XsaveComponents>,
        frozen: Frozen,
    ) -> Result<(Plan, Vec<Unclear>), DecodeError> {
        let files = files::open_files(objects)?;
        let resources = Resources::read(&objects.head().resources);
        let (processes, unclear) = process::processes(objects, xsave, &files, &resources)?;
        let plan = Plan {
            processes,
            watches: files::watches(&resources, &files),
            files,
            frozen,
            severed: Vec::new(),
            resources,
        };
        Ok((plan, unclear))
    }
}

#[cfg(test)]
mod tests;
