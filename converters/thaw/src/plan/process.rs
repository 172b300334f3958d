//! Processes, and who descends from whom.

use super::files::{assign_flocks, descriptors, locks, pid_number};
use super::memory::{Vmas, memory, vmas};
use super::model::{Ended, OpenFile, Process, Unclear};
use super::signals::{Spent, actions, intervals, pending, timers};
use super::thread::{credentials, namespaces, spent, thread};
use crate::view::{DecodeError, Place, View};
use kconv_machine::XsaveComponents;
use std::collections::{BTreeMap, BTreeSet};

/// Indices of `signal_struct.pids` (`include/linux/pid_types.h`).
const PIDTYPE_PGID: usize = 2;
const PIDTYPE_SID: usize = 3;
/// `signal_struct.flags` (`include/linux/sched/signal.h`).
const SIGNAL_STOP_STOPPED: u64 = 1;
const SIGNAL_GROUP_EXIT: u64 = 4;
const SIGSTOP: i32 = 19;
/// Limits of a process (`RLIM_NLIMITS`).
const LIMITS: usize = 16;

/// All processes, parents before their children, and those among them that make no sense, of which
/// nothing but number and parent is known.
pub(super) fn processes(
    view: &View<'_>,
    xsave: Option<&XsaveComponents>,
    files: &[OpenFile],
) -> Result<(Vec<Process>, Vec<Unclear>), DecodeError> {
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
    let known = Known {
        view,
        xsave,
        files,
        vmas: vmas(view)?,
    };
    let (mut processes, mut unclear) = (Vec::new(), Vec::new());
    for (pid, parent) in order {
        let bare = Process {
            name: view.text(tasks[&pid][0], "comm")?,
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
            has_old_group: false,
        }
    }
}

/// What is known before any process is.
struct Known<'k> {
    view: &'k View<'k>,
    xsave: Option<&'k XsaveComponents>,
    files: &'k [OpenFile],
    vmas: Vmas,
}

fn process(known: &Known<'_>, bare: Process, tasks: &[Place]) -> Result<Process, DecodeError> {
    let Known {
        view,
        xsave,
        files,
        vmas,
    } = known;
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
        group: related(PIDTYPE_PGID)?,
        session: related(PIDTYPE_SID)?,
        exit_signal: view.int(leader, "exit_signal")?,
        login: [
            view.unsigned(leader, "loginuid.val")? as u32,
            view.unsigned(leader, "sessionid")? as u32,
        ],
        pending: pending(view, signal, "shared_pending")?,
        subreaper: view.unsigned(signal, "is_child_subreaper")? != 0,
        has_old_group: view.unsigned(signal, "tty_old_pgrp")? != 0,
        oom_score_adj: [
            view.int(signal, "oom_score_adj")?,
            view.int(signal, "oom_score_adj_min")?,
        ],
        ..bare
    };
    if view.unsigned(leader, "exit_state")? != 0 {
        if tasks.len() > 1 {
            process.lost_its_first = true;
            return Ok(process);
        }
        // kernel/exit.c: wait_task_zombie.
        process.ended = Some(Ended {
            status: match flags & SIGNAL_GROUP_EXIT {
                0 => view.int(leader, "exit_code")?,
                _ => view.int(signal, "group_exit_code")?,
            },
            name: view.text(leader, "comm")?,
            credentials: credentials(view, leader, "real_cred")?,
        });
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
            process.namespaces.extend(namespaces(view, *task)?);
            let mut thread = thread(view, *xsave, *task, all)?;
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
    process.memory = Some(memory(view, files, vmas, mm)?);
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
