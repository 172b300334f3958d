//! `kconv-gen` as a program: what it prints, and how it ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
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
    // Where there are no decisions.
    let nowhere = tempfile::tempdir().unwrap();
    let arguments = ["plan", "6.1.0-47-amd64", "6.1.0-48-amd64"];
    let (code, _, errors) = run_in(nowhere.path(), &arguments);
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

/// A copy of a converter crate's decisions and generated files.
fn copy() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../converters/linux-2.4.36-up-smp");
    let to = dir.path().join("linux-copy");
    std::fs::create_dir_all(to.join("src/generated")).unwrap();
    for file in ["overrides.toml", "src/generated/i386.rs"] {
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    }
    (dir, to)
}

#[test]
fn generated_files_are_checked_and_made() {
    let (_dir, copy) = copy();
    let path = copy.to_str().unwrap();
    assert_eq!(
        run(&["generate", "--check", path]),
        (0, String::new(), String::new())
    );

    let file = copy.join("src/generated/i386.rs");
    let fresh = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, fresh.replace("new.state = old.state;", "")).unwrap();
    std::fs::write(copy.join("src/generated/old.rs"), "").unwrap();
    let (code, _, errors) = run(&["generate", "--check", path]);
    assert_eq!(code, 1);
    assert!(
        errors.contains("i386.rs is not what would be generated now"),
        "{errors}"
    );
    assert!(
        errors.contains("old.rs is not generated any more"),
        "{errors}"
    );
    assert!(
        errors.contains("run `cargo run -p kconv-codegen"),
        "{errors}"
    );

    assert_eq!(run(&["generate", path]).0, 0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), fresh);
    assert!(!copy.join("src/generated/old.rs").exists());
    std::fs::remove_file(&file).unwrap();
    assert!(
        run(&["generate", "--check", path])
            .2
            .contains("i386.rs is missing")
    );
}

#[test]
fn wrong_decisions_are_findings_and_change_nothing() {
    let (_dir, copy) = copy();
    let overrides = copy.join("overrides.toml");
    let mut text = std::fs::read_to_string(&overrides).unwrap();
    text.push_str("[[override]]\nfield = \"task_struct.nothing\"\ninit = 0\nreason = \"x\"\n");
    std::fs::write(&overrides, text).unwrap();
    let (code, out, errors) = run(&["generate", copy.to_str().unwrap()]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        errors.contains("no layout of any pair has this member"),
        "{errors}"
    );
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
