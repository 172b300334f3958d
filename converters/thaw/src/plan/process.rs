//! Processes, and who descends from whom.

use super::files::{assign_flocks, descriptors, locks, pid_number};
use super::memory::memory;
use super::model::{Ended, OpenFile, Process};
use super::signals::{Spent, actions, intervals, pending, timers};
use super::thread::{credentials, spent, thread};
use crate::view::{DecodeError, Place, View};
use kconv_freeze::XsaveComponents;
use std::collections::BTreeMap;

/// Indices of `signal_struct.pids` (`include/linux/pid_types.h`).
const PIDTYPE_PGID: usize = 2;
const PIDTYPE_SID: usize = 3;
/// `signal_struct.flags` (`include/linux/sched/signal.h`).
const SIGNAL_STOP_STOPPED: u64 = 1;
const SIGNAL_GROUP_EXIT: u64 = 4;
const SIGSTOP: i32 = 19;
/// Limits of a process (`RLIM_NLIMITS`).
const LIMITS: usize = 16;

/// All processes, parents before their children.
pub(super) fn processes(
    view: &View<'_>,
    xsave: &XsaveComponents,
    files: &[OpenFile],
) -> Result<Vec<Process>, DecodeError> {
    let mut tasks: BTreeMap<i32, Vec<Place>> = BTreeMap::new();
    for task in view.of_type("task_struct")? {
        let process = view.int(task, "tgid")?;
        tasks.entry(process).or_default().push(task);
    }
    let mut left: Vec<(i32, Option<i32>)> = Vec::new();
    for (pid, threads) in &mut tasks {
        let mut numbered = Vec::new();
        for task in threads.iter() {
            numbered.push((view.int(*task, "pid")?, *task));
        }
        // The first has the number of the process.
        numbered.sort_by_key(|(tid, _)| (tid != pid, *tid));
        *threads = numbered.into_iter().map(|(_, task)| task).collect();
        let parent = view.follow(threads[0], "real_parent", "task_struct")?;
        let parent = parent.map(|parent| view.int(parent, "tgid")).transpose()?;
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
            let task = tasks[&pid][0];
            return Err(view.absurd(task, "real_parent", 0, "nobody is an ancestor of itself"));
        }
    }
    let processes = order
        .into_iter()
        .map(|(pid, parent)| process(view, xsave, files, pid, parent, &tasks[&pid]));
    let mut processes = processes.collect::<Result<Vec<Process>, DecodeError>>()?;
    assign_flocks(&mut processes);
    Ok(processes)
}

fn process(
    view: &View<'_>,
    xsave: &XsaveComponents,
    files: &[OpenFile],
    pid: i32,
    parent: Option<usize>,
    tasks: &[Place],
) -> Result<Process, DecodeError> {
    let leader = tasks[0];
    let signal = view.required(leader, "signal", "signal_struct")?;
    let related = |index: usize| -> Result<i32, DecodeError> {
        match view.follow(signal, &format!("pids[{index}]"), "pid")? {
            Some(pid) => pid_number(view, pid),
            None => Ok(0),
        }
    };
    let flags = view.unsigned(signal, "flags")?;
    let mut process = Process {
        pid,
        parent,
        group: related(PIDTYPE_PGID)?,
        session: related(PIDTYPE_SID)?,
        cgroup: None,
        controlling_terminal: None,
        exit_signal: view.int(leader, "exit_signal")?,
        ended: None,
        login: [
            view.unsigned(leader, "loginuid.val")? as u32,
            view.unsigned(leader, "sessionid")? as u32,
        ],
        threads: Vec::new(),
        unshared: Vec::new(),
        memory: None,
        descriptors: Vec::new(),
        table: None,
        locks: Vec::new(),
        actions: Vec::new(),
        pending: pending(view, signal, "shared_pending")?,
        intervals: Default::default(),
        timers: Vec::new(),
        limits: Vec::new(),
        subreaper: view.unsigned(signal, "is_child_subreaper")? != 0,
        oom_score_adj: [
            view.int(signal, "oom_score_adj")?,
            view.int(signal, "oom_score_adj_min")?,
        ],
        stopped: None,
    };
    if view.unsigned(leader, "exit_state")? != 0 {
        // kernel/exit.c: wait_task_zombie.
        process.ended = Some(Ended {
            status: match flags & SIGNAL_GROUP_EXIT {
                0 => view.int(leader, "exit_code")?,
                _ => view.int(signal, "group_exit_code")?,
            },
            name: view.text(leader, "comm")?,
            credentials: credentials(view, leader, "real_cred")?,
        });
        if tasks.len() > 1 {
            return Err(view.absurd(
                leader,
                "exit_state",
                1,
                "the first thread of a process ends last; one that ended before is not carried",
            ));
        }
        return Ok(process);
    }
    process.cgroup = view.resource(leader, "cgroups")?;
    process.controlling_terminal = view.resource(signal, "tty")?;
    if flags & SIGNAL_STOP_STOPPED != 0 {
        let code = view.int(signal, "group_exit_code")?;
        process.stopped = Some(if (1..=64).contains(&code) {
            code
        } else {
            SIGSTOP
        });
    }
    let mut of_threads = BTreeMap::new();
    let mut all = Spent {
        user: view.unsigned(signal, "utime")?,
        system: view.unsigned(signal, "stime")?,
        run: view.unsigned(signal, "sum_sched_runtime")?,
    };
    for task in tasks {
        let of_thread = spent(view, *task)?;
        of_threads.insert(view.int(*task, "pid")?, of_thread);
        all.add(of_thread);
    }
    let mut with_folders: BTreeMap<u64, usize> = BTreeMap::new();
    for task in tasks {
        *with_folders.entry(view.unsigned(*task, "fs")?).or_default() += 1;
    }
    for task in tasks {
        if view.unsigned(*task, "exit_state")? == 0 {
            let mut thread = thread(view, xsave, *task, all)?;
            for (field, what) in [
                ("mm", "memory"),
                ("files", "descriptors"),
                ("sighand", "signal actions"),
            ] {
                if view.unsigned(*task, field)? != view.unsigned(leader, field)? {
                    process.unshared.push((thread.tid, what));
                }
            }
            let folders = view.unsigned(*task, "fs")?;
            if folders != view.unsigned(leader, "fs")? {
                match with_folders.get(&folders) {
                    Some(1) => thread.has_own_folders = true,
                    _ => process.unshared.push((thread.tid, "working directory")),
                }
            }
            process.threads.push(thread);
        }
    }
    let mm = view.required(leader, "mm", "mm_struct")?;
    process.memory = Some(memory(view, files, mm)?);
    let table = view.required(leader, "files", "files_struct")?;
    process.table = Some(table.object);
    process.descriptors = descriptors(view, files, table)?;
    let own = |file| process.descriptors.iter().any(|open| open.file == file);
    process.locks = locks(view, files, table.object, own);
    let sighand = view.required(leader, "sighand", "sighand_struct")?;
    process.actions = actions(view, sighand)?;
    process.intervals = intervals(view, signal, all)?;
    process.timers = timers(view, signal, |tid| {
        of_threads.get(&tid).copied().unwrap_or(all)
    })?;
    let threads = process.threads.iter_mut().map(|one| &mut one.pending);
    for pending in threads.chain([&mut process.pending]) {
        let timers = &mut process.timers;
        pending.retain(|info| !timers.iter_mut().any(|timer| timer.takes_back(info)));
    }
    for limit in 0..LIMITS {
        process.limits.push((
            view.unsigned(signal, &format!("rlim[{limit}].rlim_cur"))?,
            view.unsigned(signal, &format!("rlim[{limit}].rlim_max"))?,
        ));
    }
    Ok(process)
}
