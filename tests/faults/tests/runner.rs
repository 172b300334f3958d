//! The runner, with sources and lists made for the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_faults::batch::{Settled, batches, settled};
use kconv_faults::list::{self, Fault, ListError, Package};
use kconv_faults::report::{Report, Result as FaultResult, Verdict};
use kconv_faults::suite::{Outcome, failed, first_error, wrong, wrong_of};
use kconv_faults::tree::Tree;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

fn fault(id: &str, find: &str, with: &str) -> Fault {
    Fault {
        id: id.to_owned(),
        file: PathBuf::from("one/src/lib.rs"),
        find: find.to_owned(),
        with: with.to_owned(),
        breaks: String::from("it"),
        tests: Vec::new(),
        part: None,
        test: None,
        survives: None,
    }
}

fn package(faults: Vec<Fault>) -> Package {
    Package {
        name: String::from("one"),
        judge: None,
        faults,
    }
}

/// Sources of a crate `one`, known to git.
fn sources() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join("one/src")).unwrap();
    fs::write(root.join("one/Cargo.toml"), "[package]\nname = \"one\"\n").unwrap();
    fs::write(root.join("one/src/lib.rs"), "a + b + a").unwrap();
    fs::write(root.join(".gitignore"), "built\n").unwrap();
    fs::write(root.join("built"), "").unwrap();
    let status = Command::new("git")
        .args(["init", "--quiet"])
        .arg(root)
        .status();
    assert!(status.unwrap().success());
    folder
}

#[test]
fn a_fault_needs_a_text_that_is_there_once_in_its_own_crate() {
    let folder = sources();
    let errors = |fault: Fault| list::applies(&[package(vec![fault])], folder.path());
    assert!(errors(fault("fits", "+ b", "- b")).is_empty());
    for (find, times) in [("a", 2), ("c", 0)] {
        let found = errors(fault("twice", find, "d"));
        let [ListError::Found { found, .. }] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(*found, times);
    }
    let other = Package {
        name: String::from("two"),
        judge: None,
        faults: vec![fault("foreign", "+ b", "")],
    };
    let found = list::applies(&[other], folder.path());
    assert!(
        matches!(found.as_slice(), [ListError::Foreign { .. }]),
        "{found:?}"
    );
    let gone = Fault {
        file: PathBuf::from("one/src/gone.rs"),
        ..fault("gone", "a", "b")
    };
    assert!(matches!(errors(gone).first(), Some(ListError::Io { .. })));
}

#[test]
fn a_list_is_read_strictly() {
    let folder = tempfile::tempdir().unwrap();
    let read = |text: &str| {
        fs::write(folder.path().join("one.toml"), text).unwrap();
        list::read(folder.path())
    };
    let head = "package = \"one\"\n[[fault]]\nid = \"x\"\nfile = \"f\"\nfind = \"a\"\n";
    let good = format!("{head}with = \"b\"\nbreaks = \"it\"\n");
    assert_eq!(read(&good).unwrap()[0].faults.len(), 1);
    let errors = |text: String| read(&text).unwrap_err();
    let misspelt = errors(format!("{good}survivs = \"why\"\n"));
    assert!(matches!(misspelt.as_slice(), [ListError::Toml { .. }]));
    let same = errors(format!("{head}with = \"a\"\nbreaks = \"it\"\n"));
    assert!(matches!(same.as_slice(), [ListError::Same { .. }]));
    let silent = errors(format!("{head}with = \"b\"\nbreaks = \" \"\n"));
    assert!(matches!(
        silent.as_slice(),
        [ListError::Empty { key: "breaks", .. }]
    ));
    let without_judge = errors(format!("{good}part = \"signals\"\n"));
    assert!(matches!(without_judge.as_slice(), [ListError::Part { .. }]));
    let judge = "[judge]\npackage = \"two\"\ntarget = \"t\"\ntest = \"a::b\"\n";
    let (package, fault) = good.split_once('\n').unwrap();
    let without_part = format!("{package}\n{judge}{fault}");
    let found = errors(without_part.clone());
    assert!(matches!(found.as_slice(), [ListError::Part { .. }]));
    let judged = read(&format!("{without_part}part = \"signals\"\n")).unwrap();
    assert_eq!(judged[0].judge.as_ref().unwrap().test, "a::b");
    let (_, second) = good.split_once('\n').unwrap();
    let twice = errors(format!("{good}{second}"));
    assert!(matches!(twice.as_slice(), [ListError::Twice { .. }]));
}

#[test]
fn a_copy_has_what_git_would_have_and_keeps_what_is_the_same() {
    let folder = sources();
    let copies = tempfile::tempdir().unwrap();
    let to = copies.path().join("tree");
    let tree = Tree::copy(folder.path(), &to).unwrap();
    assert_eq!(tree.read(Path::new("one/src/lib.rs")).unwrap(), "a + b + a");
    assert!(!to.join("built").exists());
    let time = || {
        fs::metadata(to.join("one/Cargo.toml"))
            .unwrap()
            .modified()
            .unwrap()
    };
    let before = time();
    // What a run that was ended left behind.
    tree.write(Path::new("one/src/lib.rs"), "a - b + a")
        .unwrap();
    fs::write(to.join("left"), "").unwrap();
    fs::create_dir_all(to.join("gone/rest")).unwrap();
    fs::write(to.join("gone/rest/page.rs"), "").unwrap();
    fs::write(folder.path().join("new"), "").unwrap();
    Tree::copy(folder.path(), &to).unwrap();
    assert_eq!(tree.read(Path::new("one/src/lib.rs")).unwrap(), "a + b + a");
    assert!(to.join("new").exists() && !to.join("left").exists());
    // A folder of a step that is no more would be taken for a step.
    assert!(!to.join("gone").exists());
    assert_eq!(time(), before);
    let text = fs::read_to_string(folder.path().join("one/src/lib.rs")).unwrap();
    assert_eq!(text, "a + b + a");
}

#[test]
fn what_tests_printed_names_the_first_that_failed() {
    let output = "running 3 tests\ntest a ... ok\ntest b::c ... FAILED\n\
                  test d - should panic ... FAILED\ntest result: FAILED. 1 passed\n";
    assert_eq!(failed(output), ["b::c", "d"]);
    assert_eq!(
        failed("thread overflowed its stack"),
        ["(a test program ended early)"]
    );
    let output = "test a ... timers: wrong: timers: timer 2: 5 s\n\nwrong: timers: timer 3: 6 s\n";
    assert_eq!(
        wrong(output).first().map(String::as_str),
        Some("wrong: timers: timer 3: 6 s")
    );
    assert_eq!(
        wrong("old: verdict 2: WRONG").first().map(String::as_str),
        Some("old: verdict 2: WRONG")
    );
    assert!(wrong("the guest did not start").is_empty());
    let output = "warning: unused\nerror[E0425]: cannot find value `x`\n  --> src/lib.rs\n";
    assert_eq!(first_error(output), "error[E0425]: cannot find value `x`");
}

#[test]
fn a_run_is_good_if_every_fault_is_caught_or_explained() {
    let result = |outcome: Outcome, survives: Option<&str>| FaultResult {
        package: String::from("one"),
        fault: Fault {
            survives: survives.map(String::from),
            ..fault("x", "a", "b")
        },
        outcome,
    };
    let failed = || Outcome::Failed(vec![String::from("t")]);
    let good = [
        result(failed(), None),
        result(Outcome::Hung, None),
        result(Outcome::Passed, Some("why")),
    ];
    let bad = [
        result(Outcome::Passed, None),
        result(failed(), Some("why")),
        result(Outcome::NotBuilt(String::from("error")), None),
        result(Outcome::NotBuilt(String::from("error")), Some("why")),
    ];
    let report = |results: Vec<FaultResult>| Report {
        results,
        time: Duration::from_secs(61),
    };
    let all = report(good.to_vec());
    assert!(all.is_good());
    let text = all.to_string();
    let end = "3 faults: 2 caught, 1 survive as explained, 0 to look at; 2 min";
    assert!(text.ends_with(end), "{text}");
    for one in bad {
        assert!(!one.verdict().is_good());
        let mut results = good.to_vec();
        results.push(one);
        assert!(!report(results).is_good());
    }
    assert_eq!(good[0].verdict(), Verdict::Caught(String::from("t")));
}

#[test]
fn faults_of_different_parts_are_planted_together() {
    let of = |id: &str, part: &str| Fault {
        part: Some(part.to_owned()),
        ..fault(id, "b", "c")
    };
    let own_test = Fault {
        test: Some(String::from("other")),
        ..of("own", "timers")
    };
    let faults = [
        of("first", "signals"),
        of("second", "signals"),
        of("third", "timers"),
        own_test,
        of("fourth", "files"),
        of("fifth", "files"),
        of("sixth", "files"),
    ];
    // What is left alone is planted alone.
    assert_eq!(batches(&faults), [vec![0, 2, 4], vec![1, 5]]);
    let planted = [&faults[0], &faults[2]];
    let parts = ["signals", "timers", "files"];
    let said = |lines: &[&str]| {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        settled(&planted, &parts, &Outcome::Failed(lines))
    };
    let [signals, timers] = ["wrong: signals: mask: WRONG", "wrong: timers: it hangs"];
    assert_eq!(
        said(&[timers, signals]),
        Settled::Caught(vec![signals.to_owned(), timers.to_owned()])
    );
    assert_eq!(said(&[signals]), Settled::Open);
    assert_eq!(said(&[signals, timers, "wrong: files: x"]), Settled::Open);
    assert_eq!(settled(&planted, &parts, &Outcome::Passed), Settled::Open);
    assert_eq!(settled(&planted, &parts, &Outcome::Hung), Settled::Open);
    assert_eq!(wrong_of(&[signals.to_owned()], "signal"), None);
}
