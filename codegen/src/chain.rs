//! Whether a chain of conversions gives what a direct one would, field for field.
//!
//! A kernel in the middle of a chain that lacks a member which both ends have would lose its value.
//! Finished plans are compared, as [`crate::coverage`] does it: each bit that the direct plan carries
//! is followed through the plans of the chain, and has to arrive where the direct plan puts it.

mod follow;
mod number;

use crate::plan::{Bits, Plan};
pub use follow::Opened;
use follow::{Read, Spot, Went, joined_spots};
use kernel_structs::layout::{Layout, padding};
use kernel_structs::units::{BitOffset, BitSize};
use number::{First, Way};
use std::collections::BTreeMap;
use std::fmt;

/// More runs of padding than any type of a kernel has.
const MOST_RUNS: usize = 1 << 20;

/// A field that does not come out of a chain as it would come out of a direct conversion.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// The type of the object.
    pub ty: String,
    /// The field, under the first layout; under the last one if what differs is a first value.
    pub field: String,
    /// What differs.
    pub what: What,
}

/// How a chain differs from a direct conversion.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The direct conversion carries what the chain does not. The number of the step in which it is
    /// lost, from 0.
    Lost {
        /// The step.
        step: usize,
    },
    /// Both carry it, to different places.
    Elsewhere,
    /// The chain carries what the direct conversion does not.
    Kept,
    /// Both carry it, and another number comes out.
    Counted,
    /// Both carry it, and other functions of people make it.
    Called,
    /// Both carry it, and on the way some values are refused that the direct conversion carries. The
    /// number of the step in which they are, from 0.
    Narrower {
        /// The step.
        step: usize,
    },
    /// A new field has another first value.
    Initial {
        /// The step of the chain in which it appears, from 0.
        step: usize,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { ty, field, what } = self;
        match what {
            What::Lost { .. } => write!(f, "{ty}.{field} is lost on the way"),
            What::Elsewhere => write!(f, "{ty}.{field} ends up at another place"),
            What::Kept => write!(f, "{ty}.{field} is carried on the way"),
            What::Counted => write!(f, "{ty}.{field} comes out as another number"),
            What::Called => write!(f, "{ty}.{field} is made by other functions on the way"),
            What::Narrower { .. } => write!(
                f,
                "{ty}.{field} passes a narrower type on the way, which not all of its values go through"
            ),
            What::Initial { .. } => write!(f, "{ty}.{field} gets another first value"),
        }
    }
}

/// Everything that the plans of the `steps`, one after the other, do in another way than `direct`.
/// `first` is the layout that both begin with, as plans are made of it
/// ([`kernel_structs::state::StateMap::live`]).
pub fn differences(direct: &Plan, steps: &[&Opened<'_>], first: &Layout) -> Vec<Difference> {
    let straight = Opened::of(direct);
    let mut found = Vec::new();
    for ty in direct.types.values().filter(|ty| ty.object) {
        let Some((id, _)) = ty.ids else { continue };
        let holes = padding(first, id, MOST_RUNS).unwrap_or_default();
        for read in straight.read(&ty.name) {
            let what = match read.bit_by_bit() {
                true => {
                    let mut parts = without(read.from, &holes).into_iter();
                    parts.find_map(|bits| of_bits(&read, steps, &ty.name, bits))
                }
                false => of_whole(&read, steps, &ty.name),
            };
            found.extend(what.map(|what| Difference {
                ty: ty.name.clone(),
                field: read.path().to_owned(),
                what,
            }));
        }
        for (bits, path) in straight.unread(&ty.name) {
            if follow(steps, Spot::new(&ty.name, bits)).is_ok() {
                found.push(Difference {
                    ty: ty.name.clone(),
                    field: path.to_owned(),
                    what: What::Kept,
                });
            }
        }
    }
    found.extend(initial_values(&straight, steps));
    found.sort();
    found.dedup();
    found
}

/// What becomes of bits of which each has a place of its own.
fn of_bits(read: &Read<'_, '_>, steps: &[&Opened<'_>], ty: &str, bits: Bits) -> Option<What> {
    let wanted = read.forward(bits);
    if wanted.places.is_empty() {
        return None;
    }
    let what = match follow(steps, Spot::new(ty, bits)) {
        Ok(there) if holds(&there, &wanted) => return of_values(&wanted, &there),
        Ok(_) => What::Elsewhere,
        Err(step) => What::Lost { step },
    };
    // Some bits of a word of flags have no name; the others tell.
    let mut each = (bits.offset..bits.end()).map(|offset| Bits { offset, len: 1 });
    match bits.len {
        1 => match wanted.stopped || stops(steps, Spot::new(ty, bits)) {
            true => None,
            false => Some(what),
        },
        2..=64 => each.find_map(|bit| of_bits(read, steps, ty, bit)),
        _ => Some(what),
    }
}

/// What becomes of bits that one value is made of: something of them has to be in it.
fn of_whole(read: &Read<'_, '_>, steps: &[&Opened<'_>], ty: &str) -> Option<What> {
    let wanted = read.forward(read.from);
    match follow(steps, Spot::new(ty, read.from)) {
        _ if wanted.places.is_empty() => None,
        Ok(there) => {
            let mut met = there
                .iter()
                .filter(|(spot, _)| wanted.spots().any(|wanted| spot.meets(wanted)))
                .peekable();
            match met.peek() {
                None => Some(What::Elsewhere),
                Some(_) => {
                    let differ = met.map(|(_, way)| of_value(&wanted, way));
                    // One way on which nothing differs is enough.
                    differ.min().flatten()
                }
            }
        }
        Err(step) => Some(What::Lost { step }),
    }
}

/// What becomes of values that come where they have to.
fn of_values(direct: &Went<'_>, there: &[(Spot, Way<'_>)]) -> Option<What> {
    let wanted = |spot: &Spot| direct.spots().any(|wanted| spot.meets(wanted));
    let there = there.iter().filter(|(spot, _)| wanted(spot));
    there.filter_map(|(_, way)| of_value(direct, way)).min()
}

/// What becomes of a value that came one way.
fn of_value(direct: &Went<'_>, chain: &Way<'_>) -> Option<What> {
    let mut straight = Way::new();
    if let Some(made) = direct.places.iter().find_map(|(_, made)| made.as_ref()) {
        straight.go(0, made);
    }
    if !chain.is_called_as(&straight) {
        return Some(What::Called);
    }
    if !chain.counts_as(&straight) {
        return Some(What::Counted);
    }
    let step = chain.refuses_more_than(&straight)?;
    Some(What::Narrower { step })
}

/// Where a place goes in a chain, each with the way there; or in which step it is lost.
fn follow<'a>(steps: &[&Opened<'a>], at: Spot) -> Result<Vec<(Spot, Way<'a>)>, usize> {
    let mut all = vec![(at, Way::new())];
    for (number, step) in steps.iter().enumerate() {
        let mut next = Vec::new();
        for (spot, way) in &all {
            for (spot, made) in step.forward(spot).places {
                let mut way = way.clone();
                if let Some(made) = &made {
                    way.go(number, made);
                }
                next.push((spot, way));
            }
        }
        if next.is_empty() {
            return Err(number);
        }
        all = joined_spots(next);
    }
    Ok(all)
}

/// Whether a bit comes where it has no name, before it is lost.
fn stops(steps: &[&Opened<'_>], at: Spot) -> bool {
    let mut spots = vec![at];
    steps.iter().any(|step| {
        let went: Vec<Went<'_>> = spots.iter().map(|spot| step.forward(spot)).collect();
        spots = went.iter().flat_map(Went::spots).cloned().collect();
        went.iter().any(|went| went.stopped)
    })
}

/// Whether `all` has every bit that `some` has, whichever way it came.
fn holds(all: &[(Spot, Way<'_>)], some: &Went<'_>) -> bool {
    let spots = all.iter().map(|(spot, _)| (spot.clone(), ()));
    let all = joined_spots(spots.collect());
    let mut some = some.spots();
    some.all(|part| all.iter().any(|(spot, ())| spot.has(part)))
}

/// New fields that begin with another value than that which the direct conversion gives them.
fn initial_values(straight: &Opened<'_>, steps: &[&Opened<'_>]) -> Vec<Difference> {
    let mut direct: BTreeMap<Spot, First<'_>> = BTreeMap::new();
    for (ty, bits, _, first) in straight.first_values() {
        direct.insert(Spot::new(ty, bits), first);
    }
    let mut found = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        for (ty, bits, path, first) in step.first_values() {
            let there = follow(&steps[number + 1..], Spot::new(ty, bits));
            for (spot, way) in there.unwrap_or_default() {
                let first = way.of(first);
                if direct.get(&spot).is_some_and(|other| first != Some(*other)) {
                    found.push(Difference {
                        ty: spot.ty,
                        field: path.clone(),
                        what: What::Initial { step: number },
                    });
                }
            }
        }
    }
    found
}

/// The parts of `bits` that are no padding.
fn without(bits: Bits, holes: &[(BitOffset, BitSize)]) -> Vec<Bits> {
    let mut parts = Vec::new();
    let mut start = bits.offset;
    for (offset, len) in holes {
        let (hole, end) = (offset.0, offset.0 + len.0);
        if end <= start || hole >= bits.end() {
            continue;
        }
        if hole > start {
            parts.push(Bits {
                offset: start,
                len: hole - start,
            });
        }
        start = end;
    }
    if start < bits.end() {
        parts.push(Bits {
            offset: start,
            len: bits.end() - start,
        });
    }
    parts
}
