//! The converter as a program of its own.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    kconv_runtime::standalone::main(
        &convert_6_12_117_deb12_amd64_6_12_117_deb12_rt_amd64::CONVERTERS,
    )
}
