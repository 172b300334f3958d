//! The book's chapter on a new release, followed to the letter in a project without that release.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "new_release/project.rs"]
mod project;

use project::{NEW, Project, committed};
use std::fs;
use std::process::Command;

const CHAPTER: &str = include_str!("../../book/src/new-release.md");
const CRATE: &str = "converters/linux-6.12.113-6.12.115";
/// The file with the decision that the copy does not have.
const DECISIONS: &str = "converters/overrides/linux-6/user_struct.toml";
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
    /// The family's file with the decision that a new crate waits for.
    Open(&'static str),
    /// What comes in its place.
    Decide(&'static str),
    /// Lines for a file, after a line that it has.
    Wire(&'static str, &'static str, &'static str),
}

fn steps() -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = CHAPTER;
    while let Some((prose, block)) = rest.split_once("\n```") {
        let (block, after) = block.split_once("\n```\n").unwrap();
        rest = after;
        let (language, block) = block.split_once('\n').unwrap();
        let said = prose.trim().rsplit("\n\n").next().unwrap();
        let place = said.strip_prefix("In `").and_then(|place| {
            let (file, line) = place.split_once("`, after `")?;
            Some((file, line.strip_suffix("`:")?))
        });
        match (language, place) {
            ("console", None) => {
                for command in block.strip_prefix("$ ").unwrap().split("\n$ ") {
                    let (line, printed) = command.split_once('\n').unwrap_or((command, ""));
                    steps.push(Step::Run(line, printed.trim_end().to_owned()));
                }
            }
            ("toml", None) if block.starts_with("##") => steps.push(Step::Open(block)),
            ("toml", None) => steps.push(Step::Decide(block)),
            ("toml" | "rust", Some((file, line))) => steps.push(Step::Wire(file, line, block)),
            (other, _) => panic!("a block in {other} after: {said}"),
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

#[test]
fn every_step_of_the_chapter_does_what_it_says() {
    let project = Project::without_new_releases();
    fs::write(project.path().join("patch-6.12.115"), PATCH).unwrap();
    let mut codes = Vec::new();
    let mut wired = Vec::new();
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
                assert_eq!(printed, expected, "`{line}`");
                codes.push(code);
            }
            Step::Open(block) => assert_eq!(project.read(DECISIONS).trim_end(), block),
            Step::Decide(block) => project.edit(DECISIONS, |_| format!("{block}\n")),
            Step::Wire(file, line, block) => {
                wired.push(file);
                project.edit(file, |text| {
                    let mut lines: Vec<&str> = text.lines().collect();
                    let is_it = |have: &&str| have.trim() == line;
                    let after = lines.iter().position(is_it);
                    let after = after.unwrap_or_else(|| panic!("{file} has no line {line}"));
                    lines.insert(after + 1, block);
                    lines.join("\n") + "\n"
                });
            }
        }
    }
    // Both imports and the first status find something undecided.
    assert_eq!(codes, [1, 1, 1, 0, 0, 0, 0, 0, 0]);
    for module in ["amd64_standard", "amd64_rt"] {
        let file = format!("{CRATE}/src/generated/{module}.rs");
        assert!(
            project.read(&file) == committed(&file),
            "{file} is not the committed one"
        );
    }
    for file in ["Cargo.toml", "src/lib.rs", "src/main.rs"] {
        let file = format!("{CRATE}/{file}");
        assert_eq!(project.read(&file), committed(&file), "{file}");
    }
    assert_eq!(project.read(DECISIONS), committed(DECISIONS));
    assert_eq!(wired.len(), 4);
    for file in wired {
        assert_eq!(project.read(file), project.expected(file, NEW), "{file}");
    }
}
