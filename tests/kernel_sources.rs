//! Numbers that are in the source of a kernel and in no package of headers, held against Debian's packages of
//! the source. They have 290 MB, so that this is run by name:
//!
//! ```text
//! cargo test -p kconv-tests --test kernel_sources -- --ignored
//! ```
//!
//! Needed are apt-get with Debian 12's archive, dpkg-deb, tar and xz.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_overrides::linux_6::futex;
use std::process::Command;

/// A file of the source of a kernel series, such as 6.1.
fn source(series: &str, file: &str) -> String {
    let deb = kconv_archive::package(&format!("linux-source-{series}")).unwrap();
    let name = format!("linux-source-{series}");
    // The first of this name is all that is wanted: what is before it in the pipe may be cut off.
    let pipe = format!(
        "dpkg-deb --fsys-tarfile \"$0\" | tar -xO ./usr/src/{name}.tar.xz | tar -xJO --occurrence=1 {name}/{file}"
    );
    let output = Command::new("sh").args(["-c", &pipe]).arg(deb).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{series}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The first number that a name is defined as: where there are two, that is the one with an MMU.
fn defined(header: &str, name: &str) -> Option<u64> {
    header.lines().find_map(|line| {
        let words = line.trim_start_matches('#').split_whitespace();
        match words.collect::<Vec<_>>().as_slice() {
            ["define", of, number, ..] if *of == name => {
                u64::from_str_radix(number.strip_prefix("0x")?, 16).ok()
            }
            _ => None,
        }
    })
}

#[test]
#[ignore = "downloads 290 MB of kernel sources"]
fn flags_of_a_futex_have_the_numbers_of_the_sources() {
    for (series, flags) in [
        ("6.1", &futex::of_6_1::ALL[..]),
        ("6.12", &futex::of_6_7::ALL[..]),
    ] {
        let header = source(series, "kernel/futex/futex.h");
        for (name, number) in flags {
            assert_eq!(defined(&header, name), Some(*number), "{series}: {name}");
        }
        // A flag of a size is one that the kernel without sizes does not have.
        assert_eq!(
            defined(&header, "FLAGS_SIZE_32").is_some(),
            flags.iter().any(|(name, _)| *name == "FLAGS_SIZE_32")
        );
    }
}
