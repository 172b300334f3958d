//! What the images say of everything outside of them, as a reader sees it.
#![allow(clippy::unwrap_used)]

mod frozen;

use frozen::{Frozen, image, shown};
use std::fmt::Write;

fn listing(name: &str) -> String {
    let frozen = Frozen::open(&image(name));
    let head = frozen.head();
    let mut text = String::new();
    for (number, resource) in head.resources.iter().enumerate() {
        let attributes = resource.attributes.iter();
        let attributes: Vec<_> = attributes
            .map(|(name, value)| format!("{name}={}", shown(value)))
            .collect();
        writeln!(
            text,
            "{number:2} {:9} {}",
            resource.kind,
            attributes.join(", ")
        )
        .unwrap();
    }
    writeln!(text, "{:?}", head.clocks).unwrap();
    for (name, value) in &head.facts {
        writeln!(text, "{name}: {}", shown(value)).unwrap();
    }
    for symbol in &head.symbols {
        writeln!(
            text,
            "{} {}+{:#x}",
            symbol.origin, symbol.name, symbol.offset
        )
        .unwrap();
    }
    text
}

#[test]
fn resources_of_the_up_image() {
    insta::assert_snapshot!(listing("2.4.36-i386-up"));
}

#[test]
fn resources_of_the_smp_image() {
    insta::assert_snapshot!(listing("2.4.36-i386-smp"));
}
