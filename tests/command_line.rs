//! What the commands print.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_tests::{convert, image, inspect, kconv, program, root};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn said(arguments: &[&str]) -> String {
    let ran = kconv(arguments);
    let stderr = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{stderr}");
    assert_eq!(stderr, "", "nothing but errors goes to standard error");
    String::from_utf8(ran.stdout)
        .unwrap()
        .replace(&kconv_tests::root().display().to_string(), "ROOT")
}

fn up() -> String {
    image("up").display().to_string()
}

#[test]
fn without_arguments_the_main_job_is_shown() {
    let help = said(&[]);
    assert!(help.contains("kconv FROM TO IMAGE"), "{help}");
    assert!(help.contains("kconv 2.4.36 2.4.37 tasks.img"), "{help}");
    assert!(help.contains("Exit codes"), "{help}");
}

#[test]
fn the_account_of_a_conversion() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.img");
    let account = said(&["2.4.36", "2.4.37", &up(), "-o", out.to_str().unwrap()]);
    insta::assert_snapshot!(account.replace(&folder.path().display().to_string(), "FOLDER"));
}

#[test]
fn a_conversion_without_an_output_lies_beside_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("tasks.img");
    std::fs::copy(image("up"), &copy).unwrap();
    said(&["2.4.36", "2.4.37", copy.to_str().unwrap(), "--quiet"]);
    assert!(folder.path().join("tasks.2.4.37-up.img").exists());
}

#[test]
fn quiet_is_quiet() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.img");
    assert_eq!(
        said(&["2.4.36", "2.4.37", &up(), "-o", out.to_str().unwrap(), "-q"]),
        ""
    );
}

#[test]
fn the_report_is_json_and_agrees_with_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let (out, report) = (
        folder.path().join("out.img"),
        folder.path().join("report.json"),
    );
    said(&[
        "2.4.36",
        "2.4.37",
        &up(),
        "-o",
        out.to_str().unwrap(),
        "--report",
        report.to_str().unwrap(),
    ]);
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert_eq!(report["format"], 1);
    assert_eq!(report["command"], "convert");
    let kernels = serde_json::json!({ "from": "2.4.36-up", "to": "2.4.37-up" });
    assert_eq!(report["kernels"], kernels);
    assert_eq!(report["image"], out.to_str().unwrap());
    assert_eq!(
        (&report["outcome"], &report["exit-code"]),
        (&"done".into(), &0.into())
    );
    let of_code = |code: &str| {
        let findings = report["findings"].as_array().unwrap();
        findings.iter().filter(|one| one["code"] == code).count()
    };
    let report = &report["conversion"];
    assert_eq!(report["from"], "2.4.36-up");
    assert_eq!(report["to"], "2.4.37-up");
    assert_eq!(
        report["chain"],
        serde_json::json!(["convert-2.4.36.8-2.4.36.9"])
    );
    assert_eq!(report["tasks"].as_array().unwrap().len(), 22);
    let shown = inspect(&out, &[]);
    assert_eq!(report["kept"], shown["remainder"]);
    let provenance = &shown["provenance"][0];
    assert_eq!(provenance["remainder"], shown["remainder"]);
    assert_eq!(provenance["from"]["release"], "2.4.36-up");
    let fields: u64 = report["fields"]
        .as_object()
        .unwrap()
        .values()
        .map(|n| n.as_u64().unwrap())
        .sum();
    assert_eq!(provenance["fields"], fields);
    let changed = report["changed"].as_array().unwrap();
    let list = changed
        .iter()
        .find(|c| c["field"] == "task_struct.scm_work_list")
        .unwrap();
    assert_eq!(list["rule"], "init");
    assert_eq!(list["objects"], 22);
    assert!(list["reason"].as_str().unwrap().contains("scm"), "{list}");
    // What has another value because of an override is carried, and what was at its initial value is
    // not lost.
    for (rule, code) in [("reset", "field.reset"), ("drop", "field.drop")] {
        let says_something = |one: &&Value| one["rule"] == rule && one["kept"] != 0;
        let of_rule = changed.iter().filter(says_something).count();
        assert_eq!(of_code(code), of_rule);
    }
    assert!(of_code("field.reset") > 10);
}

#[test]
fn tasks_are_listed_as_ps_would() {
    insta::assert_snapshot!(said(&["inspect", &up()]));
}

#[test]
fn one_task_is_shown_whole() {
    insta::assert_snapshot!(said(&["inspect", &up(), "--task", "7"]));
}

#[test]
fn raw_fields_by_type_and_by_address() {
    insta::assert_snapshot!(
        said(&["inspect", &up(), "--type", "fs_struct"])
            .lines()
            .take(12)
            .collect::<Vec<_>>()
            .join("\n")
    );
    let objects = inspect(&image("up"), &["--type", "mm_struct"]);
    let address = objects[0]["address"].as_str().unwrap();
    let one = inspect(&image("up"), &["--object", address]);
    assert_eq!(one[0], objects[0]);
    // An address inside an object finds it too.
    let number = u64::from_str_radix(&address[2..], 16).unwrap() + 20;
    let inside = inspect(&image("up"), &["--object", &format!("{number:x}")]);
    assert_eq!(inside[0], objects[0]);
}

#[test]
fn what_is_not_in_the_image_is_named_with_what_is() {
    for (arguments, part) in [
        (["--task", "4711"], "0, 1, 2"),
        (["--type", "dentry"], "task_struct"),
        (["--object", "0x1"], "0x1"),
    ] {
        let ran = kconv(&["inspect", &up(), arguments[0], arguments[1]]);
        let stderr = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(part), "{stderr}");
    }
}

#[test]
fn the_bundled_images_and_their_conversions_are_whole() {
    let folder = tempfile::tempdir().unwrap();
    for flavour in ["up", "smp"] {
        said(&["verify", image(flavour).to_str().unwrap()]);
        let out = folder.path().join(flavour);
        convert("2.4.36", "2.4.37", &image(flavour), &out);
        let verdict = said(&["verify", out.to_str().unwrap()]);
        assert!(verdict.contains("whole"), "{verdict}");
    }
}

#[test]
fn the_series_of_an_image_stands_for_its_release() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
    said(&["2.4", "2.4.37", &up(), "-o", one.to_str().unwrap(), "-q"]);
    said(&[
        "2.4.36",
        "2.4.37",
        &up(),
        "-o",
        other.to_str().unwrap(),
        "-q",
    ]);
    assert!(std::fs::read(one).unwrap() == std::fs::read(other).unwrap());
}

#[test]
fn releases_are_listed() {
    let all: Value = serde_json::from_str(&said(&["list", "--json"])).unwrap();
    let registry = kernel_structs::releases::Registry::builtin().unwrap();
    assert_eq!(all.as_array().unwrap().len(), registry.releases().len());
    insta::assert_snapshot!(said(&["list", "6.1.170"]), @r"
    RELEASE               VERSION  FLAVOUR   LAYOUT
    6.1.0-47-amd64        6.1.170  standard  6.1.0-47-amd64
    6.1.0-47-cloud-amd64  6.1.170  cloud     6.1.0-47-cloud-amd64
    6.1.0-47-rt-amd64     6.1.170  rt        6.1.0-47-rt-amd64
    ");
    insta::assert_snapshot!(said(&["list", "2.4.36-up", "--json"]), @r#"
    [
      {
        "name": "2.4.36-up",
        "version": "2.4.36",
        "arch": "i386",
        "flavour": "up",
        "family": "linux-2.4",
        "layout": "2.4.32-i386-up",
        "uname": null,
        "build-id": null,
        "hz": 100
      }
    ]
    "#);
}

#[test]
fn a_path_between_any_two_releases_is_found() {
    insta::assert_snapshot!(said(&["path", "2.4.36", "2.4.37"]));
    insta::assert_snapshot!(said(&["path", "2.4.37.11-up", "2.4.32-smp"]));
    insta::assert_snapshot!(said(&["path", "2.4.32-up", "2.4.36.8-up"]));
}

#[test]
fn a_field_is_explained() {
    insta::assert_snapshot!(said(&[
        "explain",
        "task_struct.scm_work_list",
        "2.4.36-up",
        "2.4.37-up"
    ]));
    insta::assert_snapshot!(said(&[
        "explain",
        "task_struct.mm",
        "2.4.36-smp",
        "2.4.37-smp"
    ]));
    insta::assert_snapshot!(said(&[
        "explain",
        "task_struct.pending.tail",
        "2.4.36-up",
        "2.4.36-smp"
    ]));
    let ran = kconv(&[
        "explain",
        "task_struct.scm_worklist",
        "2.4.36-up",
        "2.4.37-up",
    ]);
    let stderr = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2));
    assert!(stderr.contains("task_struct.scm_work_list"), "{stderr}");
}

/// As in other commands, with the releases first.
#[test]
fn a_release_in_the_place_of_a_field_is_told() {
    let ran = kconv(&["explain", "2.4.36", "2.4.37", "task_struct.mm"]);
    let stderr = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2));
    assert!(stderr.contains("`2.4.36` is not TYPE.FIELD"), "{stderr}");
}

#[test]
fn the_flavour_that_most_people_run_comes_first() {
    let said = said(&["explain", "task_struct.flags", "6.1.170", "6.12.117"]);
    let pairs: Vec<&str> = said.lines().filter(|line| line.contains(" -> ")).collect();
    assert_eq!(
        pairs,
        [
            "6.1.0-47-amd64 -> 6.12.117+deb12-amd64",
            "6.1.0-47-cloud-amd64 -> 6.12.117+deb12-cloud-amd64",
            "6.1.0-47-rt-amd64 -> 6.12.117+deb12-rt-amd64",
        ]
    );
}

#[test]
fn a_preflight_writes_nothing_and_says_what_would_happen() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("tasks.img");
    std::fs::copy(image("smp"), &copy).unwrap();
    insta::assert_snapshot!(said(&["preflight", copy.to_str().unwrap(), "2.4.37"]));
    let sarif: Value = serde_json::from_str(&said(&[
        "preflight",
        copy.to_str().unwrap(),
        "2.4.37",
        "--format",
        "sarif",
    ]))
    .unwrap();
    let json: Value = serde_json::from_str(&said(&[
        "preflight",
        copy.to_str().unwrap(),
        "2.4.37",
        "--format",
        "json",
    ]))
    .unwrap();
    let objects = json["objects"].as_array().unwrap();
    let tasks = objects.iter().filter(|o| o["type"] == "task_struct");
    assert!(tasks.clone().all(|o| o["new_size"] == 1712), "{json:#}");
    assert_eq!(tasks.count(), 23);
    assert_eq!(sarif["version"], "2.1.0");
    assert_eq!(sarif["runs"][0]["results"], serde_json::json!([]));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_pipe_that_closes_early_is_no_error() {
    let ran = std::process::Command::new("sh")
        .args([
            "-c",
            "\"$0\" inspect \"$1\" --type task_struct --json | head -n 1",
        ])
        .args([program("kconv").as_os_str(), OsStr::new(&up())])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stderr), "");
}

#[test]
fn the_stand_alone_converter_does_what_kconv_does() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (
        folder.path().join("one.img"),
        folder.path().join("other.img"),
    );
    convert("2.4.36", "2.4.36.9", &image("smp"), &one);
    let name = folder.path().join("convert-2.4.36.8-2.4.36.9");
    std::os::unix::fs::symlink(program("kconv"), &name).unwrap();
    let ran = std::process::Command::new(name)
        .args([image("smp").as_os_str(), "-o".as_ref(), other.as_os_str()])
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let (one, other) = (
        kconv_image::Image::open(&one).unwrap(),
        kconv_image::Image::open(&other).unwrap(),
    );
    assert_eq!(one.head().objects, other.head().objects);
    assert_eq!(one.head().identity, other.head().identity);
    assert!(kconv_tests::objects(&one) == kconv_tests::objects(&other));
}

/// The image is not changed, and so it is not written over.
/// Writes the plan that a page of the registered converters is made of.
fn written_plan(folder: &Path) -> PathBuf {
    let plan = folder.join("mine.plan");
    let ran = Command::new(program("kconv-gen"))
        .args(["plan", "2.4.36.8-up", "2.4.36.9-up", "-o"])
        .arg(&plan)
        .current_dir(root())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert_eq!((ran.status.code(), &*errors), (Some(0), ""));
    plan
}

/// `kconv 2.4.36 2.4.36.9 IMAGE --plan PLAN -o OUT`.
fn by_plan(plan: &Path, out: &Path) -> Output {
    let image = image("up");
    let arguments = ["2.4.36".as_ref(), "2.4.36.9".as_ref(), image.as_os_str()];
    let by = ["--plan".as_ref(), plan.as_os_str()];
    let more = ["-o".as_ref(), out.as_os_str(), "--quiet".as_ref()];
    kconv(&[&arguments[..], &by, &more].concat())
}

#[test]
fn a_plan_that_is_a_file_does_what_its_page_does() {
    let folder = tempfile::tempdir().unwrap();
    let (page, file) = (
        folder.path().join("page.img"),
        folder.path().join("file.img"),
    );
    convert("2.4.36", "2.4.36.9", &image("up"), &page);
    let ran = by_plan(&written_plan(folder.path()), &file);
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{errors}");
    assert!(std::fs::read(&page).unwrap() == std::fs::read(&file).unwrap());
}

#[test]
fn a_plan_that_is_damaged_or_that_others_may_write_to_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, out) = (written_plan(folder.path()), folder.path().join("out.img"));
    let refused_of = |plan: &Path, expected: &str| {
        let ran = by_plan(plan, &out);
        let errors = String::from_utf8_lossy(&ran.stderr);
        assert!(
            !ran.status.success() && errors.contains(expected),
            "{errors}"
        );
        assert!(!out.exists());
    };
    let refused = |expected: &str| refused_of(&plan, expected);
    refused_of(
        Path::new("/dev/null"),
        "/dev/null: the plan cannot be read: not a regular file",
    );
    let text = std::fs::read_to_string(&plan).unwrap();
    std::fs::write(&plan, &text[..text.len() / 2]).unwrap();
    refused("mine.plan: ");
    std::fs::write(&plan, &text).unwrap();
    std::fs::set_permissions(&plan, Permissions::from_mode(0o666)).unwrap();
    refused("the plan is not obeyed: others may write to ");
}

#[test]
fn a_stand_alone_converter_does_not_write_over_what_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.img");
    std::fs::copy(image("smp"), &path).unwrap();
    let before = std::fs::read(&path).unwrap();
    let name = folder.path().join("convert-2.4.36.8-2.4.36.9");
    std::os::unix::fs::symlink(program("kconv"), &name).unwrap();
    let ran = std::process::Command::new(name)
        .args([path.as_os_str(), "-o".as_ref(), path.as_os_str()])
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(2), "{ran:?}");
    assert!(std::fs::read(&path).unwrap() == before);
}

/// A link by the name of a step that there is not.
#[test]
fn a_stand_alone_converter_of_no_step_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("convert-2.4.36.8-2.4.36.99");
    std::os::unix::fs::symlink(program("kconv"), &name).unwrap();
    let ran = std::process::Command::new(name)
        .arg(image("smp"))
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(2));
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(told.contains("convert-2.4.36.8-2.4.36.99"), "{told}");
    assert!(told.contains("kconv FROM TO IMAGE"), "{told}");
}

#[test]
fn colours_only_when_asked_for() {
    let plain = said(&["inspect", &up()]);
    assert!(!plain.contains('\u{1b}'));
    let ran = std::process::Command::new(program("kconv"))
        .args(["--color", "always", "inspect", &up()])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&ran.stdout).contains('\u{1b}'));
}
