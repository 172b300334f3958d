//! A small plan carried out: what comes of values, what is kept and refused, and that no plan that is
//! read makes the interpreter read or write beside a value.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_image::{
    Clocks, Fingerprint, Head, Identity, KernelAddr, KernelId, Machine, Object, ObjectId, TaskName,
    TypeIx,
};
use kconv_interpreter::{Callee, LoadError, converter, functions};
use kconv_runtime::at::At;
use kconv_runtime::bits::{U16, U32};
use kconv_runtime::context::{Context, Namer, Outcome};
use kconv_runtime::placement::{Lengths, Map};
use kconv_runtime::table::Converter;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The plan of `kconv-plans`' tests: a `node` of 68 bytes, which has 80 then.
const SMALL: &str = include_str!("../../plans/tests/small.plan");

mod people {
    use kconv_runtime::bits::{U16, U32};
    use kconv_runtime::prelude::*;

    pub(super) fn added(
        cx: &mut Context<'_>,
        at: &At<'_>,
        is_one: bool,
        old: &U16,
        [offset]: [usize; 1],
        [constant]: [u64; 1],
    ) -> U32 {
        if is_one {
            cx.refuse_call(at, old.get().to_string(), "is one");
        }
        U32::new(u32::from(old.get()) + offset as u32 + constant as u32)
    }

    pub(super) fn is_even(_: &mut Context<'_>, _: &At<'_>, was: bool, old: &U32) -> bool {
        was && old.get().is_multiple_of(2)
    }
}

static PEOPLE: &[Callee] = functions! { people:
    added [bool] [U16] [1] [1] => (U32);
    is_even [bool] [U32] [] [] => (bool);
};

fn load(plan: &Value) -> Result<&'static Converter, LoadError> {
    let plan = kconv_plans::read(plan.to_string().as_bytes()).unwrap();
    converter(plan, PEOPLE)
}

fn small() -> Value {
    serde_json::from_str(SMALL).unwrap()
}

struct Nameless;

impl Namer for Nameless {
    fn task(&self, _: ObjectId) -> Option<TaskName> {
        None
    }

    fn object(&self, object: ObjectId) -> String {
        format!("object {}", object.0)
    }

    fn convert(&self, _: &mut Context<'_>, _: ObjectId, _: &At<'_>, _: &[u8], _: &mut [u8]) {
        panic!("no plan here folds");
    }
}

/// Where the node lies, before and after.
const HOME: u64 = 0x8000;

fn run(converter: &'static Converter, old: &[u8]) -> (Vec<u8>, Outcome) {
    let ty = converter.find("node").unwrap();
    let kernel = KernelId {
        release: String::from("old"),
        layout: String::from("old"),
        fingerprint: Fingerprint([1; 32]),
        build_id: Vec::new(),
    };
    let head = Head {
        identity: Identity {
            machine: Machine::I386,
            family: String::from("test"),
            origin: kernel.clone(),
            kernel,
        },
        types: vec![String::from("node")],
        objects: vec![Object {
            ty: TypeIx(0),
            count: 1,
            size: u64::from(ty.from_size),
            address: KernelAddr(HOME),
            home: KernelAddr(HOME),
            owner: ObjectId(0),
            part_of: None,
        }],
        symbols: Vec::new(),
        resources: Vec::new(),
        slots: Vec::new(),
        clocks: Clocks::default(),
        facts: Vec::new(),
        remainder: Vec::new(),
        provenance: Vec::new(),
        address_spaces: Vec::new(),
        contents: Vec::new(),
        core_notes: Vec::new(),
    };
    let rules = converter.rules();
    let at = [KernelAddr(HOME)];
    let map = Map::new(&head, &at, &Lengths::default(), &rules).unwrap();
    let mut outcome = Outcome::default();
    let mut new = vec![0xa5; ty.to_size as usize];
    let step = (&rules, 0);
    let mut cx = Context::new(step, &map, ObjectId(0), &[], &Nameless, &mut outcome);
    let function = converter.function("node").unwrap();
    function.call(&mut cx, &At::object(), old, &mut new);
    (new, outcome)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// A node that nothing is wrong with.
fn node() -> Vec<u8> {
    let mut old = vec![0; 68];
    let words = [
        (0, 0x0403_0201),
        (4, HOME as u32),
        (8, 5),
        (12, 1 | 4),
        (16, 7),
        (20, 8),
        (24, 9),
        (32, 3 << 16 | 2),
        // Two bit-fields: 5 in five bits, and -2 in three.
        (36, 6 << 5 | 5),
        (40, HOME as u32 + 40),
        (44, HOME as u32 + 44),
        (48, 1),
        (52, 100),
        (64, HOME as u32 + 64),
    ];
    for (at, number) in words {
        old[at..at + 4].copy_from_slice(&u32::to_le_bytes(number));
    }
    old
}

#[test]
fn every_line_does_what_the_engine_does() {
    let (new, outcome) = run(load(&small()).unwrap(), &node());
    assert_eq!(outcome.findings, []);
    assert!(outcome.faults.is_empty());
    let kept = outcome.remainder.iter();
    let kept: Vec<&str> = kept.map(|kept| &*kept.field).collect();
    assert_eq!(kept, ["r", "sum", "time"]);
    let expected = [
        (0, 0x0403_0201),
        (4, HOME as u32),
        (8, u32::MAX),
        (12, 1 | 8),
        (16, 7),
        (24, 8),
        (32, 9),
        (40, 5),
        (44, 5 | 1 << 3),
        (48, 7 | 0xfe << 16),
        (52, HOME as u32 + 52),
        (56, HOME as u32 + 56),
        (60, HOME as u32 + 60),
        (64, 0),
        (68, 2),
        (72, 333),
    ];
    for (at, number) in expected {
        assert_eq!(word(&new, at), number, "{at}");
    }
    let symbols: Vec<&str> = outcome.symbols.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(
        (symbols.as_slice(), outcome.slots[0].offset),
        (&["init_ops"][..], 64)
    );
}

#[test]
fn what_is_refused_is_told_by_its_place() {
    let mut old = node();
    old[12] = 16 | 32;
    old[28] = 1;
    old[36] = 9;
    old[48] = 3;
    old[56] = 1;
    old[64] = 0;
    let (_, outcome) = run(load(&small()).unwrap(), &old);
    let told = outcome.findings.iter();
    let told: Vec<(&str, &str)> = told.map(|f| (f.field.as_str(), f.value.as_str())).collect();
    let expected = [
        ("flags", "0x30"),
        ("some[2]", "1"),
        ("bits", "9"),
        ("kind", "3"),
        ("gone", "1"),
        ("ring", "0x8000"),
    ];
    assert_eq!(told, expected);
    let reason = outcome.findings[4].problem.to_string();
    assert!(reason.contains("nobody sets it"), "{reason}");
}

/// The small plan, whose `seven` and `set` a function gives.
fn calling(function: &str, size: u32) -> Value {
    let mut plan = small();
    let fields = plan["types"][2]["fields"].as_array_mut().unwrap();
    // Four bytes at 48: with the signed bit-field and padding behind it.
    fields.retain(|field| !matches!(field["path"].as_str(), Some("seven" | "signed")));
    let padding = fields
        .iter()
        .position(|field| field["do"][0]["act"]["zero"][0] == 408);
    fields.remove(padding.unwrap());
    fields.push(json!({ "path": "seven", "rule": "call", "do": [{
        "at": ["seven", 56, 48],
        "act": { "call": { "new": [48, 4], "call": {
            "function": function,
            "arguments": [{ "flag": [[56, "u16"], 1] }, { "field": [56, size] }],
            "offsets": [100],
            "constants": [1000],
        }}}
    }]}));
    plan
}

#[test]
fn functions_of_people_are_called_by_name() {
    let converter = load(&calling("added", 2)).unwrap();
    let mut old = node();
    old[56] = 2;
    let (new, outcome) = run(converter, &old);
    assert_eq!(word(&new, 48), 1102);
    // The field itself is dropped strictly in this plan.
    let fields = |outcome: &Outcome| -> Vec<String> {
        outcome
            .findings
            .iter()
            .map(|finding| finding.field.clone())
            .collect()
    };
    assert_eq!(fields(&outcome), ["gone"]);
    old[56] = 1;
    assert_eq!(fields(&run(converter, &old).1), ["gone", "seven"]);

    let error = load(&calling("other", 2)).unwrap_err().to_string();
    assert!(
        error.contains("node.seven: the plan calls `other`, which this program has not"),
        "{error}"
    );
    let error = load(&calling("added", 1)).unwrap_err().to_string();
    assert!(
        error.contains("1 flags, fields of [2] bytes, 1 offsets, 1 constants, for 4 bytes"),
        "{error}"
    );
    let error = load(&calling("is_even", 2)).unwrap_err();
    assert!(matches!(error, LoadError::OtherFunction { .. }), "{error}");
}

#[test]
fn functions_of_people_say_whether_flags_are_set() {
    let mut plan = small();
    let flags = &mut plan["types"][2]["fields"][3]["do"][0]["act"]["flags"]["flags"];
    flags["called"] = json!([{ "from": 32, "to": 64, "call": {
        "function": "is_even", "arguments": [{ "field": [16, 4] }],
    }}]);
    let converter = load(&plan).unwrap();
    let set = |flags: u8, one: u8| {
        let mut old = node();
        (old[12], old[16]) = (flags, one);
        word(&run(converter, &old).0, 12)
    };
    assert_eq!((set(33, 2), set(33, 3), set(1, 2)), (65, 1, 1));
}

#[test]
fn a_machine_that_is_not_known_is_told() {
    let mut plan = small();
    plan["machine"] = json!("vax");
    let error = load(&plan).unwrap_err().to_string();
    assert!(error.contains("the machine `vax`"), "{error}");
}

fn numbers(value: &Value, at: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                numbers(value, &format!("{at}/{key}"), all);
            }
        }
        Value::Array(array) => {
            for (index, value) in array.iter().enumerate() {
                numbers(value, &format!("{at}/{index}"), all);
            }
        }
        Value::Number(_) => all.push(at.to_owned()),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever numbers a plan has: if it is read, it is carried out, on any bytes.
    #[test]
    fn a_plan_that_is_read_can_be_carried_out(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0..700u64), 1..3),
        bytes in proptest::collection::vec(any::<u8>(), 700),
    ) {
        let mut plan = small();
        let mut all = Vec::new();
        numbers(&plan["types"], "/types", &mut all);
        for (place, number) in changes {
            *plan.pointer_mut(place.get::<String>(&all)).unwrap() = json!(number);
        }
        let Ok(plan) = kconv_plans::read(plan.to_string().as_bytes()) else {
            return Ok(());
        };
        let converter = converter(plan, PEOPLE).unwrap();
        let size = converter.find("node").unwrap().from_size as usize;
        let (new, outcome) = run(converter, &bytes[..size]);
        prop_assert!(outcome.faults.is_empty());
        prop_assert_eq!(new.len(), converter.find("node").unwrap().to_size as usize);
    }
}

#[test]
fn a_value_of_another_size_is_a_fault() {
    let (new, outcome) = run(load(&small()).unwrap(), &[0; 67]);
    assert!(
        outcome.faults[0].contains("`node` has 67 bytes on the way in"),
        "{:?}",
        outcome.faults
    );
    assert_eq!(new, [0xa5; 80]);
}
