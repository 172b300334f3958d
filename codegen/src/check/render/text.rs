//! For a terminal, as a compiler would say it.

use super::super::{Finding, Report, Shown};
use std::fmt::Write;

// Writing to a string cannot fail; results of `writeln!` are ignored in this file.

/// The report: what is open in full, the rest in a line each, and one line for the whole.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    for finding in report
        .findings
        .iter()
        .filter(|finding| finding.verdict.is_open())
    {
        open(&mut text, finding);
    }
    for finding in report
        .findings
        .iter()
        .filter(|finding| !finding.verdict.is_open())
    {
        let _ = writeln!(
            text,
            "{}: note[{}]: {}; {}",
            place(finding),
            finding.kind.name(),
            finding.sentence(),
            super::why(&finding.verdict)
        );
    }
    for remark in &report.remarks {
        let _ = writeln!(text, "remark: {remark}");
    }
    let _ = writeln!(text, "{}", super::headline(report));
    text
}

fn open(text: &mut String, finding: &Finding) {
    let _ = writeln!(
        text,
        "{}: {}[{}]: {}",
        place(finding),
        super::level(finding),
        finding.kind.name(),
        finding.sentence()
    );
    let same = |old: &&Shown| {
        finding
            .new
            .as_ref()
            .is_some_and(|new| old.patch_line == new.patch_line)
    };
    if let Some(side) = finding.old.as_ref().filter(|old| !same(old)) {
        line(text, side, '-');
    }
    if let Some(side) = finding.new.as_ref() {
        line(text, side, '+');
    }
    let _ = writeln!(
        text,
        "      = {}, id {}",
        super::why(&finding.verdict),
        finding.id
    );
    let mut lead = "help:";
    for line in super::help(&finding.verdict).lines() {
        let _ = writeln!(text, "      {lead} {line}");
        lead = "     ";
    }
    text.push('\n');
}

/// A line of the patch, with the number that it has there.
fn line(text: &mut String, side: &Shown, sign: char) {
    if side.text.is_empty() {
        return;
    }
    let (number, sign) = match (side.patch_line, side.changed) {
        (0, _) => (String::new(), ' '),
        (number, true) => (number.to_string(), sign),
        (number, false) => (number.to_string(), ' '),
    };
    let _ = writeln!(text, "{number:>5} | {sign} {}", side.text);
}

/// File and line as editors know them.
fn place(finding: &Finding) -> String {
    match (finding.file.as_str(), finding.line()) {
        ("", _) => "layouts".to_owned(),
        (file, 0) => file.to_owned(),
        (file, line) => format!("{file}:{line}"),
    }
}
