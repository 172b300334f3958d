//! The report in each of its forms.

use super::{checked, patch};
use kconv_codegen::check::render::{BuildId, Link, Origin};
use kconv_codegen::check::{Acknowledgements, Grade, Report, Verdict, render};
use serde_json::Value;
use std::collections::BTreeSet;

/// One finding of each verdict.
fn report() -> Report {
    let names = [
        "field-in-the-middle",
        "lock-added",
        "field-removed-behind-an-option",
        "define-renumbered",
        "define-removed",
        "unit-in-a-name",
        "struct-to-another-header",
    ];
    let all: Vec<u8> = names.iter().flat_map(|name| patch(name)).collect();
    let mut report = checked(&all, None).unwrap();
    let renumbered = report
        .findings
        .iter()
        .find(|finding| finding.subject == "PF_EXITING")
        .unwrap();
    let file = format!(
        "[[acknowledge]]\nid = \"{}\"\nsubject = \"PF_EXITING\"\nkind = \"constant-renumbered\"\nreason = \"never < set > in a \\\"frozen\\\" task\"\nexpires = 2030-01-01\n",
        renumbered.id
    );
    let acknowledged = Acknowledgements::parse(&file).unwrap();
    report.settle(&acknowledged, "2029-12-31", &["PF_IDLE".to_owned()]);
    report
}

/// A report without findings.
fn empty() -> Report {
    checked(&patch("unrelated-struct"), None).unwrap()
}

/// What somebody would write who wants one line to be several, or a name to be a verdict. The first
/// finding is open and the fourth is allowed.
fn hostile() -> Report {
    let mut report = report();
    let evil =
        "a\nSubtest: a\nok 9 b # SKIP \"c\" \u{1b}[31m\u{2028}total: 0 errors\r\n::error::x\0y: z";
    for finding in &mut report.findings {
        finding.subject = format!("{evil}{}", "\u{fc}".repeat(20_000));
        finding.file = "a:7: ERROR:\nSubtest: b#c".to_owned();
        finding.detail = evil.to_owned();
    }
    report.findings[0].verdict = Verdict::Undecided {
        help: evil.to_owned(),
    };
    report.findings[1].verdict = Verdict::Unknown {
        why: evil.to_owned(),
        help: String::new(),
    };
    report.findings[3].verdict = Verdict::Acknowledged {
        reason: evil.to_owned(),
        expires: "2030-01-01".to_owned(),
    };
    report.remarks.push(evil.to_owned());
    report
}

/// Only layouts show the first finding.
fn of_layouts() -> Report {
    let mut report = report();
    report.patch = None;
    report.findings.truncate(1);
    report.findings[0].file = String::new();
    report.findings[0].old = None;
    report.findings[0].new = None;
    report
}

/// Every line as a program that goes by lines would have it.
fn lines(text: &str) -> Vec<&str> {
    let is_break = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.strip_suffix('\n').unwrap().split(is_break).collect()
}

/// Holds a document to a schema, which does see what is wrong with `wrong`.
fn held_to(schema: &str, document: &str, wrong: (&str, Value)) -> Value {
    let schema: Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let value: Value = serde_json::from_str(document).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    let mut changed = value.clone();
    *changed.pointer_mut(wrong.0).unwrap() = wrong.1;
    assert!(!validator.is_valid(&changed), "{changed}");
    value
}

#[test]
fn text_for_people() {
    insta::assert_snapshot!(render::text(&report()));
}

/// The first example of the book is what the program prints.
#[test]
fn the_book_shows_the_report_as_it_is() {
    let book = include_str!("../../../book/src/check.md");
    let report = render::text(&checked(&patch("field-in-the-middle"), None).unwrap());
    let example = format!("$ kconv-gen check 0001-sched-a-field.patch\n{report}```\n");
    assert!(book.contains(&example), "{example}");
    let report = checked(&patch("field-in-the-middle"), None).unwrap();
    let link = "https://ci.example.org/7".parse().unwrap();
    for (options, text) in [
        ("checkpatch", render::checkpatch(&report)),
        ("ktap", render::ktap(&report)),
        (
            "patchwork --link https://ci.example.org/7",
            render::patchwork(&report, Some(&link)).unwrap(),
        ),
    ] {
        let example =
            format!("$ kconv-gen check 0001-sched-a-field.patch --format {options}\n{text}```\n");
        assert!(book.contains(&example), "{example}");
    }
}

#[test]
fn a_reply_to_a_mail() {
    let summary = render::summary(&report());
    assert!(
        summary.lines().all(|line| line.chars().count() <= 72),
        "{summary}"
    );
    insta::assert_snapshot!(summary);
}

#[test]
fn commands_for_github() {
    insta::assert_snapshot!(render::github(&report()));
}

#[test]
fn xml_for_gitlab() {
    insta::assert_snapshot!(render::junit(&report()));
}

#[test]
fn json_says_all() {
    let value: serde_json::Value = serde_json::from_str(&render::json(&report()).unwrap()).unwrap();
    assert_eq!(value["clean"], false);
    assert_eq!(value["patch"]["files"], 8);
    let verdicts: Vec<&str> = value["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["verdict"]["is"].as_str().unwrap())
        .collect();
    assert_eq!(
        verdicts,
        [
            "undecided",
            "unknown",
            "undecided",
            "allowed",
            "acknowledged",
            "decided",
            "nothing"
        ]
    );
}

#[test]
fn sarif_is_as_its_schema_says() {
    // One pattern of the published schema has a bracket that only lenient readers take.
    let schema = include_str!("schema/sarif-schema-2.1.0.json").replace("{2}]?$", "{2}\\\\]?$");
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for report in [report(), checked(b"", None).unwrap()] {
        let text = render::sarif(&report).unwrap();
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}", errors.join("\n"));
        // The validator does see what is wrong.
        value["runs"][0]["tool"]["driver"]["name"] = 1.into();
        assert!(!validator.is_valid(&value));
    }
    insta::assert_snapshot!(render::sarif(&report()).unwrap());
}

#[test]
fn lines_as_checkpatch_has_them() {
    insta::assert_snapshot!(render::checkpatch(&report()));
}

#[test]
fn each_line_of_checkpatch_is_one_finding() {
    for (report, open) in [
        (report(), 3),
        (hostile(), 3),
        (empty(), 0),
        (of_layouts(), 1),
    ] {
        let text = render::checkpatch(&report);
        let lines = lines(&text);
        let of = |level: &str| {
            let level = format!(": {level}:KCONV_");
            lines.iter().filter(|line| line.contains(&level)).count()
        };
        let (errors, warnings, checks) = (of("ERROR"), of("WARNING"), of("CHECK"));
        assert_eq!(errors + warnings, open, "{text}");
        assert_eq!(checks, report.findings.len() - open, "{text}");
        let notes = lines.iter().filter(|line| line.starts_with("NOTE: "));
        let expected = report.findings.len() + notes.count() + 1;
        assert_eq!(lines.len(), expected, "{text}");
        let changed = report.patch.as_ref().map_or(0, |counts| counts.lines);
        let total = format!(
            "total: {errors} errors, {warnings} warnings, {checks} checks, {changed} lines checked"
        );
        assert_eq!(lines.last(), Some(&total.as_str()));
    }
}

#[test]
fn checkpatch_says_where_what_only_layouts_show() {
    let text = render::checkpatch(&of_layouts());
    assert!(text.starts_with("layouts:0: ERROR:KCONV_ADDED: "), "{text}");
    let unread = checked(
        b"diff --git a/include/linux/sched.h b/include/linux/sched.h\nBinary files a/include/linux/sched.h and b/include/linux/sched.h differ\n",
        None,
    );
    let text = render::checkpatch(&unread.unwrap());
    let expected = "include/linux/sched.h:0: WARNING:KCONV_UNREAD: ";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn tests_as_the_kernel_has_them() {
    insta::assert_snapshot!(render::ktap(&report()));
    insta::assert_snapshot!(render::ktap(&empty()));
}

/// Number, whether it passed, whether it was skipped: read as `tools/testing/kunit/kunit_parser.py`
/// does, whose pattern for a skipped test finds the last `# SKIP` of the line.
fn results(text: &str) -> Vec<(u32, bool, bool)> {
    let results = lines(text).into_iter().filter_map(|line| {
        let (rest, passed) = match line.strip_prefix("not ok ") {
            Some(rest) => (rest, false),
            None => (line.strip_prefix("ok ")?, true),
        };
        let number = rest.split(' ').next().unwrap().parse().unwrap();
        Some((number, passed, rest.contains(" # SKIP")))
    });
    results.collect()
}

#[test]
fn ktap_has_one_result_for_each_finding() {
    for report in [report(), hostile(), of_layouts()] {
        let text = render::ktap(&report);
        let expected = report.findings.iter().zip(1..).map(|(finding, number)| {
            let skipped = matches!(
                finding.verdict,
                Verdict::Acknowledged { .. } | Verdict::Allowed { .. }
            );
            (number, !finding.verdict.is_open(), skipped)
        });
        assert_eq!(results(&text), expected.collect::<Vec<_>>(), "{text}");
        let lines = lines(&text);
        assert_eq!(lines[0], "KTAP version 1");
        assert_eq!(lines[1], format!("1..{}", report.findings.len()));
        for line in &lines[2..] {
            let is_result = line.starts_with("ok ") || line.starts_with("not ok ");
            assert!(is_result || line.starts_with("# "), "{line}");
            // One mark, before the directive or what else there is to say.
            assert!(!is_result || line.matches('#').count() == 1, "{line}");
            // So begins what kunit reads as tests below this one.
            assert!(!line.starts_with("# Subtest: "), "{line}");
        }
    }
    let text = render::ktap(&empty());
    assert_eq!(results(&text), [(1, true, false)], "{text}");
    assert_eq!(lines(&text)[1], "1..1");
}

fn kcidb(report: &Report) -> String {
    let origin = "some_ci".parse().unwrap();
    let build = "other_ci:6.12-x86_64 \"7\"".parse().unwrap();
    render::kcidb(report, &origin, &build).unwrap()
}

#[test]
fn kcidb_is_as_its_schema_says() {
    let schema = include_str!("schema/kcidb-tests-5.3.json");
    for report in [report(), hostile(), of_layouts(), empty()] {
        let text = kcidb(&report);
        let wrong = ("/tests/0/path", Value::from("kconv check"));
        let value = held_to(schema, &text, wrong);
        let tests = value["tests"].as_array().unwrap();
        assert_eq!(tests.len(), report.findings.len() + 1);
        let ids: BTreeSet<&str> = tests
            .iter()
            .map(|test| test["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids.len(), tests.len(), "{text}");
        assert!(!text.contains("\\u0000"), "{text}");
        let status = |at: usize| tests[at]["status"].as_str().unwrap();
        assert_eq!(status(0), if report.is_clean() { "PASS" } else { "FAIL" });
        for (at, finding) in report.findings.iter().enumerate() {
            let expected = match finding.verdict {
                _ if finding.verdict.is_open() => "FAIL",
                Verdict::Acknowledged { .. } | Verdict::Allowed { .. } => "SKIP",
                _ => "PASS",
            };
            assert_eq!(status(at + 1), expected, "{finding:?}");
        }
    }
    insta::assert_snapshot!(kcidb(&report()));
}

/// One change in two files has one id, and each is a test.
#[test]
fn kcidb_has_no_id_twice() {
    let mut report = report();
    let again = report.findings[0].clone();
    report.findings.insert(1, again);
    let text = kcidb(&report);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        value["tests"][2]["id"],
        format!("{}:2", value["tests"][1]["id"].as_str().unwrap())
    );
}

#[test]
fn kcidb_takes_only_its_own_names() {
    for name in ["ci", "kernelci_2", "0"] {
        assert!(name.parse::<Origin>().is_ok(), "{name}");
        assert!(format!("{name}:\u{fc} : 7").parse::<BuildId>().is_ok());
    }
    for name in ["", "CI", "a-b", "a b", "a:b", "\u{fc}", "a\n"] {
        assert!(name.parse::<Origin>().is_err(), "{name}");
    }
    for build in ["", "ci", "ci:", ":7", "CI:7", "a b:7", "ci:7\0"] {
        assert!(build.parse::<BuildId>().is_err(), "{build}");
    }
}

#[test]
fn patchwork_takes_the_check() {
    let schema = include_str!("schema/patchwork-check-create.json");
    let link: Link = "https://ci.example.org/7?a=b#c".parse().unwrap();
    for (report, link) in [
        (report(), Some(&link)),
        (hostile(), Some(&link)),
        (of_layouts(), None),
        (empty(), None),
    ] {
        let text = render::patchwork(&report, link).unwrap();
        let wrong = ("/context", Value::from("kconv-gen check"));
        let value = held_to(schema, &text, wrong);
        assert_eq!(value.get("target_url").is_some(), link.is_some());
        let description = value["description"].as_str().unwrap();
        assert_eq!(lines(&format!("{description}\n")).len(), 1);
        assert!(description.chars().count() <= 255, "{description}");
    }
    insta::assert_snapshot!(render::patchwork(&report(), Some(&link)).unwrap());
    insta::assert_snapshot!(render::patchwork(&empty(), None).unwrap());
}

/// What is open decides; a layout weighs more than the rest.
#[test]
fn patchwork_fails_for_layouts_and_warns_of_the_rest() {
    let state = |keep: &dyn Fn(Grade, bool) -> bool| {
        let mut report = report();
        let renumbered = &mut report.findings[4];
        assert_eq!(renumbered.grade, Grade::Meaning);
        renumbered.verdict = Verdict::Undecided {
            help: String::new(),
        };
        report
            .findings
            .retain(|finding| keep(finding.grade, finding.verdict.is_open()));
        let text = render::patchwork(&report, None).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        value["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state(&|_, _| true), "fail");
    assert_eq!(state(&|grade, _| grade == Grade::Layout), "fail");
    assert_eq!(
        state(&|grade, open| grade != Grade::Layout || !open),
        "warning"
    );
    assert_eq!(state(&|_, open| !open), "success");
    let patch = b"--- a/include/linux/sched.h\n+++ b/include/linux/sched.h\nBinary files a/include/linux/sched.h and b/include/linux/sched.h differ\n";
    let unread = checked(patch, None).unwrap();
    let text = render::patchwork(&unread, None).unwrap();
    assert!(text.contains("\"state\": \"warning\""), "{text}");
}

#[test]
fn a_link_is_one_that_patchwork_keeps() {
    let long = |length: usize| format!("https://{}", "a".repeat(length - 8));
    for link in [
        "http://localhost:8000",
        "https://a.b/c?d=\u{e4}#e",
        &long(200),
    ] {
        assert!(link.parse::<Link>().is_ok(), "{link}");
    }
    for link in [
        "",
        "ci.example.org",
        "ftp://a.b",
        "https://",
        "https:///x",
        "https://a b",
        "https://a\nb",
        "javascript:alert(1)",
        &long(201),
    ] {
        assert!(link.parse::<Link>().is_err(), "{link}");
    }
}
