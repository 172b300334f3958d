//! The first commands of the README, and those of the book's first chapter on the committed image, are run: they
//! print what is shown. A line `…` of a page stands for any lines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_tests::{image, program, root};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A command of a page, without the program's name, and what the page shows of its output.
struct Shown {
    command: String,
    output: Vec<String>,
}

/// The commands with kconv in the blocks of a page that are in `console`; those of root are in `text`.
fn commands(page: &str) -> Vec<Shown> {
    let mut found: Vec<Shown> = Vec::new();
    let mut blocks = page.split("\n```");
    // What is before the first fence is no block; then blocks and what is between them take turns.
    blocks.next();
    for block in blocks.step_by(2) {
        let Some(block) = block.strip_prefix("console\n") else {
            continue;
        };
        let mut of_kconv = false;
        for line in block.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                let short = command.strip_prefix("kconv ");
                let command = short.or_else(|| command.strip_prefix("cargo run --release -- "));
                of_kconv = command.is_some();
                found.extend(command.map(|command| Shown {
                    command: command.to_owned(),
                    output: Vec::new(),
                }));
            } else if of_kconv {
                found.last_mut().unwrap().output.push(line.to_owned());
            }
        }
    }
    found
}

/// Whether these lines were printed, if `…` stands for any.
fn fits(printed: &[&str], shown: &[&str]) -> bool {
    match (printed, shown) {
        (_, ["…", shown @ ..]) => {
            (0..=printed.len()).any(|skipped| fits(&printed[skipped..], shown))
        }
        ([line, printed @ ..], [other, shown @ ..]) => line == other && fits(printed, shown),
        ([], []) => true,
        ([], [_, ..]) | ([_, ..], []) => false,
    }
}

/// What a command prints in `folder`: its account, then its errors.
fn printed(command: &str, folder: &Path) -> String {
    let ran = Command::new(program("kconv"))
        .args(command.split(' '))
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap()
}

/// Runs the commands of a page one after the other, in a folder that has the image; how many there were.
fn run(page: &str) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("tests/images");
    fs::create_dir_all(&images).unwrap();
    fs::copy(image("up"), images.join("2.4.36-i386-up.img")).unwrap();
    let commands = commands(&fs::read_to_string(root().join(page)).unwrap());
    for Shown { command, output } in &commands {
        let printed = printed(command, folder.path());
        let lines: Vec<&str> = printed.lines().collect();
        let shown: Vec<&str> = output.iter().map(String::as_str).collect();
        assert!(
            fits(&lines, &shown),
            "{page} does not show what `kconv {command}` prints:\n{printed}"
        );
    }
    commands.len()
}

#[test]
fn the_readme_shows_what_its_first_command_prints() {
    assert_eq!(run("README.md"), 1);
}

#[test]
fn the_first_chapter_shows_what_its_commands_print() {
    assert_eq!(run("book/src/getting-started.md"), 8);
}

#[test]
fn a_line_that_is_not_shown_and_one_that_was_not_printed_are_found() {
    let printed = ["one", "two", "three"];
    assert!(fits(&printed, &["one", "two", "three"]));
    assert!(fits(&printed, &["one", "…"]));
    assert!(fits(&printed, &["…", "three"]));
    assert!(!fits(&printed, &["one", "two"]));
    assert!(!fits(&printed, &["one", "…", "four"]));
    assert!(!fits(&printed, &["…", "two"]));
    assert!(!fits(&printed, &["one", "two", "three", "four"]));
}
