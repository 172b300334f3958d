//! Old values to which decisions of people give two fates, or none.
//!
//! Each entry is right by itself: that a field is renamed while the new layout has another one of its
//! old name, which the old value becomes as well, only all decisions of a type together show.

use super::builder::{Owner, Planner};
use super::decision::{Decided, Decision};
use super::finding::Why;
use super::human::arguments;
use crate::ctype::Field;
use crate::overrides::{OverrideAction, OverrideProblem};

impl<'a> Planner<'a> {
    /// The decisions without those that give an old value a second fate, or leave one without any;
    /// their fields are left open.
    pub(super) fn with_one_fate(
        &mut self,
        owner: &Owner,
        all: Vec<Decided<'a, '_>>,
        (old, new): (&[Field], &[Field]),
    ) -> Vec<Decision> {
        let problems: Vec<_> = (0..all.len())
            .map(|index| second_fate(&all, index).or_else(|| no_fate(&all, index, old)))
            .collect();
        let mut decisions = Vec::new();
        for (decided, problem) in all.into_iter().zip(problems) {
            match (decided.entry, problem) {
                (Some(entry), Some(problem)) => {
                    let why: Why = self.misplaced(entry, problem);
                    let was = old.iter().find(|old| old.name == decided.field.name);
                    self.open_field(owner, why, was, Some(decided.field), old, new);
                }
                _ => decisions.push(decided.decision),
            }
        }
        decisions
    }
}

/// That the old field which the entry of a decision takes becomes something else as well. Of two
/// entries that take the same one, the second is wrong.
fn second_fate(all: &[Decided<'_, '_>], index: usize) -> Option<OverrideProblem> {
    let decided = &all[index];
    let taken = takes(decided)?;
    let mut others = all.iter().enumerate().filter(|(other, _)| *other != index);
    let (_, by) = others.find(|(other, by)| {
        let first = takes(by).is_none() || *other < index;
        first && overlap(&decided.decision, &by.decision)
    })?;
    Some(OverrideProblem::SecondFate {
        name: taken.to_owned(),
        by: by.field.name.clone(),
    })
}

/// The old field of another name that becomes the decided one.
fn takes<'d>(decided: &'d Decided<'_, '_>) -> Option<&'d str> {
    let name = match &decided.entry?.action {
        OverrideAction::Rename { old } => old,
        OverrideAction::Scale {
            from: Some(from), ..
        } => from,
        _ => return None,
    };
    (*name != decided.field.name).then_some(name)
}

/// That the old field of the decided one's name is read by nothing, because its entry names other
/// fields.
fn no_fate(all: &[Decided<'_, '_>], index: usize, old: &[Field]) -> Option<OverrideProblem> {
    let decided = &all[index];
    let own = &decided.field.name;
    let reads_own = match &decided.entry?.action {
        OverrideAction::Call(call) => arguments(&call.from, own).contains(own),
        OverrideAction::Scale { .. } => takes(decided).is_none(),
        _ => return None,
    };
    let was = old.iter().find(|field| field.name == *own)?;
    let bits = (was.offset, was.offset + was.len);
    let read = || all.iter().flat_map(|decided| sources(&decided.decision));
    (!reads_own && was.len > 0 && !read().any(|other| meet(bits, other)))
        .then(|| OverrideProblem::NoFate { name: own.clone() })
}

/// The old bits, first and behind the last, that a decision disposes of.
fn sources(decision: &Decision) -> impl Iterator<Item = (u64, u64)> {
    let from = decision.parts.iter().filter_map(|part| part.from.as_ref());
    from.map(|value| (value.offset, value.offset + value.len))
}

fn overlap(one: &Decision, other: &Decision) -> bool {
    sources(one).any(|bits| sources(other).any(|others| meet(bits, others)))
}

const fn meet((start, end): (u64, u64), (other_start, other_end): (u64, u64)) -> bool {
    start < other_end && other_start < end
}
