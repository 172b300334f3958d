//! Which bytes of an object mean something: numbers are made whole, and what is not in use is
//! cleared, so that nothing stale is followed or saved.

use super::sizes::{extended, variable};
use crate::error::{Fault, Flaw};
use crate::memory::Memory;
use crate::places::{Arm, Edit, Field};
use kconv_image::KernelAddr;
use kernel_structs::state::Telling;
use kernel_structs_bits::little_endian;
use std::ops::Range;

/// The most CPUs there can be: `NR_CPUS` of Debian's kernels is 8192.
const MAX_CPUS: u32 = 1 << 16;

/// Applies `edits` to `bytes`, which were read at `at`.
pub(super) fn apply(
    edits: &[Edit<'_>],
    memory: Memory<'_>,
    at: KernelAddr,
    bytes: &mut [u8],
) -> Result<(), Flaw> {
    for edit in edits {
        match edit {
            Edit::Fold {
                number,
                percpu,
                part,
                signed,
            } => fold(memory, bytes, number, percpu, (*part, *signed))?,
            Edit::Embedded { field, live } => {
                let here = at.0.checked_add(field.offset);
                if here != Some(read(bytes, live)) {
                    clear(bytes, field.range());
                }
            }
            Edit::Union { whole, arms } => {
                let found = arms.iter().find(|arm| fits(memory, bytes, arm));
                let kept = found.map_or(0..0, |arm| arm.live.range());
                let all = whole.range();
                clear(bytes, all.start..kept.start.max(all.start));
                clear(bytes, kept.end.max(all.start)..all.end);
            }
        }
    }
    Ok(())
}

/// Adds up a number and the parts that the possible CPUs have.
fn fold(
    memory: Memory<'_>,
    bytes: &mut [u8],
    number: &Field,
    percpu: &Field,
    (width, signed): (u8, bool),
) -> Result<(), Flaw> {
    let pointer = read(bytes, percpu);
    if pointer == 0 {
        return Ok(());
    }
    let mut sum = read(bytes, number);
    for offset in cpu_offsets(memory)? {
        let part = memory.bytes(KernelAddr(pointer.wrapping_add(offset)), width.into())?;
        let part = extended(little_endian(&part), width, signed);
        sum = sum.wrapping_add(part as u64);
    }
    if let Some(place) = bytes.get_mut(number.range()) {
        let width = place.len();
        place.copy_from_slice(&sum.to_le_bytes()[..width]);
    }
    Ok(())
}

/// What is added to a per-CPU pointer for each possible CPU (`include/asm-generic/percpu.h`:
/// per_cpu_offset; `include/linux/cpumask.h`: for_each_possible_cpu).
fn cpu_offsets(memory: Memory<'_>) -> Result<Vec<u64>, Flaw> {
    let symbol = |name: &str| {
        let found = memory.source.symbol(name);
        found.ok_or_else(|| Fault::NoSymbol {
            name: name.to_owned(),
        })
    };
    let cpus = variable(memory, "nr_cpu_ids")?;
    if cpus > MAX_CPUS {
        return Err(Flaw::Count {
            member: "nr_cpu_ids".to_owned(),
            count: cpus.into(),
            unit: "CPUs",
            limit: MAX_CPUS.into(),
        });
    }
    let possible = memory.bytes(symbol("__cpu_possible_mask")?, u64::from(cpus).div_ceil(8))?;
    let offsets = memory.bytes(symbol("__per_cpu_offset")?, 8 * u64::from(cpus))?;
    let is_possible = |cpu: &usize| possible[cpu / 8] >> (cpu % 8) & 1 != 0;
    Ok((0..cpus as usize)
        .filter(is_possible)
        .map(|cpu| little_endian(&offsets[8 * cpu..8 * cpu + 8]))
        .collect())
}

/// Whether an arm is the one in use.
fn fits(memory: Memory<'_>, bytes: &[u8], arm: &Arm<'_>) -> bool {
    let value = read(bytes, &arm.when);
    let number = || extended(value, arm.when.width as u8, arm.signed);
    match arm.is {
        Telling::Other => true,
        Telling::Negative => number() < 0,
        Telling::Numbers(numbers) => numbers.contains(&number()),
        Telling::Symbols(symbols) => {
            let found = memory.source.symbolise(KernelAddr(value));
            found.is_some_and(|(name, offset)| offset == 0 && symbols.contains(&name))
        }
    }
}

/// The number in a field of at most eight bytes; 0 if it lies behind the end.
fn read(bytes: &[u8], field: &Field) -> u64 {
    bytes.get(field.range()).map_or(0, little_endian)
}

fn clear(bytes: &mut [u8], range: Range<usize>) {
    let end = range.end.min(bytes.len());
    if let Some(place) = bytes.get_mut(range.start..end) {
        place.fill(0);
    }
}
