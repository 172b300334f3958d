//! Every route to the same kernels of Debian's archive, and pahole and bpftool beside them: the
//! oldest 6.1 and the newest 6.12 that the archive offers.
//!
//! Needed are apt-get with Debian 12's main and security archive, dpkg-deb, gcc, pahole, bpftool and
//! libclang. One test downloads 900 MB, and is run by name:
//!
//! ```text
//! cargo test -p kernel-structs-routes --test real_kernels -- --ignored
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "real_kernels/archive.rs"]
mod archive;
#[path = "real_kernels/bpftool.rs"]
mod bpftool;
#[path = "real_kernels/pahole.rs"]
mod pahole;

use archive::Real;
use bpftool::Dump;
use kernel_structs::btf;
use kernel_structs::layout::{Layout, Type};
use kernel_structs::releases::{Registry, prepare_layout};
use kernel_structs_routes::bzimage::Identity;
use kernel_structs_routes::compare::{Knowledge, compare};
use kernel_structs_routes::dwarf;
use kernel_structs_routes::headers::{self, Profile};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::OnceLock;

/// The two kernels, unpacked once for all tests.
fn kernels() -> &'static [Real; 2] {
    static KERNELS: OnceLock<[Real; 2]> = OnceLock::new();
    KERNELS.get_or_init(|| {
        let packages = [kconv_archive::oldest("6.1"), kconv_archive::newest("6.12")];
        packages.map(|package| Real::read(&package.unwrap_or_else(|error| panic!("{error}"))))
    })
}

fn profile() -> Profile {
    Profile::builtin("linux-6").unwrap().unwrap()
}

/// Every type that is saved of a task.
fn saved() -> Vec<String> {
    let map = Registry::builtin().unwrap().state_map("linux-6").unwrap();
    map.saved_types().into_iter().map(str::to_owned).collect()
}

fn assert_agree(what: &str, left: &Layout, right: &Layout) {
    let saved = saved();
    let names: Vec<&str> = saved.iter().map(String::as_str).collect();
    let found = compare(left, right, &names, Knowledge::ALL).unwrap();
    let rows: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(rows.is_empty(), "{what}:\n{}", rows.join("\n"));
    // No type that is saved has an array of arrays, so that even what pahole loses is equal.
    assert_eq!(
        left.fingerprint(&names).unwrap(),
        right.fingerprint(&names).unwrap()
    );
}

#[test]
fn a_vmlinuz_says_which_kernel_it_is() {
    for real in kernels() {
        let Identity {
            release,
            version,
            build_id,
            machine,
            ..
        } = real.kernel.identity().unwrap();
        assert_eq!(release, real.release);
        // The package's version is that of the kernel, with Debian's revision behind it.
        let (of_package, _revision) = real.package.version.split_once('-').unwrap();
        assert_eq!(version, of_package);
        assert_eq!((build_id.map(|id| id.len()), machine), (Some(20), "x86_64"));
        assert!(real.kernel.config().unwrap().is_none());
        let config = &real.package.config.as_ref().unwrap().data;
        assert_eq!(config.number("CONFIG_HZ"), Some(250));
        assert!(config.is_yes("CONFIG_DEBUG_INFO_BTF"));
    }
}

/// A freeze reads of its kernel's types those that the state map names.
#[test]
fn types_read_by_name_are_those_of_the_whole() {
    let map = Registry::builtin().unwrap().state_map("linux-6").unwrap();
    let names = map.named_types().collect();
    for real in kernels() {
        let data = btf::write(&real.layout).unwrap();
        let named = btf::read_named(&data, &names).unwrap();
        let members = |layout: &Layout| {
            let composites = layout.types().map(|(_, ty)| match ty {
                Type::Composite(composite) => composite.members.len(),
                _ => 0,
            });
            composites.sum::<usize>()
        };
        assert!(10 * members(&named) < members(&real.layout));
        let module = btf::read_first(&data, &["module"]).unwrap();
        assert!(100 * members(&module) < members(&real.layout));
        let place = |layout: &Layout| {
            let (_, module) = layout.composite("module").unwrap();
            let places = module.members.iter();
            let places = places.map(|member| (member.name.clone(), member.offset));
            places.collect::<Vec<_>>()
        };
        assert_eq!(place(&module), place(&real.layout));
        assert_eq!(
            prepare_layout(&named, &map).unwrap(),
            prepare_layout(&real.layout, &map).unwrap()
        );
    }
}

#[test]
fn headers_agree_with_the_kernels_btf() {
    for real in kernels() {
        let (_folder, tree) = real.headers();
        let headers = match headers::read(&profile(), &tree) {
            Ok(headers) => headers,
            Err(error) => panic!("{error}; {}", error.advice().unwrap_or("no advice")),
        };
        let doubts: Vec<String> = headers.doubts.iter().map(ToString::to_string).collect();
        assert!(doubts.is_empty(), "{}", doubts.join("\n"));
        assert_agree(&real.release, &headers.layout, &real.layout);
    }
}

/// gcc's debug information for the same headers: a third opinion without a gigabyte of download.
#[test]
fn the_dwarf_of_gcc_agrees_with_the_kernels_btf() {
    for real in kernels() {
        let (_unpacked, tree) = real.headers();
        let profile = profile();
        let folder = tempfile::tempdir().unwrap();
        let (source, object) = (folder.path().join("types.c"), folder.path().join("types.o"));
        let mut program = profile.program();
        for (number, name) in profile.types.iter().enumerate() {
            program += &format!("struct {name} *value{number};\n");
        }
        fs::write(&source, program).unwrap();
        let arguments = profile.arguments(&tree).unwrap();
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
        let saved = saved();
        let names: Vec<&str> = saved.iter().map(String::as_str).collect();
        let dwarf = dwarf::read_file(&object, &names).unwrap();
        assert_agree(&real.release, &dwarf, &real.layout);
    }
}

/// The debug information of the kernel itself, out of the debug package.
#[test]
#[ignore = "downloads 900 MB: cargo test -p kernel-structs-routes --test real_kernels -- --ignored"]
fn the_dwarf_of_the_vmlinux_agrees_with_its_btf() {
    let [real, _] = kernels();
    let saved = saved();
    let names: Vec<&str> = saved.iter().map(String::as_str).collect();
    let dwarf = dwarf::read_file(&real.debug_vmlinux(), &names).unwrap();
    assert_agree(&real.release, &dwarf, &real.layout);
}

#[test]
fn btf_agrees_with_paholes_reading_of_it() {
    for real in kernels() {
        pahole::assert_agrees(real.vmlinux().path(), &real.layout, &saved());
    }
}

#[test]
fn btf_agrees_with_bpftools_reading_of_it() {
    for real in kernels() {
        let dump = Dump::of(real.vmlinux().path());
        let names = saved();
        let compared = names
            .iter()
            .map(|name| dump.assert_agrees(&real.layout, name));
        assert!(compared.sum::<usize>() > names.len());
    }
}

/// What the comparisons are worth: they find what another kernel has otherwise.
#[test]
fn another_kernels_layout_agrees_with_neither() {
    let [old, new] = kernels();
    let file = old.vmlinux();
    let dump = Dump::of(file.path());
    for name in ["task_struct", "mm_struct", "file"] {
        let refused = |compare: &dyn Fn()| catch_unwind(AssertUnwindSafe(compare)).is_err();
        assert!(refused(&|| {
            dump.assert_agrees(&new.layout, name);
        }));
        let names = [name.to_owned()];
        assert!(refused(&|| {
            pahole::assert_agrees(file.path(), &new.layout, &names);
        }));
    }
}
