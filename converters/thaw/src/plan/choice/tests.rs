#![allow(clippy::unwrap_used)]

use super::*;
use crate::plan::{Descriptor, Ended, Mapping, Memory, OpenFile};
use crate::testing::{self, file as file_at, shared_memory};
use kconv_image::ObjectId;
use kconv_resources::linux6::{Queue, SocketType};
use kconv_tasks::model::Credentials;

/// A process with a table of its own that has `files` open.
fn process(pid: i32, parent: Option<usize>, files: &[usize]) -> Process {
    let descriptors = files.iter().enumerate();
    Process {
        table: Some(ObjectId(pid as u32)),
        descriptors: descriptors
            .map(|(number, file)| Descriptor {
                number: number as i32,
                file: *file,
                close_on_exec: false,
            })
            .collect(),
        ..Process::bare(pid, parent)
    }
}

fn with_memory(mut process: Process, mm: u32, files: &[usize]) -> Process {
    let mapping = |file: &usize| Mapping {
        file: Some(*file),
        ..Mapping::bare(4096 * *file as u64, 4096 * (*file as u64 + 1), 0)
    };
    process.memory = Some(Memory {
        program: files.first().copied(),
        ..Memory::bare(ObjectId(mm), files.iter().map(mapping).collect())
    });
    process
}

fn file(object: u32) -> OpenFile {
    OpenFile {
        object: ObjectId(object),
        resource: ResourceId(object),
        flags: 0,
        position: 0,
        owner: None,
        write_hint: 0,
    }
}

fn plan(processes: Vec<Process>) -> Plan {
    Plan {
        processes,
        files: (0..4).map(file).collect(),
        ..Plan::default()
    }
}

fn only(pids: &[i32]) -> Choice {
    Choice::Only(pids.iter().copied().collect())
}

fn except(pids: &[i32]) -> Choice {
    Choice::Except(pids.iter().copied().collect())
}

fn pids(plan: &Plan) -> Vec<i32> {
    plan.processes.iter().map(|process| process.pid).collect()
}

fn texts(left_out: &[LeftOut]) -> Vec<String> {
    let text = |one: &LeftOut| format!("{}: {}", one.task, one.text());
    left_out.iter().map(text).collect()
}

#[test]
fn those_that_are_made_keep_their_parents_and_files() {
    let all = plan(vec![
        process(5, None, &[0, 3]),
        with_memory(process(6, Some(0), &[3, 1]), 60, &[2, 1]),
        process(7, Some(1), &[2]),
    ]);
    let (made, left_out) = all.choose(&except(&[5])).unwrap();
    assert_eq!(pids(&made), [6, 7]);
    // 6 is an orphan now, and still the parent of 7.
    let parents: Vec<Option<usize>> = made.processes.iter().map(|one| one.parent).collect();
    assert_eq!(parents, [None, Some(0)]);
    assert_eq!(texts(&left_out), ["task 5: it is not made"]);
    let objects = |files: Vec<usize>| -> Vec<u32> {
        let files = files.iter().map(|file| made.files[*file].object.0);
        files.collect()
    };
    let open = |process: &Process| process.descriptors.iter().map(|open| open.file).collect();
    assert_eq!(objects(open(&made.processes[0])), [3, 1]);
    assert_eq!(objects(open(&made.processes[1])), [2]);
    let memory = made.processes[0].memory.as_ref().unwrap();
    let mapped = memory.mappings.iter().filter_map(|mapping| mapping.file);
    assert_eq!(objects(mapped.collect()), [2, 1]);
    assert_eq!(objects(memory.program.into_iter().collect()), [2]);
    // What nobody uses any more is not opened.
    assert_eq!(made.files.len(), 3);

    let (made, left_out) = all.choose(&only(&[5])).unwrap();
    assert_eq!(pids(&made), [5]);
    assert_eq!(
        texts(&left_out),
        [
            "task 6: it is not made, and task 5 will miss this child",
            "task 7: it is not made"
        ]
    );
    let (made, left_out) = all.choose(&Choice::All).unwrap();
    assert_eq!((pids(&made), left_out), (vec![5, 6, 7], Vec::new()));
}

#[test]
fn a_child_that_has_ended_comes_with_its_parent() {
    let ended = |pid, parent| Process {
        ended: Some(Ended {
            status: 0,
            name: Vec::new(),
            credentials: Credentials::default(),
        }),
        ..Process::bare(pid, parent)
    };
    let all = plan(vec![
        process(5, None, &[]),
        process(6, None, &[]),
        ended(8, Some(0)),
        ended(9, Some(1)),
    ]);
    for (choice, expected) in [
        (only(&[5]), vec![5, 8]),
        (except(&[5]), vec![6, 9]),
        (except(&[8]), vec![5, 6, 9]),
    ] {
        let (made, _) = all.choose(&choice).unwrap();
        assert_eq!(pids(&made), expected, "{choice:?}");
    }
}

#[test]
fn what_is_shared_with_those_left_out_is_told() {
    let named = || Resource::File(file_at("/a"));
    let mut all = plan(vec![
        with_memory(process(5, None, &[]), 50, &[0, 1]),
        with_memory(process(6, None, &[]), 50, &[0, 1]),
        Process {
            table: Some(ObjectId(5)),
            ..with_memory(process(7, None, &[]), 70, &[1, 3])
        },
        // A file with a name is there for whoever comes.
        with_memory(process(8, None, &[]), 80, &[0, 2]),
    ]);
    let resources = [named(), shared_memory(), named(), shared_memory()];
    all.resources = resources.into_iter().collect();
    let severed = |choice| -> Vec<(i32, &'static str, i64)> {
        let (made, _) = all.choose(&choice).unwrap();
        let severed = made.severed.iter();
        severed
            .map(|one| (one.pid, one.what, one.with.pid))
            .collect()
    };
    assert_eq!(
        severed(only(&[5])),
        [
            (5, "memory", 6),
            (5, "open files", 7),
            (5, "a part of its memory", 7)
        ]
    );
    assert_eq!(severed(only(&[8])), []);
    assert_eq!(severed(except(&[8])), []);
}

#[test]
fn only_processes_of_the_image_can_be_named() {
    let all = plan(vec![process(5, None, &[]), process(6, None, &[])]);
    let error = |choice| all.choose(&choice).unwrap_err().to_string();
    assert_eq!(
        error(only(&[5, 9])),
        "the image has no process 9; it has 5, 6"
    );
    assert_eq!(
        error(except(&[5, 6])),
        "all processes of the image are left out"
    );
}

#[test]
fn an_epoll_waits_for_what_is_made_and_is_nobody_elses() {
    let watch = |epoll: usize, file: usize, descriptor: u32| Watch {
        epoll,
        file: Some(file),
        descriptor,
        events: 1,
        data: 0,
        process: None,
    };
    // 0 and 3 are epolls.
    let mut all = plan(vec![
        process(5, None, &[0, 1]),
        process(6, None, &[2]),
        process(7, None, &[2, 3]),
    ]);
    all.watches = vec![watch(0, 1, 10), watch(0, 2, 11), watch(3, 2, 12)];
    let watched = |choice: &Choice| -> Vec<(u32, Option<u32>, u32)> {
        let (made, _) = all.choose(choice).unwrap();
        let object = |file: usize| made.files[file].object.0;
        let watches = made.watches.iter();
        watches
            .map(|of| (object(of.epoll), of.file.map(object), of.descriptor))
            .collect()
    };
    let (first, second, third) = ((0, Some(1), 10), (0, Some(2), 11), (3, Some(2), 12));
    assert_eq!(watched(&Choice::All), [first, second, third]);
    // What 6 alone has open is not waited for by 5 without it.
    assert_eq!(watched(&only(&[5])), [first, (0, None, 11)]);
    assert_eq!(watched(&only(&[6])), []);
    assert_eq!(watched(&only(&[7])), [third]);

    let severed = |resource: Resource| {
        let none = || Resource::NotCarried(kconv_resources::Bare);
        let resources = [none(), none(), resource, none()];
        let all = Plan {
            resources: resources.into_iter().collect(),
            ..all.clone()
        };
        let (made, _) = all.choose(&only(&[7])).unwrap();
        let severed = made.severed.iter();
        severed
            .map(|one| (one.pid, one.what, one.with.pid))
            .collect::<Vec<_>>()
    };
    let counter = Resource::EventFd(kconv_resources::linux6::EventFd {
        count: 0,
        is_semaphore: false,
    });
    assert_eq!(severed(counter), [(7, "what an event loop waits with", 6)]);
    let socket = testing::paired_socket(1, None, SocketType::Stream, Queue::default());
    let socket = Resource::PairedSocket(socket);
    assert_eq!(severed(socket), [(7, "a socket", 6)]);
    assert_eq!(severed(Resource::File(file_at("/a"))), []);
}
