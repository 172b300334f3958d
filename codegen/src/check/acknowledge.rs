//! Acknowledgements: findings that a person looked at, with the reason why they may stand and the
//! day until when.
//!
//! ```toml
//! [[acknowledge]]
//! id = "3f0c52b7a91d"
//! subject = "PF_KTHREAD"
//! kind = "constant-renumbered"
//! reason = "…"
//! expires = 2027-03-01
//! ```
//!
//! The id is that of one change: another change of the same field has another id and is not
//! covered. The file is read strictly, and everything wrong with it is reported at once.

use crate::patch::clean;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// The acknowledgements of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acknowledgements {
    pub(super) entries: Vec<Acknowledgement>,
}

/// One acknowledged finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Line in the file.
    pub line: usize,
    /// The finding.
    pub id: String,
    /// What it is about.
    pub subject: String,
    /// What changed.
    pub kind: String,
    /// Why it may stand.
    pub reason: String,
    /// The first day on which it may not, as `2027-03-01`.
    pub expires: String,
}

/// What is wrong with an acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct AcknowledgeFinding {
    /// Line in the file, from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: AcknowledgeProblem,
}

/// The rule that is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcknowledgeProblem {
    /// Not TOML, or not the shape of the file.
    #[error("{0}")]
    Toml(String),
    /// No reason.
    #[error("`{subject}`: the reason is empty; say why the finding may stand")]
    NoReason {
        /// The entry.
        subject: String,
    },
    /// No id.
    #[error("`{subject}`: `{id}` is no id; copy it from the finding")]
    NoId {
        /// The entry.
        subject: String,
        /// What stands there.
        id: String,
    },
    /// No day.
    #[error("`{subject}`: `expires` is {found}; a day such as 2027-03-01 is expected")]
    NoDay {
        /// The entry.
        subject: String,
        /// What stands there.
        found: String,
    },
    /// A kind that there is not.
    #[error("`{subject}`: there is no kind `{found}`{}", nearest.as_ref().map(|name| format!("; the nearest is `{name}`")).unwrap_or_default())]
    NoKind {
        /// The entry.
        subject: String,
        /// What stands there.
        found: String,
        /// The most similar kind.
        nearest: Option<String>,
    },
    /// Two entries for one finding.
    #[error("`{id}` is acknowledged twice, first on line {first}")]
    Duplicate {
        /// The finding.
        id: String,
        /// Line of the first entry.
        first: usize,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    acknowledge: Vec<Spanned<RawEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    id: String,
    subject: String,
    kind: String,
    reason: String,
    expires: toml::Value,
}

impl Acknowledgements {
    /// Reads a file of acknowledgements.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Acknowledgements, Vec<AcknowledgeFinding>> {
        let line = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        let raw: RawFile = toml::from_str(text).map_err(|error| {
            vec![AcknowledgeFinding {
                line: error.span().map_or(1, |span| line(span.start)),
                problem: AcknowledgeProblem::Toml(error.message().to_owned()),
            }]
        })?;
        let mut findings = Vec::new();
        let mut entries = Vec::new();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for spanned in raw.acknowledge {
            let line = line(spanned.span().start);
            match entry(spanned.into_inner(), line) {
                Ok(entry) => {
                    if let Some(first) = seen.insert(entry.id.clone(), line) {
                        let problem = AcknowledgeProblem::Duplicate {
                            id: entry.id,
                            first,
                        };
                        findings.push(AcknowledgeFinding { line, problem });
                    } else {
                        entries.push(entry);
                    }
                }
                Err(problem) => findings.push(AcknowledgeFinding { line, problem }),
            }
        }
        match findings.is_empty() {
            true => Ok(Acknowledgements { entries }),
            false => Err(findings),
        }
    }
}

fn entry(raw: RawEntry, line: usize) -> Result<Acknowledgement, AcknowledgeProblem> {
    let subject = raw.subject;
    if raw.reason.trim().is_empty() {
        return Err(AcknowledgeProblem::NoReason { subject });
    }
    if raw.id.len() != 12 || !raw.id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let id = raw.id;
        return Err(AcknowledgeProblem::NoId { subject, id });
    }
    let kinds = super::Kind::ALL.map(super::Kind::name);
    if !kinds.contains(&raw.kind.as_str()) {
        let nearest = kernel_structs::nearest::nearest(&raw.kind, kinds).map(String::from);
        return Err(AcknowledgeProblem::NoKind {
            subject,
            found: raw.kind,
            nearest,
        });
    }
    // A day, written as TOML's own or as text.
    let expires = match &raw.expires {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if expires.parse::<jiff::civil::Date>().is_err() || expires.len() != 10 {
        return Err(AcknowledgeProblem::NoDay {
            subject,
            found: expires,
        });
    }
    Ok(Acknowledgement {
        line,
        id: raw.id,
        subject,
        kind: raw.kind,
        // It is shown, and may come with the patch.
        reason: clean(&raw.reason.split_whitespace().collect::<Vec<_>>().join(" ")),
        expires,
    })
}
