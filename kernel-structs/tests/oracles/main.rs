//! Layouts held against programs that share no code with this one: pahole, bpftool and gcc.
//!
//! A program that is not installed fails the test and is named; a comparison that is silently
//! skipped would be worth nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod compiled;
mod stored;

use kernel_structs::layout::{Layout, RenderOptions, leaves, render_type};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs a program that Debian has in `package`, and returns what it prints.
fn run(program: &str, package: &str, arguments: &[&str]) -> String {
    let output = Command::new(find(program))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| {
            panic!("{program}: {error}; install the package {package} to run this test")
        });
    assert!(
        output.status.success(),
        "{program} {arguments:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// bpftool lies in a folder that is not on everybody's PATH.
fn find(program: &str) -> PathBuf {
    let administrators = Path::new("/usr/sbin").join(program);
    if administrators.exists() {
        administrators
    } else {
        program.into()
    }
}

fn pahole(arguments: &[&str]) -> String {
    run("pahole", "dwarves", arguments)
}

fn bpftool(arguments: &[&str]) -> String {
    run("bpftool", "bpftool", arguments)
}

/// gcc, for a 32-bit or 64-bit machine.
fn gcc(pointer_size: u8, arguments: &[&str]) {
    let machine = if pointer_size == 4 { "-m32" } else { "-m64" };
    run("gcc", "gcc-multilib", &[&[machine], arguments].concat());
}

/// The lines of a rendering that both pahole and we print, without what is layout of the text:
/// members with offsets and sizes, holes, padding, size.
fn lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut hole = 0;
    for line in text.lines().map(plain) {
        if let Some((_, size)) = line
            .split_once("/* XXX ")
            .filter(|_| line.contains(" hole,"))
        {
            // Beside bit-fields, pahole counts in bits what we count in bits and bytes.
            let mut words = size.split(' ');
            let size: u64 = words.next().unwrap().parse().unwrap();
            let bytes = words.next().unwrap().starts_with("byte");
            hole += if bytes { size * 8 } else { size };
            continue;
        }
        // A bit-field of no bits is how pahole says that the next begins a new byte.
        let shared = match line.starts_with("/*") {
            true => ["/* size:", "/* padding:", "/* bit_padding:"]
                .iter()
                .any(|start| line.starts_with(start)),
            false => !line.is_empty() && !line.ends_with(" :0;"),
        };
        if shared {
            if hole != 0 {
                lines.push(format!("hole of {hole} bits"));
                hole = 0;
            }
            lines.push(line);
        }
    }
    lines
}

/// A line without attributes, and with single spaces.
fn plain(line: &str) -> String {
    let mut line = line.to_owned();
    while let Some(start) = line.find("__attribute__((") {
        let end = start + line[start..].find("))").expect("attributes end") + 2;
        let end = end + usize::from(line[end..].starts_with(')'));
        line.replace_range(start..end, "");
    }
    let words = line.split_whitespace().collect::<Vec<_>>().join(" ");
    // pahole puts this before the name of a float that it read from BTF.
    words.trim_start_matches("single ").replace(" ;", ";")
}

/// pahole's rendering of the types called `names` in a BTF file, by name.
fn pahole_types(file: &str, names: &[String]) -> BTreeMap<String, Vec<String>> {
    let text = pahole(&["-F", "btf", "-C", &names.join(","), file]);
    let mut types = BTreeMap::new();
    let mut block = String::new();
    for line in text.lines() {
        block.push_str(line);
        block.push('\n');
        if line.starts_with('}') {
            let first = block.lines().next().unwrap();
            let name = match first.strip_prefix("typedef ") {
                Some(_) => line.trim_start_matches('}').split(';').next().unwrap(),
                None => first.split_whitespace().nth(1).unwrap(),
            };
            let name = name
                .split("__attribute__")
                .next()
                .unwrap()
                .trim()
                .to_owned();
            types.insert(name, lines(&block));
            block.clear();
        }
    }
    types
}

/// Holds our rendering of every type in `names` against pahole's.
fn compare_with_pahole(layout: &Layout, file: &str, names: &[String]) {
    let theirs = pahole_types(file, names);
    for name in names {
        let ours = render_type(
            layout,
            layout.require(name).unwrap(),
            &RenderOptions::default(),
        );
        let Some(theirs) = theirs.get(name) else {
            panic!("pahole does not show {name} of {file}");
        };
        assert_eq!(&lines(&ours), theirs, "{name} of {file}");
    }
}

/// C that compiles only if all scalars of the types `names` have the places that `layout` gives
/// them, and the types `whole` among them their sizes.
fn assertions(layout: &Layout, names: &[String], whole: &[String]) -> String {
    let mut text = String::new();
    for name in names {
        let id = layout.require(name).unwrap();
        let ty = layout.type_name(id);
        if whole.contains(name) {
            let size = layout.size_of(id).unwrap();
            text.push_str(&format!(
                "_Static_assert(sizeof({ty}) == {size}, \"{name}\");\n"
            ));
        }
        for leaf in leaves(layout, id, 100_000).unwrap() {
            // C has no offset of a bit-field.
            if !leaf.bit_field && !leaf.path.is_empty() {
                let (path, offset, size) = (leaf.path, leaf.offset, leaf.size.0 / 8);
                text.push_str(&format!(
                    "_Static_assert(__builtin_offsetof({ty}, {path}) == {offset}, \"{name}.{path}\");\n\
                     _Static_assert(sizeof((({ty} *)0)->{path}) == {size}, \"{name}.{path}\");\n"
                ));
            }
        }
    }
    text
}

/// A file for one test, in the folder that cargo has for them.
fn scratch(name: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("oracles");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name).into_os_string().into_string().unwrap()
}
