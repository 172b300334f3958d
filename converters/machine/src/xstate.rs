//! Register state as `xsave` keeps it, brought into the form that debuggers know.
//!
//! Both forms are those of the Intel 64 and IA-32 Architectures Software Developer's Manual,
//! volume 1, sections 13.4.1 to 13.4.3: the legacy region of 512 bytes, a header of 64, then the
//! components, each at a place of its own (standard) or side by side (compacted). The kernel
//! keeps the places of the standard form in arrays of its own (`arch/x86/kernel/fpu/xstate.c`:
//! xstate_offsets, xstate_sizes, xstate_flags), because CPUs differ.

use kernel_structs_bits::little_endian;
use std::ops::Range;

/// Number of components that a kernel has places for (`XFEATURE_MAX`; 6.1 and 6.12 have 19).
pub const XSAVE_COMPONENTS: usize = 19;

const LEGACY: usize = 512;
const HEADER: usize = 64;
/// Where the legacy region has room for software; debuggers find the enabled components there
/// (`arch/x86/include/asm/user.h`: xstateregs).
const SOFTWARE: usize = 464;
const PKRU: usize = 9;

/// Where the components lie in the standard form.
#[derive(Clone, Debug)]
pub struct XsaveComponents {
    /// Where each begins, by number; where there is none, beyond any area.
    pub offsets: Vec<usize>,
    /// How long each is.
    pub sizes: Vec<usize>,
    /// Whether each begins at a multiple of 64 in the compacted form.
    pub aligned: Vec<bool>,
}

impl XsaveComponents {
    /// Where component `number`, 2 or more, lies in the standard form; `None` if the CPU does not
    /// have it.
    fn standard(&self, number: usize) -> Option<Range<usize>> {
        let (start, size) = (*self.offsets.get(number)?, *self.sizes.get(number)?);
        // All ones where there is none; no component reaches 64 KiB.
        let fits = (1..1 << 16).contains(&size) && (LEGACY + HEADER..1 << 16).contains(&start);
        fits.then(|| start..start + size)
    }
}

/// The components that the area `kept` of 5.10 has room for, and that are the program's own: as its header says of
/// a compacted area, and of another one those in use. PASID, 10, is the kernel's.
pub fn xsave_user_components(kept: &[u8]) -> u64 {
    const COMPACTED: u64 = 1 << 63;
    const PASID: u64 = 1 << 10;
    const FP_AND_SSE: u64 = 3;
    let word = |at: usize| kept.get(at..at + 8).map_or(0, little_endian);
    if kept.len() < LEGACY + HEADER {
        return FP_AND_SSE;
    }
    let (present, form) = (word(LEGACY), word(LEGACY + 8));
    let room = match form & COMPACTED {
        0 => present | FP_AND_SSE,
        _ => form & !COMPACTED,
    };
    room & !PASID
}

/// The standard form, with the components of `user` alone, of what the kernel keeps in `kept`;
/// `None` if that is no area of `xsave`.
pub fn xsave_standard_form(
    components: &XsaveComponents,
    kept: &[u8],
    user: u64,
    pkru: Option<u32>,
) -> Option<Vec<u8>> {
    const COMPACTED: u64 = 1 << 63;
    let word = |at: usize| kept.get(at..at + 8).map(little_endian);
    let (present, form) = (word(LEGACY)?, word(LEGACY + 8)?);
    let has = |mask: u64, number: usize| mask >> number & 1 != 0;
    let numbers = || (2..XSAVE_COMPONENTS).filter(|number| has(user, *number));
    let ends = numbers().filter_map(|number| components.standard(number));
    let size = ends.map(|range| range.end).max();
    let mut standard = vec![0; size.unwrap_or(0).max(LEGACY + HEADER)];
    standard[..LEGACY].copy_from_slice(kept.get(..LEGACY)?);
    standard[SOFTWARE..SOFTWARE + 8].copy_from_slice(&user.to_le_bytes());
    let mut all = present & user;
    let mut place = LEGACY + HEADER;
    for number in 2..XSAVE_COMPONENTS {
        let range = components.standard(number);
        let from = if form & COMPACTED == 0 {
            range.clone().map(|range| range.start)
        } else if has(form, number) {
            if components.aligned.get(number) == Some(&true) {
                place = place.next_multiple_of(64);
            }
            let start = place;
            place += components
                .sizes
                .get(number)
                .copied()
                .unwrap_or(0)
                .min(1 << 16);
            Some(start)
        } else {
            None
        };
        let (Some(range), Some(from)) = (range, from) else {
            continue;
        };
        if has(user, number) && has(present, number) {
            let bytes = kept.get(from..from + range.len())?;
            standard[range].copy_from_slice(bytes);
        }
    }
    // The kernel keeps the protection keys apart, because it needs its own while it runs
    // (arch/x86/kernel/fpu/xstate.c: __copy_xstate_to_uabi_buf).
    // 5.10 does not.
    let apart = components.standard(PKRU).filter(|_| has(user, PKRU));
    if let (Some(range), Some(pkru)) = (apart, pkru) {
        standard[range][..4].copy_from_slice(&pkru.to_le_bytes());
        all |= 1 << PKRU;
    }
    standard[LEGACY..LEGACY + 8].copy_from_slice(&all.to_le_bytes());
    Some(standard)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn components() -> XsaveComponents {
        let mut offsets = vec![u32::MAX as usize; XSAVE_COMPONENTS];
        let mut sizes = vec![0; XSAVE_COMPONENTS];
        let mut aligned = vec![false; XSAVE_COMPONENTS];
        for (number, offset, size) in [(2, 576, 256), (5, 1088, 64), (6, 1152, 512), (9, 2688, 8)] {
            (offsets[number], sizes[number]) = (offset, size);
        }
        aligned[6] = true;
        XsaveComponents {
            offsets,
            sizes,
            aligned,
        }
    }

    /// A compacted area with components 2, 5, 6 and 9, of which 2 and 6 are in use.
    fn compacted() -> Vec<u8> {
        let mut kept = vec![0; 576 + 256 + 64 + 512 + 8];
        kept[..LEGACY].fill(1);
        kept[LEGACY..LEGACY + 8].copy_from_slice(&0b0100_0111u64.to_le_bytes());
        let form = 1u64 << 63 | 0b10_0110_0111;
        kept[LEGACY + 8..LEGACY + 16].copy_from_slice(&form.to_le_bytes());
        kept[576..832].fill(2);
        kept[832..896].fill(5);
        kept[896..1408].fill(6);
        kept
    }

    #[test]
    fn components_move_from_side_by_side_to_their_places() {
        let user = 0b10_0110_0111;
        let standard = xsave_standard_form(&components(), &compacted(), user, Some(0x5555_5554))
            .unwrap_or_default();
        assert_eq!(standard.len(), 2696);
        assert!(standard[..SOFTWARE].iter().all(|byte| *byte == 1));
        assert_eq!(little_endian(&standard[SOFTWARE..SOFTWARE + 8]), user);
        assert_eq!(little_endian(&standard[LEGACY..LEGACY + 8]), 0b10_0100_0111);
        assert_eq!(little_endian(&standard[LEGACY + 8..LEGACY + 16]), 0);
        assert!(standard[576..832].iter().all(|byte| *byte == 2));
        // Not in use, so that what is there is old.
        assert!(standard[1088..1152].iter().all(|byte| *byte == 0));
        assert!(standard[1152..1664].iter().all(|byte| *byte == 6));
        assert_eq!(little_endian(&standard[2688..2692]), 0x5555_5554);
    }

    #[test]
    fn an_area_that_is_cut_off_gives_nothing() {
        let area = compacted();
        for length in [0, 511, 575, 900] {
            assert!(
                xsave_standard_form(&components(), &area[..length], u64::MAX, Some(0)).is_none()
            );
        }
    }
}
