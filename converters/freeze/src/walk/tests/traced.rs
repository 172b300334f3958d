//! Tasks that are traced, or trace, as the memory of a kernel shows them.

use super::{Made, ROOT, task_map, tasks};
use crate::linux6::Linux6;
use crate::walk::{Selection, walk};
use kconv_codes::Code;

/// What is refused of the three tasks of [`tasks`] for tracing: the task, the field, and why.
fn refused(change: impl Fn(&mut Made, &[u64; 3])) -> Vec<(usize, String, Code, String)> {
    let (mut made, at) = tasks();
    for task in at {
        let traced = task + made.offset("task_struct", "ptraced");
        made.set("task_struct", task, "ptraced.next", traced);
        let children = task + made.offset("task_struct", "children");
        made.set("task_struct", task, "children.next", children);
    }
    made.object("nsproxy", ROOT + 0x5_0000, &[]);
    made.name("init_nsproxy", ROOT + 0x5_0000);
    change(&mut made, &at);
    let map = task_map();
    let names = made.names();
    let mut walked = walk(made.memory(&names), &map, &Selection::All);
    let by_map = crate::refused::refused(&mut walked).into_iter();
    let of = |at: u64| (0..walked.tasks).find(|task| walked.objects[*task].at.0 == at);
    let mut refused: Vec<_> = by_map
        .map(|finding| {
            let flaw = finding.flaw;
            let task = of(finding.place.at.unwrap().0).unwrap();
            (task, finding.place.field, flaw.code(), flaw.to_string())
        })
        .collect();
    let family = Linux6::new(&walked).unwrap();
    family.refusals(&mut |task, field, flaw| {
        if field.starts_with("ptrace") {
            refused.push((task, field.to_owned(), flaw.code(), flaw.to_string()));
        }
    });
    refused
}

#[test]
fn a_traced_task_and_its_tracer_are_refused() {
    assert_eq!(refused(|_, _| ()), []);
    let found = refused(|made, at| {
        made.set("task_struct", at[1], "ptrace", 1);
        made.set("task_struct", at[1], "parent", at[0]);
        made.raw(at[0] + made.offset("task_struct", "comm"), b"strace\0");
        let entry = at[1] + made.offset("task_struct", "ptrace_entry");
        made.set("task_struct", at[0], "ptraced.next", entry);
    });
    let [tracer, traced] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!((tracer.0, tracer.1.as_str()), (0, "ptraced"));
    assert_eq!(tracer.2, Code::TaskTracer);
    assert_eq!((traced.0, traced.1.as_str()), (1, "ptrace"));
    assert_eq!(traced.2, Code::TaskTraced);
    assert_eq!(
        traced.3,
        "being traced by task 0 (strace) cannot be carried"
    );
}
