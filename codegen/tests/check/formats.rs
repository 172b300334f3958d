//! The report in each of its forms.

use super::{checked, patch};
use kconv_codegen::check::{Acknowledgements, Report, render};

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
