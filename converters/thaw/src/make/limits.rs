//! The limits of kconv itself, which what it makes begins with. Those of tasks are set last.

use crate::call::CallError;
use crate::sys;

/// What tasks in the making need more of than they may have in the end, or than kconv was given: each keeps even root
/// from making them (`kernel/signal.c`: __sigqueue_alloc; `mm/mmap.c`: may_expand_vm, acct_stack_growth;
/// `fs/attr.c`: inode_newsize_ok), or ends them (`kernel/time/posix-cpu-timers.c`: check_process_timers).
const LIFTED: [u32; 7] = [
    libc::RLIMIT_SIGPENDING,
    libc::RLIMIT_AS,
    libc::RLIMIT_DATA,
    libc::RLIMIT_STACK,
    libc::RLIMIT_FSIZE,
    libc::RLIMIT_CPU,
    libc::RLIMIT_RTTIME,
];

/// Takes the limits from this process that would be in the way.
pub(super) fn lift() -> Result<(), CallError> {
    LIFTED
        .into_iter()
        .try_for_each(|which| set(which, [libc::RLIM_INFINITY; 2]))
}

/// Lets this process, and what it makes, have so many descriptors.
pub(super) fn have_files(count: u64) -> Result<(), CallError> {
    set(libc::RLIMIT_NOFILE, [count.max(1024), count.max(4096)])
}

/// Sets a limit of this process: soft and hard.
fn set(which: u32, limit: [u64; 2]) -> Result<(), CallError> {
    let address = std::ptr::from_ref(&limit) as u64;
    sys::call(libc::SYS_prlimit64, [0, which.into(), address, 0, 0])
        .map_err(|error| CallError::new("prlimit64", error))?;
    Ok(())
}
