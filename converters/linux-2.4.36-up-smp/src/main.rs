//! The converter as a program of its own.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    kconv_runtime::standalone::main(&convert_2_4_36_up_2_4_36_smp::CONVERTERS)
}
