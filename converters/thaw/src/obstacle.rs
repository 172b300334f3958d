//! What is missing for a thaw, or in its way: all of it is found before anything is made.

mod clocks;
mod found;
mod machine;
mod pipes;
mod resources;
mod terminals;
mod vdso;

pub use found::Obstacle;
pub(crate) use machine::numbers_in_use;
pub(crate) use resources::is_of_a_task;

use crate::cgroups::frozen;
use crate::clocks::ClockRule;
use crate::plan::{LockStyle, Plan};
use found::{NOT_YET, Obstacles};
use kconv_image::{Head, Image};

/// All that is in the way of `plan`, made of this image, with clocks of that rule.
pub(crate) fn obstacles(plan: &Plan, image: &Image, rule: ClockRule) -> Vec<Obstacle> {
    let head = image.head();
    let mut found = Obstacles::default();
    machine::check(plan, head, &mut found);
    clocks::check(plan, rule, &mut found);
    resources::check(plan, head, &mut found);
    terminals::check(plan, head, &mut found);
    frozen_cgroups(plan, head, &mut found);
    unsupported(plan, &mut found);
    vdso::check(plan, image, &mut found);
    found.0
}

/// Cgroups whose processes stand still: one that is put into it could not be made.
fn frozen_cgroups(plan: &Plan, head: &Head, found: &mut Obstacles) {
    for process in &plan.processes {
        if let Some(folder) = frozen(process, head) {
            found.add(
                Some(process.pid),
                format!("cgroup {}", folder.display()),
                "frozen",
                "one whose processes run",
                "thaw it (write 0 to its cgroup.freeze)",
            );
        }
    }
}

/// State that this version cannot make.
fn unsupported(plan: &Plan, found: &mut Obstacles) {
    const USER_CODE: u64 = 0x33;
    const CS: usize = 17;
    const CLOCKS_WITH_ALARM: [i32; 2] = [8, 9];
    const MOST_TIMERS: i32 = 100_000;
    for process in &plan.processes {
        let mut cannot = |task: i32, what: &str, state: String| {
            found.add(Some(task), what, state, "none", NOT_YET);
        };
        for thread in &process.threads {
            if thread.registers.values[CS] != USER_CODE {
                cannot(thread.tid, "the processor's mode", "32-bit code".to_owned());
            }
        }
        for (task, what) in &process.unshared {
            cannot(*task, what, "one that is not the first thread's".to_owned());
        }
        for timer in &process.timers {
            if CLOCKS_WITH_ALARM.contains(&timer.clock) {
                cannot(
                    process.pid,
                    "timer",
                    "one that wakes the machine up".to_owned(),
                );
            }
            if timer.id > MOST_TIMERS {
                cannot(process.pid, "timer", format!("number {}", timer.id));
            }
        }
        for lock in &process.locks {
            let own = process
                .descriptors
                .iter()
                .any(|open| open.file == lock.file);
            if lock.style == LockStyle::Process && !own {
                cannot(
                    process.pid,
                    "lock",
                    "one on a file that is closed".to_owned(),
                );
            }
        }
        let leader = plan.processes.iter().any(|one| one.pid == process.session);
        if process.parent.is_none() && leader && process.session != process.pid {
            cannot(
                process.pid,
                "session",
                format!("that of process {}, no ancestor of it", process.session),
            );
        }
    }
    let mut spaces = Vec::new();
    for process in &plan.processes {
        if let (Some(memory), Some(table)) = (&process.memory, process.table) {
            if spaces.contains(&(memory.mm, table)) {
                found.add(
                    Some(process.pid),
                    "memory and open files",
                    "those of another process",
                    "some of its own",
                    NOT_YET,
                );
            }
            spaces.push((memory.mm, table));
        }
    }
}
