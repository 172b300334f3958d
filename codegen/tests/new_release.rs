//! The book's chapter on a new release, followed to the letter in a project without that release.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "new_release/project.rs"]
mod project;

use project::{DECISIONS, Project, committed};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

const CHAPTER: &str = include_str!("../../book/src/new-release.md");
const STEP: &str = "converters/linux-6.12.113-6.12.115";
const PATCH: &str = "\
--- a/include/linux/sched/user.h
+++ b/include/linux/sched/user.h
@@ -33,2 +33,3 @@ struct user_struct {
 \tatomic_long_t locked_vm;
+\tatomic_long_t perf_mlock;
 #endif
";

/// What the chapter has a reader do or see.
#[derive(Debug, PartialEq)]
enum Step {
    /// A command, and what it prints.
    Run(&'static str, String),
    /// The family's file with the decision that a new step waits for.
    Open(&'static str),
    /// What comes in its place.
    Decide(&'static str),
}

fn steps() -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = CHAPTER;
    while let Some((prose, block)) = rest.split_once("\n```") {
        let (block, after) = block.split_once("\n```\n").unwrap();
        rest = after;
        let (language, block) = block.split_once('\n').unwrap();
        match language {
            "console" => {
                for command in block.strip_prefix("$ ").unwrap().split("\n$ ") {
                    let (line, printed) = command.split_once('\n').unwrap_or((command, ""));
                    steps.push(Step::Run(line, printed.trim_end().to_owned()));
                }
            }
            "toml" if block.starts_with("##") => steps.push(Step::Open(block)),
            "toml" => steps.push(Step::Decide(block)),
            // What a machine does every day, and no reader.
            "sh" | "yaml" => {}
            other => panic!("a block in {other} after: {prose}"),
        }
    }
    steps
}

/// What a command of the chapter printed, and its exit code.
fn run(project: &Project, line: &str) -> (String, i32) {
    let words: Vec<&str> = line.split(' ').collect();
    let mut command = match words[0] {
        "kconv-gen" => Command::new(env!("CARGO_BIN_EXE_kconv-gen")),
        "cargo" => Command::new(env!("CARGO")),
        other => panic!("the chapter runs {other}"),
    };
    let output = command
        .args(&words[1..])
        .current_dir(project.path())
        .env("CARGO_NET_OFFLINE", "true")
        // Goes away with the project.
        .env("CARGO_TARGET_DIR", project.path().join("target"))
        .output()
        .unwrap();
    let code = output.status.code().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        code == 0 || code == 1 && errors.is_empty(),
        "`{line}` ended with {code}:\n{errors}"
    );
    let printed = String::from_utf8(output.stdout).unwrap();
    (printed.trim_end().to_owned(), code)
}

/// Asserts that a command printed what the chapter shows, where `…` stands for any lines.
fn assert_printed(line: &str, printed: &str, expected: &str) {
    let Some(end) = expected.strip_prefix("…\n") else {
        assert_eq!(printed, expected, "`{line}`");
        return;
    };
    assert!(
        printed.ends_with(&format!("\n{end}")),
        "`{line}` printed\n{printed}"
    );
}

/// The generated files in a folder of the project, by name.
fn generated(root: &Path, folder: &str) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(root.join(folder)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            files.insert(name, fs::read_to_string(path).unwrap());
        }
    }
    files
}

#[test]
fn every_step_of_the_chapter_does_what_it_says() {
    let project = Project::without_new_releases();
    fs::write(project.path().join("patch-6.12.115"), PATCH).unwrap();
    let (mut codes, mut open) = (Vec::new(), "");
    for step in steps() {
        match step {
            Step::Run(line, expected) => {
                let importing = line.strip_prefix("kconv-gen release import ");
                let names = importing.map(|names| names.split(' ').collect::<Vec<_>>());
                if names.is_some_and(|names| !project.has_packages(&names)) {
                    codes.push(1);
                    continue;
                }
                let (printed, code) = run(&project, line);
                assert_printed(line, &printed, &expected);
                codes.push(code);
            }
            Step::Open(block) => {
                let text = project.read(DECISIONS);
                assert!(text.trim_end().ends_with(&format!("\n\n{block}")), "{text}");
                open = block;
            }
            Step::Decide(block) => {
                project.edit(DECISIONS, |text| text.replace(open, block));
                project.put_back_decided();
            }
        }
    }
    // Both imports and the first status find something undecided.
    assert_eq!(codes, [1, 1, 1, 0, 0, 0, 0, 0, 0]);
    for page in ["amd64_standard.rs", "amd64_rt.rs"] {
        let page = format!("{STEP}/{page}");
        assert!(
            project.read(&page) == committed(&page),
            "{page} is not the committed one"
        );
    }
    assert_eq!(project.read(DECISIONS), committed(DECISIONS));
    // Everything else that is made of the layouts is as if the other steps were there.
    for folder in [
        "kernel-structs/views/src",
        "kernel-structs/views/src/linux_6",
        "converters/carry/src",
        "converters/carry/src/linux_6",
    ] {
        let here = generated(project.path(), folder);
        let there = generated(&project::root(), folder);
        assert_eq!(
            here.keys().collect::<Vec<_>>(),
            there.keys().collect::<Vec<_>>()
        );
        for (name, text) in here {
            assert!(text == there[&name], "{folder}/{name}");
        }
    }
}
