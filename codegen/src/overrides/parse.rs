//! `step.toml` as text. The raw shapes mirror the file; what they mean is checked here.

use super::action::{RawScale, written};
use super::name::{is_field, is_identifier};
use super::reason::{self, Cites};
use super::{
    Override, OverrideAction, OverrideFinding, OverrideProblem, Overrides, OverridesFile, PairEntry,
};
use kernel_structs::layout::Fingerprint;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    converter: String,
    family: String,
    #[serde(default)]
    pair: Vec<Spanned<RawPair>>,
    #[serde(default, rename = "override")]
    overrides: Vec<Spanned<RawOverride>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPair {
    module: String,
    from: String,
    from_fingerprint: String,
    to: String,
    to_fingerprint: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOverride {
    field: String,
    rename: Option<String>,
    init: Option<toml::Value>,
    drop: Option<String>,
    make: Option<String>,
    fold: Option<String>,
    scale: Option<RawScale>,
    merge: Option<String>,
    rest: Option<i64>,
    call: Option<String>,
    from: Option<Vec<String>>,
    #[serde(default)]
    offsets: Vec<String>,
    #[serde(default, rename = "new-offsets")]
    new_offsets: Vec<String>,
    #[serde(default)]
    constants: Vec<String>,
    #[serde(default, rename = "new-constants")]
    new_constants: Vec<String>,
    ends: Option<String>,
    reason: String,
    evidence: Option<String>,
}

/// Reads an overrides file.
///
/// # Errors
/// Everything that is wrong with it; see [`OverrideProblem`].
pub fn parse(text: &str) -> Result<OverridesFile, Vec<OverrideFinding>> {
    let line = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    let raw: RawFile = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line(span.start));
        vec![OverrideFinding {
            line,
            problem: OverrideProblem::Toml(error.message().to_owned()),
        }]
    })?;

    let mut findings = Vec::new();
    let mut pairs = Vec::new();
    let mut modules = BTreeSet::new();
    for spanned in raw.pair {
        let line = line(spanned.span().start);
        match pair(spanned.into_inner(), line) {
            Ok(pair) if !modules.insert(pair.module.clone()) => findings.push(OverrideFinding {
                line,
                problem: OverrideProblem::DuplicateModule {
                    module: pair.module,
                },
            }),
            Ok(pair) => pairs.push(pair),
            Err(problem) => findings.push(OverrideFinding { line, problem }),
        }
    }
    if pairs.is_empty() && findings.is_empty() {
        findings.push(OverrideFinding {
            line: 1,
            problem: OverrideProblem::NoPair,
        });
    }
    let mut entries = Vec::new();
    let mut decided: BTreeMap<(String, bool), usize> = BTreeMap::new();
    for spanned in raw.overrides {
        let line = line(spanned.span().start);
        match entry(spanned.into_inner(), line, entries.len()) {
            Ok(entry) => {
                let key = (entry.field.clone(), entry.is_drop());
                if let Some(first) = decided.get(&key) {
                    let problem = OverrideProblem::Duplicate {
                        field: entry.field,
                        first: *first,
                    };
                    findings.push(OverrideFinding { line, problem });
                } else {
                    decided.insert(key, line);
                    entries.push(entry);
                }
            }
            Err(problems) => findings.extend(
                problems
                    .into_iter()
                    .map(|problem| OverrideFinding { line, problem }),
            ),
        }
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    Ok(OverridesFile {
        converter: raw.converter,
        family: raw.family,
        pairs,
        overrides: Overrides {
            entries,
            flags: Vec::new(),
        },
    })
}

fn pair(raw: RawPair, line: usize) -> Result<PairEntry, OverrideProblem> {
    let fingerprint = |text: &str| {
        let parsed: Result<Fingerprint, _> = text.parse();
        parsed.map_err(|error| OverrideProblem::BadFingerprint(error.to_string()))
    };
    if !is_identifier(&raw.module) {
        return Err(OverrideProblem::BadName {
            found: raw.module,
            what: "module",
        });
    }
    Ok(PairEntry {
        line,
        from_fingerprint: fingerprint(&raw.from_fingerprint)?,
        to_fingerprint: fingerprint(&raw.to_fingerprint)?,
        module: raw.module,
        from: raw.from,
        to: raw.to,
    })
}

fn entry(raw: RawOverride, line: usize, index: usize) -> Result<Override, Vec<OverrideProblem>> {
    let mut problems = Vec::new();
    let field = raw.field;
    if !is_field(&field) {
        problems.push(OverrideProblem::NotAField {
            field: field.clone(),
        });
    }
    problems.extend(reason::wrong(&field, &raw.reason, Cites::Name));
    let action = match written!(raw).actions(&field) {
        Ok(mut actions) if actions.len() < 2 => actions.pop(),
        Ok(actions) => {
            problems.push(OverrideProblem::TwoActions {
                field: field.clone(),
                actions: actions.iter().map(OverrideAction::name).collect(),
            });
            return Err(problems);
        }
        Err(found) => {
            problems.extend(found);
            return Err(problems);
        }
    };
    match action {
        Some(action) if problems.is_empty() => Ok(Override {
            index,
            line,
            origin: None,
            field,
            action,
            reason: raw.reason,
            evidence: raw.evidence.unwrap_or_default(),
            back: None,
        }),
        Some(_) => Err(problems),
        None => {
            problems.push(OverrideProblem::NoAction { field });
            Err(problems)
        }
    }
}
