//! Small types with something that is refused, and values of them.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::layout::testing::{
    array, bit_field, enumeration, id, int, layout, member, pointer, structure,
};

const HEAD: &str = "family = \"test\"\nmachines = [\"i386\"]\n[type.s]\nsaved = true\n";

/// `struct s { int number; int *pointer; struct list_head list; int many[2]; int low:4, high:12;
/// struct part part; struct part parts[2]; }` and `struct part { int flags; int start; }`.
fn types() -> Layout {
    layout(vec![
        int("int", 4, true),
        pointer(id(1)),
        structure(
            "list_head",
            8,
            vec![member("next", 0, id(2)), member("prev", 32, id(2))],
        ),
        array(id(1), 2),
        structure(
            "part",
            8,
            vec![member("flags", 0, id(1)), member("start", 32, id(1))],
        ),
        structure(
            "s",
            52,
            vec![
                member("number", 0, id(1)),
                member("pointer", 32, id(2)),
                member("list", 64, id(3)),
                member("many", 128, id(4)),
                bit_field("low", 192, 4, id(1)),
                bit_field("high", 196, 12, id(1)),
                member("part", 224, id(5)),
                member("parts", 288, id(8)),
            ],
        ),
        enumeration("bits", &[("F_ONE", 0x4), ("F_TWO", 0x10), ("B_NINE", 9)]),
        array(id(5), 2),
    ])
}

/// What is said of the other members, so that each of them may be there.
const REST: &str = "[type.list_head]\npolicy = \"reset\"\ninitial = \"empty-list\"\nreason = \"r\"\n\
                    [type.s.fields]\n";
const CODE: &str = "code = \"task.amx\", what = \"it\", reason = \"r\"";

fn map(text: &str) -> Result<StateMap, String> {
    StateMap::parse(&format!("{HEAD}{text}")).map_err(|error| error.to_string())
}

const AT: u64 = 0xc000_0000;

/// What of `bytes`, at [`AT`], a map with `text` refuses: the way to it, its number, and the words.
fn refused(text: &str, bytes: &[u8]) -> Vec<(String, Option<u64>, String)> {
    let (map, layout) = (map(text).unwrap(), types());
    let places = map.refused_places(&layout, layout.find("s").unwrap());
    let found = places.iter().filter_map(|place| {
        let found = place.found(bytes, AT)?;
        // What is given its initial value is not refused again, and nothing beside it changes.
        let mut reset = bytes.to_vec();
        place.reset(&mut reset, AT);
        let rest = |bytes: &[u8]| {
            let around = |at: usize| !(place.bits.0 / 8..place.end()).contains(&(at as u64));
            let bytes = bytes.iter().enumerate().filter(|(at, _)| around(*at));
            bytes.map(|(_, byte)| *byte).collect::<Vec<_>>()
        };
        assert_eq!(rest(&reset), rest(bytes));
        let stays = matches!(place.is, Is::With(_));
        assert_eq!(place.found(&reset, AT).is_some(), stays, "{}", place.path);
        Some((place.path.clone(), found.value, found.what))
    });
    found.collect()
}

/// Zeros, with an empty list, but for the bytes given.
fn value(bytes: &[(usize, u8)]) -> Vec<u8> {
    let mut value = vec![0; 52];
    for word in [8, 12] {
        value[word..word + 4].copy_from_slice(&(AT as u32 + 8).to_le_bytes());
    }
    for (at, byte) in bytes {
        value[*at] = *byte;
    }
    value
}

#[test]
fn any_value_but_the_initial_one_is_refused() {
    for (field, initial, quiet, loud, number) in [
        ("number", "", &[][..], &[(3, 0x80)][..], Some(0x8000_0000)),
        (
            "number",
            "initial = -1,",
            &[(0, 255), (1, 255), (2, 255), (3, 255)],
            &[],
            Some(0),
        ),
        (
            "pointer",
            "",
            &[(3, 1), (8, 1)],
            &[(7, 1)],
            Some(0x100_0000),
        ),
        ("pointer", "initial = \"null\",", &[], &[(4, 1)], Some(1)),
        // What has parts is no number.
        ("list", "", &[(16, 1)], &[(8, 0)], None),
        ("many", "", &[(15, 1), (24, 1)], &[(23, 1)], None),
        ("parts", "", &[(35, 1)], &[(50, 1)], None),
        ("low", "", &[(24, 0xf0)], &[(24, 0x08)], Some(8)),
        (
            "high",
            "",
            &[(24, 0x0f)],
            &[(25, 0x10), (24, 0x0f)],
            Some(0x100),
        ),
        (
            "high",
            "initial = 5,",
            &[(24, 0x50)],
            &[(24, 0x40)],
            Some(4),
        ),
    ] {
        let rule = format!("{REST}{field} = {{ policy = \"refuse\", {initial} {CODE} }}\n");
        assert_eq!(refused(&rule, &value(quiet)), [], "{rule}");
        let expected = (field.to_owned(), number, "it".to_owned());
        assert_eq!(refused(&rule, &value(loud)), [expected], "{rule}");
        // Of a shorter value nothing is said.
        assert_eq!(refused(&rule, &value(loud)[..2]), []);
    }
}

#[test]
fn bits_are_refused_by_the_names_of_constants() {
    let watch = |unit: &str, constants: &str| {
        format!(
            "[[watch]]\nconstants = [{constants}]\nas = \"{unit}\"\nfields = [\"part.flags\"]\n\
             headers = [\"a.h\"]\nreason = \"r\"\n"
        )
    };
    let refuse = |flags: &str| {
        format!(
            "[[type.part.refuse]]\nfield = \"flags\"\nflags = [{flags}]\ncode = \"task.amx\"\n\
             what = \"one at {{start}}!\"\nreason = \"r\"\n"
        )
    };
    let all = watch("masks", "\"F_*\"") + &watch("bits", "\"B_*\"");
    let told = |flags: &str, bytes: &[(usize, u8)]| refused(&(refuse(flags) + &all), &value(bytes));
    let said = |value: u64, start: &str| {
        let what = format!("one at {start}!");
        vec![("part.flags".to_owned(), Some(value), what)]
    };
    assert_eq!(told("\"F_ONE\"", &[(28, 0x10), (29, 2)]), []);
    assert_eq!(told("\"F_ONE\"", &[(28, 0x14), (32, 7)]), said(0x14, "0x7"));
    assert_eq!(
        told("\"F_ONE\", \"F_TWO\"", &[(28, 0x10)]),
        said(0x10, "0x0")
    );
    // The number of a bit is no mask: 9 would be bits 0 and 3.
    assert_eq!(told("\"B_NINE\"", &[(28, 9)]), []);
    assert_eq!(told("\"B_NINE\"", &[(29, 2)]), said(0x200, "0x0"));
    // A layout without the constant has no such bit.
    assert_eq!(told("\"F_THREE\"", &[(28, 0xff)]), []);
}

#[test]
fn a_rule_for_what_is_around_decides() {
    let inside = format!("[type.part.fields]\nstart = {{ policy = \"refuse\", {CODE} }}\n");
    let found = refused(&inside, &value(&[(32, 1), (48, 1)]));
    let paths: Vec<&str> = found.iter().map(|(path, ..)| path.as_str()).collect();
    assert_eq!(paths, ["part.start", "parts[1].start"]);
    let around =
        format!("{inside}[type.s.fields]\npart = {{ policy = \"carry\", reason = \"r\" }}\n");
    assert_eq!(refused(&around, &value(&[(32, 1)])), []);
}

#[test]
fn a_refusal_has_a_code_that_there_is_and_words() {
    let rule = |attributes: &str| {
        let text = format!(
            "[type.s.fields]\nnumber = {{ policy = \"refuse\", {attributes}, reason = \"r\" }}\n"
        );
        map(&text).map(drop)
    };
    assert_eq!(rule("code = \"task.amx\", what = \"it\""), Ok(()));
    // For a conversion it is a strict reset.
    let text = format!("[type.s.fields]\nnumber = {{ policy = \"refuse\", {CODE} }}\n");
    let refused = map(&text).unwrap();
    let policy = &refused.types["s"].fields["number"].policy;
    assert!(matches!(policy, Policy::Reset { strict: true, .. }));
    assert_eq!(policy.name(), "refuse");
    for (attributes, expected) in [
        (
            "code = \"task.amks\", what = \"it\"",
            "`code` is `task.amks`, which is none of kconv's (the nearest is `task.amx`); correct it, or add it to converters/codes",
        ),
        ("what = \"it\"", "policy `refuse` needs `code`"),
        ("code = \"task.amx\"", "policy `refuse` needs `what`"),
        (
            "code = \"task.amx\", what = \" \"",
            "`what` is ` `, expected what cannot be carried, with each `{` closed",
        ),
        (
            "code = \"task.amx\", what = \"it at {a\"",
            "`what` is `it at {a`, expected what cannot be carried, with each `{` closed",
        ),
        (
            "code = \"task.amx\", what = \"it\", strict = true",
            "`strict` does not belong to policy `refuse`",
        ),
    ] {
        let expected = format!("6: [type.s.fields] number: {expected}");
        assert_eq!(rule(attributes), Err(expected));
    }
    for attribute in ["code = \"task.amx\"", "what = \"it\""] {
        let text = format!(
            "[type.s.fields]\nnumber = {{ policy = \"carry\", {attribute}, reason = \"r\" }}\n"
        );
        assert!(
            map(&text)
                .unwrap_err()
                .contains("does not belong to policy `carry`")
        );
    }
    let element = format!(
        "[element.\"s *\"]\npolicy = \"refuse\"\n{}\n",
        CODE.replace(", ", "\n")
    );
    assert!(
        map(&element)
            .unwrap_err()
            .starts_with("5: [element.\"s *\"]: `policy` is `refuse`")
    );
    let flags = "[[type.s.refuse]]\nfield = \"number\"\nflags = [\"F\"]\ncode = \"a.b\"\nwhat = \"it\"\nreason = \"r\"\n";
    let error = map(flags).unwrap_err();
    assert!(
        error.starts_with("5: [[type.s.refuse]] number: `code` is `a.b`"),
        "{error}"
    );
    let error = map(&flags.replace("\"F\"", "").replace("a.b", "task.amx")).unwrap_err();
    assert!(error.contains("`flags` is `[]`"), "{error}");
}

#[test]
fn what_no_freeze_would_refuse_is_told() {
    let layout = types();
    let told = |text: &str| -> Vec<String> {
        let pointer = "pointer = { policy = \"user\", reason = \"r\" }\n";
        let text = format!("{text}{REST}{pointer}");
        let map = map(&text).unwrap();
        let findings = map.check(&[&layout]);
        let shown = findings.iter().map(|finding| {
            let line = map.line_of(finding);
            format!("{line}: {finding}")
        });
        shown.collect()
    };
    let part =
        |rule: &str| format!("[type.part.fields]\nstart = {{ policy = \"refuse\", {rule} }}\n");
    assert_eq!(told(&part(CODE)), [""; 0]);
    let words = CODE.replace("\"it\"", "\"it at {flags}\"");
    assert_eq!(told(&part(&words)), [""; 0]);
    let misspelt =
        "6: [type.part.fields] start: the layout has no members that its words name there";
    assert_eq!(told(&part(&words.replace("{flags}", "{flag}"))), [misspelt]);
    let senseless = "6: [type.part.fields] start: the layout has no field of a saved type, with an initial value to compare with, there";
    assert_eq!(
        told(&part(&format!("initial = \"self\", {CODE}"))),
        [senseless]
    );
    let flags = |field: &str, flag: &str| {
        format!(
            "[[watch]]\nconstants = [\"F_*\"]\nas = \"masks\"\nfields = [\"part.flags\"]\n\
             headers = [\"a.h\"]\nreason = \"r\"\n[[type.part.refuse]]\nfield = \"{field}\"\n\
             flags = [{flag}]\ncode = \"task.amx\"\nwhat = \"it\"\nreason = \"r\"\n"
        )
    };
    assert_eq!(told(&flags("flags", "\"F_ONE\", \"F_TWO\"")), [""; 0]);
    let unknown = "12: [[type.part.refuse]] flags: no layout has a constant F_THREE that a [[watch]] entry says it is made of; correct its name, or watch it";
    assert_eq!(told(&flags("flags", "\"F_ONE\", \"F_THREE\"")), [unknown]);
    // It is known, and not of this field.
    let of_another = told(&flags("start", "\"F_ONE\""));
    assert_eq!(of_another.len(), 2, "{of_another:?}");
    // That another entry refuses something does not help.
    let beside = told(&(part(CODE) + &flags("start", "\"F_ONE\"")));
    assert_eq!(beside.len(), 2, "{beside:?}");
    assert!(
        of_another[0].contains("made of the constants")
            || of_another[1].contains("made of the constants")
    );
}
