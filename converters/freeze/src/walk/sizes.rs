//! How many elements an array has, and how many bytes an object.

use super::{MAX_ELEMENTS, Pointer, Walked};
use crate::error::{Fault, Flaw};
use crate::memory::Memory;
use crate::places::SavedType;
use kconv_image::KernelAddr;
use kernel_structs::state::{CountUnit, Follow, Number, TailPlace};
use kernel_structs_bits::little_endian;

/// The most bytes that an object can be longer than its type: the register state of a CPU with
/// AMX is 11 KiB.
const MAX_SURPLUS: u64 = 1 << 16;

impl<'a> Walked<'a> {
    /// How many elements of `size` bytes a pointer leads to.
    pub(super) fn count(
        &self,
        pointer: &Pointer<'_, 'a>,
        follow: &Follow,
        size: u64,
    ) -> Result<u32, Flaw> {
        let Some(count) = &follow.count else {
            return Ok(1);
        };
        let number = match &count.of {
            Number::Variable(name) => i64::from(variable(self.memory, name)?),
            Number::Member(member) => self.sibling(pointer, member)?,
        };
        let (unit, limit, each) = match follow.unit {
            CountUnit::Elements => ("elements", MAX_ELEMENTS, 1),
            CountUnit::Bits => ("bits", MAX_ELEMENTS, 8 * size),
        };
        match u64::try_from(number) {
            Ok(value) if value <= limit => {
                Ok(value.div_ceil(count.divide.max(1)).div_ceil(each) as u32)
            }
            _ => Err(Flaw::Count {
                member: count.of.name().to_owned(),
                count: number,
                unit,
                limit,
            }),
        }
    }

    /// The number in the member `sibling` beside a pointer.
    fn sibling(&self, pointer: &Pointer<'_, 'a>, sibling: &str) -> Result<i64, Flaw> {
        let owner = self.around(pointer.span.object, pointer.start, pointer.place)?;
        Ok(owner.signed(sibling)?)
    }

    /// How many bytes `count` values of type `ty` at `at` have.
    pub(super) fn size(&self, ty: &SavedType<'a>, count: u32, at: KernelAddr) -> Result<u64, Flaw> {
        if let Some(tail) = ty.tail.as_ref().filter(|_| count == 1) {
            return self.size_with_tail(&tail.at, at);
        }
        let Some(extent) = ty.extent else {
            return Ok(ty.size * u64::from(count));
        };
        let (names, rule) = (self.memory.names, extent.rule);
        let offset_of = |member: &str| names.offset_in(extent.of, member);
        let from = rule.from.as_deref().map_or(Ok(0), offset_of)?;
        let found = match &rule.of {
            Number::Variable(name) => u64::from(variable(self.memory, name)?),
            Number::Member(member) => {
                let start = at.0.checked_sub(extent.before).map(KernelAddr);
                let place = start.unwrap_or(at).checked_add(offset_of(member)?);
                let bytes = self.memory.bytes(place.unwrap_or(at), 4)?;
                little_endian(&bytes)
            }
        };
        let size = from.saturating_add(found).checked_sub(extent.before);
        let most = ty.size + MAX_SURPLUS;
        size.filter(|size| found != 0 && (1..=most).contains(size))
            .ok_or_else(|| Flaw::Size {
                of: rule.of.name().to_owned(),
                size: found,
                most: (most + extent.before).saturating_sub(from),
            })
    }

    /// How many bytes an object at `at` has that ends in a flexible array.
    fn size_with_tail(&self, tail: &TailPlace, at: KernelAddr) -> Result<u64, Flaw> {
        let bytes = self.memory.bytes(at, tail.size)?;
        let elements = tail.elements(&bytes);
        let size = elements
            .filter(|elements| *elements <= MAX_ELEMENTS)
            .and_then(|elements| tail.size_with(elements));
        size.ok_or_else(|| Flaw::Count {
            member: "the object".to_owned(),
            count: elements.map_or(-1, |elements| elements as i64),
            unit: "elements",
            limit: MAX_ELEMENTS,
        })
    }
}

/// The `unsigned int` variable `name` of the kernel image.
pub(super) fn variable(memory: Memory<'_>, name: &str) -> Result<u32, Fault> {
    let at = memory.source.symbol(name).ok_or_else(|| Fault::NoSymbol {
        name: name.to_owned(),
    })?;
    Ok(little_endian(&memory.bytes(at, 4)?) as u32)
}

/// The number of `width` bytes, 1 to 8, in `value`, its sign extended if it has one.
pub(super) fn extended(value: u64, width: u8, signed: bool) -> i64 {
    let unused = 64 - 8 * u32::from(width);
    match signed {
        true => ((value << unused) as i64) >> unused,
        false => value as i64,
    }
}
