//! What is missing for a thaw, or in its way: all of it is found before anything is made. That of the
//! image is in `image` and what it asks; that of the machine in the others.

mod clocks;
mod found;
mod image;
mod machine;
mod notices;
mod opened;
mod pipes;
mod placed;
mod programs;
mod resources;
mod room;
mod sessions;
mod sockets;
mod terminals;
mod vdso;

pub use found::{Obstacle, ObstacleOf};
pub(crate) use image::{clocks as of_clocks, obstacles as of_image};
pub(crate) use machine::{Holder, numbers_in_use};
pub(crate) use programs::copies;

use crate::cgroups::frozen;
use crate::clocks::ClockRule;
use crate::plan::Plan;
use found::Obstacles;
use kconv_codes::Code;
use kconv_image::{Escaped, Head, Image};

/// All that `plan`, made of this image, lacks on this machine, with clocks of that rule.
pub(crate) fn of_machine(plan: &Plan, image: &Image, rule: ClockRule) -> Vec<Obstacle> {
    let head = image.head();
    let mut found = Obstacles::of(plan, ObstacleOf::Machine);
    machine::check(plan, head, &mut found);
    placed::check(plan, &mut found);
    clocks::check(plan, rule, &mut found);
    let copies = copies(plan, head, Some(image));
    programs::check(plan, &copies, &mut found);
    resources::check(plan, head, Some(image), &copies, &mut found);
    opened::check(plan, &copies, &mut found);
    room::check(plan, head, &copies, &mut found);
    terminals::check(plan, &mut found);
    frozen_cgroups(plan, &mut found);
    vdso::check(plan, image, &mut found);
    found.into_list()
}

/// What this machine lacks for every thaw, of whatever image.
pub(crate) fn of_any_image() -> Vec<Obstacle> {
    let plan = Plan::default();
    let mut found = Obstacles::of(&plan, ObstacleOf::Machine);
    machine::whatever_the_image(&mut found);
    found.into_list()
}

/// What the image holds that a kernel with another vDSO than that of the freeze does not make, besides
/// what none makes; with the pages of `image`, if it has them, what stands on the stacks as well.
pub(crate) fn of_another_kernel(plan: &Plan, image: Option<&Image>) -> Vec<Obstacle> {
    let mut found = Obstacles::of(plan, ObstacleOf::Image);
    vdso::within(plan, &mut found);
    if let Some(image) = image {
        vdso::without_stand_in(plan, image, &mut found);
        vdso::returning(plan, image, &mut found);
    }
    found.into_list()
}

/// What this machine, as it is now, would lack when the tasks that were frozen are gone.
pub(crate) fn of_machine_now(plan: &Plan, head: &Head) -> Vec<Obstacle> {
    let mut found = Obstacles::of(plan, ObstacleOf::Machine);
    machine::standing(plan, head, &mut found);
    let copies = copies(plan, head, None);
    programs::check(plan, &copies, &mut found);
    resources::check(plan, head, None, &copies, &mut found);
    opened::standing(plan, &copies, &mut found);
    found.into_list()
}

/// Cgroups whose processes stand still: one that is put into it could not be made.
fn frozen_cgroups(plan: &Plan, found: &mut Obstacles<'_>) {
    for process in &plan.processes {
        if let Some(folder) = frozen(process, &plan.resources) {
            let cgroup = folder.display().to_string();
            found.add(
                Code::CgroupFrozen,
                Some(process.pid),
                format!("cgroup {}", Escaped(&cgroup)),
                "frozen",
                "one whose processes run",
                "thaw it (write 0 to its cgroup.freeze)",
            );
        }
    }
}
