//! The converters this program was linked with.

use kconv_runtime::table::Converter;

/// All of them. A chain of equal length is chosen by this order.
pub(crate) fn linked() -> Vec<&'static Converter> {
    [
        convert_2_4_36_smp_2_4_36_up::CONVERTERS.as_slice(),
        convert_2_4_36_up_2_4_36_smp::CONVERTERS.as_slice(),
        convert_2_4_36_8_2_4_36_9::CONVERTERS.as_slice(),
        convert_2_4_36_9_2_4_36_8::CONVERTERS.as_slice(),
        convert_6_12_113_6_12_115::CONVERTERS.as_slice(),
        convert_6_12_115_6_12_113::CONVERTERS.as_slice(),
        convert_6_12_117_amd64_6_1_170_amd64::CONVERTERS.as_slice(),
        convert_6_12_117_deb12_amd64_6_12_117_deb12_rt_amd64::CONVERTERS.as_slice(),
        convert_6_12_117_deb12_rt_amd64_6_12_117_deb12_amd64::CONVERTERS.as_slice(),
        convert_6_1_0_47_amd64_6_1_0_47_cloud_amd64::CONVERTERS.as_slice(),
        convert_6_1_0_47_amd64_6_1_0_47_rt_amd64::CONVERTERS.as_slice(),
        convert_6_1_0_47_cloud_amd64_6_1_0_47_amd64::CONVERTERS.as_slice(),
        convert_6_1_0_47_rt_amd64_6_1_0_47_amd64::CONVERTERS.as_slice(),
        convert_6_1_170_6_1_172::CONVERTERS.as_slice(),
        convert_6_1_170_amd64_6_12_117_amd64::CONVERTERS.as_slice(),
        convert_6_1_172_6_1_170::CONVERTERS.as_slice(),
        convert_6_1_174_6_1_176::CONVERTERS.as_slice(),
        convert_6_1_176_6_1_174::CONVERTERS.as_slice(),
        convert_6_1_190_6_1_192::CONVERTERS.as_slice(),
        convert_6_1_192_6_1_190::CONVERTERS.as_slice(),
    ]
    .concat()
}
