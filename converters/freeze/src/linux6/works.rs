//! What a task has to do before it goes on in its program, queued by the kernel for itself.

use crate::error::{Fault, Finding};
use crate::walk::Walked;
use kernel_structs_bits::little_endian;

/// The works that lie in the task itself. The tick queues them as often as the task runs
/// (`kernel/sched/core.c`: task_tick_mm_cid, 6.12; `kernel/sched/fair.c`: task_tick_numa, and in 7.2
/// task_tick_cache), as long as a timer of its CPU time is due (`kernel/time/posix-cpu-timers.c`:
/// run_posix_cpu_timers), or its group has used its time up (7.2 `kernel/sched/fair.c`: throttle_cfs_rq). Not
/// every kernel has each of them: 6.1 has no concurrency ids, and NUMA may be off.
const OWN: [&str; 5] = [
    "cid_work",
    "numa_work",
    "cache_work",
    "sched_throttle_work",
    "posix_cputimers_work.work",
];

/// Leaves them out of the list of the works of each task: a task that was thawed has them queued again. Any
/// other work stays in it, and is refused as one that would be lost.
pub(crate) fn leave_out_own(walked: &mut Walked<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for task in 0..walked.tasks {
        match rest_of(walked, task) {
            Ok((place, rest)) => {
                let saved = &mut walked.objects[task].bytes;
                if let Some(works) = saved.get_mut(place..place + 8) {
                    works.copy_from_slice(&rest.to_le_bytes());
                }
            }
            Err(fault) => findings.push(Finding {
                place: walked.place(task, "task_works".to_owned(), None),
                flaw: fault.into(),
            }),
        }
    }
    findings
}

/// Where in a task its list of works is, and what is left of it.
fn rest_of(walked: &Walked<'_>, task: usize) -> Result<(usize, u64), Fault> {
    let view = walked.view(task)?;
    let mut own = Vec::new();
    for work in OWN {
        if view.has(work) {
            // `next` is the first member of each.
            let next = little_endian(view.bytes_from(work, 8)?);
            own.push((view.address_of(work)?.0, next));
        }
    }
    let place = view.offset_of("task_works")? as usize;
    Ok((place, without(view.unsigned("task_works")?, &own)))
}

/// What is left of a list without the works in `own`, of which each is an address and the one that
/// follows.
fn without(works: u64, own: &[(u64, u64)]) -> u64 {
    let mut rest = works;
    // Each is queued once at most.
    for _ in own {
        let found = own.iter().find(|(at, _)| *at == rest);
        rest = found.map_or(rest, |(_, next)| *next);
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_works_of_the_scheduler_are_left_out() {
        let own = [(0x10, 0x20), (0x20, 0x30)];
        assert_eq!(without(0, &own), 0);
        assert_eq!(without(0x10, &own), 0x30);
        assert_eq!(without(0x20, &own), 0x30);
        assert_eq!(without(0x30, &own), 0x30);
        assert_eq!(without(0x10, &own[..1]), 0x20);
        // A list that leads back to itself ends here.
        assert_eq!(without(0x10, &[(0x10, 0x10)]), 0x10);
    }
}
