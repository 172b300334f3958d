//! State into a kernel: an image's tasks, made anew.
//!
//! [`Thaw::new`] understands an image, by the running kernel's own type information and nothing
//! else, as a [`Plan`]. [`Thaw::obstacles`] finds all that is missing for it or in its way, and
//! [`Thaw::run`] makes it, all or nothing.

mod call;
mod cgroups;
mod clocks;
mod contents;
mod decode;
mod dropped;
mod error;
mod filled;
mod inheritance;
mod logs;
mod make;
mod memfd;
mod obstacle;
mod open;
mod plan;
mod remote;
mod settings;
mod sys;
#[cfg(test)]
mod testing;
mod used;
mod vdso;
mod vm_flags;

pub use call::CallError;
pub use clocks::{BootClock, ClockError, ClockRule, Frozen, Moment, Offsets};
pub use decode::DecodeError;
pub use dropped::Dropped;
pub use error::{Apart, ThawError};
pub use obstacle::{Obstacle, ObstacleOf};
pub use plan::{Choice, ChoiceError, LeftOut, Plan};

use kconv_image::{Digest, Head, Identity, Image, Machine, TaskName, Verify};
use kconv_machine::{Identified, identify_running};
use kconv_objects::Objects;
use kconv_resources::linux6;
use kernel_structs::layout::Layout;
use kernel_structs::releases::Registry;
use plan::Unclear;
use std::collections::BTreeSet;
use std::time::Duration;
use used::Copies;

/// What keeps any image of the running kernel from being thawed here.
pub fn lacking() -> Vec<Obstacle> {
    obstacle::of_any_image()
}

/// Whether images of a kernel are thawed at all.
fn is_thawed(identity: &Identity) -> bool {
    identity.family == linux6::FAMILY && identity.machine == Machine::X86_64
}

/// An image that is about to be thawed on the running kernel.
pub struct Thaw {
    image: Image,
    plan: Plan,
    unclear: Vec<Unclear>,
    left_out: Vec<LeftOut>,
    rule: ClockRule,
}

/// An image as a thaw would understand it, on whatever machine it is asked.
pub struct Judged {
    plan: Plan,
    unclear: Vec<Unclear>,
    /// Why the clocks make no sense.
    clocks: Option<ClockError>,
    head: Head,
}

impl Judged {
    /// Understands an image whose objects lie as `layout` says. It needs no pages for that. Of a family
    /// that is not thawed on nothing is understood, and nothing is in the way.
    ///
    /// # Errors
    /// If the image cannot be read, or its objects as a whole cannot be understood.
    pub fn new(image: &Image, layout: &Layout) -> Result<Judged, ThawError> {
        let head = image.head().clone();
        let mut judged = Judged {
            plan: Plan::default(),
            unclear: Vec::new(),
            clocks: None,
            head,
        };
        let identity = &judged.head.identity;
        if is_thawed(identity) {
            // Without clocks all else can be understood.
            let frozen = Frozen::of_image(&judged.head).unwrap_or_else(|error| {
                judged.clocks = Some(error);
                Frozen::default()
            });
            let objects = Objects::new(image, layout)?;
            (judged.plan, judged.unclear) = Plan::decode(&objects, None, frozen)?;
        }
        Ok(judged)
    }

    /// What no thaw makes, whatever the machine: what one refuses because of what the image holds.
    pub fn obstacles(&self) -> Vec<Obstacle> {
        if !is_thawed(&self.head.identity) {
            return Vec::new();
        }
        let mut all = obstacle::of_image(&self.plan, &self.unclear, &self.head);
        all.extend(self.clocks.as_ref().map(obstacle::of_clocks));
        all
    }

    /// What a thaw on another kernel than that of the freeze would refuse besides. Of what stands in
    /// user memory it is asked if `pages` are the image with them.
    pub fn of_another_kernel(&self, pages: Option<&Image>) -> Vec<Obstacle> {
        obstacle::of_another_kernel(&self.plan, pages)
    }

    /// What a thaw by the default rule of clocks would not make as it was, whatever the machine; of an
    /// image that is written, with its pages and contents.
    pub fn dropped(&self) -> Vec<Dropped> {
        let identity = &self.head.identity;
        match is_thawed(identity) {
            true => {
                let rule = ClockRule::default();
                dropped::dropped(&self.plan, &self.head, &Copies::new(), rule)
            }
            false => Vec::new(),
        }
    }

    /// The task of a number, as it is called.
    pub fn task(&self, tid: i32) -> TaskName {
        self.plan.task(tid)
    }

    /// What this machine, as it is now, would lack for a thaw when the tasks that were frozen are gone.
    pub fn lacking_here(&self) -> Vec<Obstacle> {
        obstacle::of_machine_now(&self.plan, &self.head)
    }
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
    /// Pages of their memory; those that several have in common count for each.
    pub pages: u64,
    /// Open files.
    pub files: usize,
}

impl Thaw {
    /// Understands an image as one of the kernel that is running, which is of `registry`. Whether it may be thawed at all was decided
    /// before.
    ///
    /// # Errors
    /// If it is damaged, is of another kernel, or makes no sense.
    pub fn new(registry: &Registry, image: Image) -> Result<Thaw, ThawError> {
        if let Some(error) = image.verify(Verify::Everything).into_iter().next() {
            return Err(error.into());
        }
        let identity = &image.head().identity;
        if !is_thawed(identity) {
            return Err(ThawError::Family {
                family: identity.family.clone(),
                machine: identity.machine.name(),
            });
        }
        let Identified { layout, id, .. } = identify_running(registry)?;
        // Two layouts can have one fingerprint where a meaning changed, and then differ in name.
        let same = (&identity.kernel.fingerprint, &identity.kernel.layout);
        if same != (&id.fingerprint, &id.layout) {
            let (from, to) = (&identity.kernel.release, &id.release);
            return Err(ThawError::OtherKernel {
                found: from.clone(),
                expected: to.clone(),
                command: format!("kconv {from} {to} {}", image.path().display()),
            });
        }
        let objects = Objects::new(&image, &layout)?;
        let frozen = Frozen::of_image(image.head()).map_err(DecodeError::from)?;
        let xsave = sys::xsave_components();
        let (plan, unclear) = Plan::decode(&objects, Some(&xsave), frozen)?;
        match plan.processes.is_empty() {
            true => Err(ThawError::Empty),
            false => Ok(Thaw {
                image,
                plan,
                unclear,
                left_out: Vec::new(),
                rule: ClockRule::default(),
            }),
        }
    }

    /// Has the tasks' clocks follow another rule than the default.
    pub fn with_clocks(self, rule: ClockRule) -> Thaw {
        Thaw { rule, ..self }
    }

    /// Makes only some of the processes.
    ///
    /// # Errors
    /// If the image does not have those that are named, or none is left.
    pub fn choose(mut self, choice: &Choice) -> Result<Thaw, ThawError> {
        let (plan, left_out) = self.plan.choose(choice)?;
        self.left_out.extend(left_out);
        self.plan = plan;
        Ok(self)
    }

    /// The releases that the image was frozen on and is of.
    pub fn releases(&self) -> [&str; 2] {
        let identity = &self.image.head().identity;
        [&identity.origin.release, &identity.kernel.release]
    }

    /// The digest that identifies the image.
    pub fn digest(&self) -> Digest {
        self.image.digest()
    }

    /// What is to be made.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The task of a number, as it is called.
    pub fn task(&self, tid: i32) -> TaskName {
        self.plan.task(tid)
    }

    /// The processes that were not chosen.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// All that is missing for it, or in its way.
    pub fn obstacles(&self) -> Vec<Obstacle> {
        self.obstacles_of(&self.plan)
    }

    fn obstacles_of(&self, plan: &Plan) -> Vec<Obstacle> {
        let mut all = obstacle::of_image(plan, &self.unclear, self.image.head());
        all.extend(obstacle::of_machine(plan, &self.image, self.rule));
        all
    }

    /// That nothing is in the way.
    ///
    /// # Errors
    /// All obstacles, if there are any.
    pub fn check(&self) -> Result<(), ThawError> {
        let all = self.obstacles();
        match all.is_empty() {
            true => Ok(()),
            false => Err(ThawError::Obstacles {
                apart: self.apart(&all),
                all,
            }),
        }
    }

    /// Which processes have to be left out so that nothing is in the way of the others.
    fn apart(&self, obstacles: &[Obstacle]) -> Option<Apart> {
        let mut except = BTreeSet::new();
        let mut obstacles = obstacles.to_vec();
        while !obstacles.is_empty() {
            let more = self.plan.processes_of(&obstacles)?;
            if more.is_subset(&except) {
                return None;
            }
            except.extend(more);
            let choice = Choice::Except(except.clone());
            let (rest, _) = self.plan.choose(&choice).ok()?;
            obstacles = self.obstacles_of(&rest);
            if obstacles.is_empty() {
                let others = rest.processes.len();
                except.extend(self.left_out.iter().map(|one| one.task.pid as i32));
                return Some(Apart { except, others });
            }
        }
        None
    }

    /// What is known, before anything is made, not to be as it was.
    pub fn dropped(&self) -> Vec<Dropped> {
        let head = self.image.head();
        let copies = obstacle::copies(&self.plan, head, Some(&self.image));
        let mut dropped = dropped::dropped(&self.plan, head, &copies, self.rule);
        dropped.extend(cgroups::dropped(&self.plan));
        dropped.extend(logs::dropped(&self.plan));
        dropped.extend(vdso::dropped(&self.plan, &self.image));
        // What a kernel is built without has no file.
        let setting = |name: &str| std::fs::read_to_string(format!("/proc/sys/kernel/{name}"));
        dropped.extend(settings::dropped(|name| setting(name).unwrap_or_default()));
        dropped
    }

    /// Makes the tasks and lets them run. To be called in the first thread of this process: whatever
    /// that makes later is in the time namespace of the tasks.
    ///
    /// # Errors
    /// All obstacles, if there are any; or what failed, and then nothing is left of what was made.
    pub fn run(&self) -> Result<Thawed, ThawError> {
        self.check()?;
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
        let spaces = spaces.filter(|space| memories().any(|memory| memory.mm == space.mm));
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
