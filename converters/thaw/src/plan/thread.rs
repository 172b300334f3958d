//! What a thread has for itself.

use super::controls::controls;
use super::model::{
    Credentials, Deadline, Filter, Folders, Registers, Scheduling, Seccomp, Thread,
};
use super::restart::{cut_short, deadline, deadline_clock, restart, resumed};
use super::signals::{Spent, is_of_thread, pending};
use crate::view::{DecodeError, Place, View};
use kconv_image::{Resource, ResourceId, Value};
use kconv_machine::{XsaveComponents, xsave_standard_form};
use kernel_structs_bits::little_endian;
use std::collections::BTreeSet;

/// Members of `pt_regs` in the order of `user_regs_struct` (`arch/x86/include/asm/user_64.h`).
const GENERAL: [&str; 21] = [
    "r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8", "ax", "cx", "dx", "si", "di",
    "orig_ax", "ip", "cs", "flags", "sp", "ss",
];
/// What follows: bases and selectors, which `thread_struct` keeps.
const SEGMENTS: [&str; 6] = ["fsbase", "gsbase", "ds", "es", "fsindex", "gsindex"];

/// DEFAULT_PRIO: nice 0.
const DEFAULT_PRIO: i32 = 120;

/// The most CPUs and memory nodes that are believed.
const MAX_GROUPS: u64 = 65536;

/// The CPU time that a task has used.
pub(super) fn spent(view: &View<'_>, task: Place) -> Result<Spent, DecodeError> {
    Ok(Spent {
        user: view.unsigned(task, "utime")?,
        system: view.unsigned(task, "stime")?,
        run: view.unsigned(task, "se.sum_exec_runtime")?,
    })
}

/// The thread that a `task_struct` describes. `process` is the CPU time of all of its process.
pub(super) fn thread(
    view: &View<'_>,
    xsave: Option<&XsaveComponents>,
    task: Place,
    process: Spent,
) -> Result<Thread, DecodeError> {
    let recorded = registers(view, task)?;
    let spent = |clock: i32| match is_of_thread(clock) {
        true => spent(view, task).map(|spent| spent.on(clock)),
        false => Ok(process.on(clock)),
    };
    let deadline = match deadline(&recorded) {
        Some((call, clock, at)) => {
            deadline_clock(clock, spent)?.map(|clock| Deadline { call, at, clock })
        }
        None => None,
    };
    let cut_short = cut_short(&recorded);
    let (registers, restart) = resumed(recorded, || restart(view, task, spent))?;
    let blocked = match view.unsigned(task, "restore_sigmask")? {
        // The call that waits has a mask of its own, and gets it again when it is entered again
        // (kernel/signal.c: set_user_sigmask, restore_saved_sigmask).
        1 => "saved_sigmask.sig[0]",
        _ => "blocked.sig[0]",
    };
    let (xstate, xfeatures) = xstate(view, xsave, task)?;
    let rseq = view.unsigned(task, "rseq")?;
    let rseq_length = match view.has(task, "rseq_len") {
        true => view.unsigned(task, "rseq_len")? as u32,
        // 6.1 takes no other (kernel/rseq.c: sys_rseq).
        false => 32,
    };
    Ok(Thread {
        tid: view.int(task, "pid")?,
        name: view.text(task, "comm")?,
        registers,
        restart,
        deadline,
        cut_short,
        xstate,
        xfeatures,
        blocked: view.unsigned(task, blocked)?,
        pending: pending(view, task, "pending")?,
        stack: (
            view.unsigned(task, "sas_ss_sp")?,
            view.unsigned(task, "sas_ss_size")?,
            view.unsigned(task, "sas_ss_flags")? as u32,
        ),
        robust_list: view.unsigned(task, "robust_list")?,
        clear_child_tid: view.unsigned(task, "clear_child_tid")?,
        rseq: (rseq, rseq_length, view.unsigned(task, "rseq_sig")? as u32),
        scheduling: scheduling(view, task)?,
        affinity: affinity(view, task)?,
        credentials: credentials(view, task, "cred")?,
        folders: folders(view, task)?,
        has_own_folders: false,
        personality: view.unsigned(task, "personality")? as u32,
        timer_slack: [
            view.unsigned(task, "timer_slack_ns")?,
            view.unsigned(task, "default_timer_slack_ns")?,
        ],
        parent_death: view.int(task, "pdeath_signal")?,
        io_priority: match view.follow(task, "io_context", "io_context")? {
            Some(context) => view.unsigned(context, "ioprio")? as u32,
            None => 0,
        },
        memory_policy: memory_policy(view, task, "mempolicy")?,
        // PFA_NO_NEW_PRIVS (include/linux/sched.h).
        no_new_privileges: view.unsigned(task, "atomic_flags")? & 1 != 0,
        vfork: view.resource(task, "vfork_done")?,
        seccomp: seccomp(view, task)?,
        controls: controls(view, task)?,
        ports: match view.follow(task, "thread.io_bitmap", "io_bitmap")? {
            Some(ports) => permitted(view.field(ports, "bitmap")?),
            None => Vec::new(),
        },
        port_level: view.unsigned(task, "thread.iopl_emul")? as u32,
    })
}

/// The namespaces of a task (`include/linux/nsproxy.h`); that of users is in its credentials, and in its
/// memory as it was at execve.
pub(super) fn namespaces(
    view: &View<'_>,
    task: Place,
) -> Result<BTreeSet<ResourceId>, DecodeError> {
    const OF_PROXY: [&str; 6] = [
        "uts_ns",
        "ipc_ns",
        "mnt_ns",
        "pid_ns_for_children",
        "net_ns",
        "cgroup_ns",
    ];
    let mut found = BTreeSet::new();
    if let Some(proxy) = view.follow(task, "nsproxy", "nsproxy")? {
        for field in OF_PROXY {
            found.extend(view.resource(proxy, field)?);
        }
    }
    for (field, ty) in [("cred", "cred"), ("mm", "mm_struct")] {
        if let Some(has) = view.follow(task, field, ty)? {
            found.extend(view.resource(has, "user_ns")?);
        }
    }
    Ok(found)
}

/// Which system calls a task may make.
fn seccomp(view: &View<'_>, task: Place) -> Result<Seccomp, DecodeError> {
    const NONE: &str = "the filters of a task with filters are a resource of the image";
    match view.unsigned(task, "seccomp.mode")? {
        0 => Ok(Seccomp::Off),
        1 => Ok(Seccomp::Strict),
        2 => {
            let resource = view.resource(task, "seccomp.filter")?;
            let resource = resource.and_then(|id| view.image.head().resources.get(id.0 as usize));
            let filters = resource.and_then(filters);
            let filters = filters.ok_or_else(|| view.absurd(task, "seccomp.filter", 0, NONE))?;
            Ok(Seccomp::Filters(filters))
        }
        mode => Err(view.absurd(task, "seccomp.mode", mode, "0, 1 and 2 are known")),
    }
}

/// The filters of a resource, which lists the newest first.
fn filters(resource: &Resource) -> Option<Vec<Filter>> {
    let Some(Value::List(filters)) = resource.get("filters") else {
        return None;
    };
    let filter = |filter: &Value| match filter {
        Value::List(parts) => match parts.as_slice() {
            [Value::Unsigned(log), Value::Bytes(program)] => Some(Filter {
                log: *log != 0,
                program: program.clone(),
            }),
            _ => None,
        },
        _ => None,
    };
    filters.iter().rev().map(filter).collect()
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

fn registers(view: &View<'_>, task: Place) -> Result<Registers, DecodeError> {
    let head = view.image.head();
    let mut all = view.of_type("pt_regs")?.into_iter();
    let regs = all.find(|regs| head.object(regs.object).owner == task.object);
    let regs =
        regs.ok_or_else(|| view.absurd(task, "stack", 0, "a task that lives has user registers"))?;
    let mut registers = Registers::default();
    let (general, segments) = registers.values.split_at_mut(GENERAL.len());
    for (value, name) in general.iter_mut().zip(GENERAL) {
        *value = view.unsigned(regs, name)?;
    }
    for (value, name) in segments.iter_mut().zip(SEGMENTS) {
        *value = view.unsigned(task, &format!("thread.{name}"))?;
    }
    Ok(registers)
}

/// The register state that `fpu.fpstate` leads to, which is in the fpu or an object. The fpu is in the
/// task, or from 6.16 on behind it (arch/x86/include/asm/processor.h: x86_task_fpu).
fn xstate(
    view: &View<'_>,
    xsave: Option<&XsaveComponents>,
    task: Place,
) -> Result<(Vec<u8>, u64), DecodeError> {
    let state = match view.right_behind(task, "fpu")? {
        Some(fpu) => view.required(fpu, "fpstate", "fpstate")?,
        None => view.required(task, "thread.fpu.fpstate", "fpstate")?,
    };
    let size = view.unsigned(state, "size")?;
    let user = view.unsigned(state, "user_xfeatures")?;
    let kept = view.bytes_from(state, "regs", size)?;
    let pkru = view.unsigned(task, "thread.pkru")? as u32;
    let standard = match xsave {
        Some(xsave) => xsave_standard_form(xsave, kept, user, pkru),
        None => Some(Vec::new()),
    };
    let standard = standard
        .ok_or_else(|| view.absurd(state, "size", size, "the registers are an area of xsave"))?;
    Ok((standard, user))
}

fn scheduling(view: &View<'_>, task: Place) -> Result<Scheduling, DecodeError> {
    const SCHED_DEADLINE: u32 = 6;
    let policy = view.unsigned(task, "policy")? as u32;
    let is_deadline = policy == SCHED_DEADLINE;
    // 6.12 kernel/sched/syscalls.c: __setparam_fair.
    let has_slice =
        view.has(task, "se.custom_slice") && view.unsigned(task, "se.custom_slice")? != 0;
    let run_time = match is_deadline {
        true => view.unsigned(task, "dl.dl_runtime")?,
        false if has_slice => view.unsigned(task, "se.slice")?,
        false => 0,
    };
    Ok(Scheduling {
        policy,
        reset_on_fork: view.unsigned(task, "sched_reset_on_fork")? != 0,
        nice: view.int(task, "static_prio")? - DEFAULT_PRIO,
        priority: view.unsigned(task, "rt_priority")? as u32,
        deadline: [
            run_time,
            view.unsigned(task, "dl.dl_deadline")?,
            view.unsigned(task, "dl.dl_period")?,
        ],
        deadline_flags: match is_deadline {
            true => view.unsigned(task, "dl.flags")?,
            false => 0,
        },
    })
}

/// The CPUs that were asked for, or else those that the task may run on.
fn affinity(view: &View<'_>, task: Place) -> Result<Vec<u8>, DecodeError> {
    if view.unsigned(task, "user_cpus_ptr")? != 0 {
        // As long as the machine has CPUs.
        return Ok(view.all_at(task, "user_cpus_ptr")?.to_vec());
    }
    Ok(view.field(task, "cpus_mask")?.to_vec())
}

/// Who a task is, by the credentials that the pointer in `path` leads to.
pub(super) fn credentials(
    view: &View<'_>,
    task: Place,
    path: &str,
) -> Result<Credentials, DecodeError> {
    let cred = view.required(task, path, "cred")?;
    let ids = |names: [&str; 4]| -> Result<[u32; 4], DecodeError> {
        let mut ids = [0; 4];
        for (id, name) in ids.iter_mut().zip(names) {
            *id = little_endian(view.field(cred, name)?) as u32;
        }
        Ok(ids)
    };
    let mut capabilities = [0; 5];
    let names = ["effective", "permitted", "inheritable", "bset", "ambient"];
    for (set, name) in capabilities.iter_mut().zip(names) {
        // Two words of 32 bits in 6.1, one of 64 in 6.12.
        *set = little_endian(view.field(cred, &format!("cap_{name}"))?);
    }
    let supplementary = match view.follow(cred, "group_info", "group_info")? {
        Some(info) => {
            let count = view.unsigned(info, "ngroups")?;
            if count > MAX_GROUPS {
                return Err(view.absurd(info, "ngroups", count, "NGROUPS_MAX is 65536"));
            }
            let gids = view.bytes_from(info, "gid", 4 * count)?.chunks_exact(4);
            gids.map(|gid| little_endian(gid) as u32).collect()
        }
        None => Vec::new(),
    };
    Ok(Credentials {
        users: ids(["uid", "euid", "suid", "fsuid"])?,
        groups: ids(["gid", "egid", "sgid", "fsgid"])?,
        supplementary,
        capabilities,
        secure_bits: view.unsigned(cred, "securebits")? as u32,
    })
}

fn folders(view: &View<'_>, task: Place) -> Result<Folders, DecodeError> {
    let fs = view.required(task, "fs", "fs_struct")?;
    let folder = |path: &str| {
        view.resource(fs, path)?
            .ok_or_else(|| view.absurd(fs, path, 0, "a task is always somewhere"))
    };
    Ok(Folders {
        root: folder("root.dentry")?,
        working: folder("pwd.dentry")?,
        umask: view.unsigned(fs, "umask")? as u32,
    })
}

/// The memory policy that the pointer in `path` leads to: mode with the flags of the caller, and
/// nodes.
pub(super) fn memory_policy(
    view: &View<'_>,
    place: Place,
    path: &str,
) -> Result<Option<(u32, Vec<u8>)>, DecodeError> {
    // MPOL_MODE_FLAGS (include/uapi/linux/mempolicy.h); with STATIC and RELATIVE the nodes stand as
    // they were given.
    const MODE_FLAGS: u32 = 0xe000;
    const AS_GIVEN: u32 = 0xc000;
    let Some(policy) = view.follow(place, path, "mempolicy")? else {
        return Ok(None);
    };
    let mode = view.unsigned(policy, "mode")? as u32;
    let flags = view.unsigned(policy, "flags")? as u32 & MODE_FLAGS;
    let nodes = match flags & AS_GIVEN {
        0 => "nodes",
        _ => "w.user_nodemask",
    };
    Ok(Some((mode | flags, view.field(policy, nodes)?.to_vec())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::plan::restart::{ARGUMENTS, AX, FLAGS, IP, ORIG_AX, SP};

    #[test]
    fn registers_are_where_they_are_looked_for() {
        let named = ARGUMENTS.map(|place| GENERAL[place]);
        assert_eq!(named, ["di", "si", "dx", "r10", "r8"]);
        let named = [AX, ORIG_AX, IP, SP, FLAGS].map(|place| GENERAL[place]);
        assert_eq!(named, ["ax", "orig_ax", "ip", "sp", "flags"]);
    }

    #[test]
    fn ports_whose_bits_are_clear_are_permitted() {
        assert_eq!(permitted(&[0xff, 0xff]), []);
        assert_eq!(permitted(&[0b0111_1110, 0b1111_1100]), [(0, 1), (7, 3)]);
        assert_eq!(permitted(&[0; 8192]), [(0, 65536)]);
    }
}
