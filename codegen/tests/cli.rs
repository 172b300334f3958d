//! `kconv-gen` as a program: what it prints, and how it ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::process::Command;

/// Exit code, output and errors.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    run_in(&root, arguments)
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
    assert_eq!((code, out.as_str()), (0, "[]\n"));
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
    let (code, _, errors) = run(&["plan", "2.4.36-up", "2.4.37-smp"]);
    assert_eq!(code, 1);
    insta::assert_snapshot!(errors);
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

#[test]
fn a_stored_layout_is_not_stored_twice() {
    let dir = tempfile::tempdir().unwrap();
    let into = dir.path().to_str().unwrap();
    let file = "kernel-structs/layouts/2.4.36.9-i386-up.btf";
    let (code, out, errors) = run(&["layout", "import", file, "-o", into]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert_eq!(
        out,
        format!("{file}: the same as 2.4.36.9-i386-up, nothing stored\n")
    );
    assert_eq!(std::fs::read_dir(into).unwrap().count(), 0);
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
    assert!(!errors.contains("own.rs"), "{errors}");

    assert_eq!(run(&["generate"]).0, 0);
    assert_eq!(fs::read_to_string(&file).unwrap(), fresh);
    for folder in folders {
        assert!(!project.path().join(folder).join("old.rs").exists());
        assert!(project.path().join(folder).join("own.rs").exists());
    }
    assert_eq!(run(&["generate", "--check"]), nothing);
}

#[test]
fn wrong_decisions_are_findings_and_change_nothing() {
    let project = project();
    let step = project.path().join(STEP).join("step.toml");
    let mut text = fs::read_to_string(&step).unwrap();
    text.push_str("[[override]]\nfield = \"task_struct.nothing\"\ninit = 0\nreason = \"x\"\n");
    fs::write(&step, text).unwrap();
    let (code, out, errors) = run_in(project.path(), &["generate"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        errors.contains("no layout of any pair has this member"),
        "{errors}"
    );
    assert!(!project.path().join("kernel-structs").exists());
}

#[test]
fn generated_files_are_only_made_in_a_project() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, errors) = run_in(folder.path(), &["generate"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(errors.contains("converters"), "{errors}");
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
    let (code, out, errors) = run(&["layout", "add", "--output", &file(""), &object]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(errors.contains("types.o: no unit defines `"), "{errors}");
}

/// Types are shown out of whatever a layout can be read from, also a header tree or a boot image;
/// what is wrong with one is told in its own terms.
#[test]
fn types_are_shown_out_of_any_kind_of_kernel() {
    let stored = "kernel-structs/layouts/6.1.0-47-amd64.btf";
    let show = |file: &str| {
        run(&[
            "layout", "show", "pid", "--btf", file, "--family", "linux-6",
        ])
    };
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
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kernel-structs");
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("kernel-structs");
    for part in ["layouts", "state"] {
        fs::create_dir_all(own.join(part)).unwrap();
        for entry in fs::read_dir(project.join(part)).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, own.join(part).join(path.file_name().unwrap())).unwrap();
        }
    }
    let table = fs::read_to_string(project.join("releases.toml")).unwrap();
    let status = || {
        let output = Command::new(env!("CARGO_BIN_EXE_kconv-gen"))
            .args(["status", "2.4.36-up", "2.4.99-up"])
            .current_dir(&folder)
            .output()
            .unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), errors)
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
