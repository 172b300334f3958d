//! Initial values in generated code that runs, there and back: what is at a symbol of the kernel
//! image, elements that only one side has, and numbers that moved or are counted otherwise.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod world;

#[rustfmt::skip]
#[deny(warnings)]
#[allow(missing_docs, reason = "names are those of the kernel")]
#[allow(unused_variables, reason = "not every function needs all of its parameters")]
#[allow(unused_imports, reason = "nor every file what all of them import")]
#[allow(dead_code, reason = "nor every test all that is generated")]
#[allow(unreachable_pub, reason = "a page does not know where it is linked in")]
#[allow(clippy::module_inception, reason = "modules of families are not called views or carry")]
mod generated {
    pub mod initials {
        pub mod back;
        pub mod carry;
        pub mod step;
        pub mod views;
    }
}

/// No decision of the fixture calls one.
mod overrides {}

use generated::initials::views::layouts::{vnew as new, vold as old};
use generated::initials::{back, carry, step};
use kconv_image::{Image, ObjectId, SlotTarget};
use kconv_runtime::bits::bytemuck::{Zeroable, pod_read_unaligned};
use kconv_runtime::error::ConvertError;
use kconv_runtime::finding::Problem;
use kconv_runtime::prelude::{Bytes, I32, U32};
use kconv_runtime::table::Converter;
use std::mem::offset_of;
use world::{World, through};

static FORTH: &Converter = &step::CONVERTER;
static BACK: &Converter = &back::CONVERTER;
/// Between releases of the new layout.
static SAME: &Converter = &carry::layouts::vnew::CONVERTER;

const AT: u64 = 0xc010_0000;

/// Symbols of the kernel of the freeze: name, offset, address.
const SYMBOLS: [(&str, u64, u64); 6] = [
    ("default_ops", 0, 0xc050_0000),
    ("handlers", 8, 0xc050_1008),
    ("work_fn", 0, 0xc050_2000),
    ("other_ops", 0, 0xc050_3000),
    ("handlers", 0, 0xc050_1000),
    ("init_table", 16, 0xc050_4010),
];
const DEFAULT: u32 = 0;
const SECOND: u32 = 1;
const WORK: u32 = 2;
const OTHER: u32 = 3;
const FIRST: u32 = 4;
const TABLE: u32 = 5;

fn address(symbol: u32) -> U32 {
    U32::new(SYMBOLS[symbol as usize].2 as u32)
}

/// A value of the old layout in which everything has its initial value, and where symbols are in it.
fn calm() -> (old::s, Vec<(u32, usize, u32)>) {
    let mut value = old::s::zeroed();
    let mut slots = Vec::new();
    macro_rules! at {
        ($($field:ident).+ => $symbol:ident) => {
            value.$($field).+ = address($symbol);
            slots.push((0, offset_of!(old::s, $($field).+), $symbol));
        };
    }
    at!(ops => DEFAULT);
    at!(strict_ops => DEFAULT);
    at!(handler => SECOND);
    at!(gone_ops => DEFAULT);
    at!(busy_ops => DEFAULT);
    at!(work.func => WORK);
    at!(old_work.func => WORK);
    let own = |offset: usize| U32::new((AT + offset as u64) as u32);
    let size = size_of::<old::work>();
    for index in 0..2 {
        let start = offset_of!(old::s, works) + index * size;
        value.works[index].func = address(WORK);
        slots.push((0, start + offset_of!(old::work, func), WORK));
        value.works[index].entry.next = own(start);
        value.works[index].entry.prev = own(start);
        value.locks[index].held = I32::new(1);
    }
    for index in 0..3 {
        let link = own(offset_of!(old::s, lists) + index * size_of::<old::list_head>());
        value.lists[index].next = link;
        value.lists[index].prev = link;
    }
    value.work.entry.next = own(offset_of!(old::s, work));
    value.work.entry.prev = own(offset_of!(old::s, work));
    value.old_work.entry.next = own(offset_of!(old::s, old_work));
    value.old_work.entry.prev = own(offset_of!(old::s, old_work));
    value.limits = [I32::new(7)];
    value.f_count.counter = I32::new(3);
    value.wrapped = I32::new(-4);
    value.rseq_len = U32::new(32);
    value.rseq = U32::new(0x0804_8000);
    (value, slots)
}

fn image(value: &old::s, slots: &[(u32, usize, u32)]) -> Image {
    let world = World::new(FORTH, &[("s", AT, 0)]).with_names(&SYMBOLS, slots);
    world.image(&[value.as_bytes().to_vec()])
}

fn bytes(image: &Image) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.read_object(ObjectId(0), &mut bytes).unwrap();
    bytes
}

/// Offset and symbol of every pointer that is named.
fn names(image: &Image) -> Vec<(usize, String)> {
    let head = image.head();
    let name = |target: SlotTarget| match target {
        SlotTarget::Symbol(id) => {
            let symbol = &head.symbols[id.0 as usize];
            format!("{}+{}", symbol.name, symbol.offset)
        }
        SlotTarget::Resource(_) => panic!("nothing stands for a resource"),
    };
    let slots = head.slots.iter();
    slots
        .map(|slot| (slot.offset as usize, name(slot.target)))
        .collect()
}

fn kept(image: &Image) -> Vec<String> {
    let remainder = image.head().remainder.iter();
    remainder.map(|entry| entry.field.to_string()).collect()
}

fn refused(image: &Image, converter: &'static Converter) -> Vec<String> {
    let target = converter.to.release;
    let Err(ConvertError::Refused(findings)) = through(image, &[converter], target) else {
        panic!("it was not refused");
    };
    let text = |problem: &Problem| match problem {
        Problem::NotInitial { initial, reason } => format!("{initial} ({reason})"),
        problem => problem.to_string(),
    };
    let all = findings.iter();
    all.map(|f| format!("{}: {}, not {}", f.field, f.value, text(&f.problem)))
        .collect()
}

/// Where symbols are in a new value.
fn all_new_names() -> Vec<(usize, String)> {
    let element = |index: usize| {
        let start = offset_of!(new::s, works) + index * size_of::<new::work>();
        start + offset_of!(new::work, func)
    };
    let mut names = vec![
        (offset_of!(new::s, ops), "default_ops+0"),
        (offset_of!(new::s, strict_ops), "default_ops+0"),
        (offset_of!(new::s, handler), "handlers+8"),
        (offset_of!(new::s, work.func), "work_fn+0"),
        (element(0), "work_fn+0"),
        (element(1), "work_fn+0"),
        (element(2), "work_fn+0"),
        (offset_of!(new::s, new_ops), "default_ops+0"),
        (offset_of!(new::s, init_ops), "init_table+16"),
        (offset_of!(new::s, new_work.func), "work_fn+0"),
    ];
    names.sort_unstable();
    let owned = |(at, name): (usize, &str)| (at, name.to_owned());
    names.into_iter().map(owned).collect()
}

#[test]
fn what_has_its_initial_value_has_it_there_and_nothing_is_kept() {
    let (value, slots) = calm();
    let before = image(&value, &slots);
    let after = through(&before, &[FORTH], "new").unwrap();
    assert_eq!(kept(&after), [""; 0]);
    assert_eq!(names(&after), all_new_names());

    let own = after.head().objects[0].address.0;
    let link = |offset: usize| (own + offset as u64) as u32;
    let found = pod_read_unaligned::<new::s>(&bytes(&after));
    // No number of another kernel is left.
    for number in [
        found.ops,
        found.handler,
        found.works[2].func,
        found.init_ops,
        found.nothing,
    ] {
        assert_eq!(number.get(), 0);
    }
    assert_eq!(found.cid.get(), -1);
    assert_eq!(found.locks.map(|lock| lock.held.get()), [1, 1, 1]);
    let work = |index: usize| link(offset_of!(new::s, works) + index * size_of::<new::work>());
    for index in 0..3 {
        assert_eq!(found.works[index].entry.next.get(), work(index));
        assert_eq!(found.works[index].entry.prev.get(), work(index));
    }
    assert_eq!(found.lists[0].prev.get(), link(offset_of!(new::s, lists)));
    assert_eq!(
        found.new_list.next.get(),
        link(offset_of!(new::s, new_list))
    );
    assert_eq!(found.own.get(), link(offset_of!(new::s, own)));
    let moved = &found.rseq;
    assert_eq!(found.limits.map(I32::get), [7, -1, -1]);
    assert_eq!(
        (found.f_ref.refs.get(), found.wrapped.counter.get()),
        (2, -4)
    );
    assert_eq!(
        (moved.len.get(), moved.usrptr.get(), moved.ids.get()),
        (32, 0x0804_8000, 0)
    );

    let again = through(&after, &[BACK], "old").unwrap();
    assert_eq!(kept(&again), [""; 0]);
    assert_eq!(bytes(&again), value.as_bytes());
    assert_eq!(names(&again), names(&before));
    // A chain does what its steps do.
    let chained = through(&before, &[FORTH, BACK], "old").unwrap();
    assert_eq!(bytes(&chained), value.as_bytes());
    assert_eq!(names(&chained), names(&before));
}

#[test]
fn what_is_elsewhere_is_kept_and_comes_back_with_its_name() {
    let (mut value, mut slots) = calm();
    let mut rename = |offset: usize, symbol: Option<u32>| {
        slots.retain(|(_, at, _)| *at != offset);
        slots.extend(symbol.map(|symbol| (0, offset, symbol)));
    };
    // Another symbol, the same one at another place, nothing, and something without a name.
    value.ops = address(OTHER);
    rename(offset_of!(old::s, ops), Some(OTHER));
    value.handler = address(FIRST);
    rename(offset_of!(old::s, handler), Some(FIRST));
    value.work.func = U32::new(0);
    rename(offset_of!(old::s, work.func), None);
    value.gone_ops = U32::new(0xc0aa_0000);
    rename(offset_of!(old::s, gone_ops), None);
    let element = offset_of!(old::s, works) + size_of::<old::work>();
    let element = element + offset_of!(old::work, func);
    value.works[1].func = address(OTHER);
    rename(element, Some(OTHER));
    value.old_work.func = address(OTHER);
    rename(offset_of!(old::s, old_work.func), Some(OTHER));
    value.lists[1].next = U32::new(0xc0aa_0010);

    let before = image(&value, &slots);
    let after = through(&before, &[FORTH], "new").unwrap();
    assert_eq!(names(&after), all_new_names());
    assert_eq!(
        kept(&after),
        [
            "ops",
            "handler",
            "work.func",
            "works[1].func",
            "lists[1].next",
            "gone_ops",
            "old_work.func"
        ]
    );
    let again = through(&after, &[BACK], "old").unwrap();
    assert_eq!(bytes(&again), value.as_bytes());
    assert_eq!(names(&again), names(&before));
}

/// On a kernel that is not that of the freeze all such pointers are zero, and their names count.
#[test]
fn what_is_dropped_on_another_kernel_is_kept_by_its_name() {
    let (value, slots) = calm();
    let world = World::new(BACK, &[("s", AT, 0)]);
    let forth = through(&image(&value, &slots), &[FORTH], "new").unwrap();
    let mut new_value = pod_read_unaligned::<new::s>(&bytes(&forth));
    // Frozen on the new kernel, with its own addresses, and `init_ops` at another symbol.
    let mut slots: Vec<(u32, usize, u32)> = Vec::new();
    for (offset, name) in all_new_names() {
        let is = |symbol: &(&str, u64, u64)| format!("{}+{}", symbol.0, symbol.1) == name;
        slots.push((0, offset, SYMBOLS.iter().position(is).unwrap() as u32));
    }
    let other = offset_of!(new::s, init_ops);
    slots.retain(|(_, at, _)| *at != other);
    slots.push((0, other, OTHER));
    let raw = new_value.as_mut_bytes();
    for (_, offset, symbol) in &slots {
        raw[*offset..*offset + 4].copy_from_slice(address(*symbol).as_bytes());
    }
    let before = world
        .with_names(&SYMBOLS, &slots)
        .image(&[new_value.as_bytes().to_vec()]);
    let there = through(&before, &[BACK], "old").unwrap();
    assert!(
        kept(&there).contains(&String::from("init_ops")),
        "{:?}",
        kept(&there)
    );
    // By way of the new kernel to another release of its layout: nothing is at a number.
    let elsewhere = through(&there, &[FORTH, SAME], "new-2").unwrap();
    let expected = [("other_ops+0", other)];
    for (name, offset) in expected {
        assert!(names(&elsewhere).contains(&(offset, name.to_owned())));
    }
    let found = pod_read_unaligned::<new::s>(&bytes(&elsewhere));
    assert_eq!(found.init_ops.get(), 0);
    // And once more through the old one, where only the name tells.
    let back = through(&elsewhere, &[BACK], "old").unwrap();
    let twice = through(&back, &[FORTH, SAME], "new").unwrap();
    assert_eq!(names(&twice), names(&before));
    assert_eq!(bytes(&twice), new_value.as_bytes());
}

#[test]
fn what_may_not_be_elsewhere_is_refused_by_name_or_number() {
    let (mut value, mut slots) = calm();
    slots.retain(|(_, at, _)| {
        *at != offset_of!(old::s, strict_ops) && *at != offset_of!(old::s, busy_ops)
    });
    value.strict_ops = address(FIRST);
    slots.push((0, offset_of!(old::s, strict_ops), FIRST));
    value.busy_ops = U32::new(0xc0aa_0000);
    assert_eq!(
        refused(&image(&value, &slots), FORTH),
        [
            "strict_ops: handlers, not default_ops (others are not carried)",
            "busy_ops: 0xc0aa0000, not default_ops (work in hand)",
        ]
    );
    // A symbol at another offset, as the origin of a chain may have it, is another place.
    let (mut value, mut slots) = calm();
    slots.retain(|(_, at, _)| *at != offset_of!(old::s, strict_ops));
    value.strict_ops = address(TABLE);
    slots.push((0, offset_of!(old::s, strict_ops), TABLE));
    assert_eq!(
        refused(&image(&value, &slots), FORTH),
        ["strict_ops: init_table+0x10, not default_ops (others are not carried)"]
    );
}
