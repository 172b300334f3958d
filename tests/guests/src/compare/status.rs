//! The lines of status, against a task.

use super::process::text;
use super::{Comparison, PAGE, Pair, number, state_letter, words};
use crate::proc::Syscall;
use serde_json::Value;

/// PF_KTHREAD (include/linux/sched.h).
const KERNEL_THREAD: i128 = 0x20_0000;

impl Comparison {
    pub(super) fn status(
        &mut self,
        what: &str,
        key: &str,
        fact: &str,
        task: &Value,
        pair: &Pair<'_>,
    ) {
        let later = pair.later.status.get(key).map_or(fact, String::as_str);
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
            "NStgid" => self.list(what, fact, &task["ns_tgid"]),
            "NSpid" => self.list(what, fact, &task["ns_pid"]),
            "NSpgid" => self.list(what, fact, &task["ns_pgrp"]),
            "NSsid" => self.list(what, fact, &task["ns_session"]),
            "Kthread" => {
                let ours = number(&task["flags"]).map(|flags| flags & KERNEL_THREAD);
                self.value(what, i128::from(fact != "0") * KERNEL_THREAD, ours);
            }
            "FDSize" => self.same(what, fact, &task["max_fds"]),
            "Threads" => {
                self.same(what, fact, &pair.proc.threads.len().into());
                self.same(what, fact, &task["threads"]);
            }
            "Seccomp" => self.same(what, fact, &task["seccomp"]),
            "Seccomp_filters" => self.same(what, fact, &task["seccomp_filters"]),
            "NoNewPrivs" => {
                let ours = task["no_new_privs"].as_bool().map(i128::from);
                self.value(what, i128::from(fact != "0"), ours);
            }
            "Speculation_Store_Bypass" => self.speculation(what, fact, task, "ssb"),
            "SpeculationIndirectBranch" => self.speculation(what, fact, task, "ib"),
            "Cpus_allowed" => self.cpus(what, fact, task, pair),
            "Mems_allowed" => {
                let plain = |set: &str| {
                    let digits = set.replace(',', "");
                    digits
                        .trim_start_matches("0x")
                        .trim_start_matches('0')
                        .to_owned()
                };
                let ours = plain(task["mems_allowed"].as_str().unwrap_or_default());
                self.held(what, plain(fact) == ours, &ours, fact);
            }
            "voluntary_ctxt_switches" => {
                self.grown(what, fact, later, number(&task["switches"]["nvcsw"]));
            }
            "nonvoluntary_ctxt_switches" => {
                self.grown(what, fact, later, number(&task["switches"]["nivcsw"]));
            }
            "x86_Thread_features" => self.features(what, fact, task, "features"),
            "x86_Thread_features_locked" => self.features(what, fact, task, "features_locked"),
            _ if key.starts_with("Sig") || key == "ShdPnd" => {
                self.masks(what, key, fact, task, pair)
            }
            _ if key.starts_with("Cap") => self.capabilities(what, key, fact, task),
            _ => self.memory(what, key, fact, task),
        }
    }

    fn masks(&mut self, what: &str, key: &str, fact: &str, task: &Value, pair: &Pair<'_>) {
        match key {
            // The first number counts for the user, not for the task.
            "SigQ" => {
                let limit = fact.split('/').nth(1).unwrap_or_default();
                self.same(what, limit, &task["rlim"][11][0]);
            }
            "SigPnd" => self.hex(what, fact, words(&task["pending"])),
            "ShdPnd" => self.hex(what, fact, words(&task["shared_pending"])),
            // One that waits for signals has let them through meanwhile, and blocks them again as
            // soon as it is stopped (kernel/signal.c: do_sigtimedwait).
            "SigBlk" if waits_for_signals(pair) => {
                let let_through = i128::from_str_radix(fact, 16).ok();
                let ours = words(&task["blocked"]);
                let both = ours.zip(let_through).map(|(ours, fact)| ours & fact);
                self.hex(what, fact, both);
            }
            "SigBlk" => self.hex(what, fact, words(&task["blocked"])),
            "SigIgn" => self.hex(what, fact, number(&task["ignored"])),
            "SigCgt" => self.hex(what, fact, number(&task["caught"])),
            _ => self.without_field(what, &format!("status.{key}")),
        }
    }

    fn capabilities(&mut self, what: &str, key: &str, fact: &str, task: &Value) {
        let set = match key {
            "CapInh" => "inheritable",
            "CapPrm" => "permitted",
            "CapEff" => "effective",
            "CapBnd" => "bounding",
            "CapAmb" => "ambient",
            _ => return self.without_field(what, &format!("status.{key}")),
        };
        self.hex(what, fact, number(&task["cap"][set]));
    }

    fn memory(&mut self, what: &str, key: &str, fact: &str, task: &Value) {
        let counts = &task["mm"]["counts"];
        let page = i128::from(PAGE);
        let cached = |kind: usize| number(&task["mm"]["rss_cached"][kind]).unwrap_or(0);
        let resident = |name: &str, kinds: &[usize]| {
            let cached: i128 = kinds.iter().map(|kind| cached(*kind)).sum();
            number(&counts[name]).map(|pages| pages - cached)
        };
        let most = |high: &str, now: Option<i128>| Some(number(&counts[high])?.max(now?));
        let pages = match key {
            "VmPeak" => most("hiwater_vm", number(&counts["total_vm"])),
            "VmSize" => number(&counts["total_vm"]),
            "VmLck" => number(&counts["locked_vm"]),
            "VmPin" => number(&counts["pinned_vm"]),
            "VmHWM" => most("hiwater_rss", resident("rss", &[0, 1, 3])),
            "VmRSS" => resident("rss", &[0, 1, 3]),
            "RssAnon" => resident("rss_anon", &[1]),
            "RssFile" => resident("rss_file", &[0]),
            "RssShmem" => resident("rss_shmem", &[3]),
            "VmData" => number(&counts["data_vm"]),
            "VmStk" => number(&counts["stack_vm"]),
            // Of what can be executed, the program's own and the libraries' (fs/proc/task_mmu.c:
            // task_mem).
            "VmExe" | "VmLib" => text(counts)
                .zip(number(&counts["exec_vm"]))
                .map(|(own, all)| {
                    let own = own.min(all * page) / page;
                    if key == "VmExe" { own } else { all - own }
                }),
            "VmSwap" => resident("swap", &[2]),
            "HugetlbPages" => number(&counts["hugetlb"]),
            "THP_enabled" => {
                let ours = task["mm"]["thp_enabled"].as_bool().map(i128::from);
                return self.value(what, i128::from(fact != "0"), ours);
            }
            _ => return self.without_field(what, &format!("status.{key}")),
        };
        self.kib(what, fact, pages);
    }

    /// The CPUs that a task may use, of those that the machine can have.
    fn cpus(&mut self, what: &str, fact: &str, task: &Value, pair: &Pair<'_>) {
        let possible = (1i128 << pair.proc.possible_cpus.min(64)) - 1;
        let ours = task["cpus_allowed"].as_str().unwrap_or_default();
        let low = &ours[ours.len().saturating_sub(16).max(2).min(ours.len())..];
        let ours = i128::from_str_radix(low, 16).ok();
        self.hex(what, fact, ours.map(|ours| ours & possible));
    }

    /// What a task may speculate about, where the CPU leaves it to the task
    /// (fs/proc/array.c: task_seccomp; arch/x86/kernel/cpu/bugs.c: ssb_prctl_get, ib_prctl_get).
    fn speculation(&mut self, what: &str, fact: &str, task: &Value, kind: &str) {
        let flag = |name: String| {
            let flags = task["atomic_flags"].as_array();
            flags.map(|flags| flags.iter().any(|flag| flag.as_str() == Some(&name)))
        };
        let shown = match fact {
            "thread force mitigated" | "conditional force disabled" => [true, true],
            "thread mitigated" | "conditional disabled" => [true, false],
            "thread vulnerable" | "conditional enabled" => [false, false],
            // The CPU alone decides.
            _ => return,
        };
        let names = [
            format!("spec_{kind}_disable"),
            format!("spec_{kind}_force_disable"),
        ];
        for (name, fact) in names.into_iter().zip(shown) {
            let ours = flag(name.clone()).map(i128::from);
            self.value(&format!("{what} {name}"), i128::from(fact), ours);
        }
    }

    /// Names of the bits that shadow stacks have (arch/x86/kernel/cpu/proc.c: dump_x86_features).
    fn features(&mut self, what: &str, fact: &str, task: &Value, field: &str) {
        let names = [("shstk", 1), ("wrss", 2)];
        let has = |name: &str| fact.split_whitespace().any(|word| word == name);
        let shown: i128 = names
            .iter()
            .filter(|(name, _)| has(name))
            .map(|(_, bit)| bit)
            .sum();
        // 6.1 knows none, nor has a place for them.
        self.value(
            what,
            shown,
            Some(number(&task["thread"][field]).unwrap_or(0)),
        );
    }
}

/// Whether a thread is in rt_sigtimedwait.
fn waits_for_signals(pair: &Pair<'_>) -> bool {
    matches!(pair.now.syscall, Syscall::Inside { number: 128, .. })
}
