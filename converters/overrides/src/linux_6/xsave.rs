//! What the area says of itself in which a CPU saves its registers (Intel SDM vol. 1, chapter 13).
//!
//! From 5.16 on a kernel has beside it what is in there and how long it is (`struct fpstate`); 5.10
//! has the area alone.

use kconv_runtime::prelude::*;

/// The number of the part with the rights of the protection keys.
pub(super) const PKRU: u32 = 9;

/// The part that every form begins with.
const LEGACY: usize = 512;
/// The header behind it.
const HEADER: usize = 64;
/// The header says that the parts lie one behind the other.
const COMPACTED: u64 = 1 << 63;
/// x87 and SSE, whose registers are in the first part.
const FP_AND_SSE: u64 = 3;
/// How long the parts are that lie before PKRU, by their numbers.
const SIZES: [(u32, usize); 7] = [
    (2, 256),
    (3, 64),
    (4, 64),
    (5, 64),
    (6, 512),
    (7, 1024),
    (8, 128),
];

/// An area, and what is in it.
pub(super) struct Area {
    /// Its length in bytes.
    pub(super) size: usize,
    /// The parts that it has room for.
    pub(super) features: u64,
    /// Those that are not at their initial state.
    pub(super) in_use: u64,
    /// The header's word on the form.
    form: u64,
}

impl Area {
    /// The area at `at`, with which a task of 5.10 ends. Of the parts that the standard form has
    /// room for, those are known that are in use.
    pub(super) fn of_5_10(cx: &Context<'_>, at: &At<'_>, regs: &[u8; 4096]) -> Area {
        let size = usize::try_from(cx.old_rest(at)).unwrap_or(regs.len());
        let [in_use, form] = header(regs, size);
        let features = match form & COMPACTED {
            0 => in_use | FP_AND_SSE,
            _ => form & !COMPACTED,
        };
        Area {
            size,
            features,
            in_use,
            form,
        }
    }

    /// The area of an fpstate with room for `features`.
    pub(super) fn of_fpstate(size: usize, features: u64, regs: &[u8; 4096]) -> Area {
        let [in_use, form] = header(regs, size);
        Area {
            size,
            features,
            in_use,
            form,
        }
    }

    /// How long the standard form is, as far as the area tells: that of a compacted one the CPU alone
    /// knows.
    pub(super) fn user_size(&self) -> u32 {
        match self.form & COMPACTED {
            0 => self.size as u32,
            _ => 0,
        }
    }

    /// Where PKRU is, if there is room for it. In the standard form it is the last part of those that
    /// 5.10 knows.
    pub(super) fn pkru(&self) -> Option<usize> {
        let has = |number: u32| self.features >> number & 1 != 0;
        if !has(PKRU) {
            return None;
        }
        if self.form & COMPACTED != 0 {
            let before = SIZES.iter().filter(|(number, _)| has(*number));
            return Some(LEGACY + HEADER + before.map(|(_, size)| size).sum::<usize>());
        }
        (self.features >> PKRU == 1)
            .then(|| self.size.checked_sub(8))
            .flatten()
    }
}

/// The header's words on what is in use, and on the form. Without XSAVE there is none.
fn header(regs: &[u8; 4096], size: usize) -> [u64; 2] {
    if size < LEGACY + HEADER {
        return [FP_AND_SSE, 0];
    }
    [LEGACY, LEGACY + 8].map(|at| {
        let bytes = regs[at..at + 8].iter().rev();
        bytes.fold(0, |word, byte| word << 8 | u64::from(*byte))
    })
}

/// Writes the rights of the protection keys to `place`. A part whose bit in the header is clear is 0.
pub(super) fn set_pkru(regs: &mut [u8; 4096], place: usize, pkru: u32) {
    let Some(bytes) = regs.get_mut(place..place + 8) else {
        return;
    };
    bytes.copy_from_slice(&u64::from(pkru).to_le_bytes());
    let byte = &mut regs[LEGACY + PKRU as usize / 8];
    let bit = 1 << (PKRU % 8);
    *byte = if pkru == 0 { *byte & !bit } else { *byte | bit };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(in_use: u64, form: u64) -> [u8; 4096] {
        let mut regs = [0; 4096];
        regs[512..520].copy_from_slice(&in_use.to_le_bytes());
        regs[520..528].copy_from_slice(&form.to_le_bytes());
        regs
    }

    #[test]
    fn pkru_lies_behind_the_parts_before_it() {
        // x87, SSE, AVX, AVX-512 and PKRU, as CPUID counts the offsets of the two forms.
        let features = 0b10_1110_0111;
        let regs = area(features, COMPACTED | features);
        let compacted = Area::of_fpstate(2440, features, &regs);
        assert_eq!(compacted.pkru(), Some(576 + 256 + 64 + 512 + 1024));
        assert_eq!(compacted.user_size(), 0);
        let standard = Area::of_fpstate(2696, features, &area(features, 0));
        assert_eq!(standard.pkru(), Some(2688));
        assert_eq!(standard.user_size(), 2696);
        assert_eq!(Area::of_fpstate(832, 7, &area(7, 0)).pkru(), None);
        // AMX behind it.
        let larger = Area::of_fpstate(11008, features | 1 << 17, &area(3, 0));
        assert_eq!(larger.pkru(), None);
    }

    #[test]
    fn what_pkru_says_is_in_use_unless_it_is_zero() {
        let mut regs = area(3, 0);
        set_pkru(&mut regs, 2688, 0x5555_5554);
        assert_eq!(header(&regs, 2696)[0], 3 | 1 << 9);
        assert_eq!(regs[2688..2696], [0x54, 0x55, 0x55, 0x55, 0, 0, 0, 0]);
        set_pkru(&mut regs, 2688, 0);
        assert_eq!(header(&regs, 2696)[0], 3);
        assert_eq!(header(&regs, 512), [3, 0]);
    }
}
