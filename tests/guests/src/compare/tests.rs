//! A comparison finds each difference, and nothing where there is none.

use super::{Comparison, compare};
use crate::proc::Proc;
use serde_json::{Value, json};

const STATUS: &str = "Name:\tsome name\nUmask:\t0027\nState:\tS (sleeping)\nTgid:\t7\n\
    Pid:\t7\nUid:\t1\t2\t3\t4\nVmSize:\t      8 kB\nSigBlk:\t0000000100000002\n\
    SigIgn:\t0000000000001000\nSigCgt:\t0000000000000002\nNoNewPrivs:\t0\n";
const MAPS: &str = "\
    00400000-00401000 r-xp 00002000 fe:00 12         /bin/a b\n\
    ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0      [vsyscall]\n";
const SMAPS: &str = "00400000-00401000 r-xp\nVmFlags: rd ex mr mw me\nVmFlags: ex\n";

/// As guest/gather.c writes it.
fn gathered(status: &str) -> Vec<u8> {
    let mut stat = "7 (some name) S 0 5 6".to_owned();
    for field in 7..=52 {
        stat.push_str(match field {
            20 => " 1",
            23 => " 8192",
            _ => " 0",
        });
    }
    let mut limits = "Limit\n".to_owned();
    limits.push_str(&format!(
        "{:<26}{:<21}{:<21}\n",
        "Max cpu time", 10, "unlimited"
    ));
    let files = [
        ("task/7/status", status),
        ("task/7/stat", &stat),
        (
            "task/7/syscall",
            "35 0x1 0x2 0x3 0x4 0x5 0x6 0x7ffe0 0x401000",
        ),
        ("task/7/personality", "00040000\n"),
        ("task/7/children", "8 9 "),
        ("maps", MAPS),
        ("smaps", SMAPS),
        ("limits", &limits),
        ("timers", ""),
        ("statm", "2 1 1 1 0 1 0\n"),
        ("cmdline", "a\0b c\0"),
        ("environ", ""),
        ("auxv", ""),
        ("oom_score_adj", "0\n"),
        ("coredump_filter", "33\n"),
        ("timerslack_ns", "50000\n"),
        ("cgroup", "0::/\n"),
        (
            "fdinfo/3",
            "pos:\t5\nflags:\t02100000\nmnt_id:\t1\nino:\t2\n",
        ),
    ];
    let mut bytes = Vec::new();
    for (path, text) in files {
        bytes.extend(format!("F {} /proc/7/{path}\n{text}\n", text.len()).bytes());
    }
    bytes.extend(b"L 4 /proc/7/fd/3\n/a b\nL 1 /proc/7/cwd\n/\nE 2 /proc/7/none\n");
    bytes
}

fn inspected() -> Value {
    json!({ "tasks": [{
        "pid": 7, "tgid": 7, "ppid": 0, "pgrp": 5, "session": 6, "comm": "some name",
        "umask": "0o27", "state_name": "INTERRUPTIBLE", "uid": [1, 2, 3, 4],
        "blocked": ["0x0000000100000002"], "personality": "0x40000", "nice": 0, "policy": 0,
        "rt_priority": 0, "exit_signal": 0, "exit_code": 0, "flags": "0x00000000",
        "sigactions": { "2": { "handler": "0x401000" }, "13": { "handler": "0x1" } },
        "pt_regs": { "orig_ax": "0x23", "di": "0x1", "si": "0x2", "dx": "0x3", "r10": "0x4",
                     "r8": "0x5", "r9": "0x6", "sp": "0x7ffe0", "ip": "0x401000" },
        "flt": { "min_flt": 0, "maj_flt": 0, "cmin_flt": 0, "cmaj_flt": 0 },
        "rlim": [[10, u64::MAX]], "cwd": "/",
        "open_fds": { "3": { "path": "/a b", "pos": 5, "flags": "0o100000",
                             "close_on_exec": true } },
        "mm": {
            "counts": { "total_vm": 2, "start_code": 0, "end_code": 0, "start_stack": 0,
                        "start_data": 0, "end_data": 0, "start_brk": 0, "arg_start": 0,
                        "arg_end": 0, "env_start": 0, "env_end": 0 },
            "vmas": [{ "start": "0x400000", "end": "0x401000", "flags": "0x75", "pgoff": 2,
                       "path": "/bin/a b" }],
        },
    }] })
}

fn held(status: &str, change: impl FnOnce(&mut Value)) -> Comparison {
    let mut ours = inspected();
    change(&mut ours["tasks"][0]);
    compare(&Proc::parse(7, &gathered(status)).unwrap(), &ours)
}

#[test]
fn the_same_is_the_same() {
    let comparison = held(STATUS, |_| ());
    assert_eq!(comparison.wrong, Vec::<String>::new());
    assert_eq!(comparison.checks, 63);
    assert!(comparison.unnamed.contains("status.NoNewPrivs"));
}

#[test]
fn each_difference_is_one_finding() {
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 9] = [
        ("status.Umask", |task| task["umask"] = json!("0o22")),
        ("status.Uid", |task| task["uid"] = json!([1, 2, 3])),
        ("status.SigBlk", |task| task["blocked"] = json!(["0x2"])),
        ("status.SigCgt", |task| {
            task["sigactions"]["2"]["handler"] = json!("0x0");
        }),
        ("hard limit 0", |task| task["rlim"] = json!([[10, 11]])),
        ("r10", |task| task["pt_regs"]["r10"] = json!("0x44")),
        ("close-on-exec", |task| {
            task["open_fds"]["3"]["close_on_exec"] = json!(false);
        }),
        ("flags", |task| {
            task["mm"]["vmas"][0]["flags"] = json!("0x77")
        }),
        ("offset", |task| {
            task["mm"]["vmas"][0]["pgoff"] = Value::Null
        }),
    ];
    for (what, change) in changes {
        let wrong = held(STATUS, change).wrong;
        assert_eq!(wrong.len(), 1, "{what}: {wrong:?}");
        assert!(wrong[0].contains(what), "{what}: {wrong:?}");
    }
}

#[test]
fn a_reading_nobody_knows_is_a_finding() {
    let wrong = held(&format!("{STATUS}Colour:\tred\n"), |_| ()).wrong;
    assert_eq!(
        wrong,
        ["task 7: status.Colour: a reading that is not known"]
    );
}

#[test]
fn a_task_that_is_not_in_the_image_is_a_finding() {
    assert!(!held(STATUS, |task| task["pid"] = json!(8)).wrong.is_empty());
}
