//! Works that are queued for a task, as the memory of a kernel shows them.

use super::{Made, ROOT, task_map, tasks};
use crate::families::Known;
use crate::walk::{Selection, walk};
use kernel_structs_bits::little_endian;

/// The list of works of each of the three tasks of [`tasks`], once the walked tasks were settled.
fn works(change: impl Fn(&mut Made, &[u64; 3])) -> Vec<u64> {
    let (mut made, at) = tasks();
    change(&mut made, &at);
    let map = task_map();
    let names = made.names();
    let mut walked = walk(made.memory(&names), &map, &Selection::All);
    assert!(Known::Linux6.settle(&mut walked).is_empty());
    let place = made.offset("task_struct", "task_works") as usize;
    let bytes = |task: usize| &walked.objects[task].bytes[place..place + 8];
    (0..3).map(|task| little_endian(bytes(task))).collect()
}

#[test]
fn a_task_has_no_works_but_those_of_others() {
    const OTHER: u64 = ROOT + 0x5_0000;
    assert_eq!(works(|_, _| ()), [0, 0, 0]);
    let found = works(|made, at| {
        let [cid, numa, timers] = ["cid_work", "numa_work", "posix_cputimers_work.work"]
            .map(|work| made.offset("task_struct", work));
        // The first has what the tick queues, before the work of somebody else.
        made.set("task_struct", at[0], "task_works", at[0] + cid);
        made.word(at[0] + cid, at[0] + timers);
        made.word(at[0] + timers, OTHER);
        made.set("task_struct", at[1], "task_works", at[1] + numa);
        // That of another task is none of its own.
        made.set("task_struct", at[2], "task_works", at[1] + numa);
    });
    let numa = ROOT + 0x1_0000 + Made::new().offset("task_struct", "numa_work");
    assert_eq!(found, [OTHER, 0, numa]);
}
