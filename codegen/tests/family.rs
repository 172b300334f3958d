//! Decisions by the change of a field: how their files are read, which of them hold between two
//! layouts, and that the committed ones leave nothing undecided and have nothing too many.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixture;

use fixture::{Fixture, layout};
use kconv_codegen::family::Family;
use kconv_codegen::overrides::{Changes, OverrideAction, Overrides};
use kernel_structs::layout::Layout;
use kernel_structs::releases::{Files, Registry};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn changes(text: &str) -> Changes {
    Changes::parse([("s.toml", text)]).unwrap()
}

fn wrong(text: &str) -> String {
    let findings = Changes::parse([("s.toml", text)]).unwrap_err();
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// The fields that are decided, with the key of the action.
fn decided(overrides: &Overrides) -> Vec<String> {
    let entries = overrides.entries.iter();
    entries
        .map(|entry| format!("{} {}", entry.field, entry.action.name()))
        .collect()
}

fn of(text: &str, from: &Layout, to: &Layout) -> Vec<String> {
    decided(&changes(text).between(from, to))
}

#[test]
fn every_wrong_entry_is_told_at_once() {
    insta::assert_snapshot!(wrong(
        r#"
[[change]]
appears = { init = 0, reason = "no field (fs/a.c: f)" }
[[change]]
field = "s.a"
[[change]]
field = "t.a"
appears = { init = 0, reason = "the file of another type (fs/a.c: f)" }
[[change]]
field = "s.both"
one = { has = ["s.x"] }
other = { lacks = ["s.x"] }
appears = { init = 0, reason = "a condition that says nothing (fs/a.c: f)" }
[[change]]
field = "s.half"
one = { has = ["s.x"] }
to-one = { init = 0, drop = "always", reason = "to what? (fs/a.c: f)" }
[[change]]
field = "s.empty"
one = { has = ["x"] }
other = {}
to-one = { init = 0, drop = "always", reason = "no members (fs/a.c: f)" }
[[change]]
fields = ["s.b", "s.c"]
appears = { reason = "no action (fs/a.c: f)" }
disappears = { init = 0, drop = "always", reason = "it is not on both sides (fs/a.c: f)" }
[[change]]
field = "s.d"
appears = { init = 0, reason = " " }
disappears = { drop = "sometimes", from = ["x"], reason = "no such word (fs/a.c: f)" }
[[change]]
field = "s.e"
one = { has = ["s.x"] }
other = { lacks = ["s.x"] }
to-one = { scale = {}, reason = "no other number (fs/a.c: f)" }
to-other = { scale = { multiply = 3, divide = 3 }, reason = "nor is this (fs/a.c: f)" }
[[change]]
field = "s.f"
one = { has = ["s.x"] }
other = { lacks = ["s.x"] }
to-one = { scale = { multiply = 10 }, reason = "and back? (fs/a.c: f)" }
[[change]]
field = "s.i"
one = { has = ["s.x"] }
other = { lacks = ["s.x"] }
to-one = { scale = { multiply = 10 }, reason = "ten times (fs/a.c: f)" }
to-other = { scale = { multiply = 10 }, reason = "ten times again (fs/a.c: f)" }
[[change]]
field = "s.j"
appears = { scale = { offset = 1 }, from = ["k"], reason = "counts itself (fs/a.c: f)" }
disappears = { into = "k", scale = { offset = 1 }, reason = "counts itself again (fs/a.c: f)" }
[[change]]
field = "s.k"
elements = "s.k"
more = { rest = 7, reason = "sevens (fs/a.c: f)" }
[[change]]
field = "s.l"
elements = "s.l"
fewer = { rest = 7, reason = "sevens (fs/a.c: f)" }
more = { rest = 8, reason = "eights (fs/a.c: f)" }
[[change]]
fields = ["s.g", "s.h"]
disappears = { into = "h", init = 0, reason = "into itself (fs/a.c: f)" }
"#
    ));
}

/// A unit that is counted from another number is another one, and both directions may be said.
#[test]
fn a_unit_that_is_another_one_both_ways_is_right() {
    let text = "[[change]]
field = \"s.a\"
one = { has = [\"s.x\"] }
other = { lacks = [\"s.x\"] }
to-one = { scale = { offset = 1 }, reason = \"r (fs/a.c: f)\" }
to-other = { scale = { offset = -1 }, reason = \"r (fs/a.c: f)\" }
[[change]]
field = \"s.b\"
appears = { scale = { multiply = 2 }, from = [\"c\"], reason = \"r (fs/a.c: f)\" }
";
    assert_eq!(changes(text).entries.len(), 2);
}

#[test]
fn a_misspelt_key_is_an_error() {
    for text in [
        "[[chance]]\nfield = \"s.a\"\n",
        "[[change]]\nfield = \"s.a\"\nappear = { init = 0, reason = \"r (fs/a.c: f)\" }\n",
        "[[change]]\nfield = \"s.a\"\nappears = { inti = 0, reason = \"r (fs/a.c: f)\" }\n",
        "[[change]]\nfield = \"s.a\"\nappears = { init = 0 }\n",
        "[[change]]\nfield = \"s.a\"\none = { had = [\"s.a\"] }\n",
    ] {
        assert!(wrong(text).contains("line "), "{text}");
    }
}

const USE: &str = "[[change]]
field = \"s.b\"
appears = { init = 1, reason = \"r (fs/a.c: f)\" }
disappears = { drop = \"always\", reason = \"r (fs/a.c: f)\" }
";

#[test]
fn a_field_appears_and_disappears() {
    let (without, with) = (
        layout("struct s { int a; };"),
        layout("struct s { int a; int b; };"),
    );
    assert_eq!(of(USE, &without, &with), ["s.b init"]);
    assert_eq!(of(USE, &with, &without), ["s.b drop"]);
    assert!(of(USE, &with, &with).is_empty());
    assert!(of(USE, &without, &without).is_empty());
    // A layout that has not even the type has not the member either.
    let nothing = layout("struct t { int a; };");
    assert_eq!(of(USE, &nothing, &with), ["s.b init"]);
}

#[test]
fn a_condition_is_what_a_layout_has() {
    let text = "[[change]]
field = \"s.a\"
one = { declared = { \"s.a\" = \"int\" }, lacks = [\"s.b\"] }
other = { has = [\"s.b\"] }
to-one = { init = -1, drop = \"always\", reason = \"r (fs/a.c: f)\" }
to-other = { call = \"f\", reason = \"r (fs/a.c: f)\" }
";
    let one = layout("struct s { int a; };");
    let other = layout("struct s { int a; int b; };");
    let neither = layout("struct s { long a; };");
    assert_eq!(of(text, &other, &one), ["s.a init", "s.a drop"]);
    assert_eq!(of(text, &one, &other), ["s.a call"]);
    for pair in [(&neither, &one), (&other, &neither), (&one, &one)] {
        assert!(of(text, pair.0, pair.1).is_empty());
    }
}

#[test]
fn a_condition_may_be_a_type_or_the_value_of_a_constant() {
    let between = |one: &str, other: &str| {
        let text = format!(
            "[[change]]\nfield = \"s.a\"\none = {{ {one} }}\nother = {{ {other} }}\nto-other = {{ call = \"f\", reason = \"r (fs/a.c: f)\" }}\n"
        );
        let layouts = Fixture::of(
            "struct s { int a; };",
            "struct t { int b; }; struct s { int a; };",
        )
        .constants(&[("PF_X", 2)], &[("PF_X", 4)]);
        of(&text, &layouts.old, &layouts.new).len()
    };
    assert_eq!(between("lacks = [\"t\"]", "has = [\"t\"]"), 1);
    assert_eq!(between("has = [\"t\"]", "lacks = [\"t\"]"), 0);
    assert_eq!(between("values = { PF_X = 2 }", "values = { PF_X = 4 }"), 1);
    assert_eq!(between("values = { PF_X = 2 }", "values = { PF_X = 3 }"), 0);
    assert_eq!(between("values = { PF_X = 2 }", "values = { PF_Y = 4 }"), 0);
}

#[test]
fn what_disappears_can_go_into_another_field() {
    let text = "[[change]]
field = \"s.len\"
appears = { call = \"length\", from = [\"a\"], reason = \"r (fs/a.c: f)\" }
disappears = { into = \"a\", call = \"shorten\", from = [\"a\", \"len\"], reason = \"r (fs/a.c: f)\" }
";
    let (without, with) = (
        layout("struct s { int a; };"),
        layout("struct s { int a; int len; };"),
    );
    assert_eq!(of(text, &without, &with), ["s.len call"]);
    assert_eq!(of(text, &with, &without), ["s.a call"]);
    let fixture = Fixture::of("struct s { int a; int len; };", "struct s { int a; };");
    let fixture = Fixture {
        overrides: changes(text).between(&with, &without),
        ..fixture
    };
    assert!(fixture.make().undecided.is_empty());
}

#[test]
fn several_fields_share_a_decision() {
    let text = USE.replace("field = \"s.b\"", "fields = [\"s.b\", \"s.c\"]");
    let (without, with) = (
        layout("struct s { int a; };"),
        layout("struct s { int a; int b; int c; };"),
    );
    assert_eq!(of(&text, &without, &with), ["s.b init", "s.c init"]);
}

#[test]
fn a_field_is_decided_by_the_family_or_by_the_step() {
    let (without, with) = (
        layout("struct s { int a; };"),
        layout("struct s { int a; int b; };"),
    );
    let family = changes(USE).between(&without, &with);
    let own = |entries: &str| fixture::overrides(entries).with(family.clone());
    let entry = |field: &str| {
        format!("[[override]]\nfield = \"{field}\"\ninit = 0\nreason = \"r (fs/a.c: f)\"\n")
    };
    let (both, findings) = own(&entry("s.c"));
    assert_eq!(decided(&both), ["s.c init", "s.b init"]);
    assert!(findings.is_empty());
    assert!(both.entries.iter().enumerate().all(|(n, e)| e.index == n));
    let (_, findings) = own(&entry("s.b"));
    assert_eq!(
        findings[0].to_string(),
        "line 9: `s.b` is decided for the whole family, on line 3 of s.toml; remove one of the two"
    );
}

fn committed(family: &str) -> Changes {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../converters/overrides");
    Changes::read(&folder, family).unwrap()
}

/// A direct conversion between any two layouts of a family is decided, without a converter that
/// goes by way of others; and every decision is needed by one of them.
#[test]
fn every_pair_of_layouts_is_decided_and_every_decision_needed() {
    let registry = Registry::builtin().unwrap();
    for family in ["linux-2.4", "linux-6"] {
        let changes = committed(family);
        let family = Family::read(registry, family).unwrap();
        let name = &family.map.family;
        let wrong: Vec<String> = family
            .check(&changes)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(wrong, [""; 0], "{name}");
        let undecided: BTreeSet<String> = family
            .undecided(&changes)
            .iter()
            .map(|((from, to), undecided)| format!("{from} -> {to}: {undecided}"))
            .collect();
        assert_eq!(undecided, BTreeSet::new(), "{name}");
    }
}

/// No step decides what is a family's to decide.
#[test]
fn no_step_has_a_decision_of_its_own() {
    let converters = Path::new(env!("CARGO_MANIFEST_DIR")).join("../converters");
    for dir in kconv_codegen::steps::folders(&converters).unwrap() {
        let text = std::fs::read_to_string(dir.join("step.toml")).unwrap();
        let file = kconv_codegen::overrides::parse(&text).unwrap();
        assert_eq!(file.overrides.entries, [], "{}", dir.display());
    }
}

/// A function has the name of its direction, unless it does the same in both and each gives
/// the same reason.
#[test]
fn a_call_of_both_directions_does_the_same_in_both() {
    for family in ["linux-2.4", "linux-6"] {
        for change in &committed(family).entries {
            let mut reasons = BTreeMap::new();
            for directed in &change.directions {
                for action in &directed.actions {
                    let OverrideAction::Call(function) = action else {
                        continue;
                    };
                    let told = reasons.entry(&function.name).or_insert(&directed.reason);
                    assert_eq!(*told, &directed.reason, "{:?}", change.fields);
                }
            }
        }
    }
}

/// The 2.4 family with entries that have rotted, each in its own way.
#[test]
fn an_entry_that_no_pair_needs_is_an_error() {
    let registry = Registry::parse(Files::builtin()).unwrap();
    let family = Family::read(&registry, "linux-2.4").unwrap();
    let stale = "[[change]]
field = \"task_struct.scm_work_lists\"
appears = { init = \"null\", reason = \"no layout has it (fs/a.c: f)\" }

[[change]]
field = \"task_struct.scm_work_list\"
appears = { init = \"null\", reason = \"the state map says the same (fs/a.c: f)\" }
disappears = { drop = \"only-if-initial\", reason = \"the state map says the same (fs/a.c: f)\" }

[[change]]
field = \"task_struct.pid\"
one = { has = [\"task_struct.pid\"] }
other = { lacks = [\"task_struct.pids\"] }
to-one = { init = 0, drop = \"always\", reason = \"all layouts are both (fs/a.c: f)\" }

[[change]]
field = \"task_struct.tgid\"
one = { lacks = [\"spinlock_t.lock\"] }
other = { has = [\"spinlock_t.lock\"] }
to-one = { init = 0, drop = \"always\", reason = \"first (fs/a.c: f)\" }

[[change]]
field = \"task_struct.tgid\"
one = { has = [\"task_struct.scm_work_list\"] }
other = { lacks = [\"task_struct.scm_work_list\"] }
to-one = { init = 1, drop = \"always\", reason = \"second, where both lie between (fs/a.c: f)\" }
";
    let stale = Changes::parse([("task_struct.toml", stale)]).unwrap();
    let findings = family.check(&stale);
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

/// Of two decisions of one field between the same layouts, that there are two is what is wrong.
#[test]
fn a_field_that_is_decided_twice_is_told_once() {
    let (old, new) = (
        layout("struct s { int a; };"),
        layout("struct s { int a; int b; };"),
    );
    let map = fixture::state_map(&["s"], "");
    let stored = |id: &str, layout: &Layout| fixture::house::one_stored(&map, id, layout);
    let family = Family {
        layouts: vec![stored("old", &old), stored("new", &new)],
        map: map.clone(),
    };
    let told = |text: &str| -> Vec<String> {
        let findings = family.check(&changes(text));
        findings.iter().map(ToString::to_string).collect()
    };
    assert_eq!(told(USE), [""; 0]);
    let again = USE.replace("init = 1", "init = 2");
    assert_eq!(
        told(&format!("{USE}{again}")),
        [
            "s.toml, line 7: `s.b` is decided twice from old to new, also on line 3 of s.toml",
            "s.toml, line 8: `s.b` is decided twice from new to old, also on line 4 of s.toml",
        ]
    );
}

/// Whatever tells the change, and whatever it goes into.
#[test]
fn a_field_that_no_layout_has_is_told_with_the_nearest() {
    let map = fixture::state_map(&["s"], "");
    let stored = |id: &str, text: &str| fixture::house::one_stored(&map, id, &layout(text));
    let family = Family {
        layouts: vec![
            stored("old", "struct s { int locked_vm; };"),
            stored("new", "struct s { int locked_vm; int b; };"),
        ],
        map: map.clone(),
    };
    let entry = |field: &str, action: &str| {
        format!(
            "[[change]]\nfield = \"s.{field}\"\none = {{ has = [\"s.b\"] }}\nother = {{ lacks = [\"s.b\"] }}\nto-one = {{ {action}, reason = \"r (fs/a.c: f)\" }}\n"
        )
    };
    let told = |text: &str| -> Vec<String> {
        let findings = family.check(&changes(text));
        findings.iter().map(ToString::to_string).collect()
    };
    let init = "init = 0, drop = \"always\"";
    assert_eq!(told(&entry("locked_vm", init)), [""; 0]);
    let said = "s.toml, line 1: `s.locked_vn`: no layout of any pair has this member; the nearest name is `s.locked_vm`";
    assert_eq!(told(&entry("locked_vn", init)), [said]);
    let into = format!("into = \"locked_vm\", {init}");
    assert_eq!(told(&entry("locked_vn", &into)), [said]);
}

/// Also where the way back is what has to know the number.
#[test]
fn a_number_that_the_field_cannot_hold_is_told_with_it() {
    let (old, new) = (
        layout("struct s { int a; };"),
        layout("struct s { int a; unsigned char b; };"),
    );
    let text = USE.replace("init = 1", "init = 300");
    for (from, to, line) in [(&old, &new, 3), (&new, &old, 4)] {
        let fixture = Fixture::of("struct s { int a; };", "struct s { int a; };");
        let overrides = changes(&text).between(from, to);
        let made = Fixture {
            overrides,
            ..fixture
        }
        .between(from, to);
        let told: Vec<String> = made.undecided.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [format!(
                "s.b has an entry on line {line} of converters/overrides/test/s.toml that cannot be carried out: `init = 300` is no value of `unsigned char`; write one that it can hold"
            )]
        );
    }
}

/// Of what no two layouts are, the part that none has is named.
#[test]
fn what_no_layout_fulfils_is_named() {
    let map = fixture::state_map(&["s"], "");
    let layouts = Fixture::of(
        "struct s { int a; long many[4]; };",
        "struct s { int a; long many[4]; int b; };",
    )
    .constants(&[("PF_X", 2)], &[("PF_X", 4)]);
    let family = Family {
        layouts: vec![
            fixture::house::one_stored(&map, "old", &layouts.old),
            fixture::house::one_stored(&map, "new", &layouts.new),
        ],
        map,
    };
    let init = "{ init = 0, drop = \"always\", reason = \"r (fs/a.c: f)\" }";
    let told = |entry: &str| -> String {
        let text = format!("[[change]]\nfield = \"s.a\"\n{entry}\n");
        let findings = family.check(&changes(&text));
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        let [line] = lines.as_slice() else {
            panic!("{lines:?}");
        };
        let lies = "between no two layouts of the family does this change lie: ";
        let (_, why) = line.split_once(lies).unwrap_or_else(|| panic!("{line}"));
        why.to_owned()
    };
    let conditions = |one: &str, other: &str| {
        told(&format!(
            "one = {{ {one} }}\nother = {{ {other} }}\nto-one = {init}"
        ))
    };
    let b = "has = [\"s.b\"]";
    assert_eq!(
        conditions(b, "lacks = [\"s.a\"]"),
        "no layout fulfils `other`: all have s.a"
    );
    assert_eq!(
        conditions("declared = { \"s.a\" = \"long\" }", b),
        "no layout fulfils `one`: s.a is declared `int`"
    );
    assert_eq!(
        conditions("values = { PF_X = 3 }", b),
        "no layout fulfils `one`: PF_X is `2`, `4`"
    );
    assert_eq!(
        conditions("values = { PF_X = 2 }, has = [\"s.b\"]", b),
        "no layout fulfils `one`: none has all of it"
    );
    assert_eq!(
        conditions(b, "values = { PF_X = 4 }"),
        "every layout that fulfils `one` fulfils `other` as well"
    );
    assert_eq!(
        told(&format!("elements = \"s.many\"\nfewer = {init}")),
        "s.many has 4 elements in every layout"
    );
    assert_eq!(
        told("appears = { init = 0, reason = \"r (fs/a.c: f)\" }"),
        "every layout has s.a"
    );
}

/// What `generate` needs of a layout, everyone who asks whether something is left is told of.
#[test]
fn a_root_without_a_name_is_undecided() {
    let map = kernel_structs::state::StateMap::parse(
        "family = \"test\"\nmachines = [\"i386\"]\n[[root]]\nsymbol = \"init_s\"\ntype = \"s\"\nreason = \"all\"\n[type.s]\nsaved = true\n",
    )
    .unwrap();
    let told = |members: &str| {
        let layout = layout(&format!("struct s {{ {members} }};"));
        let layouts = vec![fixture::house::one_stored(&map, "old", &layout)];
        let family = Family {
            map: map.clone(),
            layouts,
        };
        let undecided = family.undecided_alone();
        let wrong = family.house(&Changes::default()).err();
        let undecided: Vec<String> = undecided.iter().map(|(_, one)| one.to_string()).collect();
        (undecided, wrong.map(|wrong| wrong.to_string()))
    };
    assert_eq!(told("int pid; char comm[16];"), (vec![], None));
    let short = "s is the root, but has no 32-bit pid and no character array comm";
    assert_eq!(
        told("short pid; char comm[16];"),
        (
            vec![short.to_owned()],
            Some(format!(
                "old: a conversion between releases of this layout cannot be made; correct the state map\n    {short}"
            ))
        )
    );
}

/// A family of these layouts, by name.
fn family_of(map: &str, layouts: &[(&str, &str)]) -> Family {
    let map = fixture::state_map(&["s"], map);
    let stored = |id: &str, text: &str| fixture::house::one_stored(&map, id, &layout(text));
    let layouts = layouts.iter().map(|(id, text)| stored(id, text)).collect();
    Family { layouts, map }
}

fn told(family: &Family, text: &str) -> (Vec<String>, String) {
    let changes = changes(text);
    let entries = family
        .check(&changes)
        .iter()
        .map(ToString::to_string)
        .collect();
    (
        entries,
        kconv_codegen::show::undecided(&family.undecided(&changes)),
    )
}

const LIST: &str = "struct list_head { struct list_head *next; struct list_head *prev; };";

/// An entry that is wrong wherever it holds is wrong, whether a step needs it today or not.
#[test]
fn an_entry_that_no_two_layouts_can_carry_out_is_told() {
    let entry = "[[change]]
field = \"s.b\"
appears = { init = \"empty-list\", reason = \"r (fs/a.c: f)\" }
disappears = { drop = \"always\", reason = \"r (fs/a.c: f)\" }
";
    let (first, number) = ("struct s { int a; };", "struct s { int a; int b; };");
    let (found, _) = told(&family_of("", &[("v1", first), ("v2", number)]), entry);
    assert_eq!(
        found,
        [
            "s.toml, line 3: `s.b`: no two layouts can carry this out; from v1 to v2, for one: `init = \"empty-list\"` does not work on int; it needs a list_head"
        ]
    );
    // Of one that some can carry out, those tell who need it.
    let list = format!("{LIST} struct s {{ int a; struct list_head b; }};");
    let family = family_of("", &[("v1", first), ("v2", number), ("v3", &list)]);
    let (found, undecided) = told(&family, entry);
    assert_eq!(found, [""; 0]);
    assert!(
        undecided.contains("undecided (v1 -> v2): s.b has an entry on line 3"),
        "{undecided}"
    );
    let rename = "[[change]]
field = \"s.b\"
appears = { rename = \"a\", reason = \"r (fs/a.c: f)\" }
disappears = { into = \"a\", rename = \"b\", reason = \"r (fs/a.c: f)\" }
";
    let list = format!("{LIST} struct s {{ struct list_head b; }};");
    let (found, _) = told(&family_of("", &[("v1", first), ("v2", &list)]), rename);
    assert_eq!(
        found,
        [
            "s.toml, line 3: `s.b`: no two layouts can carry this out; from v1 to v2, for one: it was `a`, int, and is struct list_head, to which no automatic rule leads; make it with a `call` that has `from = [\"a\"]`",
            "s.toml, line 4: `s.a`: no two layouts can carry this out; from v2 to v1, for one: it was `b`, struct list_head, and is int, to which no automatic rule leads; make it with a `call` that has `from = [\"b\"]`",
        ]
    );
    let part = "[[change]]
field = \"s.b\"
one = { declared = { \"s.b\" = \"struct p\" } }
other = { declared = { \"s.b\" = \"struct p *\" } }
to-other = { make = \"pp\", reason = \"r (fs/a.c: f)\" }
";
    let [inside, outside] =
        ["p b", "p *b"].map(|b| format!("struct p {{ int q; }}; struct s {{ struct {b}; }};"));
    let (found, _) = told(&family_of("", &[("v1", &inside), ("v2", &outside)]), part);
    assert_eq!(
        found,
        [
            "s.toml, line 5: `s.b`: no two layouts can carry this out; from v1 to v2, for one: `make = \"pp\"` needs a field that is a `struct pp` in the old layout and a pointer at it in the new one, and there it is struct p; name the type that it has"
        ]
    );
}

/// What is said of a field that comes and goes holds between kernels that have nothing of it; where
/// another one becomes it, that is what holds.
#[test]
fn a_field_that_is_renamed_later_keeps_its_entry() {
    let family = family_of(
        "",
        &[
            ("v1", "struct s { int x; };"),
            ("v2", "struct s { int x; int a; };"),
            ("v3", "struct s { int x; int b; };"),
        ],
    );
    let came = |field: &str| {
        format!(
            "[[change]]\nfield = \"s.{field}\"\nappears = {{ init = 1, reason = \"r (fs/a.c: f)\" }}\ndisappears = {{ drop = \"always\", reason = \"r (fs/a.c: f)\" }}\n"
        )
    };
    let renamed = "[[change]]
field = \"s.b\"
appears = { rename = \"a\", reason = \"r (fs/a.c: f)\" }
disappears = { into = \"a\", rename = \"b\", reason = \"r (fs/a.c: f)\" }
";
    let text = [&came("a"), renamed, &came("b")].concat();
    assert_eq!(told(&family, &text), (vec![], String::new()));
    let layout = |number: usize| &family.layouts[number].layout;
    let of = |from: usize, to: usize| of(&text, layout(from), layout(to));
    assert_eq!(of(0, 1), ["s.a init"]);
    assert_eq!(of(0, 2), ["s.b init"]);
    assert_eq!(of(2, 0), ["s.b drop"]);
    assert_eq!(of(1, 2), ["s.b rename"]);
    assert_eq!(of(2, 1), ["s.a rename"]);
    // What it is made of has to be there somewhere.
    let misspelt = text.replace("rename = \"a\"", "rename = \"aa\"");
    let (found, _) = told(&family, &misspelt);
    assert_eq!(
        found,
        [
            "s.toml, line 7: `s.aa`: no layout of any pair has this member; the nearest name is `s.a`"
        ]
    );
}

/// What several pairs leave open alike, as the flavours of a kernel do, is told once.
#[test]
fn what_is_open_between_several_pairs_is_told_once() {
    let family = family_of(
        "",
        &[
            ("v1", "struct s { int x; };"),
            ("w1", "struct s { int x; int y; };"),
            ("v2", "struct s { int x; long a; };"),
        ],
    );
    let (_, undecided) = told(&family, "");
    let told = undecided.lines().filter(|line| line.contains("s.a is new"));
    assert_eq!(
        told.collect::<Vec<_>>(),
        ["undecided (v1 -> v2, w1 -> v2): s.a is new, and nothing says what value it gets"]
    );
    assert!(
        undecided.contains("  is:  long at 4, 4 bytes (in the first)\n"),
        "{undecided}"
    );
}

/// What is multiplied one way and only called otherwise on the way back does not come back.
#[test]
fn a_unit_of_one_direction_is_none_of_a_rename() {
    let entry = |back: &str| {
        format!(
            "[[change]]\nfield = \"s.b\"\nappears = {{ scale = {{ multiply = 10 }}, from = [\"a\"], reason = \"r (fs/a.c: f)\" }}\ndisappears = {{ into = \"a\", {back}, reason = \"r (fs/a.c: f)\" }}\n"
        )
    };
    let said = wrong(&entry("rename = \"b\""));
    assert!(said.contains("does not undo that of the other"), "{said}");
    let right = entry("scale = { divide = 10 }, from = [\"b\"]");
    assert_eq!(changes(&right).entries.len(), 1);
}

/// A rename that the map's rules make nothing of, or that they stand in the way of, says so.
#[test]
fn a_rename_and_the_state_map_say_the_same() {
    let family = |rules: &str| {
        let map = format!("[type.s.fields]\n{rules}");
        family_of(
            &map,
            &[
                ("v1", "struct s { long x; int a; };"),
                ("v2", "struct s { long x; int b; };"),
            ],
        )
    };
    let entry = "[[change]]
field = \"s.b\"
appears = { rename = \"a\", reason = \"r (fs/a.c: f)\" }
disappears = { into = \"a\", rename = \"b\", reason = \"r (fs/a.c: f)\" }
";
    let rule = |name: &str, initial: i64| {
        format!("{name} = {{ policy = \"reset\", initial = {initial}, reason = \"r\" }}\n")
    };
    let both = family(&[rule("a", 3), rule("b", 9)].concat());
    let (found, _) = told(&both, entry);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found[0].ends_with("the state map resets both `a` and the field, so that a `rename` carries nothing; remove the entry, or the map's rules"),
        "{found:#?}"
    );
    let (found, _) = told(&family(&rule("a", 3)), entry);
    assert!(
        found[0].ends_with("kernel-structs/state/test.toml has a rule for `s.a` and none for `b`, which by this entry is the same field; give both names the same rule"),
        "{found:#?}"
    );
}

/// Nobody knows an address before, and a pointer at a file does not lead to a task.
#[test]
fn a_pointer_gets_no_number_and_leads_to_its_like() {
    let family = |declared: &str| {
        let new = format!("struct s {{ int x; {declared}; }};");
        family_of(
            "[type.s.fields]\np = { policy = \"within\", reason = \"r\" }\n",
            &[("v1", "struct s { int x; };"), ("v2", &new)],
        )
    };
    let entry = |init: &str, drop: &str| {
        format!(
            "[[change]]\nfield = \"s.p\"\nappears = {{ init = {init}, reason = \"r (fs/a.c: f)\" }}\ndisappears = {{ drop = \"{drop}\", reason = \"r (fs/a.c: f)\" }}\n"
        )
    };
    let always = |declared: &str, init: &str| told(&family(declared), &entry(init, "always")).0;
    let found = always("struct s *p", "7");
    assert!(
        found[0].ends_with("`init = 7` is no value of `struct s *`; write one that it can hold"),
        "{found:#?}"
    );
    let found = always("struct f *p", "\"self\"");
    assert!(
        found[0].ends_with("`init = \"self\"` does not work on struct f *; it needs a pointer at the structure that the field is in"),
        "{found:#?}"
    );
    for declared in ["struct s *p", "void *p"] {
        assert_eq!(always(declared, "\"self\""), [""; 0]);
    }
    let (found, _) = told(
        &family("struct s *p"),
        &entry("\"self\"", "only-if-initial"),
    );
    assert!(
        found[0]
            .ends_with("with which `only-if-initial` compares nothing; write `drop = \"always\"`"),
        "{found:#?}"
    );
}

/// Of a field that is reset the map says the value, and nobody is asked; what differs from it is one of two.
#[test]
fn a_decision_does_not_differ_from_the_map() {
    let family = family_of(
        "[type.s.fields]\nb = { policy = \"reset\", initial = 1, strict = true, reason = \"r\" }\n",
        &[
            ("v1", "struct s { int a; };"),
            ("v2", "struct s { int a; int b; };"),
        ],
    );
    let entry = |init: i64, drop: &str| {
        format!(
            "[[change]]\nfield = \"s.b\"\nappears = {{ init = {init}, reason = \"r (fs/a.c: f)\" }}\ndisappears = {{ drop = \"{drop}\", reason = \"r (fs/a.c: f)\" }}\n"
        )
    };
    let (found, _) = told(&family, &entry(0, "always"));
    assert_eq!(found.len(), 2, "{found:#?}");
    for found in found {
        assert!(
            found.contains("kernel-structs/state/test.toml resets the field"),
            "{found}"
        );
    }
    // The same is too much.
    let (found, _) = told(&family, &entry(1, "only-if-initial"));
    assert_eq!(found.len(), 2, "{found:#?}");
    for found in found {
        assert!(
            found.contains("without it the same is decided; remove it"),
            "{found}"
        );
    }
}
