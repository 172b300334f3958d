//! `overrides.toml` as text. The raw shapes mirror the file; what they mean is checked here.

use super::{
    Flag, Init, Override, OverrideAction, OverrideFinding, OverrideProblem, Overrides,
    OverridesFile, PairEntry,
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
    remap: Option<Vec<RawFlag>>,
    merge: Option<String>,
    call: Option<String>,
    from: Option<Vec<String>>,
    reason: String,
    evidence: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScale {
    multiply: i64,
    divide: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFlag {
    name: String,
    from: u64,
    to: u64,
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
        overrides: Overrides { entries },
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
    let is_field = field.split_once('.').is_some_and(|(ty, member)| {
        !ty.is_empty() && !member.is_empty() && !field.contains(char::is_whitespace)
    });
    if !is_field {
        problems.push(OverrideProblem::NotAField {
            field: field.clone(),
        });
    }
    if raw.reason.trim().is_empty() {
        problems.push(OverrideProblem::NoReason {
            field: field.clone(),
        });
    }
    let given = [
        ("rename", raw.rename.is_some()),
        ("init", raw.init.is_some()),
        ("drop", raw.drop.is_some()),
        ("make", raw.make.is_some()),
        ("fold", raw.fold.is_some()),
        ("scale", raw.scale.is_some()),
        ("remap", raw.remap.is_some()),
        ("merge", raw.merge.is_some()),
        ("call", raw.call.is_some()),
    ];
    let actions: Vec<&'static str> = given
        .iter()
        .filter(|(_, given)| *given)
        .map(|(name, _)| *name)
        .collect();
    if actions.len() > 1 {
        problems.push(OverrideProblem::TwoActions {
            field: field.clone(),
            actions,
        });
    }
    if raw.from.is_some() && raw.call.is_none() {
        problems.push(OverrideProblem::ForeignAttribute {
            field: field.clone(),
        });
    }

    let bad = |key, found: &dyn std::fmt::Display, expected| OverrideProblem::BadValue {
        field: field.clone(),
        key,
        found: found.to_string(),
        expected,
    };
    let action = if let Some(old) = raw.rename {
        Ok(OverrideAction::Rename { old })
    } else if let Some(value) = raw.init {
        const EXPECTED: &str =
            "\"null\", \"zero\", \"empty-list\", \"self\", \"container\" or an integer";
        match &value {
            toml::Value::Integer(value) => Ok(OverrideAction::Init(Init::Value(*value))),
            toml::Value::String(word) => match word.as_str() {
                "null" => Ok(OverrideAction::Init(Init::Null)),
                "zero" => Ok(OverrideAction::Init(Init::Zero)),
                "empty-list" => Ok(OverrideAction::Init(Init::EmptyList)),
                "self" => Ok(OverrideAction::Init(Init::Object)),
                "container" => Ok(OverrideAction::Init(Init::Container)),
                _ => Err(bad("init", &value, EXPECTED)),
            },
            _ => Err(bad("init", &value, EXPECTED)),
        }
    } else if let Some(word) = raw.drop {
        match word.as_str() {
            "only-if-initial" => Ok(OverrideAction::Drop {
                only_if_initial: true,
            }),
            "always" => Ok(OverrideAction::Drop {
                only_if_initial: false,
            }),
            "container" => Ok(OverrideAction::DropContainer),
            _ => Err(bad(
                "drop",
                &word,
                "\"only-if-initial\", \"always\" or \"container\"",
            )),
        }
    } else if let Some(ty) = raw.make {
        Ok(OverrideAction::Make { ty })
    } else if let Some(ty) = raw.fold {
        Ok(OverrideAction::Fold { ty })
    } else if let Some(RawScale { multiply, divide }) = raw.scale {
        match multiply > 0 && divide > 0 {
            true => Ok(OverrideAction::Scale { multiply, divide }),
            false => Err(bad(
                "scale",
                &format!("{multiply} / {divide}"),
                "a multiplier and a divisor above 0",
            )),
        }
    } else if let Some(flags) = raw.remap {
        match flags.iter().all(|flag| flag.from != 0) && !flags.is_empty() {
            true => Ok(OverrideAction::Remap(
                flags
                    .into_iter()
                    .map(|flag| Flag {
                        name: flag.name,
                        from: flag.from,
                        to: flag.to,
                    })
                    .collect(),
            )),
            false => Err(bad("remap", &"empty", "flags, each with a bit in `from`")),
        }
    } else if let Some(word) = raw.merge {
        match word.as_str() {
            "sum" => Ok(OverrideAction::MergeSum),
            _ => Err(bad("merge", &word, "\"sum\"")),
        }
    } else if let Some(function) = raw.call {
        match is_identifier(&function) {
            true => Ok(OverrideAction::Call {
                function,
                from: raw.from.unwrap_or_default(),
            }),
            false => Err(OverrideProblem::BadName {
                found: function,
                what: "function",
            }),
        }
    } else {
        Err(OverrideProblem::NoAction {
            field: field.clone(),
        })
    };
    match action {
        Ok(action) if problems.is_empty() => Ok(Override {
            index,
            line,
            field,
            action,
            reason: raw.reason,
            evidence: raw.evidence.unwrap_or_default(),
        }),
        Ok(_) => Err(problems),
        Err(problem) => {
            problems.push(problem);
            Err(problems)
        }
    }
}

fn is_identifier(name: &str) -> bool {
    syn::parse_str::<syn::Ident>(name).is_ok()
}
