//! What is left to decide between two releases.

use crate::chain::{Difference, What};
use crate::family::Family;
use crate::generate::{self, Findings, GenerateError};
use crate::needed::stale;
use crate::overrides::{self, Changes, OverrideFinding, Overrides, OverridesFile};
use crate::plan::{Made, Pair, Plan, Undecided};
use crate::routes::{Edge, Routes};
use crate::scaffold::{SelectError, Selected, Selection};
use crate::show;
use crate::steps::STEP;
use kconv_rules::{RuleKind, Source};
use kernel_structs::releases::Registry;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The state of every pair that two names mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The first name.
    pub from: String,
    /// The second name.
    pub to: String,
    /// Pairs of releases that share a layout.
    pub alike: Vec<(String, String)>,
    /// The others.
    pub pairs: Vec<PairStatus>,
    /// What is wrong with the decisions of their families, whatever pair those are for, by file.
    pub decisions: Vec<(PathBuf, Findings)>,
}

/// The state of one pair of releases.
#[derive(Clone, Debug, PartialEq)]
pub struct PairStatus {
    /// The release converted from.
    pub from: String,
    /// The release converted to.
    pub to: String,
    /// The conversions on the way; one without a folder if there is no way.
    pub steps: Vec<Step>,
    /// What a chain does in another way than a direct conversion would.
    pub differences: Vec<Difference>,
}

/// One conversion.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The release converted from.
    pub from: String,
    /// The release converted to.
    pub to: String,
    /// The step's folder; `None` if there is none yet.
    pub dir: Option<PathBuf>,
    /// Fields decided by the generator's own rules.
    pub automatic: usize,
    /// Fields decided by the state map.
    pub state_map: usize,
    /// Fields decided by overrides.
    pub overrides: usize,
    /// Fields left.
    pub undecided: Vec<Undecided>,
    /// What is wrong with the overrides that are there.
    pub findings: Vec<OverrideFinding>,
}

impl Status {
    /// Whether nothing is left to decide.
    pub fn is_complete(&self) -> bool {
        let step = |step: &Step| {
            step.dir.is_some() && step.undecided.is_empty() && step.findings.is_empty()
        };
        let pair = |pair: &PairStatus| pair.differences.is_empty() && pair.steps.iter().all(step);
        self.decisions.is_empty() && self.pairs.iter().all(pair)
    }
}

/// The state of `selection`, with the steps in the folder `converters`, if there is one, and with
/// what [`generate`] finds wrong with the decisions of its families.
///
/// # Errors
/// As [`ways`].
pub fn status(
    registry: &Registry,
    selection: &Selection<'_>,
    converters: &Path,
) -> Result<Status, SelectError> {
    let folder = converters.join(overrides::FOLDER);
    generate::known_families(registry, &folder)?;
    let families = families(registry, selection)?;
    let mut status = known_ways(registry, selection, converters)?;
    for (name, family) in families {
        let changes = Changes::read(&folder, name).map_err(GenerateError::from)?;
        let (wrong, _) = generate::of_family(&folder.join(name), &family, &changes);
        status.decisions.extend(wrong);
    }
    Ok(status)
}

/// The families of `selection`, whose maps fit their layouts.
fn families<'a>(
    registry: &Registry,
    selection: &'a Selection<'_>,
) -> Result<BTreeMap<&'a str, Family>, GenerateError> {
    let mut families = BTreeMap::new();
    for pair in &selection.pairs {
        let name = pair.from.family;
        if !families.contains_key(name) {
            let family = Family::read(registry, name)?;
            family.check_map(name)?;
            families.insert(name, family);
        }
    }
    Ok(families)
}

/// The state of the pairs of `selection` alone. A pair without a step of its own is looked for as a
/// chain of others, the shortest first.
///
/// # Errors
/// If a step or a layout cannot be read. Errors in the steps' decisions are findings of the
/// pairs that need them; a step whose file cannot be understood at all is an error.
pub fn ways(
    registry: &Registry,
    selection: &Selection<'_>,
    converters: &Path,
) -> Result<Status, SelectError> {
    families(registry, selection)?;
    known_ways(registry, selection, converters)
}

fn known_ways(
    registry: &Registry,
    selection: &Selection<'_>,
    converters: &Path,
) -> Result<Status, SelectError> {
    let routes = Routes::read(registry, converters)?;
    let folder = converters.join(overrides::FOLDER);
    let mut pairs = Vec::new();
    // Ways between several pairs have most of their steps in common.
    let mut known: BTreeMap<(&Path, &(String, String)), Step> = BTreeMap::new();
    for pair in &selection.pairs {
        let (from, to) = (&pair.from.release, &pair.to.release);
        let steps = match routes.way(&from.layout, &to.layout) {
            Some(way) => way
                .into_iter()
                .map(|edge| match known.entry((&edge.dir, &edge.releases)) {
                    Entry::Occupied(known) => Ok(known.get().clone()),
                    Entry::Vacant(new) => {
                        let step = step(registry, edge, routes.file(edge), &folder)?;
                        Ok(new.insert(step).clone())
                    }
                })
                .collect::<Result<_, SelectError>>()?,
            None => vec![without_step(registry, pair, &folder)?],
        };
        pairs.push(PairStatus {
            from: from.name.clone(),
            to: to.name.clone(),
            steps,
            differences: Vec::new(),
        });
    }
    let between: Vec<(&str, &str)> = selection
        .pairs
        .iter()
        .map(|pair| (&*pair.from.release.name, &*pair.to.release.name))
        .collect();
    for (pair, differences) in pairs.iter_mut().zip(routes.differences(&between)?) {
        pair.differences = differences;
    }
    Ok(Status {
        from: selection.from.clone(),
        to: selection.to.clone(),
        alike: selection.alike.clone(),
        pairs,
        decisions: Vec::new(),
    })
}

fn step(
    registry: &Registry,
    edge: &Edge,
    file: &OverridesFile,
    folder: &Path,
) -> Result<Step, GenerateError> {
    let changes = Changes::read(folder, &file.family)?;
    let map = registry.state_map(&file.family)?;
    let mut all: Vec<(bool, Made)> = Vec::new();
    let mut findings = Vec::new();
    for entry in &file.pairs {
        let (from, to) = (
            generate::end(registry, &entry.from)?,
            generate::end(registry, &entry.to)?,
        );
        let this = (entry.from == edge.releases.0) && (entry.to == edge.releases.1);
        if this {
            findings.extend(generate::check_pins(entry, (&from, &to)));
        }
        let (overrides, twice) = generate::decided(&file.overrides, &changes, (&from, &to));
        if this {
            findings.extend(twice);
        }
        let made = make(
            &file.converter,
            &from.release.arch,
            (from.side(), to.side()),
            &map,
            &overrides,
        );
        all.push((this, made));
    }
    let made: Vec<&Made> = all.iter().map(|(_, made)| made).collect();
    findings.extend(stale(&file.overrides, &made));
    let this = all
        .into_iter()
        .find_map(|(this, made)| this.then_some(made));
    let mut step = Step {
        from: edge.releases.0.clone(),
        to: edge.releases.1.clone(),
        dir: Some(edge.dir.clone()),
        automatic: 0,
        state_map: 0,
        overrides: 0,
        undecided: Vec::new(),
        findings,
    };
    if let Some(made) = this {
        count(&mut step, made);
    }
    Ok(step)
}

fn without_step(
    registry: &Registry,
    pair: &Selected<'_>,
    folder: &Path,
) -> Result<Step, GenerateError> {
    let changes = Changes::read(folder, pair.from.family)?;
    let overrides = changes.between(&pair.from.layout, &pair.to.layout);
    let map = registry.state_map(pair.from.family)?;
    let sides = (pair.from.side(), pair.to.side());
    let machine = &pair.from.release.arch;
    let made = make("none", machine, sides, &map, &overrides);
    let mut step = Step {
        from: pair.from.release.name.clone(),
        to: pair.to.release.name.clone(),
        dir: None,
        automatic: 0,
        state_map: 0,
        overrides: 0,
        undecided: Vec::new(),
        findings: Vec::new(),
    };
    count(&mut step, made);
    Ok(step)
}

fn make(
    converter: &str,
    machine: &str,
    (from, to): (crate::plan::Side<'_>, crate::plan::Side<'_>),
    map: &kernel_structs::state::StateMap,
    overrides: &Overrides,
) -> Made {
    Plan::make(&Pair {
        converter,
        machine,
        from,
        to,
        map,
        overrides,
    })
}

fn count(step: &mut Step, made: Made) {
    for ty in made.plan.types.values() {
        for field in ty.fields.iter().chain(&ty.drops) {
            match field.source {
                _ if field.rule == RuleKind::Padding => {}
                Source::Automatic => step.automatic += 1,
                Source::StateMap => step.state_map += 1,
                Source::Override => step.overrides += 1,
            }
        }
    }
    step.undecided = made.undecided;
}

/// A status as text. What to do next is its last line.
pub fn text(status: &Status) -> String {
    // Writing to a string cannot fail.
    let mut text = String::new();
    for (from, to) in &status.alike {
        let _ = writeln!(text, "{from} -> {to}: one layout, nothing to convert");
    }
    let mut missing = Vec::new();
    for pair in &status.pairs {
        let steps = match pair.steps.as_slice() {
            [Step { dir: None, .. }] => "no converter".to_owned(),
            [_] => "one step".to_owned(),
            steps => format!("{} steps", steps.len()),
        };
        let _ = writeln!(text, "{} -> {}: {steps}", pair.from, pair.to);
        for step in &pair.steps {
            let by = match &step.dir {
                Some(dir) => dir.display().to_string(),
                None => "without a converter".to_owned(),
            };
            let _ = writeln!(
                text,
                "  {} -> {}, {by}\n    fields decided: {} automatically, {} by the state map, {} by overrides; undecided: {}",
                step.from,
                step.to,
                step.automatic,
                step.state_map,
                step.overrides,
                step.undecided.len()
            );
            for undecided in &step.undecided {
                let _ = writeln!(text, "    {undecided}");
            }
            for finding in &step.findings {
                let _ = writeln!(text, "    {STEP}, {finding}");
            }
            if step.dir.is_none() && missing.is_empty() {
                missing.push(format!("kconv-gen new {} {}", status.from, status.to));
            }
        }
        for difference in &pair.differences {
            let step = match difference.what {
                What::Lost { step } | What::Initial { step } | What::Narrower { step } => {
                    pair.steps.get(step)
                }
                What::Elsewhere | What::Kept | What::Counted | What::Called => None,
            };
            let at = step.map_or(String::new(), |step| {
                format!(", between {} and {}", step.from, step.to)
            });
            let _ = writeln!(
                text,
                "  {difference}{at}; a direct conversion would do otherwise"
            );
        }
        if !pair.differences.is_empty() && missing.is_empty() {
            missing.push(format!("kconv-gen new {} {}", status.from, status.to));
        }
    }
    for (file, findings) in &status.decisions {
        text.push_str(&show::findings(&file.display().to_string(), findings));
    }
    match missing.first() {
        Some(command) => {
            let _ = writeln!(text, "Make the converter: {command}");
        }
        None if status.is_complete() => {
            let _ = writeln!(
                text,
                "Nothing is left to decide from {} to {}; `kconv-gen generate` looks at all other ways.",
                status.from, status.to
            );
        }
        None => {
            let steps = || status.pairs.iter().flat_map(|pair| &pair.steps);
            let wrong: BTreeSet<&Path> = steps()
                .filter(|step| !step.findings.is_empty())
                .filter_map(|step| step.dir.as_deref())
                .collect();
            for folder in &wrong {
                let _ = writeln!(text, "Correct {}.", folder.join(STEP).display());
            }
            let undecided = || steps().flat_map(|step| &step.undecided);
            let is_for_map = undecided().any(|open| open.why.is_for_state_map());
            if is_for_map {
                let maps = generate::STATES;
                let _ = writeln!(text, "Complete the state map in {maps}.");
            }
            let is_open = !status.decisions.is_empty()
                || undecided().any(|open| !open.why.is_for_state_map())
                || status.pairs.iter().any(|pair| !pair.differences.is_empty());
            if is_open || !is_for_map && wrong.is_empty() {
                let folder = overrides::FOLDER;
                let _ = writeln!(text, "Decide the rest in converters/{folder}.");
            }
        }
    }
    text
}
