//! Reports as text for people, as a reply to a mail, and in the formats of other programs.

mod checkpatch;
mod github;
mod json;
mod junit;
mod kcidb;
mod ktap;
mod patchwork;
mod sarif;
mod summary;
mod text;

pub use checkpatch::checkpatch;
pub use github::github;
pub use json::json;
pub use junit::junit;
pub use kcidb::{BuildId, NoBuildId, NoOrigin, Origin, kcidb};
pub use ktap::ktap;
pub use patchwork::{Link, NoLink, patchwork};
pub use sarif::sarif;
pub use summary::summary;
pub use text::text;

use super::{Counts, Finding, Grade, Report, Verdict};
use crate::patch::clean;

/// The word for how bad a finding is: by its grade while it is open, else a note.
fn level(finding: &Finding) -> &'static str {
    match (finding.verdict.is_open(), finding.grade) {
        (true, Grade::Layout) => "error",
        (true, Grade::Meaning | Grade::Unknown) => "warning",
        _ => "note",
    }
}

/// What the verdict says beyond its word.
fn why(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Decided { by, reason } if reason.is_empty() => format!("decided by {by}"),
        Verdict::Decided { by, reason } => format!("decided by {by}: {reason}"),
        Verdict::Undecided { .. } => "undecided".to_owned(),
        Verdict::Unknown { why, .. } => format!("unknown: {why}"),
        Verdict::StaleOverride { place, .. } => format!("stale override: {place}"),
        Verdict::Acknowledged { reason, expires } => {
            format!("acknowledged until {expires}: {reason}")
        }
        Verdict::Allowed { by } => format!("allowed by --allow {by}"),
        Verdict::Nothing { why } => format!("no effect: {why}"),
    }
}

/// What can be done; empty if nothing has to.
fn help(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Undecided { help }
        | Verdict::Unknown { help, .. }
        | Verdict::StaleOverride { help, .. } => help,
        _ => "",
    }
}

/// File and line, for forms in which a finding always has both: `layouts` where only layouts show it,
/// and 0 where no line is known.
fn file_and_line(finding: &Finding) -> String {
    let file = match finding.file.as_str() {
        "" => "layouts",
        file => file,
    };
    format!("{file}:{}", finding.line())
}

/// Text that is one line for whoever reads it: reasons that people write may have several, and a
/// second line would be a finding of its own.
fn one_line(text: &str) -> String {
    let lines = text.split(['\n', '\r', '\u{2028}', '\u{2029}']);
    let lines: Vec<&str> = lines
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    clean(&lines.join(" "))
}

/// The verdict on the whole in one line.
fn headline(report: &Report) -> String {
    let looked = match &report.patch {
        Some(counts) => looked(counts),
        None => "two layouts".to_owned(),
    };
    if report.findings.is_empty() {
        return format!("nothing saved is touched: {looked}");
    }
    let words = [
        "undecided",
        "unknown",
        "stale override",
        "decided",
        "acknowledged",
        "allowed",
        "no effect",
    ];
    let counts: Vec<String> = words
        .iter()
        .map(|word| (report.count(word), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    format!("{} in {looked}", counts.join(", "))
}

/// How much of a patch was looked at, and what was not.
fn looked(counts: &Counts) -> String {
    let many = |count: u64, word: &str| match count {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    };
    let scripts = match counts.linker_scripts {
        0 => String::new(),
        count => format!(" ({})", many(count, "linker script")),
    };
    let not_read = [
        (counts.other_machines, "for other machines", String::new()),
        (
            counts.ignored,
            "at paths that the state map ignores",
            String::new(),
        ),
        (counts.not_c, "of no C", scripts),
        (
            counts.not_in_patch,
            "that the patch does not have",
            String::new(),
        ),
    ];
    let not_read: Vec<String> = not_read
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, what, more)| format!("{count} {what}{more}"))
        .collect();
    let read = format!(
        "{}, {}",
        many(counts.files, "file"),
        many(counts.hunks, "hunk")
    );
    match not_read.is_empty() {
        true => read,
        false => format!("{read}; not read: {}", not_read.join(", ")),
    }
}

/// Text between the tags of XML or HTML; control characters, which XML has no way to write, go.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push('\n'),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
