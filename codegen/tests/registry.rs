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

/// Fields that hold ticks look the same and mean other times.
#[test]
fn there_is_no_step_between_kernels_of_other_ticks() {
    let project = Project::new();
    project.decisions();
    project.types("2.4.38-up", "2.4.36.9-i386-up", "fresh");
    let (code, _, errors) = project.run(&["layout", "add", "2.4.38-up", "--hz", "0"]);
    assert_eq!(code, 2);
    assert!(errors.contains("--hz"), "{errors}");
    let (code, out, errors) = project.run(&["layout", "add", "2.4.38-up", "--hz", "1000"]);
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    let told = "2.4.37-up has 100 ticks a second and 2.4.38-up has 1000: ";
    for command in ["new", "status"] {
        let (code, out, errors) = project.run(&[command, "2.4.37-up", "2.4.38-up"]);
        assert_eq!(code, 2, "{out}{errors}");
        assert!(errors.contains(told), "{command}: {errors}");
        assert!(!out.contains("Nothing is left"), "{out}");
    }
    // The same types with other ticks are not those of the kernels that are there.
    let stored = project.file("kernel-structs/layouts/2.4.36.9-i386-up.btf");
    fs::copy(stored, project.file("2.4.39-up")).unwrap();
    let (code, out, errors) = project.run(&["layout", "add", "2.4.39-up", "--hz", "1000"]);
    assert_eq!((code, errors.as_str()), (1, ""), "{out}");
    assert!(out.contains("a layout of its own"), "{out}");
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

/// What a project has of its releases: the table and the files of the layouts.
fn stored(project: &Project) -> (String, Vec<(std::ffi::OsString, Vec<u8>)>) {
    let files = fs::read_dir(project.file("kernel-structs/layouts")).unwrap();
    let mut files: Vec<_> = files
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    (project.table(), files)
}

fn contains_all(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// Another layout for a registered release is refused with all that is to be known, and nothing is
/// written; with `--replace` it is taken as a new one would be.
#[test]
fn another_layout_of_a_registered_release_is_refused() {
    let project = Project::new();
    project.decisions();
    project.types("2.4.38-up", "2.4.36.9-i386-up", "first");
    assert_eq!(project.run(&["layout", "add", "2.4.38-up"]).0, 1);
    let before = stored(&project);
    let fingerprint = |project: &Project| {
        let registry = project.registry();
        let release = registry.release("2.4.38-up", None, None).unwrap();
        registry.layout_entry(&release.layout).unwrap().clone()
    };
    let known = fingerprint(&project);
    project.types("2.4.38-up", "2.4.36.9-i386-up", "second");
    let (code, out, errors) = project.run(&["layout", "add", "2.4.38-up"]);
    assert_eq!((code, out.as_str()), (2, ""), "{errors}");
    assert_eq!(stored(&project), before);
    contains_all(
        &errors,
        &[
            "2.4.38-up is registered with another layout",
            &known.fingerprint.to_string(),
            "types that differ: task_struct\n",
            "other releases with 2.4.38-up: none",
            "--replace",
        ],
    );
    let (code, out, errors) = project.run(&["layout", "add", "2.4.38-up", "--replace"]);
    assert_eq!((code, errors.as_str()), (1, ""), "{out}");
    contains_all(
        &out,
        &[
            "a layout of its own",
            "instead of 2.4.38-up",
            "task_struct.second",
        ],
    );
    let renewed = fingerprint(&project);
    assert_eq!((&renewed.id, &renewed.file), (&known.id, &known.file));
    assert_ne!(renewed.fingerprint, known.fingerprint);
    contains_all(
        &errors_of_refused(&project, &known.fingerprint.to_string()),
        &[&renewed.fingerprint.to_string()],
    );
}

/// The refusal of the first layout, after the second took its place.
fn errors_of_refused(project: &Project, first: &str) -> String {
    project.types("2.4.38-up", "2.4.36.9-i386-up", "first");
    let (code, _, errors) = project.run(&["layout", "add", "2.4.38-up"]);
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains(first), "{errors}");
    errors
}

/// What several releases share, none of them changes for the others.
#[test]
fn a_shared_layout_stays_as_it_is() {
    let project = Project::new();
    project.decisions();
    let name = "6.12.117+deb12-amd64";
    let registry = project.registry();
    let release = registry.release(name, None, None).unwrap().clone();
    let sharing: Vec<String> = registry
        .releases_of(&release.layout)
        .map(|other| other.name.clone())
        .filter(|other| other != name)
        .collect();
    assert!(!sharing.is_empty());
    let other = registry
        .layouts()
        .find(|entry| entry.family == "linux-6" && entry.id != release.layout)
        .unwrap();
    fs::copy(
        project.file("kernel-structs/layouts").join(&other.file),
        project.file("OTHER"),
    )
    .unwrap();
    let before = stored(&project);
    let add = [
        "layout",
        "add",
        "OTHER",
        "--release",
        name,
        "--kernel-version",
        &release.version,
    ];
    let (code, out, errors) = project.run(&add);
    assert_eq!((code, out.as_str()), (2, ""), "{errors}");
    assert_eq!(stored(&project), before);
    contains_all(
        &errors,
        &[
            "types that differ: ",
            "task_struct",
            "the other releases keep theirs",
        ],
    );
    contains_all(
        &errors,
        &sharing.iter().map(String::as_str).collect::<Vec<_>>(),
    );

    // It is the layout of others, and so this release has that then.
    let (code, out, errors) = project.run(&[&add[..], &["--replace"]].concat());
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    let after = stored(&project);
    assert_eq!(after.1, before.1);
    let registry = project.registry();
    assert_eq!(registry.release(name, None, None).unwrap().layout, other.id);
    for other in &sharing {
        assert_eq!(
            registry.release(other, None, None).unwrap().layout,
            release.layout
        );
    }
    contains_all(&out, &["which stays that of "]);
}

/// A layout that is nobody's is stored beside the one that others share.
#[test]
fn a_release_gets_a_layout_of_its_own_beside_a_shared_one() {
    let project = Project::new();
    project.decisions();
    let registry = project.registry();
    let release = registry.release("2.4.36.9-up", None, None).unwrap().clone();
    let sharing = registry.releases_of(&release.layout).count();
    assert!(sharing > 1);
    project.types("2.4.36.9-up", "2.4.36.9-i386-up", "own");
    let before = stored(&project);
    assert_eq!(project.run(&["layout", "add", "2.4.36.9-up"]).0, 2);
    assert_eq!(stored(&project), before);
    let (code, out, errors) = project.run(&["layout", "add", "2.4.36.9-up", "--replace"]);
    assert_eq!((code, errors.as_str()), (1, ""), "{out}");
    let after = stored(&project);
    assert!(before.1.iter().all(|file| after.1.contains(file)));
    let registry = project.registry();
    let own = registry.release("2.4.36.9-up", None, None).unwrap();
    assert_eq!(own.layout.0, "2.4.36.9-up");
    registry.layout(&own.layout).unwrap();
    assert_eq!(registry.releases_of(&release.layout).count(), sharing - 1);
}

/// A pointer that nobody said anything about is no more stored the second time than the first.
#[test]
fn a_replaced_layout_is_checked_as_a_new_one_is() {
    let project = Project::new();
    project.decisions();
    project.types("2.4.38-up", "2.4.36.9-i386-up", "first");
    assert_eq!(project.run(&["layout", "add", "2.4.38-up"]).0, 1);
    let before = stored(&project);
    project.pointer("2.4.38-up", "2.4.36.9-i386-up", "unheard_of");
    for arguments in [
        &["layout", "add", "2.4.38-up", "--replace"][..],
        &["layout", "add", "2.4.38-up", "--release", "2.4.39-up"],
    ] {
        let (code, _, errors) = project.run(arguments);
        assert_eq!(code, 2, "{errors}");
        contains_all(&errors, &["task_struct.unheard_of", "without a policy"]);
        assert_eq!(stored(&project), before);
    }
}

#[test]
fn two_files_of_one_name_are_refused_before_either_is_stored() {
    let project = Project::new();
    fs::create_dir(project.file("other")).unwrap();
    project.types("2.4.38-up", "2.4.36.9-i386-up", "first");
    project.types("other/2.4.38-up", "2.4.36.9-i386-up", "second");
    let before = stored(&project);
    let (code, out, errors) = project.run(&["layout", "add", "2.4.38-up", "other/2.4.38-up"]);
    assert_eq!((code, out.as_str()), (2, ""));
    contains_all(
        &errors,
        &["2.4.38-up and other/2.4.38-up are both called 2.4.38-up"],
    );
    assert_eq!(stored(&project), before);
}

/// A version that is not of the family that the types are of is refused, unless the family is said.
#[test]
fn a_version_of_another_family_than_the_types_is_refused() {
    let project = Project::new();
    project.types("old", "2.4.36.9-i386-up", "first");
    let stored_6 = "kernel-structs/layouts/6.1.0-47-amd64.btf";
    fs::copy(project.file(stored_6), project.file("new")).unwrap();
    let before = stored(&project);
    for (file, version, parts) in [
        ("old", "3.0", ["linux-2.4", "Linux 3.0 is of no family"]),
        ("old", "6.1.5", ["linux-2.4", "Linux 6.1.5 is of linux-6"]),
        (
            "new",
            "2.4.118",
            ["linux-6", "Linux 2.4.118 is of linux-2.4"],
        ),
    ] {
        let add = [
            "layout",
            "add",
            file,
            "--release",
            "x",
            "--kernel-version",
            version,
        ];
        let (code, out, errors) = project.run(&add);
        assert_eq!((code, out.as_str()), (2, ""), "{errors}");
        contains_all(&errors, &parts);
        assert_eq!(stored(&project), before);
    }
    let add = [
        "layout",
        "add",
        "new",
        "--release",
        "x",
        "--kernel-version",
        "7.0",
    ];
    let (code, out, errors) = project.run(&[&add[..], &["--family", "linux-6"]].concat());
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    // What its flags mean was not seen.
    assert!(out.contains("its constants were not looked at"), "{out}");
}

/// What is said of a registered release and is not so, is said to be ignored by nobody.
#[test]
fn options_that_are_not_as_registered_are_refused() {
    let project = Project::new();
    let like = "kernel-structs/layouts/2.4.32-i386-up.btf";
    fs::copy(project.file(like), project.file("2.4.36-up")).unwrap();
    let before = stored(&project);
    assert_eq!(project.run(&["layout", "add", "2.4.36-up"]).0, 0);
    for (option, said, told) in [
        ("--flavour", "smp", "the flavour up, and --flavour says smp"),
        ("--hz", "1000", "the ticks a second 100, and --hz says 1000"),
    ] {
        let (code, out, errors) = project.run(&["layout", "add", "2.4.36-up", option, said]);
        assert_eq!((code, out.as_str()), (2, ""), "{errors}");
        contains_all(&errors, &["2.4.36-up", told]);
    }
    assert_eq!(
        project
            .run(&["layout", "add", "2.4.36-up", "--flavour", "up"])
            .0,
        0
    );
    assert_eq!(stored(&project), before);
}

#[test]
fn a_folder_that_is_no_project_is_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("2.4.38-up"), "").unwrap();
    for arguments in [&["add", "2.4.38-up"][..], &["renew"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_kconv-gen"))
            .arg("layout")
            .args(arguments)
            .current_dir(&folder)
            .output()
            .unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        let path = folder.path().canonicalize().unwrap().join("kernel-structs");
        assert_eq!(output.status.code(), Some(2));
        contains_all(
            &errors,
            &[
                path.to_str().unwrap(),
                "there is no such folder",
                "run this in a project's folder",
            ],
        );
    }
}

#[test]
fn a_stored_layout_that_is_lost_is_told_with_what_to_do() {
    let project = Project::new();
    project.decisions();
    let file = project.file("kernel-structs/layouts/2.4.32-i386-up.btf");
    let advice = ["2.4.32-i386-up.btf", "from version control"];
    fs::write(&file, "").unwrap();
    let (code, _, errors) = project.run(&["status", "2.4.36-up", "2.4.37-up"]);
    assert_eq!(code, 2);
    contains_all(&errors, &advice);
    fs::remove_file(&file).unwrap();
    let (code, _, errors) = project.run(&["status", "2.4.36-up", "2.4.37-up"]);
    assert_eq!(code, 2);
    contains_all(&errors, &advice);
}

const MAP: &str = "kernel-structs/state/linux-6.toml";

/// A type that is saved no more is one that every stored layout still has.
#[test]
fn fingerprints_are_computed_anew_after_a_change_of_the_map() {
    let project = Project::new();
    let saved = "[type.io_bitmap]\nsaved = true";
    project.replace(MAP, saved, "[type.io_bitmap]\nsaved = false");
    let (code, _, errors) = project.run(&["diff", "6.1.170", "6.1.172"]);
    assert_eq!(code, 2);
    contains_all(&errors, &["state/linux-6.toml", "kconv-gen layout renew"]);
    let before = stored(&project);
    let (code, out, errors) = project.run(&["layout", "renew"]);
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    contains_all(
        &out,
        &["2.4.32-i386-up: as before\n", "6.1.0-47-amd64: now "],
    );
    let after = stored(&project);
    assert_ne!(after.0, before.0);
    assert_eq!(after.1, before.1);
    assert_eq!(project.run(&["diff", "6.1.170", "6.1.172"]).0, 0);
    // And back: it is not told by the file that the type is whole in it.
    project.replace(MAP, "[type.io_bitmap]\nsaved = false", saved);
    let (code, out, errors) = project.run(&["layout", "renew"]);
    assert_eq!(code, 1, "{out}{errors}");
    contains_all(
        &errors,
        &[
            "6.1.0-47-amd64: io_bitmap is saved now",
            "import 6.1.0-47-amd64 again",
        ],
    );
    assert_eq!(stored(&project), after);
    // The same file, which has it whole, is stored as that of its release.
    let file = "kernel-structs/layouts/6.1.0-47-amd64.btf";
    fs::copy(project.file(file), project.file("6.1.0-47-amd64")).unwrap();
    let add = [
        "layout",
        "add",
        "6.1.0-47-amd64",
        "--kernel-version",
        "6.1.170",
    ];
    let (code, out, errors) = project.run(&add);
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    contains_all(&out, &["registered before; its layout, now "]);
    let registry = project.registry();
    let release = registry.release("6.1.0-47-amd64", None, None).unwrap();
    registry.layout(&release.layout).unwrap();
}
