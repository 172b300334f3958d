//! When and where a task runs, and what it has used.

use super::each;
use crate::model;
use kconv_objects::{FieldError, Saved};
use kernel_structs_bits::little_endian;
use serde::Serialize;
use std::collections::BTreeMap;

/// Times are in nanoseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Scheduling {
    pub(crate) nice: i64,
    pub(crate) policy: u64,
    pub(crate) rt_priority: u64,
    pub(crate) reset_on_fork: bool,
    /// Parameters of SCHED_DEADLINE.
    pub(crate) deadline: BTreeMap<&'static str, u64>,
    pub(crate) cpus_allowed: String,
    /// As the program asked for them, if it did.
    pub(crate) cpus_wanted: Option<String>,
    pub(crate) mems_allowed: String,
    pub(crate) io_priority: Option<u64>,
    pub(crate) timer_slack: u64,
    pub(crate) default_timer_slack: u64,
    /// Since boot, on CLOCK_MONOTONIC and on CLOCK_BOOTTIME.
    pub(crate) start_time: u64,
    pub(crate) start_boottime: u64,
    pub(crate) times: BTreeMap<&'static str, u64>,
    /// Of threads that have ended and (c…) of children that were waited for.
    pub(crate) process_times: BTreeMap<&'static str, u64>,
    pub(crate) switches: BTreeMap<&'static str, u64>,
    pub(crate) flt: BTreeMap<&'static str, u64>,
    pub(crate) io: BTreeMap<&'static str, u64>,
    pub(crate) process_io: BTreeMap<&'static str, u64>,
    pub(crate) block_io_delay: u64,
}

pub(super) fn scheduling(task: &Saved<'_>) -> Result<Scheduling, FieldError> {
    let own = model::Scheduling::of(task)?;
    let signal = task.required("signal")?;
    let of_process = |path: &str| signal.unsigned(path);
    let mut times = each(["utime", "stime", "gtime"], |field| task.unsigned(field))?;
    for (name, field) in [
        ("sum_exec_runtime", "se.sum_exec_runtime"),
        ("shown_utime", "prev_cputime.utime"),
        ("shown_stime", "prev_cputime.stime"),
    ] {
        times.insert(name, task.unsigned(field)?);
    }
    let process_times = each(
        ["utime", "stime", "gtime", "cutime", "cstime", "cgtime"],
        of_process,
    )?;
    let mut switches = each(["nvcsw", "nivcsw"], |field| task.unsigned(field))?;
    switches.insert("cnvcsw", of_process("cnvcsw")?);
    switches.insert("cnivcsw", of_process("cnivcsw")?);
    let mut flt = each(["min_flt", "maj_flt"], |field| task.unsigned(field))?;
    flt.insert("cmin_flt", of_process("cmin_flt")?);
    flt.insert("cmaj_flt", of_process("cmaj_flt")?);
    let io = [
        "rchar",
        "wchar",
        "syscr",
        "syscw",
        "read_bytes",
        "write_bytes",
        "cancelled_write_bytes",
    ];
    Ok(Scheduling {
        nice: own.nice.into(),
        policy: own.policy.into(),
        rt_priority: own.priority.into(),
        reset_on_fork: own.reset_on_fork,
        deadline: BTreeMap::from([
            ("runtime", own.deadline.runtime),
            ("deadline", own.deadline.deadline),
            ("period", own.deadline.period),
        ]),
        cpus_allowed: bits(&own.allowed),
        cpus_wanted: own.wanted.as_deref().map(bits),
        mems_allowed: bits(task.bytes("mems_allowed.bits")?),
        io_priority: own.io_priority.map(u64::from),
        timer_slack: own.timer_slack[0],
        default_timer_slack: own.timer_slack[1],
        start_time: task.unsigned("start_time")?,
        start_boottime: task.unsigned("start_boottime")?,
        times,
        process_times,
        switches,
        flt,
        io: each(io, |field| task.unsigned(&format!("ioac.{field}")))?,
        process_io: each(io, |field| of_process(&format!("ioac.{field}")))?,
        block_io_delay: match task.follow("delays")? {
            Some(delays) => delays.unsigned("blkio_delay")?,
            None => 0,
        },
    })
}

/// A set of many bits as one hexadecimal number.
fn bits(set: &[u8]) -> String {
    let words: Vec<u64> = set.chunks(8).map(little_endian).collect();
    let mut used = words.as_slice();
    while let [rest @ .., 0] = used
        && !rest.is_empty()
    {
        used = rest;
    }
    let mut shown = String::from("0x");
    for (place, word) in used.iter().rev().enumerate() {
        shown.push_str(&match place {
            0 => format!("{word:x}"),
            _ => format!("{word:016x}"),
        });
    }
    shown
}
