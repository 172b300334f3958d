//! The fields of stat, against a task.

use super::{Comparison, PAGE, Pair, number, rounded, state_letter, words};
use serde_json::Value;

/// Nanoseconds of a tick as /proc counts them (USER_HZ is 100).
pub(super) const TICK: i128 = 10_000_000;

/// PF_* and SCHED_* that decide what is shown (include/linux/sched.h; include/uapi/linux/sched.h).
const SCHED_FIFO: i128 = 1;
const SCHED_RR: i128 = 2;
const SCHED_DEADLINE: i128 = 6;

impl Comparison {
    pub(super) fn stat(
        &mut self,
        what: &str,
        key: &str,
        fact: &str,
        task: &Value,
        pair: &Pair<'_>,
    ) {
        let counts = &task["mm"]["counts"];
        let later = pair.later.stat.get(key).map_or(fact, String::as_str);
        let process = &task["process_times"];
        let low = |bits: Option<i128>| bits.map(|bits| bits & 0x7fff_ffff);
        match key {
            "pid" | "comm" | "ppid" | "pgrp" | "session" | "nice" | "policy" | "rt_priority"
            | "exit_signal" | "exit_code" => self.same(what, fact, &task[key]),
            "flags" => self.same(what, fact, &task["flags"]),
            "state" => {
                let ours = task["state_name"].as_str().unwrap_or_default();
                self.held(what, state_letter(ours) == fact, &ours, fact);
            }
            "num_threads" => self.same(what, fact, &task["threads"]),
            "tty_nr" => self.same(what, fact, &terminal(&task["tty"]).into()),
            "tpgid" => {
                let ours = number(&task["tty"]["pgrp"]).unwrap_or(-1);
                self.same(what, fact, &(ours as i64).into());
            }
            "minflt" => self.grown(what, fact, later, number(&task["flt"]["min_flt"])),
            "majflt" => self.grown(what, fact, later, number(&task["flt"]["maj_flt"])),
            "cminflt" => self.same(what, fact, &task["flt"]["cmin_flt"]),
            "cmajflt" => self.same(what, fact, &task["flt"]["cmaj_flt"]),
            "utime" | "stime" => {
                let shown = shown_times(&task["times"]);
                let place = usize::from(key == "stime");
                self.grown(what, fact, later, shown.map(|shown| shown[place] / TICK));
            }
            "cutime" | "cstime" => {
                self.same(what, fact, &ticks(&process[key]));
            }
            "guest_time" => self.same(what, fact, &ticks(&task["times"]["gtime"])),
            "cguest_time" => self.same(what, fact, &ticks(&process["cgtime"])),
            "delayacct_blkio_ticks" => self.same(what, fact, &ticks(&task["block_io_delay"])),
            "starttime" => self.same(what, fact, &ticks(&task["start_boottime"])),
            "priority" => self.value(what, fact.parse::<i128>().unwrap_or(0), priority(task)),
            "rsslim" => self.same(what, fact, &task["rlim"][5][0]),
            "vsize" => {
                let ours = number(&counts["total_vm"]);
                let bytes = ours.map(|pages| pages * i128::from(PAGE));
                self.value(what, fact.parse::<i128>().unwrap_or(-1), bytes);
            }
            "startcode" => self.same(what, fact, &counts["start_code"]),
            "endcode" => self.same(what, fact, &counts["end_code"]),
            "startstack" => self.same(what, fact, &counts["start_stack"]),
            "start_data" | "end_data" | "start_brk" | "arg_start" | "arg_end" | "env_start"
            | "env_end" => self.same(what, fact, &counts[key]),
            // Zero unless the task is ending (fs/proc/array.c: do_task_stat); see syscall for both.
            "kstkesp" | "kstkeip" if fact == "0" => {}
            "kstkesp" => self.same(what, fact, &task["pt_regs"]["sp"]),
            "kstkeip" => self.same(what, fact, &task["pt_regs"]["ip"]),
            // The lower half of what status has.
            "signal" => self.decimal(what, fact, low(words(&task["pending"]))),
            "blocked" => self.decimal(what, fact, low(words(&task["blocked"]))),
            "sigignore" => self.decimal(what, fact, low(super::handled(task, |h| h == 1))),
            "sigcatch" => self.decimal(what, fact, low(super::handled(task, |h| h > 1))),
            _ => self.without_field(what, &format!("stat.{key}")),
        }
    }

    fn decimal(&mut self, what: &str, fact: &str, ours: Option<i128>) {
        self.value(what, fact.parse::<i128>().unwrap_or(-1), ours);
    }
}

fn ticks(nanoseconds: &Value) -> Value {
    rounded(nanoseconds, TICK).map_or(Value::Null, |ticks| (ticks as i64).into())
}

/// The number of a terminal (include/linux/kdev_t.h: new_encode_dev), 0 for none.
fn terminal(tty: &Value) -> i64 {
    let device = tty["device"].as_str().unwrap_or("0:0");
    let (major, minor) = device.split_once(':').unwrap_or_default();
    let (major, minor): (i64, i64) = (major.parse().unwrap_or(0), minor.parse().unwrap_or(0));
    minor & 0xff | major << 8 | (minor & !0xff) << 12
}

/// What the scheduler makes of nice and the realtime priority (kernel/sched/core.c: task_prio;
/// include/linux/sched/prio.h).
fn priority(task: &Value) -> Option<i128> {
    Some(match number(&task["policy"])? {
        SCHED_FIFO | SCHED_RR => -1 - number(&task["rt_priority"])?,
        SCHED_DEADLINE => -101,
        _ => 20 + number(&task["nice"])?,
    })
}

/// User and system time as /proc shows them: what a task ran in all, divided as the ticks say,
/// and neither ever less than what was shown before (kernel/sched/cputime.c: cputime_adjust).
fn shown_times(times: &Value) -> Option<[i128; 2]> {
    let read = |name: &str| number(&times[name]);
    let (all, user, system) = (read("sum_exec_runtime")?, read("utime")?, read("stime")?);
    let before = [read("shown_utime")?, read("shown_stime")?];
    if before[0] + before[1] >= all {
        return Some(before);
    }
    let system = match (user, system) {
        (_, 0) => 0,
        (0, _) => all,
        (user, system) => system * all / (system + user),
    };
    let mut shown = [0, system.max(before[1])];
    shown[0] = all - shown[1];
    if shown[0] < before[0] {
        shown = [before[0], all - before[0]];
    }
    Some(shown)
}
