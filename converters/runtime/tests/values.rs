//! What functions of converters are called with: each rule with values that it takes, that it
//! keeps, and that it refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_image::{
    Clocks, Fingerprint, Head, Identity, KernelAddr, KernelId, Machine, Object, ObjectId,
    Remainder, Slot, SlotTarget, Symbol, SymbolId, TaskName, TypeIx,
};
use kconv_runtime::at::At;
use kconv_runtime::bits::{Bytes, I16, I32, U16, U32};
use kconv_runtime::context::{Context, Namer, Old, Outcome, Pointer, Referrer};
use kconv_runtime::finding::Problem;
use kconv_runtime::flags::Flags;
use kconv_runtime::placement::{Lengths, Map};
use kconv_runtime::table::{
    Bits, Converter, Node, RuleKind, Span, TaskLabel, TypeConverter, TypeRules,
};
use std::rc::Rc;
use std::sync::Arc;

fn nothing(_: &mut Context<'_>, _: &At<'_>, _: &[u8], _: &mut [u8]) {}

static TYPES: [TypeConverter; 2] = [
    TypeConverter {
        // Its first two words change places, its third moves behind them, its last is no more.
        rules: TypeRules {
            name: "node",
            from_size: 16,
            to_size: 24,
            spans: &[Span::new(0, 4, 4), Span::new(4, 0, 4), Span::new(8, 16, 4)],
            groups: &[&[RuleKind::Reset.of("lock").by_map("nobody waits")]],
            ..TypeRules::PLAIN
        },
        convert: Some(nothing),
    },
    TypeConverter {
        rules: TypeRules {
            name: "task",
            from_size: 32,
            to_size: 32,
            extent: Some(8192),
            spans: &[Span::new(0, 0, 32)],
            ..TypeRules::PLAIN
        },
        convert: Some(nothing),
    },
];

const OLD: Fingerprint = Fingerprint([1; 32]);
/// Number of the conversion in the provenance.
const STEP: u32 = 3;
const NEW: Fingerprint = Fingerprint([2; 32]);

static CONVERTER: Converter = Converter {
    name: "old-new",
    tool: "test",
    family: "test",
    machine: Machine::I386,
    from: Node {
        layout: "old",
        release: "old",
        fingerprint: OLD,
    },
    to: Node {
        layout: "new",
        release: "new",
        fingerprint: NEW,
    },
    task: Some(TaskLabel {
        ty: "task",
        pid: 0,
        comm: 0,
        comm_len: 0,
    }),
    changed: &TYPES,
    carried: &[],
    gone: &[],
    read: &[],
};

/// The task is at home; the first node has a neighbour that drives it out.
const TASK: (ObjectId, u32) = (ObjectId(0), 0x2000);
const NODE: (ObjectId, u32) = (ObjectId(1), 0x8000);
/// Where it goes: behind all others.
const MOVED: u32 = 0x1_4000;

fn map() -> Map {
    let object = |ty, address, size| Object {
        ty: TypeIx(ty),
        count: 1,
        size,
        address: KernelAddr(address),
        home: KernelAddr(address),
        owner: ObjectId(0),
        part_of: None,
    };
    let kernel = KernelId {
        release: String::from("old"),
        layout: String::from("old"),
        fingerprint: OLD,
        build_id: Vec::new(),
    };
    let head = Head {
        identity: Identity {
            machine: Machine::I386,
            family: String::from("test"),
            origin: kernel.clone(),
            kernel,
        },
        types: vec![String::from("task"), String::from("node")],
        objects: vec![
            object(0, 0x2000, 32),
            object(1, 0x8000, 16),
            object(1, 0x8010, 16),
            object(0, 0x1_2000, 32),
        ],
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
    let old: Vec<KernelAddr> = head.objects.iter().map(|object| object.address).collect();
    Map::new(&head, &old, &Lengths::default(), &CONVERTER.rules()).unwrap()
}

struct Names(Vec<Symbol>);

impl Namer for Names {
    fn task(&self, _: ObjectId) -> Option<TaskName> {
        Some(TaskName {
            pid: 7,
            comm: String::new(),
        })
    }

    fn object(&self, object: ObjectId) -> String {
        format!("object {}", object.0)
    }

    fn convert(&self, _: &mut Context<'_>, object: ObjectId, _: &At<'_>, _: &[u8], _: &mut [u8]) {
        panic!("{object:?} is converted by none of the rules here");
    }

    fn symbols(&self) -> &[Symbol] {
        &self.0
    }

    fn old(&self, _: ObjectId) -> Option<Old> {
        None
    }

    fn referrers(&self, pointer: &Pointer, address: u64) -> Rc<[Referrer]> {
        let referrer = |object| Referrer {
            object: ObjectId(object),
            part: Box::default(),
        };
        match (pointer.ty, pointer.at, address) {
            ("node", 8, 0x2000) => [1, 2].map(referrer).into(),
            _ => Rc::default(),
        }
    }
}

fn symbol(name: &str, offset: u64) -> Symbol {
    Symbol {
        name: name.to_owned(),
        offset,
        origin: KernelAddr(0xc010_0000),
    }
}

/// What `convert` gives for an object, and what it leaves behind.
fn on<T>(
    object: ObjectId,
    slots: &[Slot],
    convert: impl FnOnce(&mut Context<'_>) -> T,
) -> (T, Outcome) {
    let names = Names(vec![symbol("jiffies", 0), symbol("schedule", 12)]);
    let mut outcome = Outcome::default();
    let map = map();
    let rules = CONVERTER.rules();
    let step = (&rules, STEP);
    let mut context = Context::new(step, &map, object, slots, &names, &mut outcome);
    let value = convert(&mut context);
    assert!(outcome.faults.is_empty(), "{:?}", outcome.faults);
    (value, outcome)
}

fn node<T>(convert: impl FnOnce(&mut Context<'_>) -> T) -> (T, Outcome) {
    on(NODE.0, &[], convert)
}

/// The new value and what was kept; nothing was refused.
fn kept<T>((value, outcome): (T, Outcome)) -> (T, Vec<Vec<u8>>) {
    assert_eq!(outcome.findings, []);
    let kept = outcome
        .remainder
        .into_iter()
        .map(|entry| entry.bytes.into_vec());
    (value, kept.collect())
}

/// What was refused, which is one value; nothing was kept.
fn refused<T>((_, outcome): (T, Outcome)) -> (RuleKind, String, Problem) {
    assert_eq!(outcome.remainder, []);
    let [finding] = <[_; 1]>::try_from(outcome.findings).unwrap();
    let task = finding.task.unwrap().to_string();
    assert_eq!((&*task, &*finding.converter), ("task 7", "old-new"));
    (finding.rule, finding.value, finding.problem)
}

const BASE: At<'static> = At::object();

fn lock() -> At<'static> {
    BASE.field("lock", 8, 16)
}

fn not_initial(initial: &str, reason: &'static str) -> Problem {
    Problem::NotInitial {
        initial: initial.to_owned(),
        reason,
    }
}

#[test]
fn a_function_finds_who_points_at_an_object_and_how_long_its_own_is() {
    let found = |pointer, to| node(|cx| cx.referrers_of(("node", pointer), to)).0;
    assert_eq!(found(8, 0x2000), [0x8000, 0x8010]);
    assert_eq!(found(8, 0x8000), [] as [u64; 0]);
    assert_eq!(found(0, 0x2000), [] as [u64; 0]);
    let beside = |id, to| on(id, &[], |cx| cx.neighbours(("node", 8), to)).0;
    assert_eq!(beside(ObjectId(1), 0x2000), [None, Some(0x8010)]);
    assert_eq!(beside(ObjectId(2), 0x2000), [Some(0x8000), None]);
    assert_eq!(beside(ObjectId(0), 0x2000), [None; 2]);
    let rest = |place: usize| node(|cx| cx.old_rest(&BASE.field("lock", place, 0))).0;
    assert_eq!([0, 8, 16, 24].map(rest), [16, 8, 0, 0]);
}

#[test]
fn a_reset_value_is_kept_unless_it_is_the_initial_one() {
    let reset = |old: u32, initial| kept(node(|cx| cx.reset(&lock(), U32::new(old), initial)));
    assert_eq!(reset(0, 0), (U32::new(0), vec![]));
    assert_eq!(reset(7, 0), (U32::new(0), vec![vec![7, 0, 0, 0]]));
    assert_eq!(reset(7, 7), (U32::new(7), vec![]));
    assert_eq!(reset(0, 7), (U32::new(7), vec![vec![0; 4]]));
    // A pointer that leads nowhere may be -1 of its own width.
    let reset = |old: u32| kept(node(|cx| cx.reset(&lock(), U32::new(old), -1)));
    assert_eq!(reset(u32::MAX), (U32::new(u32::MAX), vec![]));
    assert_eq!(reset(7), (U32::new(u32::MAX), vec![vec![7, 0, 0, 0]]));
    let strict = |old: u32| node(|cx| cx.reset_strict::<_, U32>(&lock(), U32::new(old), -1));
    assert_eq!(kept(strict(u32::MAX)), (U32::new(u32::MAX), vec![]));
    assert_eq!(refused(strict(7)).1, "7");
}

#[test]
fn a_strict_reset_refuses_every_other_value_than_the_initial_one() {
    let reset =
        |old: u32, initial| node(|cx| cx.reset_strict::<_, U32>(&lock(), U32::new(old), initial));
    assert_eq!(kept(reset(5, 5)), (U32::new(5), vec![]));
    let expected = (
        RuleKind::Reset,
        String::from("7"),
        not_initial("0", "nobody waits"),
    );
    assert_eq!(refused(reset(7, 0)), expected);
    let large = refused(reset(0x1_0000, 0));
    assert_eq!(large.1, "0x10000");
}

#[test]
fn what_goes_is_kept_or_refused_unless_it_is_initial() {
    let drop = |old: u16| node(|cx| cx.drop_strict(&lock(), U16::new(old), 3));
    kept(drop(3));
    let expected = (RuleKind::Drop, String::from("4"), not_initial("3", ""));
    let (rule, value, problem) = refused(drop(4));
    assert_eq!((rule, value), (expected.0, expected.1));
    assert!(matches!(problem, Problem::NotInitial { initial, .. } if initial == "3"));

    let drop = |old: &[u8]| node(|cx| cx.drop_zero(&lock(), old));
    kept(drop(&[0; 3]));
    let (rule, value, _) = refused(drop(&[0, 0, 9]));
    assert_eq!((rule, &*value), (RuleKind::Drop, "000009"));

    let drop = |old: &[u8]| kept(node(|cx| cx.drop_kept(&lock(), old, &[1, 2]))).1;
    assert_eq!(drop(&[1, 2]), [] as [Vec<u8>; 0]);
    assert_eq!(drop(&[2, 1]), [[2, 1]]);
}

#[test]
fn a_bit_field_that_goes_has_to_be_initial() {
    let run = Bits::new(68, 3);
    let drop = |value, initial| node(|cx| cx.drop_bit_field(&BASE, "lock", run, value, initial));
    kept(drop(2, 2));
    assert_eq!(refused(drop(3, 2)).0, RuleKind::Drop);
    assert_eq!(refused(drop(1, 2)).1, "1");
    assert_eq!(refused(drop(-1, 0)).1, "-1");
}

#[test]
fn a_bit_field_that_does_not_fit_is_refused() {
    let carry = |value, signed| node(|cx| cx.bit_field(&lock(), value, 3, signed));
    assert_eq!(kept(carry(7, false)).0, 7);
    assert_eq!(kept(carry(-4, true)).0, -4);
    let least_most = |problem| match problem {
        Problem::OutOfRange { least, most } => (least, most),
        other => panic!("{other:?}"),
    };
    let (rule, value, problem) = refused(carry(8, false));
    assert_eq!((rule, &*value), (RuleKind::BitField, "8"));
    assert_eq!(least_most(problem), (0, 7));
    assert_eq!(least_most(refused(carry(4, true)).2), (-4, 3));
}

#[test]
fn bits_are_kept_with_a_mask_of_their_own() {
    let old = [0xffu8; 16];
    let ((), outcome) = node(|cx| cx.keep_bits(&BASE, "flags", &old, Bits::new(69, 6)));
    let expected = Remainder {
        step: STEP,
        object: NODE.0,
        offset: 8,
        field: "flags".into(),
        mask: [0b1110_0000, 0b0000_0111].into(),
        bytes: [0b1110_0000, 0b0000_0111].into(),
    };
    assert_eq!(outcome.remainder, [expected]);
}

#[test]
fn a_kept_value_says_where_it_stood() {
    let ((), outcome) = node(|cx| cx.keep(&lock(), &[1, 2]));
    let expected = Remainder {
        step: STEP,
        object: NODE.0,
        offset: 8,
        field: "lock".into(),
        mask: [0xff; 2].into(),
        bytes: [1, 2].into(),
    };
    assert_eq!(outcome.remainder, [expected]);
}

#[test]
fn kept_values_of_one_field_share_its_path() {
    let ((), outcome) = node(|cx| {
        cx.keep(&lock(), &[1, 2]);
        cx.keep(&BASE, &[5]);
        cx.keep(&lock(), &[3, 4]);
    });
    let [first, other, second] = &outcome.remainder[..] else {
        panic!("{:?}", outcome.remainder);
    };
    assert!(Arc::ptr_eq(&first.field, &second.field));
    assert_ne!(first.field, other.field);
}

#[test]
fn a_scaled_value_is_kept_if_something_is_left_over() {
    let halved = |old: i32| kept(node(|cx| cx.scale(&lock(), I32::new(old), 1, 2)));
    assert_eq!(halved(8), (I32::new(4), vec![]));
    assert_eq!(halved(7), (I32::new(3), vec![vec![7, 0, 0, 0]]));
    let from_here = |old: i32| node(|cx| cx.offset::<_, U16>(&lock(), I32::new(old), (2, 3), -4));
    assert_eq!(kept(from_here(9)), (U16::new(2), vec![]));
    let (rule, value, _) = refused(from_here(3));
    assert_eq!((rule, &*value), (RuleKind::Scale, "-2"));
}

#[test]
fn the_parts_of_a_sum_are_kept_if_there_are_several() {
    let sum = |old: &[u16]| {
        let old: Vec<U16> = old.iter().map(|part| U16::new(*part)).collect();
        kept(node(|cx| cx.sum::<_, U32>(&lock(), &old)))
    };
    assert_eq!(sum(&[5, 0]), (U32::new(5), vec![]));
    assert_eq!(sum(&[0xffff, 1]).0, U32::new(0x1_0000));
    assert_eq!(sum(&[5, 1]), (U32::new(6), vec![vec![5, 0, 1, 0]]));
    assert_eq!(sum(&[0, 0, 2]).1, [[0, 0, 0, 0, 2, 0]]);
}

/// What has a place stays there, and the first has what has none.
#[test]
fn the_first_has_the_sum_of_elements_without_a_place() {
    let merge = |old: &[u16]| {
        let old: Vec<U16> = old.iter().map(|part| U16::new(*part)).collect();
        kept(node(|cx| cx.merge::<_, U32, 2>(&lock(), &old)))
    };
    assert_eq!(merge(&[5, 7, 0]), ([5, 7].map(U32::new), vec![]));
    assert_eq!(merge(&[0xffff, 7, 1]).0, [0x1_0000, 7].map(U32::new));
    assert_eq!(merge(&[1, 2, 0, 4]).0, [5, 2].map(U32::new));
    assert_eq!(merge(&[1, 2, 0, 4]).1, [[1, 0, 2, 0, 0, 0, 4, 0]]);
}

#[test]
fn elements_without_a_place_have_to_be_initial() {
    let cut = |old: &[u8]| node(|cx| cx.cut(&lock(), old, 2, 9));
    kept(cut(&[1, 2, 9, 9]));
    let ((), outcome) = cut(&[1, 2, 3, 9, 4]);
    let found: Vec<_> = outcome.findings.iter().map(|f| &*f.field).collect();
    assert_eq!(found, ["lock[2]", "lock[4]"]);
}

#[test]
fn an_enumerator_goes_by_its_table() {
    let table = [(1, 10), (2, 300)];
    let new = |old: u32| node(|cx| cx.enumerator::<_, U16>(&lock(), U32::new(old), &table));
    assert_eq!(kept(new(2)), (U16::new(300), vec![]));
    let expected = (
        RuleKind::EnumByName,
        String::from("3"),
        Problem::NoSuchEnumerator,
    );
    assert_eq!(refused(new(3)), expected);
    let narrow = node(|cx| cx.enumerator::<_, u8>(&lock(), U32::new(2), &table));
    assert_eq!(refused(narrow).1, "300");
}

#[test]
fn flags_go_by_their_names_and_none_is_lost() {
    let flags = Flags {
        same: 0b1,
        moved: &[(0b10, 0b100)],
        dropped: 0b1000,
        refused: &[("BUSY", 0b1_0000)],
        ..Flags::NONE
    };
    let new = |old: u8| node(|cx| cx.flags::<_, u8>(&lock(), old, &flags));
    assert_eq!(kept(new(0b11)), (0b101, vec![]));
    assert_eq!(kept(new(0b1001)), (0b1, vec![vec![0b1001]]));
    let left = |old| match refused(new(old)) {
        (RuleKind::Flags, _, Problem::NoSuchFlag { names, bits }) => (names, bits),
        other => panic!("{other:?}"),
    };
    assert_eq!(left(0b1_0000), (vec!["BUSY"], 0));
    assert_eq!(left(0b11_0000), (vec!["BUSY"], 0b10_0000));
    // What a function said of a flag that the new kernel has, and of one that it has not.
    let called = [(0, 0b1000_0000, true), (0b100_0000, 0, true)];
    let told = |old: u8| node(|cx| cx.flags_and::<_, u8>(&lock(), old, &flags, &called));
    assert_eq!(kept(told(0b1)), (0b1000_0001, vec![]));
    assert_eq!(
        kept(told(0b100_0001)),
        (0b1000_0001, vec![vec![0b100_0001]])
    );
}

#[test]
fn a_link_of_a_list_that_was_empty_leads_to_its_new_head() {
    let head = BASE.field("list", 4, 12);
    let link = BASE.field("list.prev", 8, 16);
    let own = U32::new(NODE.1 + 4);
    let other = U32::new(NODE.1 + 12);
    let new = U32::new(MOVED + 12);

    let empty = |old: U32| kept(node(|cx| cx.empty_link::<_, U32>(&link, &head, old)));
    assert_eq!(empty(own), (new, vec![]));
    assert_eq!(empty(other), (new, vec![other.as_bytes().to_vec()]));

    let strict = |old: U32| node(|cx| cx.empty_link_strict::<_, U32>(&link, &head, old));
    assert_eq!(kept(strict(own)), (new, vec![]));
    let (rule, value, problem) = refused(strict(other));
    assert_eq!((rule, &*value), (RuleKind::Reset, "0x800c"));
    assert_eq!(problem, not_initial("0x8004 (the empty list)", ""));

    let gone = |old: U32| kept(node(|cx| cx.drop_link(&link, &head, old))).1;
    assert_eq!(gone(own), [] as [Vec<u8>; 0]);
    assert_eq!(gone(other), [other.as_bytes()]);

    let gone = |old: U32| node(|cx| cx.drop_link_strict(&link, &head, old));
    kept(gone(own));
    let (rule, value, problem) = refused(gone(other));
    assert_eq!((rule, &*value), (RuleKind::Drop, "0x800c"));
    assert_eq!(problem, not_initial("0x8004 (the empty list)", ""));

    let made = kept(node(|cx| cx.own_address::<U32>(&head)));
    assert_eq!(made, (new, vec![]));
}

#[test]
fn a_pointer_that_is_followed_has_to_lead_into_the_image() {
    let follow = |old: u32| node(|cx| cx.follow::<_, U32>(&lock(), U32::new(old)));
    assert_eq!(kept(follow(0)), (U32::new(0), vec![]));
    assert_eq!(kept(follow(NODE.1)), (U32::new(MOVED), vec![]));
    let expected = (RuleKind::Follow, String::from("0x7fff"), Problem::NotSaved);
    assert_eq!(refused(follow(0x7fff)), expected);
    // The byte behind the last object is in none.
    assert_eq!(refused(follow(0x8020)).2, Problem::NotSaved);
    let nowhere = Problem::NoSuchPlace {
        target: String::from("object 1"),
        offset: 12,
    };
    let (rule, _, problem) = refused(node(|cx| {
        cx.within_required::<_, U32>(&lock(), U32::new(NODE.1 + 12))
    }));
    assert_eq!((rule, problem), (RuleKind::Within, nowhere));
}

#[test]
fn a_pointer_into_an_object_goes_where_its_target_went() {
    let within = |old: u32| kept(node(|cx| cx.within::<_, U32>(&lock(), U32::new(old))));
    assert_eq!(within(NODE.1 + 8), (U32::new(MOVED + 16), vec![]));
    assert_eq!(within(NODE.1 + 10), (U32::new(MOVED + 18), vec![]));
    // What was the second member is the first: the way back cannot tell it from the object.
    let second = U32::new(NODE.1 + 4);
    let expected = (U32::new(MOVED), vec![second.as_bytes().to_vec()]);
    assert_eq!(within(second.get()), expected);
    // Out of the image, and at a member that is no more.
    for nowhere in [0x7000u32, NODE.1 + 12] {
        let expected = (U32::new(0), vec![nowhere.to_le_bytes().to_vec()]);
        assert_eq!(within(nowhere), expected);
    }
}

#[test]
fn a_ring_without_neighbours_leads_to_its_head() {
    let head = BASE.field("ring", 4, 12);
    let link = |old: u32| kept(node(|cx| cx.link::<_, U32>(&lock(), &head, U32::new(old))));
    assert_eq!(link(NODE.1 + 8), (U32::new(MOVED + 16), vec![]));
    let expected = (U32::new(MOVED + 12), vec![vec![0, 0x70, 0, 0]]);
    assert_eq!(link(0x7000), expected);
}

#[test]
fn a_stack_reaches_to_the_end_of_its_memory() {
    let stack = |old: u32| {
        let (value, kept) = kept(on(TASK.0, &[], |cx| {
            cx.stack::<_, U32>(&lock(), U32::new(old))
        }));
        (value.get(), kept.len())
    };
    assert_eq!(stack(TASK.1 + 8192), (TASK.1 + 8192, 0));
    assert_eq!(stack(TASK.1 + 1), (TASK.1 + 1, 0));
    assert_eq!(stack(TASK.1), (0, 1));
    assert_eq!(stack(TASK.1 + 8193), (0, 1));
    assert_eq!(stack(0), (0, 0));
}

#[test]
fn a_pointer_into_the_kernel_needs_a_name() {
    let slot = Slot {
        object: NODE.0,
        offset: 8,
        target: SlotTarget::Symbol(SymbolId(1)),
    };
    let named = |old: u32, slots: &[Slot]| {
        on(NODE.0, slots, |cx| {
            cx.symbol::<_, U32>(&lock(), U32::new(old))
        })
    };
    let (value, outcome) = named(0xc010_000c, &[slot]);
    assert_eq!((value, &outcome.findings), (U32::new(0), &vec![]));
    let moved = Slot { offset: 16, ..slot };
    assert_eq!(outcome.slots, [moved]);

    kept(named(0, &[]));
    let (rule, value, problem) = refused(named(0xc010_000c, &[]));
    assert_eq!((rule, &*value), (RuleKind::Symbol, "0xc010000c"));
    assert_eq!(problem, Problem::Unnamed);
    let elsewhere = Slot { offset: 4, ..slot };
    assert_eq!(refused(named(1, &[elsewhere])).2, Problem::Unnamed);
}

#[test]
fn functions_of_people_see_and_make_symbols_by_name() {
    let at = lock();
    let slot = |id| Slot {
        object: NODE.0,
        offset: 8,
        target: SlotTarget::Symbol(SymbolId(id)),
    };
    let name = |slots: &[Slot]| {
        let (name, _) = on(NODE.0, slots, |cx| cx.symbol_name(&at).map(String::from));
        name
    };
    assert_eq!(name(&[slot(0)]).as_deref(), Some("jiffies"));
    // A place inside a symbol is not the symbol.
    assert_eq!(name(&[slot(1)]), None);
    assert_eq!(name(&[]), None);

    let (value, outcome) = on(NODE.0, &[], |cx| {
        let _: U32 = cx.point_at_symbol(&BASE.field("a", 0, 0), "jiffies");
        let _: U32 = cx.point_at_symbol(&BASE.field("b", 0, 4), "schedule");
        let _: U32 = cx.point_at_symbol(&BASE.field("c", 0, 8), "printk");
        cx.point_at_symbol::<U32>(&BASE.field("d", 0, 12), "schedule")
    });
    assert_eq!(value, U32::new(0));
    let made: Vec<_> = outcome.symbols.iter().map(|symbol| &*symbol.name).collect();
    assert_eq!(made, ["schedule", "printk"]);
    let targets: Vec<_> = outcome.slots.iter().map(|slot| slot.target).collect();
    let expected = [0, 2, 3, 2].map(|id| SlotTarget::Symbol(SymbolId(id)));
    assert_eq!(targets, expected);
}

#[test]
fn an_address_that_does_not_fit_is_refused() {
    let short = |old: u32| node(|cx| cx.follow::<_, U16>(&lock(), U32::new(old)));
    assert_eq!(kept(short(0x8010)).0, U16::new(0x8010));
    assert_eq!(refused(short(NODE.1)).1, "81920");
    // A pointer may be kept in a signed number, which is then no negative one.
    let signed = |old: u32| node(|cx| cx.follow::<_, I16>(&lock(), U32::new(old)));
    assert_eq!(kept(signed(0x8010)).0, I16::new(0x8010_u16 as i16));
    let (rule, value, problem) = refused(signed(NODE.1));
    assert_eq!((rule, &*value), (RuleKind::Follow, "81920"));
    let range = Problem::OutOfRange {
        least: -0x8000,
        most: 0x7fff,
    };
    assert_eq!(problem, range);
}

#[test]
fn an_integer_that_does_not_fit_is_refused() {
    let narrow = |old: i32| node(|cx| cx.narrow::<_, U16>(&lock(), I32::new(old)));
    assert_eq!(kept(narrow(0xffff)).0, U16::new(0xffff));
    for old in [-1, 0x1_0000] {
        let (rule, value, problem) = refused(narrow(old));
        assert_eq!((rule, value), (RuleKind::Narrow, old.to_string()));
        let range = Problem::OutOfRange {
            least: 0,
            most: 0xffff,
        };
        assert_eq!(problem, range);
    }
}
