//! Which task it is, and of what it is part.

use super::{Belongings, path_at, resource};
use crate::model::{self, Common, numbers_of};
use crate::raw::hex;
use kconv_objects::{FieldError, Saved};
use kconv_resources::linux6::{Resource, Resources};
use serde::Serialize;
use std::collections::BTreeMap;

/// Numbers of `signal_struct.pids` (`include/linux/pid.h`: enum pid_type).
const PIDTYPE_TGID: usize = 1;
const PIDTYPE_PGID: usize = 2;
const PIDTYPE_SID: usize = 3;

/// Bits of `task_struct.__state` and `exit_state`, the lowest first, and their letters
/// (`include/linux/sched.h`: TASK_REPORT; `fs/proc/array.c`: get_task_state).
const STATES: [(&str, char); 7] = [
    ("INTERRUPTIBLE", 'S'),
    ("UNINTERRUPTIBLE", 'D'),
    ("STOPPED", 'T'),
    ("TRACED", 't'),
    ("DEAD", 'X'),
    ("ZOMBIE", 'Z'),
    ("PARKED", 'P'),
];

/// Who a task is. Numbers are those of the first PID namespace.
#[derive(Debug, Serialize)]
pub(crate) struct Identity {
    pub(crate) pid: i64,
    pub(crate) tgid: i64,
    /// `None` if nothing in the image knows.
    pub(crate) ppid: Option<i64>,
    pub(crate) pgrp: i64,
    pub(crate) session: i64,
    /// Numbers of those that are in the image.
    pub(crate) children: Vec<i64>,
    /// Numbers in each PID namespace, the first outermost.
    pub(crate) ns_pid: Vec<u64>,
    pub(crate) ns_tgid: Vec<u64>,
    pub(crate) ns_pgrp: Vec<u64>,
    pub(crate) ns_session: Vec<u64>,
    pub(crate) leader: i64,
    pub(crate) child_subreaper: bool,
    pub(crate) comm: String,
    pub(crate) state: u64,
    pub(crate) state_name: &'static str,
    #[serde(skip)]
    pub(crate) letter: char,
    pub(crate) threads: i64,
    pub(crate) flags: String,
    pub(crate) ptrace: String,
    pub(crate) jobctl: String,
    pub(crate) exit_code: i64,
    pub(crate) exit_signal: i64,
    pub(crate) group_exit_code: i64,
    pub(crate) pdeath_signal: i64,
    pub(crate) personality: String,
    pub(crate) oom_score_adj: i64,
    pub(crate) oom_score_adj_min: i64,
    pub(crate) cgroup: Option<String>,
    /// Controlling terminal.
    pub(crate) tty: Option<Tty>,
    /// Inode numbers.
    pub(crate) namespaces: BTreeMap<&'static str, u64>,
    pub(crate) audit_login_uid: u64,
    pub(crate) audit_session: u64,
}

/// A terminal.
#[derive(Debug, Serialize)]
pub(crate) struct Tty {
    pub(crate) name: String,
    /// `major:minor`.
    pub(crate) device: String,
    /// Process group in the foreground.
    pub(crate) pgrp: i64,
}

pub(super) fn identity(
    task: &Saved<'_>,
    belongings: &Belongings<'_>,
) -> Result<Identity, FieldError> {
    let own = model::Identity::of(task)?;
    let signal = task.required("signal")?;
    let common = Common::of(&signal)?;
    let numbers = |kind: usize| numbers(&signal, &format!("pids[{kind}]"));
    let state = task.unsigned("__state|state")? | task.unsigned("exit_state")?;
    let (state_name, letter) = state_name(state);
    let ppid = match own.parent {
        Some(parent) => Some(parent.into()),
        // A parent that is not in the image; the thread's core note has its number.
        None => belongings.parents.get(&own.tid.into()).copied(),
    };
    let tty = resource(&signal, "tty", &belongings.resources)?;
    let children = belongings.children.get(&task.at().0);
    let children = children.into_iter().flatten();
    let children = children.map(|child| child.signed("pid"));
    Ok(Identity {
        children: children.collect::<Result<_, _>>()?,
        pid: own.tid.into(),
        tgid: own.pid.into(),
        ppid,
        // Of a task that is in none any more, as ps has it.
        pgrp: common.group.unwrap_or(0).into(),
        session: common.session.unwrap_or(0).into(),
        ns_pid: self::numbers(task, "thread_pid")?,
        ns_tgid: numbers(PIDTYPE_TGID)?,
        ns_pgrp: numbers(PIDTYPE_PGID)?,
        ns_session: numbers(PIDTYPE_SID)?,
        leader: signal.signed("leader")?,
        child_subreaper: common.subreaper,
        comm: own.comm.escape_ascii().to_string(),
        state,
        state_name,
        letter,
        threads: signal.signed("nr_threads")?,
        flags: format!("{:#010x}", task.unsigned("flags")?),
        ptrace: hex(task.unsigned("ptrace")?),
        jobctl: hex(task.unsigned("jobctl")?),
        exit_code: own.exit_code.into(),
        exit_signal: own.exit_signal.into(),
        group_exit_code: common.group_exit_code.into(),
        pdeath_signal: own.parent_death_signal.into(),
        personality: hex(own.personality.into()),
        oom_score_adj: common.oom_score_adj[0].into(),
        oom_score_adj_min: common.oom_score_adj[1].into(),
        cgroup: path_at(task, "cgroups", &belongings.resources)?,
        tty: match tty {
            Some(Resource::Terminal(terminal)) => Some(Tty {
                name: terminal.name.clone(),
                device: terminal.device.to_string(),
                pgrp: terminal.pgrp,
            }),
            _ => None,
        },
        namespaces: namespaces(task, &belongings.resources)?,
        audit_login_uid: own.login[0].into(),
        audit_session: own.login[1].into(),
    })
}

/// The numbers of the `struct pid` at `path`.
fn numbers(owner: &Saved<'_>, path: &str) -> Result<Vec<u64>, FieldError> {
    match owner.follow(path)? {
        Some(pid) => {
            let numbers = numbers_of(&pid)?;
            numbers.iter().map(|upid| upid.unsigned("nr")).collect()
        }
        None => Ok(Vec::new()),
    }
}

fn state_name(state: u64) -> (&'static str, char) {
    // TASK_UNINTERRUPTIBLE | TASK_NOLOAD
    const IDLE: u64 = 0x402;
    if state & IDLE == IDLE {
        return ("IDLE", 'I');
    }
    let reported = state & ((1 << STATES.len()) - 1);
    match reported.checked_ilog2() {
        Some(bit) => STATES[bit as usize],
        None => ("RUNNING", 'R'),
    }
}

/// What `/proc/PID/ns` leads to (`fs/proc/namespaces.c`). The PID namespace of a task is that in
/// which its number is valid, the others are in its nsproxy and its credentials.
fn namespaces(
    task: &Saved<'_>,
    resources: &Resources,
) -> Result<BTreeMap<&'static str, u64>, FieldError> {
    let mut found = BTreeMap::new();
    let mut add = |name: &'static str, of: &Saved<'_>, path: &str| -> Result<(), FieldError> {
        let namespace = resource(of, path, resources)?;
        if let Some(inode) = namespace.and_then(Resource::inode) {
            found.insert(name, inode);
        }
        Ok(())
    };
    if let Some(proxy) = task.follow("nsproxy")? {
        for (name, field) in [
            ("uts", "uts_ns"),
            ("ipc", "ipc_ns"),
            ("mnt", "mnt_ns"),
            ("pid_for_children", "pid_ns_for_children"),
            ("net", "net_ns"),
            ("time", "time_ns"),
            ("time_for_children", "time_ns_for_children"),
            ("cgroup", "cgroup_ns"),
        ] {
            add(name, &proxy, field)?;
        }
    }
    if let Some(pid) = task.follow("thread_pid")?
        && let Some(innermost) = numbers_of(&pid)?.last()
    {
        add("pid", innermost, "ns")?;
    }
    if let Some(cred) = task.follow("real_cred")? {
        add("user", &cred, "user_ns")?;
    }
    Ok(found)
}
