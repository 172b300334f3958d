//! Page tables of x86-64 with four or five levels, and pages of 4 KiB, 2 MiB and 1 GiB (Intel 64
//! and IA-32 Architectures Software Developer's Manual, volume 3, section 4.5).

use super::physical::Physical;
use crate::memory::little_endian;
use crate::source::ReadError;
use kconv_image::PAGE_SIZE;

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
pub(super) enum Leaf {
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
pub(super) struct PageTables {
    root: u64,
    levels: u32,
    /// Bits of an entry that are its address.
    address: u64,
}

impl PageTables {
    /// `root` is the virtual address of the kernel's tables, which lie in its image, and
    /// `phys_base` what the image was moved by in physical memory.
    pub(super) fn new(root: u64, phys_base: u64, five_levels: bool, encrypted: u64) -> PageTables {
        PageTables {
            root: root.wrapping_sub(IMAGE).wrapping_add(phys_base),
            levels: if five_levels { 5 } else { 4 },
            address: ADDRESS & !encrypted,
        }
    }

    /// The physical address of kernel memory; `None` if there is none.
    pub(super) fn translate(
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
    pub(super) fn walk(
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
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use kconv_image::KernelAddr;
    use std::collections::BTreeMap;

    struct Words(BTreeMap<u64, u64>);

    impl Physical for Words {
        fn read(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
            let word = self.0.get(&at).copied();
            let word = word.ok_or(ReadError::Missing {
                at: KernelAddr(at),
                size: 8,
            })?;
            into.copy_from_slice(&word.to_le_bytes());
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
}
