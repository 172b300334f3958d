//! A structure that is, under the other layout, an object right behind the one that it was in.
//!
//! | type    | a                                   | b                                             |
//! |---------|-------------------------------------|-----------------------------------------------|
//! | `host`  | whether it has a guest, the `guest` | whether there is a `guest` right behind it    |
//! | `guest` | a pointer at itself, and a state of 8 bytes, fewer or more | 4 bytes more, and the same |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixture;

use fixture::{A, B, Sample, bytes, converted, kernel};
use kconv_image::{Image, ObjectId};
use kconv_runtime::at::At;
use kconv_runtime::bits::{Bytes, U32};
use kconv_runtime::context::Context;
use kconv_runtime::error::ConvertError;
use kconv_runtime::finding::Problem;
use kconv_runtime::placement::PlacementError;
use kconv_runtime::prelude::Machine;
use kconv_runtime::table::{
    Bits, Converter, Node, Part, PartKind, RuleKind, Span, TaskLabel, TypeConverter, TypeRules,
};

fn host(_: &mut Context<'_>, _: &At<'_>, old: &[u8], new: &mut [u8]) {
    new[..4].copy_from_slice(&old[..4]);
    new[4..].fill(0);
}

fn guest(cx: &mut Context<'_>, at: &At<'_>, old: &[u8], new: &mut [u8]) {
    let (from, to) = (old.len() - 12, new.len() - 12);
    new[..to].fill(0);
    let own = U32::new(u32::from_le_bytes(old[from..from + 4].try_into().unwrap()));
    let own: U32 = cx.within_required(&at.field("own", from, to), own);
    new[to..to + 4].copy_from_slice(own.as_bytes());
    new[to + 4..].copy_from_slice(&old[from + 4..]);
    if from > to {
        cx.drop_kept(&at.field("more", 0, 0), &old[..4], &[0; 4]);
    }
}

const PART: Part = Part {
    field: "guest",
    ty: "guest",
    from: 4,
    to: 4,
    kind: PartKind::Made,
    behind: Some(Bits::new(0, 32)),
    alone: false,
};

const fn types([host_rules, guest_rules]: [TypeRules; 2]) -> [TypeConverter; 2] {
    [
        TypeConverter {
            rules: guest_rules,
            convert: Some(guest),
        },
        TypeConverter {
            rules: host_rules,
            convert: Some(host),
        },
    ]
}

static MADE: [TypeConverter; 2] = types([
    TypeRules {
        name: "host",
        from_size: 16,
        to_size: 4,
        open: true,
        parts: &[PART],
        spans: &[Span::new(0, 0, 4)],
        groups: &[&[RuleKind::Carry.of("has")]],
        ..TypeRules::PLAIN
    },
    TypeRules {
        name: "guest",
        from_size: 12,
        to_size: 16,
        open: true,
        behind: Some("host"),
        spans: &[Span::new(0, 4, 12)],
        groups: &[&[RuleKind::Within.of("own"), RuleKind::Carry.of("state")]],
        ..TypeRules::PLAIN
    },
]);

static FOLDED: [TypeConverter; 2] = types([
    TypeRules {
        name: "host",
        from_size: 4,
        to_size: 16,
        open: true,
        parts: &[Part {
            kind: PartKind::Folded,
            ..PART
        }],
        spans: &[Span::new(0, 0, 4)],
        groups: &[&[RuleKind::Carry.of("has")]],
        ..TypeRules::PLAIN
    },
    TypeRules {
        name: "guest",
        from_size: 16,
        to_size: 12,
        open: true,
        spans: &[Span::new(4, 0, 12)],
        groups: &[&[RuleKind::Within.of("own"), RuleKind::Carry.of("state")]],
        ..TypeRules::PLAIN
    },
]);

const fn converter(
    name: &'static str,
    from: Node,
    to: Node,
    types: &'static [TypeConverter],
) -> Converter {
    Converter {
        name,
        tool: "test",
        family: "test",
        machine: Machine::I386,
        from,
        to,
        task: Some(TaskLabel {
            ty: "host",
            pid: 0,
            comm: 0,
            comm_len: 0,
        }),
        changed: types,
        carried: &[],
        gone: &[],
        read: &[],
    }
}

static THERE: Converter = converter("there", A, B, &MADE);
static BACK: Converter = converter("back", B, A, &FOLDED);

fn to(converter: &'static Converter, image: &Image) -> Result<Image, ConvertError> {
    let target = kernel(converter.to, converter.to.release);
    converted(image, &[converter], target).map(|(image, _)| image)
}

/// An image without objects.
fn empty(node: Node) -> Sample {
    let mut sample = Sample::of(node);
    sample.head.types = ["guest", "host"].map(String::from).to_vec();
    sample.head.objects.clear();
    sample.head.slots.clear();
    sample.bytes.clear();
    sample
}

/// Adds an object that owns itself.
fn add(sample: &mut Sample, ty: &str, address: u64, owner: usize, bytes: &[u8]) -> usize {
    let object = sample.add(ty, address, bytes);
    sample.head.objects[object].owner = ObjectId(owner as u32);
    object
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A host without a guest and one with a guest inside, which points at the last byte of its state; both
/// of the same length.
fn inside(state: &[u8]) -> Sample {
    let mut sample = empty(A);
    let last = 0x2008 + state.len() as u32 - 1;
    let without = [words(&[0, 7]), state.to_vec()].concat();
    let with = [words(&[1, last]), state.to_vec()].concat();
    add(&mut sample, "host", 0x1000, 0, &without);
    add(&mut sample, "host", 0x2000, 1, &with);
    sample
}

const STATES: [&[u8]; 3] = [&[1, 2, 3, 4, 5, 6, 7, 8], &[1, 2, 3], &[9; 29]];

#[test]
fn a_part_becomes_the_object_behind_and_a_part_again() {
    for state in STATES {
        let sample = inside(state);
        let image = sample.image();
        let there = to(&THERE, &image).unwrap();
        let objects = &there.head().objects;
        assert_eq!(objects.len(), 3);
        assert_eq!(bytes(&there, 0), words(&[0]));
        assert_eq!(bytes(&there, 1), words(&[1]));
        assert_eq!(objects[2].address.0, 0x2004);
        assert_eq!(
            (objects[2].owner, objects[2].part_of),
            (ObjectId(1), Some(ObjectId(1)))
        );
        // The object has a word more, and begins where the part did.
        let last = 0x200c + state.len() as u32 - 1;
        let expected = [words(&[0, last]), state.to_vec()].concat();
        assert_eq!(bytes(&there, 2), expected);
        // Of the other host there is no guest, and what it had there is kept.
        let kept = &there.head().remainder;
        let left = [words(&[7]), state.to_vec()].concat();
        assert_eq!(kept.len(), 1);
        assert_eq!(
            (kept[0].object, kept[0].offset, &*kept[0].bytes),
            (ObjectId(0), 4, &*left)
        );
        let back = to(&BACK, &there).unwrap();
        assert_eq!(back.head().objects, image.head().objects);
        assert_eq!(back.head().remainder, []);
        for object in [0, 1] {
            assert_eq!(bytes(&back, object), sample.bytes[object], "{state:?}");
        }
    }
}

/// A host with a guest behind it and one without.
fn behind(state: &[u8]) -> Sample {
    let mut sample = empty(B);
    let guest = [words(&[3, 0x100c]), state.to_vec()].concat();
    add(&mut sample, "host", 0x1000, 0, &words(&[1]));
    add(&mut sample, "guest", 0x1004, 0, &guest);
    add(&mut sample, "host", 0x2000, 2, &words(&[0]));
    sample
}

#[test]
fn an_object_behind_becomes_a_part_and_an_object_again() {
    for state in STATES {
        let sample = behind(state);
        let image = sample.image();
        let there = to(&BACK, &image).unwrap();
        let head = there.head();
        assert_eq!(head.folded_into(&head.objects[1]), Some(ObjectId(0)));
        let expected = [words(&[1, 0x1008]), state.to_vec()].concat();
        assert_eq!(bytes(&there, 0), expected);
        // As long as the other, for a kernel makes them alike.
        assert_eq!(bytes(&there, 2), vec![0; expected.len()]);
        let back = to(&THERE, &there).unwrap();
        assert_eq!(back.head().objects, image.head().objects);
        assert_eq!(back.head().remainder, []);
        for object in 0..3 {
            assert_eq!(bytes(&back, object), sample.bytes[object], "{state:?}");
        }
    }
}

fn problems(result: Result<Image, ConvertError>) -> Vec<(String, Problem)> {
    match result {
        Err(ConvertError::Refused(all)) => {
            let all = all.into_iter();
            all.map(|found| (found.value, found.problem)).collect()
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("nothing was refused"),
    }
}

#[test]
fn a_host_that_says_it_has_a_guest_needs_one() {
    let mut sample = empty(B);
    add(&mut sample, "host", 0x1000, 0, &words(&[1]));
    let expected = (String::from("0x1004"), Problem::NotBehind { ty: "guest" });
    assert_eq!(problems(to(&BACK, &sample.image())), [expected]);
}

#[test]
fn a_guest_needs_its_host() {
    let mut sample = behind(STATES[0]);
    let guest = sample.bytes[1].clone();
    add(
        &mut sample,
        "guest",
        0x3000,
        0,
        &[&words(&[0, 0x3000]), &guest[8..]].concat(),
    );
    let found = problems(to(&BACK, &sample.image()));
    assert_eq!(found, [(String::from("0x3000"), Problem::NoContainer)]);
}

#[test]
fn a_host_that_ends_before_its_guest_is_no_object_of_the_layout() {
    let mut sample = empty(A);
    add(&mut sample, "host", 0x1000, 0, &words(&[0]));
    let error = to(&THERE, &sample.image()).err().unwrap();
    let wrong = matches!(
        error,
        ConvertError::Placement(PlacementError::WrongSize { .. })
    );
    assert!(wrong, "{error}");
}
