//! What /proc says of a process, held against what `kconv inspect --json` says of its tasks: one
//! check for each reading.
//!
//! A reading of /proc is held against the field that has it, or is one of those that
//! `kconv inspect` has no name for (`UNNAMED`), or is no state of a task (`NOT_STATE`).
//! Any other reading is a finding, so that none is left out unseen.

use crate::proc::{Mapping, OpenFile, Proc, Syscall, Thread};
use serde_json::Value;
use std::collections::BTreeSet;

/// Size of a page, in which the kernel counts what /proc shows in bytes or KiB.
const PAGE: u64 = 4096;
/// O_CLOEXEC, which fdinfo shows among the flags and which belongs to the descriptor.
const CLOSE_ON_EXEC: u64 = 0o2000000;

/// Readings that are state and that `kconv inspect` does not show by name.
const UNNAMED: [&str; 53] = [
    "status.NStgid",
    "status.NSpid",
    "status.NSpgid",
    "status.NSsid",
    "status.VmPeak",
    "status.VmPin",
    "status.VmHWM",
    "status.RssAnon",
    "status.RssFile",
    "status.RssShmem",
    "status.VmData",
    "status.VmStk",
    "status.VmSwap",
    "status.HugetlbPages",
    "status.THP_enabled",
    "status.SigQ",
    "status.ShdPnd",
    "status.CapBnd",
    "status.CapAmb",
    "status.NoNewPrivs",
    "status.Seccomp",
    "status.Seccomp_filters",
    "status.Speculation_Store_Bypass",
    "status.SpeculationIndirectBranch",
    "status.Mems_allowed",
    "status.voluntary_ctxt_switches",
    "status.nonvoluntary_ctxt_switches",
    "stat.tty_nr",
    "stat.tpgid",
    "stat.utime",
    "stat.stime",
    "stat.cutime",
    "stat.cstime",
    "stat.itrealvalue",
    "stat.starttime",
    "stat.delayacct_blkio_ticks",
    "stat.guest_time",
    "stat.cguest_time",
    "statm.shared",
    "statm.data",
    "fdinfo.lock",
    "fdinfo.mnt_id",
    "fdinfo.ino",
    "maps.inode",
    "exe",
    "cmdline",
    "environ",
    "auxv",
    "timers",
    "namespaces",
    "oom_score_adj",
    "coredump_filter",
    "timerslack_ns",
];

/// Readings that are computed for the reader, say the same as another, or belong to the machine.
const NOT_STATE: [&str; 26] = [
    // NUMA balancing of the running machine.
    "status.Ngid",
    // Whether a kernel thread (6.12).
    "status.Kthread",
    // Sizes of page tables, of text and libraries computed from other readings.
    "status.VmPTE",
    "status.VmExe",
    "status.VmLib",
    "status.CoreDumping",
    // Bits of addresses that this CPU ignores.
    "status.untag_mask",
    "status.x86_Thread_features",
    "status.x86_Thread_features_locked",
    // The same as the lines without _list.
    "status.Cpus_allowed_list",
    "status.Mems_allowed_list",
    // The same as in status, or the lower half of it.
    "stat.signal",
    "stat.blocked",
    "stat.sigignore",
    "stat.sigcatch",
    // Computed by the scheduler from nice and rt_priority.
    "stat.priority",
    // Where in the kernel it sleeps, on which CPU it was.
    "stat.wchan",
    "stat.processor",
    // Always 0.
    "stat.nswap",
    "stat.cnswap",
    // In limits.
    "stat.rsslim",
    // Sums that /proc estimates.
    "stat.rss",
    "statm.resident",
    "statm.text",
    "statm.library",
    "statm.dirty",
];

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Number of readings held against a field.
    pub checks: usize,
    /// Those that differ, and readings that are not known.
    pub wrong: Vec<String>,
    /// Readings without a field to hold them against.
    pub unnamed: BTreeSet<String>,
}

/// Holds every reading of `proc` against `inspected`, the object that `kconv inspect --json` prints
/// of an image with this process. Both have to be of one moment: the process stands still.
pub fn compare(proc: &Proc, inspected: &Value) -> Comparison {
    let mut comparison = Comparison::default();
    let empty = Vec::new();
    let tasks = inspected["tasks"].as_array().unwrap_or(&empty);
    for (tid, thread) in &proc.threads {
        let what = format!("task {tid}");
        match tasks.iter().find(|task| task["pid"] == *tid) {
            Some(task) => comparison.thread(&what, proc, thread, task),
            None => comparison.wrong.push(format!("{what}: not in the image")),
        }
    }
    if let Some(task) = tasks.iter().find(|task| task["pid"] == proc.pid) {
        comparison.process(&format!("process {}", proc.pid), proc, task);
    }
    comparison
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
    fn kib(&mut self, what: &str, fact: &str, ours: &Value) {
        let fact = fact
            .strip_suffix(" kB")
            .and_then(|n| n.trim().parse::<i128>().ok());
        let ours = number(ours).map(|pages| pages * i128::from(PAGE) / 1024);
        match fact {
            Some(fact) => self.value(what, fact, ours),
            None => self.wrong.push(format!("{what}: is not in kB")),
        }
    }

    /// A reading that is not held against anything, and has to be known as such.
    fn without_field(&mut self, what: &str, name: &str) {
        if UNNAMED.contains(&name) {
            self.unnamed.insert(name.to_owned());
        } else if !NOT_STATE.contains(&name) {
            self.wrong
                .push(format!("{what}: a reading that is not known"));
        }
    }

    fn thread(&mut self, what: &str, proc: &Proc, thread: &Thread, task: &Value) {
        for (key, fact) in &thread.status {
            self.status(&format!("{what}: status.{key}"), key, fact, task, proc);
        }
        for (key, fact) in &thread.stat {
            self.stat(&format!("{what}: stat.{key}"), key, fact, task, proc);
        }
        let personality = number(&task["personality"]);
        self.value(
            &format!("{what}: personality"),
            thread.personality,
            personality,
        );
        self.registers(what, &thread.syscall, &task["pt_regs"]);
    }

    fn status(&mut self, what: &str, key: &str, fact: &str, task: &Value, proc: &Proc) {
        let counts = &task["mm"]["counts"];
        match key {
            "Name" => self.same(what, fact, &task["comm"]),
            "Umask" => self.same(what, &format!("0o{fact}"), &task["umask"]),
            "State" => {
                let letter = fact.split(' ').next().unwrap_or_default();
                let ours = task["state_name"].as_str().unwrap_or_default();
                self.held(what, state_letter(ours) == letter, &ours, fact);
            }
            "Tgid" => self.same(what, fact, &task["tgid"]),
            "Pid" => self.same(what, fact, &task["pid"]),
            "PPid" => self.same(what, fact, &task["ppid"]),
            // Whether it is traced; who traces it is no state of the task.
            "TracerPid" => {
                let traced = number(&task["ptrace"]).map(|flags| i128::from(flags != 0));
                self.value(what, i128::from(fact != "0"), traced);
            }
            "Uid" => self.list(what, fact, &task["uid"]),
            "Gid" => self.list(what, fact, &task["gid"]),
            "Groups" => self.list(what, fact, &task["groups"]),
            "FDSize" => self.same(what, fact, &task["max_fds"]),
            "Threads" => self.same(what, fact, &proc.threads.len().into()),
            "VmSize" => self.kib(what, fact, &counts["total_vm"]),
            "VmLck" => self.kib(what, fact, &counts["locked_vm"]),
            "VmRSS" => self.kib(what, fact, &counts["rss"]),
            "SigPnd" => self.hex(what, fact, words(&task["pending"])),
            "SigBlk" => self.hex(what, fact, words(&task["blocked"])),
            "SigIgn" => self.hex(what, fact, handled(task, |handler| handler == 1)),
            "SigCgt" => self.hex(what, fact, handled(task, |handler| handler > 1)),
            "CapInh" => self.hex(what, fact, number(&task["cap"]["inheritable"])),
            "CapPrm" => self.hex(what, fact, number(&task["cap"]["permitted"])),
            "CapEff" => self.hex(what, fact, number(&task["cap"]["effective"])),
            "Cpus_allowed" => self.hex(what, fact, number(&task["cpus_allowed"])),
            _ => self.without_field(what, &format!("status.{key}")),
        }
    }

    fn stat(&mut self, what: &str, key: &str, fact: &str, task: &Value, proc: &Proc) {
        let counts = &task["mm"]["counts"];
        match key {
            "pid" | "comm" | "ppid" | "pgrp" | "session" | "nice" | "policy" | "rt_priority"
            | "exit_signal" | "exit_code" => self.same(what, fact, &task[key]),
            "flags" => self.same(what, fact, &task["flags"]),
            "state" => {
                let ours = task["state_name"].as_str().unwrap_or_default();
                self.held(what, state_letter(ours) == fact, &ours, fact);
            }
            "num_threads" => self.same(what, fact, &proc.threads.len().into()),
            "minflt" => self.same(what, fact, &task["flt"]["min_flt"]),
            "majflt" => self.same(what, fact, &task["flt"]["maj_flt"]),
            "cminflt" => self.same(what, fact, &task["flt"]["cmin_flt"]),
            "cmajflt" => self.same(what, fact, &task["flt"]["cmaj_flt"]),
            "vsize" => {
                let ours =
                    number(&counts["total_vm"]).map(|pages| Value::from(pages as u64 * PAGE));
                self.same(what, fact, &ours.unwrap_or_default());
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
            _ => self.without_field(what, &format!("stat.{key}")),
        }
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

    /// What the process has, in the task of its first thread.
    fn process(&mut self, what: &str, proc: &Proc, task: &Value) {
        for (name, fact) in &proc.links {
            match name.as_str() {
                "cwd" | "root" => self.same(&format!("{what}: {name}"), fact, &task[name]),
                _ => self.without_field(&format!("{what}: {name}"), name),
            }
        }
        for (resource, [soft, hard]) in proc.limits.iter().enumerate() {
            let ours = &task["rlim"][resource];
            self.value(
                &format!("{what}: soft limit {resource}"),
                *soft,
                number(&ours[0]),
            );
            self.value(
                &format!("{what}: hard limit {resource}"),
                *hard,
                number(&ours[1]),
            );
        }
        let sizes = [
            "size", "resident", "shared", "text", "library", "data", "dirty",
        ];
        for (name, fact) in sizes.iter().zip(&proc.statm) {
            let what = format!("{what}: statm.{name}");
            match *name {
                "size" => self.value(&what, *fact, number(&task["mm"]["counts"]["total_vm"])),
                _ => self.without_field(&what, &format!("statm.{name}")),
            }
        }
        self.files(what, proc, &task["open_fds"]);
        self.mappings(what, &proc.mappings, &task["mm"]["vmas"]);
        for name in ["cmdline", "environ", "auxv", "timers", "namespaces"] {
            self.without_field(&format!("{what}: {name}"), name);
        }
        for name in proc.values.keys().filter(|name| *name != "cgroup") {
            self.without_field(&format!("{what}: {name}"), name);
        }
    }

    fn files(&mut self, what: &str, proc: &Proc, open: &Value) {
        let ours = open.as_object().map_or(0, serde_json::Map::len);
        self.value(
            &format!("{what}: open files"),
            proc.files.len() as i128,
            Some(ours as i128),
        );
        for (fd, file) in &proc.files {
            self.file(
                &format!("{what}: descriptor {fd}"),
                file,
                &open[fd.to_string()],
            );
        }
    }

    fn file(&mut self, what: &str, file: &OpenFile, ours: &Value) {
        // What is no path has the name of its kind and its inode: `pipe:[123]`.
        if file.path.starts_with('/') {
            self.same(&format!("{what}: path"), &file.path, &ours["path"]);
        } else {
            let kind = file.path.split(':').next().unwrap_or_default();
            self.same(&format!("{what}: kind"), kind, &ours["kind"]);
        }
        self.value(
            &format!("{what}: position"),
            file.position,
            number(&ours["pos"]),
        );
        let flags = number(&ours["flags"]);
        self.value(
            &format!("{what}: flags"),
            file.flags & !CLOSE_ON_EXEC,
            flags.map(|flags| flags & !i128::from(CLOSE_ON_EXEC)),
        );
        let closes = ours["close_on_exec"].as_bool().map(i128::from);
        self.value(
            &format!("{what}: close-on-exec"),
            i128::from(file.flags & CLOSE_ON_EXEC != 0),
            closes,
        );
        self.without_field(what, "fdinfo.mnt_id");
        self.without_field(what, "fdinfo.ino");
        for line in &file.more {
            let name = line.split(':').next().unwrap_or_default();
            self.without_field(&format!("{what}: {name}"), &format!("fdinfo.{name}"));
        }
    }

    fn mappings(&mut self, what: &str, mappings: &[Mapping], ours: &Value) {
        // The vsyscall page belongs to all and to no address space.
        let mappings: Vec<_> = mappings.iter().filter(|m| m.path != "[vsyscall]").collect();
        let count = ours.as_array().map_or(0, Vec::len);
        self.value(
            &format!("{what}: mappings"),
            mappings.len() as i128,
            Some(count as i128),
        );
        for (index, mapping) in mappings.into_iter().enumerate() {
            let (what, vma) = (
                format!("{what}: mapping at {:#x}", mapping.start),
                &ours[index],
            );
            self.value(
                &format!("{what}: start"),
                mapping.start,
                number(&vma["start"]),
            );
            self.value(&format!("{what}: end"), mapping.end, number(&vma["end"]));
            let flags = number(&vma["flags"]);
            self.permissions(&what, mapping, flags);
            if mapping.path.starts_with('/') {
                let bytes = number(&vma["pgoff"]).map(|pages| pages * i128::from(PAGE));
                self.value(&format!("{what}: offset"), mapping.offset, bytes);
                self.same(&format!("{what}: path"), &mapping.path, &vma["path"]);
            }
            self.without_field(&what, "maps.inode");
        }
    }

    fn permissions(&mut self, what: &str, mapping: &Mapping, flags: Option<i128>) {
        let has = |mnemonic: &str| mapping.flags.iter().any(|flag| flag == mnemonic);
        // 6.1 has no mnemonic for VM_LOCKONFAULT, and shows two question marks.
        let known = VM_FLAGS
            .iter()
            .filter(|(mnemonic, _)| !(has("??") && *mnemonic == "lf"));
        let (mut shown, mut all) = (0, 0);
        for (mnemonic, bit) in known {
            all |= bit;
            if has(mnemonic) {
                shown |= bit;
            }
        }
        for flag in &mapping.flags {
            if flag != "??" && !VM_FLAGS.iter().any(|(mnemonic, _)| mnemonic == flag) {
                self.wrong
                    .push(format!("{what}: VmFlags {flag} is not known"));
            }
        }
        self.value(
            &format!("{what}: flags"),
            shown,
            flags.map(|flags| flags & all),
        );
    }
}

/// The mnemonics of VmFlags and their bits (fs/proc/task_mmu.c: show_smap_vma_flags;
/// include/linux/mm.h).
const VM_FLAGS: [(&str, i128); 30] = [
    ("rd", 0x1),
    ("wr", 0x2),
    ("ex", 0x4),
    ("sh", 0x8),
    ("mr", 0x10),
    ("mw", 0x20),
    ("me", 0x40),
    ("ms", 0x80),
    ("gd", 0x100),
    ("um", 0x200),
    ("pf", 0x400),
    ("uw", 0x1000),
    ("lo", 0x2000),
    ("io", 0x4000),
    ("sr", 0x8000),
    ("rr", 0x10000),
    ("lf", 0x80000),
    ("dc", 0x20000),
    ("de", 0x40000),
    ("ac", 0x100000),
    ("nr", 0x200000),
    ("ht", 0x400000),
    ("sf", 0x800000),
    ("wf", 0x2000000),
    ("dd", 0x4000000),
    ("sd", 0x8000000),
    ("mm", 0x10000000),
    ("hg", 0x20000000),
    ("nh", 0x40000000),
    ("mg", 0x80000000),
];

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
