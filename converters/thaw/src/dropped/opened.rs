//! What open files have that opening them does not give.

use super::Dropped;
use crate::plan::{OpenFile, Plan};
use crate::used::{in_memory, is_of_a_task};
use kconv_codes::Code;
use kconv_image::{Escaped, Head};
use kconv_resources::Device;
use kconv_resources::linux6::{File, FileType, Resource};
use std::collections::BTreeSet;

/// Devices whose position is one of memory (`drivers/char/mem.c`: mem, null, port), and the one that has it of its own
/// (kmsg).
pub(crate) const WITH_POSITION: [Device; 2] =
    [Device { major: 1, minor: 1 }, Device { major: 1, minor: 4 }];
const KMSG: Device = Device {
    major: 1,
    minor: 11,
};

/// What is known to be dropped before anything is made.
pub(super) fn of(plan: &Plan, head: &Head) -> Vec<Dropped> {
    let own: BTreeSet<i32> = plan.processes.iter().map(|process| process.pid).collect();
    let mut dropped = Vec::new();
    for (index, open) in plan.files.iter().enumerate() {
        let Some(resource) = plan.resources.get(open.resource) else {
            continue;
        };
        let users: Vec<i32> = plan
            .processes
            .iter()
            .filter(|process| process.descriptors.iter().any(|one| one.file == index))
            .map(|process| process.pid)
            .collect();
        let Some(first) = users.first().copied() else {
            continue;
        };
        let mut add = |code, what: String, instead: &str| {
            dropped.push(Dropped {
                code,
                task: Some(first),
                what,
                instead: instead.to_owned(),
            });
        };
        let file = match resource {
            Resource::File(file) => file,
            // sd-daemon(3) has programs compare that with what they write to.
            Resource::JournalStream(_) => {
                let what = "the number of a stream to the journal, which JOURNAL_STREAM tells";
                add(Code::FdJournal, what.to_owned(), "that of a new one");
                continue;
            }
            // Once for both.
            Resource::PairedSocket(socket)
                if socket.peer.is_some_and(|peer| peer < socket.inode) =>
            {
                continue;
            }
            Resource::PairedSocket(socket) => {
                let what = format!(
                    "numbers and extended attributes of a pair of sockets, and what SO_PEERCRED and SO_PEERGROUPS tell of who made it: process {}, and groups",
                    socket.made_by
                );
                let instead = "those of a new pair, which kconv made; user and group are those";
                add(Code::FdSocketUnix, what, instead);
                continue;
            }
            Resource::Epoll(_) => {
                for (what, instead) in of_epoll(plan, index) {
                    add(Code::FdEvents, what, instead);
                }
                continue;
            }
            _ => continue,
        };
        let name = format!("{} {}", file.file_type.name(), Escaped(&file.path));
        if is_of_a_task(file, &own) && users.len() > 1 {
            let what = format!("one position in {name} with {} others", users.len() - 1);
            add(Code::FdPosition, what, "each has one of its own");
        }
        if let Some(instead) = position(open, file) {
            add(
                Code::FdPosition,
                format!("how far {name} was read"),
                instead,
            );
        }
        let is_made = head.contents_of(open.resource).is_some();
        if is_made && in_memory(&file.inode.file_system) && file.inode.links > 1 {
            let what = format!("{} further names of {name}", file.inode.links - 1);
            add(
                Code::FileNames,
                what,
                "those that there are; where it has to be made, none",
            );
        }
    }
    dropped.extend(attributes(plan, head));
    dropped
}

/// What an epoll is told that the kernel does not let set: what of it is, and what there is instead.
fn of_epoll(plan: &Plan, epoll: usize) -> Vec<(String, &'static str)> {
    /// How a file is waited for, and not for what (`fs/eventpoll.c`: EP_PRIVATE_BITS).
    const HOW: i32 = libc::EPOLLWAKEUP | libc::EPOLLONESHOT | libc::EPOLLET | libc::EPOLLEXCLUSIVE;
    let count = |is: &dyn Fn(u32) -> bool| {
        let watches = plan.watches.iter().filter(|watch| watch.epoll == epoll);
        watches.filter(|watch| is(watch.events)).count()
    };
    let of = |count: usize, what: &str| match count {
        1 => format!("one file {what}"),
        several => format!("{several} files {what}"),
    };
    let mut told = Vec::new();
    // One that has been told of is off until it is set anew.
    let off = count(&|events| events & !(HOW as u32) == 0);
    if off > 0 {
        let what = of(off, "that an epoll waits at no more (EPOLLONESHOT)");
        told.push((what, "it tells of an error or a hang-up there"));
    }
    let edges = count(&|events| events & libc::EPOLLET as u32 != 0);
    if edges > 0 {
        let what = of(edges, "of which an epoll tells what is new (EPOLLET)");
        told.push((what, "it tells once more of what is so still"));
    }
    told
}

/// What nobody knows whether files have it that may have to be made.
fn attributes(plan: &Plan, head: &Head) -> Option<Dropped> {
    let is_made = |open: &&OpenFile| {
        let file = plan.resources.file(open.resource);
        let has_contents = head.contents_of(open.resource).is_some();
        has_contents && file.is_some_and(|file| in_memory(&file.inode.file_system))
    };
    let files = plan.files.iter().filter(is_made);
    let files: BTreeSet<_> = files.map(|open| open.resource).collect();
    let what = match files.len() {
        0 => return None,
        1 => "a file".to_owned(),
        several => format!("{several} files"),
    };
    Some(Dropped {
        code: Code::FileAttributes,
        task: None,
        what: format!("extended attributes, access lists and flags of {what} in memory, if any"),
        instead: "those that there are; where one has to be made, none".to_owned(),
    })
}

/// Where a task goes on that has read so far; `None` if it is where it was.
fn position(open: &OpenFile, file: &File) -> Option<&'static str> {
    if open.flags as i32 & libc::O_PATH != 0 {
        return None;
    }
    match file.file_type {
        FileType::CharacterDevice(device) if device == KMSG => {
            let reads = open.flags as i32 & libc::O_ACCMODE != libc::O_WRONLY;
            reads.then_some("the first message that the kernel has")
        }
        FileType::CharacterDevice(device) => {
            let is_lost = open.position != 0 && !WITH_POSITION.contains(&device);
            is_lost.then_some("the beginning")
        }
        // A place in a list that the kernel makes, and a boot makes anew.
        FileType::Directory => {
            let is_made = in_memory(&file.inode.file_system)
                || ["proc", "sysfs", "cgroup2"].contains(&file.inode.file_system.as_str());
            (is_made && open.position != 0)
                .then_some("the same number of an entry, which may be another entry")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Descriptor, Process};
    use crate::testing::{self, head};
    use kconv_image::{Contents, ObjectId, ResourceId};
    use kconv_resources::linux6::Resource;

    fn told(file: File, position: i64, flags: i32, processes: i32) -> Vec<String> {
        told_of(Resource::File(file), position, flags, processes)
    }

    fn told_of(resource: Resource, position: i64, flags: i32, processes: i32) -> Vec<String> {
        let resources = vec![resource];
        let process = |pid| Process {
            descriptors: vec![Descriptor {
                number: 3,
                file: 0,
                close_on_exec: false,
            }],
            ..Process::bare(pid, None)
        };
        let plan = Plan {
            processes: (7..7 + processes).map(process).collect(),
            files: vec![OpenFile {
                object: ObjectId(1),
                resource: ResourceId(0),
                flags: flags as u32,
                position,
                owner: None,
                write_hint: 0,
            }],
            resources: resources.iter().cloned().collect(),
            ..Plan::default()
        };
        let all = of(&plan, &head(resources));
        all.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn positions_that_nobody_can_set_are_told() {
        let device = |major, minor| File {
            file_type: FileType::CharacterDevice(Device { major, minor }),
            ..testing::file("/dev/it")
        };
        let folder = |file_system: &str| {
            let mut folder = File {
                file_type: FileType::Directory,
                ..testing::file("/it")
            };
            folder.inode.file_system = file_system.to_owned();
            folder
        };
        let none = [""; 0];
        assert_eq!(told(device(1, 3), 0, 0, 1), none);
        assert_eq!(told(device(1, 1), 70, 0, 1), none);
        let said = "task 7: how far character device /dev/it was read: the beginning";
        assert_eq!(told(device(10, 1), 70, 0, 1), [said]);
        let said = "task 7: how far character device /dev/it was read: the first message that the kernel has";
        assert_eq!(told(device(1, 11), 0, libc::O_RDONLY, 1), [said]);
        assert_eq!(told(device(1, 11), 0, libc::O_WRONLY, 1), none);
        assert_eq!(told(device(1, 11), 0, libc::O_PATH, 1), none);
        assert_eq!(told(folder("ext4"), 5, 0, 1), none);
        assert_eq!(told(folder("tmpfs"), 0, 0, 1), none);
        assert_eq!(told(folder("tmpfs"), 5, 0, 1).len(), 1);
    }

    #[test]
    fn a_new_stream_to_the_journal_has_another_number() {
        let stream = Resource::JournalStream(testing::journal_stream());
        let said = "task 7: the number of a stream to the journal, which JOURNAL_STREAM tells: that of a new one";
        assert_eq!(told_of(stream, 0, 0, 1), [said]);
    }

    #[test]
    fn what_an_epoll_has_told_cannot_be_set() {
        let plan = |all: &[i32]| {
            let watches = all.iter().map(|events| crate::plan::Watch {
                epoll: 0,
                file: Some(1),
                descriptor: 9,
                events: *events as u32,
                data: 0,
                process: None,
            });
            Plan {
                watches: watches.collect(),
                ..Plan::default()
            }
        };
        let told = |all: &[i32], epoll| -> Vec<String> {
            let told = of_epoll(&plan(all), epoll).into_iter();
            told.map(|(what, _)| what).collect()
        };
        const IN: i32 = libc::EPOLLIN;
        let once = libc::EPOLLONESHOT;
        let off = "one file that an epoll waits at no more (EPOLLONESHOT)";
        let edge = "2 files of which an epoll tells what is new (EPOLLET)";
        assert_eq!(
            told(&[IN, IN | once, IN | libc::EPOLLEXCLUSIVE], 0),
            [""; 0]
        );
        assert_eq!(told(&[IN, once], 0), [off]);
        assert_eq!(told(&[IN, once], 1), [""; 0], "it is another's");
        let edges = [IN | libc::EPOLLET, once | libc::EPOLLET];
        assert_eq!(told(&edges, 0), [off, edge]);
    }

    #[test]
    fn files_of_proc_are_opened_by_each() {
        let file = || testing::file("/proc/7/stat");
        assert_eq!(told(file(), 5, 0, 1), [""; 0]);
        let said = "task 7: one position in regular file /proc/7/stat with 1 others: each has one of its own";
        assert_eq!(told(file(), 5, 0, 2), [said]);
    }

    #[test]
    fn what_nobody_knows_of_files_in_memory_is_told_once() {
        let file = |file_system: &str| {
            let mut file = testing::file("/it");
            file.inode.file_system = file_system.to_owned();
            Resource::File(file)
        };
        let opened = |resource| OpenFile {
            object: ObjectId(1),
            resource: ResourceId(resource),
            flags: 0,
            position: 0,
            owner: None,
            write_hint: 0,
        };
        let told = |contents: &[u32]| {
            let resources = vec![file("tmpfs"), file("ext4"), file("tmpfs")];
            let mut head = head(resources.clone());
            let saved = contents.iter().map(|resource| Contents {
                resource: ResourceId(*resource),
                runs: Vec::new(),
            });
            head.contents = saved.collect();
            let plan = Plan {
                files: [0, 0, 1, 2].map(opened).into(),
                resources: resources.iter().cloned().collect(),
                ..Plan::default()
            };
            let told = of(&plan, &head).into_iter();
            told.map(|one| one.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(told(&[]), [""; 0]);
        assert_eq!(told(&[1]), [""; 0], "one on a disk keeps them");
        let said = |what: &str| {
            format!(
                "extended attributes, access lists and flags of {what} in memory, if any: those that there are; where one has to be made, none"
            )
        };
        assert_eq!(told(&[0]), [said("a file")]);
        assert_eq!(told(&[0, 1, 2]), [said("2 files")]);
    }
}
