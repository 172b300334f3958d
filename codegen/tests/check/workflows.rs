//! The workflows of the book, run as a CI runs them: in a clone, with its variables and its shell.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

const BOOK: &str = include_str!("../../../book/src/check.md");

/// A clone of a small kernel tree, with a change on a branch of its own.
struct Clone {
    folder: tempfile::TempDir,
}

impl Clone {
    fn with(patch: &str) -> Clone {
        let folder = tempfile::tempdir().unwrap();
        let clone = Clone { folder };
        let origin = clone.path("origin");
        copy(&super::tree(), &origin);
        let makefile = "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 170\n";
        fs::write(origin.join("Makefile"), makefile).unwrap();
        fs::create_dir(clone.path("bin")).unwrap();
        let program = env!("CARGO_BIN_EXE_kconv-gen");
        symlink(program, clone.path("bin/kconv-gen")).unwrap();
        fs::create_dir(clone.path("temp")).unwrap();
        for script in [
            "git init -q -b trunk && git add -A && git commit -qm base",
            "git clone -q . ../work",
        ] {
            assert_eq!(clone.run("origin", script), 0, "{script}");
        }
        let patch = super::folder().join(format!("patches/{patch}.patch"));
        let script = format!(
            "git checkout -qb change && git apply --index {}",
            patch.display()
        );
        assert_eq!(clone.run("work", &script), 0);
        clone
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn commit(&self) {
        assert_eq!(self.run("work", "git commit -qm change"), 0);
    }

    /// Runs a line of a workflow in a folder: its exit code.
    fn run(&self, folder: &str, script: &str) -> i32 {
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("sh")
            .args(["-ec", script])
            .current_dir(self.path(folder))
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("HOME", self.folder.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs([("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@b")])
            .envs([("GIT_COMMITTER_NAME", "a"), ("GIT_COMMITTER_EMAIL", "a@b")])
            .env("RUNNER_TEMP", self.path("temp"))
            .env("GITHUB_BASE_REF", "trunk")
            .env("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "trunk")
            .output()
            .unwrap();
        output.status.code().unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &to),
            false => drop(fs::copy(&path, to).unwrap()),
        }
    }
}

/// The block of the book behind `lead`.
fn block(lead: &str) -> &'static str {
    let (_, behind) = BOOK.split_once(lead).unwrap();
    let (_, block) = behind.split_once("```").unwrap();
    let (_, block) = block.split_once('\n').unwrap();
    block.split_once("```").unwrap().0
}

/// The commands of a workflow but for those that install the program.
fn commands(block: &'static str, start: &str) -> Vec<&'static str> {
    let lines = block.lines().map(str::trim);
    let commands = lines.filter_map(|line| line.strip_prefix(start));
    commands
        .filter(|command| command.contains("git ") || command.starts_with("kconv-gen"))
        .filter(|command| !command.starts_with("cargo"))
        .collect()
}

#[test]
fn github() {
    let block = block("**GitHub**");
    let mut lines = commands(block, "- run: ");
    lines.extend(commands(block, "run: "));
    assert_eq!(lines.len(), 3, "{lines:?}");
    for (patch, code) in [("field-in-the-middle", 1), ("unrelated-struct", 0)] {
        let clone = Clone::with(patch);
        clone.commit();
        let codes: Vec<i32> = lines.iter().map(|line| clone.run("work", line)).collect();
        // What is for the code scanning does not fail.
        assert_eq!(codes, [0, code, 0], "{patch}");
        let sarif = fs::read(clone.path("temp/kconv.sarif")).unwrap();
        let sarif: serde_json::Value = serde_json::from_slice(&sarif).unwrap();
        let results = sarif["runs"][0]["results"].as_array().unwrap();
        assert_eq!(results.is_empty(), code == 0);
    }
}

#[test]
fn gitlab() {
    let lines = commands(block("**GitLab**"), "- ");
    assert_eq!(lines.len(), 3, "{lines:?}");
    for (patch, code) in [("field-in-the-middle", 1), ("unrelated-struct", 0)] {
        let clone = Clone::with(patch);
        clone.commit();
        let codes: Vec<i32> = lines.iter().map(|line| clone.run("work", line)).collect();
        assert_eq!(codes, [0, 0, code], "{patch}");
        let report = fs::read_to_string(clone.path("work/kconv.xml")).unwrap();
        assert_eq!(report.contains("<failure"), code == 1, "{report}");
    }
}

#[test]
fn hooks() {
    let hook = block("A **git hook**").trim();
    let (_, entry) = block("**pre-commit**")
        .split_once("entry: sh -c '")
        .unwrap();
    let entry = entry.split_once('\'').unwrap().0;
    for (patch, code) in [("field-in-the-middle", 1), ("unrelated-struct", 0)] {
        let clone = Clone::with(patch);
        for line in [hook, entry] {
            assert_eq!(clone.run("work", line), code, "{line}");
        }
    }
}
