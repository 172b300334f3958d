//! The forms of the report as people ask for them on the command line.

use super::kconv_gen;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Exit code, output and errors of a check of one of the small patches, in an empty folder.
fn run(patch: &str, arguments: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let patch = super::folder().join(format!("patches/{patch}.patch"));
    let common = ["check", patch.to_str().unwrap(), "--family", "linux-6"];
    kconv_gen(folder.path(), &[&common, arguments].concat())
}

const KCIDB: [&str; 4] = ["--kcidb-origin", "some_ci", "--kcidb-build", "some_ci:7"];

/// The forms, each with the options that it needs and how its output begins.
fn forms() -> Vec<(&'static str, Vec<&'static str>, &'static str)> {
    vec![
        ("text", vec![], ""),
        ("json", vec![], "{\n"),
        ("sarif", vec![], "{\n"),
        ("github", vec![], "::"),
        ("junit", vec![], "<?xml"),
        ("checkpatch", vec![], ""),
        ("ktap", vec![], "KTAP version 1\n"),
        ("kcidb", KCIDB.to_vec(), "{\n"),
        ("patchwork", vec![], "{\n"),
    ]
}

#[test]
fn each_form_ends_as_documented() {
    for (form, options, beginning) in forms() {
        let arguments = [&["--format", form][..], &options].concat();
        for (patch, expected) in [("field-in-the-middle", 1), ("unrelated-struct", 0)] {
            let (code, out, errors) = run(patch, &arguments);
            assert_eq!((code, errors.as_str()), (expected, ""), "{form}: {out}");
            assert!(out.starts_with(beginning) && out.ends_with('\n'), "{out}");
        }
        let allowed = [&arguments[..], &["--allow", "layout"]].concat();
        assert_eq!(run("field-in-the-middle", &allowed).0, 0, "{form}");
        let (code, out, errors) = run("there-is-none", &arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{form}");
        assert!(errors.contains("there is no such file"), "{form}: {errors}");
    }
}

/// All that the program knows are tried here, and are in the table of the book.
#[test]
fn the_book_has_each_form() {
    let (_, help, _) = run("unrelated-struct", &["--help"]);
    let forms: Vec<&str> = forms().into_iter().map(|(form, ..)| form).collect();
    let (_, values) = help.split_once("--format <FORMAT>").unwrap();
    let values = values.split("\n\n").nth(1).unwrap();
    let known: Vec<&str> = values
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- ")?.split(':').next())
        .collect();
    assert_eq!(known, forms, "{help}");
    let book = include_str!("../../../book/src/check.md");
    for form in forms {
        assert!(book.contains(&format!("\n| `{form}` | ")), "{form}");
    }
}

#[test]
fn an_option_of_another_form_is_wrong_usage() {
    let link = ["--link", "https://ci.example.org/7"];
    for (form, ..) in forms() {
        let mut wrong = vec![];
        if form != "kcidb" {
            wrong.push((&KCIDB[..2], "--kcidb-origin is for --format kcidb alone"));
            wrong.push((&KCIDB[2..], "--kcidb-build is for --format kcidb alone"));
        }
        if form != "patchwork" {
            wrong.push((&link[..], "--link is for --format patchwork alone"));
        }
        for (options, told) in wrong {
            let needed: &[&str] = if form == "kcidb" { &KCIDB } else { &[] };
            let arguments = [&["--format", form][..], needed, options].concat();
            let (code, out, errors) = run("unrelated-struct", &arguments);
            assert_eq!((code, out.as_str()), (2, ""), "{form} {options:?}");
            assert_eq!(errors, format!("kconv-gen: {told}\n"));
        }
    }
    // Without a form, and where the reply to the mail was asked for.
    assert_eq!(run("unrelated-struct", &link).0, 2);
    let (code, _, errors) = run("unrelated-struct", &[&link[..], &["--summary"]].concat());
    assert_eq!(code, 2);
    assert!(errors.contains("--link is for"), "{errors}");
}

#[test]
fn kcidb_needs_what_only_the_ci_knows() {
    for (options, told) in [
        (&[][..], "--kcidb-origin <NAME>"),
        (&KCIDB[..2], "--kcidb-build <ID>"),
        (&KCIDB[2..], "--kcidb-origin <NAME>"),
        (
            &["--kcidb-origin", "Some CI", "--kcidb-build", "some_ci:7"],
            "lower-case letters, digits and `_`",
        ),
        (
            &["--kcidb-origin", "some_ci", "--kcidb-build", "7"],
            "expected ORIGIN:ID",
        ),
    ] {
        let arguments = [&["--format", "kcidb"][..], options].concat();
        let (code, out, errors) = run("unrelated-struct", &arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{options:?}");
        assert!(errors.contains(told), "{told}: {errors}");
    }
    let link = ["--format", "patchwork", "--link", "ci.example.org"];
    let (code, out, errors) = run("unrelated-struct", &link);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(errors.contains("http:// or https://"), "{errors}");
}

/// A `curl` that fetches `$MBOX`, and keeps what it is to send as `sent.json`.
const CURL: &str = r#"#!/bin/sh
for argument; do
    case "$argument" in @*) cp "${argument#@}" sent.json; exit;; esac
done
cat "$MBOX"
"#;

/// Runs the example of the book behind `lead` on a patch. Exit code, and what it sent.
fn example(lead: &str, patch: &Path) -> (i32, Option<Value>) {
    let book = include_str!("../../../book/src/check.md");
    let (_, rest) = book.split_once(lead).unwrap();
    let (_, rest) = rest.split_once("```sh\n").unwrap();
    let (script, _) = rest.split_once("```\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let curl = folder.path().join("curl");
    fs::write(&curl, CURL).unwrap();
    fs::set_permissions(&curl, fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(patch, folder.path().join("change.patch")).unwrap();
    // The kernel's source that this is run in tells the family.
    let makefile = "# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\nEXTRAVERSION =\n";
    fs::write(folder.path().join("Makefile"), makefile).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_kconv-gen"));
    let mut path = folder.path().as_os_str().to_owned();
    path.push(":");
    path.push(program.parent().unwrap());
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    let status = Command::new("sh")
        .args(["-c", script])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("MBOX", patch)
        .envs([("ORIGIN", "some_ci"), ("BUILD", "7"), ("ID", "7")])
        .env("LOG", "https://ci.example.org/7")
        .status()
        .unwrap();
    let sent = fs::read(folder.path().join("sent.json")).ok();
    let sent = sent.map(|sent| serde_json::from_slice(&sent).unwrap());
    (status.code().unwrap(), sent)
}

/// A finding is a verdict, which is sent; what could not be checked has none, and nothing is sent.
#[test]
fn robots_send_what_the_book_says() {
    let patch = |name: &str| super::folder().join(format!("patches/{name}.patch"));
    let broken = tempfile::NamedTempFile::new().unwrap();
    fs::write(broken.path(), "--- a/x.h\n+++ b/x.h\n@@ -1,9 +1 @@\n-a\n").unwrap();
    for (lead, at, found, clean) in [
        ("**kcidb** has", "/tests/0/status", "FAIL", "PASS"),
        ("A robot on a mailing list", "/state", "fail", "success"),
    ] {
        for (name, expected) in [("field-in-the-middle", found), ("unrelated-struct", clean)] {
            let (code, sent) = example(lead, &patch(name));
            assert_eq!(code, 0, "{lead}");
            assert_eq!(sent.unwrap().pointer(at).unwrap(), expected, "{lead}");
        }
        let (code, sent) = example(lead, broken.path());
        assert!(code != 0 && sent.is_none(), "{lead}: {code} {sent:?}");
    }
}
