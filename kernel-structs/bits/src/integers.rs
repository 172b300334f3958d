//! Integers as they lie in little-endian memory: unaligned, of stated width and sign.

use bytemuck::{Pod, Zeroable};
use std::fmt;

macro_rules! integers {
    ($($name:ident: $native:ident,)*) => {$(
        #[doc = concat!("A little-endian `", stringify!($native), "`, aligned to one byte.")]
        #[derive(Copy, Clone, Default, PartialEq, Eq, Hash, Pod, Zeroable)]
        #[repr(transparent)]
        pub struct $name([u8; size_of::<$native>()]);

        impl $name {
            /// The integer with this value.
            #[inline]
            pub const fn new(value: $native) -> $name {
                $name(value.to_le_bytes())
            }

            /// Its value.
            #[inline]
            pub const fn get(self) -> $native {
                $native::from_le_bytes(self.0)
            }

            /// Gives it this value.
            #[inline]
            pub const fn set(&mut self, value: $native) {
                self.0 = value.to_le_bytes();
            }
        }

        impl From<$native> for $name {
            #[inline]
            fn from(value: $native) -> $name {
                $name::new(value)
            }
        }

        impl From<$name> for $native {
            #[inline]
            fn from(integer: $name) -> $native {
                integer.get()
            }
        }

        impl PartialEq<$native> for $name {
            #[inline]
            fn eq(&self, value: &$native) -> bool {
                self.get() == *value
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.get(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.get(), f)
            }
        }
    )*};
}

integers! {
    U16: u16,
    I16: i16,
    U32: u32,
    I32: i32,
    U64: u64,
    I64: i64,
}

/// What is nothing but its bytes.
pub trait Bytes {
    /// The bytes.
    fn as_bytes(&self) -> &[u8];
    /// The bytes, to be written.
    fn as_mut_bytes(&mut self) -> &mut [u8];
}

impl<T: Pod> Bytes for T {
    #[inline]
    fn as_bytes(&self) -> &[u8] {
        bytemuck::bytes_of(self)
    }

    #[inline]
    fn as_mut_bytes(&mut self) -> &mut [u8] {
        bytemuck::bytes_of_mut(self)
    }
}

impl<T: Pod> Bytes for [T] {
    #[inline]
    fn as_bytes(&self) -> &[u8] {
        bytemuck::cast_slice(self)
    }

    #[inline]
    fn as_mut_bytes(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_lie_with_the_least_byte_first_and_anywhere() {
        let mut integer = U32::new(0x0102_0304);
        assert_eq!(integer.as_bytes(), [4, 3, 2, 1]);
        assert_eq!(align_of_val(&integer), 1);
        integer.as_mut_bytes()[3] = 0xff;
        assert_eq!(integer, 0xff02_0304);
        integer.set(7);
        assert_eq!(
            (u32::from(integer), format!("{integer} {integer:?}")),
            (7, "7 7".to_owned())
        );
        assert_eq!(I16::from(-2).as_bytes(), [0xfe, 0xff]);
        assert_eq!(I64::new(i64::MIN).get(), i64::MIN);
        assert_eq!([U16::new(1), U16::new(2)][..].as_bytes(), [1, 0, 2, 0]);
    }
}
