//! What a process has from who made it and no task of the image had: the stub process gives it up, before all descend from it.

use super::restored::prctl;
use crate::call::CallError;
use crate::remote::Remote;
use nix::errno::Errno;
use std::fs::File;

/// linux/prctl.h and asm/prctl.h
const PR_SET_TSC: i32 = 26;
const PR_MCE_KILL: i32 = 33;
const PR_SET_SPECULATION_CTRL: u64 = 53;
const PR_SET_IO_FLUSHER: i32 = 57;
const PR_SET_MEMORY_MERGE: i32 = 67;
const ARCH_SET_CPUID: u64 = 0x1012;

/// asm/processor.h: IO_BITMAP_BITS.
const IO_PORTS: u64 = 65_536;

/// The slack that timers of a program have that asked for none, in nanoseconds (`init/init_task.c`).
const TIMER_SLACK: u64 = 50_000;

/// Takes from the stub what it has from kconv, and kconv from whoever started it: what of it a task had, it is
/// given by itself later.
///
/// What is set for every task anyway is not here: policy and nice value, actions of signals and what is blocked,
/// limits, credentials, umask, execution domain, OOM score, what a core file has.
pub(super) fn make(stub: &Remote, memory: &File) -> Result<(), CallError> {
    // All CPUs; the kernel takes away those that there are not, or that its cgroup does not have.
    let all = [u8::MAX; 1024];
    let at = stub.put(memory, &all)?;
    let arguments = [0, all.len() as u64, at];
    stub.call("sched_setaffinity", libc::SYS_sched_setaffinity, &arguments)?;
    const IOPRIO_WHO_PROCESS: u64 = 1;
    stub.call(
        "ioprio_set",
        libc::SYS_ioprio_set,
        &[IOPRIO_WHO_PROCESS, 0, 0],
    )?;
    // A kernel can be built without memory policies, merging and machine checks, and then has none.
    let default = libc::MPOL_DEFAULT as u64;
    known(stub.call("set_mempolicy", libc::SYS_set_mempolicy, &[default, 0, 0]))?;
    known(prctl(
        stub,
        "prctl(PR_SET_MEMORY_MERGE)",
        PR_SET_MEMORY_MERGE,
        0,
    ))?;
    const PR_MCE_KILL_CLEAR: u64 = 0;
    known(prctl(
        stub,
        "prctl(PR_MCE_KILL)",
        PR_MCE_KILL,
        PR_MCE_KILL_CLEAR,
    ))?;
    prctl(
        stub,
        "prctl(PR_SET_THP_DISABLE)",
        libc::PR_SET_THP_DISABLE,
        0,
    )?;
    known(prctl(
        stub,
        "prctl(PR_SET_IO_FLUSHER)",
        PR_SET_IO_FLUSHER,
        0,
    ))?;
    prctl(
        stub,
        "prctl(PR_SET_TIMERSLACK)",
        libc::PR_SET_TIMERSLACK,
        TIMER_SLACK,
    )?;
    const PR_TSC_ENABLE: u64 = 1;
    prctl(stub, "prctl(PR_SET_TSC)", PR_SET_TSC, PR_TSC_ENABLE)?;
    known(stub.call("arch_prctl", libc::SYS_arch_prctl, &[ARCH_SET_CPUID, 1]))?;
    // I/O ports, which stay over fork and execve; a kernel can be built without a way to them.
    known(stub.call("iopl", libc::SYS_iopl, &[0]))?;
    known(stub.call("ioperm", libc::SYS_ioperm, &[0, IO_PORTS, 0]))?;
    for which in 0..3 {
        const PR_SPEC_ENABLE: u64 = 1 << 1;
        let arguments = [PR_SET_SPECULATION_CTRL, which, PR_SPEC_ENABLE, 0, 0];
        known(stub.call(
            "prctl(PR_SET_SPECULATION_CTRL)",
            libc::SYS_prctl,
            &arguments,
        ))?;
    }
    Ok(())
}

/// What a kernel, or this machine, does not know, or has one way for all, is nobody's.
fn known(done: Result<impl Sized, CallError>) -> Result<(), CallError> {
    match done {
        Err(CallError::Refused {
            error: Errno::EINVAL | Errno::ENOSYS | Errno::ENODEV | Errno::ENXIO | Errno::EPERM,
            ..
        }) => Ok(()),
        done => done.map(drop),
    }
}
