//! What bits of a field mean under two layouts, and what is decided of them by name.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixture;

use fixture::Fixture;
use kconv_codegen::overrides::{ChangeFinding, Changes};
use kconv_codegen::plan::{Action, FieldPlan, Flags, Made, Why};
use kconv_codegen::{coverage, show};
use kconv_rules::{RuleKind, Source};

const WATCH: &str = "[[watch]]
constants = [\"PF_*\"]
as = \"masks\"
headers = [\"x.h\"]
fields = [\"s.flags\"]
reason = \"bits\"
[[watch]]
constants = [\"BIT_*\"]
as = \"bits\"
headers = [\"x.h\"]
fields = [\"s.flags\"]
reason = \"numbers of bits\"
[[watch]]
constants = [\"VALUE_*\"]
as = \"values\"
headers = [\"x.h\"]
fields = [\"s.value\"]
reason = \"values\"
";

fn fixture(old: &[(&str, i128)], new: &[(&str, i128)]) -> Fixture {
    let text = "struct s { unsigned int flags; int value; };";
    Fixture::of(text, text).rules(WATCH).constants(old, new)
}

fn field<'a>(made: &'a Made, path: &str) -> &'a FieldPlan {
    let fields = &made.plan.types["s"].fields;
    let found = fields.iter().find(|field| field.path.to_string() == path);
    found.unwrap_or_else(|| panic!("no {path}"))
}

fn undecided(made: &Made) -> String {
    let open = made.undecided.iter();
    let names = ("old".to_owned(), "new".to_owned());
    let open: Vec<_> = open.map(|open| (names.clone(), open.clone())).collect();
    show::undecided(&open)
}

#[test]
fn the_same_constants_are_carried() {
    let constants = [("PF_A", 1), ("BIT_B", 5), ("VALUE_C", 3), ("OTHER", 1)];
    let made = fixture(&constants, &constants).make();
    assert_eq!(made.undecided, []);
    for path in ["flags", "value"] {
        assert_eq!(field(&made, path).rule, RuleKind::Carry);
    }
    // What no field is made of is nobody's business.
    let other = [("PF_A", 1), ("BIT_B", 5), ("VALUE_C", 3), ("OTHER", 2)];
    let made = fixture(&constants, &other).make();
    assert_eq!(made.undecided, []);
}

#[test]
fn every_flag_that_differs_is_undecided() {
    let old = [
        ("PF_SAME", 1),
        ("PF_GONE", 2),
        ("PF_MOVED", 4),
        ("BIT_MOVED", 5),
    ];
    let new = [
        ("PF_SAME", 1),
        ("PF_NEW", 2),
        ("PF_MOVED", 8),
        ("BIT_MOVED", 6),
    ];
    insta::assert_snapshot!(undecided(&fixture(&old, &new).make()));
}

/// A mask that only says several flags in one word is none of its own; one whose bits have no
/// other name is.
#[test]
fn a_mask_of_several_bits_is_a_flag_if_its_bits_have_no_other_name() {
    let flags = [("PF_A", 1), ("PF_B", 2)];
    let with = |mask: (&'static str, i128)| [flags[0], flags[1], mask];
    let made = fixture(&flags, &with(("PF_BOTH", 3))).make();
    assert_eq!(made.undecided, []);
    let made = fixture(&flags, &with(("PF_FIELD", 0xf0))).make();
    assert_eq!(made.undecided.len(), 1);
    // Nor is a flag of nothing.
    let made = fixture(&flags, &with(("PF_OFF", 0))).make();
    assert_eq!(made.undecided, []);
}

#[test]
fn flags_are_decided_one_by_one() {
    let old = [
        ("PF_SAME", 1),
        ("PF_MOVED", 2),
        ("PF_BUSY", 4),
        ("PF_FIELD", 0x30),
    ];
    let new = [
        ("PF_SAME", 1),
        ("PF_MOVED", 4),
        ("PF_NEW", 2),
        ("PF_FIELD", 0xc0),
    ];
    let decided = fixture(&old, &new).flags(
        "[[flags]]\nfield = \"s.flags\"\nnames = [\"PF_MOVED\", \"PF_FIELD\"]\nrenumbered = { reason = \"moved (fs/a.c: f)\" }\n\
         [[flags]]\nfield = \"s.flags\"\nnames = [\"PF_NEW\"]\nappears = { reason = \"new (fs/a.c: f)\" }\n\
         [[flags]]\nfield = \"s.flags\"\nnames = [\"PF_BUSY\"]\ndisappears = { drop = \"only-if-initial\", reason = \"busy (fs/a.c: f)\" }\n",
    );
    let made = decided.make();
    assert_eq!(made.undecided, []);
    assert_eq!(coverage::check(&made.plan, &decided.old, &decided.new), []);
    let flags = field(&made, "flags");
    assert_eq!(
        (flags.rule, flags.source),
        (RuleKind::Flags, Source::Override)
    );
    assert_eq!(
        flags.reason.to_string(),
        "PF_BUSY: busy (fs/a.c: f); PF_FIELD, PF_MOVED: moved (fs/a.c: f); PF_NEW: new (fs/a.c: f)"
    );
    let Action::Flags(table) = &flags.action else {
        panic!("{:?}", flags.action);
    };
    assert_eq!(table.same, 1);
    assert_eq!(table.moved, [(2, 4), (0x30, 0xc0)]);
    assert_eq!(table.refused, [("PF_BUSY".to_owned(), 4)]);
    assert_eq!(made.needed_flags.len(), 4);
}

fn refused(decisions: &str) -> String {
    let old = [("PF_GONE", 2), ("PF_MOVED", 4), ("PF_ALSO_GONE", 2)];
    let new = [("PF_MOVED", 0x18), ("PF_NEW", 1)];
    let head = "[[flags]]\nfield = \"s.flags\"\nnames = ";
    let made = fixture(&old, &new)
        .flags(&decisions.replace("@", head))
        .make();
    undecided(&made)
}

#[test]
fn a_flag_that_is_reset_is_not_carried_by_any_two_layouts() {
    let decision = "[[flags]]\nfield = \"s.flags\"\nnames = [\"PF_OWN\"]\nreset = { reason = \"r (fs/a.c: f)\" }\n";
    let made = |old: &[(&str, i128)], new: &[(&str, i128)]| {
        let made = fixture(old, new).flags(decision).make();
        assert_eq!(undecided(&made), "");
        field(&made, "flags").action.clone()
    };
    let flags = |same: u64, dropped: u64| {
        Action::Flags(Flags {
            same,
            dropped,
            ..Flags::default()
        })
    };
    let [kept, own, moved] = [("PF_KEPT", 1), ("PF_OWN", 4), ("PF_OWN", 8)];
    assert_eq!(made(&[kept, own], &[kept, own]), flags(1, 4));
    assert_eq!(made(&[kept, own], &[kept, moved]), flags(1, 4));
    assert_eq!(made(&[kept, own], &[kept]), flags(1, 4));
    assert_eq!(made(&[kept], &[kept, own]), flags(1, 0));
}

#[test]
fn what_cannot_be_done_with_a_flag_is_said() {
    let new = "@[\"PF_NEW\"]\nappears = { reason = \"r (fs/a.c: f)\" }\n";
    let drops = |name: &str, drop: &str| {
        format!("@[\"{name}\"]\ndisappears = {{ {drop}, reason = \"r (fs/a.c: f)\" }}\n")
    };
    let always = "drop = \"always\"";
    let moved = "@[\"PF_MOVED\"]\nrenumbered = { reason = \"r (fs/a.c: f)\" }\n";
    let all = [
        format!(
            "{new}{}{}{moved}",
            drops("PF_GONE", always),
            drops("PF_ALSO_GONE", always)
        ),
        format!(
            "{new}{}{}",
            drops("PF_GONE", "drop = \"always\", with = [\"PF_NONE\"]"),
            drops("PF_ALSO_GONE", always)
        ),
        format!(
            "{new}{}{}",
            drops("PF_GONE", "rename = \"PF_NONE\""),
            drops("PF_ALSO_GONE", always)
        ),
        format!(
            "{new}{}{}",
            drops("PF_GONE", "into = \"nothing\""),
            drops("PF_ALSO_GONE", always)
        ),
        format!(
            "{new}{}{}",
            drops("PF_GONE", "call = \"f\", from = [\"flags:PF_NONE\"]"),
            drops("PF_ALSO_GONE", always)
        ),
    ];
    insta::assert_snapshot!(all.map(|decisions| refused(&decisions)).join("\n"));
}

#[test]
fn a_bit_with_two_names_has_one_fate() {
    let old = [("PF_A", 2), ("PF_ALIAS", 2)];
    let made = fixture(&old, &[("OTHER", 8)]).flags(
        "[[flags]]\nfield = \"s.flags\"\nnames = [\"PF_A\"]\ndisappears = { drop = \"always\", reason = \"r (fs/a.c: f)\" }\n\
         [[flags]]\nfield = \"s.flags\"\nnames = [\"PF_ALIAS\"]\ndisappears = { drop = \"only-if-initial\", reason = \"r (fs/a.c: f)\" }\n",
    );
    insta::assert_snapshot!(undecided(&made.make()));
    // Two numbers are two fates; one number is one.
    let renumbered = "[[flags]]\nfield = \"s.flags\"\nnames = [\"PF_A\", \"PF_ALIAS\"]\nrenumbered = { reason = \"r (fs/a.c: f)\" }\n";
    let to = |alias| fixture(&old, &[("PF_A", 4), ("PF_ALIAS", alias)]).flags(renumbered);
    let said = undecided(&to(8).make());
    assert!(
        said.contains("PF_A, which cannot be converted: it is the same bit as PF_ALIAS"),
        "{said}"
    );
    assert_eq!(to(4).make().undecided, []);
    // So are two functions.
    let called = |name: &str| {
        format!(
            "[[flags]]\nfield = \"s.flags\"\nnames = [\"{name}\"]\ndisappears = {{ call = \"{}\", reason = \"r (fs/a.c: f)\" }}\n",
            name.to_lowercase(),
        )
    };
    let made = fixture(&old, &[("OTHER", 8)]).flags(&(called("PF_A") + &called("PF_ALIAS")));
    let said = undecided(&made.make());
    assert!(said.contains("it is the same bit as PF_ALIAS"), "{said}");
}

/// A name that one layout has and the other has not needs no second decision if it is the same
/// flag under another name.
#[test]
fn a_flag_is_renamed_from_either_side() {
    for (name, direction, other) in [
        ("PF_WAS", "disappears", "PF_IS"),
        ("PF_IS", "appears", "PF_WAS"),
    ] {
        let decided = fixture(&[("PF_WAS", 1)], &[("PF_IS", 2)]).flags(&format!(
            "[[flags]]\nfield = \"s.flags\"\nnames = [\"{name}\"]\n{direction} = {{ rename = \"{other}\", reason = \"r (fs/a.c: f)\" }}\n"
        ));
        let made = decided.make();
        assert_eq!(made.undecided, []);
        let Action::Flags(table) = &field(&made, "flags").action else {
            panic!("no flags");
        };
        assert_eq!(table.moved, [(1, 2)]);
    }
    // Said from both sides it is one fate; two new names for one old are two.
    let appears = |name: &str| {
        format!(
            "[[flags]]\nfield = \"s.flags\"\nnames = [\"{name}\"]\nappears = {{ rename = \"PF_WAS\", reason = \"r (fs/a.c: f)\" }}\n"
        )
    };
    let disappears = "[[flags]]\nfield = \"s.flags\"\nnames = [\"PF_WAS\"]\ndisappears = { rename = \"PF_IS\", reason = \"r (fs/a.c: f)\" }\n";
    let decided = appears("PF_IS") + disappears;
    let made = fixture(&[("PF_WAS", 1)], &[("PF_IS", 2)]).flags(&decided);
    assert_eq!(made.make().undecided, []);
    let decided = appears("PF_IS") + &appears("PF_TOO");
    let made = fixture(&[("PF_WAS", 1)], &[("PF_IS", 2), ("PF_TOO", 4)]).flags(&decided);
    let said = undecided(&made.make());
    assert!(said.contains("PF_WAS"), "{said}");
    let wide = fixture(&[("PF_WAS", 1)], &[("PF_IS", 6)]).flags(disappears);
    let said = undecided(&wide.make());
    assert!(said.contains("another number of bits"), "{said}");
}

/// A sealed mapping must not become a readable one because somebody took the wrong name.
#[test]
fn two_flags_do_not_become_one() {
    let renamed = |old: &[(&str, i128)], names: &str, other: &str| {
        let decided = fixture(old, &[("PF_ON", 4), ("PF_IS", 8)]).flags(&format!(
            "[[flags]]\nfield = \"s.flags\"\nnames = [{names}]\ndisappears = {{ rename = \"{other}\", reason = \"r (fs/a.c: f)\" }}\n\
             [[flags]]\nfield = \"s.flags\"\nnames = [\"PF_IS\"]\nappears = {{ reason = \"r (fs/a.c: f)\" }}\n"
        ));
        undecided(&decided.make())
    };
    let (was, also, on) = (("PF_WAS", 1), ("PF_ALSO", 2), ("PF_ON", 4));
    let both = renamed(&[was, also, on], "\"PF_WAS\", \"PF_ALSO\"", "PF_IS");
    let taken = renamed(&[was, on], "\"PF_WAS\"", "PF_ON");
    assert!(both.contains("it becomes the same bit as"), "{both}");
    // One that goes on is nobody's other name.
    let said = "the flag PF_WAS, which cannot be converted: both layouts have PF_ON, which goes on as itself; a `rename` is for a flag that one of them has alone: decide about PF_WAS in another way (line 4 of s.toml)";
    assert!(taken.contains(said), "{taken}");
    let with = fixture(&[("PF_WAS", 1)], &[("OTHER", 8)]).flags(
        "[[flags]]\nfield = \"s.flags\"\nnames = [\"PF_WAS\"]\ndisappears = { drop = \"always\", with = [\"PF_WAS\"], reason = \"r (fs/a.c: f)\" }\n",
    );
    let said = undecided(&with.make());
    assert!(said.contains("`with` names the flag itself"), "{said}");
}

#[test]
fn values_are_matched_by_name_and_nobody_is_asked() {
    let old = [("VALUE_A", 0), ("VALUE_B", 1), ("VALUE_GONE", 2)];
    let new = [("VALUE_A", 0), ("VALUE_B", 5), ("VALUE_NEW", 1)];
    let made = fixture(&old, &new).make();
    assert_eq!(made.undecided, []);
    let value = field(&made, "value");
    assert_eq!(value.rule, RuleKind::EnumByName);
    let table = vec![(0, 0), (1, 5)];
    assert_eq!(value.action, Action::Enumerator { table });
    let two = [("VALUE_A", 1), ("VALUE_B", 1)];
    let made = fixture(&two, &[("VALUE_A", 1), ("VALUE_B", 2)]).make();
    assert!(matches!(
        &made.undecided[0].why,
        Why::EnumeratorSplit { .. }
    ));
}

/// 6.1 has masks under the names that 6.12 has numbers of bits under.
#[test]
fn what_a_constant_is_may_depend_on_the_layout() {
    let watch = "
[[watch]]
constants = [\"CTX_*\"]
as = \"masks\"
lacks = [\"CTX_NEW\"]
headers = [\"x.h\"]
fields = [\"s.flags\"]
reason = \"masks\"
[[watch]]
constants = [\"CTX_*\"]
as = \"bits\"
has = [\"CTX_NEW\"]
headers = [\"x.h\"]
fields = [\"s.flags\"]
reason = \"numbers of bits\"
";
    let decided = "[[flags]]\nfield = \"s.flags\"\nnames = [\"CTX_NEW\"]\nappears = { reason = \"new (fs/a.c: f)\" }\n";
    let make = |was: i128| {
        Fixture::of(
            "struct s { unsigned short flags; };",
            "struct s { unsigned long flags; };",
        )
        .rules(watch)
        .constants(
            &[("CTX_A", 1), ("CTX_B", was)],
            &[("CTX_A", 0), ("CTX_B", 1), ("CTX_NEW", 2)],
        )
        .flags(decided)
        .make()
    };
    let made = make(2);
    assert_eq!(made.undecided, []);
    let Action::Flags(table) = &field(&made, "flags").action else {
        panic!("{:?}", field(&made, "flags"));
    };
    assert_eq!((table.same, table.moved.as_slice()), (3, &[][..]));
    // Another mask is another bit, and somebody is asked.
    let said = undecided(&make(4));
    assert!(said.contains("CTX_B"), "{said}");
}

/// What a function asks for makes no field undecided.
#[test]
fn a_number_is_no_part_of_a_value() {
    let watch = "[[watch]]\nconstants = [\"LAST\"]\nas = \"number\"\nheaders = [\"x.h\"]\nfields = [\"s.flags\"]\nreason = \"asked for\"\n";
    let text = "struct s { unsigned int flags; };";
    let of = |old: &[(&str, i128)]| {
        Fixture::of(text, text)
            .rules(watch)
            .constants(old, &[("LAST", 41), ("OTHER", 1)])
    };
    let made = of(&[("LAST", 40)]).make();
    assert_eq!(made.undecided, []);
    assert_eq!(field(&made, "flags").rule, RuleKind::Carry);
    // A layout that does not have it is a finding of the decision.
    let decided = "[[override]]\nfield = \"s.flags\"\ncall = \"f\"\nconstants = [\"LAST\"]\nreason = \"r (fs/a.c: f)\"\n";
    let asked = |old: &[(&str, i128)]| undecided(&of(old).decided(decided).make());
    assert_eq!(asked(&[("LAST", 40)]), "");
    let said = asked(&[("OTHER", 1)]);
    assert!(
        said.contains("the old layout has no constant `LAST`"),
        "{said}"
    );
}

#[test]
fn constants_of_one_layout_alone_say_nothing() {
    let mut one = fixture(&[("PF_A", 1)], &[("PF_A", 1)]);
    one.new = fixture::layout("struct s { unsigned int flags; int value; };");
    let why: Vec<Why> = one
        .make()
        .undecided
        .into_iter()
        .map(|open| open.why)
        .collect();
    let layout = "new".to_owned();
    let expected = Why::NoConstants { layout };
    assert_eq!(why, [expected.clone(), expected]);
    // A family without constants is carried as ever.
    one.old = one.new.clone();
    assert_eq!(one.make().undecided, []);
}

/// A structure that is the same on both sides is copied whole only if what its bits mean is the
/// same as well.
#[test]
fn a_structure_with_flags_is_not_copied_whole_if_they_differ() {
    let text = "struct inner { unsigned int flags; }; struct s { struct inner inner; };";
    let watch = WATCH.replace("s.flags", "inner.flags");
    let rule = |old: &[(&str, i128)], new: &[(&str, i128)]| {
        let made = Fixture::of(text, text)
            .rules(&watch)
            .constants(old, new)
            .make();
        (field(&made, "inner").rule, made.undecided.len())
    };
    let (one, two) = ([("PF_A", 1)], [("PF_A", 2)]);
    assert_eq!(rule(&one, &one), (RuleKind::Carry, 0));
    assert_eq!(rule(&one, &two), (RuleKind::Recurse, 1));
}

/// Who converts a field as a whole does not see which of its bits mean something else.
#[test]
fn no_other_override_is_for_a_field_whose_flags_differ() {
    let call = "[[override]]\nfield = \"s.flags\"\ncall = \"f\"\nreason = \"r (fs/a.c: f)\"\n";
    let decided = fixture(&[("PF_A", 1)], &[("PF_A", 2)]).decided(call);
    insta::assert_snapshot!(undecided(&decided.make()));
    // Nor does it begin anew as a whole.
    let anew = "[[override]]\nfield = \"s.flags\"\ninit = 0\nreason = \"r (fs/a.c: f)\"\n\
                [[override]]\nfield = \"s.flags\"\ndrop = \"always\"\nreason = \"r (fs/a.c: f)\"\n";
    let decided = fixture(&[("PF_A", 1)], &[("PF_A", 2)]).decided(anew);
    let said = undecided(&decided.make());
    assert!(
        said.contains("what the field's bits mean differs (PF_A"),
        "{said}"
    );
}

#[test]
fn a_flag_goes_into_a_new_member_of_which_somebody_has_decided() {
    let said = |member: &str, from: Option<&str>| {
        let old = "struct s { unsigned int flags; int value; };";
        let new = "struct s { unsigned int flags; int value; int gone; };";
        let call = |from: &str| {
            format!(
                "[[override]]\nfield = \"s.gone\"\ncall = \"f\"\nfrom = [\"{from}\"]\nreason = \"r (fs/a.c: f)\"\n"
            )
        };
        let flags = format!(
            "[[flags]]\nfield = \"s.flags\"\nnames = [\"PF_GONE\"]\n\
             disappears = {{ into = \"{member}\", reason = \"r (fs/a.c: f)\" }}\n"
        );
        let fixture = Fixture::of(old, new).rules(WATCH);
        let fixture = fixture.constants(
            &[("PF_SAME", 1), ("PF_GONE", 2), ("VALUE_A", 1)],
            &[("PF_SAME", 1), ("VALUE_A", 1)],
        );
        let fixture = match from {
            Some(from) => fixture.decided(&call(from)),
            None => fixture,
        };
        undecided(&fixture.flags(&flags).make())
    };
    assert_eq!(said("gone", Some("flags:PF_GONE")), "");
    for from in ["flags:PF_SAME", "flags"] {
        let nothing = said("gone", Some(from));
        let told = "nothing of it is in what the member gone gets; let its `appears` have a `call` with \"flags:PF_GONE\" in `from`";
        assert!(nothing.contains(told), "{nothing}");
    }
    let nobody = said("gone", None);
    assert!(
        nobody.contains("nobody has decided what the member gone gets"),
        "{nobody}"
    );
    let old = said("value", Some("flags:PF_GONE"));
    assert!(
        old.contains("the old type has the member value as well, which says what it said; `into` names one that is new"),
        "{old}"
    );
}

#[test]
fn decisions_about_flags_are_read_strictly() {
    let read = |entry: &str| {
        let found = Changes::parse([("s.toml", format!("[[flags]]\n{entry}").as_str())]);
        let found = found.unwrap_err();
        found
            .iter()
            .map(ChangeFinding::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    let field = "field = \"s.flags\"\n";
    let names = "names = [\"PF_A\"]\n";
    let all = [
        read(&format!(
            "{names}appears = {{ reason = \"r (fs/a.c: f)\" }}\n"
        )),
        read(&format!(
            "field = \"t.flags\"\n{names}appears = {{ reason = \"r (fs/a.c: f)\" }}\n"
        )),
        read(&format!(
            "{field}names = []\nappears = {{ reason = \"r (fs/a.c: f)\" }}\n"
        )),
        read(&format!(
            "{field}names = [\"a.b\"]\nappears = {{ reason = \"r (fs/a.c: f)\" }}\n"
        )),
        read(&format!("{field}{names}")),
        read(&format!("{field}{names}appears = {{ reason = \" \" }}\n")),
        read(&format!(
            "{field}{names}appears = {{ drop = \"always\", reason = \"r (fs/a.c: f)\" }}\n"
        )),
        read(&format!(
            "{field}{names}disappears = {{ reason = \"r (fs/a.c: f)\" }}\n"
        )),
        read(&format!(
            "{field}{names}disappears = {{ drop = \"never\", reason = \"r (fs/a.c: f)\" }}\n"
        )),
        read(&format!(
            "{field}{names}disappears = {{ into = \"a\", with = [\"PF_B\"], reason = \"r (fs/a.c: f)\" }}\n"
        )),
        read(&format!(
            "{field}{names}renumbered = {{ rename = \"PF_B\", reason = \"r (fs/a.c: f)\" }}\n"
        )),
        read(&format!(
            "{field}{names}reset = {{ drop = \"always\", reason = \"r (fs/a.c: f)\" }}\n"
        )),
        read(&format!(
            "{field}{names}reset = {{ reason = \"r (fs/a.c: f)\" }}\nrenumbered = {{ reason = \"r (fs/a.c: f)\" }}\n"
        )),
        read(&format!(
            "{field}{names}appears = {{ from = [\"a\"], reason = \"r (fs/a.c: f)\" }}\n"
        )),
        read(&format!(
            "{field}{names}appears = {{ call = \"no name\", reason = \"r (fs/a.c: f)\" }}\n"
        )),
        read(&format!(
            "{field}{names}appears = {{ init = 0, reason = \"r (fs/a.c: f)\" }}\n"
        )),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

/// A constant that stands for an initial value is the number that each layout has for it.
#[test]
fn an_initial_value_may_be_a_constant() {
    let rule = "[type.s.fields]\nvalue = { policy = \"reset\", initial = { constant = \"VALUE_MAX\" }, reason = \"r\" }\n";
    let made = |old: &[(&str, i128)], new: &[(&str, i128)]| {
        let text = "struct s { unsigned int flags; int value; };";
        let rules = format!("{WATCH}{rule}");
        Fixture::of(text, text)
            .rules(&rules)
            .constants(old, new)
            .make()
    };
    let same = made(&[("VALUE_MAX", 140)], &[("VALUE_MAX", 140)]);
    let (initial, strict) = (140, false);
    assert_eq!(
        field(&same, "value").action,
        Action::Reset { initial, strict }
    );
    let other = made(&[("VALUE_MAX", 140)], &[("VALUE_MAX", 99)]);
    assert_eq!(other.undecided, []);
    assert_eq!(field(&other, "value").action, Action::Set { value: 99 });
    let drops = &other.plan.types["s"].drops;
    assert_eq!(drops[0].action, Action::Drop { initial, strict });
    let none = made(&[("VALUE_MAX", 140)], &[("VALUE_OTHER", 1)]);
    insta::assert_snapshot!(undecided(&none));
}
