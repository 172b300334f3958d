//! What is to be made, in the words of system calls: the typed, read-only model that stands between
//! an image and the kernel. Nothing here asks the running system anything.

mod controls;
mod files;
mod memory;
mod model;
mod process;
mod restart;
mod signals;
mod thread;

pub(crate) use controls::{Controls, MemoryControls};
pub use model::*;
pub(crate) use restart::{AX, FLAGS, IP, RESTART_SYSCALL, SP};

use crate::clocks::Frozen;
use crate::view::{DecodeError, View};

impl Plan {
    /// Understands an image.
    pub(crate) fn decode(
        view: &View<'_>,
        xsave: &kconv_freeze::XsaveComponents,
    ) -> Result<Plan, DecodeError> {
        let files = files::open_files(view)?;
        let head = view.image.head();
        let frozen = Frozen::of(&head.clocks, &head.facts, &head.resources)?;
        Ok(Plan {
            processes: process::processes(view, xsave, &files)?,
            files,
            frozen,
        })
    }
}
