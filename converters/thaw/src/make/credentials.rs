//! Who a thread is, and what it may do. In this order, because each step needs what a later one
//! takes away (capabilities(7)).

use super::restored::{bytes_of, prctl};
use crate::call::CallError;
use crate::plan::Thread;
use crate::remote::Remote;
use kconv_machine::last_capability;
use kconv_tasks::model::{Capabilities, Credentials};
use std::fs::File;

/// `SECBIT_NO_SETUID_FIXUP`: capabilities stay when the user changes.
const NO_SETUID_FIXUP: u64 = 1 << 2;
/// All capabilities; of those that the kernel does not know it takes no notice (`kernel/capability.c`: capset).
const ALL: u64 = u64::MAX;
/// `_LINUX_CAPABILITY_VERSION_3`.
const VERSION_3: u32 = 0x2008_0522;

/// Makes a thread who it was.
pub(super) fn make(remote: &Remote, memory: &File, thread: &Thread) -> Result<(), CallError> {
    identify(remote, memory, &thread.credentials)?;
    if thread.no_new_privileges {
        let option = libc::PR_SET_NO_NEW_PRIVS as u64;
        let arguments = [option, 1, 0, 0, 0];
        remote.call("prctl(PR_SET_NO_NEW_PRIVS)", libc::SYS_prctl, &arguments)?;
    }
    // A change of user takes it away.
    let signal = thread.parent_death as u64;
    prctl(
        remote,
        "prctl(PR_SET_PDEATHSIG)",
        libc::PR_SET_PDEATHSIG,
        signal,
    )
}

/// Gives a thread its users, groups and capabilities.
pub(super) fn identify(remote: &Remote, memory: &File, own: &Credentials) -> Result<(), CallError> {
    let [user, effective, saved, file_system] = own.users.map(u64::from);
    let [group, effective_group, saved_group, file_system_group] = own.groups.map(u64::from);
    let Capabilities {
        effective: now,
        permitted,
        inheritable,
        bounding,
        ambient,
    } = own.capabilities;
    prctl(
        remote,
        "prctl(PR_SET_SECUREBITS)",
        libc::PR_SET_SECUREBITS,
        NO_SETUID_FIXUP,
    )?;
    let groups: Vec<u8> = own
        .supplementary
        .iter()
        .flat_map(|group| group.to_le_bytes())
        .collect();
    let at = remote.put(memory, &groups)?;
    let count = own.supplementary.len() as u64;
    remote.call("setgroups", libc::SYS_setgroups, &[count, at])?;
    let arguments = [group, effective_group, saved_group];
    remote.call("setresgid", libc::SYS_setresgid, &arguments)?;
    // Without an error; it gives the one before.
    remote.call("setfsgid", libc::SYS_setfsgid, &[file_system_group])?;
    remote.call("setresuid", libc::SYS_setresuid, &[user, effective, saved])?;
    remote.call("setfsuid", libc::SYS_setfsuid, &[file_system])?;

    capset(remote, memory, [ALL, ALL, inheritable])?;
    let ambient_call = |how: i32, capability: u64| {
        let option = libc::PR_CAP_AMBIENT as u64;
        let arguments = [option, how as u64, capability, 0, 0];
        remote.call("prctl(PR_CAP_AMBIENT)", libc::SYS_prctl, &arguments)
    };
    ambient_call(libc::PR_CAP_AMBIENT_CLEAR_ALL, 0)?;
    for capability in (0..64).filter(|one| ambient >> one & 1 == 1) {
        ambient_call(libc::PR_CAP_AMBIENT_RAISE, capability)?;
    }
    // Of a kernel that does not say which it knows nothing was begun; here that would be an error.
    let last = last_capability().map_or(63, u64::from);
    for capability in (0..=last).filter(|one| bounding >> one & 1 == 0) {
        prctl(
            remote,
            "prctl(PR_CAPBSET_DROP)",
            libc::PR_CAPBSET_DROP,
            capability,
        )?;
    }
    let bits = u64::from(own.secure_bits);
    prctl(
        remote,
        "prctl(PR_SET_SECUREBITS)",
        libc::PR_SET_SECUREBITS,
        bits,
    )?;
    capset(remote, memory, [now, permitted, inheritable])
}

/// Has a thread that may do everything act as another user, real and effective, and may do everything
/// all the same.
pub(super) fn act_as(remote: &Remote, users: [u32; 2]) -> Result<(), CallError> {
    prctl(
        remote,
        "prctl(PR_SET_SECUREBITS)",
        libc::PR_SET_SECUREBITS,
        NO_SETUID_FIXUP,
    )?;
    let [real, effective] = users.map(u64::from);
    remote.call("setresuid", libc::SYS_setresuid, &[real, effective, 0])?;
    Ok(())
}

/// Has `act` done while a thread that may do everything lacks CAP_SYS_RESOURCE.
pub(super) fn without_resource_privilege(
    remote: &Remote,
    memory: &File,
    act: impl FnOnce() -> Result<(), CallError>,
) -> Result<(), CallError> {
    const SYS_RESOURCE: u64 = 1 << 24;
    capset(remote, memory, [ALL & !SYS_RESOURCE, ALL, 0])?;
    act()?;
    capset(remote, memory, [ALL, ALL, 0])
}

/// Sets effective, permitted and inheritable capabilities.
fn capset(remote: &Remote, memory: &File, sets: [u64; 3]) -> Result<(), CallError> {
    // A header of version and thread, then the low halves of the three sets, and the high ones.
    let halves = |shift: u32| sets.map(|set| (set >> shift) as u32);
    let mut bytes = bytes_of(&[VERSION_3.into()]);
    let words = [halves(0), halves(32)];
    bytes.extend(
        words
            .as_flattened()
            .iter()
            .flat_map(|word| word.to_le_bytes()),
    );
    let at = remote.put(memory, &bytes)?;
    remote.call("capset", libc::SYS_capset, &[at, at + 8])?;
    Ok(())
}
