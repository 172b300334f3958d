//! The clocks of the tasks: the time namespace that all of them are made in, and what is left until a
//! time of the machine of the freeze.

use crate::call::CallError;
use crate::clocks::{BootClock, ClockError, ClockRule, Frozen, TaskClocks};
use crate::sys;
use std::os::fd::AsRawFd;

/// A clock of this machine, in nanoseconds.
pub(super) fn read(clock: i32) -> Result<i64, CallError> {
    sys::clock(clock).map_err(|error| CallError::new("clock_gettime", error))
}

const CLONE_NEWTIME: u64 = 0x80;

/// Has whatever kconv makes from now on be in a time namespace with the clocks of the tasks, if they
/// have one, until it [leaves](leave) that. That is to be in the thread that makes the stub process, and before it does: offsets are set as
/// long as nobody is in it (`kernel/time/namespace.c`: timens_set_vvar_page).
pub(super) fn enter(rule: ClockRule, frozen: &Frozen) -> Result<TaskClocks, CallError> {
    let wrong = |error: ClockError| CallError::Result {
        call: "timens_offsets",
        problem: error.to_string(),
    };
    if rule != ClockRule::Machine {
        sys::call(libc::SYS_unshare, [CLONE_NEWTIME, 0, 0, 0, 0])
            .map_err(|error| CallError::new("unshare", error))?;
    }
    let now = sys::moment().map_err(|error| CallError::new("clock_gettime", error))?;
    let clocks = TaskClocks::new(rule, frozen, &now).map_err(wrong)?;
    if let Some(offsets) = clocks.namespace {
        std::fs::write("/proc/self/timens_offsets", offsets.text())
            .map_err(|error| CallError::io("write", &error))?;
    }
    Ok(clocks)
}

/// Has whatever kconv makes from now on be in its own time namespace again: no program that it starts has the clocks
/// of the tasks, and a kernel like 6.1 starts none in another one with vfork (`kernel/fork.c`: copy_process).
pub(super) fn leave() -> Result<(), CallError> {
    let own = std::fs::File::open("/proc/self/ns/time");
    let own = own.map_err(|error| CallError::io("open", &error))?;
    let descriptor = own.as_raw_fd() as u64;
    sys::call(libc::SYS_setns, [descriptor, CLONE_NEWTIME, 0, 0, 0])
        .map(drop)
        .map_err(|error| CallError::new("setns", error))
}

/// What is left until a time of a clock of the machine of the freeze, in nanoseconds; below zero, if
/// it is past.
pub(super) fn left(clocks: &TaskClocks, clock: BootClock, old: u64) -> Result<i64, CallError> {
    let now = clocks.of_machine(clock, read(clock.id())?);
    Ok(clocks.of_old(clock, old).saturating_sub(now))
}

/// What is left of a sleep on any clock but one of CPU time.
pub(super) fn left_of_sleep(
    clocks: &TaskClocks,
    clock: i32,
    expires: u64,
) -> Result<i64, CallError> {
    match BootClock::of(clock) {
        Some(clock) => left(clocks, clock, expires),
        None => {
            // The one that wakes the machine up reads the same, and needs a clock that does.
            let clock = match clock {
                libc::CLOCK_REALTIME_ALARM => libc::CLOCK_REALTIME,
                other => other,
            };
            let expires = i64::try_from(expires).unwrap_or(i64::MAX);
            Ok(expires.saturating_sub(read(clock)?))
        }
    }
}
