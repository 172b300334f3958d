//! The signal that a debugger is told a thread stopped for.

use super::Linux6;
use crate::error::{Fault, Flaw};
use crate::memory::View;
use kconv_tasks::model::{Pending, SignalInfo, Signals};

/// Size of a `siginfo_t`; what the kernel keeps of one is shorter
/// (`include/uapi/asm-generic/siginfo.h`: SI_MAX_SIZE; `include/linux/signal_types.h`).
const SIZE: usize = 128;

const SIGTRAP: u64 = 5;
/// `PTRACE_EVENT_STOP`, in the place of `si_code` where events stand (`include/uapi/linux/ptrace.h`).
const EVENT_STOP: u64 = 128 << 8;

/// `__TASK_STOPPED`, and the signal of that stop in `task_struct.jobctl`
/// (`include/linux/sched.h`; `include/linux/sched/jobctl.h`: JOBCTL_STOP_SIGMASK).
const STOPPED: u64 = 4;
const STOP_SIGNAL: u64 = 0xffff;

impl Linux6<'_> {
    /// The `siginfo_t` of a thread: of the signal that it gets next, or else of the one that
    /// stopped its process, or else what PTRACE_GETSIGINFO says of a thread that PTRACE_INTERRUPT
    /// stopped (`kernel/signal.c`: ptrace_do_notify), for so a frozen one stands.
    pub(super) fn signal_info(&self, task: &View<'_>) -> Result<[u8; SIZE], Flaw> {
        let own = Signals::in_task(task, self.pending(task, "pending")?)?;
        if let Some(next) = own.pending.next(own.blocked) {
            return Ok(whole(&next.0));
        }
        if let Some(signal) = task.pointer("signal")? {
            let signal = self.walked.memory.read("signal_struct", signal)?;
            let shared = self.pending(&signal, "shared_pending")?;
            if let Some(next) = shared.next(own.blocked) {
                return Ok(whole(&next.0));
            }
        }
        if task.unsigned("__state|state")? & STOPPED != 0 {
            return Ok(info(task.unsigned("jobctl")? & STOP_SIGNAL, 0, 0, 0));
        }
        let uid = self.credentials(task)?.users[0];
        let pid = task.unsigned("pid")?;
        Ok(info(SIGTRAP, SIGTRAP | EVENT_STOP, pid, uid.into()))
    }

    /// The signals that wait in the `sigpending` at `path`.
    pub(super) fn pending(&self, owner: &View<'_>, path: &str) -> Result<Pending, Flaw> {
        let head = owner.address_of(&format!("{path}.list"))?;
        let first = owner.pointer(&format!("{path}.list.next"))?;
        let link = self.walked.offset_of("sigqueue", "list")?;
        let mut queue = Vec::new();
        for entry in self.walked.list(head, first, link)? {
            let entry = self.walked.memory.read("sigqueue", entry)?;
            queue.push(SignalInfo::of(&entry).map_err(Fault::from)?);
        }
        Ok(Pending::in_owner(owner, path, queue).map_err(Fault::from)?)
    }
}

/// A `siginfo_t` that tells who sent a signal.
fn info(signal: u64, code: u64, pid: u64, uid: u64) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    for (at, number) in [(0, signal), (8, code), (16, pid), (20, uid)] {
        bytes[at..at + 4].copy_from_slice(&(number as u32).to_le_bytes());
    }
    bytes
}

fn whole(kept: &[u8]) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    let size = kept.len().min(SIZE);
    bytes[..size].copy_from_slice(&kept[..size]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_where_siginfo_has_them() {
        let bytes = info(5, SIGTRAP | EVENT_STOP, 0x0102_0304, 7);
        assert_eq!(bytes[..4], [5, 0, 0, 0]);
        assert_eq!(bytes[8..12], [5, 128, 0, 0]);
        assert_eq!(bytes[16..24], [4, 3, 2, 1, 7, 0, 0, 0]);
        assert_eq!(whole(&[9; 48])[47..49], [9, 0]);
        assert_eq!(whole(&[9; 200]), [9; 128]);
    }
}
