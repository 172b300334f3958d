//! What functions in a converter's `overrides.rs` can ask and do beyond the rules.

use super::{Context, Pointer, Referrer, Scalar};
use crate::at::At;
use crate::placement::Placed;
use kconv_image::model::KernelAddr;
use kconv_rules::RuleKind;
use kernel_structs_bits::bytemuck::{Pod, bytes_of_mut};
use std::rc::Rc;

impl Context<'_> {
    /// The new address for an old one, if it is in a saved object.
    pub fn translate(&self, old: KernelAddr) -> Option<KernelAddr> {
        match self.map.place(old.0) {
            Placed::At(new) | Placed::AtFirst(new) => Some(new),
            _ => None,
        }
    }

    /// Where the place `at` lies under the layout converted from.
    pub fn old_address(&self, at: &At<'_>) -> u64 {
        self.map.old_address(self.object).0 + u64::from(at.old)
    }

    /// What stands `offset` bytes into the object that lies at `address` under the layout converted
    /// from.
    pub fn old_member<T: Pod>(&self, address: u64, offset: usize) -> Option<T> {
        let object = self.map.object_at(address)?;
        Some(part(&self.namer.old(object)?.bytes, offset))
    }

    /// What stands `offset` bytes into each of the objects of type `ty` whose pointer at byte
    /// `pointer` leads to the object converted, under the layout converted from, in the order of
    /// the image.
    pub fn of_referrers<T: Pod>(
        &self,
        (ty, pointer): (&'static str, usize),
        offset: usize,
    ) -> Vec<T> {
        let address = self.map.old_address(self.object).0;
        let found = self.namer.referrers(
            &Pointer {
                ty,
                at: pointer as u32,
                part: (offset as u32, size_of::<T>() as u32),
            },
            address,
        );
        let read = |referrer: &Referrer| part(&referrer.part, 0);
        found.iter().map(read).collect()
    }

    /// Where the objects of type `ty` whose pointer at byte `pointer` is `to` lie, under the layout converted from, in the
    /// order of the image: the mappings of an address space, by ascending address.
    pub fn referrers_of(&self, pointer: (&'static str, usize), to: u64) -> Vec<u64> {
        let found = self.referrers_at(pointer, to);
        let address = |referrer: &Referrer| self.map.old_address(referrer.object).0;
        found.iter().map(address).collect()
    }

    /// Of the objects that [`Context::referrers_of`] finds, where those lie that come right before and right behind the
    /// object converted, if it is among them.
    pub fn neighbours(&self, pointer: (&'static str, usize), to: u64) -> [Option<u64>; 2] {
        let all = self.referrers_at(pointer, to);
        let Ok(own) = all.binary_search_by_key(&self.object, |referrer| referrer.object) else {
            return [None; 2];
        };
        [own.checked_sub(1), Some(own + 1)].map(|index| {
            let referrer = all.get(index?)?;
            Some(self.map.old_address(referrer.object).0)
        })
    }

    fn referrers_at(&self, (ty, pointer): (&'static str, usize), to: u64) -> Rc<[Referrer]> {
        let pointer = Pointer {
            ty,
            at: pointer as u32,
            part: (0, 0),
        };
        self.namer.referrers(&pointer, to)
    }

    /// How many bytes the object converted has from the place `at` on, under the layout converted from. A task ends with
    /// the register state that its CPU needs, and not where its type does.
    pub fn old_rest(&self, at: &At<'_>) -> u64 {
        let end = self.map.old_end(self.object).0;
        end.saturating_sub(self.old_address(at))
    }

    /// Name of the symbol that the old pointer at `at` is at.
    pub fn symbol_name(&self, at: &At<'_>) -> Option<&str> {
        let symbol = self.symbol_at(at)?;
        (symbol.offset == 0).then_some(symbol.name.as_str())
    }

    /// A new pointer at `at` to the symbol `name`, which the image need not have had. The number
    /// is null as in every slot of another kernel than the origin.
    pub fn point_at_symbol<Q: Scalar>(&mut self, at: &At<'_>, name: &str) -> Q {
        self.point_at(RuleKind::Call, at, (name, 0))
    }
}

/// What stands `offset` bytes into an object. An object can end before its type does (a
/// task_struct ends with the register state that its CPU needs); what it does not have is zero.
fn part<T: Pod>(bytes: &[u8], offset: usize) -> T {
    let mut value = T::zeroed();
    let there = bytes.get(offset..).unwrap_or_default();
    for (byte, found) in bytes_of_mut(&mut value).iter_mut().zip(there) {
        *byte = *found;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn an_object_may_be_shorter_or_longer_than_its_type() {
        assert_eq!(part::<[u8; 4]>(&[1, 2], 0), [1, 2, 0, 0]);
        assert_eq!(part::<[u8; 4]>(&[1, 2], 1), [2, 0, 0, 0]);
        assert_eq!(part::<[u8; 2]>(&[1, 2], 6), [0, 0]);
        assert_eq!(part::<[u8; 4]>(&[1, 2, 3, 4, 5], 0), [1, 2, 3, 4]);
        assert_eq!(part::<[u8; 2]>(&[1, 2, 3, 4, 5], 2), [3, 4]);
    }
}
