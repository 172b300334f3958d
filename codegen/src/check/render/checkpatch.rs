//! What `scripts/checkpatch.pl --terse --show-types --showfile --strict` prints, for whoever reads that
//! of every patch: `FILE:LINE: LEVEL:TYPE: text`, and the totals in the last line (linux:
//! scripts/checkpatch.pl, `report` and `process`). What is of no line is a `NOTE`, as it is there.
//!
//! FILE is `layouts` where only layouts show a finding, and LINE 0 where none is known, so that each
//! finding has both. The totals are never in the singular, as checkpatch has them: programs read them.

use super::super::{Finding, Grade, Kind, Report};
use super::{file_and_line, one_line, why};
use std::fmt::Write;

// Writing to a string cannot fail; results of `writeln!` are ignored in this file.

/// One line for each finding, notes, and the totals.
pub fn checkpatch(report: &Report) -> String {
    let mut text = String::new();
    let mut totals = [0_usize; 3];
    for finding in &report.findings {
        let level = level(finding);
        totals[level as usize] += 1;
        let message = format!(
            "{}; {}, id {}",
            finding.sentence(),
            why(&finding.verdict),
            finding.id
        );
        let _ = writeln!(
            text,
            "{}: {}:{}: {}",
            one_line(&file_and_line(finding)),
            level.name(),
            type_name(finding.kind),
            one_line(&message)
        );
    }
    for note in &report.remarks {
        let _ = writeln!(text, "NOTE: {}", one_line(note));
    }
    let _ = writeln!(text, "NOTE: {}", one_line(&super::headline(report)));
    let [errors, warnings, checks] = totals;
    let lines = report.patch.as_ref().map_or(0, |counts| counts.lines);
    let _ = writeln!(
        text,
        "total: {errors} errors, {warnings} warnings, {checks} checks, {lines} lines checked"
    );
    text
}

/// How checkpatch says how bad something is.
#[derive(Copy, Clone)]
enum Level {
    Error,
    Warning,
    Check,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Level::Error => "ERROR",
            Level::Warning => "WARNING",
            Level::Check => "CHECK",
        }
    }
}

fn level(finding: &Finding) -> Level {
    match (finding.verdict.is_open(), finding.grade) {
        (true, Grade::Layout) => Level::Error,
        (true, Grade::Meaning | Grade::Unknown) => Level::Warning,
        (true, Grade::Note) | (false, _) => Level::Check,
    }
}

/// The type of a message, by which people ignore it: `KCONV_` and the kind in capitals.
fn type_name(kind: Kind) -> String {
    format!("KCONV_{}", kind.name().replace('-', "_").to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::{Kind, type_name};

    /// People write these down to ignore them: a name that is here stays.
    #[test]
    fn names_of_types_stay() {
        let names: Vec<String> = Kind::ALL.into_iter().map(type_name).collect();
        assert_eq!(
            names,
            [
                "KCONV_ADDED",
                "KCONV_REMOVED",
                "KCONV_RENAMED",
                "KCONV_REUSED",
                "KCONV_RETYPED",
                "KCONV_RESIZED",
                "KCONV_MOVED",
                "KCONV_REGROUPED",
                "KCONV_REALIGNED",
                "KCONV_CONDITION",
                "KCONV_TYPEDEF",
                "KCONV_TYPE_REMOVED",
                "KCONV_ENUMERATOR",
                "KCONV_SIZE",
                "KCONV_FLAGS",
                "KCONV_BUILD",
                "KCONV_OPTION",
                "KCONV_FORMAT_VERSION",
                "KCONV_CONSTANT_ADDED",
                "KCONV_CONSTANT_REMOVED",
                "KCONV_CONSTANT_RENUMBERED",
                "KCONV_COMMENT",
                "KCONV_CODE",
                "KCONV_MOVED_HEADER",
                "KCONV_UNNAMED",
                "KCONV_INCOMPLETE",
                "KCONV_UNREAD",
            ]
        );
    }
}
