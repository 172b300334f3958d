//! Faults that are planted together: each of another part of the state, so that the part tells which was
//! found. Building what is planted and starting the machine takes longer than looking at all parts.

use crate::list::Fault;
use crate::suite::{Outcome, wrong_of};

/// What a run with several faults says of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The parts of these are wrong, and all others right: what was said of each, in the order of the
    /// faults.
    Caught(Vec<String>),
    /// It does not tell the faults apart: each has to be planted alone.
    Open,
}

/// Faults by their place in `faults`, in groups that can be planted together: each of a part of its own,
/// judged by the test of the list. Those that cannot are in no group.
pub fn batches(faults: &[Fault]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (at, fault) in faults.iter().enumerate() {
        if fault.part.is_none() || fault.test.is_some() || fault.survives.is_some() {
            continue;
        }
        let free = groups
            .iter_mut()
            .find(|group| group.iter().all(|other| faults[*other].part != fault.part));
        match free {
            Some(group) => group.push(at),
            None => groups.push(vec![at]),
        }
    }
    groups.retain(|group| group.len() > 1);
    groups
}

/// What came of a run of all `parts` of the state with `faults` planted. A part that is wrong though none of
/// the faults is of it shows that one of them reaches further than its own part.
pub fn settled(faults: &[&Fault], parts: &[&str], outcome: &Outcome) -> Settled {
    let Outcome::Failed(lines) = outcome else {
        return Settled::Open;
    };
    let is_planted = |part: &str| {
        faults
            .iter()
            .any(|fault| fault.part.as_deref() == Some(part))
    };
    let others = parts.iter().filter(|part| !is_planted(part));
    if others
        .into_iter()
        .any(|part| wrong_of(lines, part).is_some())
    {
        return Settled::Open;
    }
    let found = faults.iter().map(|fault| {
        let line = wrong_of(lines, fault.part.as_deref()?)?;
        Some(line.clone())
    });
    found
        .collect::<Option<_>>()
        .map_or(Settled::Open, Settled::Caught)
}
