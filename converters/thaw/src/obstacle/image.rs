//! What the image holds and no thaw makes, whatever the machine: the list that a freeze, a preflight
//! and an upgrade ask too, before anything is lost.

use super::found::{NOT_YET, ObstacleOf, Obstacles};
use super::{Obstacle, notices, pipes, sessions, sockets};
use crate::clocks::ClockError;
use crate::plan::{LockStyle, Plan, Process, Unclear};
use crate::used::{is_of_a_task, task_of, users};
use kconv_codes::Code;
use kconv_image::{Escaped, Head, ResourceId};
use kconv_resources::linux6::{self, Cpu, Resource};
use kconv_resources::{ADVICE, Kind, ResourceError};
use std::collections::{BTreeMap, BTreeSet};

/// All of it. `unclear` are the processes whose objects make no sense.
pub(crate) fn obstacles(plan: &Plan, unclear: &[Unclear], head: &Head) -> Vec<Obstacle> {
    let mut senseless = Obstacles::of(plan, ObstacleOf::Objects);
    let made = |unclear: &&Unclear| plan.processes.iter().any(|one| one.pid == unclear.pid);
    for Unclear { pid, error } in unclear.iter().filter(made) {
        senseless.add(
            Code::ImageState,
            Some(*pid),
            "its state",
            format!("objects that make no sense ({error})"),
            "what a task can have",
            "leave it out, or let it finish where it was frozen",
        );
    }
    let mut found = Obstacles::of(plan, ObstacleOf::Image);
    for process in &plan.processes {
        threads(process, plan, &mut found);
        namespaces(process, plan, &mut found);
        timers(process, &mut found);
        locks(process, &mut found);
        mappings(process, &mut found);
        terminal(process, plan, &mut found);
    }
    shared(plan, &mut found);
    locks_of_mapped(plan, &mut found);
    folders(plan, &mut found);
    notices::check(plan, &mut found);
    sessions::check(plan, &mut found);
    resources(plan, &mut found);
    watches(plan, &mut found);
    misunderstood(plan, head, &mut found);
    for severed in &plan.severed {
        found.add(
            Code::ShareLeftOut,
            Some(severed.pid),
            severed.what,
            format!("shared with {}, which is left out", severed.with),
            "shared with tasks that are made",
            "make both of them, or leave both out",
        );
    }
    let mut all = found.into_list();
    all.extend(senseless.into_list());
    all
}

/// That the clocks of an image make no sense.
pub(crate) fn clocks(error: &ClockError) -> Obstacle {
    Obstacle {
        code: Code::ClockUnknown,
        of: ObstacleOf::Objects,
        tasks: Vec::new(),
        resource: "the clocks".to_owned(),
        found: error.to_string(),
        expected: "those that all tasks had".to_owned(),
        advice: "freeze tasks of one time namespace together",
    }
}

fn threads(process: &Process, plan: &Plan, found: &mut Obstacles<'_>) {
    const USER_CODE: u64 = 0x33;
    const CS: usize = 17;
    for thread in &process.threads {
        let task = Some(thread.tid);
        if thread.registers.values[CS] != USER_CODE {
            found.add(
                Code::TaskCode32,
                task,
                "the processor's mode",
                "32-bit code",
                "none",
                NOT_YET,
            );
        }
        if let Some(call) = thread.waits_in_ipc {
            found.add(
                Code::TaskIpcWait,
                task,
                "its system call",
                format!("{call}, which waits by a System V identifier"),
                "no wait for what is not in the image",
                "let the program come back from the call before the freeze",
            );
        }
        if let Some(id) = thread.vfork {
            let parent = match plan.resources.get(id) {
                Some(Resource::Vfork(vfork)) => vfork.parent.as_ref(),
                _ => None,
            };
            let parent = parent.map_or("its parent".to_owned(), |parent| {
                format!("process {}", parent.pid)
            });
            found.add(
                Code::TaskVfork,
                task,
                "vfork",
                format!("{parent} waiting until this child of it calls execve or ends"),
                "nobody who waits",
                "freeze them when the child has called execve or has ended",
            );
        }
    }
    if process.lost_its_first {
        let is = "one that ended before the others";
        let was = "one that lives as long as they";
        found.add(
            Code::TaskFirstThread,
            Some(process.pid),
            "first thread",
            is,
            was,
            NOT_YET,
        );
    }
    for (task, what) in &process.unshared {
        let is = "one that is not the first thread's";
        found.add(Code::ShareThread, Some(*task), *what, is, "none", NOT_YET);
    }
}

fn namespaces(process: &Process, plan: &Plan, found: &mut Obstacles<'_>) {
    for id in &process.namespaces {
        let Some(resource) = plan.resources.get(*id) else {
            continue;
        };
        let is_initial = resource.namespace().map(|one| one.is_initial);
        if is_initial != Some(true) {
            let (task, kind) = (Some(process.pid), resource.kind());
            found.add(
                Code::NamespaceOwn,
                task,
                kind,
                "one of its own",
                "that of the machine",
                NOT_YET,
            );
        }
    }
}

fn timers(process: &Process, found: &mut Obstacles<'_>) {
    const CLOCKS_WITH_ALARM: [i32; 2] = [8, 9];
    const MOST_TIMERS: i32 = 100_000;
    for timer in &process.timers {
        let mut cannot = |code, what: String| {
            found.add(code, Some(process.pid), "timer", what, "none", NOT_YET);
        };
        if CLOCKS_WITH_ALARM.contains(&timer.clock) {
            let what = "one that wakes the machine up".to_owned();
            cannot(Code::TimerAlarm, what);
        }
        if timer.id > MOST_TIMERS {
            cannot(Code::TimerNumber, format!("number {}", timer.id));
        }
    }
}

fn locks(process: &Process, found: &mut Obstacles<'_>) {
    for lock in &process.locks {
        let mut descriptors = process.descriptors.iter();
        let own = descriptors.any(|open| open.file == lock.file);
        if lock.style == LockStyle::Process && !own {
            let is = "one on a file that is closed";
            found.add(
                Code::FdLockClosed,
                Some(process.pid),
                "lock",
                is,
                "none",
                NOT_YET,
            );
        }
    }
}

/// Locks of open files (flock, F_OFD_SETLK) that are mapped and have no number any more, by which alone they can be
/// locked.
fn locks_of_mapped(plan: &Plan, found: &mut Obstacles<'_>) {
    let locks = plan
        .resources
        .iter()
        .filter_map(|(_, resource)| match resource {
            Resource::FileLock(lock) => Some(lock),
            _ => None,
        });
    for lock in locks {
        let of_process = lock.style == linux6::LockStyle::Posix;
        let file = lock.file.as_ref().filter(|_| lock.owner.is_some());
        let index = file.and_then(|locked| {
            let mut files = plan.files.iter();
            files.position(|file| file.object == locked.file)
        });
        let Some(index) = index else {
            continue;
        };
        let is_owned_by_file = lock.owner == Some(plan.files[index].object);
        let is_of_file = !of_process || is_owned_by_file;
        let mut all = plan
            .processes
            .iter()
            .flat_map(|process| &process.descriptors);
        if !is_of_file || all.any(|open| open.file == index) {
            continue;
        }
        for process in &plan.processes {
            let mut mapped = process.memory.iter().flat_map(|memory| &memory.mappings);
            if mapped.any(|mapping| mapping.file == Some(index)) {
                found.add(
                    Code::FdLockClosed,
                    Some(process.pid),
                    "lock",
                    "one on a file that is mapped and not open any more",
                    "none",
                    NOT_YET,
                );
            }
        }
    }
}

fn mappings(process: &Process, found: &mut Obstacles<'_>) {
    let mappings = process.memory.iter().flat_map(|memory| &memory.mappings);
    let mut sorted: Vec<(u64, u64)> = mappings.map(|one| (one.start, one.end)).collect();
    sorted.sort_unstable();
    for pair in sorted.windows(2) {
        if pair[1].0 < pair[0].1 {
            found.add(
                Code::MmOverlap,
                Some(process.pid),
                format!("memory at {:#x}-{:#x}", pair[1].0, pair[1].1),
                format!("a mapping up to {:#x}", pair[0].1),
                "no other mapping there",
                "the image is wrong; freeze and convert again",
            );
        }
    }
}

/// The terminal of a process that leads its session. Others inherit.
fn terminal(process: &Process, plan: &Plan, found: &mut Obstacles<'_>) {
    let Some(id) = process
        .controlling_terminal
        .filter(|_| process.pid == process.session)
    else {
        return;
    };
    let name = match plan.resources.get(id) {
        Some(Resource::Terminal(terminal)) => Escaped(&terminal.name).to_string(),
        _ => "a terminal".to_owned(),
    };
    found.add(
        Code::TerminalLeader,
        Some(process.pid),
        "controlling terminal",
        name,
        "none",
        "start the program with setsid, without a terminal, or let it finish",
    );
}

/// Memory and descriptors that processes share.
fn shared(plan: &Plan, found: &mut Obstacles<'_>) {
    let (mut memories, mut tables) = (BTreeSet::new(), BTreeSet::new());
    for process in &plan.processes {
        let memory = process.memory.as_ref().map(|memory| memory.mm);
        for (code, what, seen, own) in [
            (Code::ShareMemory, "memory", &mut memories, memory),
            (Code::ShareFiles, "open files", &mut tables, process.table),
        ] {
            if own.is_some_and(|own| !seen.insert(own)) {
                let (is, was) = ("shared with another process", "its own");
                found.add(code, Some(process.pid), what, is, was, NOT_YET);
            }
        }
    }
}

/// Tasks whose root or working directory is one of a task in the image, which is there when they are.
fn folders(plan: &Plan, found: &mut Obstacles<'_>) {
    let own: BTreeSet<i32> = plan.processes.iter().map(|process| process.pid).collect();
    for thread in plan.processes.iter().flat_map(|process| &process.threads) {
        let of_thread = &thread.folders;
        for (what, id) in [
            ("root", of_thread.root),
            ("working directory", of_thread.working),
        ] {
            if let Some(path) = of_a_task(id, &plan.resources, &own) {
                found.add(
                    Code::FdProcFolder,
                    Some(thread.tid),
                    what,
                    Escaped(path).to_string(),
                    "one outside of /proc/PID",
                    "let the program change to another folder (chdir) before the freeze",
                );
            }
        }
    }
}

/// The path of a folder, if it is one of a task in the image.
fn of_a_task<'r>(
    id: ResourceId,
    resources: &'r linux6::Resources,
    own: &BTreeSet<i32>,
) -> Option<&'r str> {
    let folder = resources.file(id)?;
    is_of_a_task(folder, own).then_some(folder.path.as_str())
}

/// What tasks use and are in that cannot be made, and pipes and pairs of sockets with ends outside.
fn resources(plan: &Plan, found: &mut Obstacles<'_>) {
    let own: BTreeSet<i32> = plan.processes.iter().map(|process| process.pid).collect();
    for (id, tasks) in users(plan) {
        let Some(resource) = plan.resources.get(id) else {
            continue;
        };
        for task in tasks {
            match resource {
                Resource::File(file) if is_of_a_task(file, &own) => {}
                Resource::File(file) if task_of(file).is_some() => found.add(
                    Code::FdProcOther,
                    Some(task),
                    format!("{} {}", file.file_type.name(), Escaped(&file.path)),
                    "one about a task that is not in the image",
                    "one about a process in it, or none",
                    "freeze that process with it, or let the program close the file",
                ),
                Resource::File(file) if pipes::is_opened_fifo(plan, id, file) => {
                    pipes::check_fifo(task, file, plan, found);
                }
                Resource::File(_)
                | Resource::SharedMemory(_)
                | Resource::JournalStream(_)
                | Resource::EventFd(_)
                | Resource::TimerFd(_)
                | Resource::SignalFd(_)
                | Resource::Epoll(_) => {}
                Resource::Pipe(pipe) => pipes::check_pipe(task, pipe, plan, found),
                Resource::PairedSocket(socket) => sockets::check(task, socket, plan, found),
                other => {
                    let kind = other.kind();
                    found.add(Code::FdResource, Some(task), kind, "one", "none", NOT_YET);
                }
            }
        }
    }
}

/// What epolls wait for that they could not be told again.
fn watches(plan: &Plan, found: &mut Obstacles<'_>) {
    let own: BTreeSet<i32> = plan.processes.iter().map(|process| process.pid).collect();
    for watch in &plan.watches {
        let file = watch.file.map(|file| plan.files[file].resource);
        let is = match (file, watch.process) {
            (None, _) => "a file that nobody has open who is made".to_owned(),
            (_, Some(process)) if !own.contains(&process) => {
                format!("signals of process {process}, which is not made")
            }
            (Some(id), _) => match plan.resources.file(id) {
                Some(file) if is_of_a_task(file, &own) => Escaped(&file.path).to_string(),
                _ => continue,
            },
        };
        let users = plan.processes.iter();
        let users = users.filter(|one| one.descriptors.iter().any(|of| of.file == watch.epoll));
        for process in users {
            found.add(
                Code::FdEvents,
                Some(process.pid),
                format!("epoll, descriptor {}", watch.descriptor),
                is.clone(),
                "a file or signals of processes that are made",
                "make those that have it as well, or let the program remove it (EPOLL_CTL_DEL) before the freeze",
            );
        }
    }
}

/// What the image knows of things outside of it and of the machine, and cannot be understood. Of what a plan has by
/// number it is known whose it is, and if it is nobody's, it is of those that are left out. All else is told to all.
fn misunderstood(plan: &Plan, head: &Head, found: &mut Obstacles<'_>) {
    let users = users_of_all(plan);
    let kind = |id: ResourceId| head.resources[id.0 as usize].kind.as_str();
    let mut add = |task: Option<i32>, error: &ResourceError| {
        found.add(
            Code::ImageResource,
            task,
            &error.resource,
            &error.found,
            &error.expected,
            ADVICE,
        );
    };
    for (id, error) in plan.resources.errors() {
        match users.get(&id) {
            Some(tasks) => tasks.iter().for_each(|task| add(Some(*task), error)),
            None if linux6::is_had_by_number(kind(id)) => {}
            None => add(None, error),
        }
    }
    if let Err(error) = Cpu::read(&head.facts) {
        add(None, &error);
    }
}

/// Who has which resource, as far as a plan knows.
fn users_of_all(plan: &Plan) -> BTreeMap<ResourceId, BTreeSet<i32>> {
    let mut all = users(plan);
    let files: Vec<_> = all.iter().map(|(id, tasks)| (*id, tasks.clone())).collect();
    for (id, tasks) in files {
        let file = plan.resources.file(id);
        if let Some(mount) = file.and_then(|file| file.mount()) {
            all.entry(mount).or_default().extend(tasks);
        }
    }
    for process in &plan.processes {
        let namespaces = process.namespaces.iter().copied();
        let of_process = namespaces
            .chain(process.cgroup)
            .chain(process.controlling_terminal);
        let of_threads = process.threads.iter().filter_map(|thread| thread.vfork);
        for id in of_process.chain(of_threads) {
            all.entry(id).or_default().insert(process.pid);
        }
    }
    all
}

#[cfg(test)]
mod tests;
