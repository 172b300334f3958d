//! What bits of a field mean: the constants of both layouts, matched by name.
//!
//! The value of a field that the state map says is made of constants is carried as it is only if
//! the constants are the same under both layouts. Otherwise a person says of each flag that
//! differs what becomes of it ([`crate::overrides::FlagDecision`]), and those that do not differ
//! are matched by name. Whole values are matched by name without asking: one without counterpart
//! stops the conversion.

use super::auto::is_carried;
use super::builder::{Owner, Planner, Which};
use super::decision::{Decision, Part};
use super::finding::{FlagChange, Why};
use super::meanings::{Constants, changed};
use super::{Action, Argument, CalledFlag, Flags, Reason};
use crate::ctype::{self, Field};
use crate::overrides::{FlagDecision, FlagDirection, FlagFate};
use kconv_rules::{RuleKind, Source};
use kernel_structs::layout::FieldPath;
use std::collections::{BTreeMap, BTreeSet};

impl<'a> Planner<'a> {
    /// The decision for a field that both sides have, if its values are made of constants that
    /// differ: in place of carrying it.
    pub(super) fn by_constants(
        &mut self,
        owner: &Owner,
        old: &Field,
        new: &Field,
        decided: Decision,
    ) -> Result<Decision, Why> {
        let [part] = decided.parts.as_slice() else {
            return Ok(decided);
        };
        let carried = is_carried(&part.action);
        let (was, is) = (
            self.constants(Which::Old, owner, old),
            self.constants(Which::New, owner, new),
        );
        let (was, is) = match (was, is) {
            (Some(was), Some(is)) if carried => (was, is),
            (None, None) => return Ok(decided),
            _ if !carried => return Ok(decided),
            _ => return Err(Why::MeaningOnOneSide),
        };
        match [Which::Old, Which::New].map(|which| self.meanings(which).known) {
            [false, false] => return Ok(decided),
            [true, true] => {}
            [old, _] => {
                let side = if old { self.pair.to } else { self.pair.from };
                let layout = side.layout_name.to_owned();
                return Err(Why::NoConstants { layout });
            }
        }
        match (was, is) {
            (Constants::Values(was), Constants::Values(is)) => match was == is {
                true => Ok(decided),
                false => by_value(was, is, part),
            },
            (Constants::Flags(was), Constants::Flags(is)) => {
                let changed = self.to_decide((owner, old, new), (was, is));
                match changed.is_empty() {
                    true => Ok(decided),
                    false => self.by_flag((owner, old, new), (was, is), &changed, part),
                }
            }
            _ => Err(Why::MeaningOnOneSide),
        }
    }

    /// The flags of a field that differ.
    pub(super) fn differing(&self, owner: &Owner, old: &Field, new: &Field) -> Vec<FlagChange> {
        let (was, is) = (
            self.constants(Which::Old, owner, old),
            self.constants(Which::New, owner, new),
        );
        match (was, is) {
            (Some(Constants::Flags(was)), Some(Constants::Flags(is))) => {
                self.to_decide((owner, old, new), (was, is))
            }
            _ => Vec::new(),
        }
    }

    /// The flags that differ, and those that are never carried.
    fn to_decide(
        &self,
        (owner, old, new): (&Owner, &Field, &Field),
        (was, is): (&BTreeMap<String, u64>, &BTreeMap<String, u64>),
    ) -> Vec<FlagChange> {
        let same = was
            .iter()
            .filter(|(name, mask)| is.get(*name) == Some(*mask));
        let same = same.map(|(name, mask)| FlagChange {
            name: name.clone(),
            was: *mask,
            is: *mask,
        });
        let decisions = self.flag_decisions(owner, old, new);
        let reset = same.filter(|one| {
            let decision = about(&decisions, one);
            decision.is_some_and(|(_, decision)| decision.direction == FlagDirection::Reset)
        });
        let mut all = changed(was, is);
        all.extend(reset);
        all
    }

    /// Old members that a function reads which says whether a flag of a new field is set, with
    /// that field. They have no rule of their own.
    pub(super) fn read_for_flags(
        &self,
        owner: &Owner,
        old: &[Field],
        new: &[Field],
    ) -> BTreeMap<String, (FieldPath, &'a FlagDecision)> {
        let mut read = BTreeMap::new();
        for field in new {
            let Some(Constants::Flags(is)) = self.constants(Which::New, owner, field) else {
                continue;
            };
            let Some(own) = old.iter().find(|old| old.name == field.name) else {
                continue;
            };
            let Some(Constants::Flags(was)) = self.constants(Which::Old, owner, own) else {
                continue;
            };
            let decisions = self.flag_decisions(owner, own, field);
            for changed in changed(was, is) {
                let Some((_, decision)) = about(&decisions, &changed) else {
                    continue;
                };
                let FlagFate::Called(function) = &decision.fate else {
                    continue;
                };
                let gone = |name: &&String| {
                    let is = |field: &Field| field.name == **name;
                    old.iter().any(is) && !new.iter().any(is)
                };
                for name in function.from.iter().filter(gone) {
                    read.insert(name.clone(), (field.path(), decision));
                }
            }
        }
        read
    }

    fn constants(&self, which: Which, owner: &Owner, field: &Field) -> Option<&'a Constants> {
        let meanings = self.meanings(which);
        match field.inside {
            None => meanings.of(&owner.names[which as usize], &field.name),
            Some(_) => {
                let (names, member) = self.spoken_of(which, owner, field);
                meanings.of(&names, member)
            }
        }
    }

    /// The decisions about flags of a field, with their numbers.
    fn flag_decisions(
        &self,
        owner: &Owner,
        old: &Field,
        new: &Field,
    ) -> Vec<(usize, &'a FlagDecision)> {
        let mut names = self.full_names(Which::Old, owner, old);
        names.extend(self.full_names(Which::New, owner, new));
        let decisions = self.pair.overrides.flags.iter().enumerate();
        decisions
            .filter(|(_, decision)| names.contains(&decision.field))
            .collect()
    }

    /// Notes that the decisions about flags that differ make a difference. Gives all that there are about flags of
    /// the field, with their numbers.
    pub(super) fn need_flags(
        &mut self,
        owner: &Owner,
        old: &Field,
        new: &Field,
        changed: &[FlagChange],
    ) -> Vec<(usize, &'a FlagDecision)> {
        let decisions = self.flag_decisions(owner, old, new);
        for one in changed {
            if let Some((index, _)) = about(&decisions, one) {
                self.add_needed_flag(index);
            }
        }
        decisions
    }

    fn by_flag(
        &mut self,
        (owner, old, new): (&Owner, &Field, &Field),
        (was, is): (&BTreeMap<String, u64>, &BTreeMap<String, u64>),
        changed: &[FlagChange],
        part: &Part,
    ) -> Result<Decision, Why> {
        // What is wrong with one of them is no reason to remove the others.
        let decisions = self.need_flags(owner, old, new, changed);
        let mut table = Flags::default();
        let mut fates: Vec<Fate<'_>> = Vec::new();
        for (name, mask) in was
            .iter()
            .filter(|(name, mask)| is.get(*name) == Some(*mask))
            .filter(|(name, _)| changed.iter().all(|one| one.name != **name))
        {
            table.same |= mask;
            fates.push(Fate {
                name,
                from: *mask,
                to: *mask,
                other: None,
            });
        }
        let mut said: Vec<(&str, &str)> = Vec::new();
        let mut undecided = Vec::new();
        // A flag that another one becomes, or became, needs no decision of its own.
        let renamed: BTreeSet<&String> = changed
            .iter()
            .filter_map(|one| match &about(&decisions, one)?.1.fate {
                FlagFate::Renamed(other) => Some(other),
                _ => None,
            })
            .collect();
        for one in changed {
            let Some((_, decision)) = about(&decisions, one) else {
                if !renamed.contains(&one.name) {
                    undecided.push(one.clone());
                }
                continue;
            };
            said.push((&one.name, &decision.reason));
            let fate = self.decided((owner, &old.name), (was, is), one, decision, &mut table);
            fates.push(fate.map_err(|what| Why::Flag {
                name: one.name.clone(),
                place: decision.place(),
                what,
            })?);
        }
        if !undecided.is_empty() {
            return Err(Why::FlagsDiffer { flags: undecided });
        }
        if let Some((first, second)) = two_fates(&fates) {
            return Err(Why::Flag {
                name: first.to_owned(),
                place: format!("the state map, [[watch]] of {}.{}", owner.name, old.name),
                what: format!(
                    "it is the same bit as {second}, of which something else becomes; take one of them out with `except`"
                ),
            });
        }
        if let Some((first, second)) = one_for_two(&fates) {
            return Err(Why::Flag {
                name: first.to_owned(),
                place: format!("the decisions about {}.{}", owner.name, old.name),
                what: format!(
                    "it becomes the same bit as {second}, which then tells neither; `call` may make one of the two"
                ),
            });
        }
        table.moved.sort_unstable();
        Ok(Decision {
            source: Source::Override,
            reason: Reason::of_constants(said),
            evidence: String::new(),
            parts: vec![Part {
                rule: RuleKind::Flags,
                action: Action::Flags(table),
                ..part.clone()
            }],
        })
    }

    /// Puts into `table` what was decided about a flag, or says why it cannot be done.
    fn decided<'f>(
        &self,
        (owner, field): (&Owner, &str),
        (was, is): (&BTreeMap<String, u64>, &BTreeMap<String, u64>),
        changed: &'f FlagChange,
        decision: &'f FlagDecision,
        table: &mut Flags,
    ) -> Result<Fate<'f>, String> {
        let (mut name, mut from, mut to) = (changed.name.as_str(), changed.was, changed.is);
        match &decision.fate {
            FlagFate::Clear => {}
            FlagFate::ByName | FlagFate::Renamed(_) => {
                if let FlagFate::Renamed(other) = &decision.fate {
                    if was.contains_key(other) && is.contains_key(other) {
                        return Err(format!(
                            "both layouts have {other}, which goes on as itself; a `rename` is for a flag that one of them has alone: decide about {name} in another way"
                        ));
                    }
                    let missing = || format!("the other layout has no flag {other}");
                    match from {
                        0 => {
                            name = other;
                            from = was.get(other).copied().ok_or_else(missing)?;
                        }
                        _ => to = is.get(other).copied().ok_or_else(missing)?,
                    }
                }
                if from.count_ones() != to.count_ones() {
                    return Err("it has another number of bits; `call` may convert it".to_owned());
                }
                table.moved.push((from, to));
            }
            FlagFate::Dropped { strict: true, .. } => {
                table.refused.push((name.to_owned(), from));
            }
            FlagFate::Dropped { with, .. } => {
                table.dropped |= from;
                let mut all = from;
                for other in with {
                    if other == name {
                        return Err("`with` names the flag itself".to_owned());
                    }
                    let missing = || format!("the old layout has no flag {other} for `with`");
                    all |= was.get(other).ok_or_else(missing)?;
                }
                if all != from {
                    table.together.push((all, all));
                }
            }
            FlagFate::Into(member) => {
                if !self.has_member(Which::New, owner, member) {
                    return Err(format!("the new type has no member {member}"));
                }
                if self.has_member(Which::Old, owner, member) {
                    return Err(format!(
                        "the old type has the member {member} as well, which says what it said; `into` names one that is new"
                    ));
                }
                // What it gets is a person's to say: a rule that knows nothing of the flag would lose it.
                let given = format!("{field}:{name}");
                let told = match self.override_for(owner, member, false) {
                    None => Some("nobody has decided what the member"),
                    Some(entry) if !entry.action.reads().contains(&given.as_str()) => {
                        Some("nothing of it is in what the member")
                    }
                    Some(_) => None,
                };
                if let Some(told) = told {
                    return Err(format!(
                        "{told} {member} gets; let its `appears` have a `call` with {given:?} in `from`"
                    ));
                }
                table.elsewhere |= from;
            }
            FlagFate::Called(function) => {
                let arguments = function.from.iter().map(|name| self.argument(owner, name));
                table.called.push(CalledFlag {
                    function: function.name.clone(),
                    from,
                    to,
                    arguments: arguments.collect::<Result<_, _>>()?,
                    offsets: self
                        .offsets(function)
                        .map_err(|problem| problem.to_string())?,
                    constants: self
                        .constants_given(function)
                        .map_err(|problem| problem.to_string())?,
                });
            }
        }
        let moved = matches!(decision.fate, FlagFate::ByName | FlagFate::Renamed(_));
        Ok(Fate {
            name,
            from,
            to,
            other: (!moved).then_some(&decision.fate),
        })
    }

    /// What a function of people is given: an old member, or `member:FLAG`.
    pub(super) fn argument(&self, owner: &Owner, name: &str) -> Result<Argument, String> {
        let (member, flag) = match name.split_once(':') {
            Some((member, flag)) => (member, Some(flag)),
            None => (name, None),
        };
        let mut path = FieldPath::parse(member).map_err(|error| error.to_string())?;
        let layout = self.layout(Which::Old);
        let mut types = owner.names[Which::Old as usize].iter();
        let found = types.find_map(|name| layout.lookup(layout.find(name)?, &path));
        let found = found.ok_or_else(|| format!("the old type has no member {member}"))?;
        // A flag is one of the number that a structure is a wrapper around.
        let inside = flag.and_then(|_| ctype::wrapped_number(layout, found.ty));
        if let Some((inside, _)) = inside {
            let steps = path.steps().iter().chain(inside.steps());
            path = steps.cloned().collect::<Vec<_>>().into();
        }
        let names = &owner.names[Which::Old as usize];
        let mask = |flag: &str| match self.meanings(Which::Old).of(names, member) {
            Some(Constants::Flags(flags)) => flags.get(flag).copied(),
            Some(Constants::Values(_)) | None => None,
        };
        let flag = match flag {
            None => None,
            Some(flag) => Some(
                mask(flag)
                    .ok_or_else(|| format!("{member} of the old layout has no flag {flag}"))?,
            ),
        };
        Ok(Argument { field: path, flag })
    }

    fn has_member(&self, which: Which, owner: &Owner, member: &str) -> bool {
        let layout = self.layout(which);
        let Ok(path) = FieldPath::parse(member) else {
            return false;
        };
        let mut types = owner.names[which as usize].iter();
        types.any(|name| {
            let ty = layout.find(name);
            ty.is_some_and(|ty| layout.lookup(ty, &path).is_some())
        })
    }
}

/// The first of the decisions about a field that is about one of its flags.
fn about<'a>(
    decisions: &[(usize, &'a FlagDecision)],
    changed: &FlagChange,
) -> Option<(usize, &'a FlagDecision)> {
    let directions = [changed.direction(), FlagDirection::Reset];
    let is_about = |decision: &FlagDecision| {
        decision.name == changed.name && directions.contains(&decision.direction)
    };
    let mut decisions = decisions.iter().copied();
    decisions.find(|(_, decision)| is_about(decision))
}

/// What becomes of the bits of a flag of the old layout.
struct Fate<'f> {
    name: &'f str,
    /// Its bits; 0 if the old layout has no such flag.
    from: u64,
    /// Its bits under the new layout; 0 if that has no such flag.
    to: u64,
    /// What else becomes of it than that it has other bits.
    other: Option<&'f FlagFate>,
}

/// The first two names of one bit of which different things become.
fn two_fates<'f>(fates: &[Fate<'f>]) -> Option<(&'f str, &'f str)> {
    fates.iter().enumerate().find_map(|(index, first)| {
        let second = fates[index + 1..].iter().find(|second| {
            first.from & second.from != 0 && (first.to, first.other) != (second.to, second.other)
        })?;
        Some((first.name, second.name))
    })
}

/// The first two flags of different bits that become one bit.
fn one_for_two<'f>(fates: &[Fate<'f>]) -> Option<(&'f str, &'f str)> {
    let carried = |fate: &&Fate<'_>| fate.other.is_none() && fate.from != 0;
    let carried: Vec<&Fate<'f>> = fates.iter().filter(carried).collect();
    carried.iter().enumerate().find_map(|(index, first)| {
        let second = carried[index + 1..]
            .iter()
            .find(|second| first.to & second.to != 0 && first.from != second.from)?;
        Some((first.name, second.name))
    })
}

/// Whole values, matched by name.
fn by_value(
    was: &BTreeMap<String, i64>,
    is: &BTreeMap<String, i64>,
    part: &Part,
) -> Result<Decision, Why> {
    let mut table: Vec<(i64, i64)> = Vec::new();
    for (name, was) in was {
        let Some(is) = is.get(name) else { continue };
        match table.iter().find(|(value, _)| value == was) {
            Some((_, other)) if other != is => {
                return Err(Why::EnumeratorSplit { name: name.clone() });
            }
            Some(_) => {}
            None => table.push((*was, *is)),
        }
    }
    table.sort_unstable();
    Ok(Decision::automatic(vec![Part {
        rule: RuleKind::EnumByName,
        action: Action::Enumerator { table },
        ..part.clone()
    }]))
}
