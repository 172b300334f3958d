//! Reports: what a command does not carry, for programs, in the words of the screen; written whole or
//! not at all, and what is in the way of one is found before anything is done.
#![allow(clippy::unwrap_used)]

use kconv_tests::{image, kconv, root};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn stderr(ran: &Output) -> String {
    String::from_utf8(ran.stderr.clone()).unwrap()
}

/// What is in a folder, by name.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn dump() -> PathBuf {
    root().join("tests/dumps/2.4.36-i386-up")
}

/// An image with two tasks that a conversion to 2.4.36 refuses.
fn busy(folder: &Path) -> PathBuf {
    let there = folder.join("there.img");
    kconv_tests::convert("2.4.36", "2.4.37", &image("up"), &there);
    let busy = folder.join("busy.img");
    kconv_tests::with_work_list(&there, &busy, "2.4.37-up", &[1, 14]);
    fs::remove_file(there).unwrap();
    busy
}

/// The findings that are on the screen: word, text with the tasks, code, advice.
fn on_screen(stderr: &str) -> Vec<[String; 4]> {
    let mut found: Vec<[String; 4]> = Vec::new();
    for line in stderr.lines() {
        if let Some(advice) = line.strip_prefix("  = ") {
            // What the whole ended with has one as well.
            if let Some(last) = found.last_mut().filter(|last| last[3].is_empty()) {
                last[3] = advice.to_owned();
            }
            continue;
        }
        let (word, rest) = line.split_once(": ").unwrap();
        if let Some((text, code)) = rest
            .strip_suffix(']')
            .and_then(|rest| rest.rsplit_once(" ["))
        {
            let parts = [word, text, code, ""];
            found.push(parts.map(str::to_owned));
        }
    }
    found
}

/// That a report and the screen say the same of each finding, each of one task.
fn same(report: &Value, stderr: &str) {
    let findings = report["findings"].as_array().unwrap();
    let screen = on_screen(stderr);
    assert_eq!(findings.len(), screen.len(), "{report:#}\n{stderr}");
    for (finding, [word, text, code, advice]) in findings.iter().zip(screen) {
        let task = match &finding["task"] {
            Value::Null => String::new(),
            task => format!(
                "task {} ({}): ",
                task["pid"],
                task["comm"].as_str().unwrap()
            ),
        };
        let shown = format!("{task}{}", finding["text"].as_str().unwrap());
        assert_eq!(
            (
                &*shown,
                &finding["severity"],
                &finding["code"],
                &finding["advice"]
            ),
            (&*text, &json!(word), &json!(code), &json!(advice))
        );
    }
}

#[test]
fn a_refused_conversion_is_told_alike_on_the_screen_and_in_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let busy = busy(folder.path());
    let (out, report) = (folder.path().join("out"), folder.path().join("report"));
    let ran = kconv(&[
        "2.4.37".as_ref(),
        "2.4.36".as_ref(),
        busy.as_os_str(),
        "-o".as_ref(),
        out.as_os_str(),
        "--report".as_ref(),
        report.as_os_str(),
    ]);
    assert_eq!(ran.status.code(), Some(1));
    let report = read(&report);
    same(&report, &stderr(&ran));
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 2);
    for (finding, pid) in findings.iter().zip([1, 14]) {
        assert_eq!(finding["code"], "value.lost");
        assert_eq!(finding["task"]["pid"], pid);
        assert_eq!(finding["field"], "scm_work_list");
        let object = finding["object"].as_str().unwrap();
        assert!(object.starts_with("task_struct at 0x"), "{object}");
    }
    assert_eq!(report["outcome"], "refused");
    assert_eq!(report["exit-code"], 1);
    assert_eq!(report["conversion"], Value::Null);
    assert_eq!(names(folder.path()), ["busy.img", "report"]);

    // A preflight says the same of it, in the same form, and as SARIF.
    let preflight = |format: &str| {
        let ran = kconv(&[
            "preflight",
            busy.to_str().unwrap(),
            "2.4.36",
            "--format",
            format,
        ]);
        assert_eq!(ran.status.code(), Some(1));
        ran
    };
    let asked: Value = serde_json::from_slice(&preflight("json").stdout).unwrap();
    assert_eq!(asked["findings"], report["findings"]);
    assert_eq!(asked["command"], "preflight");
    assert_eq!(asked["objects"], Value::Null);
    same(&asked, &stderr(&preflight("text")));
    let sarif: Value = serde_json::from_slice(&preflight("sarif").stdout).unwrap();
    let run = &sarif["runs"][0];
    assert_eq!(run["results"].as_array().unwrap().len(), 2);
    assert_eq!(run["results"][0]["ruleId"], "value.lost");
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 1);
    assert_eq!(rules[0]["id"], "value.lost");
}

#[test]
fn a_freeze_is_reported_done_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (out, report) = (folder.path().join("out"), folder.path().join("report"));
    let dump = dump();
    let freeze = |pids: &[&str]| {
        let mut arguments = vec!["freeze".as_ref(), "--dump".as_ref(), dump.as_os_str()];
        arguments.extend(pids.iter().map(AsRef::<std::ffi::OsStr>::as_ref));
        arguments.extend(["-o".as_ref(), out.as_os_str()]);
        arguments.extend(["--report".as_ref(), report.as_os_str()]);
        kconv(&arguments)
    };
    let ran = freeze(&["7", "21"]);
    assert!(ran.status.success(), "{}", stderr(&ran));
    let told = String::from_utf8(ran.stdout).unwrap();
    assert!((5..=8).contains(&told.lines().count()), "{told}");
    let done = read(&report);
    assert_eq!(
        (&done["outcome"], &done["error"]),
        (&json!("done"), &Value::Null)
    );
    assert_eq!(done["kernels"], json!({ "from": "2.4.36-up", "to": null }));
    assert_eq!(done["figures"]["tasks"], 2);
    assert_eq!(done["findings"], json!([]));
    assert_eq!(names(folder.path()), ["out", "report"]);

    fs::remove_file(&out).unwrap();
    let ran = freeze(&["7", "4000"]);
    assert_eq!(ran.status.code(), Some(1));
    // In place of the one before.
    let refused = read(&report);
    same(&refused, &stderr(&ran));
    assert_eq!(refused["findings"][0]["code"], "task.none");
    assert_eq!(refused["outcome"], "refused");
    assert_eq!(names(folder.path()), ["report"]);
}

#[test]
fn what_is_in_the_way_of_a_report_is_found_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    for name in ["tasks.img", "vmlinuz", "initrd"] {
        fs::copy(image("up"), at(name)).unwrap();
    }
    fs::create_dir(at("folder")).unwrap();
    std::os::unix::fs::symlink(at("tasks.img"), at("link")).unwrap();
    let before = names(folder.path());
    let bytes = fs::read(at("tasks.img")).unwrap();
    let dump = dump().display().to_string();
    let (tasks, out) = (at("tasks.img"), at("out"));
    let (kernel, initrd) = (at("vmlinuz"), at("initrd"));
    let convert = ["2.4.36", "2.4.37", &tasks, "-o", &out];
    let freeze = ["freeze", "--dump", &dump, "-o", &out];
    let thaw = ["thaw", &tasks];
    let upgrade = [
        "upgrade", "1", "--kernel", &kernel, "--initrd", &initrd, "--queue", &out,
    ];
    for (command, own) in [
        (convert.as_slice(), [&tasks, &out]),
        (&freeze, [&out, &out]),
        (&thaw, [&tasks, &tasks]),
        (&upgrade, [&kernel, &initrd]),
    ] {
        let nowhere = at("nowhere/report");
        let folder_itself = at("folder");
        let device = "/dev/null".to_owned();
        let mut reports = vec![&nowhere, &folder_itself, &device];
        reports.extend(own);
        for report in reports {
            let ran = kconv(&[command, &["--report", report]].concat());
            assert_eq!(ran.status.code(), Some(2), "{command:?} {report}");
            let said = stderr(&ran);
            assert!(said.contains("report"), "{command:?} {report}: {said}");
            assert_eq!(names(folder.path()), before, "{command:?} {report}");
        }
    }
    // By another name it is the same file.
    let ran = kconv(&[thaw.as_slice(), &["--report", &at("link")]].concat());
    assert_eq!(ran.status.code(), Some(2));
    assert!(
        stderr(&ran).contains("would be written over"),
        "{}",
        stderr(&ran)
    );
    for name in ["tasks.img", "vmlinuz", "initrd"] {
        assert!(fs::read(at(name)).unwrap() == bytes, "{name}");
    }
}

#[test]
fn what_fails_is_reported_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report");
    let tasks = image("up");
    let ran = kconv(&[
        "thaw".as_ref(),
        tasks.as_os_str(),
        "--dry-run".as_ref(),
        "--report".as_ref(),
        report.as_os_str(),
    ]);
    assert_eq!(ran.status.code(), Some(2));
    let report = read(&report);
    assert_eq!(report["outcome"], "failed");
    assert_eq!(
        (&report["exit-code"], &report["dry-run"]),
        (&json!(2), &json!(true))
    );
    assert_eq!(report["findings"], json!([]));
    let error = &report["error"];
    let said = stderr(&ran);
    assert_eq!(
        said,
        format!(
            "error: {}\n  = {}\n",
            error["text"].as_str().unwrap(),
            error["advice"].as_str().unwrap()
        )
    );
    assert!(said.contains("only linux-6 on amd64"), "{said}");
}
