//! JUnit's XML, which GitLab shows beside a merge request: one case for each finding.

use super::super::{Report, Verdict};
use super::escape;
use std::fmt::Write;

// Writing to a string cannot fail; results of `writeln!` are ignored in this file.

/// The report as one test suite.
pub fn junit(report: &Report) -> String {
    let open = report
        .findings
        .iter()
        .filter(|finding| finding.verdict.is_open())
        .count();
    let skipped = report
        .findings
        .iter()
        .filter(|finding| is_skipped(&finding.verdict))
        .count();
    let cases = report.findings.len().max(1);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n\
         <testsuite name=\"kconv-gen check {}\" tests=\"{cases}\" failures=\"{open}\" errors=\"0\" skipped=\"{skipped}\">\n",
        escape(&report.family)
    );
    if report.findings.is_empty() {
        let _ = writeln!(
            text,
            "<testcase classname=\"patch\" name=\"{}\"/>",
            escape(&super::headline(report))
        );
    }
    for finding in &report.findings {
        let name = format!("{} {} {}", finding.kind.name(), finding.subject, finding.id);
        let _ = write!(
            text,
            "<testcase classname=\"{}\" name=\"{}\"",
            escape(if finding.file.is_empty() {
                "layouts"
            } else {
                &finding.file
            }),
            escape(&name)
        );
        let message = format!("{}; {}", finding.sentence(), super::why(&finding.verdict));
        let _ = if finding.verdict.is_open() {
            writeln!(
                text,
                ">\n<failure type=\"{}\" message=\"{}\">{}:{}\n{}</failure>\n</testcase>",
                super::level(finding),
                escape(&message).replace('\n', "&#10;"),
                escape(&finding.file),
                finding.line(),
                escape(super::help(&finding.verdict))
            )
        } else if is_skipped(&finding.verdict) {
            let message = escape(&message).replace('\n', "&#10;");
            writeln!(text, ">\n<skipped message=\"{message}\"/>\n</testcase>")
        } else {
            writeln!(
                text,
                ">\n<system-out>{}</system-out>\n</testcase>",
                escape(&message)
            )
        };
    }
    if !report.remarks.is_empty() {
        let remarks = escape(&report.remarks.join("\n"));
        let _ = writeln!(text, "<system-out>{remarks}</system-out>");
    }
    text.push_str("</testsuite>\n</testsuites>\n");
    text
}

fn is_skipped(verdict: &Verdict) -> bool {
    matches!(
        verdict,
        Verdict::Acknowledged { .. } | Verdict::Allowed { .. }
    )
}
