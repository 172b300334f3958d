//! Commands that are killed in the middle: of every file that they write there is the whole old one or
//! the whole new one, what is there can be read, and the command run again does what it would have done.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod registered;

use registered::Project;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What the names of files begin with that have not their own yet.
const PENDING: &str = ".kconv-gen-";

/// How often a command is killed: so many times at any moment, and so many while it writes.
const POINTS: u32 = 10;

fn start(project: &Project, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_kconv-gen"))
        .args(arguments)
        .current_dir(project.file(""))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The files of a folder and below, by their paths in it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => collect(root, &path, files),
                false => {
                    let name = path.strip_prefix(root).unwrap().to_owned();
                    files.insert(name, fs::read(&path).unwrap());
                }
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(folder, folder, &mut found);
    found
}

fn is_pending(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    name.starts_with(PENDING)
}

/// Whether a command is writing: a file in `folder` or below has not its name yet.
fn writes(folder: &Path) -> bool {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| {
            let path = entry.path();
            is_pending(&path) || path.is_dir() && writes(&path)
        })
}

/// When a command began to write, and how long it ran in all.
fn measured(project: &Project, watched: &[&str], arguments: &[&str]) -> (Duration, Duration) {
    let begun = Instant::now();
    let mut child = start(project, arguments);
    let mut first = None;
    while child.try_wait().unwrap().is_none() {
        if first.is_none() && watched.iter().any(|folder| writes(&project.file(folder))) {
            first = Some(begun.elapsed());
        }
    }
    let whole = begun.elapsed();
    (first.unwrap_or(whole), whole)
}

/// Runs a command again and again in projects that `made` makes, kills it each time at another
/// moment, and shows `check` what is left.
fn killed(
    made: &dyn Fn() -> Project,
    watched: &[&str],
    arguments: &[&str],
    check: &dyn Fn(&Project, &str),
) {
    let (first, whole) = measured(&made(), watched, arguments);
    let mut in_the_middle = 0;
    for point in 0..2 * POINTS {
        let project = made();
        let mut child = start(&project, arguments);
        let at = if point < POINTS {
            let wait = whole * point / POINTS;
            sleep(wait);
            format!("after {wait:?}")
        } else {
            let running = |child: &mut Child| child.try_wait().unwrap().is_none();
            while running(&mut child) && !watched.iter().any(|folder| writes(&project.file(folder)))
            {
            }
            let wait = (whole - first) * (point - POINTS) / POINTS;
            sleep(wait);
            format!("{wait:?} after the first file")
        };
        in_the_middle += u32::from(child.try_wait().unwrap().is_none());
        // One that has ended is none that can be killed.
        let _ = child.kill();
        child.wait().unwrap();
        check(&project, &at);
    }
    assert!(in_the_middle > 0, "it was never killed");
}

/// Every file is as it was or as it will be, but for what has no name yet.
fn are_whole(
    found: &BTreeMap<PathBuf, Vec<u8>>,
    before: &BTreeMap<PathBuf, Vec<u8>>,
    after: &BTreeMap<PathBuf, Vec<u8>>,
    at: &str,
) {
    for (path, data) in found.iter().filter(|(path, _)| !is_pending(path)) {
        let known = [before.get(path), after.get(path)];
        assert!(known.contains(&Some(data)), "{at}: {}", path.display());
    }
    for path in before.keys().filter(|path| after.contains_key(*path)) {
        assert!(found.contains_key(path), "{at}: {} is gone", path.display());
    }
}

/// A layout that is added is there with its release, or neither is in the table.
#[test]
fn a_layout_that_was_being_added_is_there_or_not() {
    let made = || {
        let project = of_linux_2_4();
        project.types("2.4.38-up", "2.4.36.9-i386-up", "fresh");
        project
    };
    let add = ["layout", "add", "2.4.38-up"];
    let whole = made();
    let before = files(&whole.file("kernel-structs"));
    assert_eq!(whole.run(&add).0, 1);
    let after = files(&whole.file("kernel-structs"));
    killed(&made, &["kernel-structs"], &add, &|project, at| {
        let found = files(&project.file("kernel-structs"));
        are_whole(&found, &before, &after, at);
        let registry = project.registry();
        if let Ok(release) = registry.release("2.4.38-up", None, None) {
            registry.layout(&release.layout).unwrap();
        }
        let strays = registry.strays().count();
        let (code, out, errors) = project.run(&["state", "check"]);
        assert_eq!(code, i32::from(strays > 0), "{at}: {out}{errors}");
        assert_eq!(
            errors.contains("2.4.38-up.btf"),
            strays > 0,
            "{at}: {errors}"
        );
        let (code, out, errors) = project.run(&add);
        assert!(matches!(code, 0 | 1), "{at}: {out}{errors}");
        let mut found = files(&project.file("kernel-structs"));
        found.retain(|path, _| !is_pending(path));
        assert!(found == after, "{at}");
    });
}

/// A project with one family: what takes longer is no better killed.
fn of_linux_2_4() -> Project {
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
    let project = Project::new();
    let structs = project.file("kernel-structs");
    let table = project.table();
    let blocks = table
        .split("\n[[")
        .filter(|block| !block.contains("\"amd64\""));
    let table: Vec<&str> = blocks.collect();
    fs::write(structs.join("releases.toml"), table.join("\n[[")).unwrap();
    for family in ["linux-6", "kho"] {
        fs::remove_file(structs.join(format!("state/{family}.toml"))).unwrap();
    }
    for entry in fs::read_dir(structs.join("layouts")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_string_lossy().into_owned();
        if name.contains("amd64") || name.contains("kho-") {
            fs::remove_file(path).unwrap();
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let copied = [
        "kernel-structs/views/src/linux_2_4",
        "converters/overrides/linux-2.4",
        "converters/overrides/src",
        "converters/carry/src/linux_2_4",
        "converters/linux-2.4.36-up-2.4.36-smp",
        "converters/linux-2.4.36-smp-2.4.36-up",
    ];
    for folder in copied {
        copy(&root.join(folder), &project.file(folder));
    }
    project
}

/// Each generated file is the old one or the new one, and generating again makes all of them new.
#[test]
fn files_that_were_being_generated_are_whole() {
    let clean = of_linux_2_4();
    let (code, out, errors) = clean.run(&["generate"]);
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    let after = files(&clean.file(""));
    let stale = |folder: &str| {
        for (path, data) in files(&clean.file(folder)) {
            if data.starts_with(b"// @generated") {
                let text = [b"// @generated by an older one.\n", &*data].concat();
                fs::write(clean.file(folder).join(path), text).unwrap();
            }
        }
    };
    stale("converters/carry");
    stale("converters/linux-2.4.36-up-2.4.36-smp");
    let task = "kernel-structs/views/src/linux_2_4/task_struct.rs";
    fs::remove_file(clean.file(task)).unwrap();
    let left = "converters/carry/src/linux_2_4/left_over.rs";
    fs::write(clean.file(left), "// @generated, once\n").unwrap();
    let before = files(&clean.file(""));
    let made = || {
        let project = Project::new();
        fs::remove_dir_all(project.file("kernel-structs")).unwrap();
        for (path, data) in &before {
            let path = project.file("").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, data).unwrap();
        }
        project
    };
    let watched = ["converters", "kernel-structs/views"];
    killed(&made, &watched, &["generate"], &|project, at| {
        are_whole(&files(&project.file("")), &before, &after, at);
        let (code, out, errors) = project.run(&["generate"]);
        assert_eq!((code, errors.as_str()), (0, ""), "{at}: {out}");
        let mut found = files(&project.file(""));
        found.retain(|path, _| !is_pending(path));
        assert!(found == after, "{at}");
    });
}
