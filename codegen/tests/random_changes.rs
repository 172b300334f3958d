//! Random pairs of structures: once everything open is decided, the plan is total and can be
//! written out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixture;

use fixture::{Fixture, house};
use kconv_codegen::coverage;
use kconv_codegen::plan::Why;
use proptest::prelude::*;
use std::fmt::Write;

const TYPES: [&str; 20] = [
    "char @;",
    "unsigned char @;",
    "short @;",
    "int @;",
    "unsigned int @;",
    "long long @;",
    "unsigned long long @;",
    "_Bool @;",
    "int @ : 3;",
    "unsigned int @ : 9;",
    "int @[2];",
    "short @[3];",
    "struct p @;",
    "struct q @[2];",
    "enum e @;",
    "union u @;",
    "int @[0];",
    "struct p @[0];",
    "struct q @[0];",
    "enum e @[2][0];",
];

fn structure() -> impl Strategy<Value = String> {
    let names = Just(('a'..='j').collect::<Vec<char>>()).prop_shuffle();
    let types = proptest::collection::vec(0..TYPES.len(), 1..10);
    (names, types, any::<bool>()).prop_map(|(names, types, changed)| {
        let mut text = String::from("struct p { int x; int y; }; union u { int x; char y; };");
        text.push_str(match changed {
            true => "enum e { A, B }; struct q { char x; short y; };",
            false => "enum e { B, A }; struct q { char x; int y; };",
        });
        text.push_str("struct s {");
        for (name, ty) in names.iter().zip(types) {
            text.push_str(&TYPES[ty].replace('@', &name.to_string()));
        }
        text.push_str("};");
        text
    })
}

/// Decisions on everything that is open.
fn decide(fixture: &Fixture) -> String {
    let mut entries = String::new();
    for open in fixture.make().undecided {
        let field = format!("{}.{}", open.ty, open.field);
        let init = !matches!(open.why, Why::Removed);
        let drop = !matches!(open.why, Why::Added);
        for (wanted, action) in [(init, "init = \"zero\""), (drop, "drop = \"always\"")] {
            if wanted {
                let _ = write!(
                    entries,
                    "[[override]]\nfield = \"{field}\"\n{action}\nreason = \"decided (fs/a.c: f)\"\n"
                );
            }
        }
    }
    entries
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decided_plans_are_total(old in structure(), new in structure()) {
        let fixture = Fixture::of(&old, &new);
        let entries = decide(&fixture);
        let fixture = fixture.decided(&entries);
        let made = fixture.make();
        prop_assert_eq!(&made.undecided, &[]);
        prop_assert_eq!(made.needed.len(), fixture.overrides.entries.len());
        prop_assert_eq!(coverage::check(&made.plan, &fixture.old, &fixture.new), []);
        let files = house::files(&fixture, &made, "random");
        prop_assert!(files.is_ok(), "{:?}", files);
    }
}
