//! Findings with their verdicts.

use super::acknowledge::Acknowledgements;
use super::change::{Change, Grade, Kind, Shown};
use super::gather::Counts;
use super::verdict::Verdict;
use crate::baseline::Baseline;
use crate::patch::clean;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;

/// A change of saved state, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Tells this change from every other one; twelve hexadecimal digits.
    pub id: String,
    /// What changed.
    pub kind: Kind,
    /// How much it weighs.
    pub grade: Grade,
    /// What it is about: `type.member`, or the name of a constant.
    pub subject: String,
    /// The name before, of a renamed member; else empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub was: String,
    /// The file; empty if only the layouts show it.
    pub file: String,
    /// Before.
    pub old: Option<Shown>,
    /// After.
    pub new: Option<Shown>,
    /// The conditions of the preprocessor around it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    /// What else there is to say.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Who decides it.
    pub verdict: Verdict,
}

impl Finding {
    pub(super) fn new(change: Change, verdict: Verdict) -> Finding {
        let text = |side: &Option<Shown>| {
            side.as_ref()
                .map_or(String::new(), |side| side.declared.clone())
        };
        let mut hash = blake3::Hasher::new();
        let parts = [
            change.kind.name().to_owned(),
            change.subject(),
            change.was.clone(),
            text(&change.old),
            text(&change.new),
            change.condition.clone(),
        ];
        for part in parts {
            hash.update(part.as_bytes());
            hash.update(b"\n");
        }
        let mut id = hash.finalize().to_hex().to_string();
        id.truncate(12);
        Finding {
            id,
            kind: change.kind,
            grade: change.kind.grade(),
            subject: clean(&change.subject()),
            was: clean(&change.was),
            file: clean(&change.file),
            old: change.old,
            new: change.new,
            condition: clean(&change.condition),
            detail: clean(&change.detail),
            verdict,
        }
    }

    /// The side that is shown first: the new one if the patch has it.
    pub fn side(&self) -> Option<&Shown> {
        self.new.as_ref().or(self.old.as_ref())
    }

    /// Line of the file, from 1; 0 if not known.
    pub fn line(&self) -> u64 {
        self.side().map_or(0, |side| side.line)
    }

    /// The finding in one sentence.
    pub fn sentence(&self) -> String {
        let text = |side: &Option<Shown>| {
            side.as_ref()
                .map_or(String::new(), |side| side.declared.clone())
        };
        let (was, is) = (text(&self.old), text(&self.new));
        let subject = &self.subject;
        let mut sentence = match self.kind {
            Kind::Added => format!("{subject} is new: `{is}`"),
            Kind::Removed => format!("{subject} is gone: `{was}`"),
            Kind::Renamed => format!("{subject} was called `{}`, it seems", self.was),
            Kind::Reused => format!("{} -> {subject}, same place: `{is}`", self.was),
            Kind::Moved => format!("{subject} moved among the members"),
            Kind::Regrouped => format!("{subject} went into or out of an unnamed union"),
            Kind::Realigned if was.is_empty() || is.is_empty() => {
                let (word, text) = match was.as_str() {
                    "" => ("has", &is),
                    _ => ("has lost", &was),
                };
                format!("{subject} {word} `{text}`")
            }
            Kind::Condition => {
                let side = |side: &Option<Shown>| match side {
                    Some(side) if !side.condition.is_empty() => format!("`{}`", side.condition),
                    _ => "none".to_owned(),
                };
                let (was, is) = (side(&self.old), side(&self.new));
                match was == is {
                    true => format!("{subject} is behind other conditions"),
                    false => {
                        format!("{subject} is behind other conditions: {was} before, {is} now")
                    }
                }
            }
            Kind::Comment => format!("the comment of {subject} changed"),
            Kind::Code => format!("code that has to do with {subject} changed"),
            Kind::MovedHeader => format!("{subject} is declared in another header"),
            Kind::Unnamed if subject.is_empty() => "a structure changed".to_owned(),
            Kind::Unnamed => format!("a structure with the members {subject} changed"),
            Kind::Incomplete => {
                let what = match (was.as_str(), is.as_str()) {
                    (was, "") => format!("`{was}` is gone"),
                    ("", is) => format!("`{is}` is new"),
                    (was, is) => format!("`{was}` became `{is}`"),
                };
                let place = match subject.as_str() {
                    "" => String::new(),
                    subject => format!(" in {subject}"),
                };
                format!("{what}{place}, and the patch does not show the whole of it")
            }
            Kind::Build => match (was.as_str(), is.as_str()) {
                (was, "") => format!("`{was}` is gone: types lie otherwise without it"),
                ("", is) => format!("`{is}` is new: types lie otherwise with it"),
                (was, is) if was == is => format!("`{is}` is at another place"),
                (was, is) => format!("`{was}` became `{is}`"),
            },
            Kind::Option => {
                let what = match (was.as_str(), is.as_str()) {
                    (was, "") => format!("`{was}` is gone"),
                    ("", is) => format!("`{is}` is new"),
                    (was, is) => format!("`{was}` became `{is}`"),
                };
                format!("what {subject} is set to changed: {what}")
            }
            Kind::Unread => format!("the patch does not have the text of {subject}"),
            Kind::TypeRemoved => format!("{subject} is not declared any more"),
            Kind::Flags => format!("{subject} is made of other constants"),
            Kind::FormatVersion if was.is_empty() => format!("`{is}` is a new version of a format"),
            Kind::FormatVersion if is.is_empty() => format!("`{was}` names no version any more"),
            Kind::ConstantAdded => format!("`{is}` is new"),
            Kind::ConstantRemoved => format!("`{was}` is gone"),
            Kind::Enumerator if was.is_empty() => format!("{subject} is new: `{is}`"),
            Kind::Enumerator if is.is_empty() => format!("{subject} is gone: `{was}`"),
            _ => format!("{subject} changed from `{was}` to `{is}`"),
        };
        if self.kind == Kind::Size && (was.is_empty() || is.is_empty()) {
            let (text, what) = if is.is_empty() {
                (was, "gone")
            } else {
                (is, "new")
            };
            sentence = format!("`{text}` is {what}, and saved types use it");
        }
        if !self.condition.is_empty() && self.kind.grade() >= Grade::Meaning {
            sentence.push_str(&format!(" (if {})", self.condition));
        }
        if !self.detail.is_empty() {
            sentence.push_str(&format!(" ({})", self.detail));
        }
        sentence
    }
}

/// The verdict on a patch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Kernel family.
    pub family: String,
    /// How much was looked at.
    pub patch: Option<Counts>,
    /// The findings: layout before meaning, by place.
    pub findings: Vec<Finding>,
    /// Acknowledgements and allowances that need a look, and hunks that fit otherwise than they say.
    pub remarks: Vec<String>,
}

impl Report {
    /// Whether nothing is left for a person.
    pub fn is_clean(&self) -> bool {
        !self
            .findings
            .iter()
            .any(|finding| finding.verdict.is_open())
    }

    /// The findings with this verdict's word.
    pub fn count(&self, verdict: &str) -> usize {
        let all = self.findings.iter();
        all.filter(|finding| finding.verdict.name() == verdict)
            .count()
    }

    pub(super) fn sort(&mut self) {
        self.findings.sort_by(|a, b| {
            let key = |finding: &Finding| {
                (
                    std::cmp::Reverse(finding.verdict.is_open()),
                    std::cmp::Reverse(finding.grade),
                    finding.file.clone(),
                    finding.line(),
                    finding.subject.clone(),
                    finding.kind,
                )
            };
            key(a).cmp(&key(b))
        });
        let (mut seen, mut lines) = (BTreeSet::new(), BTreeSet::new());
        self.findings.retain(|finding| {
            let field = finding
                .subject
                .split_once('.')
                .map(|subject| subject.1.to_owned());
            let line = (
                finding.file.clone(),
                finding.line(),
                finding.kind,
                field.clone(),
            );
            // A type with a tag and a typedef has each change twice.
            let again = field.is_some() && finding.line() > 0 && !lines.insert(line);
            // The same change of the same thing in two hunks is one finding.
            // Of what the patch does not tell nobody knows that it is the same.
            let line = finding.kind.is_untold().then(|| finding.line());
            seen.insert((finding.id.clone(), finding.file.clone(), line)) && !again
        });
    }

    /// Decides what the baseline at `path` has accepted.
    pub fn accept(&mut self, path: &Path, baseline: &Baseline) {
        for finding in &mut self.findings {
            if let Some(accepted) = baseline.accepts(&finding.id)
                && finding.verdict.is_open()
            {
                finding.verdict = Verdict::Decided {
                    by: format!("{}, accepted on {}", path.display(), accepted.day),
                    reason: accepted.reason.clone(),
                };
            }
        }
    }

    /// Applies what a person said: acknowledgements as of `today`, `2026-11-24`, and what the
    /// command line allows: kinds, grades or subjects.
    pub fn settle(&mut self, acknowledged: &Acknowledgements, today: &str, allowed: &[String]) {
        for entry in &acknowledged.entries {
            let mut fits = false;
            for finding in &mut self.findings {
                let same = finding.subject == entry.subject && finding.kind.name() == entry.kind;
                if finding.id != entry.id {
                    if same && finding.verdict.is_open() {
                        self.remarks.push(format!(
                            "the acknowledgement on line {} is for another change of {} (id {}, here {})",
                            entry.line, entry.subject, entry.id, finding.id
                        ));
                    }
                    continue;
                }
                fits = true;
                if !same {
                    self.remarks.push(format!(
                        "the acknowledgement on line {} says {} of {}, and the id is that of {} of {}",
                        entry.line, entry.kind, entry.subject, finding.kind.name(), finding.subject
                    ));
                } else if entry.expires.as_str() <= today {
                    self.remarks.push(format!(
                        "the acknowledgement of {} on line {} expired on {}; look again",
                        entry.subject, entry.line, entry.expires
                    ));
                } else if finding.verdict.is_open() {
                    finding.verdict = Verdict::Acknowledged {
                        reason: entry.reason.clone(),
                        expires: entry.expires.clone(),
                    };
                } else {
                    self.remarks.push(format!(
                        "the acknowledgement of {} on line {} is not needed: it is {}",
                        entry.subject,
                        entry.line,
                        finding.verdict.name()
                    ));
                }
            }
            if !fits && entry.expires.as_str() <= today {
                self.remarks.push(format!(
                    "the acknowledgement of {} on line {} expired on {}; remove it",
                    entry.subject, entry.line, entry.expires
                ));
            }
        }
        for name in allowed {
            for finding in &mut self.findings {
                let names = [
                    finding.kind.name(),
                    finding.grade.name(),
                    finding.subject.as_str(),
                ];
                let fits = names.contains(&name.as_str());
                if fits && finding.verdict.is_open() {
                    finding.verdict = Verdict::Allowed { by: name.clone() };
                }
            }
        }
    }
}
