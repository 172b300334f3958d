//! The book's chapter on a new release, followed to the letter.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const CHAPTER: &str = include_str!("../../book/src/new-release.md");
const CRATE: &str = "converters/linux-2.4.36.8-2.4.36.9";
const PATCH: &str = "\
--- a/include/linux/sched.h
+++ b/include/linux/sched.h
@@ -1,2 +1,3 @@ struct task_struct {
 \tvoid *journal_info;
+\tstruct list_head *scm_work_list;
 };
";

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A project with the two kernels' files and without converters.
fn workspace() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-release");
    if dir.exists() {
        fs::remove_dir_all(&dir).unwrap();
    }
    fs::create_dir_all(dir.join("converters")).unwrap();
    let runtime = project().canonicalize().unwrap().join("converters/runtime");
    let manifest = format!(
        "[workspace]\nresolver = \"3\"\nmembers = [\"converters/*\"]\n\
         [workspace.package]\nversion = \"0.1.0\"\nedition = \"2024\"\nrust-version = \"1.88\"\n\
         license = \"MIT OR Apache-2.0\"\npublish = false\n\
         [workspace.dependencies]\nkconv-runtime = {{ path = {runtime:?} }}\n\
         [workspace.lints.rust]\nwarnings = \"deny\"\n"
    );
    fs::write(dir.join("Cargo.toml"), manifest).unwrap();
    fs::copy(project().join("Cargo.lock"), dir.join("Cargo.lock")).unwrap();
    fs::write(dir.join("patch-2.4.36.9"), PATCH).unwrap();
    let layouts = project().join("kernel-structs/layouts");
    fs::copy(
        layouts.join("2.4.36.9-i386-up.btf"),
        dir.join("2.4.36.9-up.btf"),
    )
    .unwrap();
    dir
}

/// The blocks of the chapter, with their language.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let parts = CHAPTER.split("```").skip(1).step_by(2);
    parts.map(|part| part.split_once('\n').unwrap()).collect()
}

/// Output and success of a command line of the chapter.
fn run(dir: &Path, line: &str) -> (String, bool) {
    let words: Vec<&str> = line.split(' ').collect();
    let mut command = match words[0] {
        "kconv-gen" => Command::new(env!("CARGO_BIN_EXE_kconv-gen")),
        "cargo" => Command::new(env!("CARGO")),
        other => panic!("the chapter runs {other}"),
    };
    let output = command
        .args(&words[1..])
        .current_dir(dir)
        .env("CARGO_NET_OFFLINE", "true")
        .env(
            "CARGO_TARGET_DIR",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-release-target"),
        )
        .output()
        .unwrap();
    let success = output.status.success();
    let finding = success || output.status.code() == Some(1) && output.stderr.is_empty();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        finding,
        "`{line}` ended with {:?}:\n{errors}",
        output.status
    );
    (String::from_utf8(output.stdout).unwrap(), success)
}

#[test]
fn every_command_of_the_chapter_does_what_it_says() {
    let dir = workspace();
    let overrides = dir.join(CRATE).join("overrides.toml");
    let mut successes = Vec::new();
    let mut written = 0;
    for (language, block) in blocks() {
        match language {
            "console" => {
                for step in block.strip_prefix("$ ").unwrap().split("\n$ ") {
                    let (line, expected) = step.split_once('\n').unwrap_or((step, ""));
                    let (out, success) = run(&dir, line);
                    assert_eq!(out.trim_end(), expected.trim_end(), "`{line}`");
                    successes.push(success);
                }
            }
            "toml" if block.starts_with("##") => {
                let text = fs::read_to_string(&overrides).unwrap();
                assert!(text.ends_with(block), "{text}");
                fs::write(&overrides, text.strip_suffix(block).unwrap()).unwrap();
                written += 1;
            }
            "toml" => {
                let text = fs::read_to_string(&overrides).unwrap();
                fs::write(&overrides, text + block).unwrap();
                written += 1;
            }
            other => panic!("a block in {other}"),
        }
    }
    assert_eq!(written, 2);
    // Only the first status finds something undecided.
    assert_eq!(successes, [true, false, true, true, true, true, true]);
    for module in ["i386_up", "i386_smp"] {
        let file = format!("{CRATE}/src/generated/{module}.rs");
        assert!(
            fs::read(dir.join(&file)).unwrap() == fs::read(project().join(&file)).unwrap(),
            "{file} is not the committed one"
        );
    }
}
