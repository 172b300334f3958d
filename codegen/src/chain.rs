//! Whether a chain of conversions gives what a direct one would, field for field.
//!
//! A kernel in the middle of a chain that lacks a member which both ends have would lose its value.
//! Finished plans are compared, as [`crate::coverage`] does it: each bit that the direct plan carries
//! is followed through the plans of the chain, and has to arrive where the direct plan puts it.

mod follow;

use crate::plan::{Bits, Plan};
pub use follow::Opened;
use follow::{First, Read, Spot};
use kernel_structs::layout::{Layout, padding};
use kernel_structs::units::{BitOffset, BitSize};
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
    if wanted.spots.is_empty() {
        return None;
    }
    let what = match follow(steps, Spot::new(ty, bits)) {
        Ok(there) if holds(&there, &wanted.spots) => return None,
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
    let wanted = read.forward(read.from).spots;
    match follow(steps, Spot::new(ty, read.from)) {
        _ if wanted.is_empty() => None,
        Ok(there) => {
            let mut there = there.iter();
            let met = there.any(|spot| wanted.iter().any(|wanted| spot.meets(wanted)));
            (!met).then_some(What::Elsewhere)
        }
        Err(step) => Some(What::Lost { step }),
    }
}

/// Where a place goes in a chain, or in which step it is lost.
fn follow(steps: &[&Opened<'_>], at: Spot) -> Result<Vec<Spot>, usize> {
    let mut spots = vec![at];
    for (number, step) in steps.iter().enumerate() {
        spots = step.forward(&spots).spots;
        if spots.is_empty() {
            return Err(number);
        }
    }
    Ok(spots)
}

/// Whether a bit comes where it has no name, before it is lost.
fn stops(steps: &[&Opened<'_>], at: Spot) -> bool {
    let mut spots = vec![at];
    steps.iter().any(|step| {
        let went = step.forward(&spots);
        spots = went.spots;
        went.stopped
    })
}

/// Whether `all` has every bit of `some`. Both are in order, with neighbours joined.
fn holds(all: &[Spot], some: &[Spot]) -> bool {
    let mut some = some.iter();
    some.all(|part| all.iter().any(|spot| spot.has(part)))
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
            let mut spots = vec![Spot::new(ty, bits)];
            for later in &steps[number + 1..] {
                spots = later.forward(&spots).spots;
            }
            for spot in spots {
                if direct.get(&spot).is_some_and(|other| *other != first) {
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
