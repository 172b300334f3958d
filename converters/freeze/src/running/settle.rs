//! What stopping did to the tasks, undone in what is read of them.
//!
//! A thread that is seized has a tracer, another parent, a state of being stopped and a reason
//! for it (`kernel/ptrace.c`: ptrace_link; `kernel/signal.c`: ptrace_stop). None of that is the
//! program's own; the image has the thread as it was before.

use super::stop::Stopped;
use crate::error::{Fault, Finding};
use crate::memory::{Memory, View};
use crate::walk::TaskAddress;
use kconv_image::KernelAddr;
use kconv_objects::FieldError;
use kernel_structs_bits as bits;

/// `TASK_INTERRUPTIBLE`, `TASK_UNINTERRUPTIBLE`, `TASK_STOPPED` (`include/linux/sched.h`).
const INTERRUPTIBLE: u64 = 1;
const UNINTERRUPTIBLE: u64 = 2;
const STOPPED: u64 = 4;

/// Bits of `task_struct.jobctl` (`include/linux/sched/jobctl.h`): TRAP_STOP, TRAP_NOTIFY,
/// TRAPPING, LISTENING, TRAP_FREEZE, PTRACE_FROZEN, STOPPED and TRACED.
const JOBCTL_TRAPS: u64 = 0x1f8_0000 | JOBCTL_STOPPED | 1 << 27;
const JOBCTL_STOPPED: u64 = 1 << 26;

/// What has to be read in the place of what stands in the tasks.
///
/// # Errors
/// The first task that cannot be read, or in which there is not what stopping changes.
pub(super) fn changes(
    memory: Memory<'_>,
    tasks: &[TaskAddress],
    stopped: &Stopped,
) -> Result<Vec<(KernelAddr, Vec<u8>)>, Box<Finding>> {
    let mut changes = Vec::new();
    for task in tasks {
        // One that had ended was not stopped.
        let Some(state) = stopped.state(task.pid as i32) else {
            continue;
        };
        let read = memory.read("task_struct", task.at);
        let settled = read.and_then(|read| changes_of(&read, state, &mut changes));
        settled.map_err(|fault| Finding {
            place: task.place.clone(),
            flaw: fault.into(),
        })?;
    }
    Ok(changes)
}

fn changes_of(
    task: &View<'_>,
    state: u8,
    changes: &mut Vec<(KernelAddr, Vec<u8>)>,
) -> Result<(), Fault> {
    let mut set = |path: &str, value: u64| -> Result<(), FieldError> {
        let size = task.bytes(path)?.len().min(8);
        let bytes = value.to_le_bytes()[..size].to_vec();
        changes.push((task.address_of(path)?, bytes));
        Ok(())
    };
    for path in [
        "ptrace",
        "ptracer_cred",
        "ptrace_message",
        "last_siginfo",
        "exit_code",
    ] {
        set(path, 0)?;
    }
    set("parent", task.unsigned("real_parent")?)?;
    let entry = task.address_of("ptrace_entry")?.0;
    set("ptrace_entry.next", entry)?;
    set("ptrace_entry.prev", entry)?;
    // 5.10 knows a stop by the state alone.
    let (name, stopped) = match task.has("__state") {
        true => ("__state", JOBCTL_STOPPED),
        false => ("state", 0),
    };
    set(
        name,
        match state {
            b'S' => INTERRUPTIBLE,
            b'D' => UNINTERRUPTIBLE,
            b'T' => STOPPED,
            _ => 0,
        },
    )?;
    let own = task.unsigned("jobctl")? & !JOBCTL_TRAPS;
    set(
        "jobctl",
        match state {
            b'T' => own | stopped,
            _ => own,
        },
    )?;
    // A stop counts as frozen for the task's cgroup (kernel/signal.c: ptrace_stop).
    let frozen = task.names().place(task.type_id(), "frozen")?;
    let mut byte = task.bytes_from("frozen", 1)?.to_vec();
    bits::set(&mut byte, frozen.offset.bit_in_byte().into(), 1, 0);
    changes.push((task.address_of("frozen")?, byte));
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use kconv_objects::{Names, Structure};
    use kernel_structs::releases::Registry;
    use std::borrow::Cow;

    #[test]
    fn a_task_is_as_it_was_before_it_was_seized() {
        const AT: u64 = 0xffff_8880_0100_0000;
        let registry = Registry::builtin().unwrap();
        for kernel in ["6.1.0-50-amd64", "6.12.117+deb12-amd64"] {
            let release = registry.release(kernel, None, None).unwrap();
            let layout = registry.layout(&release.layout).unwrap();
            let names = Names::new(&layout);
            let ty = names.find("task_struct").unwrap();
            let size = names.size_of("task_struct").unwrap() as usize;
            // All ones: a tracer, a trap, a cgroup that counts it as frozen.
            let bytes = vec![0xff; size];
            let seized = Structure::new(&names, ty, KernelAddr(AT), Cow::Owned(bytes.clone()));
            let mut changed = bytes;
            let offset = |path: &str| seized.offset_of(path).unwrap() as usize;
            let put = |bytes: &mut Vec<u8>, path: &str, value: u64| {
                bytes[offset(path)..offset(path) + 8].copy_from_slice(&value.to_le_bytes());
            };
            put(&mut changed, "real_parent", 0x7000);
            let seized = Structure::new(&names, ty, KernelAddr(AT), Cow::Owned(changed.clone()));
            let mut changes = Vec::new();
            changes_of(&seized, b'T', &mut changes).unwrap();
            for (at, bytes) in changes {
                let start = (at.0 - AT) as usize;
                changed[start..start + bytes.len()].copy_from_slice(&bytes);
            }
            let settled = Structure::new(&names, ty, KernelAddr(AT), Cow::Owned(changed));
            let number = |path: &str| settled.unsigned(path).unwrap();
            for path in ["ptrace", "ptracer_cred", "exit_code", "frozen"] {
                assert_eq!(number(path), 0, "{kernel}: {path}");
            }
            assert_eq!(number("parent"), 0x7000, "{kernel}");
            let entry = AT + offset("ptrace_entry") as u64;
            assert_eq!(number("ptrace_entry.next"), entry, "{kernel}");
            assert_eq!(number("ptrace_entry.prev"), entry, "{kernel}");
            assert_eq!(number("__state"), STOPPED, "{kernel}");
            let jobctl = !JOBCTL_TRAPS | JOBCTL_STOPPED;
            assert_eq!(number("jobctl"), jobctl, "{kernel}");
            // What lies beside the bit is not touched.
            let beside = settled.unsigned("sched_remote_wakeup");
            assert_eq!(beside.unwrap(), 1, "{kernel}");
        }
    }
}
