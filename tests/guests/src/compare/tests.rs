//! A comparison finds each difference, and nothing where there is none.

use super::{Comparison, compare};
use crate::proc::Proc;
use serde_json::{Value, json};

const STATUS: &str = "Name:\tsome name\nUmask:\t0027\nState:\tS (sleeping)\nTgid:\t7\n\
    Pid:\t7\nUid:\t1\t2\t3\t4\nVmSize:\t      8 kB\nSigBlk:\t0000000100000002\n\
    SigIgn:\t0000000000001000\nSigCgt:\t0000008000000000\nNoNewPrivs:\t0\n\
    Cpus_allowed:\t3\nMems_allowed:\t00000000,00000001\nRssAnon:\t 4 kB\n\
    voluntary_ctxt_switches:\t5\n";
const MAPS: &str = "\
    00400000-00401000 r-xp 00002000 fe:0a 12         /bin/a b\n\
    ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0      [vsyscall]\n";
const SMAPS: &str = "00400000-00401000 r-xp\nRss:                4 kB\n\
    VmFlags: rd ex mr mw me\nRss: 0 kB\nVmFlags: ex\n";

/// As guest/gather.c writes it.
fn gathered(status: &str) -> Vec<u8> {
    let mut stat = "7 (some name) S 0 5 6".to_owned();
    for field in 7..=52 {
        stat.push_str(match field {
            8 => " -1",
            14 => " 6",
            15 => " 3",
            18 => " 20",
            20 => " 1",
            23 => " 8192",
            25 => " 10",
            27 => " 4096",
            32 => " 2",
            33 => " 4096",
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
        ("task/7/io", "rchar: 100\n"),
        ("task/7/schedstat", "90000000 5 6\n"),
        ("task/7/loginuid", "4294967295"),
        ("task/7/sessionid", "4294967295"),
        ("maps", MAPS),
        ("smaps", SMAPS),
        ("limits", &limits),
        (
            "timers",
            "ID: 3\nsignal: 34/000000000000002a\nnotify: signal/tid.7\nClockID: 1\n",
        ),
        ("statm", "2 0 1 1 0 1 0\n"),
        ("cmdline", "a\0b c\0"),
        ("environ", ""),
        ("auxv", ""),
        ("oom_score_adj", "0\n"),
        ("coredump_filter", "33\n"),
        ("timerslack_ns", "50000\n"),
        ("cgroup", "0::/\n"),
        (
            "fdinfo/3",
            "pos:\t5\nflags:\t02100000\nmnt_id:\t1\nino:\t2\n\
             lock:\t1: POSIX  ADVISORY  WRITE 7 fe:0a:2 3 EOF\n\
             lock:\t2: OFDLCK ADVISORY  READ  -1 fe:0a:2 0 9\n",
        ),
    ];
    let mut bytes = Vec::new();
    for (path, text) in files {
        bytes.extend(format!("F {} /proc/7/{path}\n{text}\n", text.len()).bytes());
    }
    bytes.extend(b"F 4 /sys/devices/system/cpu/possible\n0-1\n\n");
    bytes.extend(b"L 4 /proc/7/fd/3\n/a b\nL 1 /proc/7/cwd\n/\nE 2 /proc/7/none\n");
    bytes
}

const INSPECTED: &str = r#"{ "tasks": [{
        "pid": 7, "tgid": 7, "ppid": 0, "pgrp": 5, "session": 6, "comm": "some name",
        "children": [8, 9], "threads": 1, "tty": null,
        "umask": "0o27", "state_name": "INTERRUPTIBLE", "uid": [1, 2, 3, 4],
        "blocked": ["0x0000000100000002"], "pending": ["0x0"], "shared_pending": ["0x0"],
        "personality": "0x40000", "nice": 0, "policy": 0, "no_new_privs": false,
        "rt_priority": 0, "exit_signal": 0, "exit_code": 0, "flags": "0x00000000",
        "cpus_allowed": "0xffffffffffffffffffffffffffffffff", "mems_allowed": "0x1",
        "switches": { "nvcsw": 6, "nivcsw": 0 },
        "ignored": "0x1000", "caught": "0x8000000000",
        "sigactions": { "40": { "handler": "0x401000" }, "13": { "handler": "0x1" } },
        "pt_regs": { "orig_ax": "0x23", "di": "0x1", "si": "0x2", "dx": "0x3", "r10": "0x4",
                     "r8": "0x5", "r9": "0x6", "sp": "0x7ffe0", "ip": "0x401000" },
        "flt": { "min_flt": 0, "maj_flt": 0, "cmin_flt": 0, "cmaj_flt": 0 },
        "times": { "utime": 20000000, "stime": 10000000, "gtime": 0, "shown_utime": 0,
                   "shown_stime": 0, "sum_exec_runtime": 90000000 },
        "process_times": { "cutime": 0, "cstime": 0, "cgtime": 0 },
        "block_io_delay": 0, "start_boottime": 0, "io": { "rchar": 100 },
        "audit_login_uid": 4294967295, "audit_session": 4294967295,
        "oom_score_adj": 0, "timer_slack": 50000, "cgroup": "/", "namespaces": {},
        "rlim": [[10, 18446744073709551615], [], [], [], [], [10, 10]], "cwd": "/",
        "timers": { "posix": [{ "id": 3, "clock": 1, "signal": 34, "value": "0x2a",
                                "notify": 4, "target": 7 }] },
        "open_fds": { "3": { "path": "/a b", "pos": 5, "flags": "0o100000",
                             "close_on_exec": true, "mount": 1, "inode": 2,
                             "device": "254:10", "locks": [
            { "style": "posix", "type": "read", "flags": 1025, "start": 0, "end": 9, "pid": 7 },
            { "style": "posix", "type": "write", "flags": 1, "start": 3, "end": 9223372036854775807,
              "pid": 7 }
        ] } },
        "mm": {
            "coredump_filter": "0x33", "cmdline": ["a", "b c"], "environ": [""], "auxv": [],
            "rss_cached": [0, 1, 0, 0],
            "counts": { "total_vm": 2, "start_code": 0, "end_code": 4096, "start_stack": 0,
                        "start_data": 0, "end_data": 0, "start_brk": 0, "arg_start": 0,
                        "arg_end": 0, "env_start": 0, "env_end": 0, "data_vm": 1,
                        "stack_vm": 0, "rss": 1, "rss_anon": 2, "rss_file": 1,
                        "rss_shmem": 0 },
            "vmas": [{ "start": "0x400000", "end": "0x401000", "flags": "0x75", "pgoff": 2,
                       "permissions": "r-xp", "inode": 12, "device": "254:10",
                       "path": "/bin/a b" }]
        }
    }] }"#;

fn inspected() -> Value {
    serde_json::from_str(INSPECTED).unwrap()
}

fn held(status: &str, change: impl FnOnce(&mut Value)) -> Comparison {
    let mut ours = inspected();
    change(&mut ours["tasks"][0]);
    let proc = Proc::parse(7, &gathered(status)).unwrap();
    let mut later = proc.clone();
    let thread = later.threads.get_mut(&7).unwrap();
    let switches = thread.status.get_mut("voluntary_ctxt_switches").unwrap();
    *switches = "7".to_owned();
    compare(&proc, &later, &ours)
}

#[test]
fn the_same_is_the_same() {
    let comparison = held(STATUS, |_| ());
    assert_eq!(comparison.wrong, Vec::<String>::new());
    assert_eq!(comparison.checks, 112);
}

#[test]
fn each_difference_is_one_finding() {
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 17] = [
        ("status.Umask", |task| task["umask"] = json!("0o22")),
        ("status.Uid", |task| task["uid"] = json!([1, 2, 3])),
        ("status.SigBlk", |task| task["blocked"] = json!(["0x2"])),
        ("status.SigCgt", |task| {
            task["caught"] = json!("0x0");
        }),
        ("hard limit 0", |task| task["rlim"][0] = json!([10, 11])),
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
        ("device", |task| {
            task["mm"]["vmas"][0]["device"] = json!("254:0");
        }),
        ("Cpus_allowed", |task| task["cpus_allowed"] = json!("0x1")),
        ("Mems_allowed", |task| task["mems_allowed"] = json!("0x3")),
        ("RssAnon", |task| {
            task["mm"]["counts"]["rss_anon"] = json!(1)
        }),
        ("voluntary_ctxt_switches", |task| {
            task["switches"]["nvcsw"] = json!(8);
        }),
        ("stat.stime", |task| {
            task["times"]["utime"] = json!(10000000);
            task["times"]["stime"] = json!(20000000);
            task["times"]["shown_utime"] = json!(65000000);
        }),
        ("locks", |task| {
            task["open_fds"]["3"]["locks"][0]["flags"] = json!(1);
        }),
        ("timer 3: notify", |task| {
            task["timers"]["posix"][0]["notify"] = json!(0);
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
