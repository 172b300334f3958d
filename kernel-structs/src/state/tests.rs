//! Tests of the state map: how rules are read, and what layouts are told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::layout::testing::{array, id, int, layout, member, pointer, structure, union};
use crate::layout::{FieldPath, Layout, Type};

const HEAD: &str = "family = \"test\"\nmachines = [\"i386\"]\n[type.s]\nsaved = true\n";

/// A map that saves `s`, with `text` behind it.
fn map(text: &str) -> Result<StateMap, String> {
    StateMap::parse(&format!("{HEAD}{text}")).map_err(|error| error.to_string())
}

/// The policy of the member `a` with the given rule.
fn policy(rule: &str) -> Result<Policy, String> {
    let map = map(&format!(
        "[type.s.fields]\na = {{ {rule}, reason = \"r\" }}\n"
    ))?;
    Ok(map.types["s"].fields["a"].policy.clone())
}

/// What a rule with `policy = "reset"` says.
fn reset(initial: Option<Initial>, strict: bool) -> Policy {
    let refusal = None;
    Policy::Reset {
        initial,
        strict,
        refusal,
    }
}

#[test]
fn a_rule_says_what_it_says() {
    for (word, missing) in [
        ("", Missing::Reset),
        (", missing = \"reset\"", Missing::Reset),
        (", missing = \"refuse\"", Missing::Refuse),
    ] {
        let found = policy(&format!("policy = \"within\"{word}"));
        assert_eq!(found, Ok(Policy::Within { missing }));
    }
    for (word, strict) in [
        ("", false),
        (", strict = false", false),
        (", strict = true", true),
    ] {
        let found = policy(&format!("policy = \"reset\"{word}"));
        let initial = None;
        assert_eq!(found, Ok(reset(initial, strict)));
    }
    for (text, expected) in [
        ("-1", Initial::Value(-1)),
        ("\"null\"", Initial::Null),
        ("\"nowhere\"", Initial::Nowhere),
        ("\"zero\"", Initial::Zero),
        ("\"self\"", Initial::OwnAddress),
        ("\"empty-list\"", Initial::EmptyList),
    ] {
        let found = policy(&format!("policy = \"reset\", initial = {text}"));
        let initial = Some(expected);
        let strict = false;
        assert_eq!(found, Ok(reset(initial, strict)));
    }
}

#[test]
fn an_initial_value_may_follow_from_a_declaration() {
    let said = |initial: &str| policy(&format!("policy = \"reset\", initial = {initial}"));
    let found = said("{ declared = \"s.a\", as = { int = -1, \"char *\" = \"null\" } }");
    let values = [("int", Initial::Value(-1)), ("char *", Initial::Null)];
    let initial = Some(Initial::Declared(Declared {
        member: String::from("s.a"),
        values: values.map(|(ty, value)| (ty.to_owned(), value)).into(),
    }));
    let strict = false;
    assert_eq!(found, Ok(reset(initial, strict)));
    for wrong in [
        "{ declared = \"a\", as = { int = -1 } }",
        "{ declared = \"s.a\", as = {} }",
        "{ declared = \"s.a\" }",
        "{ declared = \"s.a\", as = { int = { declared = \"s.b\", as = { int = 1 } } } }",
        "{ declared = \"s.a\", as = { int = 1 }, or = 2 }",
    ] {
        let error = said(wrong).unwrap_err();
        assert!(
            error.contains("an initial value for each type"),
            "{wrong}: {error}"
        );
    }
}

#[test]
fn an_attribute_belongs_to_its_policy() {
    for attribute in [
        "element = \"s\"",
        "count = { member = \"n\" }",
        "unit = \"bits\"",
        "missing = \"refuse\"",
        "kind = \"file\"",
        "mount = \"m\"",
        "initial = 1",
        "strict = true",
    ] {
        let (name, _) = attribute.split_once(' ').unwrap();
        let expected = format!("6: [type.s.fields] a: `{name}` does not belong to policy `symbol`");
        let found = policy(&format!("policy = \"symbol\", {attribute}"));
        assert_eq!(found, Err(expected));
    }
    let error = policy("policy = \"resource\"").unwrap_err();
    assert!(error.contains("needs `kind`"), "{error}");
    let error = policy("policy = \"within\", missing = \"ignore\"").unwrap_err();
    assert!(error.contains("`missing` is `ignore`"), "{error}");
    let error = policy("policy = \"folow\"").unwrap_err();
    assert!(error.contains("unknown policy `folow`"), "{error}");
}

#[test]
fn a_rule_has_a_reason() {
    for reason in ["", "  "] {
        let rule =
            format!("[type.s.fields]\na = {{ policy = \"carry\", reason = \"{reason}\" }}\n");
        let error = map(&rule).unwrap_err();
        assert!(error.contains("the reason is empty"), "{error}");
    }
}

#[test]
fn what_some_kernels_lack_is_walked_where_it_is() {
    let map = map(
        "[walk]\nqueue = [\"head\", \"tail?\", \"lock?\"]\n\"ring?\" = [\"head\"]\n\"tree?\" = [\"root\"]\n",
    )
    .unwrap();
    let queue = structure(
        "queue",
        8,
        vec![member("head", 0, id(1)), member("lock", 32, id(1))],
    );
    let ring = structure("ring", 4, vec![member("head", 0, id(1))]);
    let layout = layout(vec![int("int", 4, true), queue, ring]);
    let walked: Vec<(String, Vec<String>)> = map.keep_of(&layout).partial.into_iter().collect();
    let expected = [("queue", vec!["head", "lock"]), ("ring", vec!["head"])];
    let expected = expected.map(|(ty, members)| {
        let members = members.into_iter().map(str::to_owned).collect();
        (ty.to_owned(), members)
    });
    assert_eq!(walked, expected);
    // Of what has to be there, nothing is left out.
    let named: Vec<&str> = map.named_types().collect();
    for name in ["queue", "ring", "tree"] {
        assert!(named.contains(&name), "{name}");
        assert!(map.keep().partial.contains_key(name), "{name}");
    }
    let small = crate::layout::testing::layout(vec![int("int", 4, true)]);
    let walked: Vec<String> = map.keep_of(&small).partial.into_keys().collect();
    assert_eq!(walked, ["queue"]);
}

/// What `layout` is told of the map with `text`.
fn told(layout: &Layout, text: &str) -> Vec<String> {
    let findings = map(text).unwrap().check(&[layout]);
    findings.iter().map(ToString::to_string).collect()
}

#[test]
fn every_pointer_has_a_policy_also_in_arrays() {
    let pointers = layout(vec![
        int("int", 4, true),
        pointer(id(1)),
        array(id(2), 2),
        array(id(3), 3),
        structure("s", 28, vec![member("a", 0, id(2)), member("b", 32, id(4))]),
    ]);
    assert_eq!(
        told(&pointers, ""),
        [
            "s.a is a pointer (*s32) without a policy; say under [type.s.fields] what it means",
            "s.b is a pointer ([3][2]*s32) without a policy; say under [type.s.fields] what it means",
        ]
    );
}

#[test]
fn a_rule_is_for_a_member_that_there_is() {
    let numbers = layout(vec![
        int("int", 4, true),
        pointer(id(1)),
        structure("s", 8, vec![member("n", 0, id(1)), member("p", 32, id(2))]),
    ]);
    let rules = |count: &str, more: &str| {
        format!(
            "[type.s.fields]\np = {{ policy = \"follow\", element = \"int\", count = {{ member = \"{count}\" }}, reason = \"r\" }}\n{more}"
        )
    };
    assert_eq!(told(&numbers, &rules("n", "")), [""; 0]);
    assert_eq!(
        told(&numbers, &rules("m", "")),
        ["[type.s.fields] p: names `m`, which the layout's s does not have"]
    );
    let stale = "q = { policy = \"carry\", reason = \"r\" }\n";
    assert_eq!(
        told(&numbers, &rules("n", stale)),
        [
            "[type.s.fields] q: the layout's s has no such member; remove the rule or correct its name"
        ]
    );
    let root = "[[root]]\nsymbol = \"init\"\ntype = \"t\"\nreason = \"r\"\n";
    let told = told(&numbers, &rules("n", root));
    let expected = "[[root]] names t, which is not saved; add [type.t] or correct the name";
    assert_eq!(told, [expected]);
}

#[test]
fn an_arm_takes_the_place_of_its_union_and_of_nothing_else() {
    let unions = layout(vec![
        int("int", 4, true),
        structure("", 8, vec![member("a", 0, id(1)), member("b", 32, id(1))]),
        union("", 4, vec![member("c", 0, id(1)), member("d", 0, id(1))]),
        structure("s", 12, vec![member("", 0, id(2)), member("", 64, id(3))]),
    ]);
    let live = map("[type.s.arms]\nc = \"in use\"\na = \"in no union\"\n")
        .unwrap()
        .live(&unions);
    let s = live.require("s").unwrap();
    let has = |name: &str| live.lookup(s, &FieldPath::parse(name).unwrap()).is_some();
    assert!(has("a") && has("b") && has("c") && !has("d"));
    let Type::Composite(composite) = live.get(s) else {
        panic!("s is no structure");
    };
    assert_eq!(composite.size.0, 12);
    let of_union = live.size_of(composite.members[1].ty);
    assert_eq!(of_union.map(|size| size.0), Some(4));
}

#[test]
fn an_object_is_as_long_as_its_elements_and_at_least_as_its_type() {
    let tails = layout(vec![
        int("int", 4, true),
        int("short int", 2, true),
        array(id(2), 1),
        structure("s", 12, vec![member("n", 0, id(1)), member("t", 64, id(3))]),
    ]);
    let map = map("[type.s.tail]\nmember = \"t\"\ncount = \"n\"\nadd = 1\n").unwrap();
    let tail = map.tail(&tails, tails.require("s").unwrap()).unwrap();
    assert_eq!(tail.elements(&[2, 1, 0, 0, 9]), Some(0x103));
    assert_eq!(tail.elements(&[2, 1, 0]), None);
    assert_eq!(tail.size_with(0), Some(12));
    assert_eq!(tail.size_with(2), Some(12));
    assert_eq!(tail.size_with(3), Some(14));
    assert_eq!(tail.size_with(u64::MAX), None);
}

#[test]
fn a_number_of_elements_is_a_number_and_they_are_in_an_array() {
    let with = |text: &str| map(&format!("[type.s.indexes]\n{text}\n"));
    let said = with("a = { array = \"all\", reason = \"one of them\" }").unwrap();
    let index = &said.types["s"].indexes["a"];
    assert_eq!(
        (index.array.as_str(), index.reason.as_str()),
        ("all", "one of them")
    );
    assert!(with("a = { array = \"all\", reason = \" \" }").is_err());
    assert!(with("a = { reason = \"r\" }").is_err());

    let types = vec![
        int("int", 4, true),
        array(id(1), 4),
        structure(
            "s",
            20,
            vec![member("a", 0, id(1)), member("all", 32, id(2))],
        ),
    ];
    let layout = layout(types);
    let told = |text: &str| -> Vec<String> {
        let map = with(text).unwrap();
        let findings = map.check(&[&layout]).into_iter();
        findings.map(|finding| finding.to_string()).collect()
    };
    assert_eq!(told("a = { array = \"all\", reason = \"r\" }"), [""; 0]);
    assert_eq!(
        told("a = { array = \"a\", reason = \"r\" }"),
        ["[type.s.indexes] a: the layout has no array there"]
    );
    assert_eq!(
        told("all = { array = \"all\", reason = \"r\" }"),
        ["[type.s.indexes] all: the layout has no number there"]
    );
    assert_eq!(
        told("b = { array = \"c\", reason = \"r\" }"),
        [
            "[type.s.indexes] b: the layout has no member of this name there",
            "[type.s.indexes] c: the layout has no member of this name there",
        ]
    );
}

/// Rules are looked up by member, and a path is none.
#[test]
fn a_rule_for_a_path_is_told() {
    let types = vec![
        int("int", 4, true),
        structure("in", 4, vec![member("cpu", 0, id(1))]),
        structure("s", 4, vec![member("in", 0, id(2))]),
    ];
    let layout = layout(types);
    for table in ["fields", "indexes"] {
        let said = match table {
            "fields" => "policy = \"reset\", reason = \"r\"",
            _ => "array = \"in\", reason = \"r\"",
        };
        let map = map(&format!("[type.s.{table}]\n\"in.cpu\" = {{ {said} }}\n")).unwrap();
        let told: Vec<String> = map
            .check(&[&layout])
            .iter()
            .map(ToString::to_string)
            .collect();
        let expected = format!(
            "[type.s.{table}] in.cpu: a path, for which nothing looks here; say it of the member `cpu` of the type that has it, under [type.in.…]"
        );
        assert!(told.contains(&expected), "{told:?}");
    }
}

#[test]
fn a_root_has_a_symbol_and_a_count_leaves_few_out() {
    let root = |symbol: &str| {
        map(&format!(
            "[[root]]\nsymbol = \"{symbol}\"\ntype = \"s\"\nreason = \"r\"\n"
        ))
    };
    assert!(root("init_task").is_ok());
    assert!(
        root(" ")
            .unwrap_err()
            .contains("the name of a symbol of the kernel")
    );
    let tail = |add: u64| {
        map(&format!(
            "tail = {{ member = \"a\", count = \"n\", add = {add} }}\n"
        ))
    };
    assert!(tail(1).is_ok());
    assert!(tail(99_999_999_999).unwrap_err().contains("256 at most"));
}
