//! The stored layouts, as others read them.

use super::*;
use kernel_structs::layout::{Composite, EnumType, Type};
use kernel_structs::releases::{Files, Registry};

/// The names of the types in a stored layout.
struct Names {
    /// The saved ones, which are there with everything they contain.
    saved: Vec<String>,
    /// Those and the ones of which some members are there.
    all: Vec<String>,
}

/// Calls `check` with every stored layout, the types in it, and a file of it.
fn each(of: &str, check: impl Fn(&Layout, &Names, &str)) {
    let registry = Registry::builtin().unwrap();
    let files = Files::builtin();
    let mut checked = 0;
    for entry in registry.layouts() {
        let layout = registry.layout(&entry.id).unwrap();
        let map = registry.state_map(&entry.family).unwrap();
        let saved = map.saved_in(&layout).into_iter();
        let saved: Vec<String> = saved.map(String::from).collect();
        let kept = map.keep_of(&layout);
        let walked = kept.partial.keys().filter(|name| !saved.contains(name));
        let all = saved.iter().chain(walked).cloned().collect();
        let names = Names { saved, all };
        let file = scratch(&format!("{of}-{}", entry.file));
        std::fs::write(&file, &files.layouts[&entry.file]).unwrap();
        check(&layout, &names, &file);
        checked += 1;
    }
    assert!(checked >= 4);
}

#[test]
fn pahole_shows_every_saved_and_walked_type_as_we_do() {
    each("pahole", |layout, names, file| {
        compare_with_pahole(layout, file, &names.all)
    });
}

/// The type table in the words of `bpftool btf dump`.
fn table(layout: &Layout) -> String {
    let mut text = String::new();
    let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "(anon)".to_owned());
    for (number, (_, ty)) in layout.types().enumerate().skip(1) {
        let line = match ty {
            Type::Int(int) => format!("INT '{}' size={}", int.name, int.size),
            Type::Composite(Composite {
                kind,
                name: tag,
                size,
                members,
            }) => {
                let kind = kind.keyword().to_uppercase();
                let mut lines =
                    format!("{kind} '{}' size={size} vlen={}", name(tag), members.len());
                for member in members {
                    let offset = member.offset.0;
                    lines += &format!("\n'{}' bits_offset={offset}", name(&member.name));
                    if let Some(width) = member.bit_field {
                        lines += &format!(" bitfield_size={}", width.0);
                    }
                }
                lines
            }
            Type::Enum(EnumType {
                name: tag,
                size,
                enumerators,
                ..
            }) => {
                let kind = if size.0 > 4 { "ENUM64" } else { "ENUM" };
                let mut lines = format!(
                    "{kind} '{}' size={size} vlen={}",
                    name(tag),
                    enumerators.len()
                );
                for (name, value) in enumerators {
                    lines += &format!("\n'{name}' val={value}");
                }
                lines
            }
            Type::Array { count, .. } => format!("ARRAY '(anon)' nr_elems={count}"),
            Type::Typedef { name, .. } => format!("TYPEDEF '{name}'"),
            Type::Forward { kind, name } => format!("FWD '{name}' fwd_kind={}", kind.keyword()),
            Type::Pointer { .. } => "PTR '(anon)'".to_owned(),
            _ => "OTHER".to_owned(),
        };
        text += &format!("[{number}] {line}\n");
    }
    text
}

/// bpftool's words without those that our table leaves out.
fn reduced(dump: &str) -> String {
    let kept = |word: &str| {
        [
            "type_id=",
            "index_type_id=",
            "bits_offset=0 ",
            "nr_bits=",
            "encoding=",
        ]
        .iter()
        .all(|start| !word.starts_with(start))
    };
    let mut text = String::new();
    for line in dump.lines() {
        let is_int = line.contains("] INT ");
        let other = [
            "FUNC_PROTO",
            "VOLATILE",
            "CONST",
            "RESTRICT",
            "FLOAT",
            "TYPE_TAG",
        ]
        .iter()
        .any(|kind| line.contains(&format!("] {kind} ")));
        if other {
            text += &format!("{} OTHER\n", line.split(' ').next().unwrap());
            continue;
        }
        // A name may contain spaces.
        let (start, rest) = match line.rsplit_once('\'') {
            Some((start, rest)) => (format!("{start}'"), rest),
            None => (String::new(), line),
        };
        let words = rest
            .split_whitespace()
            .filter(|word| kept(word) && !(is_int && word.starts_with("bits_offset=")));
        // Values of 64 bits have a suffix of C.
        let words = words.map(|word| match word.starts_with("val=") {
            true => word.trim_end_matches(['U', 'L']),
            false => word,
        });
        let line: Vec<&str> = [start.trim()].into_iter().chain(words).collect();
        text += &format!("{}\n", line.join(" "));
    }
    text
}

#[test]
fn bpftool_reads_the_same_table() {
    each("bpftool", |layout, _, file| {
        assert_eq!(
            table(layout),
            reduced(&bpftool(&["btf", "dump", "file", file]))
        );
    });
}

#[test]
fn c_made_by_bpftool_has_every_member_where_we_have_it() {
    each("c", |layout, names, file| {
        let mut text = bpftool(&["btf", "dump", "file", file, "format", "c"]);
        // bpftool does not pad a union of which members are left out.
        text += &assertions(layout, &names.all, &names.saved);
        let source = format!("{file}.c");
        std::fs::write(&source, text).unwrap();
        gcc(
            layout.target().pointer_size,
            // Kernels of 7.x have members that are a named union without a name of their own.
            &[
                "-fsyntax-only",
                "-Wno-attributes",
                "-fms-extensions",
                &source,
            ],
        );
    });
}
