#![allow(clippy::unwrap_used)]

use super::*;
use crate::layout::LayoutBuilder;
use crate::layout::testing::{I386, bit_field, int, member, structure};
use std::convert::Infallible;

const MAP: &str = r#"
family = "test"
machines = ["i386"]

[type.outer]
saved = true

[type.outer.fields]
whole = { policy = "within", reason = "test" }
list = { policy = "follow", reason = "embedded here" }

[type."outer.unnamed".fields]
pointer = { policy = "symbol", reason = "test" }

[type.link]
policy = "reset"
reason = "test"
"#;

/// `struct outer { struct { int first; }; struct { struct link *pointer; int bits : 3; } unnamed;
/// struct pair whole[2]; struct pair list; struct link link; }`, where a pair is two pointers.
fn layout() -> (Layout, TypeId) {
    let mut builder = LayoutBuilder::new(I386);
    let number = builder.push(int("int", 4, true));
    let link = builder.push(structure("link", 4, vec![member("next", 0, number)]));
    let pointer = builder.push(Type::Pointer { target: link });
    let anonymous = builder.push(structure("", 4, vec![member("first", 0, number)]));
    let parts = vec![
        member("pointer", 0, pointer),
        bit_field("bits", 32, 3, number),
    ];
    let unnamed = builder.push(structure("", 8, parts));
    let halves = vec![member("next", 0, pointer), member("prev", 32, pointer)];
    let pair = builder.push(structure("pair", 8, halves));
    let pairs = builder.push(Type::Array {
        element: pair,
        count: 2,
    });
    let members = vec![
        member("", 0, anonymous),
        member("unnamed", 32, unnamed),
        member("whole", 96, pairs),
        member("list", 224, pair),
        member("link", 288, link),
    ];
    let outer = builder.push(structure("outer", 40, members));
    (builder.finish().unwrap(), outer)
}

/// Writes down what is shown, and goes inside all of it.
#[derive(Default)]
struct Notes {
    lines: Vec<String>,
    structures: Vec<String>,
    one_for_all: bool,
}

impl<'a> Visit<'a> for Notes {
    type Error = Infallible;

    fn structure(&mut self, owner: &Owner<'a>) {
        let Owner { path, base, .. } = owner;
        let shown = format!(
            "{path}@{}: {} {:?}",
            base.0,
            owner.shown(),
            owner.own_names()
        );
        self.structures.push(shown);
    }

    fn place(&mut self, place: &Place<'_, 'a>) -> Result<Go, Infallible> {
        let rules = place.rules.iter().map(|governing| match governing.from {
            RuleFrom::Member { ty, member } => format!(" {ty}.{member}"),
            RuleFrom::Type { ty } => format!(" {ty}"),
        });
        let width = place.bit_field.map(|width| format!(":{}", width.0));
        self.lines.push(format!(
            "{}{}@{} of {}, {}{}",
            place.path,
            width.unwrap_or_default(),
            place.offset.0,
            place.owner.shown(),
            place.decided(),
            rules.collect::<String>()
        ));
        Ok(match self.one_for_all {
            true => Go::Element,
            false => Go::Inside,
        })
    }
}

fn notes(one_for_all: bool) -> Notes {
    let (layout, outer) = layout();
    let map = StateMap::parse(MAP).unwrap();
    let mut notes = Notes {
        one_for_all,
        ..Notes::default()
    };
    let Ok(()) = map.visit(&layout, outer, &mut notes);
    notes
}

#[test]
fn each_place_is_shown_with_the_rules_that_hold_for_it() {
    let expected = [
        "first@0 of outer, first",
        "unnamed@32 of outer, unnamed",
        "unnamed.pointer@32 of outer.unnamed, unnamed.pointer outer.unnamed.pointer",
        "unnamed.bits:3@64 of outer.unnamed, unnamed.bits",
        "whole@96 of outer, whole outer.whole",
        "whole[0]@96 of outer, whole[0] outer.whole",
        "whole[0].next@96 of pair, whole[0] outer.whole",
        "whole[0].prev@128 of pair, whole[0] outer.whole",
        "whole[1]@160 of outer, whole[1] outer.whole",
        "whole[1].next@160 of pair, whole[1] outer.whole",
        "whole[1].prev@192 of pair, whole[1] outer.whole",
        // A rule for a pointer says nothing of a structure that is inside.
        "list@224 of outer, list",
        "list.next@224 of pair, list.next",
        "list.prev@256 of pair, list.prev",
        "link@288 of outer, link link",
        "link.next@288 of link, link link",
    ];
    assert_eq!(notes(false).lines, expected);
}

#[test]
fn structures_without_a_rule_are_announced_and_those_without_a_name_are_of_another() {
    let expected = [
        "@0: outer [\"outer\"]",
        "unnamed@32: outer.unnamed []",
        "list@224: pair [\"pair\"]",
    ];
    assert_eq!(notes(false).structures, expected);
}

#[test]
fn one_element_can_stand_for_all() {
    let lines = notes(true).lines;
    let whole: Vec<&String> = lines
        .iter()
        .filter(|line| line.starts_with("whole"))
        .collect();
    let expected = [
        "whole@96 of outer, whole outer.whole",
        "whole[]@96 of outer, whole[] outer.whole",
        "whole[].next@96 of pair, whole[] outer.whole",
        "whole[].prev@128 of pair, whole[] outer.whole",
    ];
    assert_eq!(whole, expected);
}

#[test]
fn what_a_visitor_passes_by_is_not_looked_into_and_its_error_ends_the_visit() {
    struct First(Vec<String>);
    impl<'a> Visit<'a> for First {
        type Error = String;

        fn place(&mut self, place: &Place<'_, 'a>) -> Result<Go, String> {
            self.0.push(place.path.to_owned());
            match place.rule() {
                Some(rule) => Err(format!("{}: {}", place.path, rule.policy.name())),
                None => Ok(Go::Past),
            }
        }
    }
    let (layout, outer) = layout();
    let map = StateMap::parse(MAP).unwrap();
    let mut first = First(Vec::new());
    let error = map.visit(&layout, outer, &mut first).unwrap_err();
    assert_eq!(error, "whole: within");
    assert_eq!(first.0, ["first", "unnamed", "whole"]);
}
