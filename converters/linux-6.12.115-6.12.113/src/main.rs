//! The converter as a program of its own.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    kconv_runtime::standalone::main(&convert_6_12_115_6_12_113::CONVERTERS)
}
