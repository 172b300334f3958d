//! The converter as a program of its own.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    kconv_runtime::standalone::main(&convert_6_1_172_6_1_170::CONVERTERS)
}
