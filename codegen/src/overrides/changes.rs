//! Decisions by the change of a field, for a whole family of kernels.
//!
//! `converters/overrides/FAMILY/TYPE.toml` has an entry for each change that ever happened to a
//! saved field of the type, with both directions:
//!
//! ```toml
//! [[change]]
//! field = "task_struct.user_dumpable"
//! appears = { init = 0, reason = "…" }
//! disappears = { drop = "always", reason = "…" }
//! ```
//!
//! Which of them hold between two layouts follows from what the two have ([`Changes::between`]);
//! no entry names a release. The files are read strictly, and all that is wrong with them is
//! reported at once, but for what is not TOML of this shape, where the first error of a file is
//! all that is reported of it. What no file alone shows is held against all layouts of the family
//! by [`super::Family`].

use super::action::{RawScale, written};
use super::condition::{RawCondition, Stated, When, is_there};
use super::flags::{self, FlagDecision, FlagFate, RawFlags};
use super::functions::{self, Call, Functions, NoSources};
use super::name::{in_its_file, is_field};
use super::reason::{self, Cites};
use super::{Direction, Init, Origin, Override, OverrideAction, OverrideProblem, Overrides};
use kernel_structs::layout::Layout;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// The folder of a project with its steps, and with the decisions.
pub const CONVERTERS: &str = "converters";

/// The folder with a folder for each family, beside those of the steps.
pub const FOLDER: &str = "overrides";

/// All decisions of a family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// In the order of the files' names, and of each file.
    pub entries: Vec<Change>,
    /// What is decided of flags by name, in the same order.
    pub flags: Vec<FlagDecision>,
}

/// What happened to a field, or alike to several of one type, and what that means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Name of the file, in the family's folder.
    pub file: String,
    /// Line in it.
    pub line: usize,
    /// The fields: `type.member`.
    pub fields: Vec<String>,
    /// Between which layouts the change lies.
    pub when: When,
    /// What is done, at most once for each direction.
    pub directions: Vec<Directed>,
}

/// What is done in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directed {
    /// The direction.
    pub direction: Direction,
    /// Line in the file.
    pub line: usize,
    /// The member that is decided, where it is another one of the same type: what a field that
    /// disappears goes into.
    pub into: Option<String>,
    /// What is done: one action, or an `init` and a `drop`.
    pub actions: Vec<OverrideAction>,
    /// Why.
    pub reason: String,
    /// The change in the kernel's source behind it; empty where there is none.
    pub evidence: String,
}

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeFinding {
    /// Name of the file, in the family's folder.
    pub file: String,
    /// Line in it, from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: OverrideProblem,
}

impl ChangeFinding {
    /// It, with the path of its file in the family's folder.
    pub fn within(&self, folder: &Path) -> String {
        let file = folder.join(&self.file);
        format!("{}:{}: {}", file.display(), self.line, self.problem)
    }
}

/// Why the decisions of a family cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ChangesError {
    /// Entries are wrong.
    #[error("{}", findings.iter().map(|one| one.within(folder)).collect::<Vec<_>>().join("\n"))]
    Findings {
        /// The folder of the family.
        folder: PathBuf,
        /// What is wrong.
        findings: Vec<ChangeFinding>,
    },
    /// A source of the functions that decisions call is no Rust.
    #[error("{}:{line}: this is no Rust: {said}; which functions decisions can call is read from it", path.display())]
    NotRust {
        /// The file.
        path: PathBuf,
        /// Line in it, from 1.
        line: usize,
        /// What is wrong there.
        said: String,
    },
    /// A file that cannot be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    change: Vec<Spanned<RawChange>>,
    #[serde(default)]
    flags: Vec<Spanned<RawFlags>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChange {
    field: Option<String>,
    fields: Option<Vec<String>>,
    one: Option<RawCondition>,
    other: Option<RawCondition>,
    elements: Option<String>,
    appears: Option<Spanned<RawDirected>>,
    disappears: Option<Spanned<RawDirected>>,
    #[serde(rename = "to-one")]
    to_one: Option<Spanned<RawDirected>>,
    #[serde(rename = "to-other")]
    to_other: Option<Spanned<RawDirected>>,
    fewer: Option<Spanned<RawDirected>>,
    more: Option<Spanned<RawDirected>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDirected {
    into: Option<String>,
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

impl Changes {
    /// Reads the decisions of `family` in `folder`, which has a folder for each family. Without
    /// one there are none.
    ///
    /// # Errors
    /// [`ChangesError`].
    pub fn read(folder: &Path, family: &str) -> Result<Changes, ChangesError> {
        let (root, folder) = (folder, folder.join(family));
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |error| ChangesError::Io { path, error }
        };
        if !folder.is_dir() {
            return Ok(Changes::default());
        }
        let wrong = |findings| ChangesError::Findings {
            folder: folder.clone(),
            findings,
        };
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(&folder).map_err(fail(&folder))? {
            let name = entry.map_err(fail(&folder))?.file_name();
            let name = name.to_string_lossy().into_owned();
            // What is hidden is an editor's.
            if name.ends_with(".toml") && !name.starts_with('.') {
                names.insert(name);
            }
        }
        let mut files = Vec::new();
        for name in names {
            let path = folder.join(&name);
            let text = fs::read_to_string(&path).map_err(fail(&path))?;
            files.push((name, text));
        }
        let mut changes = Changes::parse(
            files
                .iter()
                .map(|(name, text)| (name.as_str(), text.as_str())),
        )
        .map_err(wrong)?;
        let known = functions::known(root, family).map_err(|error| match error {
            NoSources::Io(path, error) => ChangesError::Io { path, error },
            NoSources::NotRust { path, line, said } => ChangesError::NotRust { path, line, said },
        })?;
        let missing = match &known {
            Some(known) => changes.wrong_calls(known),
            None => Vec::new(),
        };
        if let Some(known) = &known {
            changes.look_up(known);
        }
        match missing.is_empty() {
            true => Ok(changes),
            false => Err(wrong(missing)),
        }
    }

    /// Reads files by name, each `TYPE.toml`.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn parse<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Changes, Vec<ChangeFinding>> {
        let mut changes = Changes::default();
        let mut findings = Vec::new();
        for (name, text) in files {
            let finding = |(line, problem)| ChangeFinding {
                file: name.to_owned(),
                line,
                problem,
            };
            match file(name, text) {
                Ok((entries, flags)) => {
                    changes.entries.extend(entries);
                    changes.flags.extend(flags);
                }
                Err(problems) => findings.extend(problems.into_iter().map(finding)),
            }
        }
        match findings.is_empty() {
            true => Ok(changes),
            false => Err(findings),
        }
    }

    /// Looks up how the functions are declared that make fields.
    fn look_up(&mut self, known: &Functions) {
        let directions = self
            .entries
            .iter_mut()
            .flat_map(|change| &mut change.directions);
        for action in directions.flat_map(|directed| &mut directed.actions) {
            if let OverrideAction::Call(function) = action {
                function.signature = known.signature(Call::OfField(function));
            }
        }
    }

    /// The calls of functions that are not there, or are declared for other arguments, each once.
    fn wrong_calls(&self, known: &Functions) -> Vec<ChangeFinding> {
        let of_changes = self.entries.iter().flat_map(|change| {
            change.directions.iter().flat_map(move |directed| {
                let called = directed.actions.iter().filter_map(|action| match action {
                    OverrideAction::Call(function) => Some(Call::OfField(function)),
                    _ => None,
                });
                called.map(move |call| (&change.file, directed.line, call))
            })
        });
        let of_flags = self.flags.iter().filter_map(|flag| match &flag.fate {
            FlagFate::Called(function) => Some((&flag.file, flag.line, Call::OfFlag(function))),
            _ => None,
        });
        let mut findings: Vec<ChangeFinding> = of_changes
            .chain(of_flags)
            .filter_map(|(file, line, call)| {
                Some(ChangeFinding {
                    file: file.clone(),
                    line,
                    problem: known.wrong(call)?,
                })
            })
            .collect();
        findings.dedup();
        findings
    }

    /// The families that `folder` has decisions of: the names of the folders in it that have files
    /// of them.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn families(folder: &Path) -> Result<Vec<String>, ChangesError> {
        let fail = |error| ChangesError::Io {
            path: folder.to_owned(),
            error,
        };
        let mut families = BTreeSet::new();
        if folder.is_dir() {
            for entry in fs::read_dir(folder).map_err(fail)? {
                let entry = entry.map_err(fail)?;
                let is_decisions =
                    |path: PathBuf| path.extension().is_some_and(|end| end == "toml");
                let files = match entry.path().is_dir() {
                    true => fs::read_dir(entry.path()).map_err(fail)?.collect(),
                    false => Ok(Vec::new()),
                };
                let files: Vec<fs::DirEntry> = files.map_err(fail)?;
                if files.iter().any(|file| is_decisions(file.path())) {
                    families.insert(entry.file_name().to_string_lossy().into_owned());
                }
            }
        }
        Ok(families.into_iter().collect())
    }

    /// All decisions, whatever layouts they hold for.
    pub fn all(&self) -> impl Iterator<Item = Override> {
        let changes = self.entries.iter().enumerate();
        changes.flat_map(|(number, change)| {
            change.directions.iter().flat_map(move |directed| {
                let fields = change.fields.iter();
                fields.flat_map(move |field| change.overrides(number, directed, field))
            })
        })
    }

    /// The decisions that hold for a conversion from one layout to another. Both are the stored
    /// ones, with all arms of their unions.
    ///
    /// A field that another one becomes is not gone, and that one is not new: what is said of a field
    /// that `appears` or `disappears`, and of no other, does not hold beside a decision that says where
    /// the value goes.
    pub fn between(&self, from: &Layout, to: &Layout) -> Overrides {
        let changes = self.entries.iter().enumerate();
        let held: Vec<(usize, &Change, &String, &Directed)> = changes
            .flat_map(|(number, change)| {
                change.fields.iter().filter_map(move |field| {
                    Some((number, change, field, change.held(field, from, to)?))
                })
            })
            .collect();
        let (mut made, mut read) = (BTreeSet::new(), BTreeSet::new());
        for (.., field, directed) in &held {
            let sources = directed.sources(field);
            if !sources.is_empty() {
                made.insert(directed.field(field));
                read.extend(sources);
            }
        }
        let mut entries = Vec::new();
        for (number, change, field, directed) in held {
            let is_plain = change.when == When::Field && directed.sources(field).is_empty();
            let yields = match directed.direction {
                Direction::Appears => made.contains(&directed.field(field)),
                Direction::Disappears => read.contains(field),
                _ => false,
            };
            if is_plain && yields {
                continue;
            }
            for entry in change.overrides(number, directed, field) {
                let index = entries.len();
                entries.push(Override { index, ..entry });
            }
        }
        Overrides {
            entries,
            flags: self.flags.clone(),
        }
    }
}

impl Change {
    fn overrides(
        &self,
        number: usize,
        directed: &Directed,
        field: &str,
    ) -> impl Iterator<Item = Override> {
        directed.actions.iter().map(move |action| Override {
            index: 0,
            line: directed.line,
            origin: Some(Origin {
                change: number,
                direction: directed.direction,
                file: self.file.clone(),
            }),
            field: directed.field(field),
            action: action.clone(),
            reason: directed.reason.clone(),
            evidence: directed.evidence.clone(),
            back: self.back(directed),
        })
    }

    /// What a field that disappears gets when it appears again.
    fn back(&self, directed: &Directed) -> Option<Init> {
        if directed.direction != Direction::Disappears {
            return None;
        }
        let mut directions = self.directions.iter();
        let appears = directions.find(|other| other.direction == Direction::Appears)?;
        match appears.actions.as_slice() {
            [OverrideAction::Init(init)] => Some(init.clone()),
            _ => None,
        }
    }

    /// What is done about `field` from one layout to another.
    fn held<'a>(&'a self, field: &str, from: &Layout, to: &Layout) -> Option<&'a Directed> {
        let direction = self.when.direction(field, from, to)?;
        let mut directions = self.directions.iter();
        let directed = directions.find(|directed| directed.direction == direction)?;
        // Where there is nothing to make it of, or nothing to make of it, the field is new, or gone, in
        // another way.
        let is_between = || {
            let sources = directed.sources(field);
            let has_all = sources.iter().all(|source| is_there(from, source));
            sources.is_empty() || has_all && is_there(to, &directed.field(field))
        };
        (self.when != When::Field || is_between()).then_some(directed)
    }
}

impl Directed {
    /// The field that is decided, for a change of `field`.
    pub(crate) fn field(&self, field: &str) -> String {
        match (&self.into, field.split_once('.')) {
            (Some(into), Some((ty, _))) => format!("{ty}.{into}"),
            _ => field.to_owned(),
        }
    }

    /// The old fields, as `type.member`, that the value of another one is made of, for a change of `field`.
    pub(crate) fn sources(&self, field: &str) -> Vec<String> {
        let decided = self.field(field);
        let Some((ty, _)) = decided.split_once('.') else {
            return Vec::new();
        };
        // Whether a flag is set is asked of its member.
        let names = self.actions.iter().flat_map(OverrideAction::reads);
        let members = names.filter_map(|name| name.split(':').next());
        let sources = members.map(|member| format!("{ty}.{member}"));
        sources.filter(|source| *source != decided).collect()
    }
}

/// What a file decides of fields, and of flags.
type Decided = (Vec<Change>, Vec<FlagDecision>);

fn file(name: &str, text: &str) -> Result<Decided, Vec<(usize, OverrideProblem)>> {
    let line = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    let raw: RawFile = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line(span.start));
        vec![(line, OverrideProblem::Toml(error.message().to_owned()))]
    })?;
    let mut entries = Vec::new();
    let mut problems = Vec::new();
    for spanned in raw.change {
        let at = line(spanned.span().start);
        match entry(name, spanned.into_inner(), at, &line) {
            Ok(entry) => entries.push(entry),
            Err(found) => problems.extend(found),
        }
    }
    let mut decided = Vec::new();
    for spanned in raw.flags {
        let at = line(spanned.span().start);
        match flags::read(name, spanned.into_inner(), at, &line) {
            Ok(flags) => decided.extend(flags),
            Err(found) => problems.extend(found),
        }
    }
    match problems.is_empty() {
        true => Ok((entries, decided)),
        false => Err(problems),
    }
}

fn entry(
    file: &str,
    raw: RawChange,
    line: usize,
    line_of: &dyn Fn(usize) -> usize,
) -> Result<Change, Vec<(usize, OverrideProblem)>> {
    let mut problems = Vec::new();
    let fields = match (raw.field, raw.fields) {
        (Some(field), None) => vec![field],
        (None, Some(fields)) if fields.len() > 1 => fields,
        _ => {
            problems.push((line, OverrideProblem::FieldOrFields));
            Vec::new()
        }
    };
    for field in &fields {
        let right = match is_field(field) {
            true => in_its_file(field, file),
            false => Err(OverrideProblem::NotAField {
                field: field.clone(),
            }),
        };
        problems.extend(right.err().map(|problem| (line, problem)));
    }
    let shown = fields.first().cloned().unwrap_or_default();
    let given = [
        (Direction::Appears, raw.appears),
        (Direction::Disappears, raw.disappears),
        (Direction::ToOne, raw.to_one),
        (Direction::ToOther, raw.to_other),
        (Direction::Fewer, raw.fewer),
        (Direction::More, raw.more),
    ];
    let stated = Stated {
        one: raw.one,
        other: raw.other,
        elements: raw.elements,
    };
    let there = given.iter().filter(|(_, directed)| directed.is_some());
    let there: Vec<Direction> = there.map(|(direction, _)| *direction).collect();
    let when = stated.when(&shown, &there).unwrap_or_else(|found| {
        problems.extend(found.into_iter().map(|problem| (line, problem)));
        When::Field
    });
    let mut directions = Vec::new();
    for (direction, spanned) in given {
        let Some(spanned) = spanned else { continue };
        let at = line_of(spanned.span().start);
        match directed(&shown, direction, at, spanned.into_inner()) {
            Ok(directed) => directions.push(directed),
            Err(found) => problems.extend(found.into_iter().map(|problem| (at, problem))),
        }
    }
    problems.extend(units(&shown, &when, &directions).map(|problem| (line, problem)));
    for directed in &directions {
        let into_itself =
            |field: &&String| directed.into.is_some() && directed.field(field) == **field;
        if let Some(field) = fields.iter().find(into_itself) {
            let problem = OverrideProblem::IntoItself {
                field: field.clone(),
                direction: directed.direction,
            };
            problems.push((directed.line, problem));
        }
    }
    match problems.is_empty() {
        true => Ok(Change {
            file: file.to_owned(),
            line,
            fields,
            when,
            directions,
        }),
        false => Err(problems),
    }
}

/// What is wrong with the units of a field: another one in one direction alone, where the other would
/// carry the number of a field that both layouts have as it is, or two that do not lead back.
fn units(field: &str, when: &When, directions: &[Directed]) -> Option<OverrideProblem> {
    let field = field.to_owned();
    let rest = |directed: &Directed| directed.actions.iter().find_map(OverrideAction::rest);
    match (when, directions) {
        (When::Told { .. } | When::Elements { .. }, [only]) if rest(only).is_some() => {
            return Some(OverrideProblem::OneWayRest {
                field,
                direction: only.direction,
            });
        }
        (_, [there, back]) => {
            if let (Some(there), Some(back)) = (rest(there), rest(back))
                && there != back
            {
                return Some(OverrideProblem::TwoRests { field, there, back });
            }
        }
        _ => {}
    }
    let scale = |directed: &Directed| directed.actions.iter().find_map(OverrideAction::unit);
    // A name alone leaves the number as it is.
    let unit = |directed: &Directed| match directed.actions.as_slice() {
        [OverrideAction::Rename { .. }] => Some((1, 1, 0)),
        _ => scale(directed),
    };
    match (when, directions) {
        (When::Told { .. } | When::Elements { .. }, [only]) => {
            scale(only).map(|_| OverrideProblem::OneWayUnit {
                field,
                direction: only.direction,
            })
        }
        (_, [there, back]) => {
            let (there, back) = (unit(there)?, unit(back)?);
            let [
                (multiply, divide, offset),
                (back_multiply, back_divide, back_offset),
            ] = [there, back].map(|(multiply, divide, offset)| {
                (i128::from(multiply), i128::from(divide), i128::from(offset))
            });
            // A number times the first, and of that the second.
            let leads_back = multiply * back_multiply == divide * back_divide
                && offset * back_multiply == -back_offset * back_divide;
            (!leads_back).then_some(OverrideProblem::UnitWithoutWayBack { field })
        }
        _ => None,
    }
}

fn directed(
    field: &str,
    direction: Direction,
    line: usize,
    raw: RawDirected,
) -> Result<Directed, Vec<OverrideProblem>> {
    let mut problems = Vec::new();
    problems.extend(reason::wrong(field, &raw.reason, Cites::Name));
    let (into, reason, evidence) = (raw.into.clone(), raw.reason.clone(), raw.evidence.clone());
    let actions = match written!(raw).actions(field) {
        Ok(actions) => actions,
        Err(found) => {
            problems.extend(found);
            return Err(problems);
        }
    };
    let replaces = matches!(
        actions.as_slice(),
        [OverrideAction::Init(_), OverrideAction::Drop { .. }]
    ) && !matches!(direction, Direction::Appears | Direction::Disappears);
    if actions.len() != 1 && !replaces {
        problems.push(OverrideProblem::ActionsOfDirection {
            field: field.to_owned(),
            direction,
            actions: actions.iter().map(OverrideAction::name).collect(),
        });
    }
    match problems.is_empty() {
        true => Ok(Directed {
            direction,
            line,
            into,
            actions,
            reason,
            evidence: evidence.unwrap_or_default(),
        }),
        false => Err(problems),
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Appears => "appears",
            Direction::Disappears => "disappears",
            Direction::ToOne => "to-one",
            Direction::ToOther => "to-other",
            Direction::Fewer => "fewer",
            Direction::More => "more",
        })
    }
}

impl fmt::Display for ChangeFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}: {}", self.file, self.line, self.problem)
    }
}
