//! Memory that is never swapped out: mlock2(2) and mlockall(2).

use crate::call::CallError;
use crate::plan::{Mapping, Memory};
use crate::remote::Remote;
use crate::vm_flags::{VM_LOCKED, VM_LOCKONFAULT};
use nix::errno::Errno;
use std::fs;

/// Locks a mapping, if it was locked.
pub(super) fn lock(remote: &Remote, mapping: &Mapping) -> Result<(), CallError> {
    if !is_locked(mapping) {
        return Ok(());
    }
    const MLOCK_ONFAULT: u64 = 1;
    let lazily = match mapping.flags & VM_LOCKONFAULT {
        0 => 0,
        _ => MLOCK_ONFAULT,
    };
    let arguments = [mapping.start, mapping.end - mapping.start, lazily];
    match remote.call("mlock2", libc::SYS_mlock2, &arguments) {
        // It is locked, and then filled as far as that goes (mm/mlock.c: do_mlock): where nobody may read, and past
        // the end of a file, that is nowhere. Whether it was locked, `check` sees.
        Err(CallError::Refused {
            error: Errno::ENOMEM,
            ..
        }) => Ok(()),
        locked => locked.map(|_| ()),
    }
}

/// Looks whether all is locked that was.
pub(super) fn check(pid: i32, memory: &Memory) -> Result<(), CallError> {
    let locked = memory.mappings.iter().filter(|mapping| is_locked(mapping));
    let expected: u64 = locked.map(|mapping| mapping.end - mapping.start).sum();
    if expected == 0 {
        return Ok(());
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .map_err(|error| CallError::io("read", &error))?;
    let found = locked_of(&status);
    match found == Some(expected >> 10) {
        true => Ok(()),
        false => Err(CallError::Result {
            call: "mlock2",
            problem: format!(
                "found {} KiB locked, expected {} KiB; see that the machine has the memory",
                found.unwrap_or(0),
                expected >> 10
            ),
        }),
    }
}

/// How much of a process is locked, in KiB, by `/proc/PID/status` (proc_pid_status(5)).
fn locked_of(status: &str) -> Option<u64> {
    let locked = status
        .lines()
        .find_map(|line| line.strip_prefix("VmLck:"))?;
    locked.trim().strip_suffix(" kB")?.parse().ok()
}

/// Has what a process will map be locked, if it asked for that. What it has is left as it is.
pub(super) fn lock_new_mappings(remote: &Remote, memory: &Memory) -> Result<(), CallError> {
    if let Some(flags) = wanted_of_new(memory.new_mappings) {
        remote.call("mlockall", libc::SYS_mlockall, &[flags])?;
    }
    Ok(())
}

/// What mlockall(2) is to be asked for, so that new mappings begin with these `VM_` flags (mm/mlock.c:
/// apply_mlockall_flags).
fn wanted_of_new(flags: u64) -> Option<u64> {
    let lazily = match flags & VM_LOCKONFAULT {
        0 => 0,
        _ => libc::MCL_ONFAULT,
    };
    (flags & VM_LOCKED != 0).then_some((libc::MCL_FUTURE | lazily) as u64)
}

fn is_locked(mapping: &Mapping) -> bool {
    mapping.flags & VM_LOCKED != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_locked_is_read_from_the_status() {
        let status = "VmPin:\t       8 kB\nVmLck:\t     132 kB\nVmHWM:\t      64 kB\n";
        assert_eq!(locked_of(status), Some(132));
        assert_eq!(locked_of("Name:\tVmLck\n"), None);
    }

    #[test]
    fn new_mappings_are_locked_as_they_were() {
        assert_eq!(wanted_of_new(0), None);
        assert_eq!(wanted_of_new(VM_LOCKONFAULT), None);
        assert_eq!(wanted_of_new(VM_LOCKED), Some(2));
        assert_eq!(wanted_of_new(VM_LOCKED | VM_LOCKONFAULT), Some(2 | 4));
    }
}
