//! What the threads of a process share: actions, pending signals, limits.

use super::restored::{Restored, bytes_of, prctl, queue};
use super::{controls, files, locks, timers};
use crate::call::CallError;
use crate::clocks::TaskClocks;
use crate::dropped::Dropped;
use crate::plan::{Plan, Process};
use kconv_codes::Code;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;

/// Bits of `mm_struct.flags` (`include/linux/sched/coredump.h`): how it may be dumped, what a dump
/// has, whether it has huge pages.
const DUMPABLE: u64 = 0x3;
const DUMP_FILTER: u64 = 0x1ff << 2;
const DISABLE_THP: u64 = 1 << 24;

/// Actions, timers, pending signals, and what lies in `/proc`.
pub(super) fn make(
    restored: &Restored<'_>,
    plan: &Plan,
    clocks: &TaskClocks,
    dropped: &mut Vec<Dropped>,
) -> Result<(), CallError> {
    let remote = restored.first();
    let process = restored.process;
    actions(restored, &plan.signals_of_ended(process.pid))?;
    timers::create(restored, clocks, dropped)?;
    for info in process.pending.iter().filter(|info| !info.is_unblockable()) {
        queue(
            remote,
            &restored.memory,
            info,
            &[process.pid as u64],
            "rt_sigqueueinfo",
        )?;
    }
    if process.subreaper {
        prctl(
            remote,
            "prctl(PR_SET_CHILD_SUBREAPER)",
            libc::PR_SET_CHILD_SUBREAPER,
            1,
        )?;
    }
    let flags = process.memory.as_ref().map_or(0, |memory| memory.flags);
    if flags & DISABLE_THP != 0 {
        prctl(
            remote,
            "prctl(PR_SET_THP_DISABLE)",
            libc::PR_SET_THP_DISABLE,
            1,
        )?;
    }
    if let Some(memory) = &process.memory {
        controls::of_memory(remote, memory)?;
    }
    let write = |name: &str, text: String| {
        std::fs::write(format!("/proc/{}/{name}", process.pid), text)
            .map_err(|error| CallError::io("write", &error))
    };
    write(
        "coredump_filter",
        format!("{:#x}", (flags & DUMP_FILTER) >> 2),
    )
}

/// The actions of signals. `of_ended` are those that children sent when they were made to end.
fn actions(restored: &Restored<'_>, of_ended: &BTreeSet<i32>) -> Result<(), CallError> {
    let remote = restored.first();
    for (number, action) in (1i32..).zip(&restored.process.actions) {
        if number == libc::SIGKILL || number == libc::SIGSTOP {
            continue;
        }
        // Ignored for a moment, a signal is not pending any more: children that have ended by now
        // ended long ago.
        let ignored = kconv_tasks::model::Action {
            handler: 1,
            ..Default::default()
        };
        let steps = [
            Some(ignored).filter(|_| of_ended.contains(&number)),
            Some(*action),
        ];
        for action in steps.into_iter().flatten() {
            let words = [action.handler, action.flags, action.restorer, action.mask];
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let at = remote.put(&restored.memory, &bytes)?;
            let arguments = [number as u64, at, 0, 8];
            remote.call("rt_sigaction", libc::SYS_rt_sigaction, &arguments)?;
        }
    }
    Ok(())
}

/// What has to be last: that what is mapped from then on is locked, timers, which run from then on, who owns open files, limits, which what went
/// before need not keep, and who the threads are.
pub(super) fn finish(
    restored: &Restored<'_>,
    plan: &Plan,
    clocks: &TaskClocks,
    dropped: &mut Vec<Dropped>,
) -> Result<(), CallError> {
    let remote = restored.first();
    if let Some(memory) = &restored.process.memory {
        locks::lock_new_mappings(remote, memory)?;
    }
    files::own(restored, plan)?;
    timers::start(restored, clocks, dropped)?;
    for (which, limit) in restored.process.limits.iter().enumerate() {
        let at = remote.put(&restored.memory, &bytes_of(&[limit.soft, limit.hard]))?;
        let arguments = [0, which as u64, at, 0];
        remote.call("prlimit64", libc::SYS_prlimit64, &arguments)?;
    }
    for (remote, thread) in restored.threads.iter().zip(&restored.process.threads) {
        super::credentials::make(remote, &restored.memory, thread)?;
    }
    // A change of user makes a process undumpable, or dumpable for root alone, as fs.suid_dumpable says
    // (kernel/cred.c: commit_creds).
    let flags = restored
        .process
        .memory
        .as_ref()
        .map_or(0, |memory| memory.flags);
    if flags & DUMPABLE <= 1 {
        let dumpable = flags & DUMPABLE;
        prctl(
            remote,
            "prctl(PR_SET_DUMPABLE)",
            libc::PR_SET_DUMPABLE,
            dumpable,
        )?;
        return Ok(());
    }
    // Nobody can set that.
    let arguments = [libc::PR_GET_DUMPABLE as u64];
    let is = remote.call("prctl(PR_GET_DUMPABLE)", libc::SYS_prctl, &arguments)?;
    if is as u64 != flags & DUMPABLE {
        dropped.push(Dropped {
            code: Code::TaskDumpable,
            task: Some(restored.process.pid),
            what: "that it may be dumped for root alone (fs.suid_dumpable 2)".to_owned(),
            instead: "not dumped".to_owned(),
        });
    }
    Ok(())
}

/// Signals that nobody can block. They come in between the next call that is made in the process, so
/// that there must be none any more: kconv sends them itself. Only a tracer could see from whom
/// they are (`kernel/signal.c`: get_signal).
pub(super) fn signal(process: &Process) -> Result<(), CallError> {
    for number in process.unblockable() {
        Signal::try_from(number)
            .and_then(|signal| kill(Pid::from_raw(process.pid), signal))
            .map_err(|error| CallError::new("kill", error))?;
    }
    Ok(())
}
