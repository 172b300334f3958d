//! Numbers of elements, where an array has fewer of them in one of two layouts: kernels for several
//! processors, and for fewer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixture;

use fixture::{Fixture, layout};
use kconv_codegen::overrides::{Changes, Overrides};
use kconv_codegen::plan::{Action, Made, Why};
use kernel_structs::layout::Layout;

const INDEXES: &str = "[type.s.indexes]
processor = { array = \"ticks\", reason = \"one of them\" }
allowed = { array = \"ticks\", reason = \"a bit of each\" }
";

const CHANGES: &str = "[[change]]
field = \"s.ticks\"
elements = \"s.ticks\"
fewer = { merge = \"sum\", reason = \"r (fs/a.c: f)\" }
[[change]]
field = \"s.processor\"
elements = \"s.ticks\"
fewer = { init = 0, drop = \"always\", reason = \"r (fs/a.c: f)\" }
more = { init = 1, drop = \"always\", reason = \"r (fs/a.c: f)\" }
[[change]]
field = \"s.allowed\"
elements = \"s.ticks\"
fewer = { call = \"allowed\", constants = [\"s.ticks\"], new-constants = [\"s.ticks\"], reason = \"r (fs/a.c: f)\" }
";

fn processors(number: u32) -> String {
    format!("struct s {{ int processor; unsigned long allowed; long ticks[{number}]; }};")
}

fn changes(text: &str) -> Changes {
    Changes::parse([("s.toml", text)]).unwrap()
}

fn made(before: u32, after: u32, decisions: &str) -> Made {
    let fixture = Fixture::of(&processors(before), &processors(after)).rules(INDEXES);
    let overrides = changes(decisions).between(&fixture.old, &fixture.new);
    Fixture {
        overrides,
        ..fixture
    }
    .make()
}

fn open(made: &Made) -> Vec<String> {
    made.undecided.iter().map(ToString::to_string).collect()
}

fn action<'m>(made: &'m Made, path: &str) -> &'m Action {
    let mut fields = made.plan.types["s"].fields.iter();
    let field = fields.find(|field| field.path.to_string() == path);
    &field.unwrap().action
}

#[test]
fn numbers_of_fewer_elements_are_asked_for() {
    let made = made(4, 2, "");
    let told = "says which elements of s.ticks are meant, of which there were 4 and are 2";
    assert_eq!(
        open(&made),
        [format!("s.processor {told}"), format!("s.allowed {told}")]
    );
    let Why::FewerElements { .. } = &made.undecided[0].why else {
        panic!("{:?}", made.undecided[0].why);
    };
    let advice = made.undecided[0].advice();
    assert!(advice.contains("`elements = \"s.ticks\"`"), "{advice}");
}

/// A near miss: as many, or more, have every element there was.
#[test]
fn numbers_of_as_many_or_more_elements_are_carried() {
    for (before, after) in [(4, 4), (1, 4)] {
        let made = made(before, after, "");
        assert_eq!(open(&made), [""; 0]);
        assert_eq!(action(&made, "processor"), &Action::Copy);
    }
}

#[test]
fn a_decision_holds_wherever_there_are_fewer() {
    for (before, after) in [(32, 8), (2, 1)] {
        let made = made(before, after, CHANGES);
        assert_eq!(open(&made), [""; 0]);
        assert_eq!(action(&made, "ticks"), &Action::Sum);
        assert_eq!(action(&made, "processor"), &Action::Set { value: 0 });
        let Action::Call { constants, .. } = action(&made, "allowed") else {
            panic!("{:?}", action(&made, "allowed"));
        };
        assert_eq!(constants, &[u64::from(before), u64::from(after)]);
    }
    let made = made(8, 32, CHANGES);
    assert_eq!(action(&made, "processor"), &Action::Set { value: 1 });
    assert_eq!(action(&made, "allowed"), &Action::Copy);
}

/// What holds between two layouts, which are alike, or of which one has no such array.
#[test]
fn a_decision_holds_between_no_others() {
    let held = |from: &Layout, to: &Layout| {
        let Overrides { entries, .. } = changes(CHANGES).between(from, to);
        entries.len()
    };
    let four = layout(&processors(4));
    assert_eq!(held(&four, &four), 0);
    for other in [
        "struct s { int processor; };",
        "struct s { int processor; long ticks; };",
        "struct t { int a; };",
    ] {
        let other = layout(other);
        assert_eq!((held(&four, &other), held(&other, &four)), (0, 0));
    }
}

#[test]
fn what_is_no_such_entry_is_told() {
    for (entry, told) in [
        (
            "elements = \"ticks\"\nfewer = { merge = \"sum\", reason = \"r (fs/a.c: f)\" }",
            "`elements` is \"ticks\"; an array is expected, as `type.member`",
        ),
        (
            "elements = \"s.ticks\"\nappears = { init = 0, reason = \"r (fs/a.c: f)\" }",
            "an entry has directions of one kind",
        ),
        (
            "fewer = { merge = \"sum\", reason = \"r (fs/a.c: f)\" }",
            "`fewer` and `more` the array in `elements`",
        ),
    ] {
        let text = format!("[[change]]\nfield = \"s.ticks\"\n{entry}\n");
        let findings = Changes::parse([("s.toml", text.as_str())]).unwrap_err();
        let [finding] = findings.as_slice() else {
            panic!("{findings:?}");
        };
        assert!(finding.to_string().contains(told), "{finding}");
    }
}

#[test]
fn a_sum_needs_fewer_elements_and_a_call_an_array() {
    let more = CHANGES.replacen("fewer = { merge", "more = { merge", 1);
    let told = open(&made(2, 4, &more));
    assert!(told[0].contains("fewer than there were"), "{told:?}");
    let number = CHANGES.replace(
        "new-constants = [\"s.ticks\"]",
        "new-constants = [\"s.processor\"]",
    );
    let told = open(&made(4, 2, &number));
    assert!(
        told[0].contains("the new layout has no array `s.processor`"),
        "{told:?}"
    );
}

/// Under whichever name the map knows the number, and however the array went.
#[test]
fn numbers_of_elements_that_are_no_more_are_asked_for() {
    let told = |new: &str, rules: &str, decisions: &str| {
        let fixture = Fixture::of(&processors(4), new).rules(rules);
        let overrides = changes(decisions).between(&fixture.old, &fixture.new);
        open(
            &Fixture {
                overrides,
                ..fixture
            }
            .make(),
        )
    };
    let renamed = "struct s { int cpu; unsigned long allowed; long ticks[2]; };";
    let rename = "[[change]]
field = \"s.cpu\"
appears = { rename = \"processor\", reason = \"r (fs/a.c: f)\" }
";
    let asked = |told: &[String], number: u32| {
        let count = format!("of which there were 4 and are {number}");
        told.iter().filter(|one| one.contains(&count)).count()
    };
    assert_eq!(asked(&told(renamed, INDEXES, rename), 2), 2);
    let gone = "struct s { int processor; unsigned long allowed; };";
    assert_eq!(asked(&told(gone, INDEXES, ""), 0), 2);
    // What begins anew, nobody is asked for.
    let reset =
        format!("[type.s.fields]\nprocessor = {{ policy = \"reset\", reason = \"r\" }}\n{INDEXES}");
    assert_eq!(asked(&told(&processors(2), &reset, ""), 2), 1);
}

/// No rule is for arrays in an array of which each has more or fewer elements.
#[test]
fn arrays_in_an_array_are_as_long_as_before() {
    let made = |old: &str, new: &str| {
        let of = |array: &str| format!("struct s {{ unsigned ua{array}; }};");
        open(&Fixture::of(&of(old), &of(new)).make())
    };
    for (old, new) in [
        ("[4][2]", "[5][2]"),
        ("[4][2]", "[4][3]"),
        ("[4][3]", "[4][2]"),
    ] {
        let told = "s.ua has elements without counterpart whose initial value is not one number";
        assert_eq!(made(old, new), [told], "{old} {new}");
    }
    assert_eq!(made("[4][2]", "[4][2]"), [""; 0]);
}

/// A number that an element cannot have is told, and not cut.
#[test]
fn a_rest_is_a_value_of_its_elements() {
    let told = |old: u32, new: u32, rest: i64| {
        let of = |number: u32| format!("struct s {{ unsigned char ua[{number}]; }};");
        let fixture = Fixture::of(&of(old), &of(new));
        let entry = format!(
            "[[change]]\nfield = \"s.ua\"\nelements = \"s.ua\"\nfewer = {{ rest = {rest}, reason = \"r (fs/a.c: f)\" }}\nmore = {{ rest = {rest}, reason = \"r (fs/a.c: f)\" }}\n"
        );
        let overrides = changes(&entry).between(&fixture.old, &fixture.new);
        open(
            &Fixture {
                overrides,
                ..fixture
            }
            .make(),
        )
    };
    for (old, new) in [(2, 3), (3, 2)] {
        assert_eq!(told(old, new, 255), [""; 0]);
        for wrong in [300, -1] {
            let one = told(old, new, wrong);
            let text = format!("`rest = {wrong}` is no value of `unsigned char`");
            assert!(one.len() == 1 && one[0].contains(&text), "{one:?}");
        }
    }
}

/// What says how many there are, or how large something is, nobody can change: there is as much as before.
#[test]
fn a_number_that_counts_is_not_decided() {
    let told = |field: &str, action: &str| {
        let mut fixture = Fixture::of(
            "struct s { int b; int count; long *p; int n; int a[0]; };",
            "struct s { int count; int b; long *p; int n; int a[0]; };",
        )
        .decided(&format!(
            "[[override]]\nfield = \"s.{field}\"\n{action}\nreason = \"r (fs/a.c: f)\"\n"
        ));
        fixture.map = fixture::state_map(
            &[],
            "[type.s]
saved = true
tail = { member = \"a\", count = \"count\" }
[type.s.fields]
p = { policy = \"follow\", element = \"long\", count = { member = \"b\" }, reason = \"r\" }
[element.long]
policy = \"user\"
reason = \"r\"
",
        );
        open(&fixture.make())
    };
    let scale = "scale = { offset = 5 }";
    for (field, what) in [("count", "a"), ("b", "p")] {
        let one = told(field, scale);
        let text = format!("how many elements, or how many bytes, {what} has");
        assert!(one.len() == 1 && one[0].contains(&text), "{one:?}");
    }
    assert_eq!(told("n", scale), [""; 0]);
    assert_eq!(told("b", "call = \"f\""), [""; 0]);
    assert_eq!(told("count", "call = \"f\"").len(), 1);
}
