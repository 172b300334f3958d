#![allow(clippy::unwrap_used)]

use super::*;
use crate::plan::{Descriptor, Lock, Memory, OpenFile, Severed, Timer};
use crate::testing::{self, head};
use kconv_image::{ObjectId, TaskName, Value};
use kconv_objects::FieldError;
use kconv_resources::linux6::{
    File, FileType, Namespace, Parent, Queue, Resources, SocketType, TimeNamespace, Vfork,
};

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
    let plan = Plan {
        resources: resources.iter().cloned().collect(),
        ..plan.clone()
    };
    let all = obstacles(&plan, &[], &head(resources));
    assert!(all.iter().all(|one| one.of == ObstacleOf::Image));
    all.iter().map(ToString::to_string).collect()
}

fn namespace(is_initial: bool) -> Namespace {
    Namespace {
        inode: 4_026_531_836,
        is_initial,
    }
}

#[test]
fn a_terminal_is_in_the_way_of_who_has_it() {
    let tty = testing::terminal("pts3", 3);
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
    let parent = Parent {
        pid: 4,
        task: ObjectId(0),
    };
    let vfork = Resource::Vfork(Vfork {
        parent: Some(parent),
    });
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
    let memory = Memory::bare(ObjectId(1), Vec::new());
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
    let pipe = Resource::Pipe(testing::pipe(77, testing::pipe_state(2, b"")));
    let end = |flags| OpenFile {
        object: ObjectId(flags),
        resource: ResourceId(0),
        flags,
        position: 0,
        owner: None,
        write_hint: 0,
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
    let machine = Resource::IpcNamespace(namespace(true));
    // One that no process is in is in nobody's way, and one of time is made anew.
    let own = Resource::UtsNamespace(namespace(false));
    let of_nobody = Resource::NetNamespace(namespace(false));
    let time = Resource::TimeNamespace(TimeNamespace {
        namespace: namespace(false),
        monotonic: 0,
        boottime: 0,
    });
    assert_eq!(
        found(&plan, vec![own, machine, of_nobody, time]),
        [
            "task 7, task 8: uts-namespace: found one of its own, expected that of the machine",
            "task 5: memory: found shared with task 6 (a\\nb), which is left out, expected shared \
             with tasks that are made",
        ]
    );
}

/// What is said of a plan for resources of which some are not as they should be.
fn said(plan: &Plan, head: &Head) -> Vec<String> {
    let plan = Plan {
        resources: Resources::read(&head.resources),
        ..plan.clone()
    };
    let all = obstacles(&plan, &[], head);
    assert!(all.iter().all(|one| one.code == Code::ImageResource));
    assert!(all.iter().all(|one| one.advice == ADVICE));
    all.iter().map(ToString::to_string).collect()
}

#[test]
fn a_resource_that_does_not_tell_all_is_in_the_way_of_who_has_it() {
    let state = testing::pipe_state(1, b"");
    let of = |resource: &str| -> Resource {
        match resource {
            "pipe" => Resource::Pipe(testing::pipe(77, state.clone())),
            "mount" => testing::mount(0xef53),
            _ => Resource::File(testing::file("/etc/a")),
        }
    };
    let resources: Vec<Resource> = ["mount", "file", "pipe"].map(of).to_vec();
    let holder = |pid, file| {
        let mut holder = process(pid, None, pid);
        holder.descriptors.push(crate::plan::Descriptor {
            number: 0,
            file,
            close_on_exec: false,
        });
        holder
    };
    let open = |resource, flags| OpenFile {
        object: ObjectId(resource),
        resource: ResourceId(resource),
        flags,
        position: 0,
        owner: None,
        write_hint: 0,
    };
    let mut plan = plan(vec![holder(5, 0), holder(6, 1), holder(7, 2)]);
    plan.files = vec![open(1, 0), open(2, 0), open(2, 1)];
    let whole = head(resources);
    assert_eq!(said(&plan, &whole), [""; 0]);
    let without = |place: usize, name: &str| {
        let mut head = whole.clone();
        let before = head.resources[place].attributes.len();
        head.resources[place]
            .attributes
            .retain(|(key, _)| key != name);
        assert_eq!(head.resources[place].attributes.len() + 1, before);
        head
    };
    assert_eq!(
        said(&plan, &without(2, "readers")),
        ["task 6, task 7: attribute `readers` of pipe 77: found none, expected an unsigned number"]
    );
    assert_eq!(
        said(&plan, &without(1, "mount")),
        ["task 5: attribute `mount` of file /etc/a: found none, expected a resource"]
    );
    assert_eq!(
        said(&plan, &without(0, "magic")),
        ["task 5: attribute `magic` of mount /: found none, expected an unsigned number"]
    );
    // What the processes that are left out have is in nobody's way.
    let mut rest = plan.clone();
    rest.processes.pop();
    rest.processes.pop();
    assert_eq!(said(&rest, &without(2, "readers")), [""; 0]);
    // A lock that is not understood may be anybody's.
    let mut odd = whole.clone();
    odd.resources.push(kconv_image::Resource {
        kind: "file-lock".to_owned(),
        origin: Default::default(),
        attributes: vec![("style".to_owned(), Value::Unsigned(1))],
    });
    assert_eq!(
        said(&plan, &odd),
        [
            "attribute `style` of file-lock: found the unsigned number 1, expected one of posix, flock"
        ]
    );
}

#[test]
fn a_cpu_of_which_not_all_is_known_is_in_the_way_of_all() {
    let plan = plan(vec![process(5, None, 5)]);
    let mut head = head(Vec::new());
    head.facts.retain(|(name, _)| name != "cpu-capabilities");
    assert_eq!(
        said(&plan, &head),
        [
            "attribute `cpu-capabilities` of the machine: found none, expected a list, each of it an \
          unsigned number"
        ]
    );
}

#[test]
fn a_fifo_that_is_open_is_one_of_which_all_is_known() {
    let fifo = |state| {
        Resource::File(File {
            file_type: FileType::Fifo(state),
            ..testing::file("/run/a")
        })
    };
    let mut holder = process(5, None, 5);
    holder.descriptors.push(crate::plan::Descriptor {
        number: 0,
        file: 0,
        close_on_exec: false,
    });
    let mut plan = plan(vec![holder]);
    let mut told = |flags: i32, state| {
        plan.files = vec![OpenFile {
            object: ObjectId(0),
            resource: ResourceId(1),
            flags: flags as u32,
            position: 0,
            owner: None,
            write_hint: 0,
        }];
        found(&plan, vec![testing::mount(0xef53), fifo(state)])
    };
    let of_one = || Some(testing::pipe_state(0, b""));
    assert_eq!(told(libc::O_RDONLY, of_one()), [""; 0]);
    assert_eq!(
        told(libc::O_WRONLY, of_one()),
        ["task 5: FIFO /run/a: found 0 readers in the image, expected 1"]
    );
    assert_eq!(
        told(libc::O_RDONLY, None),
        [
            "task 5: FIFO /run/a: found an image that does not tell who has it open, expected one that \
          does"
        ]
    );
    // Its path alone.
    assert_eq!(told(libc::O_PATH, None), [""; 0]);
}

#[test]
fn what_proc_tells_of_others_and_folders_in_it_are_in_the_way() {
    let opens = Process {
        descriptors: vec![Descriptor {
            number: 3,
            file: 0,
            close_on_exec: false,
        }],
        ..process(7, None, 5)
    };
    let mut plan = plan(vec![opens]);
    plan.files.push(OpenFile {
        object: ObjectId(1),
        resource: ResourceId(0),
        flags: 0,
        position: 0,
        owner: None,
        write_hint: 0,
    });
    let of = |path: &str| found(&plan, vec![Resource::File(testing::file(path))]);
    for path in [
        "/proc/7/status",
        "/proc/sys/kernel/ostype",
        "/proc/uptime",
        "/sys/7",
    ] {
        assert_eq!(of(path), [""; 0], "{path}");
    }
    let expected = "task 7: regular file /proc/8/maps: found one about a task that is not in the image, \
                    expected one about a process in it, or none";
    assert_eq!(of("/proc/8/maps"), [expected]);

    // Where a task is.
    let resources: Resources = ["/", "/proc/7/task", "/proc/8"]
        .map(|path| Resource::File(testing::file(path)))
        .into_iter()
        .collect();
    let own = BTreeSet::from([7]);
    let found = [0, 1, 2].map(|id| of_a_task(ResourceId(id), &resources, &own));
    assert_eq!(found, [None, Some("/proc/7/task"), None]);
}

#[test]
fn a_lock_on_a_file_that_is_only_mapped_is_in_the_way() {
    let mapping = crate::plan::Mapping {
        start: 0x1000,
        end: 0x2000,
        flags: 0,
        key: 0,
        sealed: false,
        droppable: false,
        offset: 0,
        file: Some(0),
        policy: None,
    };
    let mut holder = process(7, None, 5);
    holder.memory = Some(Memory::bare(ObjectId(9), vec![mapping]));
    let mut plan = plan(vec![holder]);
    plan.files.push(OpenFile {
        object: ObjectId(1),
        resource: ResourceId(0),
        flags: 0,
        position: 0,
        owner: None,
        write_hint: 0,
    });
    let lock = |style, owner| {
        Resource::FileLock(linux6::FileLock {
            style,
            flags: 0,
            lock_type: linux6::LockType::Write,
            start: 0,
            end: i64::MAX,
            pid: 7,
            owner,
            file: Some(linux6::LockedFile {
                file: ObjectId(1),
                resource: ResourceId(0),
            }),
        })
    };
    let of = |plan: &Plan, style, owner| {
        found(
            plan,
            vec![Resource::File(testing::file("/a")), lock(style, owner)],
        )
    };
    use linux6::LockStyle::{Flock, Posix};
    let said =
        "task 7: lock: found one on a file that is mapped and not open any more, expected none";
    assert_eq!(of(&plan, Flock, Some(ObjectId(1))), [said]);
    // That of an open file.
    assert_eq!(of(&plan, Posix, Some(ObjectId(1))), [said]);
    // That of a process, and somebody else's.
    assert_eq!(of(&plan, Posix, Some(ObjectId(2))), [""; 0]);
    assert_eq!(of(&plan, Flock, None), [""; 0]);
    plan.processes[0].descriptors.push(Descriptor {
        number: 3,
        file: 0,
        close_on_exec: false,
    });
    assert_eq!(of(&plan, Flock, Some(ObjectId(1))), [""; 0]);
}

#[test]
fn an_epoll_waits_for_files_and_signals_of_those_that_are_made() {
    let mut holder = process(7, None, 7);
    holder.descriptors.push(Descriptor {
        number: 3,
        file: 0,
        close_on_exec: false,
    });
    let opened = |object, resource| OpenFile {
        object: ObjectId(object),
        resource: ResourceId(resource),
        flags: 0,
        position: 0,
        owner: None,
        write_hint: 0,
    };
    let mut plan = plan(vec![holder]);
    plan.files = vec![opened(1, 0), opened(2, 1), opened(3, 2)];
    let mut told = |file: Option<usize>, process: Option<i32>| {
        plan.watches = vec![crate::plan::Watch {
            epoll: 0,
            file,
            descriptor: 9,
            events: 1,
            data: 0,
            process,
        }];
        found(
            &plan,
            vec![
                Resource::Epoll(kconv_resources::Bare),
                Resource::File(testing::file("/a")),
                Resource::File(testing::file("/proc/7/mounts")),
            ],
        )
    };
    assert_eq!(told(Some(1), None), [""; 0]);
    assert_eq!(told(Some(1), Some(7)), [""; 0]);
    let said = |what: &str| {
        format!(
            "task 7: epoll, descriptor 9: found {what}, expected a file or signals of processes that are made"
        )
    };
    let signals = "signals of process 8, which is not made";
    assert_eq!(told(Some(1), Some(8)), [said(signals)]);
    let nobody = "a file that nobody has open who is made";
    assert_eq!(told(None, None), [said(nobody)]);
    assert_eq!(told(Some(2), None), [said("/proc/7/mounts")]);
}

#[test]
fn the_other_of_a_pair_of_sockets_is_in_the_image() {
    let socket = |inode, peer| {
        let stream = SocketType::Stream;
        Resource::PairedSocket(testing::paired_socket(
            inode,
            peer,
            stream,
            Queue::default(),
        ))
    };
    let found = |second: Resource| {
        let open = |file: usize| Descriptor {
            number: file as i32,
            file,
            close_on_exec: false,
        };
        let file = |resource| OpenFile {
            object: ObjectId(0),
            resource: ResourceId(resource),
            flags: 0,
            position: 0,
            owner: None,
            write_hint: 0,
        };
        let plan = Plan {
            files: vec![file(0), file(1)],
            ..plan(vec![Process {
                descriptors: vec![open(0), open(1)],
                ..process(5, None, 5)
            }])
        };
        found(&plan, vec![socket(1, Some(2)), second])
    };
    assert_eq!(found(socket(2, Some(1))), Vec::<String>::new());
    for other in [
        socket(3, None),
        socket(2, Some(3)),
        testing::shared_memory(),
    ] {
        let found = found(other);
        assert_eq!(
            found.first().map(String::as_str),
            Some(
                "task 5: socket 1, one of a pair: found the other one with none of these tasks, expected socket 2 with one of them"
            ),
            "{found:?}"
        );
    }
}
