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
use crate::workers::{side_by_side, workers};
use kernel_structs::layout::{Layout, Type, TypeId};
use kernel_structs::nearest::nearest;
use kernel_structs::state::StateMap;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One direction of an entry, for one of its fields.
type Use = (usize, Direction, String);

/// How the pairs of layouts fared that hold an entry: whether any carries it out, and of the first
/// that does not, its error, with the number of the pair.
#[derive(Default)]
struct Fared {
    carried_out: bool,
    failed: Option<(usize, ChangeFinding)>,
}

impl Fared {
    fn add(&mut self, pair: usize, failed: Option<ChangeFinding>) {
        match failed {
            None => self.carried_out = true,
            Some(finding) => {
                let is_first = !matches!(&self.failed, Some((first, _)) if *first < pair);
                if is_first {
                    self.failed = Some((pair, finding));
                }
            }
        }
    }

    /// The error of an entry that no pair carries out.
    fn everywhere(self) -> Option<ChangeFinding> {
        let (_, finding) = self.failed.filter(|_| !self.carried_out)?;
        Some(finding)
    }
}

/// What is known so far of the decisions of a family.
#[derive(Default)]
struct Known {
    needed: BTreeSet<Use>,
    fared: BTreeMap<Use, Fared>,
    /// Of each decision about a flag that a pair needs.
    flags_fared: BTreeMap<usize, Fared>,
}

impl Known {
    /// Whether no plan can tell more of an entry.
    fn is_settled(&self, this: &Use) -> bool {
        let is_carried_out = self.fared.get(this).is_some_and(|fared| fared.carried_out);
        is_carried_out && self.needed.contains(this)
    }

    /// Whether no plan can tell more of a decision about a flag.
    fn is_flag_settled(&self, index: usize) -> bool {
        let fared = self.flags_fared.get(&index);
        fared.is_some_and(|fared| fared.carried_out)
    }

    /// Adds what the plan of the pair `number` needs and lacks.
    fn add(&mut self, changes: &Changes, number: usize, pair: &Decided<'_>, made: &Needs) {
        let entries = &pair.overrides.entries;
        for entry in entries {
            if let Some(this) = use_of(entry) {
                let failed = failure(entry, pair, made);
                self.fared.entry(this).or_default().add(number, failed);
            }
        }
        for index in &made.flags {
            let decision = changes.flags.get(*index);
            let failed = decision.and_then(|decision| flag_failure(decision, pair, made));
            let fared = self.flags_fared.entry(*index).or_default();
            fared.add(number, failed);
        }
        let used = made.entries.iter().filter_map(|index| entries.get(*index));
        self.needed.extend(used.filter_map(use_of));
    }
}

/// A pair of layouts, and the decisions between them.
struct Decided<'f> {
    from: &'f Stored,
    to: &'f Stored,
    prepared: [&'f Prepared; 2],
    overrides: Overrides,
}

impl Decided<'_> {
    fn needs(&self, map: &StateMap) -> Needs {
        let pair = Pair {
            converter: "none",
            machine: &self.from.machine,
            from: self.from.live_side(),
            to: self.to.live_side(),
            map,
            overrides: &self.overrides,
        };
        Plan::needs(&pair, self.prepared)
    }

    /// How many of the decisions that are not settled yet the plan may settle.
    fn promises(&self, known: &Known, uses: &BTreeSet<Use>, flags: &[FlagDecision]) -> usize {
        let open = uses.iter().filter(|this| !known.is_settled(this)).count();
        let differs = |(index, decision): &(usize, &FlagDecision)| {
            let [old, new] = self
                .prepared
                .map(|prepared| prepared.mask(&decision.field, &decision.name));
            old != new && !known.is_flag_settled(*index)
        };
        open + flags.iter().enumerate().filter(differs).count()
    }
}

impl Family {
    /// Holds decisions against every pair of layouts, both ways, and reports every entry that no pair
    /// has, that none needs, or that none of those that have it can carry out, in the order of the files.
    ///
    /// Plans are made of as many pairs as it takes to settle each decision: of all of them only if one is wrong.
    pub fn check(&self, changes: &Changes) -> Vec<ChangeFinding> {
        let prepared = self.prepared();
        let pairs = self.decided(changes, &prepared);
        let uses: Vec<BTreeSet<Use>> = pairs
            .iter()
            .map(|pair| pair.overrides.entries.iter().filter_map(use_of).collect())
            .collect();
        let (contradicted, twice) = decided_twice(&pairs);
        let mut known = Known::default();
        // The second of two that contradict each other is not needed, which is not what is wrong.
        known.needed.extend(contradicted);
        let mut left: Vec<usize> = (0..pairs.len()).collect();
        while !left.is_empty() {
            let promises = |number: &usize| {
                let (pair, uses) = (&pairs[*number], &uses[*number]);
                pair.promises(&known, uses, &changes.flags)
            };
            let promised: Vec<usize> = left.iter().map(promises).collect();
            let most = promised.iter().copied().max().unwrap_or_default();
            let is_open = |index: usize| !known.is_flag_settled(index);
            let wave: Vec<usize> = match most {
                0 if (0..changes.flags.len()).any(is_open) => left.clone(),
                0 => break,
                // As many at once as there are workers.
                most => {
                    let best = left.iter().zip(&promised);
                    let best = best.filter(|(_, promised)| **promised == most);
                    best.map(|(number, _)| *number).take(workers()).collect()
                }
            };
            left.retain(|number| !wave.contains(number));
            let made = side_by_side(&wave, |number| pairs[*number].needs(&self.map));
            for (number, made) in wave.iter().zip(&made) {
                known.add(changes, *number, &pairs[*number], made);
            }
        }
        let held: BTreeSet<Use> = uses.into_iter().flatten().collect();
        let mut findings = self.stale(changes, &held, &known.needed);
        findings.extend(twice);
        let needed_flags = known.flags_fared.keys().copied().collect();
        findings.extend(self.stale_flags(changes, &needed_flags));
        let fared = known.fared.into_values();
        let failed = fared.chain(known.flags_fared.into_values());
        for failed in failed.filter_map(Fared::everywhere) {
            // A direction of several fields has one error where they are alike.
            if !findings.contains(&failed) {
                findings.push(failed);
            }
        }
        findings
    }

    /// Makes the plan of every pair of layouts, both ways, and reports every field that is undecided, with the names
    /// of the two layouts.
    pub fn undecided(&self, changes: &Changes) -> Vec<((String, String), Undecided)> {
        let prepared = self.prepared();
        let pairs = self.decided(changes, &prepared);
        let made = side_by_side(&pairs, |pair| pair.needs(&self.map).undecided);
        let of_pair = |(pair, undecided): (&Decided<'_>, Vec<Undecided>)| {
            let names = (pair.from.id.clone(), pair.to.id.clone());
            let undecided = undecided.into_iter();
            undecided
                .map(|undecided| (names.clone(), undecided))
                .collect::<Vec<_>>()
        };
        pairs.iter().zip(made).flat_map(of_pair).collect()
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

    /// Every pair, with the decisions between the two.
    fn decided<'f>(&'f self, changes: &Changes, prepared: &'f [Prepared]) -> Vec<Decided<'f>> {
        let pairs: Vec<_> = self.pairs().collect();
        side_by_side(&pairs, |(from, to)| {
            let ends = [&self.layouts[*from], &self.layouts[*to]];
            Decided {
                from: ends[0],
                to: ends[1],
                prepared: [&prepared[*from], &prepared[*to]],
                overrides: changes.between(&ends[0].layout, &ends[1].layout),
            }
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

/// The entry of the family that an override is made of.
fn use_of(entry: &Override) -> Option<Use> {
    let origin = entry.origin.as_ref()?;
    Some((origin.change, origin.direction, entry.field.clone()))
}

/// Entries of a field that another entry decides between the same layouts, and what is said of them.
fn decided_twice(pairs: &[Decided<'_>]) -> (BTreeSet<Use>, Vec<ChangeFinding>) {
    let mut contradicted = BTreeSet::new();
    let mut twice: BTreeMap<(usize, Use), ChangeFinding> = BTreeMap::new();
    for pair in pairs {
        let mut seen: BTreeMap<(&str, bool), &Override> = BTreeMap::new();
        for entry in &pair.overrides.entries {
            let (Some(origin), Some(this)) = (&entry.origin, use_of(entry)) else {
                continue;
            };
            let Some(first) = seen.insert((&entry.field, entry.is_drop()), entry) else {
                continue;
            };
            contradicted.insert(this.clone());
            let other = first.origin.as_ref().map_or(0, |origin| origin.change);
            twice.entry((other, this)).or_insert_with(|| ChangeFinding {
                file: origin.file.clone(),
                line: entry.line,
                problem: OverrideProblem::TwoChanges {
                    field: entry.field.clone(),
                    from: pair.from.id.clone(),
                    to: pair.to.id.clone(),
                    place: first.place(),
                },
            });
        }
    }
    (contradicted, twice.into_values().collect())
}

/// The error that an entry has between two layouts, whose plan is `made`.
fn failure(entry: &Override, pair: &Decided<'_>, made: &Needs) -> Option<ChangeFinding> {
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
    pair: &Decided<'_>,
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
    pair: &Decided<'_>,
    problem: &str,
) -> ChangeFinding {
    ChangeFinding {
        file: file.to_owned(),
        line,
        problem: OverrideProblem::NeverCarriedOut {
            field,
            from: pair.from.id.clone(),
            to: pair.to.id.clone(),
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
