//! The converters this program was linked with.

use kconv_runtime::table::Converter;

/// All of them. A chain of equal length is chosen by this order.
pub(crate) fn linked() -> Vec<&'static Converter> {
    Vec::new()
}
