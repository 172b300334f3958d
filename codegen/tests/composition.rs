//! A chain gives what a direct conversion gives, or the difference is told. That it does for all
//! stored layouts is held by `nothing_is_left_to_decide_between_any_two_layouts` (`scaffold.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixture;

use fixture::Fixture;
use kconv_codegen::chain::{Opened, differences};

/// What a chain over `middle` does in another way than the conversion from `first` to `last`: each
/// step, and the direct one, by its own decisions.
fn over(rules: &str, layouts: [&str; 3], decisions: [&str; 3]) -> Vec<String> {
    let [first, middle, last] = layouts;
    let fixture = |old, new, decided| {
        let fixture = Fixture::of(old, new).rules(rules).decided(decided);
        let made = fixture.make();
        assert_eq!(made.undecided, [], "{old} {new}");
        (fixture, made.plan)
    };
    let (there, direct) = fixture(first, last, decisions[0]);
    let steps = [
        fixture(first, middle, decisions[1]).1,
        fixture(middle, last, decisions[2]).1,
    ];
    told(&there, &direct, &[&steps[0], &steps[1]])
}

fn told(
    there: &Fixture,
    direct: &kconv_codegen::plan::Plan,
    steps: &[&kconv_codegen::plan::Plan],
) -> Vec<String> {
    let opened: Vec<Opened<'_>> = steps.iter().map(|plan| Opened::of(plan)).collect();
    let opened: Vec<&Opened<'_>> = opened.iter().collect();
    let first = there.map.live(&there.old);
    let found = differences(direct, &opened, &first);
    found
        .iter()
        .map(|each| format!("{each} {:?}", each.what))
        .collect()
}

fn entry(field: &str, action: &str) -> String {
    format!("[[override]]\nfield = \"{field}\"\n{action}\nreason = \"so (fs/a.c: f)\"\n")
}

const BOTH: &str = "struct s { int a; int b; };";
const MOVED: &str = "struct s { int b; int a; char c; };";
const ONE: &str = "struct s { int b; };";

#[test]
fn a_chain_of_the_same_is_the_same() {
    assert_eq!(over("", [BOTH; 3], [""; 3]), [""; 0]);
    let appears = entry("s.c", "init = 0");
    let gone = entry("s.c", "drop = \"always\"");
    assert_eq!(
        over("", [BOTH, MOVED, BOTH], ["", &appears, &gone]),
        [""; 0]
    );
    assert_eq!(
        over("", [MOVED, BOTH, BOTH], [&gone, &gone, ""]),
        [""; 0],
        "both lose it"
    );
}

#[test]
fn a_member_that_the_middle_lacks_is_lost() {
    let (gone, back) = (
        entry("s.a", "drop = \"always\""),
        entry("s.a", "init = \"zero\""),
    );
    let found = over("", [BOTH, ONE, BOTH], ["", &gone, &back]);
    assert_eq!(found, ["s.a is lost on the way Lost { step: 0 }"]);
}

/// Structures inside, arrays, and values that change their type on the way.
#[test]
fn every_scalar_is_followed() {
    let layouts = [
        "struct in { int a; short b; }; struct s { struct in in[2]; unsigned int n; };",
        "struct in { short b; long long a; }; struct s { unsigned long long n; int x; struct in in[2]; };",
        "struct in { int a; short b; }; struct s { struct in in[2]; unsigned int n; };",
    ];
    let new = entry("s.x", "init = 3");
    let gone = entry("s.x", "drop = \"always\"");
    assert_eq!(over("", layouts, ["", &new, &gone]), [""; 0]);
    let layouts = [
        layouts[0],
        "struct in { int a; }; struct s { struct in in[2]; unsigned int n; };",
        layouts[2],
    ];
    let new = entry("in.b", "drop = \"always\"");
    let gone = entry("in.b", "init = 1");
    assert_eq!(
        over("", layouts, ["", &new, &gone]),
        [
            "s.in[0].b is lost on the way Lost { step: 0 }",
            "s.in[1].b is lost on the way Lost { step: 0 }",
        ]
    );
}

/// A unit that one step changes and no other changes back, and functions that only the way has.
#[test]
fn another_number_on_the_way_is_told() {
    let scaled = |scale: &str| entry("s.a", &format!("scale = {{ {scale} }}"));
    let told = |one: &str, other: &str| over("", [BOTH; 3], ["", &scaled(one), &scaled(other)]);
    let other = ["s.a comes out as another number Counted"];
    assert_eq!(told("multiply = 1000", "divide = 1000"), [""; 0]);
    assert_eq!(told("multiply = 10, offset = 5", "divide = 10"), other);
    assert_eq!(told("multiply = 10", "divide = 7"), other);
    assert_eq!(told("multiply = 1000", "multiply = 1000"), other);
    let direct = scaled("multiply = 6");
    let (two, three) = (scaled("multiply = 2"), scaled("multiply = 3"));
    assert_eq!(over("", [BOTH; 3], [&direct, &two, &three]), [""; 0]);
    let call = entry("s.a", "call = \"made\"");
    assert_eq!(over("", [BOTH; 3], [&call, &call, ""]), [""; 0]);
    assert_eq!(over("", [BOTH; 3], [&call, "", &call]), [""; 0]);
    assert_eq!(
        over("", [BOTH; 3], ["", &call, &call]),
        ["s.a is made by other functions on the way Called"]
    );
}

/// A field that is new in the middle, in a unit that is none of its last.
#[test]
fn a_first_value_that_is_changed_later_is_told() {
    let layouts = [ONE, BOTH, BOTH];
    let (new, twice) = (
        entry("s.a", "init = 5"),
        entry("s.a", "scale = { multiply = 2 }"),
    );
    assert_eq!(
        over("", layouts, [&new, &new, &twice]),
        ["s.a gets another first value Initial { step: 0 }"]
    );
    let ten = entry("s.a", "init = 10");
    assert_eq!(over("", layouts, [&ten, &new, &twice]), [""; 0]);
}

/// Values that the direct conversion carries and that do not go through a type on the way.
#[test]
fn a_narrower_type_on_the_way_is_told() {
    let of = |int: &str| format!("struct s {{ {int} a; int b; }};");
    let told = |ints: [&str; 3]| {
        let layouts = ints.map(of);
        over("", [&layouts[0], &layouts[1], &layouts[2]], [""; 3])
    };
    let narrower = |step: usize| {
        vec![format!(
            "s.a passes a narrower type on the way, which not all of its values go through Narrower {{ step: {step} }}"
        )]
    };
    assert_eq!(told(["int", "short", "int"]), narrower(0));
    assert_eq!(told(["int", "short", "long long"]), narrower(0));
    assert_eq!(told(["int", "unsigned int", "int"]), narrower(0));
    assert_eq!(told(["long long", "int", "short"]), [""; 0]);
    assert_eq!(told(["long long", "short", "int"]), narrower(0));
    assert_eq!(told(["int", "long long", "int"]), [""; 0]);
    assert_eq!(told(["int", "long long", "short"]), [""; 0]);
    assert_eq!(
        told(["unsigned int", "unsigned long long", "unsigned int"]),
        [""; 0]
    );
    let bits = [
        "struct s { unsigned int a : 9; int b; };",
        "struct s { unsigned int a : 3; int b; };",
    ];
    assert_eq!(over("", [bits[0], bits[1], bits[0]], [""; 3]), narrower(0));
    assert_eq!(over("", [bits[1], bits[0], bits[1]], [""; 3]), [""; 0]);
    let arrays = ["int", "long long", "int"].map(|int| format!("struct s {{ {int} a[4]; }};"));
    assert_eq!(
        over("", [&arrays[0], &arrays[1], &arrays[2]], [""; 3]),
        [""; 0]
    );
}

#[test]
fn what_comes_out_elsewhere_is_told() {
    let renamed = [
        entry("s.x", "rename = \"b\"") + &entry("s.a", "drop = \"always\""),
        entry("s.x", "rename = \"a\"") + &entry("s.b", "drop = \"always\""),
    ];
    let layouts = [BOTH, "struct s { int x; };", "struct s { int x; };"];
    assert_eq!(
        over("", layouts, [&renamed[0], &renamed[1], ""]),
        [
            "s.a is carried on the way Kept",
            "s.b is lost on the way Lost { step: 0 }",
        ]
    );
    let other = entry("s.x", "rename = \"a\"") + &entry("s.y", "rename = \"b\"");
    let swapped = entry("s.a", "rename = \"y\"") + &entry("s.b", "rename = \"x\"");
    let found = over(
        "",
        [BOTH, "struct s { int x; int y; };", BOTH],
        ["", &other, &swapped],
    );
    assert_eq!(
        found,
        [
            "s.a ends up at another place Elsewhere",
            "s.b ends up at another place Elsewhere",
        ]
    );
}

#[test]
fn a_new_field_begins_the_same() {
    let with = "struct s { int a; int b; int c; };";
    let three = entry("s.c", "init = 3");
    let four = entry("s.c", "init = 4");
    let found = over("", [BOTH, BOTH, with], [&three, "", &three]);
    assert_eq!(found, [""; 0]);
    let found = over("", [BOTH, with, with], [&three, &four, ""]);
    assert_eq!(found, ["s.c gets another first value Initial { step: 0 }"]);
    // A number in one place, and nothing but zeros in another.
    let (zero, null) = (entry("s.c", "init = \"zero\""), entry("s.c", "init = 0"));
    let found = over("", [BOTH, with, with], [&zero, &null, ""]);
    assert_eq!(found, [""; 0]);
}

/// A field that the state map resets in every conversion must not be made of something in one.
#[test]
fn what_is_made_once_is_not_reset_afterwards() {
    let rules = "[type.s.fields]\nc = { policy = \"reset\", reason = \"private\" }\n";
    let with = "struct s { int a; int b; int c; };";
    let made = entry("s.c", "call = \"made\"\nfrom = [\"a\"]");
    let found = over(rules, [BOTH, with, with], [&made, &made, ""]);
    assert_eq!(found, ["s.a ends up at another place Elsewhere"]);
}

#[test]
fn what_a_function_makes_of_several_needs_one_of_them() {
    let made = entry("s.c", "call = \"made\"\nfrom = [\"a\"]");
    let layouts = [
        "struct s { int a[4]; int b; };",
        "struct s { int a[2]; int b; };",
        "struct s { int a[2]; int b; int c; };",
    ];
    let cut = entry("s.a", "rest = 0");
    let both = cut.clone() + &made;
    assert_eq!(over("", layouts, [&both, &cut, &made]), [""; 0]);
}

const WATCH: &str = "[[watch]]
constants = [\"PF_*\"]
as = \"masks\"
headers = [\"x.h\"]
fields = [\"s.flags\"]
reason = \"bits\"
";

/// Chains of words of flags, by the constants that the three layouts have.
fn flags(constants: [&[(&str, i128)]; 3], decided: &str) -> Vec<String> {
    let text = "struct s { unsigned int flags; };";
    let between = |old, new| {
        let fixture = Fixture::of(text, text)
            .rules(WATCH)
            .constants(old, new)
            .flags(decided);
        let made = fixture.make();
        assert_eq!(made.undecided, [], "{old:?} {new:?}");
        (fixture, made.plan)
    };
    let (there, direct) = between(constants[0], constants[2]);
    let first = between(constants[0], constants[1]).1;
    let second = between(constants[1], constants[2]).1;
    told(&there, &direct, &[&first, &second])
}

/// A flag that the middle does not have is lost there; a bit that has no name is none.
#[test]
fn flags_are_followed_one_by_one() {
    let decided = "[[flags]]\nfield = \"s.flags\"\nnames = [\"PF_B\"]\n\
        appears = { reason = \"new (fs/a.c: f)\" }\ndisappears = { drop = \"always\", reason = \"gone (fs/a.c: f)\" }\n\
        renumbered = { reason = \"moved (fs/a.c: f)\" }\n";
    let (a, b, other) = (("PF_A", 1), ("PF_B", 2), ("PF_B", 8));
    assert_eq!(flags([&[a, b], &[a, b], &[a, b]], decided), [""; 0]);
    assert_eq!(flags([&[a, b], &[a, other], &[a, b]], decided), [""; 0]);
    assert_eq!(flags([&[a], &[a, b], &[a, other]], decided), [""; 0]);
    let lost = ["s.flags is lost on the way Lost { step: 0 }"];
    assert_eq!(flags([&[a, b], &[a], &[a, b]], decided), lost);
    assert_eq!(flags([&[a, b], &[a], &[a, other]], decided), lost);
}

fn ticks(number: u32) -> String {
    format!("struct s {{ long ticks[{number}]; }};")
}

/// Which elements have their place on the way decides where the others are added.
#[test]
fn a_sum_of_fewer_elements_on_the_way_is_told() {
    let merge = entry("s.ticks", "merge = \"sum\"");
    let told = |numbers: [u32; 3], decisions: [&str; 3]| {
        let layouts = numbers.map(ticks);
        over("", layouts.each_ref().map(String::as_str), decisions)
    };
    let other = ["s.ticks is made by other functions on the way Called"];
    assert_eq!(told([32, 1, 2], [&merge, &merge, ""]), other);
    assert_eq!(told([64, 8, 32], [&merge, &merge, ""]), other);
    // One after the other is one.
    assert_eq!(told([32, 8, 2], [&merge; 3]), [""; 0]);
    assert_eq!(told([32, 8, 8], [&merge, &merge, ""]), [""; 0]);
}

/// What a function is given beside the value it may go by.
#[test]
fn a_function_with_other_numbers_on_the_way_is_told() {
    let layout = |number: u32| format!("struct s {{ int a; long ticks[{number}]; }};");
    let both = entry("s.a", "call = \"f\"\nnew-constants = [\"s.ticks\"]")
        + &entry("s.ticks", "merge = \"sum\"");
    let told = |middle: u32| {
        let layouts = [4, middle, 2].map(layout);
        over(
            "",
            layouts.each_ref().map(String::as_str),
            [&both, &both, ""],
        )
    };
    assert_eq!(told(2), [""; 0]);
    assert!(told(1).contains(&"s.a is made by other functions on the way Called".to_owned()));
}
