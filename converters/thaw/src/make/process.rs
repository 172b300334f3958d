//! What the threads of a process share: actions, pending signals, limits, timers.

use super::{Body, files};
use crate::error::CallError;
use crate::plan::{Expiry, Interval, Plan, SignalInfo, Timer};
use crate::remote::Remote;
use std::fs::File;

const SECOND: u64 = 1_000_000_000;
const MICRO: u64 = 1000;
/// Bits of `mm_struct.flags` (`include/linux/sched/coredump.h`): how it may be dumped, what a dump
/// has, whether it has huge pages.
const DUMPABLE: u64 = 0x3;
const DUMP_FILTER: u64 = 0x1ff << 2;
const DISABLE_THP: u64 = 1 << 24;

/// Actions, pending signals, and what lies in `/proc`.
pub(super) fn make(body: &Body<'_>) -> Result<(), CallError> {
    let remote = body.first();
    let process = body.process;
    actions(body)?;
    for info in &process.pending {
        queue(
            remote,
            &body.memory,
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
    let write = |name: &str, text: String| {
        std::fs::write(format!("/proc/{}/{name}", process.pid), text)
            .map_err(|error| CallError::io("write", &error))
    };
    write("oom_score_adj", process.oom_score_adj.to_string())?;
    write(
        "coredump_filter",
        format!("{:#x}", (flags & DUMP_FILTER) >> 2),
    )
}

fn actions(body: &Body<'_>) -> Result<(), CallError> {
    let remote = body.first();
    for (number, action) in (1i32..).zip(&body.process.actions) {
        if number == libc::SIGKILL || number == libc::SIGSTOP {
            continue;
        }
        // Ignored for a moment, a signal is not pending any more: children that have ended by now
        // ended long ago.
        let ignored = crate::plan::Action {
            handler: 1,
            ..Default::default()
        };
        let steps = [
            Some(ignored).filter(|_| number == libc::SIGCHLD),
            Some(*action),
        ];
        for action in steps.into_iter().flatten() {
            let words = [action.handler, action.flags, action.restorer, action.mask];
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let at = remote.put(&body.memory, &bytes)?;
            let arguments = [number as u64, at, 0, 8];
            remote.call("rt_sigaction", libc::SYS_rt_sigaction, &arguments)?;
        }
    }
    Ok(())
}

/// Queues a signal to whom `to` says, with what came with it.
pub(super) fn queue(
    remote: &Remote,
    memory: &File,
    info: &SignalInfo,
    to: &[u64],
    name: &'static str,
) -> Result<(), CallError> {
    // siginfo_t has 128 bytes.
    let mut bytes = [0; 128];
    bytes[..info.0.len()].copy_from_slice(&info.0);
    let at = remote.put(memory, &bytes)?;
    let mut arguments = to.to_vec();
    arguments.extend([info.number() as u64, at]);
    let number = match to.len() {
        1 => libc::SYS_rt_sigqueueinfo,
        _ => libc::SYS_rt_tgsigqueueinfo,
    };
    remote.call(name, number, &arguments)?;
    Ok(())
}

/// A prctl with one argument.
pub(super) fn prctl(
    remote: &Remote,
    name: &'static str,
    option: i32,
    argument: u64,
) -> Result<(), CallError> {
    let arguments = [option as u64, argument];
    remote.call(name, libc::SYS_prctl, &arguments)?;
    Ok(())
}

/// What has to be last: timers, which run from then on, who owns open files, limits, which what went
/// before need not keep, and who the threads are.
pub(super) fn finish(body: &Body<'_>, plan: &Plan) -> Result<(), CallError> {
    let remote = body.first();
    files::own(body, plan)?;
    timers(body)?;
    for (which, interval) in body.process.intervals.iter().enumerate() {
        if *interval != Interval::default() {
            let words = [interval.interval, interval.left].map(|time| {
                // At least one: zero would stop it.
                let micros = time.div_ceil(MICRO);
                [micros / 1_000_000, micros % 1_000_000]
            });
            let at = remote.put(&body.memory, &bytes_of(words.as_flattened()))?;
            remote.call("setitimer", libc::SYS_setitimer, &[which as u64, at, 0])?;
        }
    }
    for (which, limit) in body.process.limits.iter().enumerate() {
        let at = remote.put(&body.memory, &bytes_of(&[limit.0, limit.1]))?;
        let arguments = [0, which as u64, at, 0];
        remote.call("prlimit64", libc::SYS_prlimit64, &arguments)?;
    }
    for (remote, thread) in body.threads.iter().zip(&body.process.threads) {
        super::credentials::make(remote, &body.memory, thread)?;
    }
    // A change of user makes a process undumpable (kernel/cred.c: commit_creds).
    let flags = body
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
    }
    Ok(())
}

fn timers(body: &Body<'_>) -> Result<(), CallError> {
    let remote = body.first();
    for timer in &body.process.timers {
        create(body, timer)?;
        let (flags, first) = match timer.expires {
            Expiry::Never => continue,
            Expiry::After(left) => (0, left),
            Expiry::At(time) => (libc::TIMER_ABSTIME as u64, time),
        };
        let words = [timer.interval, first].map(|time| [time / SECOND, time % SECOND]);
        let at = remote.put(&body.memory, &bytes_of(words.as_flattened()))?;
        let arguments = [timer.id as u64, flags, at, 0];
        remote.call("timer_settime", libc::SYS_timer_settime, &arguments)?;
    }
    Ok(())
}

/// Makes a timer with the number it had: a process numbers them in the order in which they are made.
fn create(body: &Body<'_>, timer: &Timer) -> Result<(), CallError> {
    let remote = body.first();
    loop {
        // struct sigevent: value, signal, notification, thread; 64 bytes. Behind it the number.
        const SIZE: usize = 64;
        let mut event = timer.value.to_le_bytes().to_vec();
        for word in [timer.signal, timer.notify, timer.thread] {
            event.extend(word.to_le_bytes());
        }
        event.resize(SIZE + 4, 0);
        let at = remote.put(&body.memory, &event)?;
        let clock = timer.clock as u64;
        let arguments = [clock, at, at + SIZE as u64];
        remote.call("timer_create", libc::SYS_timer_create, &arguments)?;
        let mut answer = [0; SIZE + 4];
        remote.get(&body.memory, &mut answer)?;
        let made = i32::from_le_bytes([answer[64], answer[65], answer[66], answer[67]]);
        if made == timer.id {
            return Ok(());
        }
        if made > timer.id {
            return Err(CallError::Result {
                call: "timer_create",
                problem: format!("gave number {made}, and {} was wanted", timer.id),
            });
        }
        remote.call("timer_delete", libc::SYS_timer_delete, &[made as u64])?;
    }
}

pub(super) fn bytes_of(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
