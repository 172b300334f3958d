//! Pointers in structures that have no name: the state map names them by the member that they are in.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixture;

use fixture::Fixture;
use kconv_codegen::plan::Made;
use kconv_rules::RuleKind;

const OLD: &str = "struct s { int a; struct { void *p; int n; } inner; struct { struct { void *q; } deep; } outer[2]; };";
const NEW: &str = "struct s { int a; int b; struct { void *p; int n; } inner; struct { struct { void *q; } deep; } outer[2]; };";
const DECIDED: &str = "[[override]]\nfield = \"s.b\"\ninit = 0\nreason = \"new (fs/a.c: f)\"\n";

fn made(rules: &str) -> Made {
    Fixture::of(OLD, NEW).rules(rules).decided(DECIDED).make()
}

fn open(made: &Made) -> Vec<String> {
    made.undecided.iter().map(ToString::to_string).collect()
}

#[test]
fn a_pointer_in_an_unnamed_structure_has_a_policy_of_its_own() {
    let told = open(&made(""));
    assert_eq!(told.len(), 2, "{told:?}");
    let rules = "
[type.\"s.inner\".fields]
p = { policy = \"user\", reason = \"in the program\" }
[type.\"s.outer.deep\".fields]
q = { policy = \"reset\", reason = \"a cache\" }
";
    // The check of the map knows these places.
    let fixture = Fixture::of(OLD, NEW).rules(rules);
    let findings = fixture.map.check(&[&fixture.old, &fixture.new]);
    let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(!told.iter().any(|told| told.contains("s.")), "{told:?}");
    let made = made(rules);
    assert_eq!(open(&made), [""; 0]);
    let rule = |path: &str| {
        let mut fields = made.plan.types.values().flat_map(|ty| &ty.fields);
        let found = fields.find(|field| field.path.to_string() == path);
        found
            .unwrap_or_else(|| panic!("{path}: {:?}", made.plan.types.keys()))
            .rule
    };
    assert_eq!(rule("p"), RuleKind::User);
    assert_eq!(rule("q"), RuleKind::Reset);
}
