//! The integers of a kernel's memory: little-endian, unaligned, of stated width and sign.

use kernel_structs_bits::bytemuck::Pod;
use kernel_structs_bits::{I16, I32, I64, U16, U32, U64};

/// An integer as it lies in a structure.
pub trait Scalar: Pod {
    /// Its value.
    fn value(self) -> i128;
    /// The scalar with `value`, or `None` if it does not fit.
    fn from_value(value: i128) -> Option<Self>;
}

macro_rules! scalar {
    ($($stored:ty: $native:ty),*) => {$(
        impl Scalar for $stored {
            #[inline]
            fn value(self) -> i128 {
                i128::from(<$native>::from(self))
            }

            #[inline]
            fn from_value(value: i128) -> Option<Self> {
                <$native>::try_from(value).ok().map(<$stored>::from)
            }
        }
    )*};
}

scalar!(u8: u8, i8: i8, U16: u16, I16: i16, U32: u32, I32: i32, U64: u64, I64: i64);

/// What a value of this type is that is `initial`: of a pointer, which has no sign, -1 is all
/// of its bits.
pub(crate) fn stored<P: Scalar>(initial: i64) -> i128 {
    let initial = i128::from(initial);
    match P::from_value(initial) {
        None if initial < 0 => initial + (1 << (8 * size_of::<P>())),
        _ => initial,
    }
}

/// The bits of an integer as an address: a pointer kept in a signed field is not negative.
pub(crate) fn address<P: Scalar>(value: P) -> u64 {
    let bits = 8 * size_of::<P>() as u32;
    (value.value() as u128 & ((1u128 << bits) - 1)) as u64
}

/// An integer type all of whose values `To` holds.
pub trait Widen<To> {
    /// The same value.
    fn widen(self) -> To;
}

macro_rules! widens {
    ($($from:ty[$from_native:ty] => $($to:ty[$to_native:ty]),+;)*) => {$($(
        impl Widen<$to> for $from {
            #[inline]
            fn widen(self) -> $to {
                <$to>::from(<$to_native>::from(<$from_native>::from(self)))
            }
        }
    )+)*};
}

widens! {
    u8[u8] => U16[u16], U32[u32], U64[u64], I16[i16], I32[i32], I64[i64];
    i8[i8] => I16[i16], I32[i32], I64[i64];
    U16[u16] => U32[u32], U64[u64], I32[i32], I64[i64];
    I16[i16] => I32[i32], I64[i64];
    U32[u32] => U64[u64], I64[i64];
    I32[i32] => I64[i64];
}
