//! The decisions of a family held against all of its layouts at once.
//!
//! One pair of layouts shows whether its own decisions are enough. Whether a decision is needed at
//! all, and whether every conversion that anybody may ask for is decided, only all pairs show.

use crate::ctype;
use crate::family::{Family, Stored};
use crate::overrides::{
    ChangeFinding, Changes, Direction, FlagDecision, FlagDirection, Override, OverrideProblem,
    Overrides, is_there,
};
use crate::plan::{Needs, Pair, Plan, Prepared, Undecided, Why};
use kernel_structs::layout::{Layout, Type, TypeId};
use kernel_structs::nearest::nearest;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread;

/// What is wrong with the decisions of a family.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FamilyFindings {
    /// Entries that are wrong, in the order of the files.
    pub changes: Vec<ChangeFinding>,
    /// Fields that are undecided, with the names of the two layouts.
    pub undecided: Vec<((String, String), Undecided)>,
}

/// One direction of an entry, for one of its fields.
type Use = (usize, Direction, String);

/// How the pairs of layouts fared that hold an entry: whether any carries it out, and of the first
/// that does not, its error.
#[derive(Default)]
struct Fared {
    carried_out: bool,
    failed: Option<ChangeFinding>,
}

impl Fared {
    fn add(&mut self, failed: Option<ChangeFinding>) {
        match failed {
            None => self.carried_out = true,
            failed if self.failed.is_none() => self.failed = failed,
            Some(_) => {}
        }
    }

    /// The error of an entry that no pair carries out.
    fn everywhere(self) -> Option<ChangeFinding> {
        self.failed.filter(|_| !self.carried_out)
    }
}

/// A pair of layouts, the decisions between them, and what their plan needs of those.
type OfPair<'f> = ((&'f Stored, &'f Stored), Overrides, Needs);

impl Family {
    /// Makes the plan of every pair of layouts, both ways, and reports every entry that no pair
    /// has, that none needs, or that none of those that have it can carry out, and every field that is undecided.
    pub fn check(&self, changes: &Changes) -> FamilyFindings {
        let mut findings = FamilyFindings::default();
        let mut held: BTreeSet<Use> = BTreeSet::new();
        let mut needed: BTreeSet<Use> = BTreeSet::new();
        let mut needed_flags: BTreeSet<usize> = BTreeSet::new();
        let mut contradicted: BTreeSet<Use> = BTreeSet::new();
        let mut twice: BTreeMap<(usize, usize, Direction, String), ChangeFinding> = BTreeMap::new();
        let mut fared: BTreeMap<Use, Fared> = BTreeMap::new();
        let mut flags_fared: BTreeMap<usize, Fared> = BTreeMap::new();
        for (pair, overrides, made) in self.made(changes) {
            let (from, to) = pair;
            let mut seen: BTreeMap<(&str, bool), &Override> = BTreeMap::new();
            for entry in &overrides.entries {
                let Some(origin) = &entry.origin else {
                    continue;
                };
                let this = (origin.change, origin.direction, entry.field.clone());
                held.insert(this.clone());
                fared
                    .entry(this)
                    .or_default()
                    .add(failure(entry, pair, &made));
                let Some(first) = seen.insert((&entry.field, entry.is_drop()), entry) else {
                    continue;
                };
                contradicted.insert((origin.change, origin.direction, entry.field.clone()));
                let other = first.origin.as_ref().map_or(0, |origin| origin.change);
                twice
                    .entry((other, origin.change, origin.direction, entry.field.clone()))
                    .or_insert_with(|| ChangeFinding {
                        file: origin.file.clone(),
                        line: entry.line,
                        problem: OverrideProblem::TwoChanges {
                            field: entry.field.clone(),
                            from: from.id.clone(),
                            to: to.id.clone(),
                            place: first.place(),
                        },
                    });
            }
            for index in &made.flags {
                let decision = changes.flags.get(*index);
                let failed = decision.and_then(|decision| flag_failure(decision, pair, &made));
                flags_fared.entry(*index).or_default().add(failed);
            }
            needed_flags.extend(&made.flags);
            for index in made.entries {
                let entry = overrides.entries.get(index);
                if let Some((entry, origin)) = entry.and_then(|e| Some((e, e.origin.as_ref()?))) {
                    needed.insert((origin.change, origin.direction, entry.field.clone()));
                }
            }
            let names = (from.id.clone(), to.id.clone());
            let undecided = made.undecided.into_iter();
            findings
                .undecided
                .extend(undecided.map(|undecided| (names.clone(), undecided)));
        }
        // The second of two that contradict each other is not needed, which is not what is wrong.
        needed.extend(contradicted);
        findings.changes = self.stale(changes, &held, &needed);
        findings.changes.extend(twice.into_values());
        findings
            .changes
            .extend(self.stale_flags(changes, &needed_flags));
        let failed = fared.into_values().chain(flags_fared.into_values());
        for failed in failed.filter_map(Fared::everywhere) {
            // A direction of several fields has one error where they are alike.
            if !findings.changes.contains(&failed) {
                findings.changes.push(failed);
            }
        }
        findings
    }

    /// What is undecided between releases of one layout, for which there are no decisions, with the layout's
    /// name twice: what several layouts have alike, once.
    pub fn undecided_alone(&self) -> Vec<((String, String), Undecided)> {
        let mut all: Vec<((String, String), Undecided)> = Vec::new();
        for (stored, prepared) in self.layouts.iter().zip(self.prepared()) {
            let pair = Pair {
                converter: "none",
                machine: &stored.machine,
                from: stored.live_side(),
                to: stored.live_side(),
                map: &self.map,
                overrides: &Overrides::default(),
            };
            let needs = Plan::needs(&pair, [&prepared; 2]);
            for undecided in needs.undecided {
                if !all.iter().any(|(_, known)| *known == undecided) {
                    all.push(((stored.id.clone(), stored.id.clone()), undecided));
                }
            }
        }
        all
    }

    /// The plan of every pair, with the decisions that it was made with, in the order of the pairs.
    fn made(&self, changes: &Changes) -> Vec<OfPair<'_>> {
        let prepared = self.prepared();
        let pairs: Vec<_> = self.pairs().collect();
        let make = |(from, to): (usize, usize)| {
            let stored = (&self.layouts[from], &self.layouts[to]);
            let overrides = changes.between(&stored.0.layout, &stored.1.layout);
            let pair = Pair {
                converter: "none",
                machine: &stored.0.machine,
                from: stored.0.live_side(),
                to: stored.1.live_side(),
                map: &self.map,
                overrides: &overrides,
            };
            let needs = Plan::needs(&pair, [&prepared[from], &prepared[to]]);
            (stored, overrides, needs)
        };
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let share = pairs.len().div_ceil(workers).max(1);
        thread::scope(|scope| {
            let started: Vec<_> = pairs
                .chunks(share)
                .map(|share| {
                    scope.spawn(|| {
                        let made = share.iter().map(|pair| make(*pair));
                        made.collect::<Vec<_>>()
                    })
                })
                .collect();
            let ended = started.into_iter().flat_map(|worker| match worker.join() {
                Ok(made) => made,
                Err(fault) => std::panic::resume_unwind(fault),
            });
            ended.collect()
        })
    }

    /// What plans ask of each of the layouts.
    fn prepared(&self) -> Vec<Prepared> {
        let layouts = self.layouts.iter();
        layouts
            .map(|stored| Prepared::new(&self.map, &stored.live))
            .collect()
    }

    /// All pairs of layouts of one machine, by their numbers.
    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        let machine = |index: usize| &self.layouts[index].machine;
        let numbers = 0..self.layouts.len();
        numbers.clone().flat_map(move |from| {
            numbers
                .clone()
                .filter(move |to| from != *to && machine(from) == machine(*to))
                .map(move |to| (from, to))
        })
    }

    fn stale(
        &self,
        changes: &Changes,
        held: &BTreeSet<Use>,
        needed: &BTreeSet<Use>,
    ) -> Vec<ChangeFinding> {
        let layouts: Vec<&Layout> = self.layouts.iter().map(|member| &member.layout).collect();
        let mut findings = Vec::new();
        for (number, change) in changes.entries.iter().enumerate() {
            let mut say = |line, problem| {
                findings.push(ChangeFinding {
                    file: change.file.clone(),
                    line,
                    problem,
                });
            };
            for name in change.when.names() {
                if let Some(nearest) = self.unknown(name) {
                    let name = name.clone();
                    say(
                        change.line,
                        OverrideProblem::UnknownCondition { name, nearest },
                    );
                }
            }
            for field in &change.fields {
                if let Some(nearest) = self.unknown(field) {
                    say(change.line, self.misnamed(field.clone(), nearest));
                    continue;
                }
                for directed in &change.directions {
                    let decided = directed.field(field);
                    let one = (number, directed.direction, decided.clone());
                    // What it goes into, and what it is made of, has to be there; what is decided follows
                    // from that.
                    let mut others = directed.sources(field);
                    if decided != *field {
                        others.insert(0, decided.clone());
                    }
                    let misnamed = others
                        .into_iter()
                        .find_map(|other| Some((self.unknown(&other)?, other)));
                    let (is_held, is_needed) = (held.contains(&one), needed.contains(&one));
                    let problem = match (misnamed, is_held, is_needed) {
                        (Some((nearest, name)), ..) => self.misnamed(name, nearest),
                        (None, _, true) => continue,
                        (None, true, false) => OverrideProblem::NeverNeeded {
                            field: decided,
                            direction: directed.direction,
                        },
                        (None, false, false) => OverrideProblem::NeverHolds {
                            field: decided,
                            direction: directed.direction,
                            why: change.when.unmet(field, &layouts),
                        },
                    };
                    say(directed.line, problem);
                }
            }
        }
        findings
    }

    /// Decisions about flags that no pair of layouts needs, or that are there twice.
    fn stale_flags(&self, changes: &Changes, needed: &BTreeSet<usize>) -> Vec<ChangeFinding> {
        let mut findings = Vec::new();
        let mut seen: BTreeMap<_, Vec<&FlagDecision>> = BTreeMap::new();
        for (index, decision) in changes.flags.iter().enumerate() {
            let (name, field) = (decision.name.clone(), decision.field.clone());
            let direction = decision.direction;
            let others = seen.entry((&decision.field, &decision.name)).or_default();
            // What is never carried leaves no direction open.
            let clash = |other: &&&FlagDecision| {
                let directions = [other.direction, direction];
                directions.contains(&FlagDirection::Reset) || other.direction == direction
            };
            let first = others.iter().find(clash).copied();
            others.push(decision);
            let problem = match first {
                Some(first) => OverrideProblem::FlagTwice {
                    name,
                    field,
                    direction,
                    place: first.place(),
                },
                None if needed.contains(&index) => continue,
                None if self.unknown(&field).is_some() => {
                    let nearest = self.unknown(&field).flatten();
                    self.misnamed(field, nearest)
                }
                None if self.map.watch.of_field(&field).next().is_none() => {
                    OverrideProblem::NotOfConstants { field }
                }
                None => OverrideProblem::FlagNeverNeeded {
                    nearest: self.unknown(&name).flatten(),
                    name,
                    field,
                    direction,
                },
            };
            findings.push(ChangeFinding {
                file: decision.file.clone(),
                line: decision.line,
                problem,
            });
        }
        findings
    }

    /// That no layout has a field, or not even its type.
    fn misnamed(&self, field: String, nearest: Option<String>) -> OverrideProblem {
        let ty = field.split('.').next().unwrap_or_default().to_owned();
        let mut layouts = self.layouts.iter();
        match layouts.any(|member| member.layout.find(&ty).is_some()) {
            true => OverrideProblem::UnknownField { field, nearest },
            false => OverrideProblem::UnknownType { field, ty, nearest },
        }
    }

    /// For a member, type or constant that no layout has, the most similar one that one has.
    fn unknown(&self, name: &str) -> Option<Option<String>> {
        let layouts = || self.layouts.iter().map(|member| &member.layout);
        if layouts().any(|layout| is_there(layout, name) || is_union(layout, name)) {
            return None;
        }
        if !name.contains('.') {
            let known: BTreeSet<&str> = layouts()
                .flat_map(|layout| layout.constants().into_keys())
                .chain(self.map.types.keys().map(String::as_str))
                .collect();
            return Some(nearest(name, known).map(String::from));
        }
        let ty = name.split('.').next().unwrap_or_default();
        let mut known = BTreeSet::new();
        for layout in layouts() {
            match layout.find(ty) {
                Some(id) => known.extend(members(layout, id, ty)),
                None => known.extend(self.map.types.keys().cloned()),
            }
        }
        let wanted = match known.iter().any(|known| known.contains('.')) {
            true => name,
            false => ty,
        };
        Some(nearest(wanted, known.iter().map(String::as_str)).map(String::from))
    }
}

/// The error that an entry has between two layouts, whose plan is `made`.
fn failure(entry: &Override, pair: (&Stored, &Stored), made: &Needs) -> Option<ChangeFinding> {
    let file = &entry.origin.as_ref()?.file;
    let found = made.undecided.iter().find_map(|open| match &open.why {
        Why::Override {
            line,
            file: path,
            problem,
        } if *line == entry.line && Path::new(path).ends_with(file) && open.is_of(&entry.field) => {
            Some(problem)
        }
        _ => None,
    });
    Some(never(file, entry.line, entry.field.clone(), pair, found?))
}

/// The error that a decision about a flag has between two layouts, whose plan is `made`.
fn flag_failure(
    decision: &FlagDecision,
    pair: (&Stored, &Stored),
    made: &Needs,
) -> Option<ChangeFinding> {
    let found = made.undecided.iter().find_map(|open| match &open.why {
        Why::Flag { name, place, what } if *name == decision.name && *place == decision.place() => {
            Some(what)
        }
        _ => None,
    });
    let field = format!("{} of {}", decision.name, decision.field);
    Some(never(&decision.file, decision.line, field, pair, found?))
}

fn never(
    file: &str,
    line: usize,
    field: String,
    (from, to): (&Stored, &Stored),
    problem: &str,
) -> ChangeFinding {
    ChangeFinding {
        file: file.to_owned(),
        line,
        problem: OverrideProblem::NeverCarriedOut {
            field,
            from: from.id.clone(),
            to: to.id.clone(),
            problem: problem.to_owned(),
        },
    }
}

/// Whether a layout has the unnamed union that goes by the name `name`, written `type.union_member`.
fn is_union(layout: &Layout, name: &str) -> bool {
    let found = || {
        let (ty, member) = name.split_once('.')?;
        let Type::Composite(composite) = layout.get(layout.strip(layout.find(ty)?)) else {
            return None;
        };
        let fields = ctype::fields(layout, composite);
        Some(fields.iter().any(|field| field.name == member))
    };
    name.contains(".union_") && found() == Some(true)
}

fn members(layout: &Layout, id: TypeId, ty: &str) -> Vec<String> {
    match layout.get(layout.strip(id)) {
        Type::Composite(composite) => layout
            .flat_members(composite)
            .into_iter()
            .filter_map(|(_, member)| Some(format!("{ty}.{}", member.name.as_deref()?)))
            .collect(),
        _ => Vec::new(),
    }
}
