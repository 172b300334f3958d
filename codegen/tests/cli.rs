//! `kconv-gen` as a program: what it prints, and how it ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod registered;

use kernel_structs::btf;
use kernel_structs::layout::{LayoutBuilder, Target};
use registered::Project;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Exit code, output and errors.
fn run(arguments: &[&str]) -> (i32, String, String) {
    run_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), arguments)
}

fn run_in(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_kconv-gen"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn the_change_of_2_4_36_9_is_one_field() {
    let (code, out, _) = run(&["diff", "2.4.36.8-smp", "2.4.36.9-smp"]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(out);
    let (code, out, _) = run(&["diff", "2.4.36-up", "2.4.36.8-up", "--json"]);
    assert_eq!(code, 0);
    let nothing = serde_json::json!({ "types": [], "enumerations": [], "constants": [] });
    let shown: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(shown, nothing);
}

#[test]
fn every_type_that_is_not_there_is_told() {
    let told = "kconv-gen: no type is called `task_strct`; the nearest name is `task_struct`\n\
                no type is called `crd`; the nearest name is `cred`\n";
    let types = ["task_strct", "mm_struct", "crd"];
    for command in [
        &["diff", "6.1.192", "6.12.117"][..],
        &["layout", "compare", "6.1.192", "6.12.117"],
        &["layout", "show", "--release", "6.12.117"],
    ] {
        let (code, out, errors) = run(&[command, &types].concat());
        assert_eq!((code, out.as_str(), errors.as_str()), (2, "", told));
    }
    // An integer of C is a type, too.
    let (code, out, _) = run(&["layout", "show", "--release", "6.12.117", "unsigned int"]);
    assert_eq!(code, 0, "{out}");
}

#[test]
fn a_plan_uses_the_decisions_of_its_converter() {
    let (code, out, errors) = run(&["plan", "2.4.36-smp", "2.4.36-up"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(out.contains("per_cpu_utime                merge"), "{out}");
    let (code, out, _) = run(&["plan", "2.4.36-smp", "2.4.36-up", "--json"]);
    assert_eq!(code, 0);
    let plan: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(plan["types"]["task_struct"]["from_size"], 1696);
    let (code, out, _) = run(&["plan", "2.4.36-smp", "2.4.36-up", "--coverage"]);
    assert_eq!(code, 0);
    assert!(
        out.contains("task_struct: 11520 bits written, 13568 bits accounted for"),
        "{out}"
    );
}

#[test]
fn an_undecided_field_is_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["plan", "6.1.0-47-amd64", "6.1.0-48-amd64"];
    // Where no project is, the decisions are those that the program was built with.
    assert_eq!(run_in(folder.path(), &arguments).0, 0);
    // Of a project they are its own, and this one has none.
    std::fs::create_dir_all(folder.path().join("converters/overrides")).unwrap();
    let (code, _, errors) = run_in(folder.path(), &arguments);
    assert_eq!(code, 1);
    insta::assert_snapshot!(errors);
    assert_eq!(run(&arguments).0, 0);
}

#[test]
fn an_unknown_release_is_wrong_usage() {
    let (code, out, errors) = run(&["diff", "2.4.36", "2.4.99-up"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(errors.starts_with("kconv-gen: "), "{errors}");
    assert_eq!(run(&["diff"]).0, 2);
    assert_eq!(
        run(&["layout", "show", "no_such_type", "--release", "2.4.36-up"]).0,
        2
    );
    assert_eq!(run(&["layout", "show", "file", "--btf", "Cargo.toml"]).0, 2);
}

#[test]
fn layouts_are_listed_and_shown() {
    let (code, out, _) = run(&["layout", "list"]);
    assert_eq!(code, 0);
    assert!(out.contains("2.4.36.9-i386-up (linux-2.4)"), "{out}");
    let (code, out, _) = run(&["layout", "show", "sigpending", "--release", "2.4.36-up"]);
    assert_eq!(code, 0);
    assert!(out.contains("struct sigqueue *          head;                 /*     0     4 */"));
}

/// A name is not cut at its dots, so that no kernel takes another's file, and the table is complete
/// after each of them.
#[test]
fn added_layouts_are_registered_under_their_whole_names() {
    let project = Project::new();
    let before = project.table();
    for (file, member) in [("2.4.38.1-up.btf", "a"), ("2.4.38.2-up", "b")] {
        project.types(file, "2.4.36.9-i386-up", member);
        let (code, out, errors) = project.run(&["layout", "add", file]);
        assert_eq!(errors, "");
        assert!(out.contains("a layout of its own"), "{out}");
        // What is new in it is undecided.
        assert_eq!(code, 1, "{out}");
    }
    let registry = project.registry();
    for (name, member) in [("2.4.38.1-up", "a"), ("2.4.38.2-up", "b")] {
        let release = registry.release(name, None, None).unwrap();
        assert_eq!(release.layout.0, name);
        assert_eq!(
            (&*release.version, &*release.arch, &*release.flavour),
            (name.strip_suffix("-up").unwrap(), "i386", "up")
        );
        let layout = registry.layout(&release.layout).unwrap();
        let (_, task) = layout.composite("task_struct").unwrap();
        assert!(
            task.members
                .iter()
                .any(|it| it.name.as_deref() == Some(member))
        );
    }
    // What was there is there, comments included.
    let (layouts, releases) = before.split_once("\n[[release]]").unwrap();
    assert!(project.table().starts_with(layouts));
    assert!(project.table().contains(releases.trim_end()));
}

/// A release of a known layout takes one command, and a name that does not tell its version is
/// asked about, with nothing written.
#[test]
fn a_release_with_a_known_layout_is_added_by_one_command() {
    let project = Project::new();
    let stored = "kernel-structs/layouts/6.1.0-47-amd64.btf";
    fs::copy(project.file(stored), project.file("6.1.0-99-amd64.btf")).unwrap();
    let before = project.table();
    let (code, _, errors) = project.run(&["layout", "add", "6.1.0-99-amd64.btf"]);
    assert_eq!(code, 2);
    assert!(errors.contains("--kernel-version"), "{errors}");
    assert_eq!(project.table(), before);
    let (code, out, errors) = project.run(&[
        "layout",
        "add",
        "6.1.0-99-amd64.btf",
        "--kernel-version",
        "6.1.222",
        "--hz",
        "250",
    ]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(out.contains("the same layout as 6.1.0-47-amd64"), "{out}");
    let registry = project.registry();
    let release = registry.release("6.1.222", None, None).unwrap();
    assert_eq!(
        (&*release.name, &*release.layout.0, release.hz),
        ("6.1.0-99-amd64", "6.1.0-47-amd64", Some(250))
    );
    assert!(project.table().starts_with(before.trim_end()));
    // Again, and nothing happens.
    let after = project.table();
    let again = [
        "layout",
        "add",
        "6.1.0-99-amd64.btf",
        "--kernel-version",
        "6.1.222",
    ];
    assert_eq!(project.run(&again).0, 0);
    assert_eq!(project.table(), after);
}

/// What would break the table is not written, and neither is the layout.
#[test]
fn a_layout_under_a_name_that_is_taken_is_not_stored() {
    let project = Project::new();
    project.types("2.4.38-up.btf", "2.4.36.9-i386-up", "a");
    let layouts = || {
        fs::read_dir(project.file("kernel-structs/layouts"))
            .unwrap()
            .count()
    };
    let before = layouts();
    // A layout with this name is there, and so the table would have it twice.
    let (code, _, errors) = project.run(&[
        "layout",
        "add",
        "2.4.38-up.btf",
        "--release",
        "2.4.36.9-i386-up",
        "--kernel-version",
        "2.4.38",
    ]);
    assert_eq!(code, 2, "{errors}");
    assert_eq!(layouts(), before);
    project.registry();
}

/// Which family a file is of, it tells itself.
#[test]
fn the_family_follows_from_the_kernel() {
    let new = "kernel-structs/layouts/6.1.0-47-amd64.btf";
    let (code, out, errors) = run(&["layout", "compare", "6.1.0-47-amd64", new]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(out.ends_with("what they contain: no difference\n"), "{out}");
    let (code, out, errors) = run(&["diff", new, "6.1.0-48-amd64", "--json"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(out.contains("task_struct"), "{out}");
    let old = "kernel-structs/layouts/2.4.32-i386-up.btf";
    assert_eq!(run(&["diff", old, "2.4.36-up"]).0, 0);
    let (code, _, errors) = run(&["diff", new, old]);
    assert_eq!(code, 2);
    assert!(
        errors.contains("linux-6") && errors.contains("linux-2.4"),
        "{errors}"
    );
    // What is said is held against what is.
    let (code, _, errors) = run(&["diff", old, old, "--family", "linux-6"]);
    assert_eq!(code, 2);
    assert!(errors.contains("linux-6 is for amd64"), "{errors}");
    let (code, _, errors) = run(&["diff", "2.4.36", "2.4.37-up", "--family", "linux-6"]);
    assert_eq!(code, 2, "{errors}");
    let (code, _, errors) = run(&["diff", "2.4.36-up", "2.4.37-up", "--family", "linux-6"]);
    assert_eq!(code, 2);
    assert!(
        errors.contains("2.4.36-up is of the family linux-2.4, not of linux-6"),
        "{errors}"
    );
}

/// Nothing of what any family saves is in it: it is asked which is meant.
#[test]
fn a_file_that_tells_no_family_is_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("few.btf");
    let layout = LayoutBuilder::new(Target { pointer_size: 8 })
        .finish()
        .unwrap();
    fs::write(&path, btf::write(&layout).unwrap()).unwrap();
    let (code, _, errors) = run(&["diff", path.to_str().unwrap(), "6.1.0-47-amd64"]);
    assert_eq!(code, 2);
    assert!(
        errors.contains("few.btf") && errors.contains("say which with --family"),
        "{errors}"
    );
}

/// A name that is like a file's, or like nothing, is not looked for among the releases.
#[test]
fn a_missing_file_is_called_missing() {
    for file in ["./2.4.36-up", "kernel.btf", "vmlinuz-6.1.0-47-amd64"] {
        let (code, _, errors) = run(&["diff", file, "2.4.37-up"]);
        assert_eq!(code, 2);
        assert_eq!(
            errors,
            format!("kconv-gen: {file}: there is no such file\n")
        );
    }
    let (_, _, errors) = run(&["diff", "2.4.36-up", "a-kernel-of-mine"]);
    assert_eq!(
        errors,
        "kconv-gen: there is neither a release nor a file `a-kernel-of-mine`\n"
    );
    let (_, _, errors) = run(&["diff", "2.4.36-up", "2.4.73"]);
    assert!(errors.contains("there is no release `2.4.73`"), "{errors}");
    let nearest = "there is no release `2.4.73`; the nearest are 2.4.37, 2.4.33, 2.4.37.3";
    for command in [["status", "2.4.73", "2.4.36"], ["new", "2.4.36", "2.4.73"]] {
        let (code, _, errors) = run(&command);
        assert_eq!((code, errors), (2, format!("kconv-gen: {nearest}\n")));
    }
    let show = |option: &str, name: &str| run(&["layout", "show", "task_struct", option, name]).2;
    assert_eq!(
        show("--release", "./mine.btf"),
        "kconv-gen: `./mine.btf` is no release; a file is named with --btf\n"
    );
    assert_eq!(
        show("--btf", "./mine.btf"),
        "kconv-gen: ./mine.btf: there is no such file\n"
    );
    let (_, _, errors) = run(&["layout", "show", "task_struct"]);
    assert!(
        errors.contains("<--release <RELEASE>|--btf <FILE>>"),
        "{errors}"
    );
    let (_, _, errors) = run(&["release", "import", "."]);
    assert_eq!(
        errors,
        "kconv-gen: .: is a folder, and a file is expected\n"
    );
}

/// Any type is shown, not only those that are saved, and all that have one name.
#[test]
fn any_type_of_a_file_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let object = |name: &str, source: &str| {
        let (source_file, object) = (file(&format!("{name}.c")), file(&format!("{name}.o")));
        fs::write(&source_file, source).unwrap();
        let compiled = Command::new("gcc")
            .args(["-g", "-c", "-o", &object, &source_file])
            .status()
            .unwrap();
        assert!(compiled.success());
        object
    };
    let first = object(
        "first",
        "struct unheard_of { int a; long b; } one; enum colour { RED = 3 } two;\n\
         typedef struct { char c; } mine; mine three;\n",
    );
    let show = |types: &[&str], object: &str| {
        let mut arguments = vec!["layout", "show", "--btf", object];
        arguments.extend(types);
        run(&arguments)
    };
    let (code, out, errors) = show(&["unheard_of", "enum colour", "mine"], &first);
    assert_eq!((code, errors.as_str()), (0, ""));
    for part in [
        "struct unheard_of {",
        "RED",
        "char                       c;",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let (code, out, errors) = show(&["int", "char"], &first);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert_eq!(out, "int; /* size: 4 */\nchar; /* size: 1 */\n");
    let second = object("second", "struct unheard_of { char a[3]; } other;\n");
    let both = file("both.o");
    let linked = Command::new("ld")
        .args(["-r", "-o", &both, &first, &second])
        .status()
        .unwrap();
    assert!(linked.success());
    let (code, out, errors) = show(&["unheard_of"], &both);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert_eq!(out.matches("struct unheard_of {").count(), 2, "{out}");
    // A stored layout has types that are only read, such as this one.
    let stored = "kernel-structs/layouts/6.1.0-47-amd64.btf";
    assert!(show(&["mount"], stored).1.contains("struct mount {"));
}

#[test]
fn state_maps_fit_the_stored_layouts() {
    let (code, out, errors) = run(&["state", "check"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(out.contains("linux-2.4: fits its 4 layouts"), "{out}");
}

const STEP: &str = "converters/linux-2.4.36-up-2.4.36-smp";

/// A project that has the decisions of one step, and nothing that is generated.
fn project() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(STEP);
    let to = dir.path().join(STEP);
    fs::create_dir_all(&to).unwrap();
    fs::copy(from.join("step.toml"), to.join("step.toml")).unwrap();
    let family = "converters/overrides/linux-2.4";
    fs::create_dir_all(dir.path().join(family)).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for entry in fs::read_dir(root.join(family)).unwrap() {
        let name = entry.unwrap().file_name();
        let file = Path::new(family).join(name);
        fs::copy(root.join(&file), dir.path().join(&file)).unwrap();
    }
    dir
}

#[test]
fn generated_files_are_checked_and_made() {
    let project = project();
    let run = |arguments: &[&str]| run_in(project.path(), arguments);
    let page = format!("{STEP}/i386.rs");
    let (code, _, errors) = run(&["generate", "--check"]);
    assert_eq!(code, 1);
    assert!(errors.contains(&format!("{page} is missing")), "{errors}");
    assert!(!project.path().join(&page).exists());

    let (code, out, errors) = run(&["generate"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    let view = "kernel-structs/views/src/linux_2_4/task_struct.rs";
    for file in [
        page.as_str(),
        view,
        "kernel-structs/views/src/families.rs",
        "converters/carry/src/linux_2_4/task_struct.rs",
        "converters/carry/src/linux_2_4/layouts.rs",
    ] {
        assert!(
            out.lines().any(|line| line.ends_with(file)),
            "{file}: {out}"
        );
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        let made = fs::read_to_string(project.path().join(file)).unwrap();
        assert!(made == fs::read_to_string(committed).unwrap(), "{file}");
    }
    let nothing = (0, String::new(), String::new());
    assert_eq!(run(&["generate", "--check"]), nothing);
    assert_eq!(run(&["generate"]), nothing);

    let file = project.path().join(&page);
    let fresh = fs::read_to_string(&file).unwrap();
    let changed = fresh.replacen("new.run_list.next = ", "new.run_list.prev = ", 1);
    fs::write(&file, changed.replace("carry", "carried")).unwrap();
    fs::remove_file(project.path().join(view)).unwrap();
    let left_over = "// @generated by kconv-gen 0.0.0\n";
    let folders = [
        STEP,
        "kernel-structs/views/src/linux_9",
        "converters/carry/src",
    ];
    for folder in folders {
        fs::create_dir_all(project.path().join(folder)).unwrap();
        fs::write(project.path().join(folder).join("old.rs"), left_over).unwrap();
        // What people wrote is theirs.
        fs::write(project.path().join(folder).join("own.rs"), "//! Mine.\n").unwrap();
    }
    let (code, _, errors) = run(&["generate", "--check"]);
    assert_eq!(code, 1);
    for told in [
        format!("{page} is not what would be generated now"),
        format!("{view} is missing"),
        format!("{STEP}/old.rs is not generated any more"),
        String::from("views/src/linux_9/old.rs is not generated any more"),
        String::from("carry/src/old.rs is not generated any more"),
        String::from("run `cargo run -p kconv-codegen"),
    ] {
        assert!(errors.contains(&told), "{told}: {errors}");
    }
    // What would be linked with the pages is told, and stays.
    let own = format!("{STEP}/own.rs is no module that step.toml names, and would be linked");
    // So is what would never be looked at.
    let foreign = |folder: &str| format!("{folder}/own.rs is nothing that kconv-gen makes");
    let strange = [own, foreign("views/src/linux_9"), foreign("carry/src")];
    for told in &strange {
        assert!(errors.contains(told), "{told}: {errors}");
    }
    assert_eq!(errors.matches("own.rs").count(), 3, "{errors}");

    let (code, _, errors) = run(&["generate"]);
    assert_eq!(code, 1, "{errors}");
    for told in &strange {
        assert!(errors.contains(told), "{told}: {errors}");
    }
    assert_eq!(errors.lines().count(), 3, "{errors}");
    assert_eq!(fs::read_to_string(&file).unwrap(), fresh);
    for folder in folders {
        assert!(!project.path().join(folder).join("old.rs").exists());
        assert!(project.path().join(folder).join("own.rs").exists());
    }
    for folder in folders {
        fs::remove_file(project.path().join(folder).join("own.rs")).unwrap();
    }
    assert_eq!(run(&["generate", "--check"]), nothing);
}

#[test]
fn wrong_decisions_are_findings_and_change_nothing() {
    let project = project();
    let step = project.path().join(STEP).join("step.toml");
    let mut text = fs::read_to_string(&step).unwrap();
    text.push_str(
        "[[override]]\nfield = \"task_struct.nothing\"\ninit = 0\nreason = \"x (fs/a.c: f)\"\n",
    );
    fs::write(&step, text).unwrap();
    let (code, out, errors) = run_in(project.path(), &["generate"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        errors.contains("no layout of any pair has this member"),
        "{errors}"
    );
    assert!(!project.path().join("kernel-structs").exists());
}

/// The findings of `generate`, each of which `status` tells as well.
fn told_by_both(project: &Path) -> String {
    let (code, out, told) = run_in(project, &["generate"]);
    assert_eq!((code, out.as_str()), (1, ""), "{told}");
    let (code, out, errors) = run_in(project, &["status", "2.4.36-up", "2.4.36-smp"]);
    assert_eq!(code, 1, "{out}");
    let status = out + &errors;
    let told = told.replace("./converters", "converters");
    for line in told.lines() {
        assert!(status.contains(line), "{line}: {status}");
    }
    assert!(!status.contains("Nothing is left to decide"), "{status}");
    told
}

#[test]
fn decisions_that_nothing_needs_are_told_by_status_too() {
    let project = project();
    let file = "converters/overrides/linux-2.4/task_struct.toml";
    let path = project.path().join(file);
    let before = fs::read_to_string(&path).unwrap();
    let twice = before.lines().skip_while(|line| *line != "[[change]]");
    let twice: Vec<&str> = twice.take_while(|line| !line.is_empty()).collect();
    let stale = "[[change]]\nfield = \"task_struct.pidd\"\nappears = { init = 0, reason = \"r (fs/a.c: f)\" }\n\
                 [[change]]\nfield = \"task_struct.pid\"\ndisappears = { into = \"tgidd\", drop = \"always\", reason = \"r (fs/a.c: f)\" }\n";
    fs::write(&path, format!("{before}\n{}\n\n{stale}", twice.join("\n"))).unwrap();
    let told = told_by_both(project.path());
    for (field, what) in [
        ("task_struct.pidd", "no layout of any pair has this member"),
        (
            "task_struct.tgidd",
            "no layout of any pair has this member; the nearest name is `task_struct.tgid`",
        ),
        ("task_struct.per_cpu_utime", "is decided twice"),
        ("task_struct.per_cpu_stime", "is decided twice"),
    ] {
        let is_it =
            |line: &&str| line.contains(file) && line.contains(field) && line.contains(what);
        assert_eq!(told.lines().filter(is_it).count(), 1, "{field}: {told}");
    }
    fs::write(&path, before).unwrap();
    let (code, out, errors) = run_in(project.path(), &["status", "2.4.36-up", "2.4.36-smp"]);
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
}

/// A step that is elsewhere would be one that no command finds.
#[test]
fn a_step_is_made_where_steps_are_looked_for() {
    let project = project();
    let elsewhere = tempfile::tempdir().unwrap();
    let far = elsewhere.path().join("linux-2.4.36.8-2.4.36.9");
    let step = "converters/linux-2.4.36.8-2.4.36.9";
    for output in [
        far.to_str().unwrap(),
        "foo",
        "linux-2.4.36.8-2.4.36.9",
        "new/foo",
    ] {
        let arguments = ["new", "2.4.36.8", "2.4.36.9", "-o", output];
        let (code, out, errors) = run_in(project.path(), &arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{errors}");
        assert!(
            errors.contains("steps are found in converters alone")
                && errors.contains(&format!("write it to {step}")),
            "{errors}"
        );
    }
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    assert_eq!(fs::read_dir(project.path()).unwrap().count(), 1);
    let arguments = ["new", "2.4.36.8", "2.4.36.9", "-o", &format!("./{step}")];
    let (code, out, errors) = run_in(project.path(), &arguments);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(out.ends_with(", nothing is undecided\n"), "{out}");
    assert!(project.path().join(step).join("i386_up.rs").exists());
}

#[test]
fn a_step_is_there_once_and_under_its_name() {
    let project = project();
    let copied = |name: &str, change: &dyn Fn(String) -> String| {
        let folder = project.path().join("converters").join(name);
        fs::create_dir_all(&folder).unwrap();
        let text = fs::read_to_string(project.path().join(STEP).join("step.toml")).unwrap();
        fs::write(folder.join("step.toml"), change(text)).unwrap();
        folder
    };
    // Releases of other names that have the same two layouts.
    let again = copied("linux-2.4.35-up-2.4.35-smp", &|text| {
        let text = text.replace("\"2.4.36-", "\"2.4.35-");
        text.replace(
            "convert-2.4.36-up-2.4.36-smp",
            "convert-2.4.35-up-2.4.35-smp",
        )
    });
    let told = told_by_both(project.path());
    assert_eq!(told.lines().count(), 1, "{told}");
    for part in [
        "converters/linux-2.4.36-up-2.4.36-smp/step.toml:",
        "from 2.4.32-i386-up to 2.4.32-i386-smp there is a converter already, at ",
        "converters/linux-2.4.35-up-2.4.35-smp/step.toml:",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    fs::remove_dir_all(again).unwrap();

    let elsewhere = project.path().join("converters/linux-elsewhere");
    fs::rename(project.path().join(STEP), &elsewhere).unwrap();
    let told = told_by_both(project.path());
    assert_eq!(told.lines().count(), 1, "{told}");
    for part in [
        "converters/linux-elsewhere/step.toml:",
        "the converter is `convert-2.4.36-up-2.4.36-smp`",
        "rename the folder to `linux-2.4.36-up-2.4.36-smp`, or correct `converter`",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let other = project.path().join("converters/mystep");
    fs::rename(&elsewhere, &other).unwrap();
    let told = told_by_both(project.path());
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.contains("converters/mystep/step.toml:"), "{told}");
}

#[test]
fn a_project_without_its_table_is_not_what_this_program_was_built_with() {
    let project = project();
    fs::create_dir_all(project.path().join("kernel-structs/layouts")).unwrap();
    for command in [
        &["generate", "--check"][..],
        &["status", "2.4.36-up", "2.4.36-smp"],
        &["state", "check"],
        &["layout", "list"],
    ] {
        let (code, _, errors) = run_in(project.path(), command);
        assert_eq!(code, 2, "{command:?}: {errors}");
        assert!(
            errors.contains("kernel-structs/releases.toml is not there"),
            "{command:?}: {errors}"
        );
    }
}

#[test]
fn what_no_step_can_be_made_of_is_named() {
    let project = project();
    fs::remove_dir_all(project.path().join(STEP)).unwrap();
    let patch = project.path().join("empty.patch");
    fs::write(&patch, "").unwrap();
    let patch = patch.to_str().unwrap();
    let new = ["new", "2.4.36-up", "2.4.36-smp", "--patch", patch];
    let (code, _, errors) = run_in(project.path(), &new);
    assert_eq!(code, 2, "{errors}");
    let expected = format!("kconv-gen: {patch}: no hunk of a unified or context diff is in it\n");
    assert_eq!(errors, expected);
    assert!(!project.path().join(STEP).exists());
    let (code, _, errors) = run_in(project.path(), &["new", "6.12.113", "2.4.37"]);
    assert_eq!(code, 2, "{errors}");
    assert!(
        errors.contains("linux-6") && errors.contains("linux-2.4"),
        "{errors}"
    );
}

/// A second step between two layouts would stop every command; so would one that has another name.
#[test]
fn a_step_that_nobody_could_use_is_not_made() {
    let project = project();
    let (code, _, errors) = run_in(project.path(), &["new", "2.4.35-up", "2.4.35-smp"]);
    assert_eq!(code, 2);
    let told =
        "linux-2.4.36-up-2.4.36-smp converts between the layouts of 2.4.35-up and 2.4.35-smp";
    assert!(errors.contains(told), "{errors}");
    let weird = "converters/weird";
    let arguments = ["new", "2.4.36.8", "2.4.36.9", "-o", weird];
    let (code, _, errors) = run_in(project.path(), &arguments);
    assert_eq!(code, 2);
    let told = "write it to converters/linux-2.4.36.8-2.4.36.9";
    assert!(errors.contains(told), "{errors}");
    let mut names = fs::read_dir(project.path().join("converters")).unwrap();
    let is_new = |name: &str| !["linux-2.4.36-up-2.4.36-smp", "overrides"].contains(&name);
    assert!(!names.any(|entry| is_new(entry.unwrap().file_name().to_str().unwrap())));
}

/// What is in the folder of a step is linked into kconv, whether somebody says what it is for or not.
#[test]
fn a_step_without_its_file_is_told() {
    let project = project();
    fs::remove_file(project.path().join(STEP).join("step.toml")).unwrap();
    fs::write(project.path().join(STEP).join("i386.rs"), "").unwrap();
    let told = told_by_both(project.path());
    let expected = format!("{STEP}/step.toml:1: there is no such file");
    assert!(told.contains(&expected), "{told}");
}

/// The pages of a step are many bytes, and a disk that takes none of them is left as it was.
#[test]
fn a_step_that_cannot_be_written_leaves_nothing() {
    let project = project();
    fs::remove_dir_all(project.path().join(STEP)).unwrap();
    let output = Command::new("bash")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 2; exec \"$0\" new 2.4.36-up 2.4.36-smp",
        ])
        .arg(env!("CARGO_BIN_EXE_kconv-gen"))
        .current_dir(project.path())
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("File too large"), "{errors}");
    let names = fs::read_dir(project.path().join("converters")).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["overrides"]);
    let (code, out, errors) = run_in(project.path(), &["new", "2.4.36-up", "2.4.36-smp"]);
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
}

/// Nobody decides anything between releases of one layout but the state map.
#[test]
fn a_state_map_that_leaves_something_open_is_told() {
    let project = Project::new();
    let map = project.file("kernel-structs/state/linux-6.toml");
    let text = fs::read_to_string(&map).unwrap();
    let entry = r#"last_mm_cid = { policy = "reset", initial = "#;
    let wrong = text.replacen(
        &format!("{entry}-1"),
        &format!("{entry}{{ symbol = \"nothing\" }}"),
        1,
    );
    assert_ne!(text, wrong);
    fs::write(&map, wrong).unwrap();
    project.decisions();
    for arguments in [&["generate"][..], &["status", "6.1.170", "6.1.172"]] {
        let (code, out, errors) = project.run(arguments);
        let said = out + &errors;
        assert_eq!(code, 1, "{arguments:?}: {said}");
        assert!(said.contains("kernel-structs/state/linux-6.toml"), "{said}");
        assert!(said.contains("task_struct.last_mm_cid"), "{said}");
        assert!(!said.contains("Nothing is left to decide"), "{said}");
    }
}

#[test]
fn without_a_project_it_is_told_where_one_was_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let looked_at = folder.path().canonicalize().unwrap().join("converters");
    for arguments in [
        &["generate"][..],
        &["status", "2.4.36-up", "2.4.36-smp"],
        &["new", "2.4.36-up", "2.4.36-smp"],
    ] {
        let (code, out, errors) = run_in(folder.path(), arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        let told = format!("{}: there is no such folder", looked_at.display());
        assert!(errors.contains(&told), "{errors}");
        assert!(
            errors.contains("run this in a project's folder"),
            "{errors}"
        );
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Two files of one layout agree; those of two releases differ where the releases do.
#[test]
fn compare_finds_what_differs_and_nothing_else() {
    let old = "kernel-structs/layouts/2.4.32-i386-up.btf";
    let (code, out, errors) = run(&["layout", "compare", "2.4.36-up", old]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(out.ends_with("what they contain: no difference\n"), "{out}");
    let (code, out, errors) = run(&["layout", "compare", old, "2.4.37-up", "task_struct"]);
    assert_eq!((code, errors.as_str()), (1, ""));
    assert_eq!(
        out,
        "struct task_struct.scm_work_list: missing | there\n\
         1 types and what they contain: 1 difference\n"
    );
}

/// A compiler's debug information is read where there is no BTF, and a type that it lacks is named.
#[test]
fn an_object_file_is_read_by_its_debug_information() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let source = file("types.c");
    fs::write(&source, "struct task_struct { int pid; } task;\n").unwrap();
    let object = file("types.o");
    let compiled = Command::new("gcc")
        .args(["-g", "-c", "-o", &object, &source])
        .status()
        .unwrap();
    assert!(compiled.success());
    let (code, out, errors) = run(&["layout", "add", &object]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(errors.contains("types.o: no unit defines `"), "{errors}");
}

/// Types are shown out of whatever a layout can be read from, also a header tree or a boot image;
/// what is wrong with one is told in its own terms.
#[test]
fn types_are_shown_out_of_any_kind_of_kernel() {
    let stored = "kernel-structs/layouts/6.1.0-47-amd64.btf";
    let show = |file: &str| run(&["layout", "show", "pid", "--btf", file]);
    let (code, out, _) = show(stored);
    assert_eq!(code, 0);
    assert!(out.contains("struct pid {"), "{out}");
    let folder = tempfile::tempdir().unwrap();
    let (code, _, errors) = show(folder.path().to_str().unwrap());
    assert_eq!(code, 2);
    assert!(errors.contains("Makefile"), "{errors}");
    let cut = folder.path().join("vmlinuz");
    let mut data = vec![0; 0x300];
    data[0x202..0x206].copy_from_slice(b"HdrS");
    fs::write(&cut, data).unwrap();
    let (code, _, errors) = show(cut.to_str().unwrap());
    assert_eq!(code, 2);
    assert!(errors.contains("vmlinuz: boot protocol"), "{errors}");
}

/// What is no kernel is said to be none, with the file's name.
#[test]
fn a_folder_without_a_kernel_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().to_str().unwrap();
    let (code, _, errors) = run(&["layout", "compare", "2.4.36-up", name]);
    assert_eq!(code, 2);
    assert!(errors.contains("Makefile"), "{errors}");
    let cut = folder.path().join("vmlinuz");
    let mut data = vec![0; 0x300];
    data[0x202..0x206].copy_from_slice(b"HdrS");
    fs::write(&cut, data).unwrap();
    let (code, _, errors) = run(&["layout", "compare", "2.4.36-up", cut.to_str().unwrap()]);
    assert_eq!(code, 2);
    assert!(errors.contains("vmlinuz: "), "{errors}");
}

/// In a project's folder its own table counts, not the one that was built in.
#[test]
fn the_projects_own_releases_are_known() {
    let project = Project::new();
    let own = project.file("kernel-structs");
    fs::create_dir(project.file("converters")).unwrap();
    let table = project.table();
    let status = || {
        let (code, _, errors) = project.run(&["status", "2.4.36-up", "2.4.99-up"]);
        (Some(code), errors)
    };
    let entry = "\n[[release]]\nname = \"2.4.99-up\"\nversion = \"2.4.99\"\narch = \"i386\"\n\
                 flavour = \"up\"\nlayout = \"2.4.32-i386-up\"\n";
    fs::write(own.join("releases.toml"), table.clone() + entry).unwrap();
    assert_eq!(status(), (Some(0), String::new()));
    fs::write(own.join("releases.toml"), table).unwrap();
    assert_eq!(status().0, Some(2));
    fs::write(own.join("releases.toml"), "[[release]]\n").unwrap();
    let (code, errors) = status();
    assert_eq!(code, Some(2));
    assert!(errors.contains("releases.toml"), "{errors}");
}
