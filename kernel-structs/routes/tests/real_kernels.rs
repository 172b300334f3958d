//! Every route to the same kernels of Debian's archive, and pahole beside them.
//!
//! These tests download what the archive offers (some 200 MB; one of them 900 MB more), so that
//! they are run by name:
//!
//! ```text
//! cargo test -p kernel-structs-routes --test real_kernels -- --ignored --test-threads 1
//! ```
//!
//! Needed are apt-get with Debian 12's main and security archive, dpkg-deb, gcc, pahole and
//! libclang. What was downloaded is kept in cargo's target folder and used again. A kernel that
//! the archive no longer offers makes the tests fail with a line that says so; put one that it
//! offers into [`KERNELS`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "real_kernels/archive.rs"]
mod archive;
#[path = "real_kernels/pahole.rs"]
mod pahole;

use archive::Packages;
use kernel_structs::layout::Layout;
use kernel_structs_routes::bzimage::{Config, DEFAULT_LIMIT, Identity, Kernel};
use kernel_structs_routes::compare::{Knowledge, compare};
use kernel_structs_routes::dwarf;
use kernel_structs_routes::headers::{self, Profile};
use std::fs;
use std::process::Command;

/// A kernel and what it says of itself.
struct Known {
    release: &'static str,
    version: &'static str,
}

const KERNELS: [Known; 2] = [
    Known {
        release: "6.1.0-47-amd64",
        version: "6.1.170",
    },
    Known {
        release: "6.12.117+deb12-amd64",
        version: "6.12.117",
    },
];

fn kernel(known: &Known) -> (Packages, Kernel) {
    let packages = Packages::fetch(known.release);
    let image = fs::read(packages.vmlinuz()).unwrap();
    let kernel = Kernel::read(&image, DEFAULT_LIMIT).unwrap();
    (packages, kernel)
}

fn profile() -> Profile {
    Profile::parse(Profile::LINUX_6).unwrap()
}

fn assert_agree(what: &str, left: &Layout, right: &Layout, names: &[&str]) {
    let found = compare(left, right, names, Knowledge::ALL).unwrap();
    let rows: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(rows.is_empty(), "{what}:\n{}", rows.join("\n"));
    // No type that is saved has an array of arrays, so that even what pahole loses is equal.
    assert_eq!(
        left.fingerprint(names).unwrap(),
        right.fingerprint(names).unwrap()
    );
}

#[test]
#[ignore = "downloads kernels: cargo test -p kernel-structs-routes --test real_kernels -- --ignored"]
fn a_vmlinuz_says_which_kernel_it_is() {
    for known in &KERNELS {
        let (packages, kernel) = kernel(known);
        let Identity {
            release,
            version,
            build_id,
            machine,
            ..
        } = kernel.identity().unwrap();
        assert_eq!(
            (release.as_str(), version.as_str()),
            (known.release, known.version)
        );
        assert_eq!((build_id.len(), machine), (20, "x86_64"));
        assert!(kernel.config().unwrap().is_none());
        let config = Config::parse(&fs::read_to_string(packages.config()).unwrap()).unwrap();
        assert_eq!(config.number("CONFIG_HZ"), Some(250));
        assert!(config.is_yes("CONFIG_DEBUG_INFO_BTF"));
    }
}

#[test]
#[ignore = "downloads kernels: cargo test -p kernel-structs-routes --test real_kernels -- --ignored"]
fn headers_agree_with_the_kernels_btf() {
    for known in &KERNELS {
        let (packages, kernel) = kernel(known);
        let profile = profile();
        let names: Vec<&str> = profile.types.iter().map(String::as_str).collect();
        let headers = match headers::read(&profile, &packages.tree()) {
            Ok(headers) => headers,
            Err(error) => panic!("{error}; {}", error.advice().unwrap_or("no advice")),
        };
        let doubts: Vec<String> = headers.doubts.iter().map(ToString::to_string).collect();
        assert!(doubts.is_empty(), "{}", doubts.join("\n"));
        let btf = kernel.layout().unwrap();
        assert_agree(known.release, &headers.layout, &btf, &names);
    }
}

/// gcc's debug information for the same headers: a third opinion without a gigabyte of download.
#[test]
#[ignore = "downloads kernels: cargo test -p kernel-structs-routes --test real_kernels -- --ignored"]
fn the_dwarf_of_gcc_agrees_with_the_kernels_btf() {
    for known in &KERNELS {
        let (packages, kernel) = kernel(known);
        let profile = profile();
        let names: Vec<&str> = profile.types.iter().map(String::as_str).collect();
        let folder = tempfile::tempdir().unwrap();
        let (source, object) = (folder.path().join("types.c"), folder.path().join("types.o"));
        let mut program = profile.program();
        for (number, name) in names.iter().enumerate() {
            program += &format!("struct {name} *value{number};\n");
        }
        fs::write(&source, program).unwrap();
        let arguments = profile.arguments(&packages.tree()).unwrap();
        let status = Command::new("gcc")
            .args(
                arguments
                    .iter()
                    .filter(|argument| !argument.starts_with("--target")),
            )
            .args(["-O1", "-g", "-fno-eliminate-unused-debug-types", "-c", "-o"])
            .args([&object, &source])
            .status()
            .expect("gcc has to be installed");
        assert!(status.success());
        let dwarf = dwarf::read_file(&object, &names).unwrap();
        assert_agree(known.release, &dwarf, &kernel.layout().unwrap(), &names);
    }
}

/// The debug information of the kernel itself, out of the debug package.
#[test]
#[ignore = "downloads 900 MB: cargo test -p kernel-structs-routes --test real_kernels -- --ignored"]
fn the_dwarf_of_the_vmlinux_agrees_with_its_btf() {
    let (packages, kernel) = kernel(&KERNELS[0]);
    let profile = profile();
    let names: Vec<&str> = profile.types.iter().map(String::as_str).collect();
    let dwarf = dwarf::read_file(&packages.debug_vmlinux(), &names).unwrap();
    assert_agree(
        KERNELS[0].release,
        &dwarf,
        &kernel.layout().unwrap(),
        &names,
    );
}

#[test]
#[ignore = "downloads kernels: cargo test -p kernel-structs-routes --test real_kernels -- --ignored"]
fn btf_agrees_with_paholes_reading_of_it() {
    for known in &KERNELS {
        let (_, kernel) = kernel(known);
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), kernel.elf()).unwrap();
        let layout = kernel.layout().unwrap();
        for name in &profile().types {
            pahole::assert_agrees(file.path(), &layout, name);
        }
    }
}
