//! KTAP version 1, in which the kernel's own tests speak (linux: Documentation/dev-tools/ktap.rst):
//! one test for each finding.
//!
//! The crate for it, `testanything` 0.4, writes the older TAP: no version line, diagnostics behind the
//! result instead of before it, no directives, and nothing of what a name may not have.

use super::super::{Report, Verdict};
use super::{file_and_line, help, one_line, why};
use std::fmt::Write;

// Writing to a string cannot fail; results of `writeln!` are ignored in this file.

/// The report as one run. What is acknowledged or allowed is skipped, with the reason.
pub fn ktap(report: &Report) -> String {
    let mut text = "KTAP version 1\n".to_owned();
    let headline = super::headline(report);
    if report.findings.is_empty() {
        let _ = writeln!(text, "1..1");
        remarks(&mut text, report);
        let _ = writeln!(text, "ok 1 saved state # {}", plain(&headline));
        return text;
    }
    let _ = writeln!(text, "1..{}", report.findings.len());
    remarks(&mut text, report);
    for (number, finding) in report.findings.iter().enumerate() {
        let _ = writeln!(
            text,
            "# {}",
            one_line(&format!(
                "{}: {}",
                file_and_line(finding),
                finding.sentence()
            ))
        );
        // What people wrote begins no line: behind the mark, too, there are words that mean something, as
        // `Subtest:` does.
        let mut lead = "help:";
        for line in help(&finding.verdict).lines() {
            let _ = writeln!(text, "# {lead} {}", one_line(line));
            lead = "     ";
        }
        let (result, directive) = match &finding.verdict {
            Verdict::Undecided { .. } | Verdict::Unknown { .. } | Verdict::StaleOverride { .. } => {
                ("not ok", "")
            }
            Verdict::Acknowledged { .. } | Verdict::Allowed { .. } => ("ok", "SKIP "),
            Verdict::Decided { .. } | Verdict::Nothing { .. } => ("ok", ""),
        };
        let name = format!("{} {} {}", finding.kind.name(), finding.subject, finding.id);
        let _ = writeln!(
            text,
            "{result} {} {} # {directive}{}",
            number + 1,
            plain(&name),
            plain(&why(&finding.verdict))
        );
    }
    let _ = writeln!(text, "# {}", one_line(&headline));
    text
}

fn remarks(text: &mut String, report: &Report) {
    for remark in &report.remarks {
        let _ = writeln!(text, "# remark: {}", one_line(remark));
    }
}

/// A name, or what stands behind the `#` of a result. There is no way to write a `#` in either, and
/// one with `SKIP` behind it would make a failed test a skipped one.
fn plain(text: &str) -> String {
    one_line(text).replace('#', "_")
}
