//! Flags by name: which bits of a value go where. All numbers are masks.

use crate::scalar::Scalar;

/// What becomes of the bits of a field. A bit that is in none of these has no name in the old
/// kernel.
#[derive(Clone, Copy, Debug)]
pub struct Flags {
    /// Bits that mean the same in both kernels.
    pub same: u64,
    /// Bits with another number in the new kernel: before, and after. Both have as many bits.
    pub moved: &'static [(u64, u64)],
    /// Bits that the new kernel does not have; the old value is kept.
    pub dropped: u64,
    /// Bits that another field of the new kernel says.
    pub elsewhere: u64,
    /// Bits that stop the conversion, with their names in the old kernel.
    pub refused: &'static [(&'static str, u64)],
    /// Where all of the first are set, they mean something that the new kernel does not have: the
    /// second are left out, and the old value is kept.
    pub together: &'static [(u64, u64)],
}

/// A value with its flags converted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Converted {
    /// The new value.
    pub(crate) value: u64,
    /// Whether something is left out that the way back needs.
    pub(crate) kept: bool,
    /// Names of flags that stop the conversion.
    pub(crate) refused: Vec<&'static str>,
    /// Bits without a name.
    pub(crate) unnamed: u64,
}

impl Flags {
    /// What generated code says by leaving it out.
    pub const NONE: Flags = Flags {
        same: 0,
        moved: &[],
        dropped: 0,
        elsewhere: 0,
        refused: &[],
        together: &[],
    };

    /// Whether `value` has all bits of `mask`, of which there is one.
    pub fn is_set<P: Scalar>(value: P, mask: u64) -> bool {
        mask != 0 && crate::scalar::address(value) & mask == mask
    }

    /// Converts `value`; `called` are flags decided elsewhere: their masks before and after, and
    /// whether they are set now. One that has no bits after is kept, if it was set.
    pub(crate) fn convert(&self, value: u64, called: &[(u64, u64, bool)]) -> Converted {
        let mut left = value;
        let mut kept = false;
        for (all, out) in self.together {
            if value & all == *all {
                left &= !out;
                kept = true;
            }
        }
        let mut new = left & self.same;
        left &= !self.same;
        for (from, to) in self.moved {
            new |= shifted(left & from, *from, *to);
            left &= !from;
        }
        kept |= left & self.dropped != 0;
        left &= !(self.dropped | self.elsewhere);
        for (from, to, set) in called {
            kept |= *to == 0 && left & from != 0;
            left &= !from;
            new |= if *set { *to } else { 0 };
        }
        let mut refused = Vec::new();
        for (name, mask) in self.refused {
            if left & mask != 0 {
                refused.push(*name);
            }
            left &= !mask;
        }
        Converted {
            value: new,
            kept,
            refused,
            unnamed: left,
        }
    }
}

/// The bits of `value` in `from`, each at the bit of `to` that comes as late.
fn shifted(value: u64, mut from: u64, mut to: u64) -> u64 {
    let mut new = 0;
    while from != 0 && to != 0 {
        let (was, is) = (from & from.wrapping_neg(), to & to.wrapping_neg());
        if value & was != 0 {
            new |= is;
        }
        from &= !was;
        to &= !is;
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: Flags = Flags {
        same: 0b11,
        moved: &[(0x4, 0x100), (0x30, 0xc00)],
        dropped: 0x40,
        elsewhere: 0x80,
        refused: &[("A", 0x1000), ("B", 0x2000)],
        together: &[(0x44, 0x44)],
    };

    fn convert(value: u64) -> (u64, bool, Vec<&'static str>, u64) {
        let called = [(0x100, 0x1, value & 0x100 != 0), (0x200, 0, false)];
        let converted = FLAGS.convert(value, &called);
        (
            converted.value,
            converted.kept,
            converted.refused,
            converted.unnamed,
        )
    }

    #[test]
    fn each_flag_goes_where_its_name_is() {
        assert_eq!(convert(0), (0, false, vec![], 0));
        assert_eq!(convert(0b10), (0b10, false, vec![], 0));
        assert_eq!(convert(0x4), (0x100, false, vec![], 0));
        assert_eq!(convert(0x10), (0x400, false, vec![], 0));
        assert_eq!(convert(0x20), (0x800, false, vec![], 0));
        assert_eq!(convert(0x40), (0, true, vec![], 0));
        assert_eq!(convert(0x80), (0, false, vec![], 0));
        assert_eq!(convert(0x100), (0x1, false, vec![], 0));
        assert_eq!(convert(0x200), (0, true, vec![], 0));
        assert_eq!(convert(0x3000), (0, false, vec!["A", "B"], 0));
        assert_eq!(convert(0x4_0001), (0x1, false, vec![], 0x4_0000));
    }

    #[test]
    fn flags_that_mean_something_together_go_together() {
        assert_eq!(convert(0x46), (0x2, true, vec![], 0));
        assert_eq!(convert(0x6), (0x102, false, vec![], 0));
    }

    #[test]
    fn a_flag_that_no_kernel_has_is_never_set() {
        assert!(Flags::is_set(6_u8, 4) && !Flags::is_set(6_u8, 1));
        assert!(!Flags::is_set(6_u8, 0) && !Flags::is_set(6_u8, 5));
    }
}
