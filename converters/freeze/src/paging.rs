//! Page tables of x86-64 with four or five levels, and pages of 4 KiB, 2 MiB and 1 GiB (Intel 64
//! and IA-32 Architectures Software Developer's Manual, volume 3, section 4.5).

use crate::physical::Physical;
use crate::source::ReadError;
use crate::vmcoreinfo::Info;
use kconv_image::{KernelAddr, PAGE_SIZE};
use kernel_structs_bits::little_endian;
use std::ops::Range;

/// Where the kernel's image lies (`arch/x86/include/asm/page_64_types.h`: __START_KERNEL_map).
const IMAGE: u64 = 0xffff_ffff_8000_0000;

const PRESENT: u64 = 1;
/// A page that is there, and that the program may not touch (`_PAGE_PROTNONE`).
const PROTNONE: u64 = 1 << 8;
const HUGE: u64 = 1 << 7;
/// Bits 12 to 51 of an entry are an address.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// What page tables lead to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Leaf {
    /// Memory.
    Page {
        /// The physical address.
        physical: u64,
    },
    /// Something that is elsewhere.
    Swapped,
    /// Nothing, for as many bytes around.
    Nothing {
        /// How many; a power of two.
        skip: u64,
    },
}

/// The kernel's page tables.
pub(crate) struct PageTables {
    root: u64,
    levels: u32,
    /// Bits of an entry that are its address.
    address: u64,
}

impl PageTables {
    /// `root` is the virtual address of the kernel's tables, which lie in its image, and
    /// `phys_base` what the image was moved by in physical memory.
    pub(crate) fn new(root: u64, phys_base: u64, five_levels: bool, encrypted: u64) -> PageTables {
        PageTables {
            root: root.wrapping_sub(IMAGE).wrapping_add(phys_base),
            levels: if five_levels { 5 } else { 4 },
            address: ADDRESS & !encrypted,
        }
    }

    /// The tables of the kernel that says this of itself.
    ///
    /// # Errors
    /// What it does not say.
    pub(crate) fn of(info: &Info) -> Result<PageTables, &'static str> {
        let number = |key| info.number(key).ok_or(key);
        Ok(PageTables::new(
            number("SYMBOL(init_top_pgt)")?,
            number("NUMBER(phys_base)")?,
            info.number("NUMBER(pgtable_l5_enabled)") == Some(1),
            info.number("NUMBER(sme_mask)").unwrap_or(0),
        ))
    }

    /// The physical address of the tables at `pgd` (`mm_struct.pgd`).
    pub(crate) fn root_of(
        &self,
        physical: &dyn Physical,
        pgd: KernelAddr,
    ) -> Result<u64, ReadError> {
        let root = self.translate(physical, pgd.0)?;
        root.ok_or(ReadError::Missing {
            at: pgd,
            size: PAGE_SIZE,
        })
    }

    /// The physical address of kernel memory; `None` if there is none.
    pub(crate) fn translate(
        &self,
        physical: &dyn Physical,
        at: u64,
    ) -> Result<Option<u64>, ReadError> {
        Ok(match self.walk(physical, self.root, at)? {
            Leaf::Page { physical } => Some(physical),
            Leaf::Swapped | Leaf::Nothing { .. } => None,
        })
    }

    /// Where `at` is under the tables that begin at the physical address `root`.
    pub(crate) fn walk(
        &self,
        physical: &dyn Physical,
        root: u64,
        at: u64,
    ) -> Result<Leaf, ReadError> {
        let mut table = root & self.address;
        for level in (0..self.levels).rev() {
            let shift = 12 + 9 * level;
            let index = at >> shift & 0x1ff;
            let mut entry = [0; 8];
            physical.read(table + 8 * index, &mut entry)?;
            let entry = little_endian(&entry);
            let size = 1u64 << shift;
            if entry & (PRESENT | PROTNONE) == 0 {
                return Ok(match entry {
                    0 => Leaf::Nothing { skip: size },
                    _ => Leaf::Swapped,
                });
            }
            if level == 0 || entry & HUGE != 0 && level < 3 {
                // Where a page may not be touched, its address is kept inverted, out of reach of
                // a CPU that reads ahead (arch/x86/include/asm/pgtable-invert.h).
                let address = if entry & PRESENT == 0 { !entry } else { entry };
                let base = address & self.address & !(size - 1);
                return Ok(Leaf::Page {
                    physical: base | at & (size - 1),
                });
            }
            table = entry & self.address;
        }
        // The last level returned.
        Ok(Leaf::Nothing { skip: PAGE_SIZE })
    }

    /// Where in user memory the tables that begin at the physical address `root` have anything at all, by
    /// ascending address and in steps of 2 MiB: a table of small pages, a huge page, or the place of one
    /// that is elsewhere.
    pub(crate) fn occupied(
        &self,
        physical: &dyn Physical,
        root: u64,
    ) -> Result<Vec<Range<u64>>, ReadError> {
        let mut found = Vec::new();
        let top = self.levels - 1;
        // The upper half is the kernel's.
        self.occupied_below(physical, root & self.address, top, 0, 0x100, &mut found)?;
        Ok(found)
    }

    /// The same of the first `count` entries of one table, which begins at `table` and maps what
    /// begins at `start`.
    fn occupied_below(
        &self,
        physical: &dyn Physical,
        table: u64,
        level: u32,
        start: u64,
        count: usize,
        found: &mut Vec<Range<u64>>,
    ) -> Result<(), ReadError> {
        let mut entries = [0; PAGE_SIZE as usize];
        physical.read(table, &mut entries)?;
        let size = 1u64 << (12 + 9 * level);
        for (index, entry) in (0..).zip(entries.chunks_exact(8).take(count)) {
            let (start, entry) = (start + index * size, little_endian(entry));
            if entry == 0 {
                continue;
            }
            let is_table = entry & PRESENT != 0 && (entry & HUGE == 0 || level >= 3);
            if level > 1 && is_table {
                let below = entry & self.address;
                self.occupied_below(physical, below, level - 1, start, 0x200, found)?;
                continue;
            }
            match found.last_mut() {
                Some(last) if last.end == start => last.end += size,
                _ => found.push(start..start + size),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeMap;

    struct Words(BTreeMap<u64, u64>);

    impl Physical for Words {
        fn read(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
            // A table that has an entry has all of them.
            let table = at & !(PAGE_SIZE - 1);
            let missing = ReadError::Missing {
                at: KernelAddr(at),
                size: into.len() as u64,
            };
            let mut entries = self.0.range(table..table + PAGE_SIZE);
            entries.next().ok_or(missing)?;
            for (at, into) in (at..).step_by(8).zip(into.chunks_exact_mut(8)) {
                let word = self.0.get(&at).copied().unwrap_or_default();
                into.copy_from_slice(&word.to_le_bytes());
            }
            Ok(())
        }

        fn ranges(&self) -> Vec<(u64, u64)> {
            Vec::new()
        }
    }

    /// Tables at 0x1000 to 0x4000 for the address 0xffff_8880_0020_3123.
    fn words(entries: &[(u64, u64, u64)]) -> Words {
        let entries = entries.iter();
        Words(
            entries
                .map(|(table, index, value)| (table + 8 * index, *value))
                .collect(),
        )
    }

    const AT: u64 = 0xffff_8880_0020_3123;

    fn walk(words: &Words, levels: bool) -> Leaf {
        let tables = PageTables::new(IMAGE + 0x1000, 0, levels, 0);
        tables.walk(words, 0x1000, AT).unwrap()
    }

    #[test]
    fn small_and_huge_pages_are_found() {
        let upper = [(0x1000, 0x111, 0x2003), (0x2000, 0, 0x3003)];
        let with = |more: &[(u64, u64, u64)]| words(&[&upper[..], more].concat());
        let small = with(&[(0x3000, 1, 0x4003), (0x4000, 3, 0x8000_0000_0777_7003)]);
        assert_eq!(
            walk(&small, false),
            Leaf::Page {
                physical: 0x777_7123
            }
        );
        let huge = with(&[(0x3000, 1, 0x4000_0083)]);
        assert_eq!(
            walk(&huge, false),
            Leaf::Page {
                physical: 0x4000_3123
            }
        );
        let giant = words(&[upper[0], (0x2000, 0, 0x8000_0083)]);
        assert_eq!(
            walk(&giant, false),
            Leaf::Page {
                physical: 0x8020_3123
            }
        );
    }

    #[test]
    fn a_fifth_level_is_walked_where_there_is_one() {
        let words = words(&[
            (0x1000, 0x1ff, 0x5003),
            (0x5000, 0x111, 0x2003),
            (0x2000, 0, 0x3003),
            (0x3000, 1, 0x4000_0083),
        ]);
        assert_eq!(
            walk(&words, true),
            Leaf::Page {
                physical: 0x4000_3123
            }
        );
    }

    #[test]
    fn what_is_not_there_is_told_apart() {
        let nothing = words(&[(0x1000, 0x111, 0x2003), (0x2000, 0, 0)]);
        assert_eq!(walk(&nothing, false), Leaf::Nothing { skip: 1 << 30 });
        let upper = [
            (0x1000, 0x111, 0x2003),
            (0x2000, 0, 0x3003),
            (0x3000, 1, 0x4003),
        ];
        let with = |entry| words(&[&upper[..], &[(0x4000, 3, entry)]].concat());
        assert_eq!(walk(&with(0xa0c0), false), Leaf::Swapped);
        let protected = !0x777_7000u64 & ADDRESS | PROTNONE;
        assert_eq!(
            walk(&with(protected), false),
            Leaf::Page {
                physical: 0x777_7123
            }
        );
    }

    fn occupied(words: &Words, five_levels: bool) -> Vec<Range<u64>> {
        let tables = PageTables::new(IMAGE + 0x1000, 0, five_levels, 0);
        tables.occupied(words, 0x1000).unwrap()
    }

    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;

    #[test]
    fn what_has_neither_tables_nor_huge_pages_is_not_looked_at() {
        let entries = [
            // Tables, and the kernel's half.
            (0x1000, 0, 0x2003),
            (0x1000, 0xff, 0x5003),
            (0x1000, 0x100, 0x9003),
            // Tables, and a huge page of 1 GiB.
            (0x2000, 0, 0x3003),
            (0x2000, 7, 0x4000_0083),
            (0x3000, 1, 0x6003),
            // A huge page, one that may not be touched, and one that is elsewhere.
            (0x3000, 2, 0x4000_0083),
            (0x3000, 3, PROTNONE | HUGE),
            (0x3000, 5, 0xa0c0),
            (0x5000, 0x1ff, 0x7003),
            (0x7000, 0x1ff, 0x8003),
        ];
        let expected = [
            2 * MIB..8 * MIB,
            10 * MIB..12 * MIB,
            7 * GIB..8 * GIB,
            (1 << 47) - 2 * MIB..1 << 47,
        ];
        assert_eq!(occupied(&words(&entries), false), expected);
        let five = [&entries[..], &[(0x1000, 0, 0xa003), (0x1000, 0xff, 0)]].concat();
        let five = [&five[..], &[(0xa000, 0, 0x2003), (0xa000, 0x1ff, 0x5003)]].concat();
        let mut expected = expected;
        expected[3] = (1 << 48) - 2 * MIB..1 << 48;
        assert_eq!(occupied(&words(&five), true), expected);
    }
}
