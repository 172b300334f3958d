//! One type per kind of number in a layout.
//!
//! Offsets and sizes are counted in bytes or in bits and never both; the types below have no
//! conversion into one another but the ones that say what they do.

use std::fmt;

/// A distance from the start of a structure, in bits.
///
/// Bit 0 is the least significant bit of the byte at offset 0: all kernels handled here are
/// little-endian, where C compilers number bit-fields upwards from there.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BitOffset(pub u64);

/// A distance from the start of a structure, in bytes.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteOffset(pub u64);

/// A size in bytes.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// A size in bits.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BitSize(pub u64);

impl BitOffset {
    /// The byte that holds this bit.
    pub const fn byte(self) -> ByteOffset {
        ByteOffset(self.0 / 8)
    }

    /// The place of this bit within its byte, 0 to 7.
    pub const fn bit_in_byte(self) -> u8 {
        (self.0 % 8) as u8
    }

    /// Whether the bit is the first of its byte.
    pub const fn is_byte_aligned(self) -> bool {
        self.0.is_multiple_of(8)
    }

    /// The offset `inner` counted from this one, or `None` past the end of the number space.
    pub fn checked_add(self, inner: BitOffset) -> Option<BitOffset> {
        self.0.checked_add(inner.0).map(BitOffset)
    }
}

impl ByteOffset {
    /// The first bit of this byte, or `None` where that does not fit a `u64`.
    pub fn bits(self) -> Option<BitOffset> {
        self.0.checked_mul(8).map(BitOffset)
    }
}

impl ByteSize {
    /// The same size in bits, or `None` where that does not fit a `u64`.
    pub fn bits(self) -> Option<BitSize> {
        self.0.checked_mul(8).map(BitSize)
    }
}

impl fmt::Display for BitOffset {
    /// `byte`, or `byte:bit` where the offset is inside a byte.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bit_in_byte() {
            0 => write!(f, "{}", self.byte().0),
            bit => write!(f, "{}:{bit}", self.byte().0),
        }
    }
}

impl fmt::Display for ByteOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_offset_shows_its_byte_and_the_bit_within() {
        assert_eq!(BitOffset(960).to_string(), "120");
        assert_eq!(BitOffset(961).to_string(), "120:1");
    }

    #[test]
    fn sizes_that_overflow_in_bits_are_not_wrapped() {
        assert_eq!(ByteSize(u64::MAX).bits(), None);
        assert_eq!(
            ByteOffset(u64::MAX / 8).bits(),
            Some(BitOffset(u64::MAX - 7))
        );
    }
}
