//! What tasks asked the kernel for with prctl(2) and its like.

use super::credentials;
use super::restored::{Restored, prctl};
use crate::call::CallError;
use crate::dropped::Dropped;
use crate::plan::{Controls, Memory, MemoryControls, Thread};
use crate::remote::Remote;
use kconv_codes::Code;
use nix::errno::Errno;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::os::unix::fs::FileExt;

/// linux/prctl.h
const PR_SET_TSC: i32 = 26;
const PR_MCE_KILL: u64 = 33;
const PR_SET_SPECULATION_CTRL: u64 = 53;
const PR_SET_IO_FLUSHER: u64 = 57;
const PR_SET_SYSCALL_USER_DISPATCH: u64 = 59;
const PR_SET_MDWE: u64 = 65;
const PR_SET_MEMORY_MERGE: u64 = 67;

/// Gives a process the user who logged in, which only a process itself can set (fs/proc/base.c:
/// proc_loginuid_write): as long as it has the root of kconv, where `/proc` is.
pub(super) fn log_in(restored: &Restored<'_>) -> Result<(), CallError> {
    let own = fs::read_to_string("/proc/self/loginuid").unwrap_or_default();
    let [user, _] = restored.process.login;
    if own.trim() == user.to_string() {
        return Ok(());
    }
    write(restored, "/proc/self/loginuid", &user.to_string())
}

/// Sets what a process's OOM score is adjusted by. Who is privileged sets the least that it may be with
/// it, and so the process itself sets it, without that privilege (fs/proc/base.c: __set_oom_adj).
pub(super) fn adjust_oom_score(restored: &Restored<'_>) -> Result<(), CallError> {
    let [adjustment, least] = restored.process.oom_score_adj;
    let path = format!("/proc/{}/oom_score_adj", restored.process.pid);
    let is_higher = adjustment > least;
    let at_first = if is_higher { least } else { adjustment };
    fs::write(path, at_first.to_string()).map_err(|error| CallError::io("write", &error))?;
    if is_higher {
        let set = || {
            write(
                restored,
                "/proc/self/oom_score_adj",
                &adjustment.to_string(),
            )
        };
        credentials::without_resource_privilege(restored.first(), &restored.memory, set)?;
    }
    Ok(())
}

/// Has a process write to a file of `/proc` of its own, as long as it has the root of kconv.
fn write(restored: &Restored<'_>, path: &str, text: &str) -> Result<(), CallError> {
    let remote = restored.first();
    let at = remote.put(&restored.memory, format!("{path}\0").as_bytes())?;
    let here = libc::AT_FDCWD as u64;
    let arguments = [here, at, libc::O_WRONLY as u64, 0];
    let file = remote.call("openat", libc::SYS_openat, &arguments)? as u64;
    let at = remote.put(&restored.memory, text.as_bytes())?;
    let arguments = [file, at, text.len() as u64];
    remote.call("write", libc::SYS_write, &arguments)?;
    remote.call("close", libc::SYS_close, &[file])?;
    Ok(())
}

/// Registers a process for barriers, as long as it has one thread: others would be waited for.
pub(super) fn register_barriers(restored: &Restored<'_>) -> Result<(), CallError> {
    let memory = restored.process.memory.as_ref();
    let barriers = memory.map_or(0, |memory| memory.controls.barriers);
    for command in registrations(barriers) {
        let arguments = [command, 0, 0];
        restored
            .first()
            .call("membarrier", libc::SYS_membarrier, &arguments)?;
    }
    Ok(())
}

/// The commands that register for what `mm_struct.membarrier_state` says
/// (`include/linux/sched/mm.h`: MEMBARRIER_STATE_; `include/uapi/linux/membarrier.h`:
/// MEMBARRIER_CMD_REGISTER_).
fn registrations(state: u64) -> impl Iterator<Item = u64> {
    // Private; global; private, of the instructions too; private, of restartable sequences.
    let commands = [
        (1 << 1, 1 << 4),
        (1 << 3, 1 << 2),
        (1 << 5, 1 << 6),
        (1 << 7, 1 << 8),
    ];
    let registered = move |(bit, _): &(u64, u64)| state & bit != 0;
    commands
        .into_iter()
        .filter(registered)
        .map(|(_, command)| command)
}

/// What a process asked for of its memory, now that this is as it was.
pub(super) fn of_memory(remote: &Remote, memory: &Memory) -> Result<(), CallError> {
    let controls: &MemoryControls = &memory.controls;
    for mapping in memory.mappings.iter().filter(|mapping| mapping.sealed) {
        // asm/unistd_64.h
        const SYS_MSEAL: i64 = 462;
        let arguments = [mapping.start, mapping.end - mapping.start, 0];
        remote.call("mseal", SYS_MSEAL, &arguments)?;
    }
    if controls.huge_where_asked {
        // include/uapi/linux/prctl.h, since 6.18.
        const PR_THP_DISABLE_EXCEPT_ADVISED: u64 = 1 << 1;
        let disable = libc::PR_SET_THP_DISABLE as u64;
        let arguments = [disable, 1, PR_THP_DISABLE_EXCEPT_ADVISED, 0, 0];
        remote.call("prctl(PR_SET_THP_DISABLE)", libc::SYS_prctl, &arguments)?;
    }
    if controls.merges {
        let arguments = [PR_SET_MEMORY_MERGE, 1, 0, 0, 0];
        remote.call("prctl(PR_SET_MEMORY_MERGE)", libc::SYS_prctl, &arguments)?;
    }
    if controls.refused_execution != 0 {
        let arguments = [PR_SET_MDWE, controls.refused_execution, 0, 0, 0];
        remote.call("prctl(PR_SET_MDWE)", libc::SYS_prctl, &arguments)?;
    }
    Ok(())
}

/// What a thread asked for, but for a dispatch of its system calls.
pub(super) fn of_thread(
    remote: &Remote,
    thread: &Thread,
    dropped: &mut Vec<Dropped>,
) -> Result<(), CallError> {
    let controls: &Controls = &thread.controls;
    if controls.no_time_stamps {
        const PR_TSC_SIGSEGV: u64 = 2;
        prctl(remote, "prctl(PR_SET_TSC)", PR_SET_TSC, PR_TSC_SIGSEGV)?;
    }
    if controls.no_cpuid {
        // asm/prctl.h
        const ARCH_SET_CPUID: u64 = 0x1012;
        let arguments = [ARCH_SET_CPUID, 0];
        remote.call("arch_prctl", libc::SYS_arch_prctl, &arguments)?;
    }
    if controls.io_flusher {
        let arguments = [PR_SET_IO_FLUSHER, 1, 0, 0, 0];
        remote.call("prctl(PR_SET_IO_FLUSHER)", libc::SYS_prctl, &arguments)?;
    }
    if let Some(early) = controls.memory_failure_early {
        const PR_MCE_KILL_SET: u64 = 1;
        let arguments = [PR_MCE_KILL, PR_MCE_KILL_SET, u64::from(early), 0, 0];
        remote.call("prctl(PR_MCE_KILL)", libc::SYS_prctl, &arguments)?;
    }
    let names = ["of stores", "of indirect branches", "and the first cache"];
    for ((which, value), name) in (0u64..).zip(controls.speculation).zip(names) {
        if value == 0 {
            continue;
        }
        let arguments = [PR_SET_SPECULATION_CTRL, which, value, 0, 0];
        let name_of_call = "prctl(PR_SET_SPECULATION_CTRL)";
        match remote.call(name_of_call, libc::SYS_prctl, &arguments) {
            // The CPU needs none, or the machine has it one way for all.
            Err(CallError::Refused {
                error: Errno::ENXIO | Errno::EPERM | Errno::ENODEV,
                ..
            }) => dropped.push(Dropped {
                code: Code::TaskSpeculation,
                task: Some(thread.tid),
                what: format!("speculation {name} (PR_SET_SPECULATION_CTRL)"),
                instead: "as this machine has it for all".to_owned(),
            }),
            other => drop(other?),
        }
    }
    Ok(())
}

/// Bytes of the program that have system calls made, with what stands in them.
#[derive(Default)]
pub(super) struct Selectors(BTreeMap<u64, u8>);

impl Selectors {
    /// Has a thread dispatch its system calls from now on, and those that kconv makes in it pass
    /// meanwhile.
    pub(super) fn dispatch(
        &mut self,
        restored: &Restored<'_>,
        remote: &Remote,
        thread: &Thread,
    ) -> Result<(), CallError> {
        const PR_SYS_DISPATCH_ON: u64 = 1;
        /// SYSCALL_DISPATCH_FILTER_ALLOW.
        const PASS: u8 = 0;
        let Some(dispatch) = &thread.controls.dispatch else {
            return Ok(());
        };
        if let Entry::Vacant(none) = self.0.entry(dispatch.selector) {
            let mut byte = [0];
            let read = restored.memory.read_exact_at(&mut byte, dispatch.selector);
            read.map_err(|error| CallError::io("pread(the selector)", &error))?;
            none.insert(byte[0]);
            put(restored, dispatch.selector, PASS)?;
        }
        let arguments = [
            PR_SET_SYSCALL_USER_DISPATCH,
            PR_SYS_DISPATCH_ON,
            dispatch.start,
            dispatch.length,
            dispatch.selector,
        ];
        let name = "prctl(PR_SET_SYSCALL_USER_DISPATCH)";
        remote.call(name, libc::SYS_prctl, &arguments)?;
        Ok(())
    }

    /// Puts back what stood there.
    pub(super) fn put_back(self, restored: &Restored<'_>) -> Result<(), CallError> {
        self.0
            .iter()
            .try_for_each(|(at, byte)| put(restored, *at, *byte))
    }
}

fn put(restored: &Restored<'_>, at: u64, byte: u8) -> Result<(), CallError> {
    let written = restored.memory.write_all_at(&[byte], at);
    written.map_err(|error| CallError::io("pwrite(the selector)", &error))
}

#[cfg(test)]
mod tests {
    use super::registrations;

    fn commands(state: u64) -> Vec<u64> {
        registrations(state).collect()
    }

    #[test]
    fn a_registration_is_for_what_was_registered() {
        assert!(commands(0).is_empty());
        // That it is ready comes of itself.
        assert!(commands(0b01).is_empty());
        assert_eq!(commands(0b11), [16]);
        assert_eq!(commands(0b1100), [4]);
        assert_eq!(commands(0b11_0000), [64]);
        assert_eq!(commands(0b1100_0000), [256]);
        assert_eq!(commands(0xff), [16, 4, 64, 256]);
    }
}
