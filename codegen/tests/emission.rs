//! The text that is generated for small layouts, kept in `tests/generated`.
//!
//! `KCONV_BLESS=1 cargo test -p kconv-codegen --test emission` writes it anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "fixture/emitted.rs"]
mod emitted;
mod fixture;

use fixture::Fixture;
use kconv_codegen::{coverage, emit};
use std::path::PathBuf;

fn check(fixture: &Fixture, name: &str) {
    let made = fixture.make();
    assert_eq!(made.undecided, []);
    let unneeded = fixture
        .overrides
        .entries
        .iter()
        .filter(|e| !made.needed.contains(&e.index));
    assert_eq!(unneeded.count(), 0);
    assert_eq!(coverage::check(&made.plan, &fixture.old, &fixture.new), []);
    let text = emit::emit(&made.plan, &fixture.old, &fixture.new).unwrap();
    assert_eq!(
        text,
        emit::emit(&fixture.make().plan, &fixture.old, &fixture.new).unwrap()
    );
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/generated")
        .join(format!("{name}.rs"));
    if std::env::var_os("KCONV_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    if kept != text {
        let diff = similar::TextDiff::from_lines(&kept, &text);
        panic!("{}", diff.unified_diff().header("kept", "generated"));
    }
}

#[test]
fn every_rule() {
    check(&emitted::rules(), "rules");
}

#[test]
fn every_decision() {
    check(&emitted::decisions(), "decisions");
}
