//! The answer to PR_GET_DUMPABLE, which newer kernels have with the task.

use super::{Made, ROOT, builtin, task_map, tasks_of};
use crate::families::Known;
use crate::walk::{Selection, walk};
use kernel_structs_bits::little_endian;

/// The flags of the memory of a process, read on a kernel that has `elsewhere` for it, once they were settled.
fn settled(made: Made, flags: (&str, u64), elsewhere: Option<u64>) -> u64 {
    let (mm, state) = (ROOT + 0x5_0000, ROOT + 0x6_0000);
    let (mut made, at) = tasks_of(made);
    made.object("mm_struct", mm, &[flags]);
    made.set("task_struct", at[1], "mm", mm);
    if let Some(dumpable) = elsewhere {
        made.object("task_exec_state", state, &[("dumpable", dumpable)]);
        made.set("task_struct", at[1], "exec_state", state);
    }
    let mut map = task_map();
    let task = map.types.get_mut("task_struct").unwrap();
    let mm = &builtin().1.types["task_struct"].fields["mm"];
    task.fields.get_mut("mm").unwrap().policy = mm.policy.clone();
    let names = made.names();
    let mut walked = walk(made.memory(&names), &map, &Selection::All);
    assert!(Known::Linux6.settle(&mut walked).is_empty());
    let found = walked.objects_of("mm_struct").next().unwrap();
    let place = made.offset("mm_struct", "flags") as usize;
    little_endian(&walked.objects[found].bytes[place..place + 8])
}

#[test]
fn who_may_dump_a_program_stands_with_its_memory() {
    let newest = |word, dumpable| {
        let flags = ("flags.__mm_flags[0]", word);
        settled(Made::newest(), flags, Some(dumpable))
    };
    assert_eq!(newest(0x108, 2), 0x10a);
    assert_eq!(newest(0x108, 0), 0x108);
    // Bits that mean nothing there.
    assert_eq!(newest(0x10b, 1), 0x109);
    assert_eq!(settled(Made::new(), ("flags", 0x10a), None), 0x10a);
}
