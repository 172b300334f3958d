//! What the running kernels said of their tasks, held against `kconv inspect --json`, before and
//! after conversion.
//!
//! facts.json was read by another program, and most of it checked against the guest's /proc. A
//! reading that this test does not know is a failure, so that none is left out unseen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_tests::{convert, facts, image, inspect};
use serde_json::Value;
use std::path::Path;

/// Readings held against one image.
struct Readings {
    count: usize,
    wrong: Vec<String>,
    /// Whether kernel addresses are those of the freeze.
    at_home: bool,
    /// Whether symbols and resources have the numbers of the freeze.
    at_origin: bool,
}

/// A number in any of the ways the two programs write it.
fn number(value: &Value) -> Option<i128> {
    match value {
        Value::Number(number) => number
            .as_i64()
            .map(i128::from)
            .or(number.as_u64().map(i128::from)),
        Value::String(text) => {
            let (digits, radix) = match (text.strip_prefix("0x"), text.strip_prefix("0o")) {
                (Some(digits), _) => (digits, 16),
                (_, Some(digits)) => (digits, 8),
                _ => (text.as_str(), 10),
            };
            i128::from_str_radix(digits, radix).ok()
        }
        _ => None,
    }
}

impl Readings {
    /// Both values have to be the same number, text, or list of such.
    fn same(&mut self, what: &str, fact: &Value, ours: &Value) {
        if let (Value::Array(fact), Value::Array(ours)) = (fact, ours) {
            if fact.len() != ours.len() {
                self.wrong.push(format!(
                    "{what}: {} elements, not {}",
                    ours.len(),
                    fact.len()
                ));
            }
            for (index, (fact, ours)) in fact.iter().zip(ours).enumerate() {
                self.same(&format!("{what}[{index}]"), fact, ours);
            }
            return;
        }
        self.count += 1;
        let equal = match (number(fact), number(ours)) {
            (Some(fact), Some(ours)) => fact == ours,
            _ => fact == ours,
        };
        if !equal {
            self.wrong
                .push(format!("{what}: {ours}, but the kernel said {fact}"));
        }
    }

    fn address(&mut self, what: &str, fact: &Value, ours: &Value) {
        if self.at_home {
            self.same(what, fact, ours);
        } else {
            // Where an object lies now is decided by the conversion; whether there is one is not.
            let fact = Value::from(number(fact) != Some(0));
            self.same(what, &fact, &Value::from(number(ours) != Some(0)));
        }
    }

    fn number_of(&mut self, what: &str, fact: &Value, ours: &Value) {
        if self.at_origin {
            self.same(what, fact, ours);
        }
    }

    fn object(&mut self, what: &str, fact: &Value, ours: &Value) {
        for (key, fact) in fact.as_object().unwrap() {
            self.same(&format!("{what}.{key}"), fact, &ours[key]);
        }
    }

    fn task(&mut self, what: &str, fact: &Value, ours: &Value) {
        for (key, fact) in fact.as_object().unwrap() {
            let what = format!("{what}: {key}");
            match key.as_str() {
                "pid" | "tgid" | "pgrp" | "session" | "leader" | "comm" | "state"
                | "state_name" | "flags" | "ptrace" | "exit_code" | "exit_signal"
                | "pdeath_signal" | "personality" | "nice" | "policy" | "rt_priority"
                | "counter" | "need_resched" | "sigpending" | "lock_depth" | "addr_limit"
                | "blocked" | "pending" | "uid" | "gid" | "groups" | "keep_capabilities"
                | "rlim" | "start_time" | "sas_ss" | "used_math" | "locks" | "parent_exec_id"
                | "self_exec_id" | "max_fds" | "cwd" | "root" | "umask" | "sig_count" => {
                    self.same(&what, fact, &ours[key])
                }
                "cap" | "times" | "it" | "flt" => self.object(&what, fact, &ours[key]),
                "addr" => self.address(&what, fact, &ours["addr"]),
                "mm" | "active_mm" | "files" | "fs" | "sig" | "user" | "p_opptr" | "p_pptr"
                | "p_cptr" | "p_ysptr" | "p_osptr" => {
                    self.address(&what, fact, &ours["pointers"][key]);
                }
                "namespace" | "tty" | "semundo" | "vfork_done" => {
                    self.number_of(&what, fact, &ours["pointers"][key]);
                }
                "ngroups" => {
                    let groups = ours["groups"].as_array().unwrap().len();
                    self.same(&what, fact, &Value::from(groups));
                }
                "pending_queue_len" => {
                    let queued = ours["pending_queue"].as_array().unwrap().len();
                    self.same(&what, fact, &Value::from(queued));
                }
                "per_cpu_utime" | "per_cpu_stime" => self.per_cpu(&what, fact, &ours[key]),
                "real_timer" => self.timer(&what, fact, &ours[key]),
                "thread" => self.thread(&what, fact, &ours[key]),
                "pt_regs" if fact.is_null() => self.same(&what, fact, &ours[key]),
                "pt_regs" => self.object(&what, fact, &ours[key]),
                "open_fds" => self.files(&what, fact, &ours[key]),
                "sigactions" => self.actions(&what, fact, &ours[key]),
                "vmas" => self.vmas(&what, fact, &ours["mm"]["vmas"]),
                "mm_counts" => self.object(&what, fact, &ours["mm"]["counts"]),
                // The field of later kernels: absent here, null there.
                "scm_work_list" => {
                    self.count += 1;
                    if !(ours[key].is_null() || ours[key] == "0x0") {
                        self.wrong.push(format!("{what}: {}", ours[key]));
                    }
                }
                // Which task a CPU was running is not state of the task.
                "is_current" => {}
                other => panic!("a reading this test does not know: {other}"),
            }
        }
    }

    fn per_cpu(&mut self, what: &str, fact: &Value, ours: &Value) {
        match fact {
            Value::Array(fact) => {
                for (index, fact) in fact.iter().enumerate() {
                    self.same(&format!("{what}[{index}]"), fact, &ours[index]);
                }
            }
            fact => self.same(what, fact, &ours[0]),
        }
    }

    fn timer(&mut self, what: &str, fact: &Value, ours: &Value) {
        self.same(
            &format!("{what}.expires"),
            &fact["expires"],
            &ours["expires"],
        );
        self.address(&format!("{what}.data"), &fact["data"], &ours["data"]);
        self.same(
            &format!("{what}.function"),
            &Value::from("it_real_fn"),
            &ours["function"],
        );
    }

    fn thread(&mut self, what: &str, fact: &Value, ours: &Value) {
        for (key, fact) in fact.as_object().unwrap() {
            let what = format!("{what}.{key}");
            match key.as_str() {
                "esp0" | "esp" => self.address(&what, fact, &ours[key]),
                "eip" => self.number_of(&what, fact, &ours[key]),
                "kstack_used_if_switched_out" => {
                    // swapper runs on the stack it was born on and has no esp0.
                    let top = number(&ours["esp0"]).unwrap();
                    let used = top - number(&ours["esp"]).unwrap();
                    if top != 0 {
                        self.same(&what, fact, &Value::from(used as i64));
                    }
                }
                _ => self.same(&what, fact, &ours[key]),
            }
        }
    }

    fn files(&mut self, what: &str, fact: &Value, ours: &Value) {
        let (fact, ours) = (fact.as_object().unwrap(), ours.as_object().unwrap());
        self.same(
            &format!("{what} in all"),
            &fact.len().into(),
            &ours.len().into(),
        );
        for (fd, fact) in fact {
            let what = format!("{what}.{fd}");
            let Some(ours) = ours.get(fd) else {
                self.wrong.push(format!("{what}: not there"));
                continue;
            };
            self.address(&format!("{what}.file"), &fact["file"], &ours["file"]);
            // The other program put a slash between the name of the file system and the inode.
            let path = fact["path"].as_str().unwrap().replace(":/[", ":[");
            self.same(&format!("{what}.path"), &path.into(), &ours["path"]);
            for key in ["pos", "fop"] {
                self.same(&format!("{what}.{key}"), &fact[key], &ours[key]);
            }
            let flags = ours["flags"].as_str().map(|flags| flags.replace("0o", ""));
            let fact = fact["flags"].as_str().unwrap().replace("0o", "");
            self.same(&format!("{what}.flags"), &fact.into(), &flags.into());
        }
    }

    fn actions(&mut self, what: &str, fact: &Value, ours: &Value) {
        for (signal, fact) in fact.as_object().unwrap() {
            self.object(
                &format!("{what}.{signal}"),
                &without(fact, "mask"),
                &ours[signal],
            );
            self.same(
                &format!("{what}.{signal}.mask"),
                &fact["mask"],
                &ours[signal]["mask"],
            );
        }
    }

    fn vmas(&mut self, what: &str, fact: &Value, ours: &Value) {
        let (fact, ours) = (fact.as_array().unwrap(), ours.as_array().unwrap());
        self.same(
            &format!("{what} in all"),
            &fact.len().into(),
            &ours.len().into(),
        );
        for (index, (fact, ours)) in fact.iter().zip(ours).enumerate() {
            let what = format!("{what}[{index}]");
            self.address(&format!("{what}.addr"), &fact[0], &ours["addr"]);
            for (place, key) in [(1, "start"), (2, "end"), (3, "flags"), (4, "pgoff")] {
                self.same(&format!("{what}.{key}"), &fact[place], &ours[key]);
            }
            self.same(&format!("{what}.path"), &fact[5], &ours["path"]);
        }
    }
}

fn without(value: &Value, key: &str) -> Value {
    let mut map = value.as_object().unwrap().clone();
    map.remove(key);
    Value::Object(map)
}

/// Holds the facts of `flavour` against `image` and returns how many readings there were.
fn hold(flavour: &str, image: &Path, at_home: bool, at_origin: bool) -> usize {
    let facts = facts(flavour);
    let ours = inspect(image, &[]);
    let tasks = ours["tasks"].as_array().unwrap();
    let mut readings = Readings {
        count: 0,
        wrong: Vec::new(),
        at_home,
        at_origin,
    };
    for fact in facts["tasks"].as_array().unwrap() {
        let what = format!("task {} ({})", fact["pid"], fact["comm"]);
        match tasks.iter().find(|task| task["pid"] == fact["pid"]) {
            Some(ours) => readings.task(&what, fact, ours),
            None => readings.wrong.push(format!("{what}: not in the image")),
        }
    }
    readings.same(
        "tasks in all",
        &facts["tasks"].as_array().unwrap().len().into(),
        &tasks.len().into(),
    );
    readings.same("HZ", &facts["meta"]["HZ"], &ours["clocks"]["hz"]);
    readings.same(
        "jiffies",
        &facts["meta"]["jiffies"],
        &ours["clocks"]["jiffies"],
    );
    assert!(
        readings.wrong.is_empty(),
        "{} of {} readings are wrong:\n{}",
        readings.wrong.len(),
        readings.count,
        readings.wrong.join("\n")
    );
    println!("{flavour}: {} readings", readings.count);
    readings.count
}

fn converted(flavour: &str, to: &str, at_home: bool) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.img");
    convert("2.4.36", to, &image(flavour), &out);
    let before = hold(flavour, &image(flavour), true, true);
    let after = hold(flavour, &out, at_home, false);
    assert!(
        after > before * 9 / 10,
        "{after} readings after, {before} before"
    );
}

#[test]
fn the_up_image_says_what_the_kernel_said() {
    assert!(hold("up", &image("up"), true, true) > 2000);
}

#[test]
fn the_smp_image_says_what_the_kernel_said() {
    assert!(hold("smp", &image("smp"), true, true) > 2000);
}

#[test]
fn converted_to_2_4_37_up_still_says_so() {
    converted("up", "2.4.37", true);
}

#[test]
fn converted_to_2_4_37_smp_still_says_so() {
    converted("smp", "2.4.37", true);
}

#[test]
fn converted_from_up_to_smp_still_says_so() {
    converted("up", "2.4.37-smp", false);
}
