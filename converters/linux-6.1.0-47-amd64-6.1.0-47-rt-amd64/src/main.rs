//! The converter as a program of its own.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    kconv_runtime::standalone::main(&convert_6_1_0_47_amd64_6_1_0_47_rt_amd64::CONVERTERS)
}
