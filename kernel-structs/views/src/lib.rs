//! The structures of known kernels as plain data: little-endian, unaligned integers with explicit
//! padding, so that any host reads any kernel's state.
//!
//! Everything but this file is made from the stored layouts by `kconv-gen generate`: for each
//! family one file for each type, with the type's shapes in the order in which releases brought
//! them, and a list of which shape each layout has.
#![forbid(unsafe_code)]

extern crate self as kernel_structs_views;

#[rustfmt::skip]
#[allow(missing_docs, reason = "names are those of the kernel")]
#[allow(non_snake_case, reason = "those of structures without a name are made of two")]
#[allow(unused_imports, reason = "not every structure has all kinds of fields")]
#[allow(clippy::module_inception, reason = "a structure may be called as its family is")]
mod families;

#[doc(inline)]
pub use families::*;

/// What a file of views imports.
pub mod prelude {
    pub use crate::{bit_fields, view};
    pub use kernel_structs_bits::{I16, I32, I64, U16, U32, U64};
}

/// What the macros name.
#[doc(hidden)]
pub mod __private {
    pub use kernel_structs_bits as bits;
}

/// A structure of so many bytes, its fields at these offsets (bytes), both checked at compile time.
#[macro_export]
macro_rules! view {
    ($(#[$doc:meta])* pub struct $name:ident[$size:literal] {
        $($offset:literal $field:ident: $ty:ty,)*
    }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(
            Copy,
            Clone,
            $crate::__private::bits::bytemuck::Pod,
            $crate::__private::bits::bytemuck::Zeroable,
        )]
        #[bytemuck(crate = "kernel_structs_views::__private::bits::bytemuck")]
        #[allow(non_camel_case_types, missing_docs)]
        pub struct $name {
            $(pub $field: $ty,)*
        }
        const _: () = assert!(
            ::core::mem::size_of::<$name>() == $size && ::core::mem::align_of::<$name>() == 1,
            concat!("size or alignment of ", module_path!(), "::", stringify!($name))
        );
        $(const _: () = assert!(
            ::core::mem::offset_of!($name, $field) == $offset,
            concat!(module_path!(), "::", stringify!($name), ".", stringify!($field))
        );)*
    };
}

/// Accessors of bit-fields: for each the storage unit, its first bit in there, its number of bits,
/// and whether it is signed.
#[macro_export]
macro_rules! bit_fields {
    ($name:ident {
        $($get:ident $set:ident: $unit:ident $first:literal $width:literal $signed:literal,)*
    }) => {
        #[allow(missing_docs, clippy::len_without_is_empty, clippy::should_implement_trait)]
        #[allow(clippy::new_ret_no_self, clippy::wrong_self_convention)]
        impl $name {
            $(
                pub fn $get(&self) -> i128 {
                    $crate::__private::bits::get(&self.$unit, $first, $width, $signed)
                }

                pub fn $set(&mut self, value: i128) {
                    $crate::__private::bits::set(&mut self.$unit, $first, $width, value);
                }
            )*
        }
    };
}
