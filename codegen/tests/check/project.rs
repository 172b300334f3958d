//! The verdict against what the project has decided, and what people may let stand.

use super::{MAP, REGISTRY, SAVED, checked, kconv_gen, options, patch, words};
use kconv_codegen::check::{Acknowledgements, Inputs, Layouts, Project, Report, Verdict, check};
use kconv_codegen::overrides::{Changes, FOLDER, Overrides};
use kconv_codegen::plan::{Made, Pair, Plan};
use std::path::Path;
use std::process::Command;

fn project(overrides: &str) -> (tempfile::TempDir, Project) {
    let folder = tempfile::tempdir().unwrap();
    let krate = folder.path().join("linux-x-y");
    std::fs::create_dir(&krate).unwrap();
    let head = "converter = \"convert-x-y\"\nfamily = \"linux-6\"\n[[pair]]\nmodule = \"m\"\nfrom = \"x\"\nto = \"y\"\n";
    let pins: String = ["from", "to"]
        .map(|side| format!("{side}_fingerprint = \"{}\"\n", "0".repeat(64)))
        .concat();
    std::fs::write(krate.join("step.toml"), format!("{head}{pins}{overrides}")).unwrap();
    let project = Project::read(folder.path(), "linux-6").unwrap();
    (folder, project)
}

fn with(project: &Project, name: &str) -> Vec<String> {
    let patch = patch(name);
    words(
        &check(
            Some(&mut patch.as_slice()),
            &SAVED,
            project,
            &Inputs::default(),
        )
        .unwrap(),
    )
}

#[test]
fn an_override_decides() {
    let (_folder, project) = project(
        "[[override]]\nfield = \"task_struct.fresh\"\ninit = 0\nreason = \"r (fs/a.c: f)\"\n\
         [[override]]\nfield = \"task_struct.nivcsw\"\ndrop = \"always\"\nreason = \"r (fs/a.c: f)\"\n",
    );
    assert_eq!(
        with(&project, "field-in-the-middle"),
        ["decided added task_struct.fresh"]
    );
    assert_eq!(
        with(&project, "field-removed"),
        ["decided removed task_struct.nivcsw"]
    );
    // An override that drops a field does not say what a new one gets.
    assert_eq!(
        with(&project, "pointer-added"),
        ["undecided added task_struct.fresh_mm"]
    );
}

#[test]
fn a_rename_and_a_flag_decide() {
    let (folder, project) = project(
        "[[override]]\nfield = \"task_struct.nivcsw_count\"\nrename = \"nivcsw\"\nreason = \"r (fs/a.c: f)\"\n",
    );
    assert_eq!(
        with(&project, "field-renamed"),
        ["decided renamed task_struct.nivcsw_count"]
    );
    let family = folder.path().join("overrides/linux-6");
    std::fs::create_dir_all(&family).unwrap();
    let flags = "[[flags]]\nfield = \"task_struct.flags\"\nnames = [\"PF_EXITING\"]\nrenumbered = { reason = \"r (fs/a.c: f)\" }\n";
    std::fs::write(family.join("task_struct.toml"), flags).unwrap();
    let project = Project::read(folder.path(), "linux-6").unwrap();
    assert_eq!(
        with(&project, "define-renumbered"),
        ["decided constant-renumbered PF_EXITING"]
    );
}

#[test]
fn an_override_for_a_field_that_goes_is_stale() {
    let (_folder, project) = project(
        "[[override]]\nfield = \"task_struct.nivcsw\"\ninit = 0\nreason = \"r (fs/a.c: f)\"\n",
    );
    assert_eq!(
        with(&project, "field-removed"),
        ["stale override removed task_struct.nivcsw"]
    );
}

#[test]
fn a_configuration_tells_what_is_off() {
    let check_with = |config: &str| {
        let options = options(config);
        let inputs = Inputs {
            options: Some(&options),
            ..Inputs::default()
        };
        let patch = patch("field-behind-an-option-of-its-own");
        words(
            &check(
                Some(&mut patch.as_slice()),
                &SAVED,
                &Project::default(),
                &inputs,
            )
            .unwrap(),
        )
    };
    assert_eq!(
        check_with("CONFIG_FRESH=y\n"),
        ["undecided added task_struct.fresh"]
    );
    assert_eq!(
        check_with("#define CONFIG_FRESH 1\n"),
        ["undecided added task_struct.fresh"]
    );
    assert_eq!(
        check_with("# CONFIG_FRESH is not set\n"),
        ["no effect added task_struct.fresh"]
    );
}

fn made<'a>(
    from: &'a str,
    to: &'a str,
) -> (
    kconv_codegen::generate::End<'static>,
    kconv_codegen::generate::End<'static>,
    Made,
) {
    let from = kconv_codegen::generate::end(&REGISTRY, from).unwrap();
    let to = kconv_codegen::generate::end(&REGISTRY, to).unwrap();
    let made = Plan::make(&Pair {
        converter: "none",
        machine: "amd64",
        from: from.side(),
        to: to.side(),
        map: &MAP,
        overrides: &Overrides::default(),
    });
    (from, to, made)
}

fn between(from: &str, to: &str, patch: Option<&[u8]>) -> Report {
    let (from, to, made) = made(from, to);
    let inputs = Inputs {
        layouts: Some(Layouts {
            from: &from.layout,
            to: &to.layout,
            made: &made,
            overrides: &Overrides::default(),
        }),
        ..Inputs::default()
    };
    let mut patch = patch;
    let patch = patch
        .as_mut()
        .map(|patch| patch as &mut dyn std::io::BufRead);
    check(patch, &SAVED, &Project::default(), &inputs).unwrap()
}

#[test]
fn layouts_say_what_a_patch_does_in_truth() {
    let same = between(
        "6.1.0-47-amd64",
        "6.1.0-47-amd64",
        Some(&patch("field-in-the-middle")),
    );
    assert_eq!(words(&same), ["no effect added task_struct.fresh"]);
    let alone = between("6.1.0-47-amd64", "6.12.117+deb12-amd64", None);
    let found = words(&alone);
    assert!(
        found.contains(&"undecided added task_struct.user_dumpable".to_owned()),
        "{found:?}"
    );
    // Each field that the plan leaves open is a finding, and no other is.
    let open = alone
        .findings
        .iter()
        .filter(|finding| finding.verdict.is_open())
        .count();
    let (_, _, made) = made("6.1.0-47-amd64", "6.12.117+deb12-amd64");
    assert_eq!(open, made.undecided.len());
}

/// What people decided is told with its place and reason, as it is for a patch alone; so are flags, of
/// which no declaration shows anything.
#[test]
fn decisions_between_layouts_are_told_with_their_places() {
    let converters = Path::new(env!("CARGO_MANIFEST_DIR")).join("../converters");
    let changes = Changes::read(&converters.join(FOLDER), "linux-6").unwrap();
    let (from, to, _) = made("6.1.0-47-amd64", "6.12.117+deb12-amd64");
    let overrides = changes.between(&from.layout, &to.layout);
    let made = Plan::make(&Pair {
        converter: "none",
        machine: "amd64",
        from: from.side(),
        to: to.side(),
        map: &MAP,
        overrides: &overrides,
    });
    let inputs = Inputs {
        layouts: Some(Layouts {
            from: &from.layout,
            to: &to.layout,
            made: &made,
            overrides: &overrides,
        }),
        ..Inputs::default()
    };
    let project = Project::read(&converters, "linux-6").unwrap();
    let report = check(None, &SAVED, &project, &inputs).unwrap();
    assert!(report.is_clean(), "{:?}", words(&report));
    let told = |subject: &str| {
        let mut findings = report.findings.iter();
        let finding = findings.find(|finding| finding.subject == subject).unwrap();
        let Verdict::Decided { by, reason } = &finding.verdict else {
            panic!("{subject}: {:?}", finding.verdict);
        };
        assert!(!reason.is_empty(), "{subject}: {by}");
        (by.clone(), finding.detail.clone())
    };
    let place = |file: &str, field: &str, direction: &str| {
        let path = converters.join(FOLDER).join("linux-6").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        let entry = text.find(&format!("field = \"{field}\"\n")).unwrap();
        let said = text[entry..].find(&format!("\n{direction} = ")).unwrap();
        let line = text[..entry + said].matches('\n').count() + 2;
        format!("{}:{line}", path.display())
    };
    let new = place("task_struct.toml", "task_struct.rseq_len", "to-other");
    assert_eq!(told("task_struct.rseq_len").0, new);
    let (by, detail) = told("task_struct.flags");
    assert!(by.contains("linux-6/task_struct.toml:"), "{by}");
    assert!(detail.contains("PF_NO_NOTIFY_SIGNAL appears"), "{detail}");
}

fn acknowledgement(id: &str, expires: &str) -> Acknowledgements {
    let text = format!(
        "[[acknowledge]]\nid = \"{id}\"\nsubject = \"PF_EXITING\"\nkind = \"constant-renumbered\"\nreason = \"r\"\nexpires = {expires}\n"
    );
    Acknowledgements::parse(&text).unwrap()
}

#[test]
fn an_acknowledgement_is_for_one_change_until_one_day() {
    let fresh = || checked(&patch("define-renumbered"), None).unwrap();
    let id = fresh().findings[0].id.clone();
    let mut report = fresh();
    report.settle(&acknowledgement(&id, "2030-01-01"), "2029-12-31", &[]);
    assert!(report.is_clean() && report.remarks.is_empty());
    let mut report = fresh();
    report.settle(&acknowledgement(&id, "2030-01-01"), "2030-01-01", &[]);
    assert!(!report.is_clean());
    assert_eq!(
        report.remarks,
        ["the acknowledgement of PF_EXITING on line 1 expired on 2030-01-01; look again"]
    );
    let mut report = fresh();
    report.settle(
        &acknowledgement("0123456789ab", "2030-01-01"),
        "2029-12-31",
        &[],
    );
    assert!(!report.is_clean());
    assert!(
        report.remarks[0].contains("is for another change of PF_EXITING"),
        "{:?}",
        report.remarks
    );
}

#[test]
fn what_is_allowed_is_still_shown() {
    for what in ["meaning", "constant-renumbered", "PF_EXITING"] {
        let mut report = checked(&patch("define-renumbered"), None).unwrap();
        report.settle(
            &Acknowledgements::default(),
            "2029-12-31",
            &[what.to_owned()],
        );
        assert!(report.is_clean());
        assert_eq!(words(&report), ["allowed constant-renumbered PF_EXITING"]);
    }
    let mut report = checked(&patch("field-in-the-middle"), None).unwrap();
    report.settle(
        &Acknowledgements::default(),
        "2029-12-31",
        &["meaning".to_owned()],
    );
    assert!(!report.is_clean());
}

#[test]
fn everything_wrong_with_acknowledgements_is_told() {
    let text = "[[acknowledge]]\nid = \"xyz\"\nsubject = \"a\"\nkind = \"added\"\nreason = \"r\"\nexpires = 2030-01-01\n\
        [[acknowledge]]\nid = \"0123456789ab\"\nsubject = \"b\"\nkind = \"added\"\nreason = \" \"\nexpires = 2030-01-01\n\
        [[acknowledge]]\nid = \"0123456789ab\"\nsubject = \"c\"\nkind = \"add\"\nreason = \"r\"\nexpires = 2030-01-01\n\
        [[acknowledge]]\nid = \"0123456789ab\"\nsubject = \"d\"\nkind = \"added\"\nreason = \"r\"\nexpires = \"never\"\n";
    let findings = Acknowledgements::parse(text).unwrap_err();
    let all: Vec<String> = findings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(all.join("\n"));
    assert!(Acknowledgements::parse("[[acknowledge]]\nid = \"0123456789ab\"\n").is_err());
    assert!(Acknowledgements::parse("[[acknowledged]]\n").is_err());
}

/// Exit code, output and errors of the program, in an empty folder.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    kconv_gen(folder.path(), &[&["check"], arguments].concat())
}

#[test]
fn exit_codes() {
    let path = |name: &str| {
        super::folder()
            .join(format!("patches/{name}.patch"))
            .display()
            .to_string()
    };
    let run = |arguments: &[&str]| match arguments.contains(&"--family") {
        true => run(arguments),
        false => run(&[arguments, &["--family", "linux-6"]].concat()),
    };
    let (code, out, _) = run(&[&path("unrelated-struct")]);
    assert_eq!(
        (code, out.as_str()),
        (0, "nothing saved is touched: 2 files, 2 hunks\n")
    );
    assert_eq!(run(&[&path("field-in-the-middle")]).0, 1);
    assert_eq!(
        run(&[&path("field-in-the-middle"), "--allow", "added"]).0,
        0
    );
    assert_eq!(run(&[]).0, 2);
    let (code, out, errors) = run(&["/nonexistent"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(errors.starts_with("kconv-gen: /nonexistent: "), "{errors}");
    // A project is not needed, and another family is a word away.
    assert_eq!(
        run(&[&path("field-in-the-middle"), "--family", "linux-2.4"]).0,
        1
    );
    assert_eq!(
        run(&["--from", "6.1.0-47-amd64", "--to", "6.1.0-47-amd64"]).0,
        0
    );
}

/// What `program` makes of `text`.
fn packed(program: &str, text: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut child = Command::new(program)
        .arg("-c")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} has to be installed: {error}"));
    child.stdin.take().unwrap().write_all(text).unwrap();
    child.wait_with_output().unwrap().stdout
}

#[test]
fn patches_that_are_compressed_several_and_in_folders() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (added, removed) = (patch("field-in-the-middle"), patch("field-removed"));
    let headline = |paths: &[&str]| {
        let (code, out, errors) = run(&[paths, &["--family", "linux-6"]].concat());
        (code, out.lines().last().unwrap_or(&errors).to_owned())
    };
    let one = (1, "1 undecided in 1 file, 1 hunk".to_owned());
    for (program, end) in [("gzip", "gz"), ("xz", "xz"), ("zstd", "zst")] {
        let path = path(&format!("one.patch.{end}"));
        std::fs::write(&path, packed(program, &added)).unwrap();
        assert_eq!(headline(&[&path]), one, "{program}");
        // One that is cut is not read as if that were all.
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert_eq!(headline(&[&path]).0, 2, "{program}");
        std::fs::remove_file(&path).unwrap();
    }
    std::fs::write(path("0001-a.patch"), &added).unwrap();
    std::fs::write(path("0002-b.patch"), &removed).unwrap();
    std::fs::write(path("0000-cover-letter.patch"), "no patch\n").unwrap();
    std::fs::write(path("notes.txt"), "no patch\n").unwrap();
    let two = (1, "2 undecided in 2 files, 2 hunks".to_owned());
    assert_eq!(
        headline(&[&path("0001-a.patch"), &path("0002-b.patch")]),
        two
    );
    assert_eq!(headline(&[folder.path().to_str().unwrap()]), two);
    // Which of them cannot be read is said.
    std::fs::write(path("0003-c.patch"), "@@ -1 +1 @@\n-a\n+b\n").unwrap();
    let (code, error) = headline(&[folder.path().to_str().unwrap()]);
    assert_eq!(code, 2);
    assert!(
        error.contains("0003-c.patch: line 1: a hunk before any"),
        "{error}"
    );
    let empty = tempfile::tempdir().unwrap();
    let (code, error) = headline(&[empty.path().to_str().unwrap()]);
    assert_eq!(code, 2);
    assert!(error.contains("no file in it ends with .patch"), "{error}");
    let back = headline(&["-R", &path("0001-a.patch")]);
    assert_eq!(back, one);
}

#[test]
fn a_word_that_allows_nothing_is_wrong_usage() {
    let path = super::folder().join("patches/field-in-the-middle.patch");
    let allow = |word: &str| {
        let path = path.to_str().unwrap();
        run(&[path, "--family", "linux-6", "--allow", word])
    };
    for (word, nearest) in [
        ("addded", "; the nearest is `added`"),
        ("meening", "; the nearest is `meaning`"),
        ("task_strcut", "; the nearest is `task_struct`"),
        ("task_strcut.fresh", "; the nearest is `task_struct.fresh`"),
        ("nonsense", ""),
    ] {
        let (code, out, errors) = allow(word);
        assert_eq!((code, out.as_str()), (2, ""), "{word}");
        let told = format!(
            "kconv-gen: --allow: `{word}` is no kind and no grade of findings, and nothing saved is called so{nearest}; --allow takes"
        );
        assert!(errors.starts_with(&told), "{errors}");
    }
    // A kind or grade that this patch does not have stands in a pipeline for others.
    for (word, code) in [("task_struct.fresh", 0), ("layout", 0), ("comment", 1)] {
        assert_eq!(allow(word).0, code, "{word}");
    }
    // A subject is of this patch, or lets nothing stand.
    for (word, nearest) in [
        (
            "task_struct.fresher",
            "; the nearest is `task_struct.fresh`",
        ),
        ("upid", ""),
        ("MAX_OF_TESTS", ""),
    ] {
        let (code, out, errors) = allow(word);
        assert_eq!((code, out.as_str()), (2, ""), "{word}");
        let told = format!(
            "kconv-gen: --allow: no finding of this patch is about `{word}`{nearest}; remove"
        );
        assert!(errors.starts_with(&told), "{errors}");
    }
}

#[test]
fn a_folder_of_converters_that_is_named_is_to_be_there() {
    let path = super::folder().join("patches/unrelated-struct.patch");
    let path = path.to_str().unwrap();
    let (code, out, errors) = run(&[path, "--family", "linux-6", "--converters", "/nope"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(errors.starts_with("kconv-gen: /nope: "), "{errors}");
    let here = ["--family", "linux-6", "--converters", "."];
    assert_eq!(run(&[&[path], &here[..]].concat()).0, 0);
}

/// A pipe that nobody reads any more.
fn closed() -> std::io::PipeWriter {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer
}

#[test]
fn the_exit_code_is_that_of_the_findings_when_nobody_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let code = |arguments: &[&str]| {
        let status = Command::new(env!("CARGO_BIN_EXE_kconv-gen"))
            .args(arguments)
            .current_dir(folder.path())
            .stdout(closed())
            .stderr(closed())
            .status();
        status.unwrap().code()
    };
    let patch = |name: &str| super::folder().join(format!("patches/{name}.patch"));
    let check = |name: &str, format: &str| {
        let path = patch(name);
        let path = path.to_str().unwrap();
        code(&["check", path, "--family", "linux-6", "--format", format])
    };
    for format in [
        "text",
        "json",
        "sarif",
        "github",
        "junit",
        "checkpatch",
        "ktap",
        "patchwork",
    ] {
        assert_eq!(check("field-in-the-middle", format), Some(1), "{format}");
        assert_eq!(check("unrelated-struct", format), Some(0), "{format}");
    }
    // What went wrong is told to nobody, and is no less wrong.
    assert_eq!(check("there-is-none", "text"), Some(2));
    assert_eq!(code(&["generate", "--check"]), Some(2));
    let same = ["diff", "6.1.0-47-amd64", "6.12.111+deb12-amd64"];
    assert_eq!(code(&same), Some(0));
}

/// Which kernels a patch is for, the tree tells that it is for, and without one a person.
#[test]
fn the_family_is_that_of_the_tree() {
    let patch = super::folder().join("patches/unrelated-struct.patch");
    let patch = patch.to_str().unwrap();
    let (code, out, errors) = run(&[patch]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(
        errors.contains("--family kho or linux-2.4 or linux-6"),
        "{errors}"
    );
    let family = |makefile: &str, arguments: &[&str]| {
        let tree = tempfile::tempdir().unwrap();
        std::fs::write(tree.path().join("Makefile"), makefile).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_kconv-gen"))
            .args(["check", "--format", "json", patch])
            .args(arguments)
            .current_dir(tree.path())
            .output()
            .unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), text)
    };
    let six = "# SPDX\nVERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 170\nEXTRAVERSION =\n";
    let (code, out) = family(six, &[]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("\"family\": \"linux-6\""), "{out}");
    let (_, out) = family(six, &["--family", "linux-2.4"]);
    assert!(out.contains("\"family\": \"linux-2.4\""), "{out}");
    let four = six.replace("6", "2").replace("= 1", "= 4");
    assert!(family(&four, &[]).1.contains("\"family\": \"linux-2.4\""));
    let layouts = ["--from", "2.4.36-up", "--to", "2.4.36-up"];
    assert!(
        family(six, &layouts)
            .1
            .contains("\"family\": \"linux-2.4\"")
    );
    let (code, out) = family(&six.replace("6", "5"), &[]);
    assert_eq!(code, Some(2));
    assert!(out.contains("no state map is for Linux 5."), "{out}");
}
