//! What tasks share that a thaw could only give to each of them apart.
//!
//! The threads of a process share their memory, their descriptors and their signal actions, and their
//! root and working directory all of them or none. Processes made with clone(2) may share any of these.

use super::{Linux6, not_carried};
use crate::error::{Fault, Flaw};
use crate::walk::{Selection, task_addresses};
use kconv_codes::Code;
use kconv_image::KernelAddr;
use std::collections::{BTreeMap, BTreeSet};

/// Something that tasks can share.
struct Kind {
    /// The member of a task that points at it.
    field: &'static str,
    /// Its type, and the member of that which counts who uses it.
    counted: (&'static str, &'static str),
    /// What it is.
    name: &'static str,
    /// What it is called when processes share it.
    code: Code,
    /// Whether all threads of a process have to share it.
    of_process: bool,
}

const KINDS: [Kind; 4] = [
    Kind {
        field: "mm",
        counted: ("mm_struct", "mm_users.counter"),
        name: "memory (CLONE_VM)",
        code: Code::ShareMemory,
        of_process: true,
    },
    Kind {
        field: "files",
        counted: ("files_struct", "count.counter"),
        name: "a descriptor table (CLONE_FILES)",
        code: Code::ShareFiles,
        of_process: true,
    },
    Kind {
        field: "fs",
        counted: ("fs_struct", "users"),
        name: "root, working directory and umask (CLONE_FS)",
        code: Code::ShareFolders,
        of_process: false,
    },
    Kind {
        field: "io_context",
        counted: ("io_context", "active_ref.counter"),
        name: "an I/O priority (CLONE_IO)",
        code: Code::ShareIoPriority,
        of_process: false,
    },
];

/// A task that has something.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct User {
    /// The task, an object.
    task: usize,
    process: i64,
}

/// Those who have one thing.
#[derive(Default)]
struct Users {
    users: Vec<User>,
    /// The processes whose first threads do.
    has_first: BTreeSet<i64>,
}

/// How those who have one thing may not be: the task to be told, and with whom it shares what it
/// should not, or that it does not share what it should.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Wrong {
    /// Shared with another process.
    WithProcess(User, i64),
    /// Shared with some of the threads of its process, and not with its first.
    WithThreads(User),
    /// Not shared with the first thread of its process.
    Apart(User),
}

/// What is wrong with the `users` of one thing, which the first threads of `has_first` have.
fn wrong(users: &[User], has_first: &BTreeSet<i64>, of_process: bool) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let mut processes: Vec<User> = Vec::new();
    let mut threads: BTreeMap<i64, usize> = BTreeMap::new();
    for user in users {
        *threads.entry(user.process).or_default() += 1;
        if !processes.iter().any(|one| one.process == user.process) {
            processes.push(*user);
        }
    }
    for user in processes.iter().skip(1) {
        wrong.push(Wrong::WithProcess(*user, processes[0].process));
    }
    for user in processes {
        if has_first.contains(&user.process) {
            continue;
        }
        if of_process {
            wrong.push(Wrong::Apart(user));
        } else if threads.get(&user.process).is_some_and(|count| *count > 1) {
            wrong.push(Wrong::WithThreads(user));
        }
    }
    wrong
}

impl Linux6<'_> {
    /// Refuses what tasks share otherwise than threads do.
    pub(super) fn sharing(&self, refuse: &mut dyn FnMut(usize, &str, Flaw)) -> Result<(), Fault> {
        for kind in &KINDS {
            let users = self.users(kind.field)?;
            for (thing, Users { users, has_first }) in &users {
                for one in wrong(users, has_first, kind.of_process) {
                    let name = kind.name;
                    let (code, user, what) = match one {
                        Wrong::WithProcess(user, other) => (
                            kind.code,
                            user,
                            format!("{name} shared with process {other}"),
                        ),
                        Wrong::WithThreads(user) => (
                            Code::ShareThread,
                            user,
                            format!(
                                "{name} that some threads of the process share and others do not"
                            ),
                        ),
                        Wrong::Apart(user) => (
                            Code::ShareThread,
                            user,
                            format!("{name} of a thread that is not that of its process"),
                        ),
                    };
                    refuse(user.task, kind.field, not_carried(code, what));
                }
                let (ty, counter) = kind.counted;
                let all = self.walked.memory.read(ty, *thing)?.unsigned(counter)?;
                if all > users.len() as u64 {
                    self.outside(kind, *thing, users[0], refuse)?;
                }
            }
        }
        Ok(())
    }

    /// Who of the tasks has which of the things that `field` points at; who has ended has none.
    fn users(&self, field: &str) -> Result<BTreeMap<KernelAddr, Users>, Fault> {
        let mut users: BTreeMap<KernelAddr, Users> = BTreeMap::new();
        for task in 0..self.walked.tasks {
            let view = self.walked.view(task)?;
            let process = view.signed("tgid")?;
            if let Some(thing) = view.pointer(field)? {
                let Users { users, has_first } = users.entry(thing).or_default();
                users.push(User { task, process });
                if view.signed("pid")? == process {
                    has_first.insert(process);
                }
            }
        }
        Ok(users)
    }

    /// Looks for those who share a thing with `user` and are not frozen with it. That there are more
    /// users than were frozen may be because somebody looks at it in this moment.
    fn outside(
        &self,
        kind: &Kind,
        thing: KernelAddr,
        user: User,
        refuse: &mut dyn FnMut(usize, &str, Flaw),
    ) -> Result<(), Fault> {
        let memory = self.walked.memory;
        // Tasks that come and go meanwhile have no part in it.
        let all = task_addresses(memory, self.walked.map, &Selection::All).unwrap_or_default();
        for other in all {
            if self.walked.object_at("task_struct", other.at).is_some() {
                continue;
            }
            let view = memory.read("task_struct", other.at)?;
            if view.pointer(kind.field)? == Some(thing) {
                let what = format!(
                    "{} shared with process {}, which is not frozen with it,",
                    kind.name,
                    view.signed("tgid")?
                );
                refuse(user.task, kind.field, not_carried(kind.code, what));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(task: usize, process: i64) -> User {
        User { task, process }
    }

    #[test]
    fn threads_share_as_threads_do() {
        let two = [user(0, 7), user(1, 7)];
        assert_eq!(wrong(&two, &[7].into(), true), []);
        assert_eq!(wrong(&two, &[7].into(), false), []);
        // A thread with a working directory of its own is made with one.
        assert_eq!(wrong(&[user(1, 7)], &[].into(), false), []);
    }

    #[test]
    fn processes_that_share_are_told() {
        let two = [user(0, 7), user(1, 7), user(2, 9)];
        let told = [Wrong::WithProcess(user(2, 9), 7)];
        assert_eq!(wrong(&two, &[7, 9].into(), true), told);
        assert_eq!(wrong(&two, &[7, 9].into(), false), told);
    }

    #[test]
    fn threads_apart_from_their_process_are_told() {
        let told = [Wrong::Apart(user(1, 7))];
        assert_eq!(wrong(&[user(1, 7)], &[].into(), true), told);
        let two = [user(1, 7), user(2, 7)];
        let told = [Wrong::WithThreads(user(1, 7))];
        assert_eq!(wrong(&two, &[].into(), false), told);
    }
}
