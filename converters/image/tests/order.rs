//! The order of the calls that an image rests on after a crash, as strace sees them: written, flushed, named, renamed, and
//! the folder flushed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::Path;
use std::process::Command;

use common::sample;
use kconv_image::Machine;

const FOLDER: &str = "KCONV_TEST_DIRECTORY";

#[test]
#[ignore = "run by another test, with its calls traced"]
fn writes_an_image() {
    let folder = std::env::var_os(FOLDER).unwrap();
    sample(Machine::I386)
        .write(&Path::new(&folder).join("a.img"))
        .unwrap();
}

#[test]
fn an_image_is_written_flushed_named_and_its_name_flushed() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let to = folder.path().join("to");
    std::fs::create_dir(&to).unwrap();
    let ran = Command::new("strace")
        .args(["-f", "-y", "-o"])
        .arg(&trace)
        .args(["-e", "trace=pwrite64,write,ftruncate,fsync,linkat,renameat"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "writes_an_image", "--ignored"])
        .env(FOLDER, &to)
        .output()
        .unwrap_or_else(|error| panic!("strace: {error}; install the package strace"));
    assert!(ran.status.success(), "{ran:?}");
    let trace = std::fs::read_to_string(&trace).unwrap();
    let to = to.display().to_string();
    let calls: Vec<&str> = trace
        .lines()
        .filter(|line| line.contains(&format!("<{to}")))
        .filter_map(|line| line.split_once(' ').unwrap().1.trim_start().split_once('('))
        .map(
            |(name, arguments)| match (name, arguments.contains(&format!("<{to}>)"))) {
                ("fsync", true) => "fsync of the folder",
                ("pwrite64" | "write" | "ftruncate", _) => "write",
                (name, _) => name,
            },
        )
        .collect();
    let mut order = calls.clone();
    order.dedup();
    assert_eq!(
        order,
        [
            "write",
            "fsync",
            "linkat",
            "renameat",
            "fsync of the folder"
        ],
        "{trace}"
    );
}
