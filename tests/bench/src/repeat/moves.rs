//! Where the objects of each copy lie.

use super::RepeatError;
use kconv_image::Machine;
use std::num::NonZeroU32;

/// What objects are aligned to that need no more, in bytes: no slab aligns its objects more.
pub(super) const ALIGN: u64 = 64;
/// Where a copy may begin, in bytes: no object asks for more than a task of 2.4 with its stack does.
const STRIDE_ALIGN: u64 = 8192;
/// Below there is nothing of a kernel, and next to 0 lies what null pointers with an offset lead to.
const LOWEST: u64 = 0x0100_0000;

/// Memory of an object.
pub(super) struct Block {
    /// Where it begins.
    pub(super) start: u64,
    /// What belongs to it from there, the object or more.
    pub(super) bytes: u64,
    /// What it is aligned to, in bytes; at most [`STRIDE_ALIGN`].
    pub(super) align: u64,
}

/// Where the objects of each copy lie: in the order in which they lay, without the room that was between them, as
/// objects in slabs do. What lay side by side still does, for there may be a meaning in it.
pub(super) struct Moves {
    groups: Vec<Group>,
    /// Where the first copy after the objects themselves begins.
    first: u64,
    /// What a copy takes, in bytes.
    stride: u64,
}

/// Objects that lie side by side.
struct Group {
    start: u64,
    end: u64,
    align: u64,
    /// Where the group begins in a copy.
    inside: u64,
}

impl Moves {
    /// # Errors
    /// [`RepeatError::NoRoom`]
    pub(super) fn new(
        mut blocks: Vec<Block>,
        machine: Machine,
        copies: NonZeroU32,
    ) -> Result<Moves, RepeatError> {
        blocks.sort_by_key(|block| block.start);
        let mut groups: Vec<Group> = Vec::new();
        for block in blocks {
            let end = block.start.saturating_add(block.bytes);
            match groups.last_mut().filter(|last| block.start <= last.end) {
                Some(last) => {
                    last.end = last.end.max(end);
                    last.align = last.align.max(block.align);
                }
                None => groups.push(Group {
                    start: block.start,
                    end,
                    align: block.align,
                    inside: 0,
                }),
            }
        }
        let mut next: u64 = 0;
        for group in &mut groups {
            let past = group.start % group.align;
            let start = next - next % group.align + past;
            group.inside = match start < next {
                true => start + group.align,
                false => start,
            };
            next = group.inside + (group.end - group.start);
        }
        let stride = next.next_multiple_of(STRIDE_ALIGN);
        let lowest = groups.first().map_or(LOWEST, |group| group.start);
        let highest = groups.last().map_or(LOWEST, |group| group.end);
        let no_room = RepeatError::NoRoom {
            copies: copies.get(),
            bytes: stride,
        };
        let first = first(lowest, highest, machine, stride, copies).ok_or(no_room)?;
        Ok(Moves {
            groups,
            first,
            stride,
        })
    }

    /// Where a copy begins, of those after the first.
    pub(super) fn base(&self, copy: u32) -> u64 {
        self.first + u64::from(copy.saturating_sub(1)) * self.stride
    }

    /// How far into a copy an address in or beside an object is.
    pub(super) fn inside(&self, address: u64) -> Option<u64> {
        let group = self.at_or_below(address)?;
        (address < group.end).then(|| group.inside + (address - group.start))
    }

    /// As [`Moves::inside`], or right behind what the object at `own` lies in: where an empty stack begins.
    pub(super) fn inside_or_behind(&self, address: u64, own: u64) -> Option<u64> {
        let group = self.at_or_below(own)?;
        let is_own = (group.start..=group.end).contains(&address);
        match is_own {
            true => Some(group.inside + (address - group.start)),
            false => self.inside(address),
        }
    }

    fn at_or_below(&self, address: u64) -> Option<&Group> {
        let after = self.groups.partition_point(|group| group.start <= address);
        self.groups[..after].last()
    }
}

/// Where the first of the copies after the objects themselves begins: behind them, where half of the room is left for
/// what outgrows its place in a conversion and moves behind all others, else below them.
fn first(
    lowest: u64,
    highest: u64,
    machine: Machine,
    stride: u64,
    copies: NonZeroU32,
) -> Option<u64> {
    let bytes = stride.checked_mul(u64::from(copies.get() - 1))?;
    let end = match machine {
        Machine::I386 => u64::from(u32::MAX),
        Machine::X86_64 => u64::MAX,
    };
    let behind = highest.checked_next_multiple_of(STRIDE_ALIGN)?;
    if bytes <= end.saturating_sub(behind) / 2 {
        return Some(behind);
    }
    (LOWEST.checked_add(bytes)? <= lowest).then_some(LOWEST)
}
