//! State into a kernel: an image's tasks, made anew.
//!
//! [`Thaw::open`] understands an image, by the running kernel's own type information and nothing
//! else, as a [`Plan`]. [`Thaw::obstacles`] finds all that is missing for it or in its way, and
//! [`Thaw::run`] makes it, all or nothing.

mod call;
mod cgroups;
mod clocks;
mod dropped;
mod error;
mod make;
mod obstacle;
mod plan;
mod remote;
mod sys;
mod vdso;
mod view;

pub use call::CallError;
pub use clocks::{BootClock, ClockError, ClockRule, Frozen, Moment, Offsets};
pub use dropped::Dropped;
pub use error::ThawError;
pub use obstacle::Obstacle;
pub use plan::Plan;
pub use view::DecodeError;

use kconv_freeze::{Identified, identify_running};
use kconv_image::{Image, Machine, Verify};
use std::path::Path;
use std::time::Duration;

/// The family of kernels that are thawed on.
const FAMILY: &str = "linux-6";

/// An image that is about to be thawed on the running kernel.
pub struct Thaw {
    image: Image,
    plan: Plan,
    rule: ClockRule,
}

/// How a thaw went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thawed {
    /// From the first process that was made to the last that was let go.
    pub time: Duration,
    /// What could not be made as it was.
    pub dropped: Vec<Dropped>,
}

/// What a thaw made.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Processes that run.
    pub processes: usize,
    /// Their threads.
    pub threads: usize,
    /// Children that had ended, and that their parents have yet to look at.
    pub ended: usize,
    /// Mappings.
    pub mappings: usize,
    /// Pages that were filled.
    pub pages: u64,
    /// Open files.
    pub files: usize,
}

impl Thaw {
    /// Reads an image, and understands it as one of the kernel that is running.
    ///
    /// # Errors
    /// If it is damaged, is of another kernel, or makes no sense.
    pub fn open(path: &Path) -> Result<Thaw, ThawError> {
        let image = Image::open(path)?;
        if let Some(error) = image.verify(Verify::Everything).into_iter().next() {
            return Err(error.into());
        }
        let identity = &image.head().identity;
        if identity.family != FAMILY || identity.machine != Machine::X86_64 {
            return Err(ThawError::Family {
                family: identity.family.clone(),
                machine: identity.machine.name(),
            });
        }
        let Identified { layout, id, .. } = identify_running()?;
        // Two layouts can have one fingerprint where a meaning changed, and then differ in name.
        let same = (&identity.kernel.fingerprint, &identity.kernel.layout);
        if same != (&id.fingerprint, &id.layout) {
            let (from, to) = (&identity.kernel.release, &id.release);
            return Err(ThawError::OtherKernel {
                found: from.clone(),
                expected: to.clone(),
                command: format!("kconv {from} {to} {}", path.display()),
            });
        }
        let view = view::View::new(&image, &layout)?;
        let plan = Plan::decode(&view, &sys::xsave_components())?;
        match plan.processes.is_empty() {
            true => Err(ThawError::Empty),
            false => Ok(Thaw {
                image,
                plan,
                rule: ClockRule::default(),
            }),
        }
    }

    /// Has the tasks' clocks follow another rule than the default.
    pub fn with_clocks(self, rule: ClockRule) -> Thaw {
        Thaw { rule, ..self }
    }

    /// What is to be made.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// All that is missing for it, or in its way.
    pub fn obstacles(&self) -> Vec<Obstacle> {
        obstacle::obstacles(&self.plan, &self.image, self.rule)
    }

    /// What is known, before anything is made, not to be as it was.
    pub fn dropped(&self) -> Vec<Dropped> {
        let head = self.image.head();
        let mut dropped = dropped::dropped(&self.plan, head, self.rule);
        dropped.extend(cgroups::dropped(&self.plan, head));
        dropped
    }

    /// Makes the tasks and lets them run. To be called in the first thread of this process: whatever
    /// that makes later is in the time namespace of the tasks.
    ///
    /// # Errors
    /// All obstacles, if there are any; or what failed, and then nothing is left of what was made.
    pub fn run(&self) -> Result<Thawed, ThawError> {
        let obstacles = self.obstacles();
        if !obstacles.is_empty() {
            return Err(ThawError::Obstacles(obstacles));
        }
        let mut dropped = self.dropped();
        let (time, found) = make::make(&self.plan, &self.image, self.rule)?;
        dropped.extend(found);
        Ok(Thawed { time, dropped })
    }

    /// What the image is made of.
    pub fn summary(&self) -> Summary {
        let processes = &self.plan.processes;
        let memories = || processes.iter().filter_map(|one| one.memory.as_ref());
        let spaces = self.image.head().address_spaces.iter();
        Summary {
            processes: memories().count(),
            threads: processes.iter().map(|one| one.threads.len()).sum(),
            ended: processes.iter().filter(|one| one.ended.is_some()).count(),
            mappings: memories().map(|memory| memory.mappings.len()).sum(),
            pages: spaces
                .flat_map(|space| &space.runs)
                .map(|run| run.pages)
                .sum(),
            files: self.plan.files.len(),
        }
    }
}
