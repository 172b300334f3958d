//! What bits of a field mean: the constants of both layouts, matched by name.
//!
//! The value of a field that the state map says is made of constants is carried as it is only if
//! the constants are the same under both layouts. Otherwise a person says of each flag that
//! differs what becomes of it ([`crate::overrides::FlagDecision`]), and those that do not differ
//! are matched by name. Whole values are matched by name without asking: one without counterpart
//! stops the conversion.

use super::builder::{Owner, Planner, Which};
use super::decision::{Decision, Part};
use super::finding::{FlagChange, Why};
use super::{Action, Argument, CalledFlag, Flags};
use crate::ctype::Field;
use crate::overrides::{FlagDecision, FlagFate};
use kconv_rules::{RuleKind, Source};
use kernel_structs::layout::{FieldPath, Layout};
use kernel_structs::state::{StateMap, Unit};
use std::collections::{BTreeMap, BTreeSet};

/// What the values of a field are made of, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Constants {
    /// Masks of bits.
    Flags(BTreeMap<String, u64>),
    /// Whole values.
    Values(BTreeMap<String, i64>),
}

/// What the fields of both layouts are made of, by `type.member`.
pub(super) struct Meanings {
    fields: [BTreeMap<String, Constants>; 2],
    /// Whether the layouts have constants at all. Those of a family of which no constants are
    /// known have none.
    known: [bool; 2],
}

impl Meanings {
    pub(super) fn new(map: &StateMap, old: &Layout, new: &Layout) -> Meanings {
        Meanings {
            fields: [of_layout(map, old), of_layout(map, new)],
            known: [old, new].map(Layout::has_constants),
        }
    }

    /// Whether values of the type `name` have a field whose constants differ.
    pub(super) fn differ_in(&self, name: &str) -> bool {
        let prefix = format!("{name}.");
        let fields = self.fields[0].iter().chain(&self.fields[1]);
        let mut of_type = fields.filter(|(field, _)| field.starts_with(&prefix));
        of_type.any(|(field, _)| self.fields[0].get(field) != self.fields[1].get(field))
    }

    fn of(&self, which: Which, names: &[String]) -> Option<&Constants> {
        let fields = &self.fields[which as usize];
        names.iter().find_map(|name| fields.get(name))
    }
}

fn of_layout(map: &StateMap, layout: &Layout) -> BTreeMap<String, Constants> {
    let constants = layout.constants();
    let mut fields: BTreeMap<String, Constants> = BTreeMap::new();
    for (entry, meaning) in map.watch.meanings() {
        for field in &meaning.fields {
            let empty = || match meaning.unit {
                Unit::Masks | Unit::Bits => Constants::Flags(BTreeMap::new()),
                Unit::Values => Constants::Values(BTreeMap::new()),
            };
            let all = fields.entry(field.clone()).or_insert_with(empty);
            for (name, value) in constants.iter().filter(|(name, _)| entry.watches(name)) {
                match (&mut *all, meaning.unit) {
                    (Constants::Flags(flags), Unit::Masks) => {
                        // A mask of nothing is a flag that this configuration does not have.
                        let mask = u64::try_from(*value).ok().filter(|mask| *mask != 0);
                        flags.extend(mask.map(|mask| ((*name).to_owned(), mask)));
                    }
                    (Constants::Flags(flags), Unit::Bits) => {
                        let bit = u32::try_from(*value).ok();
                        let mask = bit.and_then(|bit| 1_u64.checked_shl(bit));
                        flags.extend(mask.map(|mask| ((*name).to_owned(), mask)));
                    }
                    (Constants::Values(values), Unit::Values) => {
                        let value = i64::try_from(*value).ok();
                        values.extend(value.map(|value| ((*name).to_owned(), value)));
                    }
                    (Constants::Flags(_), Unit::Values)
                    | (Constants::Values(_), Unit::Masks | Unit::Bits) => {}
                }
            }
        }
    }
    for constants in fields.values_mut() {
        if let Constants::Flags(flags) = constants {
            *flags = parts(flags);
        }
    }
    fields
}

/// The flags of one bit, and of those of several what no flag of one bit has: a mask that is only
/// another word for some flags is none itself.
fn parts(flags: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let single = flags.values().filter(|mask| mask.count_ones() == 1);
    let named = single.fold(0, |all, mask| all | mask);
    let part = |mask: u64| match mask.count_ones() {
        1 => mask,
        _ => mask & !named,
    };
    let parts = flags.iter().map(|(name, mask)| (name.clone(), part(*mask)));
    parts.filter(|(_, mask)| *mask != 0).collect()
}

fn changed(old: &BTreeMap<String, u64>, new: &BTreeMap<String, u64>) -> Vec<FlagChange> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mask = |flags: &BTreeMap<String, u64>, name| flags.get(name).copied().unwrap_or(0);
    let pairs = names.into_iter().map(|name| FlagChange {
        name: name.clone(),
        was: mask(old, name),
        is: mask(new, name),
    });
    pairs.filter(|changed| changed.was != changed.is).collect()
}

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
        let carried = matches!(part.action, Action::Copy | Action::Widen | Action::Narrow);
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
        match self.meanings.known {
            [false, false] => return Ok(decided),
            [true, true] => {}
            [old, _] => {
                let side = if old { self.pair.to } else { self.pair.from };
                let layout = side.layout_name.to_owned();
                return Err(Why::NoConstants { layout });
            }
        }
        match (was.clone(), is.clone()) {
            (Constants::Values(was), Constants::Values(is)) => match was == is {
                true => Ok(decided),
                false => by_value(&was, &is, part),
            },
            (Constants::Flags(was), Constants::Flags(is)) => {
                let changed = changed(&was, &is);
                match changed.is_empty() {
                    true => Ok(decided),
                    false => self.by_flag((owner, old, new), (&was, &is), &changed, part),
                }
            }
            _ => Err(Why::MeaningOnOneSide),
        }
    }

    /// The flags of a field that differ, in words.
    pub(super) fn differing(&self, owner: &Owner, old: &Field, new: &Field) -> Vec<String> {
        let (was, is) = (
            self.constants(Which::Old, owner, old),
            self.constants(Which::New, owner, new),
        );
        match (was, is) {
            (Some(Constants::Flags(was)), Some(Constants::Flags(is))) => {
                changed(was, is).iter().map(FlagChange::to_string).collect()
            }
            _ => Vec::new(),
        }
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
        for (field, own) in new
            .iter()
            .filter_map(|field| Some((field, old.iter().find(|old| old.name == field.name)?)))
        {
            let (Some(Constants::Flags(was)), Some(Constants::Flags(is))) = (
                self.constants(Which::Old, owner, own),
                self.constants(Which::New, owner, field),
            ) else {
                continue;
            };
            for changed in changed(was, is) {
                let Some((_, decision)) = self.flag_decision(owner, own, field, &changed) else {
                    continue;
                };
                let FlagFate::Called { from, .. } = &decision.fate else {
                    continue;
                };
                let gone = |name: &&String| {
                    let is = |field: &Field| field.name == **name;
                    old.iter().any(is) && !new.iter().any(is)
                };
                for name in from.iter().filter(gone) {
                    read.insert(name.clone(), (field.path(), decision));
                }
            }
        }
        read
    }

    fn constants(&self, which: Which, owner: &Owner, field: &Field) -> Option<&Constants> {
        self.meanings
            .of(which, &self.full_names(which, owner, field))
    }

    fn flag_decision(
        &self,
        owner: &Owner,
        old: &Field,
        new: &Field,
        changed: &FlagChange,
    ) -> Option<(usize, &'a FlagDecision)> {
        let mut names = self.full_names(Which::Old, owner, old);
        names.extend(self.full_names(Which::New, owner, new));
        let mut decisions = self.pair.overrides.flags.iter().enumerate();
        decisions.find(|(_, decision)| {
            decision.name == changed.name
                && decision.direction == changed.direction()
                && names.contains(&decision.field)
        })
    }

    fn by_flag(
        &mut self,
        (owner, old, new): (&Owner, &Field, &Field),
        (was, is): (&BTreeMap<String, u64>, &BTreeMap<String, u64>),
        changed: &[FlagChange],
        part: &Part,
    ) -> Result<Decision, Why> {
        let mut table = Flags::default();
        let mut names = Vec::new();
        for (name, mask) in was
            .iter()
            .filter(|(name, mask)| is.get(*name) == Some(*mask))
        {
            table.same |= mask;
            names.push((name.as_str(), *mask));
        }
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        let mut undecided = Vec::new();
        // A flag that another one becomes, or became, needs no decision of its own.
        let renamed: BTreeSet<&String> = changed
            .iter()
            .filter_map(
                |one| match &self.flag_decision(owner, old, new, one)?.1.fate {
                    FlagFate::Renamed(other) => Some(other),
                    _ => None,
                },
            )
            .collect();
        for one in changed {
            let Some((index, decision)) = self.flag_decision(owner, old, new, one) else {
                if !renamed.contains(&one.name) {
                    undecided.push(one.clone());
                }
                continue;
            };
            self.add_needed_flag(index);
            match reasons
                .iter_mut()
                .find(|(reason, _)| *reason == decision.reason)
            {
                Some((_, names)) => names.push(&one.name),
                None => reasons.push((&decision.reason, vec![&one.name])),
            }
            let (from, to) = (one.was, one.is);
            if from != 0 {
                names.push((&one.name, from));
            }
            let wrong = |what: String| Why::Flag {
                name: one.name.clone(),
                place: decision.place(),
                what,
            };
            match &decision.fate {
                FlagFate::Clear => {}
                FlagFate::ByName => table.moved.push((from, to)),
                FlagFate::Renamed(other) => {
                    let pair = match from {
                        0 => was.get(other).map(|from| (*from, to)),
                        _ => is.get(other).map(|to| (from, *to)),
                    };
                    let missing = || wrong(format!("the other layout has no flag {other}"));
                    table.moved.push(pair.ok_or_else(missing)?);
                }
                FlagFate::Dropped { strict: true, .. } => {
                    table.refused.push((one.name.clone(), from));
                }
                FlagFate::Dropped { with, .. } => {
                    table.dropped |= from;
                    let mut all = from;
                    for other in with {
                        let mask = was.get(other).ok_or_else(|| {
                            wrong(format!("the old layout has no flag {other} for `with`"))
                        })?;
                        all |= mask;
                    }
                    if all != from {
                        table.together.push((all, all));
                    }
                }
                FlagFate::Into(member) => {
                    if !self.has_member(Which::New, owner, member) {
                        return Err(wrong(format!("the new type has no member {member}")));
                    }
                    table.elsewhere |= from;
                }
                FlagFate::Called {
                    function,
                    from: read,
                } => {
                    let mut arguments = Vec::new();
                    for name in read {
                        let argument = self.argument(owner, name);
                        arguments.push(argument.map_err(&wrong)?);
                    }
                    table.called.push(CalledFlag {
                        function: function.clone(),
                        from,
                        to,
                        arguments,
                    });
                }
            }
            let moved = table.moved.last().filter(|pair| **pair == (from, to));
            if moved.is_some_and(|(from, to)| from.count_ones() != to.count_ones()) {
                return Err(wrong(
                    "it has another number of bits; `call` may convert it".to_owned(),
                ));
            }
        }
        if !undecided.is_empty() {
            return Err(Why::FlagsDiffer { flags: undecided });
        }
        if let Some((first, second)) = two_fates(&table, &names) {
            return Err(Why::Flag {
                name: first,
                place: format!("the state map, [[watch]] of {}.{}", owner.name, old.name),
                what: format!(
                    "it is the same bit as {second}, of which something else becomes; take one of them out with `except`"
                ),
            });
        }
        table.moved.sort_unstable();
        let reason = match reasons.as_slice() {
            [(reason, _)] => (*reason).to_owned(),
            several => {
                let each = several.iter();
                let each = each.map(|(reason, names)| format!("{}: {reason}", names.join(", ")));
                each.collect::<Vec<_>>().join("; ")
            }
        };
        Ok(Decision {
            source: Source::Override,
            reason,
            evidence: String::new(),
            parts: vec![Part {
                rule: RuleKind::Flags,
                action: Action::Flags(table),
                ..part.clone()
            }],
        })
    }

    /// What a function of people is given: an old member, or `member:FLAG`.
    pub(super) fn argument(&self, owner: &Owner, name: &str) -> Result<Argument, String> {
        let (member, flag) = match name.split_once(':') {
            Some((member, flag)) => (member, Some(flag)),
            None => (name, None),
        };
        let path = FieldPath::parse(member).map_err(|error| error.to_string())?;
        if !self.has_member(Which::Old, owner, member) {
            return Err(format!("the old type has no member {member}"));
        }
        let names: Vec<String> = owner.names[Which::Old as usize]
            .iter()
            .map(|name| format!("{name}.{member}"))
            .collect();
        let mask = |flag: &str| match self.meanings.of(Which::Old, &names) {
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
            ty.is_some_and(|ty| layout.resolve(ty, &path).is_ok())
        })
    }
}

/// Two names of one bit of which different things become.
fn two_fates(table: &Flags, names: &[(&str, u64)]) -> Option<(String, String)> {
    let moved = |mask: u64| table.moved.iter().find(|(from, _)| from & mask != 0);
    let fate = |mask: u64| {
        (
            table.same & mask != 0,
            moved(mask),
            table.dropped & mask != 0,
            table.elsewhere & mask != 0,
            table.refused.iter().any(|(_, refused)| refused & mask != 0),
            table.called.iter().any(|called| called.from & mask != 0),
        )
    };
    for (index, (name, mask)) in names.iter().enumerate() {
        let (same, moved, dropped, elsewhere, refused, called) = fate(*mask);
        let fates = [same, moved.is_some(), dropped, elsewhere, refused, called];
        if fates.iter().filter(|fate| **fate).count() > 1 {
            let mut others = names.iter().enumerate();
            let other = others.find(|(at, (_, other))| *at != index && other & mask != 0);
            let other = other.map_or("another", |(_, (name, _))| name);
            return Some(((*name).to_owned(), other.to_owned()));
        }
    }
    None
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
