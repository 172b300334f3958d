//! The converters this program was linked with.

use kconv_runtime::table::Converter;

/// All of them. A chain of equal length is chosen by this order.
pub(crate) fn linked() -> Vec<&'static Converter> {
    [
        convert_2_4_36_8_2_4_36_9::CONVERTERS.as_slice(),
        convert_2_4_36_9_2_4_36_8::CONVERTERS.as_slice(),
        convert_2_4_36_smp_2_4_36_up::CONVERTERS.as_slice(),
        convert_2_4_36_up_2_4_36_smp::CONVERTERS.as_slice(),
        convert_6_1_170_amd64_6_12_117_amd64::CONVERTERS.as_slice(),
        convert_6_12_117_amd64_6_1_170_amd64::CONVERTERS.as_slice(),
    ]
    .concat()
}
