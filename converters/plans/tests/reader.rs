//! Files that are plans, that are none, and that nearly are.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_plans::{LARGEST_TYPE, LONGEST_FILE, MOST_NESTED, PlanError, read, write};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A plan with most of what plans have, two layouts of 32 bits.
const SMALL: &str = include_str!("small.plan");

fn small() -> Value {
    serde_json::from_str(SMALL).unwrap()
}

fn error_of(plan: &Value) -> String {
    match read(plan.to_string().as_bytes()) {
        Ok(_) => panic!("it was read"),
        Err(error) => error.to_string(),
    }
}

/// The error of the small plan with one value changed.
#[track_caller]
fn with(pointer: &str, value: Value) -> String {
    let mut plan = small();
    *plan.pointer_mut(pointer).unwrap() = value;
    error_of(&plan)
}

/// Fields of `node`, the third type.
fn node(field: usize, rest: &str) -> String {
    format!("/types/2/fields/{field}/do/0{rest}")
}

#[test]
fn a_plan_is_read_and_written_as_it_was() {
    let read = read(SMALL.as_bytes()).unwrap();
    assert_eq!(read.plan().types.len(), 3);
    assert_eq!(write(read.plan()).unwrap(), SMALL);
}

#[test]
fn a_file_that_is_cut_is_no_plan_wherever_it_is_cut() {
    for end in 0..SMALL.len() - 2 {
        let error = read(&SMALL.as_bytes()[..end]).unwrap_err();
        assert!(matches!(error, PlanError::Form(_)), "{end}: {error}");
    }
    assert!(read(&vec![b' '; LONGEST_FILE as usize + 1]).is_err());
}

#[test]
fn another_version_is_told_before_its_form() {
    let later = json!({ "kconv-plan": 2, "types": "elsewhere" });
    let error = error_of(&later);
    assert!(
        error.contains("version 2 of the format, and this program reads 1"),
        "{error}"
    );
}

#[test]
fn what_no_plan_has_is_refused() {
    let mut plan = small();
    plan["types"][2]["colour"] = json!(1);
    assert!(error_of(&plan).contains("unknown field `colour`"));
    let error = with(&node(1, "/act/number/by"), json!("withn"));
    assert!(error.contains("unknown variant `withn`"), "{error}");
    assert!(with("/types/2/from-size", json!(-1)).contains("invalid value"));
    assert!(with("/types/2/from-size", json!(1u64 << 32)).contains("invalid value"));
    let twice = SMALL.replacen("\"machine\"", "\"family\":\"x\",\"machine\"", 1);
    let error = read(twice.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("duplicate field `family`"), "{error}");
}

#[test]
fn the_head_is_held() {
    let error = with("/from/fingerprint", json!("01"));
    assert!(
        error.contains("from.fingerprint") && error.contains("64 hexadecimal"),
        "{error}"
    );
    assert!(with("/converter", json!("")).contains("converter is \"\""));
    let error = with("/task/comm", json!(65));
    assert!(
        error.contains("task is in `node`, up to byte 69"),
        "{error}"
    );
    assert!(with("/task/ty", json!("nobody")).contains("task"));
}

#[test]
fn nothing_is_read_or_written_beside_a_value() {
    let cases = [
        (node(0, "/act/copy/0"), 65, "old value"),
        (node(0, "/act/copy/0"), u32::MAX, "old value"),
        (node(1, "/act/number/old/0"), 66, "old value"),
        (node(4, "/act/inside/old"), 65, "old value"),
        (node(5, "/act/each/old/0"), 60, "old value"),
        (node(6, "/act/sum/old/0"), 67, "old value"),
        (node(7, "/act/bits/old/unsigned/0"), 544, "old value"),
        (node(14, "/act/link/head/1"), 69, "old value"),
        (node(14, "/act/link/head/2"), 81, "new value"),
        (node(19, "/act/number/new/0"), 76, "new value"),
        (node(21, "/act/drop-bytes/old/1"), 11, "old value"),
        (node(22, "/act/drop-bits/old/0"), 542, "old value"),
        (node(1, "/at/1"), 69, "old value"),
        (node(1, "/at/2"), 81, "new value"),
        (String::from("/types/2/padding/0/1"), 41, "old value"),
        (String::from("/types/2/spans/0/2"), 69, "old value"),
    ];
    for (pointer, number, side) in cases {
        let error = with(&pointer, json!(number));
        assert!(error.contains("types[2] `node`"), "{pointer}: {error}");
        assert!(error.contains(side), "{pointer}: {error}");
    }
    let error = with(&node(1, "/act/number/old/0"), json!(66));
    assert_eq!(
        error,
        "types[2] `node`, field p: ends at bit 560, behind the 544 bits of the old value"
    );
}

#[test]
fn every_new_bit_is_written_once() {
    let error = with(&node(1, "/act/number/new/0"), json!(3));
    assert!(
        error.contains("bit 24 of the new value is written twice"),
        "{error}"
    );
    let error = with(&node(9, "/act/zero/1"), json!(26));
    assert!(
        error.contains("bits 383 to 384 of the new value are never written"),
        "{error}"
    );
    let mut plan = small();
    plan["types"][2]["fields"]
        .as_array_mut()
        .unwrap()
        .remove(19);
    assert!(error_of(&plan).contains("bits 576 to 640"));
}

#[test]
fn types_come_before_what_has_them_inside() {
    let error = with(&node(4, "/act/inside/ty"), json!(2));
    assert!(
        error.contains("type 2 does not stand before this one"),
        "{error}"
    );
    assert!(with(&node(4, "/act/inside/ty"), json!(u32::MAX)).contains("does not stand before"));
    assert!(with("/types/0/name", json!("element")).contains("types are not in their order"));
    assert!(with("/types/2/fields/4/inside", json!("element")).contains("no line goes on"));
    let mut plan = small();
    plan["types"][1]["behind"] = json!("nobody");
    assert!(error_of(&plan).contains("there is no type nobody"));
}

/// Types that are each inside the next, as deep as a stack would not bear.
#[test]
fn no_type_nests_without_end() {
    let mut plan = small();
    let inner = plan["types"][0].clone();
    let around = |depth: u32| {
        json!({ "name": format!("t{depth}"), "from-size": 4, "to-size": 8, "fields": [{
            "path": "in", "rule": "recurse",
            "do": [{ "act": { "inside": { "ty": depth - 1, "old": 0, "new": 0 } } }]
        }]})
    };
    let mut types = vec![inner];
    types.extend((1..MOST_NESTED).map(around));
    plan["types"] = json!(types);
    plan.as_object_mut().unwrap().remove("task");
    read(plan.to_string().as_bytes()).unwrap();
    types.push(around(MOST_NESTED));
    plan["types"] = json!(types);
    assert!(error_of(&plan).contains("more than 32 types are inside one another"));
    // As deep in the text itself.
    let text = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(read(text.as_bytes()).is_err());
}

/// Types each of which has the one before inside eight times, on the same old bytes.
#[test]
fn no_value_takes_lines_without_end() {
    let mut plan = small();
    let drop = json!({ "path": "a", "rule": "drop", "do": [
        { "act": { "drop": { "old": [0, "u32"], "initial": 0, "strict": false } } }
    ]});
    let mut types = vec![json!({ "name": "t0", "from-size": 4, "to-size": 0, "fields": [drop] })];
    for depth in 1..MOST_NESTED {
        let inside = json!({ "act": { "inside": { "ty": depth - 1, "old": 0, "new": 0 } } });
        let field = json!({ "path": "in", "rule": "recurse", "do": vec![inside; 8] });
        types.push(json!({
            "name": format!("t{depth}"), "from-size": 4, "to-size": 0, "fields": [field],
        }));
    }
    plan["types"] = json!(types);
    plan.as_object_mut().unwrap().remove("task");
    let error = error_of(&plan);
    assert!(error.contains("is more than the 4194304"), "{error}");
}

#[test]
fn sizes_are_those_of_something_that_can_be_saved() {
    for key in ["from-size", "to-size", "extent", "anchor-end"] {
        let mut plan = small();
        plan["types"][2][key] = json!(LARGEST_TYPE + 1);
        let error = error_of(&plan);
        assert!(
            error.contains(key) && error.contains("1048577 is more than"),
            "{error}"
        );
    }
    let error = with(&node(5, "/act/each/new"), json!([24, 1u32 << 31, 8]));
    assert!(error.contains("does not fit"), "{error}");
    let error = with(&node(6, "/act/sum/new/1"), json!(1u32 << 31));
    assert!(error.contains("is more than"), "{error}");
}

#[test]
fn what_is_said_twice_is_said_alike() {
    let wrong = [
        (
            node(1, "/act/number/new/1"),
            json!("i32"),
            "a pointer as the old one does",
        ),
        (
            "/types/0/fields/0/do/0/act/number/old/1".into(),
            json!("i32"),
            "every value of the old one",
        ),
        (
            node(5, "/act/each/rest"),
            Value::Null,
            "does not fit their numbers",
        ),
        (
            node(5, "/act/each/rest"),
            json!("zero"),
            "does not fit their numbers",
        ),
        (
            node(5, "/act/each/each"),
            json!("copy"),
            "4 bytes where 8 are expected",
        ),
        (
            node(7, "/act/bits/old/unsigned/1"),
            json!(65),
            "65 bits; a bit-field has 1 to 64",
        ),
        (node(7, "/act/bits/old/unsigned/1"), json!(0), "0 bits"),
        (
            "/types/2/fields/1/reason".into(),
            json!(2),
            "there is no reason 2",
        ),
        (
            "/types/2/spans".into(),
            json!([[0, 0, 4], [2, 8, 4]]),
            "spans are not in their order",
        ),
    ];
    for (pointer, value, expected) in wrong {
        let error = with(&pointer, value);
        assert!(error.contains(expected), "{pointer}: {error}");
    }
}

/// All numbers and texts of a plan, by their places.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                places(value, &format!("{at}/{key}"), all);
            }
        }
        Value::Array(array) => {
            for (index, value) in array.iter().enumerate() {
                places(value, &format!("{at}/{index}"), all);
            }
        }
        _ => all.push(at.to_owned()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A plan with a value changed is refused, or is another plan, that is written and read as itself.
    #[test]
    fn a_changed_plan_is_refused_or_another(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u64>(), 0..6u8), 1..4),
    ) {
        let mut plan = small();
        let mut all = Vec::new();
        places(&plan, "", &mut all);
        for (place, number, how) in changes {
            let value = plan.pointer_mut(place.get::<String>(&all)).unwrap();
            *value = match how {
                0 => json!(number),
                1 => json!(number as u32),
                2 => json!(number % 100),
                3 => json!(value.as_u64().unwrap_or(0).wrapping_add(1)),
                4 => json!(value.as_u64().unwrap_or(0).wrapping_sub(1)),
                _ => json!(["node", "inner", "u64", "i8", "copy", ""][number as usize % 6]),
            };
        }
        if let Ok(plan) = read(plan.to_string().as_bytes()) {
            let text = write(plan.plan()).unwrap();
            prop_assert_eq!(read(text.as_bytes()).unwrap(), plan);
        }
    }

    /// So is a file with bytes changed.
    #[test]
    fn changed_bytes_give_an_error_or_a_plan(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = SMALL.as_bytes().to_vec();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(plan) = read(&bytes) {
            prop_assert!(!plan.plan().types.is_empty());
        }
    }
}
