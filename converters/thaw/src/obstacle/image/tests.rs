#![allow(clippy::unwrap_used)]

use super::*;
use crate::plan::{Lock, Memory, OpenFile, Severed, Timer};
use crate::testing::{head, resource};
use kconv_image::{ObjectId, Resource, ResourceId, TaskName, Value};
use kconv_objects::FieldError;

fn process(pid: i32, parent: Option<usize>, session: i32) -> Process {
    Process {
        session,
        ..Process::bare(pid, parent)
    }
}

fn plan(processes: Vec<Process>) -> Plan {
    Plan {
        processes,
        ..Plan::default()
    }
}

fn found(plan: &Plan, resources: Vec<Resource>) -> Vec<String> {
    let all = obstacles(plan, &[], &head(resources));
    assert!(all.iter().all(|one| one.of == ObstacleOf::Image));
    all.iter().map(ToString::to_string).collect()
}

fn with(mut resource: Resource, attributes: &[(&str, Value)]) -> Resource {
    let attributes = attributes.iter();
    let attributes = attributes.map(|(name, value)| ((*name).to_owned(), value.clone()));
    resource.attributes.extend(attributes);
    resource
}

#[test]
fn a_terminal_is_in_the_way_of_who_has_it() {
    let tty = with(resource("tty"), &[("name", Value::Text("pts3".to_owned()))]);
    let leader = Process {
        controlling_terminal: Some(ResourceId(0)),
        ..process(5, None, 5)
    };
    let inherits = Process {
        controlling_terminal: Some(ResourceId(0)),
        ..process(6, Some(0), 5)
    };
    let other = process(7, None, 7);
    assert_eq!(
        found(&plan(vec![leader, inherits, other]), vec![tty]),
        ["task 5: controlling terminal: found pts3, expected none"]
    );
}

#[test]
fn sessions_come_about_by_birth_or_setsid() {
    let sound = [
        // Born before its parent began a session of its own, and after.
        vec![process(5, None, 5), process(6, Some(0), 5)],
        vec![
            process(5, None, 3),
            process(6, Some(0), 6),
            process(7, Some(1), 3),
        ],
        // The leader is not in the image: a stand-in leads.
        vec![
            process(5, None, 3),
            process(6, Some(0), 3),
            process(7, None, 3),
        ],
    ];
    for processes in sound {
        assert!(
            found(&plan(processes.clone()), Vec::new()).is_empty(),
            "{processes:?}"
        );
    }
    // An orphan of a session whose leader is here, one that a subreaper took, and one that was born
    // before its parent began a session: of the one before nothing is in the image.
    let orphan = vec![process(5, None, 5), process(6, None, 5)];
    let taken = vec![
        process(5, None, 3),
        process(6, Some(0), 6),
        process(7, Some(0), 6),
    ];
    let before = vec![process(5, None, 5), process(6, Some(0), 3)];
    for (processes, pid, leader) in [(orphan, 6, 5), (taken, 7, 6), (before, 6, 3)] {
        assert_eq!(
            found(&plan(processes), Vec::new()),
            [format!(
                "task {pid}: session: found that of task {leader}, which is no ancestor that it could \
                 have it from, expected its own, or its parent's"
            )]
        );
    }
}

#[test]
fn what_several_tasks_have_is_told_once() {
    let vfork = with(resource("vfork"), &[("parent-pid", Value::Signed(4))]);
    let alarm = |pid| {
        let timer = Timer {
            id: 0,
            clock: 9,
            notify: 0,
            signal: 14,
            value: 0,
            thread: 0,
            expires: Default::default(),
            interval: 0,
            waits_for_signal: false,
            overrun_last: 0,
            ignored: 0,
        };
        Process {
            timers: vec![timer.clone(), timer],
            ..process(pid, None, pid)
        }
    };
    assert_eq!(
        found(&plan((5..11).map(alarm).collect()), vec![vfork]),
        [
            "task 5, task 6, task 7 and 3 more: timer: found one that wakes the machine up, expected \
             none"
        ]
    );
}

#[test]
fn memory_and_descriptors_of_two_processes_and_locks_on_closed_files_are_told() {
    let memory = Memory {
        mm: ObjectId(1),
        mappings: Vec::new(),
        bounds: Default::default(),
        auxv: Vec::new(),
        program: None,
        vdso: None,
        flags: 0,
        controls: Default::default(),
        keys: Default::default(),
        ldt: Vec::new(),
    };
    let shares = |pid, parent, table| Process {
        memory: Some(memory.clone()),
        table: Some(ObjectId(table)),
        ..process(pid, parent, 5)
    };
    let files_alone = Process {
        table: Some(ObjectId(3)),
        ..process(8, Some(0), 5)
    };
    let mut locks = process(7, Some(0), 5);
    locks.locks.push(Lock {
        file: 0,
        style: LockStyle::Process,
        exclusive: true,
        start: 0,
        length: 0,
        pid: 7,
    });
    assert_eq!(
        found(
            &plan(vec![
                shares(5, None, 2),
                shares(6, Some(0), 3),
                files_alone,
                locks
            ]),
            Vec::new()
        ),
        [
            "task 7: lock: found one on a file that is closed, expected none",
            "task 6: memory: found shared with another process, expected its own",
            "task 8: open files: found shared with another process, expected its own",
        ]
    );
}

#[test]
fn a_process_without_its_first_thread_and_one_that_makes_no_sense_are_told_by_name() {
    let named = |pid, name: &[u8]| Process {
        name: name.to_vec(),
        ..process(pid, None, pid)
    };
    let lost = Process {
        lost_its_first: true,
        ..named(5, b"a\x1bb")
    };
    let plan = plan(vec![lost, named(6, b"odd")]);
    let unclear = [6, 7].map(|pid| Unclear {
        pid,
        error: FieldError::NoType {
            ty: "task_struct".to_owned(),
        }
        .into(),
    });
    let all = obstacles(&plan, &unclear, &head(Vec::new()));
    let texts: Vec<String> = all.iter().map(ToString::to_string).collect();
    // What was left out is not asked for.
    assert_eq!(
        texts,
        [
            "task 5 (a\\u{1b}b): first thread: found one that ended before the others, expected one \
             that lives as long as they",
            "task 6 (odd): its state: found objects that make no sense (found no type task_struct in the \
             layout, expected exactly one), expected what a task can have",
        ]
    );
    assert_eq!(all[1].of, ObstacleOf::Objects);
}

#[test]
fn a_pipe_needs_all_of_its_ends() {
    let pipe = with(
        resource("pipe"),
        &[
            ("inode", Value::Unsigned(77)),
            ("readers", Value::Unsigned(1)),
            ("writers", Value::Unsigned(2)),
        ],
    );
    let end = |flags| OpenFile {
        object: ObjectId(flags),
        resource: ResourceId(0),
        flags,
        position: 0,
        owner: None,
    };
    let mut holder = process(5, None, 5);
    holder.descriptors.push(crate::plan::Descriptor {
        number: 0,
        file: 0,
        close_on_exec: false,
    });
    let mut plan = plan(vec![holder]);
    plan.files = vec![end(0), end(1), end(1)];
    assert!(found(&plan, vec![pipe.clone()]).is_empty());
    plan.files.pop();
    assert_eq!(
        found(&plan, vec![pipe]),
        ["task 5: pipe 77: found 1 writers in the image, expected 2"]
    );
}

#[test]
fn namespaces_and_what_was_severed_are_told() {
    let isolated = |pid| Process {
        namespaces: BTreeSet::from([ResourceId(0), ResourceId(1)]),
        ..process(pid, None, pid)
    };
    let mut plan = plan(vec![process(5, None, 5), isolated(7), isolated(8)]);
    plan.severed.push(Severed {
        pid: 5,
        what: "memory",
        with: TaskName {
            pid: 6,
            comm: "a\nb".to_owned(),
        },
    });
    let machine = with(
        resource("ipc-namespace"),
        &[("initial", Value::Unsigned(1))],
    );
    // One that no process is in is in nobody's way, and one of time is made anew.
    let all = ["uts-namespace", "net-namespace", "time-namespace"].map(resource);
    let [own, of_nobody, time] = all;
    assert_eq!(
        found(&plan, vec![own, machine, of_nobody, time]),
        [
            "task 7, task 8: uts-namespace: found one of its own, expected that of the machine",
            "task 5: memory: found shared with task 6 (a\\nb), which is left out, expected shared \
             with tasks that are made",
        ]
    );
}
