//! From a pair of layouts to a plan: which types need one, and which rule each member gets.

use super::decision::{Decided, Decision, Part, Value};
use super::finding::{Undecided, Why};
use super::meanings::Meanings;
use super::pair::Pair;
use super::prepared::Prepared;
use super::{Bits, FieldPlan, Node, Place, Plan, Reason, Side, TypePlan, padding_path};
use crate::ctype::{self, Field, Shape};
use crate::overrides::{Override, OverrideProblem};
use kconv_rules::{RuleKind, Source};
use kernel_structs::layout::{Layout, TypeId};
use kernel_structs::state::{Initial, Policy, Rule};
use std::collections::{BTreeMap, BTreeSet};

/// Larger types are not planned. The largest object of a kernel is far smaller, and a damaged
/// layout must not keep the generator busy for ever.
const LARGEST: u64 = 1 << 24;

/// What a plan needs of the decisions, and what it lacks.
pub(crate) struct Needs {
    /// Indices of the overrides that made a difference.
    pub(crate) entries: BTreeSet<usize>,
    /// Indices of the decisions about flags that made a difference.
    pub(crate) flags: BTreeSet<usize>,
    /// What is left to decide.
    pub(crate) undecided: Vec<Undecided>,
}

/// What making a plan gave.
#[derive(Clone, Debug)]
pub struct Made {
    /// The plan; without the undecided fields it is not complete.
    pub plan: Plan,
    /// What is left to decide.
    pub undecided: Vec<Undecided>,
    /// Indices of the overrides that made a difference.
    pub needed: BTreeSet<usize>,
    /// Indices of the decisions about flags that made a difference.
    pub needed_flags: BTreeSet<usize>,
    /// All fields that an override could have been for, as `type.field`.
    pub known: BTreeSet<String>,
}

impl Plan {
    /// Makes the plan for `pair`.
    ///
    /// Unions with an arm in the state map are planned as that arm
    /// ([`kernel_structs::state::StateMap::live`]).
    pub fn make(pair: &Pair<'_>) -> Made {
        let layouts = (
            pair.map.live(pair.from.layout),
            pair.map.live(pair.to.layout),
        );
        let live = Pair {
            from: Side {
                layout: &layouts.0,
                ..pair.from
            },
            to: Side {
                layout: &layouts.1,
                ..pair.to
            },
            ..*pair
        };
        let of_layout = |side: &Side<'_>| Prepared::new(pair.map, side.layout);
        let prepared = [of_layout(&live.from), of_layout(&live.to)];
        let mut planner = Planner::planned(&live, [&prepared[0], &prepared[1]], true);
        let task = planner.task_label();
        let node = |side: &Side<'_>| Node {
            release: side.release.to_owned(),
            layout: side.layout_name.to_owned(),
            fingerprint: side.fingerprint,
        };
        let mut plan = Plan {
            converter: pair.converter.to_owned(),
            family: pair.map.family.clone(),
            machine: pair.machine.to_owned(),
            from: node(&pair.from),
            to: node(&pair.to),
            task,
            types: planner.types,
        };
        super::spans::fill(&mut plan);
        Made {
            plan,
            undecided: planner.undecided,
            needed: planner.needed,
            needed_flags: planner.needed_flags,
            known: planner.known,
        }
    }

    /// What the plan for `pair` needs and lacks; its layouts have arms in place of unions already,
    /// and are those that `prepared` was made of.
    pub(crate) fn needs(pair: &Pair<'_>, prepared: [&Prepared; 2]) -> Needs {
        let mut planner = Planner::planned(pair, prepared, false);
        // What has no task to name in it cannot be made either.
        planner.task_label();
        Needs {
            entries: planner.needed,
            flags: planner.needed_flags,
            undecided: planner.undecided,
        }
    }
}

pub(super) struct Planner<'a> {
    pub(super) pair: Pair<'a>,
    pub(super) types: BTreeMap<String, TypePlan>,
    /// Plans by the types they are for and the name these go by.
    names: BTreeMap<Name, String>,
    /// Those names.
    taken: BTreeSet<String>,
    /// The numbers of the overrides by what they are about, as `type.member`.
    about: BTreeMap<&'a str, Vec<usize>>,
    prepared: [&'a Prepared; 2],
    pub(super) undecided: Vec<Undecided>,
    pub(super) needed: BTreeSet<usize>,
    needed_flags: BTreeSet<usize>,
    /// Whether the plan itself is asked for, and not only what it needs and lacks.
    whole: bool,
    known: BTreeSet<String>,
    journal: Vec<Entry>,
}

type Name = (TypeId, TypeId, String);

/// Something that a decision has left behind.
enum Entry {
    Type(String),
    Name(Name),
    Needed(usize),
    NeededFlag(usize),
    Known(String),
}

/// What a decision may have to be undone to.
pub(super) struct State {
    journal: usize,
    undecided: usize,
}

/// Which of the two layouts.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Old,
    New,
}

/// The type whose members are decided.
pub(super) struct Owner {
    /// Its name in the plan.
    pub(super) name: String,
    /// The names it goes by in the state map, under both layouts.
    pub(super) names: [Vec<String>; 2],
    /// What overrides name that lies inside members of it: `rseq.len`.
    inside: Vec<String>,
}

impl<'a> Planner<'a> {
    fn planned(pair: &Pair<'a>, prepared: [&'a Prepared; 2], whole: bool) -> Planner<'a> {
        let mut about: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, entry) in pair.overrides.entries.iter().enumerate() {
            about.entry(&entry.field).or_default().push(number);
        }
        let mut planner = Planner {
            pair: *pair,
            types: BTreeMap::new(),
            names: BTreeMap::new(),
            taken: BTreeSet::new(),
            about,
            prepared,
            undecided: Vec::new(),
            needed: BTreeSet::new(),
            needed_flags: BTreeSet::new(),
            whole,
            known: BTreeSet::new(),
            journal: Vec::new(),
        };
        planner.objects();
        planner
    }

    pub(super) fn layout(&self, which: Which) -> &'a Layout {
        match which {
            Which::Old => self.pair.from.layout,
            Which::New => self.pair.to.layout,
        }
    }

    /// How much there is of what a decision can leave behind.
    pub(super) fn state(&self) -> State {
        State {
            journal: self.journal.len(),
            undecided: self.undecided.len(),
        }
    }

    /// Forgets what happened since `before`.
    pub(super) fn restore(&mut self, before: &State) {
        for entry in self.journal.drain(before.journal..).rev() {
            match entry {
                Entry::Type(name) => drop(self.types.remove(&name)),
                Entry::Name(key) => {
                    if let Some(name) = self.names.remove(&key) {
                        self.taken.remove(&name);
                    }
                }
                Entry::Needed(index) => drop(self.needed.remove(&index)),
                Entry::NeededFlag(index) => drop(self.needed_flags.remove(&index)),
                Entry::Known(field) => drop(self.known.remove(&field)),
            }
        }
        self.undecided.truncate(before.undecided);
    }

    /// Adds the plan of a type.
    pub(super) fn add_type(&mut self, name: String, plan: TypePlan) {
        if self.types.insert(name.clone(), plan).is_none() {
            self.journal.push(Entry::Type(name));
        }
    }

    /// Notes that an override made a difference, or has an error of its own.
    pub(super) fn add_needed(&mut self, index: usize) {
        if self.needed.insert(index) {
            self.journal.push(Entry::Needed(index));
        }
    }

    /// Notes that a decision about a flag made a difference.
    pub(super) fn add_needed_flag(&mut self, index: usize) {
        if self.needed_flags.insert(index) {
            self.journal.push(Entry::NeededFlag(index));
        }
    }

    /// Notes that an override could have been for `field`.
    fn add_known(&mut self, owner: &Owner, field: &Field) {
        if !self.whole {
            return;
        }
        let field = format!("{}.{}", owner.name, field.name);
        if self.known.insert(field.clone()) {
            self.journal.push(Entry::Known(field));
        }
    }

    /// What the fields of one of the layouts are made of.
    pub(super) fn meanings(&self, which: Which) -> &'a Meanings {
        &self.prepared[which as usize].meanings
    }

    pub(super) fn same(&self, old: TypeId, new: TypeId) -> bool {
        let canonical = |which: Which, ty: TypeId| {
            self.prepared[which as usize].canonical(self.layout(which), ty)
        };
        match (canonical(Which::Old, old), canonical(Which::New, new)) {
            (Some(old), Some(new)) => old == new,
            _ => false,
        }
    }

    /// The name of the plan for a pair of structures, which is made if it is not there.
    /// `fallback` names a structure without a name.
    pub(super) fn plan_type(&mut self, old: TypeId, new: TypeId, fallback: &str) -> String {
        let (layout, map) = (self.layout(Which::New), self.pair.map);
        // The name under which the state map speaks of the type, so that one structure with two
        // typedefs of different meaning gets two plans.
        let spoken = layout
            .names(new)
            .into_iter()
            .find(|name| map.types.contains_key(*name));
        let name = spoken
            .or_else(|| ctype::type_name(layout, new))
            .unwrap_or(fallback)
            .to_owned();
        let ids = (self.layout(Which::Old).strip(old), layout.strip(new));
        let key = (ids.0, ids.1, name.clone());
        if let Some(planned) = self.names.get(&key) {
            return planned.clone();
        }
        let mut unique = name.clone();
        let mut number = 2;
        while !self.taken.insert(unique.clone()) {
            unique = format!("{name} ({number})");
            number += 1;
        }
        self.journal.push(Entry::Name(key.clone()));
        self.names.insert(key, unique.clone());
        let plan = self.structure(&unique, (old, new), ids);
        self.add_type(unique.clone(), plan);
        unique
    }

    fn structure(
        &mut self,
        name: &str,
        declared: (TypeId, TypeId),
        ids: (TypeId, TypeId),
    ) -> TypePlan {
        let (old_layout, new_layout) = (self.layout(Which::Old), self.layout(Which::New));
        let owner = Owner {
            name: name.to_owned(),
            names: [
                names_of(old_layout, declared.0, name),
                names_of(new_layout, declared.1, name),
            ],
            inside: self.named_inside(name),
        };
        let sizes = (
            old_layout.size_of(ids.0).map_or(0, |size| size.0),
            new_layout.size_of(ids.1).map_or(0, |size| size.0),
        );
        let mut plan = TypePlan {
            name: name.to_owned(),
            ids: Some(ids),
            from_size: sizes.0,
            to_size: sizes.1,
            object: false,
            extent: None,
            open: false,
            anchor_end: None,
            behind: None,
            part_behind: None,
            fields: Vec::new(),
            drops: Vec::new(),
            padding: Vec::new(),
            spans: Vec::new(),
        };
        if sizes.0.max(sizes.1) > LARGEST {
            self.open(name, "", Why::TooLarge { largest: LARGEST }, None, None);
            return plan;
        }
        let (Shape::Struct(_, old), Shape::Struct(_, new)) = (
            ctype::shape(old_layout, ids.0),
            ctype::shape(new_layout, ids.1),
        ) else {
            self.open(name, "", Why::TypeChanged, None, None);
            return plan;
        };
        let mut old = ctype::fields(old_layout, old);
        let mut new = ctype::fields(new_layout, new);
        let tail = self.tail(&owner, declared, (&mut old, &mut new));
        let mut decisions = match self.reset_of(declared) {
            Some((rule, initial)) => self.reset_members(&owner, rule, &initial, &old, &new),
            None => {
                let old = self.opened_up(Which::Old, &owner, old);
                let new = self.opened_up(Which::New, &owner, new);
                self.members(&owner, &old, &new)
            }
        };
        decisions.extend(tail);
        if self.whole {
            for decision in decisions {
                self.place(&mut plan, decision);
            }
            fill_padding(&mut plan);
        }
        plan
    }

    /// What overrides about members of the type `name` speak of that lies inside members.
    fn named_inside(&self, name: &str) -> Vec<String> {
        let members = format!("{name}.");
        let about = self.about.range(members.as_str()..);
        let about = about.take_while(|(field, _)| field.starts_with(&members));
        let entries = &self.pair.overrides.entries;
        let spoken_of = about.flat_map(|(field, numbers)| {
            let entries = numbers.iter().filter_map(|number| entries.get(*number));
            let reads = entries.flat_map(|entry| entry.action.reads());
            let reads = reads.map(str::to_owned);
            reads.chain([field[members.len()..].to_owned()])
        });
        spoken_of.filter(|path| path.contains('.')).collect()
    }

    /// The reset rule of a type that is reset wherever it stands, and its initial value.
    pub(super) fn reset_of(&self, (old, new): (TypeId, TypeId)) -> Option<(&'a Rule, Initial)> {
        let map = self.pair.map;
        let reset = |which: Which, ty: TypeId| {
            let names = self.layout(which).names(ty);
            let rule = names
                .iter()
                .find_map(|name| map.types.get(*name)?.rule.as_ref())?;
            matches!(rule.policy, Policy::Reset { .. }).then_some(rule)
        };
        reset(Which::Old, old)?;
        let rule = reset(Which::New, new)?;
        Some((rule, map.initial(self.layout(Which::New), new)))
    }

    /// Decides every member of a structure: those of the new layout in their order, then those
    /// that only the old one has.
    fn members(&mut self, owner: &Owner, old: &[Field], new: &[Field]) -> Vec<Decision> {
        let mut decisions = Vec::new();
        let claimed = self.claimed(owner, old, new);
        let read_for_flags = self.read_for_flags(owner, old, new);
        let (old_names, new_names) = (by_name(old), by_name(new));
        let old_named = |name: &str| old_names.get(name).copied();
        for field in new {
            self.add_known(owner, field);
            let other = old_named(&field.name).filter(|old| !claimed.contains_key(&old.name));
            let entry = self.override_for(owner, &field.name, false);
            let decided = match entry {
                Some(entry) => self.by_human(owner, entry, other, field, old),
                None => match self.override_for(owner, &field.name, true) {
                    // What is wrong is told once, where the old field's turn comes.
                    Some(_) if other.is_some() => continue,
                    Some(drop) if !old_names.contains_key(field.name.as_str()) => {
                        Err(self.misplaced(drop, OverrideProblem::NothingToDrop))
                    }
                    _ => {
                        let moved = match other {
                            Some(_) => None,
                            None => self.moved_behind(owner, Which::New, field),
                        };
                        match moved {
                            Some(decision) => Ok(decision),
                            None => self.by_rule(owner, other, Some(field)),
                        }
                    }
                },
            };
            match decided {
                Ok(decision) => decisions.push(Decided {
                    entry,
                    field,
                    decision,
                }),
                Err(why) => self.open_field(owner, why, other, Some(field), old, new),
            }
        }
        for field in old {
            self.add_known(owner, field);
            let in_new = new_names.contains_key(field.name.as_str());
            let dropped = self.override_for(owner, &field.name, true);
            let decided = match (claimed.get(&field.name), dropped) {
                (Some(entry), Some(drop)) => {
                    let problem = OverrideProblem::DropOfUsed {
                        by: entry.field.clone(),
                    };
                    Err(self.misplaced(drop, problem))
                }
                (Some(entry), None) => match self.used_by(owner, entry, field) {
                    Some(decision) => Ok(decision),
                    None => continue,
                },
                (None, Some(entry)) => self.human_drop(owner, entry, field, in_new),
                (None, None) if in_new => continue,
                (None, None) => match self.override_for(owner, &field.name, false) {
                    Some(entry) => Err(self.misplaced(entry, OverrideProblem::NoNewField)),
                    None => match read_for_flags.get(&field.name) {
                        Some((by, decision)) => Ok(Decision {
                            source: Source::Override,
                            reason: Reason::one(&decision.reason),
                            evidence: String::new(),
                            parts: vec![Part {
                                rule: RuleKind::Call,
                                action: super::Action::Used { by: by.clone() },
                                from: Some(Value::of(field)),
                                to: None,
                            }],
                        }),
                        None => match self.moved_behind(owner, Which::Old, field) {
                            Some(decision) => Ok(decision),
                            None => self.by_rule(owner, Some(field), None),
                        },
                    },
                },
            };
            match decided {
                Ok(decision) => decisions.push(Decided {
                    entry: None,
                    field,
                    decision,
                }),
                Err(why) => self.open_field(owner, why, Some(field), None, old, new),
            }
        }
        self.with_one_fate(owner, decisions, (old, new))
    }

    /// The members of a structure, with those that an override speaks of something in told member
    /// by member: `rseq.len` may have been `rseq_len`.
    fn opened_up(&self, which: Which, owner: &Owner, fields: Vec<Field>) -> Vec<Field> {
        let layout = self.layout(which);
        let mut all = Vec::new();
        for field in fields {
            let members = match self.speaks_inside(owner, &field.name) {
                true => ctype::members_of(layout, &field),
                false => None,
            };
            match members {
                Some(members) => all.extend(self.opened_up(which, owner, members)),
                None => all.push(field),
            }
        }
        all
    }

    /// Whether an override of `owner` names something inside the member `name`.
    fn speaks_inside(&self, owner: &Owner, name: &str) -> bool {
        owner.inside.iter().any(|path| {
            path.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('.'))
        })
    }

    /// The override for a field: one that says what it gets, or one that drops it.
    pub(super) fn override_for(
        &self,
        owner: &Owner,
        field: &str,
        drop: bool,
    ) -> Option<&'a Override> {
        let about = format!("{}.{field}", owner.name);
        let entries = &self.pair.overrides.entries;
        let numbers = self.about.get(about.as_str())?.iter();
        let mut entries = numbers.filter_map(|number| entries.get(*number));
        entries.find(|entry| entry.is_drop() == drop)
    }

    /// Puts the parts of a decision into their places.
    fn place(&self, plan: &mut TypePlan, decision: Decision) {
        for Part {
            rule,
            action,
            from,
            to,
        } in decision.parts
        {
            let place = |which: Which, value: &Value| {
                let text = self.layout(which).type_name(value.ty);
                Place {
                    bits: Bits {
                        offset: value.offset,
                        len: value.len,
                    },
                    declared: match value.bit_field {
                        true => format!("{text}:{}", value.len),
                        false => text,
                    },
                    ty: Some(value.ty),
                    bit_field: value.bit_field,
                }
            };
            let (path, old_path) = match (&from, &to) {
                (Some(from), Some(to)) if from.path != to.path => {
                    (to.path.clone(), Some(from.path.clone()))
                }
                (_, Some(to)) => (to.path.clone(), None),
                (Some(from), None) => (from.path.clone(), None),
                (None, None) => continue,
            };
            let field = FieldPlan {
                path,
                old_path,
                rule,
                action,
                from: from.as_ref().map(|value| place(Which::Old, value)),
                to: to.as_ref().map(|value| place(Which::New, value)),
                source: decision.source,
                reason: decision.reason.clone(),
                evidence: decision.evidence.clone(),
            };
            match to {
                Some(_) => plan.fields.push(field),
                None => plan.drops.push(field),
            }
        }
    }
}

/// Fields by their names; of two of one name, the first.
pub(super) fn by_name(fields: &[Field]) -> BTreeMap<&str, &Field> {
    let fields = fields.iter().rev();
    fields.map(|field| (field.name.as_str(), field)).collect()
}

/// The member of the type `owner` that an override is about.
pub(super) fn member_of<'e>(owner: &str, entry: &'e Override) -> Option<&'e str> {
    entry.field.strip_prefix(owner)?.strip_prefix('.')
}

/// The names by which the state map may speak of a type. One without a name is spoken of by the
/// path to it.
fn names_of(layout: &Layout, ty: TypeId, shown: &str) -> Vec<String> {
    match layout.names(ty).as_slice() {
        [] => vec![shown.to_owned()],
        names => names.iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// Gives every target bit that no field has to a padding rule, and every source bit that neither
/// field nor drop has to the source padding; sorts all by place.
fn fill_padding(plan: &mut TypePlan) {
    let written = plan
        .fields
        .iter()
        .filter_map(|field| Some(field.to.as_ref()?.bits));
    for bits in holes(written, plan.to_size * 8) {
        plan.fields.push(FieldPlan {
            path: padding_path(),
            old_path: None,
            rule: RuleKind::Padding,
            action: super::Action::Zero,
            from: None,
            to: Some(Place {
                bits,
                declared: String::new(),
                ty: None,
                bit_field: false,
            }),
            source: Source::Automatic,
            reason: Reason::default(),
            evidence: String::new(),
        });
    }
    let read = plan.fields.iter().chain(&plan.drops);
    let read = read.filter_map(|field| Some(field.from.as_ref()?.bits));
    plan.padding = holes(read, plan.from_size * 8);
    plan.fields
        .sort_by_key(|field| field.to.as_ref().map(|place| place.bits));
    plan.drops
        .sort_by_key(|field| field.from.as_ref().map(|place| place.bits));
}

fn holes(covered: impl Iterator<Item = Bits>, size: u64) -> Vec<Bits> {
    let mut covered: Vec<Bits> = covered.collect();
    covered.sort_unstable();
    let mut holes = Vec::new();
    let mut end = 0;
    for bits in covered.into_iter().chain([Bits {
        offset: size,
        len: 0,
    }]) {
        if bits.offset > end {
            holes.push(Bits {
                offset: end,
                len: bits.offset - end,
            });
        }
        end = end.max(bits.end());
    }
    holes
}
