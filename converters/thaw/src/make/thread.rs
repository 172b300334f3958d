//! Threads: their making, what each has for itself, and the registers with which it runs on.

use super::clocks::{left, left_of_sleep};
use super::controls::Selectors;
use super::files::{self, Kept};
use super::permissions;
use super::restored::{Made, Restored, bytes_of, failed, prctl, queue};
use crate::call::CallError;
use crate::clocks::{BootClock, Frozen, TaskClocks};
use crate::error::ThawError;
use crate::plan::{Deadline, DeadlineClock, Plan, RESTART_SYSCALL, Restart, Thread};
use crate::remote::Remote;
use crate::sys;
use kconv_tasks::model::{AX, AlternateStack, FLAGS, IP};
use kernel_structs_bits::little_endian;
use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;

const SECOND: u64 = 1_000_000_000;

/// Makes the threads of a process but for the first, which it began with.
pub(super) fn start(restored: &mut Restored<'_>, made: &mut Made) -> Result<(), ThawError> {
    const FLAGS: i32 = libc::CLONE_VM
        | libc::CLONE_FS
        | libc::CLONE_FILES
        | libc::CLONE_SIGHAND
        | libc::CLONE_THREAD
        | libc::CLONE_SYSVSEM;
    for thread in restored.process.threads.iter().skip(1) {
        let step = failed(thread.tid, "making it");
        let first = &restored.threads[0];
        let pid = first
            .make_numbered(&restored.memory, FLAGS as u64, 0, thread.tid)
            .map_err(&step)?;
        made.note(pid);
        let remote = Remote::at(pid, first.trampoline()).map_err(&step)?;
        restored.threads.push(remote);
    }
    Ok(())
}

/// Gives threads a root, a working directory and an umask of their own, if they had.
pub(super) fn part_folders(restored: &Restored<'_>, kept: &Kept) -> Result<(), ThawError> {
    for (remote, thread) in restored.threads.iter().zip(&restored.process.threads) {
        if thread.has_own_folders {
            let apart = remote.call("unshare", libc::SYS_unshare, &[libc::CLONE_FS as u64]);
            apart
                .and_then(|_| files::enter(remote, &restored.memory, kept, &thread.folders))
                .map_err(failed(thread.tid, "its working directory"))?;
        }
    }
    Ok(())
}

/// Everything that is the thread's own but its identity, its policy, its registers and what is left of it at its
/// end.
pub(super) fn make(remote: &Remote, memory: &File, thread: &Thread) -> Result<(), CallError> {
    let mut name = thread.name.clone();
    name.push(0);
    let at = remote.put(memory, &name)?;
    prctl(remote, "prctl(PR_SET_NAME)", libc::PR_SET_NAME, at)?;
    let (area, length, signature) = thread.rseq;
    if area != 0 {
        let arguments = [area, length.into(), 0, signature.into()];
        remote.call("rseq", libc::SYS_rseq, &arguments)?;
    }
    let AlternateStack { start, size, flags } = thread.stack;
    let flags = match size {
        0 => libc::SS_DISABLE as u64,
        // SS_AUTODISARM.
        _ => u64::from(flags & 1 << 31),
    };
    let at = remote.put(memory, &bytes_of(&[start, flags, size]))?;
    remote.call("sigaltstack", libc::SYS_sigaltstack, &[at, 0])?;
    affinity(remote, memory, &thread.affinity)?;
    let [slack, _] = thread.timer_slack;
    if slack != 0 {
        prctl(
            remote,
            "prctl(PR_SET_TIMERSLACK)",
            libc::PR_SET_TIMERSLACK,
            slack,
        )?;
    }
    if thread.io_priority != 0 {
        const IOPRIO_WHO_PROCESS: u64 = 1;
        let arguments = [IOPRIO_WHO_PROCESS, 0, thread.io_priority.into()];
        remote.call("ioprio_set", libc::SYS_ioprio_set, &arguments)?;
    }
    if let Some(policy) = &thread.memory_policy {
        let at = remote.put(memory, &policy.nodes)?;
        let arguments = [policy.mode.into(), at, 8 * policy.nodes.len() as u64];
        remote.call("set_mempolicy", libc::SYS_set_mempolicy, &arguments)?;
    }
    permissions::make(remote, memory, thread)?;
    let domain = [thread.personality.into()];
    remote.call("personality", libc::SYS_personality, &domain)?;
    let process = body_of(remote)?;
    for info in thread.pending.iter().filter(|info| !info.is_unblockable()) {
        let to = [process, thread.tid as u64];
        queue(remote, memory, info, &to, "rt_tgsigqueueinfo")?;
    }
    Ok(())
}

/// Number of the process that a thread is of.
fn body_of(remote: &Remote) -> Result<u64, CallError> {
    Ok(remote.call("getpid", libc::SYS_getpid, &[])? as u64)
}

/// Policy and priority of a thread. It is given them by kconv, and last of all: what it is made by would be
/// paid from the run time that it has for itself, or be done when nobody else wants the CPU. A thread of
/// SCHED_DEADLINE that ran for too long so would be told by a signal of which its program knows no cause, and
/// most end of that (`kernel/time/posix-cpu-timers.c`: check_dl_overrun).
pub(super) fn schedule(thread: &Thread) -> Result<(), CallError> {
    // struct sched_attr (include/uapi/linux/sched/types.h), its first version.
    const SIZE: u32 = 48;
    const RESET_ON_FORK: u64 = 1;
    let scheduling = &thread.scheduling;
    let mut bytes = SIZE.to_le_bytes().to_vec();
    bytes.extend(scheduling.policy.to_le_bytes());
    let mut flags = scheduling.deadline_flags;
    if scheduling.reset_on_fork {
        flags |= RESET_ON_FORK;
    }
    bytes.extend(flags.to_le_bytes());
    bytes.extend(scheduling.nice.to_le_bytes());
    bytes.extend(scheduling.priority.to_le_bytes());
    bytes.extend(bytes_of(&scheduling.deadline));
    let arguments = [thread.tid as u64, bytes.as_ptr() as u64, 0, 0, 0];
    sys::call(libc::SYS_sched_setattr, arguments)
        .map_err(|error| CallError::new("sched_setattr", error))?;
    Ok(())
}

/// Sets the CPUs of a thread, unless it may use all that there are anyway.
fn affinity(remote: &Remote, memory: &File, wanted: &[u8]) -> Result<(), CallError> {
    let mut now = [0; 1024];
    remote.put(memory, &now)?;
    let at = remote.trampoline().data();
    let arguments = [0, now.len() as u64, at];
    let length = remote.call("sched_getaffinity", libc::SYS_sched_getaffinity, &arguments)?;
    remote.get(memory, &mut now)?;
    let now = &now[..(length as usize).min(now.len())];
    let wants = |index: usize| wanted.get(index).copied().unwrap_or(0);
    if now
        .iter()
        .enumerate()
        .all(|(index, byte)| wants(index) & byte == *byte)
    {
        return Ok(());
    }
    let at = remote.put(memory, wanted)?;
    let arguments = [0, wanted.len() as u64, at];
    remote.call("sched_setaffinity", libc::SYS_sched_setaffinity, &arguments)?;
    Ok(())
}

/// What the kernel writes into the thread's memory when it ends. As long as the thaw can fail for a reason, a
/// thread that is made has none of it: its end would be seen in files and in memory that others share, and the
/// image could not be thawed any more.
fn leave_word(remote: &Remote, thread: &Thread) -> Result<(), CallError> {
    let arguments = [thread.clear_child_tid];
    remote.call("set_tid_address", libc::SYS_set_tid_address, &arguments)?;
    // sizeof(struct robust_list_head), the only one that is taken.
    let arguments = [thread.robust_list, 24];
    remote.call("set_robust_list", libc::SYS_set_robust_list, &arguments)?;
    Ok(())
}

/// Registers, blocked signals, and the wait a thread was in. Nothing is called in it afterwards.
pub(super) fn finish(
    restored: &Restored<'_>,
    plan: &Plan,
    clocks: &TaskClocks,
) -> Result<(), CallError> {
    let threads = || restored.threads.iter().zip(&restored.process.threads);
    let mut corrected = BTreeSet::new();
    let mut waits = Vec::new();
    let mut selectors = Selectors::default();
    for (remote, thread) in threads() {
        leave_word(remote, thread)?;
        selectors.dispatch(restored, remote, thread)?;
        // The identification flag, which programs toggle to see whether there is CPUID.
        const ID: u64 = 1 << 21;
        if thread.registers.values[FLAGS] & ID != 0 {
            remote.set_flags(&restored.memory, ID)?;
        }
        let of_deadline = match &thread.deadline {
            Some(deadline) => {
                let memory = &restored.memory;
                meet(memory, deadline, &plan.frozen, clocks, &mut corrected)?
            }
            None => None,
        };
        waits.push(match thread.restart.as_ref().or(of_deadline.as_ref()) {
            Some(restart) => Some(wait_again(remote, &restored.memory, restart, clocks)?),
            None => None,
        });
    }
    let first = restored.first();
    let trampoline = first.trampoline();
    let arguments = [trampoline.start, crate::remote::Trampoline::SIZE];
    first.call("munmap", libc::SYS_munmap, &arguments)?;
    selectors.put_back(restored)?;
    for ((remote, thread), wait) in threads().zip(waits) {
        remote.set_xstate(&thread.xstate)?;
        let mut values = thread.registers.values;
        match wait {
            Some(Wait::Goes) => values[AX] = RESTART_SYSCALL,
            // The call has returned.
            Some(Wait::Over(result)) => {
                values[AX] = result as u64;
                values[IP] = values[IP].wrapping_add(2);
            }
            None => {}
        }
        remote.set_registers(&values)?;
        remote.set_blocked(thread.blocked)?;
    }
    Ok(())
}

/// Sees to it that a call that a thread makes again ends when it should have. Where the clock of the
/// tasks goes on, the time that stands in memory is right. If not, it is corrected there, once for all
/// that look at it. A sleep until a time of a clock of CPU time becomes one for what is left.
fn meet(
    memory: &File,
    deadline: &Deadline,
    frozen: &Frozen,
    clocks: &TaskClocks,
    corrected: &mut BTreeSet<u64>,
) -> Result<Option<Restart>, CallError> {
    let mut words = [0; 16];
    let read = |words: &mut [u8]| {
        let read = memory.read_exact_at(words, deadline.at);
        read.map_err(|error| CallError::io("pread", &error))
    };
    match deadline.clock {
        DeadlineClock::Cpu { clock, spent } => {
            read(&mut words)?;
            Ok(Some(Restart::Sleep {
                clock,
                expires: timespec(&words),
                rest: 0,
                spent: Some(spent),
            }))
        }
        DeadlineClock::Boot(clock) => {
            if clocks.namespace.is_none() && corrected.insert(deadline.at) {
                read(&mut words)?;
                let until = clocks.of_before(frozen, clock, timespec(&words));
                let until = until.max(0) as u64;
                let words = bytes_of(&[until / SECOND, until % SECOND]);
                memory
                    .write_all_at(&words, deadline.at)
                    .map_err(|error| CallError::io("pwrite", &error))?;
            }
            Ok(None)
        }
    }
}

/// A `struct timespec` in nanoseconds.
fn timespec(words: &[u8; 16]) -> u64 {
    let word = |at: usize| little_endian(&words[at..at + 8]);
    word(0).saturating_mul(SECOND).saturating_add(word(8))
}

/// What a wait that was entered again came to.
enum Wait {
    /// It goes on when the thread runs.
    Goes,
    /// It is over, and this is what the call returns.
    Over(i64),
}

/// Enters a wait again and interrupts it, so that the kernel knows how it goes on.
fn wait_again(
    remote: &Remote,
    memory: &File,
    restart: &Restart,
    clocks: &TaskClocks,
) -> Result<Wait, CallError> {
    const ERESTART_RESTARTBLOCK: i64 = -516;
    let time = |nanoseconds: u64| bytes_of(&[nanoseconds / SECOND, nanoseconds % SECOND]);
    let result = match restart {
        Restart::Sleep {
            clock,
            expires,
            rest,
            spent,
        } => {
            let left = match spent {
                Some(spent) => expires.saturating_sub(*spent),
                None => left_of_sleep(clocks, *clock, *expires)?.max(0) as u64,
            };
            let at = remote.put(memory, &time(left.max(1)))?;
            let arguments = [*clock as u64, 0, at, *rest];
            remote.interrupted("clock_nanosleep", libc::SYS_clock_nanosleep, &arguments)?
        }
        Restart::Poll {
            descriptors,
            count,
            expires,
        } => {
            let left = match expires {
                Some(expires) => {
                    let left = left(clocks, BootClock::Monotonic, *expires)?;
                    (left.max(0) as u64).div_ceil(1_000_000)
                }
                None => u64::MAX,
            };
            let arguments = [*descriptors, *count, left];
            remote.interrupted("poll", libc::SYS_poll, &arguments)?
        }
        Restart::Futex {
            address,
            value,
            shared,
            realtime,
            bits,
            expires,
        } => {
            let mut operation = libc::FUTEX_WAIT_BITSET;
            if !shared {
                operation |= libc::FUTEX_PRIVATE_FLAG;
            }
            // An end on a clock: that of day, or the one that begins anew with a machine.
            let end = match realtime {
                true => {
                    operation |= libc::FUTEX_CLOCK_REALTIME;
                    *expires
                }
                false => clocks.of_old(BootClock::Monotonic, *expires).max(0) as u64,
            };
            let at = remote.put(memory, &time(end))?;
            let (operation, value) = (operation as u64, u64::from(*value));
            let arguments = [*address, operation, value, at, 0, u64::from(*bits)];
            remote.interrupted("futex", libc::SYS_futex, &arguments)?
        }
    };
    Ok(match result {
        ERESTART_RESTARTBLOCK => Wait::Goes,
        result => Wait::Over(result),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::clocks::{ClockRule, Moment, Offsets};

    const NANO: i64 = SECOND as i64;

    /// A thousand seconds up, in a namespace that is a million ahead; now ten seconds up.
    fn clocks(rule: ClockRule) -> (Frozen, TaskClocks) {
        let moment = |seconds: i64| Moment {
            monotonic: seconds * NANO,
            boottime: seconds * NANO,
            realtime: 0,
        };
        let frozen = Frozen {
            machine: moment(1000),
            offsets: Offsets {
                monotonic: 1_000_000 * NANO,
                boottime: 1_000_000 * NANO,
            },
            tick: 0,
        };
        let clocks = TaskClocks::new(rule, &frozen, &moment(10)).unwrap();
        (frozen, clocks)
    }

    fn deadline(clock: DeadlineClock) -> Deadline {
        Deadline {
            call: "clock_nanosleep",
            at: 32,
            clock,
        }
    }

    /// What stands in memory of a time of five seconds after the freeze, when that was met `times`
    /// times, and the wait that it became.
    fn met(rule: ClockRule, clock: DeadlineClock, times: usize) -> (u64, Option<Restart>) {
        let memory = tempfile::tempfile().unwrap();
        let until = bytes_of(&[1_001_005, 250]);
        memory.write_all_at(&until, 32).unwrap();
        let (frozen, clocks) = clocks(rule);
        let mut corrected = BTreeSet::new();
        let mut wait = None;
        for _ in 0..times {
            let deadline = deadline(clock);
            wait = meet(&memory, &deadline, &frozen, &clocks, &mut corrected).unwrap();
        }
        let mut words = [0; 16];
        memory.read_exact_at(&mut words, 32).unwrap();
        (timespec(&words), wait)
    }

    #[test]
    fn a_time_in_memory_is_corrected_once_where_the_clock_does_not_go_on() {
        let clock = DeadlineClock::Boot(BootClock::Monotonic);
        let kept = 1_001_005 * SECOND + 250;
        assert_eq!(met(ClockRule::Suspended, clock, 1), (kept, None));
        let left = 15 * SECOND + 250;
        assert_eq!(met(ClockRule::Machine, clock, 1), (left, None));
        // Two threads that wait until the same.
        assert_eq!(met(ClockRule::Machine, clock, 2), (left, None));
    }

    #[test]
    fn a_sleep_until_a_time_of_cpu_time_becomes_one_for_what_is_left() {
        let clock = DeadlineClock::Cpu { clock: 2, spent: 7 };
        for rule in [ClockRule::Suspended, ClockRule::Machine] {
            let (kept, wait) = met(rule, clock, 1);
            assert_eq!(kept, 1_001_005 * SECOND + 250);
            let expected = Restart::Sleep {
                clock: 2,
                expires: kept,
                rest: 0,
                spent: Some(7),
            };
            assert_eq!(wait, Some(expected));
        }
    }
}
