//! What a thread has for itself.

use super::model::{Deadline, Filter, Scheduling, Seccomp, Thread};
use super::restart::{cut_short, deadline, deadline_clock, resumed, wait, waits_in_ipc};
use super::signals::{Spent, is_of_thread, to_queue};
use crate::decode::DecodeError;
use kconv_image::ResourceId;
use kconv_machine::{XsaveComponents, xsave_standard_form, xsave_user_components};
use kconv_objects::Saved;
use kconv_resources::linux6::{self, Resource, Resources, SeccompFilter};
use kconv_tasks::model::{self, Controls, Credentials, Folders, Identity, Registers, Signals};
use std::collections::BTreeSet;

/// The CPU time that a task has used.
pub(super) fn spent(task: Saved<'_>) -> Result<Spent, DecodeError> {
    Ok(Spent {
        user: task.unsigned("utime")?,
        system: task.unsigned("stime")?,
        run: task.unsigned("se.sum_exec_runtime")?,
    })
}

/// The thread that a `task_struct` describes. `process` is the CPU time of all of its process.
pub(super) fn thread(
    xsave: Option<&XsaveComponents>,
    resources: &Resources,
    task: Saved<'_>,
    (identity, registers): (&Identity, Option<&Saved<'_>>),
    process: Spent,
) -> Result<Thread, DecodeError> {
    let registers =
        registers.ok_or_else(|| task.absurd("stack", 0, "a task that lives has user registers"))?;
    let recorded = Registers::of(registers, &task)?;
    let spent = |clock: i32| match is_of_thread(clock) {
        true => spent(task).map(|spent| spent.on(clock)),
        false => Ok(process.on(clock)),
    };
    let deadline = match deadline(&recorded) {
        Some((call, clock, at)) => {
            deadline_clock(clock, spent)?.map(|clock| Deadline { call, at, clock })
        }
        None => None,
    };
    let cut_short = cut_short(&recorded);
    let waits_in_ipc = waits_in_ipc(&recorded);
    let (registers, restart) = resumed(recorded, || {
        let restart = model::Restart::of(&task)?;
        restart.map(|restart| wait(restart, spent)).transpose()
    })?;
    let signals = Signals::of(&task)?;
    let scheduling = model::Scheduling::of(&task)?;
    let (xstate, xfeatures) = xstate(xsave, task)?;
    let rseq = task.unsigned("rseq.usrptr|rseq")?;
    // 6.1 takes no other (kernel/rseq.c: sys_rseq).
    let rseq_length = task
        .optional("rseq.len|rseq_len")?
        .map_or(32, |length| length as u32);
    Ok(Thread {
        tid: identity.tid,
        name: identity.comm.clone(),
        registers,
        restart,
        deadline,
        cut_short,
        waits_in_ipc,
        xstate,
        xfeatures,
        // The call that waits has a mask of its own, and gets it again when it is entered again.
        blocked: signals.blocked_after_call.unwrap_or(signals.blocked),
        pending: to_queue(signals.pending),
        stack: signals.stack,
        robust_list: task.unsigned("futex.robust_list|robust_list")?,
        clear_child_tid: task.unsigned("clear_child_tid")?,
        rseq: (
            rseq,
            rseq_length,
            task.unsigned("rseq.sig|rseq_sig")? as u32,
        ),
        scheduling: self::scheduling(&scheduling),
        // Those that were asked for, or else those that it may run on.
        affinity: scheduling.wanted.unwrap_or(scheduling.allowed),
        credentials: Credentials::of(&task)?,
        folders: Folders::of(&task)?
            .ok_or_else(|| task.absurd("fs", 0, "a task that lives is somewhere"))?,
        has_own_folders: false,
        personality: identity.personality,
        timer_slack: scheduling.timer_slack,
        parent_death: identity.parent_death_signal,
        io_priority: scheduling.io_priority.unwrap_or(0),
        memory_policy: scheduling.memory_policy,
        // PFA_NO_NEW_PRIVS (include/linux/sched.h).
        no_new_privileges: task.unsigned("atomic_flags")? & 1 != 0,
        vfork: task.resource_id("vfork_done")?,
        seccomp: seccomp(resources, task)?,
        controls: Controls::of(&task)?,
        ports: match task.follow("thread.io_bitmap")? {
            Some(ports) => permitted(ports.bytes("bitmap")?),
            None => Vec::new(),
        },
        port_level: task.unsigned("thread.iopl_emul")? as u32,
    })
}

/// The namespaces of a task (`include/linux/nsproxy.h`); that of users is in its credentials, and as it was at execve
/// in its memory. Since 7.1 that is in an object that no image has (7.2 `kernel/exec_state.c`: `task_exec_state_copy`): a
/// freeze refuses tasks of other user namespaces by their credentials.
pub(super) fn namespaces(task: Saved<'_>) -> Result<BTreeSet<ResourceId>, DecodeError> {
    const OF_PROXY: [&str; 6] = [
        "uts_ns",
        "ipc_ns",
        "mnt_ns",
        "pid_ns_for_children",
        "net_ns",
        "cgroup_ns",
    ];
    let mut found = BTreeSet::new();
    if let Some(proxy) = task.follow("nsproxy")? {
        for field in OF_PROXY {
            found.extend(proxy.resource_id(field)?);
        }
    }
    if let Some(credentials) = task.follow("real_cred")? {
        found.extend(credentials.resource_id("user_ns")?);
    }
    if let Some(memory) = task.follow("mm")?
        && memory.has("user_ns")
    {
        found.extend(memory.resource_id("user_ns")?);
    }
    Ok(found)
}

/// Which system calls a task may make.
fn seccomp(resources: &Resources, task: Saved<'_>) -> Result<Seccomp, DecodeError> {
    const NONE: &str = "the filters of a task with filters are a resource of the image";
    match model::Seccomp::of(&task)? {
        model::Seccomp::Off => Ok(Seccomp::Off),
        model::Seccomp::Strict => Ok(Seccomp::Strict),
        model::Seccomp::Filters(id) => {
            if let Some(error) = resources.error(id) {
                return Err(error.clone().into());
            }
            match resources.get(id) {
                Some(Resource::SeccompFilter(chain)) => Ok(Seccomp::Filters(filters(chain))),
                _ => Err(task.absurd("seccomp.filter", 0, NONE).into()),
            }
        }
    }
}

/// The filters of a resource, which lists the newest first.
fn filters(chain: &SeccompFilter) -> Vec<Filter> {
    let filter = |filter: &linux6::Filter| Filter {
        log: filter.log,
        program: filter.program.clone(),
    };
    chain.filters.iter().rev().map(filter).collect()
}

/// The runs of ports whose bit is clear, which permits them: the first, and how many.
fn permitted(bitmap: &[u8]) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    let bits = bitmap
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1));
    for (port, bit) in (0u32..).zip(bits) {
        if bit == 1 {
            continue;
        }
        match runs.last_mut() {
            Some((first, count)) if *first + *count == port => *count += 1,
            _ => runs.push((port, 1)),
        }
    }
    runs
}

/// The register state that `fpu.fpstate` leads to, which is in the fpu or an object.
fn xstate(xsave: Option<&XsaveComponents>, task: Saved<'_>) -> Result<(Vec<u8>, u64), DecodeError> {
    /// Where 5.10 has the area, with the rights of the protection keys in it. The task ends with it.
    const AREA: &str = "thread.fpu.state";
    const EXPECTED: &str = "the registers are an area of xsave";
    if task.has(AREA) {
        let kept = task.bytes_to_end(AREA)?;
        let user = xsave_user_components(kept);
        let standard = match xsave {
            Some(xsave) => xsave_standard_form(xsave, kept, user, None),
            None => Some(Vec::new()),
        };
        let size = kept.len() as u64;
        let standard = standard.ok_or_else(|| task.absurd(AREA, size, EXPECTED))?;
        return Ok((standard, user));
    }
    let state = match model::fpstate(&task)? {
        Some(state) => state,
        None => task.required("thread.fpu.fpstate")?,
    };
    let size = state.unsigned("size")?;
    let user = state.unsigned("user_xfeatures")?;
    let kept = state.bytes_from("regs", size)?;
    let pkru = task.unsigned("thread.pkru")? as u32;
    let standard = match xsave {
        Some(xsave) => xsave_standard_form(xsave, kept, user, Some(pkru)),
        None => Some(Vec::new()),
    };
    let standard = standard.ok_or_else(|| state.absurd("size", size, EXPECTED))?;
    Ok((standard, user))
}

/// What sched_setattr is given.
fn scheduling(of: &model::Scheduling) -> Scheduling {
    const SCHED_DEADLINE: u32 = 6;
    let model::Deadline {
        runtime,
        deadline,
        period,
        flags,
        overran,
    } = of.deadline;
    let (run_time, deadline_flags, overran) = match of.policy {
        SCHED_DEADLINE => (runtime, flags, overran),
        // The slice of a fair policy goes there, too.
        _ => (of.slice.unwrap_or(0), 0, false),
    };
    Scheduling {
        policy: of.policy,
        reset_on_fork: of.reset_on_fork,
        nice: of.nice,
        priority: of.priority,
        deadline: [run_time, deadline, period],
        deadline_flags,
        overran,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn ports_whose_bits_are_clear_are_permitted() {
        assert_eq!(permitted(&[0xff, 0xff]), []);
        assert_eq!(permitted(&[0b0111_1110, 0b1111_1100]), [(0, 1), (7, 3)]);
        assert_eq!(permitted(&[0; 8192]), [(0, 65536)]);
    }
}
