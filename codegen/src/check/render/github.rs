//! Workflow commands of GitHub Actions, which show findings at the lines of a pull request.

use super::super::Report;
use std::fmt::Write;

/// One command for each finding that is not known to be without effect, and the whole in a notice.
pub fn github(report: &Report) -> String {
    let mut text = String::new();
    let all = report.findings.iter();
    for finding in all.filter(|finding| !matches!(finding.verdict, super::Verdict::Nothing { .. }))
    {
        let command = match super::level(finding) {
            "note" => "notice",
            level => level,
        };
        let mut parts = Vec::new();
        if !finding.file.is_empty() {
            parts.push(format!("file={}", property(&finding.file)));
            parts.push(format!("line={}", finding.line().max(1)));
        }
        let title = format!("{}: {}", finding.verdict.name(), finding.kind.name());
        parts.push(format!("title={}", property(&title)));
        let mut message = format!(
            "{}; {}, id {}",
            finding.sentence(),
            super::why(&finding.verdict),
            finding.id
        );
        let help = super::help(&finding.verdict);
        if !help.is_empty() {
            message.push('\n');
            message.push_str(help);
        }
        // Writing to a string cannot fail.
        let _ = writeln!(text, "::{command} {}::{}", parts.join(","), data(&message));
    }
    for remark in &report.remarks {
        let _ = writeln!(text, "::warning title=kconv-gen check::{}", data(remark));
    }
    let _ = writeln!(
        text,
        "::notice title=kconv-gen check::{}",
        data(&super::headline(report))
    );
    text
}

/// What the runner reads back (`escapeData` of actions/toolkit).
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// As [`data`], in a property (`escapeProperty` of actions/toolkit).
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
