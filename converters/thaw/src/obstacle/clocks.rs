//! The clocks: a time namespace can be made, or every time that a call waits for can be corrected.

use super::found::Obstacles;
use crate::clocks::{ClockRule, TaskClocks};
use crate::plan::{Deadline, DeadlineClock, Mapping, Plan};
use crate::sys;
use crate::vm_flags::VM_SHARED;
use kconv_codes::Code;
use std::path::Path;

const ADVICE: &str = "thaw with --no-time-namespace, which corrects the times that calls wait for, \
                      and not those that a program has computed";

pub(super) fn check(plan: &Plan, rule: ClockRule, found: &mut Obstacles<'_>) {
    match rule {
        ClockRule::Suspended | ClockRule::Stopped => {
            let limit = std::fs::read_to_string("/proc/sys/user/max_time_namespaces");
            let limit = limit.ok().and_then(|text| text.trim().parse().ok());
            namespace(Path::new("/proc/self/ns/time").exists(), limit, found);
            match sys::moment() {
                Ok(now) => {
                    if let Err(error) = TaskClocks::new(rule, &plan.frozen, &now) {
                        let expected = "clocks that a time namespace can have";
                        found.add(
                            Code::ClockOffset,
                            None,
                            "the clocks",
                            error.to_string(),
                            expected,
                            ADVICE,
                        );
                    }
                }
                Err(error) => {
                    let advice = "run kconv as root, outside of any sandbox";
                    found.add(
                        Code::ClockUnknown,
                        None,
                        "the clocks",
                        error.to_string(),
                        "their times",
                        advice,
                    );
                }
            }
        }
        ClockRule::Machine => {
            for process in &plan.processes {
                let mappings = process.memory.iter().flat_map(|one| &one.mappings);
                let mappings: Vec<&Mapping> = mappings.collect();
                for thread in &process.threads {
                    if let Some(at) = &thread.deadline {
                        deadline(thread.tid, at, &mappings, found);
                    }
                }
            }
        }
    }
}

/// Whether the kernel makes time namespaces: `limit` is how many.
fn namespace(exists: bool, limit: Option<u64>, found: &mut Obstacles<'_>) {
    let what = "time namespace";
    if !exists {
        let is = "a kernel without them (CONFIG_TIME_NS)";
        found.add(
            Code::ClockNamespace,
            None,
            what,
            is,
            "one that has them",
            ADVICE,
        );
    } else if limit == Some(0) {
        let what = "user.max_time_namespaces";
        let advice = "set it higher with sysctl, or thaw with --no-time-namespace";
        found.add(Code::ClockNamespace, None, what, "0", "at least 1", advice);
    }
}

/// A time that is corrected in memory must be the program's own.
fn deadline(task: i32, deadline: &Deadline, mappings: &[&Mapping], found: &mut Obstacles<'_>) {
    let DeadlineClock::Boot(clock) = deadline.clock else {
        return;
    };
    let private = mappings.iter().any(|mapping| {
        (mapping.start..mapping.end).contains(&deadline.at) && mapping.flags & VM_SHARED == 0
    });
    if !private {
        found.add(
            Code::ClockDeadline,
            Some(task),
            format!("{} until a time of {clock}", deadline.call),
            format!(
                "that time in memory shared with others, at {:#x}",
                deadline.at
            ),
            "it in memory of its own, where it can be corrected",
            "thaw without --no-time-namespace, on a kernel with time namespaces",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{Deadline, DeadlineClock, Mapping, Obstacles, Plan, deadline, namespace};
    use crate::clocks::BootClock;
    use crate::obstacle::ObstacleOf;

    fn in_memory(flags: u64, clock: DeadlineClock) -> Vec<String> {
        let mapping = Mapping::bare(0x1000, 0x3000, flags);
        let until = Deadline {
            call: "futex_waitv",
            at: 0x2ff0,
            clock,
        };
        let plan = Plan::default();
        let mut found = Obstacles::of(&plan, ObstacleOf::Machine);
        deadline(7, &until, &[&mapping], &mut found);
        found.into_list().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_time_that_others_look_at_is_not_corrected() {
        let (private, shared) = (0x3, 0xb);
        let clock = DeadlineClock::Boot(BootClock::Monotonic);
        assert!(in_memory(private, clock).is_empty());
        assert_eq!(
            in_memory(shared, clock),
            [
                "task 7: futex_waitv until a time of CLOCK_MONOTONIC: found that time in memory shared \
                 with others, at 0x2ff0, expected it in memory of its own, where it can be corrected"
            ]
        );
        // Nothing is written for one of CPU time.
        let clock = DeadlineClock::Cpu { clock: 2, spent: 0 };
        assert!(in_memory(shared, clock).is_empty());
    }

    fn found(exists: bool, limit: Option<u64>) -> Vec<String> {
        let plan = Plan::default();
        let mut found = Obstacles::of(&plan, ObstacleOf::Machine);
        namespace(exists, limit, &mut found);
        found.into_list().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_kernel_that_makes_no_time_namespace_is_told() {
        assert!(found(true, Some(1)).is_empty());
        assert!(found(true, None).is_empty());
        assert_eq!(
            found(false, None),
            [
                "time namespace: found a kernel without them (CONFIG_TIME_NS), expected one that has \
                 them"
            ]
        );
        assert_eq!(
            found(true, Some(0)),
            ["user.max_time_namespaces: found 0, expected at least 1"]
        );
    }
}
