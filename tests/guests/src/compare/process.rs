//! What /proc has once for a process, against the task of its first thread.

use super::{Comparison, PAGE, number, sum};
use crate::proc::{Proc, Timer};
use serde_json::{Value, json};

/// SIGEV_THREAD_ID (include/uapi/asm-generic/siginfo.h), and the names of the others
/// (fs/proc/base.c: show_timer).
const OF_THREAD: i128 = 4;
const NOTIFY: [&str; 3] = ["signal", "none", "thread"];

impl Comparison {
    pub(super) fn process(&mut self, what: &str, proc: &Proc, task: &Value) {
        for (name, fact) in &proc.links {
            let ours = match name.as_str() {
                "exe" => &task["mm"]["exe"],
                name => &task[name],
            };
            self.same(&format!("{what}: {name}"), fact, ours);
        }
        for (resource, [soft, hard]) in proc.limits.iter().enumerate() {
            let ours = &task["rlim"][resource];
            for (name, fact, ours) in [("soft", soft, &ours[0]), ("hard", hard, &ours[1])] {
                let what = format!("{what}: {name} limit {resource}");
                self.value(&what, *fact, number(ours));
            }
        }
        self.sizes(what, proc, &task["mm"]);
        self.files(what, proc, &task["open_fds"]);
        self.mappings(what, &proc.mappings, &task["mm"]["vmas"]);
        for (name, fact) in [("cmdline", &proc.cmdline), ("environ", &proc.environ)] {
            let (ours, fact) = (&task["mm"][name], json!(fact));
            let what = format!("{what}: {name}");
            self.held(&what, *ours == fact, ours, &fact.to_string());
        }
        let auxv: Vec<[u64; 2]> = proc
            .auxv
            .iter()
            .map(|(kind, value)| [*kind, *value])
            .collect();
        let (ours, fact) = (&task["mm"]["auxv"], json!(auxv));
        self.held(
            &format!("{what}: auxv"),
            *ours == fact,
            ours,
            &fact.to_string(),
        );
        let count = task["timers"]["posix"]
            .as_array()
            .map(|all| all.len() as i128);
        self.value(&format!("{what}: timers"), proc.timers.len() as i128, count);
        for timer in &proc.timers {
            self.timer(what, timer, &task["timers"]["posix"]);
        }
        for (name, inode) in &proc.namespaces {
            let ours = number(&task["namespaces"][name]);
            self.value(&format!("{what}: {name} namespace"), *inode, ours);
        }
        for (name, fact) in &proc.values {
            let what = format!("{what}: {name}");
            match name.as_str() {
                "oom_score_adj" => self.same(&what, fact, &task["oom_score_adj"]),
                "timerslack_ns" => self.same(&what, fact, &task["timer_slack"]),
                // Empty of one that has ended.
                "coredump_filter" if fact.is_empty() => {
                    let filter = &task["mm"]["coredump_filter"];
                    self.held(&what, filter.is_null(), filter, "nothing");
                }
                "coredump_filter" => {
                    self.hex(&what, fact, number(&task["mm"]["coredump_filter"]));
                }
                // 0::PATH, of the one hierarchy.
                "cgroup" => {
                    let path = fact.lines().find_map(|line| line.strip_prefix("0::"));
                    self.same(&what, path.unwrap_or_default(), &task["cgroup"]);
                }
                _ => self.without_field(&what, name),
            }
        }
    }

    /// statm, and the pages that smaps counts one by one, against the counters.
    fn sizes(&mut self, what: &str, proc: &Proc, mm: &Value) {
        let counts = &mm["counts"];
        let sizes = [
            "size", "resident", "shared", "text", "library", "data", "dirty",
        ];
        let cached = |kind: usize| number(&mm["rss_cached"][kind]).unwrap_or(0);
        let (file, anon, shmem) = (cached(0), cached(1), cached(3));
        for (name, fact) in sizes.iter().zip(&proc.statm) {
            let what = format!("{what}: statm.{name}");
            let ours = match *name {
                "size" => number(&counts["total_vm"]),
                "resident" => number(&counts["rss"]).map(|rss| rss - file - anon - shmem),
                "shared" => sum([&counts["rss_file"], &counts["rss_shmem"]])
                    .map(|shared| shared - file - shmem),
                "text" => text(counts).map(|bytes| bytes / i128::from(PAGE)),
                "data" => sum([&counts["data_vm"], &counts["stack_vm"]]),
                _ => {
                    self.without_field(&what, &format!("statm.{name}"));
                    continue;
                }
            };
            self.value(&what, *fact, ours);
        }
        let resident: u64 = proc.mappings.iter().map(|mapping| mapping.resident).sum();
        self.value(
            &format!("{what}: resident pages"),
            resident,
            number(&counts["rss"]),
        );
    }

    fn timer(&mut self, what: &str, timer: &Timer, ours: &Value) {
        let what = format!("{what}: timer {}", timer.id);
        let empty = Vec::new();
        let all = ours.as_array().unwrap_or(&empty);
        let Some(ours) = all.iter().find(|ours| ours["id"] == timer.id) else {
            self.wrong.push(format!("{what}: not in the image"));
            return;
        };
        self.value(
            &format!("{what}: clock"),
            timer.clock,
            number(&ours["clock"]),
        );
        self.value(
            &format!("{what}: signal"),
            timer.signal,
            number(&ours["signal"]),
        );
        self.value(
            &format!("{what}: value"),
            timer.value,
            number(&ours["value"]),
        );
        let notify = number(&ours["notify"]).unwrap_or(-1);
        let whom = if notify & OF_THREAD != 0 {
            "tid"
        } else {
            "pid"
        };
        let how = usize::try_from(notify & !OF_THREAD).ok();
        let how = how.and_then(|how| NOTIFY.get(how)).unwrap_or(&"?");
        let shown = format!("{how}/{whom}.{}", ours["target"]);
        self.same(&format!("{what}: notify"), &timer.notify, &shown.into());
    }
}

/// Bytes of code, in whole pages (fs/proc/task_mmu.c: task_mem, task_statm).
pub(super) fn text(counts: &Value) -> Option<i128> {
    let page = i128::from(PAGE);
    let (start, end) = (number(&counts["start_code"])?, number(&counts["end_code"])?);
    Some((end + page - 1) / page * page - start / page * page)
}
