//! No two things in generated code have one name, whatever a kernel calls its types and members and
//! a distribution its kernels.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixture;

use fixture::{Fixture, house, state_map};
use kconv_codegen::emit::{House, clashes};
use kconv_codegen::overrides::Changes;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What names are made of that the generator makes others of.
const PIECES: [&str; 15] = [
    "a",
    "set_",
    "_",
    "_bits",
    "_pad_1",
    "as_bytes",
    "union_",
    "self",
    "mod",
    "type",
    "_pointer",
    "__2",
    "__x20",
    "reasons",
    "unnamed_0",
];

fn name() -> impl Strategy<Value = String> {
    let pieces = proptest::collection::vec(proptest::sample::select(&PIECES[..]), 1..3);
    pieces
        .prop_map(|pieces| pieces.concat())
        .prop_filter("a name of C of this test's own", |name| name != "task")
}

/// What a member can be; `@` is its name.
const MEMBERS: [&str; 8] = [
    "int @;",
    "char @;",
    "unsigned int @ : 3;",
    "unsigned int @ : 9;",
    "struct { char x; int y; } @;",
    "union { int @; char of_@; };",
    "struct { int @; };",
    "struct # @;",
];

/// Declarations of structures, each with the names of its members, and `s` with all of them inside.
fn declarations(types: &BTreeMap<String, BTreeMap<String, usize>>) -> String {
    let mut text = String::new();
    let mut last: Option<&String> = None;
    for (name, members) in types {
        text.push_str(&format!("struct {name} {{ char first_of_all;"));
        for (member, kind) in members {
            let of = match last {
                None => "struct { int z; }".to_owned(),
                Some(last) => format!("struct {last}"),
            };
            let kind = MEMBERS[*kind].replace("struct #", &of);
            text.push_str(&kind.replace('@', member));
        }
        text.push_str("};");
        last = Some(name);
    }
    let members = types.keys().enumerate();
    let members: String = members
        .map(|(index, name)| format!("struct {name} m{index};"))
        .collect();
    format!("{text} struct s {{ {members} }};")
}

/// What is there twice.
fn twice<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    names
        .into_iter()
        .filter(|name| !seen.insert(*name))
        .collect()
}

/// What stands in `text` after each `start`, up to a character of `end`.
fn after<'a>(text: &'a str, start: &str, end: &[char]) -> Vec<&'a str> {
    let parts = text.split(start).skip(1);
    parts.filter_map(|part| part.split(end).next()).collect()
}

/// Everything in the files that has the name of another.
fn repeated(files: &BTreeMap<String, String>) -> Vec<String> {
    let mut found = Vec::new();
    let mut tell = |file: &str, what: &str, names: Vec<&str>| {
        for name in twice(names) {
            found.push(format!("{file}: {what} {name}"));
        }
    };
    for (file, text) in files {
        tell(file, "module", after(text, "pub mod ", &[';', ' ']));
        let functions = after(text, "\npub fn ", &['(']);
        let values = functions
            .into_iter()
            .chain(after(text, "\npub static ", &[':']));
        tell(file, "value", values.collect());
        tell(file, "structure", after(text, "pub struct ", &['[']));
        for structure in text.split("pub struct ").skip(1) {
            let own = structure.split("\n}").next().unwrap();
            let fields = own.lines().filter_map(|line| {
                let (offset, rest) = line.trim().split_once(' ')?;
                offset.parse::<u64>().ok()?;
                rest.split(':').next()
            });
            tell(file, "field", fields.collect());
        }
        for methods in text.split("bit_fields! {").skip(1) {
            let own = methods.split("\n}").next().unwrap();
            let names = own.lines().filter(|line| line.contains(": "));
            let names = names.flat_map(|line| {
                let line = line.trim();
                line.split(": ").next().unwrap().split(' ')
            });
            let called = ["as_bytes", "as_mut_bytes", "zeroed"];
            tell(file, "method", names.chain(called).collect());
        }
        if file.ends_with("layouts.rs") {
            for layout in text.split("pub mod ").skip(1) {
                tell(file, "name", after(layout, " as ", &[';']));
            }
        }
    }
    found
}

fn files_of(declarations: &str) -> (Fixture, BTreeMap<String, String>) {
    let fixture = Fixture::of(declarations, declarations);
    let files = house::files(&fixture, &fixture.make(), "random").unwrap();
    (fixture, files)
}

#[test]
fn types_whose_names_read_alike_are_told_apart() {
    let types = [
        "self",
        "self_",
        "self__",
        "mod",
        "mod_",
        "x_pointer",
        "_",
        "__",
    ];
    let mut text: String = types
        .iter()
        .map(|name| format!("struct {name} {{ char c; int n; }};"))
        .collect();
    // Two structures of one name: a tag, and a typedef of one that has none.
    text.push_str("struct twice { char c; int n; }; typedef struct { char c; short n; } twice;");
    let members = types.iter().enumerate();
    let members: String = members
        .map(|(index, name)| format!("struct {name} m{index};"))
        .collect();
    text.push_str(&format!(
        "struct twice__2 {{ char c; }}; struct s {{ {members} struct twice a; twice b; struct twice__2 c; }};"
    ));
    let (_, files) = files_of(&text);
    assert_eq!(repeated(&files), [""; 0]);
    for module in ["self_", "self__", "self___", "twice", "twice__2_"] {
        assert!(
            files.contains_key(&format!("views/{module}.rs")),
            "{module}"
        );
    }
}

#[test]
fn what_the_generator_names_gives_way_to_members() {
    let (fixture, files) = files_of(
        "struct s { char c; int _pad_1; int union_u; union { int u; char v; }; unsigned bits : 3; int bits_bits; };"
            .replace("unsigned bits", "unsigned int bits")
            .as_str(),
    );
    assert_eq!(clashes(&fixture.old), []);
    assert_eq!(repeated(&files), [""; 0]);
    let text = &files["views/s.rs"];
    for line in [
        "1 _pad_1_: [u8; 3]",
        "4 _pad_1: I32",
        "8 union_u: I32",
        "12 union_u_: [u8; 4]",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn what_cannot_be_told_apart_is_told() {
    let told = |members: &str| {
        let found = clashes(&fixture::layout(&format!("struct s {{ {members} }};")));
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        told("unsigned int b : 1; unsigned int set_b : 1;"),
        [
            "struct s: the setter of the bit-field `b` and the getter of the bit-field `set_b` would both be `set_b` in Rust"
        ]
    );
    assert_eq!(
        told("int self; int self_;"),
        ["struct s: the member `self` and the member `self_` would both be `self_` in Rust"]
    );
    assert_eq!(
        told("unsigned int as_bytes : 1;"),
        [
            "struct s: what is called on every structure and the getter of the bit-field `as_bytes` would both be `as_bytes` in Rust"
        ]
    );
    // A member is read without a call.
    assert_eq!(
        told("int as_bytes; int set_b; unsigned int b : 1; int zeroed;"),
        [""; 0]
    );
}

#[test]
fn kernels_whose_names_differ_in_signs_are_told_apart() {
    let ids = [
        "6.1.0-47-amd64",
        "6.1.0.47-amd64",
        "6.1.0_47+amd64",
        "6.1.0~47-amd64",
        "6.1.0-47-AMD64",
    ];
    let map = state_map(&["s"], "");
    // Each has a shape of its own, of one type.
    let stored = ids.iter().enumerate().map(|(index, id)| {
        let layout = fixture::layout(&format!("struct s {{ int m[{}]; }};", index + 1));
        house::one_stored(&map, id, &layout)
    });
    let stored: Vec<_> = stored.collect();
    let house = House::build(&map, &Changes::default(), &stored, house::paths("kernels")).unwrap();
    let files: BTreeMap<String, String> = house.views().into_iter().collect();
    assert_eq!(repeated(&files), [""; 0]);
    let carry = house.carry().unwrap();
    assert_eq!(repeated(&carry), [""; 0]);
    // The one that is spelt as releases are has the name that it always had.
    assert!(files["layouts.rs"].contains("pub mod v6_1_0_47_amd64 {"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 384, ..ProptestConfig::default() })]

    #[test]
    fn no_two_things_have_one_name(
        types in proptest::collection::btree_map(
            name().prop_filter("is the type around them", |name| name != "s"),
            proptest::collection::btree_map(name(), 0..MEMBERS.len(), 0..7),
            1..6,
        ),
    ) {
        let (fixture, files) = files_of(&declarations(&types));
        let found = repeated(&files);
        if clashes(&fixture.old).is_empty() {
            prop_assert_eq!(found, [""; 0]);
        } else {
            // Nothing is refused that could be told apart.
            prop_assert!(!found.is_empty());
        }
    }
}
