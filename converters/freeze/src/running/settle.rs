//! What stopping did to the tasks, undone in what is read of them.
//!
//! A thread that is seized has a tracer, another parent, a state of being stopped and a reason
//! for it (`kernel/ptrace.c`: ptrace_link; `kernel/signal.c`: ptrace_stop). None of that is the
//! program's own; the image has the thread as it was before.

use super::Running;
use super::stop::Stopped;
use crate::source::MemorySource;
use crate::walk::TaskAddress;
use kconv_image::KernelAddr;
use kernel_structs::layout::{FieldPath, Layout};
use kernel_structs_bits::little_endian;

/// `TASK_INTERRUPTIBLE`, `TASK_UNINTERRUPTIBLE`, `TASK_STOPPED` (`include/linux/sched.h`).
const INTERRUPTIBLE: u64 = 1;
const UNINTERRUPTIBLE: u64 = 2;
const STOPPED: u64 = 4;

/// Bits of `task_struct.jobctl` (`include/linux/sched/jobctl.h`): TRAP_STOP, TRAP_NOTIFY,
/// TRAPPING, LISTENING, TRAP_FREEZE, PTRACE_FROZEN, STOPPED and TRACED.
const JOBCTL_TRAPS: u64 = 0x1f8_0000 | JOBCTL_STOPPED | 1 << 27;
const JOBCTL_STOPPED: u64 = 1 << 26;

/// What has to be read in the place of what stands in the tasks.
pub(super) fn changes(
    layout: &Layout,
    tasks: &[TaskAddress],
    stopped: &Stopped,
    running: &Running,
) -> Vec<(KernelAddr, Vec<u8>)> {
    let mut changes = Vec::new();
    for task in tasks {
        // One that had ended was not stopped.
        let Some(state) = stopped.state(task.pid as i32) else {
            continue;
        };
        let place = |path: &str| {
            let found = FieldPath::parse(path).ok()?;
            let found = layout.resolve(layout.find("task_struct")?, &found).ok()?;
            let at = task.at.checked_add(found.offset.byte().0)?;
            Some((at, layout.size_of(found.ty)?.0 as usize))
        };
        let mut set = |path: &str, value: u64| {
            if let Some((at, size)) = place(path) {
                changes.push((at, value.to_le_bytes()[..size.min(8)].to_vec()));
            }
        };
        let number = |path: &str| {
            let (at, size) = place(path)?;
            let mut bytes = vec![0; size.min(8)];
            running.read(at, &mut bytes).ok()?;
            Some(little_endian(&bytes))
        };
        set("ptrace", 0);
        set("ptracer_cred", 0);
        set("ptrace_message", 0);
        set("last_siginfo", 0);
        set("exit_code", 0);
        if let Some(parent) = number("real_parent") {
            set("parent", parent);
        }
        if let Some((entry, _)) = place("ptrace_entry") {
            set("ptrace_entry.next", entry.0);
            set("ptrace_entry.prev", entry.0);
        }
        let is_stopped = state == b'T';
        set(
            "__state",
            match state {
                b'S' => INTERRUPTIBLE,
                b'D' => UNINTERRUPTIBLE,
                b'T' => STOPPED,
                _ => 0,
            },
        );
        if let Some(jobctl) = number("jobctl") {
            let own = jobctl & !JOBCTL_TRAPS;
            set("jobctl", own | if is_stopped { JOBCTL_STOPPED } else { 0 });
        }
        if let Some(works) = number("task_works") {
            let own = ["cid_work", "numa_work", "posix_cputimers_work.work"];
            let own = own.map(|work| Some(place(work)?.0.0));
            let next = |work| running.word(KernelAddr(work));
            if let Some(rest) = without(works, &own, next) {
                set("task_works", rest);
            }
        }
        // A stop counts as frozen for the task's cgroup (kernel/signal.c: ptrace_stop).
        if let Some((at, mask)) = bit(layout, task.at, "frozen") {
            let mut byte = [0];
            if running.read(at, &mut byte).is_ok() {
                changes.push((at, vec![byte[0] & !mask]));
            }
        }
    }
    changes
}

/// What is left of the list of a task's works without those in `own`, which the tick queues for
/// itself, as often as the task runs (`kernel/sched/core.c`: task_tick_mm_cid, 6.12;
/// `kernel/sched/fair.c`: task_tick_numa), or as long as a timer of its CPU time is due
/// (`kernel/time/posix-cpu-timers.c`: run_posix_cpu_timers). `next` is the first member of each. `None` if it
/// cannot be told.
fn without(works: u64, own: &[Option<u64>], next: impl Fn(u64) -> Option<u64>) -> Option<u64> {
    let mut rest = works;
    // Each is queued once at most.
    for _ in own {
        if own.contains(&Some(rest)) {
            rest = next(rest)?;
        }
    }
    Some(rest)
}

/// The byte with a bit-field of one bit of the task at `at`, and that bit.
fn bit(layout: &Layout, at: KernelAddr, path: &str) -> Option<(KernelAddr, u8)> {
    let task = layout.find("task_struct")?;
    let found = layout.resolve(task, &FieldPath::parse(path).ok()?).ok()?;
    let at = at.checked_add(found.offset.byte().0)?;
    Some((at, 1 << found.offset.bit_in_byte()))
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn only_works_of_the_scheduler_are_left_out() {
        let own = [Some(0x10), Some(0x20)];
        // 0x10 -> 0x20 -> 0x30 -> nothing
        let next = |work| Some(if work == 0x30 { 0 } else { work + 0x10 });
        assert_eq!(without(0, &own, next), Some(0));
        assert_eq!(without(0x10, &own, next), Some(0x30));
        assert_eq!(without(0x20, &own, next), Some(0x30));
        assert_eq!(without(0x30, &own, next), Some(0x30));
        assert_eq!(without(0x10, &[None, Some(0x10)], next), Some(0x20));
        assert_eq!(without(0x10, &own, |_| None), None);
        // A list that leads back to itself ends here.
        without(0x10, &own, |_| Some(0x10));
    }
}
