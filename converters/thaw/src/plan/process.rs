//! Processes, and who descends from whom.

use super::files::{assign_flocks, descriptors, locks};
use super::memory::{Vmas, memory, vmas};
use super::model::{Ended, Process, Unclear};
use super::signals::{Spent, intervals, timers, to_be_sent, to_queue};
use super::thread::{namespaces, spent, thread};
use crate::decode::DecodeError;
use kconv_image::ObjectId;
use kconv_machine::XsaveComponents;
use kconv_objects::{Objects, Saved};
use kconv_resources::linux6::Resources;
use kconv_tasks::model::{
    Common, Credentials, Identity, Intervals, OpenFile, Pending, actions, limits,
};
use std::collections::{BTreeMap, BTreeSet};

const SIGSTOP: i32 = 19;

/// All processes, parents before their children, and those among them that make no sense, of which
/// nothing but number and parent is known.
pub(super) fn processes(
    objects: &Objects<'_>,
    xsave: Option<&XsaveComponents>,
    files: &[OpenFile],
    resources: &Resources,
) -> Result<(Vec<Process>, Vec<Unclear>), DecodeError> {
    let mut tasks: BTreeMap<i32, Vec<Task<'_>>> = BTreeMap::new();
    for task in objects.of_type("task_struct")? {
        let identity = Identity::of(&task)?;
        let own = tasks.entry(identity.pid).or_default();
        own.push(Task { task, identity });
    }
    let mut left: Vec<(i32, Option<i32>)> = Vec::new();
    for (pid, threads) in &mut tasks {
        // The first has the number of the process.
        threads.sort_by_key(|thread| (thread.identity.tid != *pid, thread.identity.tid));
        let parent = threads[0].identity.parent;
        left.push((*pid, parent));
    }
    let mut order: Vec<(i32, Option<usize>)> = Vec::new();
    while !left.is_empty() {
        let before = left.len();
        left.retain(|(pid, parent)| {
            let outside =
                parent.is_none_or(|parent| parent == *pid || !tasks.contains_key(&parent));
            let index = parent.and_then(|parent| order.iter().position(|(of, _)| *of == parent));
            if outside || index.is_some() {
                order.push((*pid, index));
                return false;
            }
            true
        });
        if left.len() == before {
            let (pid, _) = left[0];
            return Err(tasks[&pid][0]
                .task
                .absurd("real_parent", 0, "nobody is an ancestor of itself")
                .into());
        }
    }
    let known = Known {
        xsave,
        files,
        resources,
        vmas: vmas(objects)?,
        registers: registers(objects)?,
    };
    let (mut processes, mut unclear) = (Vec::new(), Vec::new());
    for (pid, parent) in order {
        let bare = Process {
            name: tasks[&pid][0].identity.comm.clone(),
            ..Process::bare(pid, parent)
        };
        let whole = process(&known, bare.clone(), &tasks[&pid]);
        processes.push(whole.unwrap_or_else(|error| {
            unclear.push(Unclear { pid, error });
            bare
        }));
    }
    assign_flocks(&mut processes);
    Ok((processes, unclear))
}

impl Process {
    /// A process of which nothing else is known yet.
    pub(crate) fn bare(pid: i32, parent: Option<usize>) -> Process {
        Process {
            pid,
            name: Vec::new(),
            parent,
            group: pid,
            session: pid,
            exit_signal: 0,
            tells_sigchld: None,
            parent_thread: None,
            is_recorded: false,
            ended: None,
            lost_its_first: false,
            threads: Vec::new(),
            unshared: Vec::new(),
            memory: None,
            descriptors: Vec::new(),
            namespaces: BTreeSet::new(),
            cgroup: None,
            controlling_terminal: None,
            login: [u32::MAX; 2],
            table: None,
            locks: Vec::new(),
            actions: Vec::new(),
            pending: Vec::new(),
            intervals: Default::default(),
            timers: Vec::new(),
            limits: Vec::new(),
            subreaper: false,
            oom_score_adj: [0; 2],
            stopped: None,
            stop_is_told: false,
            going_on_is_untold: false,
            has_old_group: false,
        }
    }
}

/// A thread, and which it is.
struct Task<'k> {
    task: Saved<'k>,
    identity: Identity,
}

/// What is known before any process is.
struct Known<'k> {
    xsave: Option<&'k XsaveComponents>,
    files: &'k [OpenFile],
    resources: &'k Resources,
    vmas: Vmas<'k>,
    /// User registers by task.
    registers: BTreeMap<ObjectId, Saved<'k>>,
}

fn registers<'k>(objects: &'k Objects<'k>) -> Result<BTreeMap<ObjectId, Saved<'k>>, DecodeError> {
    let head = objects.head();
    let all = objects.of_type("pt_regs")?.into_iter();
    Ok(all
        .map(|registers| (head.object(registers.id()).owner, registers))
        .collect())
}

/// The signal that a task was made with, if its parent is sent another: execve makes the parent one whom nothing but
/// SIGCHLD may be sent to (kernel/signal.c: do_notify_parent; fs/exec.c: begin_new_exec).
fn tells_sigchld(task: Saved<'_>, made_with: i32) -> Result<Option<i32>, DecodeError> {
    const SIGCHLD: i32 = 17;
    let Some(parent) = task.follow("real_parent")? else {
        return Ok(None);
    };
    let has_called = task.unsigned("parent_exec_id")? != parent.unsigned("self_exec_id")?;
    Ok((has_called && made_with >= 0 && made_with != SIGCHLD).then_some(made_with))
}

/// The thread that made a task, if it is not the first of its process.
fn parent_thread(task: Saved<'_>) -> Result<Option<i32>, DecodeError> {
    let Some(parent) = task.follow("real_parent")? else {
        return Ok(None);
    };
    let (tid, pid) = (parent.int("pid")?, parent.int("tgid")?);
    Ok((tid != pid).then_some(tid))
}

fn process(known: &Known<'_>, bare: Process, tasks: &[Task<'_>]) -> Result<Process, DecodeError> {
    let Known {
        xsave,
        files,
        resources,
        vmas,
        registers,
    } = known;
    let Task {
        task: leader,
        identity,
    } = &tasks[0];
    let signal = leader.required("signal")?;
    let common = Common::of(&signal)?;
    let mut process = Process {
        // None of a process that is in none any more: its number there is 0.
        group: common.group.unwrap_or(0),
        session: common.session.unwrap_or(0),
        exit_signal: identity.exit_signal,
        tells_sigchld: tells_sigchld(*leader, identity.exit_signal)?,
        parent_thread: parent_thread(*leader)?,
        is_recorded: signal.optional("audit_tty")?.unwrap_or(0) != 0,
        login: identity.login,
        pending: to_queue(Pending::of(&signal, "shared_pending")?),
        subreaper: common.subreaper,
        has_old_group: common.has_old_group,
        oom_score_adj: common.oom_score_adj,
        ..bare
    };
    if identity.has_ended {
        if tasks.len() > 1 {
            process.lost_its_first = true;
            return Ok(process);
        }
        process.ended = Some(Ended {
            status: identity.status(&common),
            name: identity.comm.clone(),
            credentials: Credentials::of(leader)?,
        });
        return Ok(process);
    }
    process.cgroup = leader.resource_id("cgroups")?;
    process.controlling_terminal = signal.resource_id("tty")?;
    if common.is_stopped {
        process.stopped = Some(match common.group_exit_code {
            signal @ 1..=64 => signal,
            _ => SIGSTOP,
        });
        // kernel/exit.c: wait_task_stopped.
        process.stop_is_told = common.group_exit_code == 0;
    }
    process.going_on_is_untold = common.going_on_is_untold;
    let mut of_threads = BTreeMap::new();
    let mut all = Spent {
        user: signal.unsigned("utime")?,
        system: signal.unsigned("stime")?,
        run: signal.unsigned("sum_sched_runtime")?,
    };
    for Task { task, identity } in tasks {
        let of_thread = spent(*task)?;
        of_threads.insert(identity.tid, of_thread);
        all.add(of_thread);
    }
    let mut with_folders: BTreeMap<u64, usize> = BTreeMap::new();
    for Task { task, .. } in tasks {
        *with_folders.entry(task.unsigned("fs")?).or_default() += 1;
    }
    for Task { task, identity } in tasks {
        if !identity.has_ended {
            process.namespaces.extend(namespaces(*task)?);
            let own = registers.get(&task.id());
            let mut thread = thread(*xsave, resources, *task, (identity, own), all)?;
            for (field, what) in [
                ("mm", "memory"),
                ("files", "descriptors"),
                ("sighand", "signal actions"),
            ] {
                if task.unsigned(field)? != leader.unsigned(field)? {
                    process.unshared.push((thread.tid, what));
                }
            }
            let folders = task.unsigned("fs")?;
            if folders != leader.unsigned("fs")? {
                match with_folders.get(&folders) {
                    Some(1) => thread.has_own_folders = true,
                    _ => process.unshared.push((thread.tid, "working directory")),
                }
            }
            process.threads.push(thread);
        }
    }
    let mm = leader.required("mm")?;
    process.memory = Some(memory(files, resources, vmas, mm)?);
    let table = leader.required("files")?;
    process.table = Some(table.id());
    process.descriptors = descriptors(files, table)?;
    let own = |file| process.descriptors.iter().any(|open| open.file == file);
    process.locks = locks(resources, files, table.id(), own);
    let sighand = leader.required("sighand")?;
    process.actions = actions(&sighand)?;
    process.intervals = intervals(&Intervals::of(&signal)?, all);
    process.timers = timers(signal, |tid| of_threads.get(&tid).copied().unwrap_or(all))?;
    let threads = process.threads.iter_mut().map(|one| &mut one.pending);
    for pending in threads.chain([&mut process.pending]) {
        let timers = &mut process.timers;
        pending.retain(|info| !timers.iter_mut().any(|timer| timer.takes_back(info)));
    }
    if process.threads.iter().any(|one| one.scheduling.overran) {
        let told = to_be_sent(libc::SIGXCPU, &process.pending);
        process.pending.extend(told);
    }
    process.limits = limits(&signal)?;
    Ok(process)
}
