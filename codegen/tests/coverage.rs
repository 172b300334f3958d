//! The coverage proof finds what is left out and what is done twice.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixture;

use fixture::{Fixture, house};
use kconv_codegen::coverage::{self, CoverageFinding};
use kconv_codegen::emit::{EmitError, HouseError, Page};
use kconv_codegen::plan::{Action, FieldPlan, Made, Plan, TypePlan};
use kernel_structs::state::Tail;

fn fixture() -> Fixture {
    Fixture::of(
        "struct p { int x; short y; }; struct s { char a; int b; int c : 3; int d : 5; struct p e; struct p f[2]; };",
        "struct p { int x; int y; }; struct s { char a; int b; int c : 3; int d : 5; struct p e; struct p f[2]; int g[2]; };",
    )
    .decided("[[override]]\nfield = \"s.g\"\ninit = \"zero\"\nreason = \"new (fs/a.c: f)\"\n")
}

/// What the proof says of a plan that was changed in one place.
fn trip(change: impl Fn(&mut TypePlan)) -> String {
    let fixture = fixture();
    let mut plan = fixture.make().plan;
    assert_eq!(coverage::check(&plan, &fixture.old, &fixture.new), []);
    change(plan.types.get_mut("s").unwrap());
    let findings = coverage::check(&plan, &fixture.old, &fixture.new);
    let made = Made {
        plan,
        ..fixture.make()
    };
    let refused = house::page(&fixture, &made);
    assert!(matches!(
        refused,
        Err(HouseError::Emit(EmitError::NotTotal(refused))) if refused == findings
    ));
    findings
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

fn field<'a>(ty: &'a mut TypePlan, name: &str) -> &'a mut FieldPlan {
    ty.fields
        .iter_mut()
        .find(|field| field.path.to_string() == name)
        .unwrap()
}

#[test]
fn a_field_that_is_left_out() {
    let said = trip(|ty| ty.fields.retain(|field| field.path.to_string() != "b"));
    insta::assert_snapshot!(said);
}

#[test]
fn a_field_that_is_written_twice() {
    let said = trip(|ty| {
        let copy = field(ty, "b").clone();
        ty.fields.push(copy);
    });
    insta::assert_snapshot!(said);
}

#[test]
fn a_field_that_is_one_byte_off() {
    let said = trip(|ty| field(ty, "b").to.as_mut().unwrap().bits.offset += 8);
    insta::assert_snapshot!(said);
}

#[test]
fn a_bit_field_that_is_one_bit_short() {
    let said = trip(|ty| field(ty, "d").to.as_mut().unwrap().bits.len -= 1);
    insta::assert_snapshot!(said);
}

#[test]
fn a_field_that_is_read_and_dropped() {
    let said = trip(|ty| {
        let mut drop = field(ty, "b").clone();
        drop.to = None;
        drop.action = Action::Drop {
            initial: 0,
            strict: false,
        };
        ty.drops.push(drop);
    });
    insta::assert_snapshot!(said);
}

#[test]
fn a_field_of_which_nothing_is_said() {
    let said = trip(|ty| {
        let b = field(ty, "b");
        b.from = None;
        b.action = Action::Zero;
    });
    insta::assert_snapshot!(said);
}

#[test]
fn a_field_that_is_taken_for_padding() {
    let said = trip(|ty| {
        let at = field(ty, "b").from.take().unwrap();
        field(ty, "b").action = Action::Zero;
        ty.padding.push(at.bits);
    });
    insta::assert_snapshot!(said);
}

#[test]
fn a_field_past_the_end() {
    let said = trip(|ty| field(ty, "g").to.as_mut().unwrap().bits.len += 32);
    insta::assert_snapshot!(said);
}

#[test]
fn a_type_of_another_size() {
    let said = trip(|ty| ty.to_size -= 8);
    insta::assert_snapshot!(said);
}

#[test]
fn a_copy_of_another_length() {
    let said = trip(|ty| field(ty, "e").action = Action::Copy);
    insta::assert_snapshot!(said);
}

/// As many bytes on both sides, but not with the same in them.
#[test]
fn a_copy_of_a_structure_that_changed_inside() {
    let fixture = Fixture::of(
        "struct p { int x; int y; }; struct s { struct p e; struct p f[2]; };",
        "struct p { int y; int x; }; struct s { struct p e; struct p f[2]; };",
    );
    for name in ["e", "f"] {
        let mut plan = fixture.make().plan;
        field(plan.types.get_mut("s").unwrap(), name).action = Action::Copy;
        let findings = coverage::check(&plan, &fixture.old, &fixture.new);
        let misfit = |field: &str| matches!(findings.as_slice(), [CoverageFinding::Misfit { field: found, .. }] if found == field);
        assert!(misfit(name), "{findings:?}");
    }
}

#[test]
fn a_nested_value_of_another_size() {
    for side in ["from", "to"] {
        let fixture = fixture();
        let mut plan = fixture.make().plan;
        let nested = plan.types.get_mut("p").unwrap();
        match side {
            "from" => nested.from_size += 4,
            _ => nested.to_size += 4,
        }
        let findings = coverage::check(&plan, &fixture.old, &fixture.new);
        let misfit = |field: &str| {
            findings.iter().any(|finding| {
                matches!(finding, CoverageFinding::Misfit { ty, field: found, .. } if ty == "s" && found == field)
            })
        };
        assert!(misfit("e") && misfit("f"), "{side}: {findings:?}");
    }
}

#[test]
fn an_array_of_another_length() {
    let said = trip(|ty| match &mut field(ty, "f").action {
        Action::Elements { old, new, .. } => (*old, *new) = (1, 1),
        other => panic!("{other:?}"),
    });
    insta::assert_snapshot!(said);
}

#[test]
fn a_nested_type_without_a_plan() {
    let said = trip(|ty| field(ty, "e").action = Action::Recurse { ty: "q".to_owned() });
    insta::assert_snapshot!(said);
}

#[test]
fn every_single_bit_counts() {
    let fixture = fixture();
    let plan = fixture.make().plan;
    let findings = |plan: &Plan| coverage::check(plan, &fixture.old, &fixture.new).len();
    for (name, ty) in &plan.types {
        for (index, field) in ty.fields.iter().enumerate() {
            for side in ["from", "to"] {
                let shrunk = |plan: &mut Plan| {
                    let field = &mut plan.types.get_mut(name).unwrap().fields[index];
                    let place = if side == "from" {
                        &mut field.from
                    } else {
                        &mut field.to
                    };
                    place.as_mut().map(|place| place.bits.len -= 1)
                };
                let mut mutant = plan.clone();
                if shrunk(&mut mutant).is_some() {
                    assert_ne!(findings(&mutant), 0, "{name}.{} {side}", field.path);
                }
            }
        }
    }
}

#[test]
fn the_account_adds_up() {
    let plan = fixture().make().plan;
    for account in coverage::accounts(&plan) {
        let sums = account
            .rules
            .values()
            .fold((0, 0), |sum, rule| (sum.0 + rule.0, sum.1 + rule.1));
        assert_eq!(sums, (account.to_bits, account.from_bits), "{}", account.ty);
    }
}

#[test]
fn a_finding_names_type_place_and_fields() {
    let finding = CoverageFinding::WrittenTwice {
        ty: "s".to_owned(),
        first: "a".to_owned(),
        second: "b".to_owned(),
        bits: kconv_codegen::plan::Bits { offset: 9, len: 3 },
    };
    assert_eq!(finding.to_string(), "s: both a and b write bits 1:1 to 1:3");
}

/// A structure that becomes an object of its own.
fn made() -> Fixture {
    let mut fixture = Fixture::of(
        "struct p { int x; }; struct s { int a; struct p owner; };",
        "struct s; struct p { struct s *of; int x; }; struct s { struct p *owner; int a; };",
    )
    .decided(
        "[[override]]\nfield = \"s.owner\"\nmake = \"p\"\nreason = \"allocated (fs/a.c: f)\"\n[[override]]\nfield = \"p.of\"\ninit = \"container\"\nreason = \"back (fs/a.c: f)\"\n",
    );
    fixture.map = fixture::state_map(&["s", "p"], "");
    let follow = fixture::state_map(
        &[],
        "[type.s.fields]\nowner = { policy = \"follow\", reason = \"who\" }\n[type.p.fields]\nof = { policy = \"within\", reason = \"whose\" }\n",
    );
    for (name, entry) in follow.types {
        fixture.map.types.entry(name).or_default().fields = entry.fields;
    }
    fixture
}

#[test]
fn an_object_that_is_made_is_accounted_for() {
    let fixture = made();
    let made = fixture.make();
    assert!(made.undecided.is_empty(), "{:?}", made.undecided);
    assert_eq!(coverage::check(&made.plan, &fixture.old, &fixture.new), []);
    let text = house::page(&fixture, &made).unwrap().text;
    assert!(
        text.contains("new.owner = cx.make(&at!(at.owner), old.owner.as_bytes());"),
        "{text}"
    );
    assert!(
        text.contains("new.of = cx.container(&at!(at.of, new));"),
        "{text}"
    );
}

#[test]
fn an_object_that_is_made_has_a_plan_of_its_own_and_something_it_comes_from() {
    type Change = fn(&mut Plan);
    let changes: [(&str, Change, &str); 5] = [
        (
            "no plan",
            |plan| drop(plan.types.remove("p")),
            "s.owner: there is no plan for p",
        ),
        (
            "never an object",
            |plan| plan.types.get_mut("p").unwrap().object = false,
            "s.owner: `make`",
        ),
        (
            "of another size",
            |plan| {
                let place = field(plan.types.get_mut("s").unwrap(), "owner")
                    .from
                    .as_mut();
                place.unwrap().bits.len -= 8;
            },
            "s.owner: `make`",
        ),
        (
            "folded instead",
            |plan| {
                field(plan.types.get_mut("s").unwrap(), "owner").action = Action::Fold {
                    ty: "p".to_owned(),
                    alone: false,
                };
            },
            "s.owner: `make`",
        ),
        (
            "made of nothing",
            |plan| {
                field(plan.types.get_mut("s").unwrap(), "owner").action = Action::Call {
                    function: "f".to_owned(),
                    arguments: Vec::new(),
                    offsets: Vec::new(),
                    constants: Vec::new(),
                    ends: None,
                };
            },
            "p.of: `init`",
        ),
    ];
    for (what, change, told) in changes {
        let fixture = made();
        let mut plan = fixture.make().plan;
        change(&mut plan);
        let findings = coverage::check(&plan, &fixture.old, &fixture.new);
        let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(
            texts.iter().any(|text| text.starts_with(told)),
            "{what}: {texts:?}"
        );
    }
}

/// A type that ends in a flexible array, which `sizeof` has one element of before.
fn tail() -> Fixture {
    let mut fixture = Fixture::of(
        "struct p { int x; short y; }; struct s { unsigned int n; int a; struct p e[1]; };",
        "struct p { int y; int x; }; struct s { int a; unsigned long n; struct p e[0]; };",
    );
    let entry = fixture.map.types.get_mut("s").unwrap();
    entry.tail = Some(Tail {
        member: "e".to_owned(),
        count: "n".to_owned(),
        add: 0,
    });
    fixture
}

#[test]
fn a_flexible_array_is_accounted_for() {
    let fixture = tail();
    let made = fixture.make();
    assert!(made.undecided.is_empty(), "{:?}", made.undecided);
    assert_eq!(coverage::check(&made.plan, &fixture.old, &fixture.new), []);
    let Page { text, rest } = house::page(&fixture, &made).unwrap();
    assert!(
        text.contains("// e: n elements at the end, each by `p`"),
        "{text}"
    );
    assert!(rest.contains("element: \"p\", from: 8, to: 8"), "{rest}");
}

#[test]
fn a_flexible_array_has_its_place_its_elements_and_its_count() {
    type Change = fn(&mut Plan);
    let changes: [(&str, Change); 5] = [
        ("its place", |plan| {
            let Action::Tail { at, .. } = &mut field(plan.types.get_mut("s").unwrap(), "e").action
            else {
                panic!("no tail")
            };
            at.1 += 4;
        }),
        ("a plan of its elements", |plan| {
            plan.types.remove("p");
        }),
        ("elements of this size", |plan| {
            let p = plan.types.get_mut("p").unwrap();
            p.to_size += 4;
        }),
        ("a count that is carried", |plan| {
            field(plan.types.get_mut("s").unwrap(), "n").action = Action::Reset {
                initial: 0,
                strict: false,
            };
        }),
        ("elements that can be converted", |plan| {
            plan.types.get_mut("p").unwrap().object = false;
        }),
    ];
    for (what, change) in changes {
        let fixture = tail();
        let mut plan = fixture.make().plan;
        change(&mut plan);
        let findings = coverage::check(&plan, &fixture.old, &fixture.new);
        let of_tail = findings.iter().any(|finding| {
            let text = finding.to_string();
            text.contains("s.e") || text.contains("p:")
        });
        assert!(of_tail, "{what}: {findings:?}");
    }
}
