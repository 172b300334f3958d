//! Decisions about flags by name: what becomes of a bit whose constant only one of two layouts
//! has, or has under another number.
//!
//! ```toml
//! [[flags]]
//! field = "task_struct.flags"
//! names = ["PF_USER_WORKER", "PF_KCOMPACTD"]
//! appears = { reason = "…" }
//! disappears = { drop = "only-if-initial", reason = "…" }
//! ```
//!
//! `fields` names several that are made of the same constants, the first of them of the file's type.
//!
//! Between which layouts a decision holds follows from the constants that these have. A flag that
//! is the same in both is carried, and nobody is asked, but for one that is `reset`.

use super::action::Places;
use super::name::{in_its_file, is_field, is_identifier};
use super::reason::{self, Cites};
use super::{FlagDirection, Function, OverrideProblem};
use serde::Deserialize;
use toml::Spanned;

/// What is done about a flag of a field, one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagDecision {
    /// Name of the file, in the family's folder.
    pub file: String,
    /// Line in it.
    pub line: usize,
    /// The field: `type.member`.
    pub field: String,
    /// Name of the constant.
    pub name: String,
    /// Which way.
    pub direction: FlagDirection,
    /// What is done.
    pub fate: FlagFate,
    /// Why.
    pub reason: String,
}

/// What becomes of a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlagFate {
    /// It is clear where it appears.
    Clear,
    /// It means what it meant, under another number.
    ByName,
    /// It has this name on the other side.
    Renamed(String),
    /// It is left out, and kept for the way back.
    Dropped {
        /// Whether it stops the conversion instead, where it is set.
        strict: bool,
        /// Flags that mean something else while this one is set, and go with it.
        with: Vec<String>,
    },
    /// Another member of the type says it under the new layout.
    Into(String),
    /// A function of people is told whether it was set, and says whether it is.
    Called(Box<Function>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFlags {
    field: Option<String>,
    fields: Option<Vec<String>>,
    names: Vec<String>,
    appears: Option<Spanned<RawFate>>,
    disappears: Option<Spanned<RawFate>>,
    renumbered: Option<Spanned<RawFate>>,
    reset: Option<Spanned<RawFate>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFate {
    drop: Option<String>,
    #[serde(default)]
    with: Vec<String>,
    into: Option<String>,
    rename: Option<String>,
    call: Option<String>,
    #[serde(default)]
    from: Vec<String>,
    #[serde(default)]
    offsets: Vec<String>,
    #[serde(default, rename = "new-offsets")]
    new_offsets: Vec<String>,
    #[serde(default)]
    constants: Vec<String>,
    #[serde(default, rename = "new-constants")]
    new_constants: Vec<String>,
    reason: String,
}

/// The decisions of one entry of `file`, or everything that is wrong with it, by line.
pub(super) fn read(
    file: &str,
    raw: RawFlags,
    line: usize,
    line_of: &dyn Fn(usize) -> usize,
) -> Result<Vec<FlagDecision>, Vec<(usize, OverrideProblem)>> {
    let mut problems = Vec::new();
    let fields = match (raw.field, raw.fields) {
        (Some(field), None) => vec![field],
        (None, Some(fields)) if fields.len() > 1 => fields,
        _ => {
            problems.push((line, OverrideProblem::FieldOrFields));
            Vec::new()
        }
    };
    for field in fields.iter().filter(|field| !is_field(field)) {
        let field = field.clone();
        problems.push((line, OverrideProblem::NotAField { field }));
    }
    // Fields of other types may be made of the same constants: what becomes of those is one decision.
    let first = fields.first().map(|field| in_its_file(field, file));
    problems.extend(first.and_then(Result::err).map(|problem| (line, problem)));
    let shown = fields.first().cloned().unwrap_or_default();
    let is_name = |name: &&String| !name.contains('.') && is_identifier(name);
    let wrong = raw.names.iter().find(|name| !is_name(name));
    if let Some(found) = wrong.cloned().or(raw.names.is_empty().then(String::new)) {
        problems.push((
            line,
            OverrideProblem::BadValue {
                field: shown.clone(),
                key: "names",
                found: format!("`{found}`"),
                expected: "names of constants",
            },
        ));
    }
    let names = raw.names;
    let given = [
        (FlagDirection::Appears, raw.appears),
        (FlagDirection::Disappears, raw.disappears),
        (FlagDirection::Renumbered, raw.renumbered),
        (FlagDirection::Reset, raw.reset),
    ];
    let mut decisions = Vec::new();
    let mut directions = Vec::new();
    for (direction, raw) in given {
        let Some(raw) = raw else { continue };
        directions.push(direction);
        let line = line_of(raw.span().start);
        let raw = raw.into_inner();
        // That a flag has another number a header says; what becomes of it, code.
        let cites = match direction {
            FlagDirection::Renumbered => Cites::Header,
            FlagDirection::Appears | FlagDirection::Disappears | FlagDirection::Reset => {
                Cites::Name
            }
        };
        let wrong = reason::wrong(&shown, &raw.reason, cites);
        problems.extend(wrong.map(|problem| (line, problem)));
        let reason = raw.reason.clone();
        match fate(&shown, direction, raw) {
            Err(problem) => problems.push((line, problem)),
            Ok(fate) => {
                for field in &fields {
                    decisions.extend(names.iter().map(|name| FlagDecision {
                        file: file.to_owned(),
                        line,
                        field: field.clone(),
                        name: name.clone(),
                        direction,
                        fate: fate.clone(),
                        reason: reason.clone(),
                    }));
                }
            }
        }
    }
    if directions.is_empty() {
        problems.push((
            line,
            OverrideProblem::NoDirection {
                field: shown,
                expected: "`appears`, `disappears`, `renumbered` or `reset`",
            },
        ));
    } else if directions.len() > 1 && directions.contains(&FlagDirection::Reset) {
        problems.push((line, OverrideProblem::ResetAndMore { field: shown }));
    }
    match problems.is_empty() {
        true => Ok(decisions),
        false => Err(problems),
    }
}

fn fate(field: &str, direction: FlagDirection, raw: RawFate) -> Result<FlagFate, OverrideProblem> {
    let bad = |key, found: String, expected| OverrideProblem::BadValue {
        field: field.to_owned(),
        key,
        found,
        expected,
    };
    let strict = match raw.drop.as_deref() {
        None => None,
        Some("always") => Some(false),
        Some("only-if-initial") => Some(true),
        Some(word) => {
            let expected = "\"only-if-initial\" or \"always\"";
            return Err(bad("drop", format!("`{word}`"), expected));
        }
    };
    if !raw.with.is_empty() && strict != Some(false) {
        let found = format!("`{}`", raw.with.join("`, `"));
        return Err(bad("with", found, "a `drop = \"always\"` beside it"));
    }
    if !raw.from.is_empty() && raw.call.is_none() {
        let found = format!("`{}`", raw.from.join("`, `"));
        return Err(bad("from", found, "a `call` beside it"));
    }
    let places = Places {
        offsets: raw.offsets,
        new_offsets: raw.new_offsets,
        constants: raw.constants,
        new_constants: raw.new_constants,
        ends: None,
    };
    if raw.call.is_none()
        && let Some(problem) = places.without_call(field)
    {
        return Err(problem);
    }
    use FlagDirection::{Appears, Disappears, Renumbered, Reset};
    match (direction, strict, raw.into, raw.rename, raw.call) {
        (Appears, None, None, None, None) => Ok(FlagFate::Clear),
        (Renumbered, None, None, None, None) => Ok(FlagFate::ByName),
        (Reset, None, None, None, None) => Ok(FlagFate::Dropped {
            strict: false,
            with: Vec::new(),
        }),
        (Disappears, Some(strict), None, None, None) => Ok(FlagFate::Dropped {
            strict,
            with: raw.with,
        }),
        (Disappears, None, Some(field), None, None) => Ok(FlagFate::Into(field)),
        (Appears | Disappears, None, None, Some(name), None) => Ok(FlagFate::Renamed(name)),
        (Appears | Disappears, None, None, None, Some(name)) => {
            Function::new(field, name, raw.from, places)
                .map(|function| FlagFate::Called(Box::new(function)))
        }
        _ => Err(OverrideProblem::ActionsOfFlag {
            field: field.to_owned(),
            direction,
        }),
    }
}

impl FlagDecision {
    /// Where the decision stands, for a message.
    pub fn place(&self) -> String {
        format!("line {} of {}", self.line, self.file)
    }
}
