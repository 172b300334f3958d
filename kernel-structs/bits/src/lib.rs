//! Integers and bit-fields in little-endian memory, where bit 0 is the least significant bit of byte 0.
//!
//! It knows bytes and nothing of layouts, so that both the views of structures and the engine that
//! converts them can use it.
#![forbid(unsafe_code)]

mod integers;

pub use bytemuck;
pub use integers::{Bytes, I16, I32, I64, U16, U32, U64};

/// The unsigned number that `bytes` are; of more than eight, the first eight.
pub fn little_endian(bytes: &[u8]) -> u64 {
    let bytes = bytes.iter().take(8).rev();
    bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Reads `width` bits (at most 64) at `offset` bits into `bytes`.
///
/// A signed field is extended from its top bit. Bits past the end of `bytes` read as 0.
pub fn get(bytes: &[u8], offset: u32, width: u32, signed: bool) -> i128 {
    // Most fields are whole words, and reading them byte by byte took a twelfth of what `kconv verify` takes.
    match (offset, width, bytes.first_chunk(), bytes.first_chunk()) {
        (0, 64, Some(word), _) if signed => return i64::from_le_bytes(*word).into(),
        (0, 64, Some(word), _) => return u64::from_le_bytes(*word).into(),
        (0, 32, _, Some(word)) if signed => return i32::from_le_bytes(*word).into(),
        (0, 32, _, Some(word)) => return u32::from_le_bytes(*word).into(),
        _ => {}
    }
    let mut value: u128 = 0;
    let first = (offset / 8) as usize;
    let last = (offset + width).div_ceil(8) as usize;
    for (index, byte) in bytes.iter().take(last).enumerate().skip(first) {
        value |= u128::from(*byte) << (8 * (index - first));
    }
    let value = (value >> (offset % 8)) & mask(width);
    if signed && width > 0 && value >> (width - 1) & 1 == 1 {
        value as i128 - (1i128 << width)
    } else {
        value as i128
    }
}

/// Writes the low `width` bits (at most 64) of `value` at `offset` bits into `bytes`. Bits past
/// the end of `bytes` are not written.
pub fn set(bytes: &mut [u8], offset: u32, width: u32, value: i128) {
    let first = (offset / 8) as usize;
    let last = (offset + width).div_ceil(8) as usize;
    let shift = offset % 8;
    let mask = mask(width) << shift;
    let value = ((value as u128) << shift) & mask;
    for (index, byte) in bytes.iter_mut().take(last).enumerate().skip(first) {
        let at = 8 * (index - first);
        *byte = (*byte & !((mask >> at) as u8)) | (value >> at) as u8;
    }
}

/// Whether a field of `width` bits holds `value`.
pub fn fits(value: i128, width: u32, signed: bool) -> bool {
    if signed {
        let half = 1i128 << (width.max(1) - 1);
        (-half..half).contains(&value)
    } else {
        (0..1i128 << width).contains(&value)
    }
}

/// Whether all of `len` bits at `offset` bits into `bytes` are zero.
pub fn all_zero(bytes: &[u8], offset: u32, len: u32) -> bool {
    if offset.is_multiple_of(8) && len.is_multiple_of(8) {
        let first = (offset / 8) as usize;
        return bytes[first..first + (len / 8) as usize]
            .iter()
            .all(|byte| *byte == 0);
    }
    let mut offset = offset;
    let mut len = len;
    while len > 0 {
        let step = len.min(64 - offset % 8);
        if get(bytes, offset, step, false) != 0 {
            return false;
        }
        offset += step;
        len -= step;
    }
    true
}

fn mask(width: u32) -> u128 {
    (1u128 << width) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_byte_is_the_least() {
        assert_eq!(little_endian(&[]), 0);
        assert_eq!(little_endian(&[2, 1]), 0x102);
        assert_eq!(little_endian(&[1, 0, 0, 0, 0, 0, 0, 0x80, 9]), 1 << 63 | 1);
    }

    #[test]
    fn a_signed_one_bit_field_reads_as_minus_one() {
        assert_eq!(get(&[0b0000_0001], 0, 1, true), -1);
        assert_eq!(get(&[0b0000_0001], 0, 1, false), 1);
    }

    #[test]
    fn a_field_across_bytes_is_little_endian() {
        assert_eq!(get(&[0xf0, 0x0f], 4, 8, false), 0xff);
    }

    #[test]
    fn the_largest_and_the_smallest_value_fit() {
        for (signed, least, most) in [(false, 0, 7), (true, -4, 3)] {
            assert!(fits(least, 3, signed) && fits(most, 3, signed));
            assert!(!fits(least - 1, 3, signed) && !fits(most + 1, 3, signed));
        }
        assert!(fits(i128::from(u64::MAX), 64, false) && fits(i128::from(i64::MIN), 64, true));
    }

    #[test]
    fn one_bit_is_enough_not_to_be_zero() {
        let runs = [(0, 96), (8, 16), (5, 3), (13, 70), (30, 1), (3, 90)];
        assert!(
            runs.iter()
                .all(|(offset, len)| all_zero(&[0; 12], *offset, *len))
        );
        for (offset, len) in runs {
            for bit in 0..96 {
                let mut bytes = [0; 12];
                set(&mut bytes, bit, 1, 1);
                let outside = !(offset..offset + len).contains(&bit);
                assert_eq!(
                    all_zero(&bytes, offset, len),
                    outside,
                    "{offset} {len} {bit}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_set_is_read_and_nothing_else_changes(
            before in proptest::collection::vec(any::<u8>(), 12),
            offset in 0u32..30,
            width in 1u32..=64,
            value in any::<u64>(),
        ) {
            let mut bytes = before.clone();
            let value = i128::from(value) & ((1i128 << width) - 1);
            set(&mut bytes, offset, width, value);
            prop_assert_eq!(get(&bytes, offset, width, false), value);
            for bit in (0..96).filter(|bit| !(offset..offset + width).contains(bit)) {
                prop_assert_eq!(get(&bytes, bit, 1, false), get(&before, bit, 1, false));
            }
        }
    }
}
