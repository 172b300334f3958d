//! The table of releases of a project: changed by several at once, and read by every command.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod registered;

use registered::Project;
use std::fs;
use std::process::{Command, Stdio};

/// Each of them is in the table then, with a layout that can be read.
#[test]
fn kernels_that_are_added_at_once_are_all_there() {
    let project = Project::new();
    let names: Vec<String> = (1..=6).map(|dot| format!("2.4.38.{dot}-up")).collect();
    for (index, name) in names.iter().enumerate() {
        let member = format!("member_{index}");
        project.types(name, "2.4.36.9-i386-up", &member);
    }
    let adding = names.iter().map(|name| {
        Command::new(env!("CARGO_BIN_EXE_kconv-gen"))
            .args(["layout", "add", name])
            .current_dir(project.file(""))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    });
    for child in adding.collect::<Vec<_>>() {
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
    let registry = project.registry();
    for name in names {
        let release = registry.release(&name, None, None).unwrap();
        assert_eq!(release.layout.0, name);
        registry.layout(&release.layout).unwrap();
    }
    let files = fs::read_dir(project.file("kernel-structs")).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["layouts", "releases.toml", "state"]);
}

/// A check knows a kernel that was added a moment ago, in the project it is run in and in that which
/// it is told of.
#[test]
fn a_check_knows_the_kernels_of_the_project() {
    let project = Project::new();
    project.decisions();
    project.types("2.4.38-up", "2.4.36.9-i386-up", "fresh");
    let (code, out, errors) = project.run(&["layout", "add", "2.4.38-up"]);
    assert_eq!((code, errors.as_str()), (1, ""), "{out}");
    let ends = ["--from", "2.4.37-up", "--to", "2.4.38-up"];
    let (code, out, errors) = project.run(&[&["check"], &ends[..]].concat());
    assert_eq!((code, errors.as_str()), (1, ""), "{out}");
    assert!(out.contains("task_struct.fresh"), "{out}");

    let elsewhere = tempfile::tempdir().unwrap();
    let check = |converters: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_kconv-gen"))
            .arg("check")
            .args(ends)
            .args(converters)
            .current_dir(&elsewhere)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr))
    };
    let converters = project.file("converters");
    let told = check(&["--converters", converters.to_str().unwrap()]);
    assert_eq!(told, (out, errors));
    // What the program was built with does not have it.
    let (_, errors) = check(&[]);
    assert!(errors.contains("2.4.38-up"), "{errors}");
}
