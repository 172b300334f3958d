//! What a thread may do beyond others, and what it may not: I/O ports, and seccomp.

use super::restored::bytes_of;
use crate::call::CallError;
use crate::plan::{Filter, Seccomp, Thread};
use crate::remote::{Remote, Trampoline};
use nix::errno::Errno;
use std::fs::File;

/// `struct sock_filter`, in bytes, and `struct sock_fprog` before it.
const INSTRUCTION: usize = 8;
const PROGRAM: usize = 16;

/// Both, while the thread has all capabilities. What seccomp forbids holds when it is let go.
pub(super) fn make(remote: &Remote, memory: &File, thread: &Thread) -> Result<(), CallError> {
    for (first, count) in &thread.ports {
        let arguments = [u64::from(*first), u64::from(*count), 1];
        remote.call("ioperm", libc::SYS_ioperm, &arguments)?;
    }
    if thread.port_level != 0 {
        let arguments = [thread.port_level.into()];
        remote.call("iopl", libc::SYS_iopl, &arguments)?;
    }
    match &thread.seccomp {
        Seccomp::Off => Ok(()),
        Seccomp::Strict => seccomp(remote, libc::SECCOMP_SET_MODE_STRICT, 0, 0),
        Seccomp::Filters(filters) => filters
            .iter()
            .try_for_each(|one| filter(remote, memory, one)),
    }
}

fn filter(remote: &Remote, memory: &File, filter: &Filter) -> Result<(), CallError> {
    let instructions = filter.program.len() / INSTRUCTION;
    if PROGRAM + filter.program.len() > Trampoline::DATA_SIZE {
        return Err(CallError::new("seccomp", Errno::E2BIG));
    }
    let program = remote.trampoline().data() + PROGRAM as u64;
    let mut bytes = bytes_of(&[instructions as u64, program]);
    bytes.extend(&filter.program);
    let at = remote.put(memory, &bytes)?;
    let flags = match filter.log {
        true => libc::SECCOMP_FILTER_FLAG_LOG,
        false => 0,
    };
    seccomp(remote, libc::SECCOMP_SET_MODE_FILTER, flags, at)
}

fn seccomp(remote: &Remote, mode: u32, flags: u64, at: u64) -> Result<(), CallError> {
    remote.call("seccomp", libc::SYS_seccomp, &[mode.into(), flags, at])?;
    Ok(())
}
