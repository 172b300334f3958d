//! What /proc says of a process, held against what `kconv inspect --json` says of its tasks: one
//! check for each reading.
//!
//! A reading of /proc is held against the field that has it, or is no state of a task and named
//! with the reason ([`NOT_STATE`]). Any other reading is a finding, so that none is left out unseen.

mod files;
mod mappings;
mod process;
mod stat;
mod status;

use crate::proc::{Proc, Syscall, Thread};
use serde_json::{Value, json};

/// Size of a page, in which the kernel counts what /proc shows in bytes or KiB.
const PAGE: u64 = 4096;

/// Readings that are computed for the reader or belong to the machine, and why they are nothing
/// to hold against an image.
pub const NOT_STATE: [(&str, &str); 14] = [
    (
        "status.Ngid",
        "group of NUMA balancing on the running machine",
    ),
    ("status.VmPTE", "size of page tables, which are built anew"),
    ("status.CoreDumping", "a dump under way, which is refused"),
    (
        "status.untag_mask",
        "bits of addresses that this CPU ignores",
    ),
    (
        "status.Cpus_allowed_list",
        "the line without _list in other words",
    ),
    (
        "status.Mems_allowed_list",
        "the line without _list in other words",
    ),
    ("stat.itrealvalue", "always 0"),
    ("stat.nswap", "always 0"),
    ("stat.cnswap", "always 0"),
    (
        "stat.wchan",
        "whether it sleeps in the kernel, which its state says",
    ),
    ("stat.processor", "the CPU it was on, which is chosen anew"),
    ("stat.rss", "an estimate of what status.VmRSS has"),
    ("statm.library", "always 0"),
    ("statm.dirty", "always 0"),
];

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Number of readings held against a field.
    pub checks: usize,
    /// Those that differ, and readings that are not known.
    pub wrong: Vec<String>,
}

/// Holds every reading of `proc` against `inspected`, the object that `kconv inspect --json` prints
/// of an image with this process. The process stood still from `proc` to `later` but for the
/// freeze: what only grows may be anything from one to the other, everything else has to be as in
/// `proc`.
pub fn compare(proc: &Proc, later: &Proc, inspected: &Value) -> Comparison {
    let mut comparison = Comparison::default();
    let empty = Vec::new();
    let tasks = inspected["tasks"].as_array().unwrap_or(&empty);
    let tasks: Vec<Value> = tasks.iter().cloned().map(as_shown).collect();
    for (tid, thread) in &proc.threads {
        let what = format!("task {tid}");
        let pair = Pair {
            proc,
            now: thread,
            later: later.threads.get(tid).unwrap_or(thread),
        };
        match tasks.iter().find(|task| task["pid"] == *tid) {
            Some(task) => comparison.thread(&what, &pair, task),
            None => comparison.wrong.push(format!("{what}: not in the image")),
        }
    }
    if let Some(task) = tasks.iter().find(|task| task["pid"] == proc.pid) {
        comparison.process(&format!("process {}", proc.pid), proc, task);
    }
    comparison
}

/// A task as /proc shows it: of what one that has ended gave back there are zeros.
fn as_shown(mut task: Value) -> Value {
    if task["mm"].is_null() && task["state_name"] == "ZOMBIE" {
        let names = [
            "total_vm",
            "data_vm",
            "stack_vm",
            "start_code",
            "end_code",
            "start_data",
            "end_data",
            "start_brk",
            "start_stack",
            "arg_start",
            "arg_end",
            "env_start",
            "env_end",
            "rss",
            "rss_file",
            "rss_shmem",
        ];
        let counts: serde_json::Map<_, _> = names
            .into_iter()
            .map(|name| (name.to_owned(), 0.into()))
            .collect();
        task["mm"] = json!({ "counts": counts, "cmdline": [""], "environ": [""], "auxv": [] });
        task["max_fds"] = 0.into();
        task["pt_regs"] = json!({ "sp": 0, "ip": 0 });
    }
    task
}

/// A thread before and after the freeze.
struct Pair<'a> {
    proc: &'a Proc,
    now: &'a Thread,
    later: &'a Thread,
}

/// A number, as JSON has it or in any of the ways the programs write it.
fn number(value: &Value) -> Option<i128> {
    let text = match value {
        Value::Number(number) => return number.to_string().parse().ok(),
        Value::String(text) => text.as_str(),
        _ => return None,
    };
    let (digits, radix) = match (text.strip_prefix("0x"), text.strip_prefix("0o")) {
        (Some(digits), _) => (digits, 16),
        (_, Some(digits)) => (digits, 8),
        _ => (text, 10),
    };
    i128::from_str_radix(digits, radix).ok()
}

/// Bits of signals from a list of words, the lowest first, of 32 or 64 bits each.
fn words(value: &Value) -> Option<i128> {
    let words = value.as_array()?;
    let width = if words.len() > 1 { 32 } else { 64 };
    words.iter().rev().try_fold(0, |bits, word| {
        Some(bits << width | number(word)? & ((1 << width) - 1))
    })
}

/// Signals whose action has a handler for which `wanted` holds, as bits.
fn handled(task: &Value, wanted: fn(i128) -> bool) -> Option<i128> {
    let mut bits = 0;
    for (signal, action) in task["sigactions"].as_object()? {
        if wanted(number(&action["handler"])?) {
            bits |= 1 << (signal.parse::<u32>().ok()?.checked_sub(1)?);
        }
    }
    Some(bits)
}

/// `fact / unit`, as /proc rounds it.
fn rounded(value: &Value, unit: i128) -> Option<i128> {
    number(value).map(|value| value / unit)
}

/// The sum of the numbers.
fn sum<const N: usize>(values: [&Value; N]) -> Option<i128> {
    values.into_iter().map(number).sum()
}

impl Comparison {
    fn held(&mut self, what: &str, equal: bool, ours: &dyn std::fmt::Display, fact: &str) {
        self.checks += 1;
        if !equal {
            self.wrong
                .push(format!("{what}: {ours}, but /proc says {fact}"));
        }
    }

    /// The same number, or the same text where one of them is no number.
    fn same(&mut self, what: &str, fact: &str, ours: &Value) {
        let read = Value::from(fact);
        let equal = match (number(&read), number(ours)) {
            (Some(fact), Some(ours)) => fact == ours,
            _ => read == *ours,
        };
        self.held(what, equal, ours, fact);
    }

    fn value(&mut self, what: &str, fact: impl Into<i128>, ours: Option<i128>) {
        let fact = fact.into();
        let shown = ours.map_or("nothing".to_owned(), |ours| format!("{ours:#x}"));
        self.held(what, ours == Some(fact), &shown, &format!("{fact:#x}"));
    }

    fn hex(&mut self, what: &str, fact: &str, ours: Option<i128>) {
        match i128::from_str_radix(&fact.replace(',', ""), 16) {
            Ok(fact) => self.value(what, fact, ours),
            Err(_) => self.wrong.push(format!("{what}: {fact:?} is no number")),
        }
    }

    /// A line such as `Uid:` with several numbers.
    fn list(&mut self, what: &str, fact: &str, ours: &Value) {
        let fact: Vec<Option<i128>> = fact
            .split_whitespace()
            .map(|word| word.parse().ok())
            .collect();
        let ours_list: Option<Vec<_>> = ours
            .as_array()
            .map(|list| list.iter().map(number).collect());
        let equal = ours_list.as_ref() == Some(&fact);
        self.held(what, equal, ours, &format!("{fact:?}"));
    }

    /// A line such as `VmSize:` in KiB, against a number of pages.
    fn kib(&mut self, what: &str, fact: &str, pages: Option<i128>) {
        let fact = fact
            .strip_suffix(" kB")
            .and_then(|n| n.trim().parse::<i128>().ok());
        let ours = pages.map(|pages| pages * i128::from(PAGE) / 1024);
        match fact {
            Some(fact) => self.value(what, fact, ours),
            None => self.wrong.push(format!("{what}: is not in kB")),
        }
    }

    /// A number that only grows, from `now` to `later`.
    fn grown(&mut self, what: &str, now: &str, later: &str, ours: Option<i128>) {
        let read = |text: &str| text.trim().parse::<i128>().ok();
        let between = match (read(now), read(later), ours) {
            (Some(now), Some(later), Some(ours)) => (now..=later).contains(&ours),
            _ => false,
        };
        let shown = ours.map_or("nothing".to_owned(), |ours| ours.to_string());
        self.held(what, between, &shown, &format!("{now}, then {later}"));
    }

    /// A reading that is not held against anything, and has to be known as such.
    fn without_field(&mut self, what: &str, name: &str) {
        if !NOT_STATE.iter().any(|(known, _)| *known == name) {
            self.wrong
                .push(format!("{what}: a reading that is not known"));
        }
    }

    fn thread(&mut self, what: &str, pair: &Pair<'_>, task: &Value) {
        for (key, fact) in &pair.now.status {
            self.status(&format!("{what}: status.{key}"), key, fact, task, pair);
        }
        for (key, fact) in &pair.now.stat {
            self.stat(&format!("{what}: stat.{key}"), key, fact, task, pair);
        }
        let personality = number(&task["personality"]);
        self.value(
            &format!("{what}: personality"),
            pair.now.personality,
            personality,
        );
        self.registers(what, &pair.now.syscall, &task["pt_regs"]);
        self.children(what, pair.now, task);
        for (key, fact) in &pair.now.io {
            let later = pair.later.io.get(key).unwrap_or(fact).to_string();
            let (what, ours) = (format!("{what}: io.{key}"), number(&task["io"][key]));
            self.grown(&what, &fact.to_string(), &later, ours);
        }
        let [now, later] = [pair.now, pair.later].map(|thread| thread.runtime.to_string());
        let runtime = number(&task["times"]["sum_exec_runtime"]);
        self.grown(&format!("{what}: schedstat"), &now, &later, runtime);
        for (place, key) in ["audit_login_uid", "audit_session"].into_iter().enumerate() {
            let fact = pair.now.audit[place];
            self.value(&format!("{what}: {key}"), fact, number(&task[key]));
        }
    }

    fn children(&mut self, what: &str, thread: &Thread, task: &Value) {
        let fact: Vec<String> = thread.children.iter().map(u32::to_string).collect();
        let what = format!("{what}: children");
        self.list(&what, &fact.join(" "), &task["children"]);
    }

    /// The user registers as far as /proc/PID/task/TID/syscall has them.
    fn registers(&mut self, what: &str, syscall: &Syscall, registers: &Value) {
        let mut same = |name: &str, fact: u64| {
            self.value(
                &format!("{what}: {name}"),
                fact,
                number(&registers[name]).map(|value| i128::from(value as u64)),
            );
        };
        match syscall {
            Syscall::Running => {}
            Syscall::Outside { sp, pc } => {
                same("sp", *sp);
                same("ip", *pc);
            }
            Syscall::Inside {
                number,
                arguments,
                sp,
                pc,
            } => {
                same("orig_ax", *number);
                for (name, argument) in ["di", "si", "dx", "r10", "r8", "r9"].iter().zip(arguments)
                {
                    same(name, *argument);
                }
                same("sp", *sp);
                same("ip", *pc);
            }
        }
    }
}

/// The letter of a state (fs/proc/array.c: task_state_array).
fn state_letter(name: &str) -> &'static str {
    match name {
        "RUNNING" => "R",
        "INTERRUPTIBLE" => "S",
        "UNINTERRUPTIBLE" => "D",
        "STOPPED" => "T",
        "TRACED" => "t",
        "ZOMBIE" => "Z",
        _ => "",
    }
}

#[cfg(test)]
mod tests;
