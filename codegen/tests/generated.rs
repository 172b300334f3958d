//! The generated code that is kept in `tests/generated`, run.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod world;

/// Warnings that the crates of generated files allow are allowed here, and no others.
#[rustfmt::skip]
#[deny(warnings)]
#[allow(missing_docs, reason = "names are those of the kernel")]
#[allow(non_snake_case, reason = "and those of structures without a name are made of two")]
#[allow(unused_variables, reason = "not every function needs all of its parameters")]
#[allow(unused_imports, reason = "nor every file what all of them import")]
#[allow(dead_code, reason = "nor every test all that is generated")]
#[allow(unreachable_pub, reason = "a page does not know where it is linked in")]
#[allow(clippy::module_inception, reason = "modules of families are not called views or carry")]
mod generated {
    pub mod decisions {
        pub mod carry;
        #[deny(dead_code, reason = "a page has no function that nothing calls")]
        pub mod step;
        pub mod views;
    }
    pub mod flexible {
        pub mod carry;
        #[deny(dead_code, reason = "a page has no function that nothing calls")]
        pub mod step;
        pub mod views;
    }
    pub mod names {
        pub mod carry;
        #[deny(dead_code, reason = "a page has no function that nothing calls")]
        pub mod step;
        pub mod views;
    }
    pub mod reasons {
        pub mod carry;
        #[deny(dead_code, reason = "a page has no function that nothing calls")]
        pub mod step;
        pub mod views;
    }
    pub mod rules {
        pub mod carry;
        #[deny(dead_code, reason = "a page has no function that nothing calls")]
        pub mod step;
        pub mod views;
    }
}

mod flexible {
    pub(crate) use crate::generated::flexible::step::CONVERTER;
    pub(crate) use crate::generated::flexible::views::layouts::{vnew as new, vold as old};
}

mod names {
    pub(crate) use crate::generated::names::step::CONVERTER;
    pub(crate) use crate::generated::names::views::layouts::{vnew as new, vold as old};
}

mod reasons {
    pub(crate) use crate::generated::reasons::step::CONVERTER;
    pub(crate) use crate::generated::reasons::views::layouts::vold as old;
}

mod decisions {
    pub(crate) use crate::generated::decisions::step::CONVERTER;
    pub(crate) use crate::generated::decisions::views::layouts::{vnew as new, vold as old};
}

mod rules {
    pub(crate) use crate::generated::rules::step::CONVERTER;
    pub(crate) use crate::generated::rules::views::layouts::{vnew as new, vold as old};
}

/// What the decisions call.
mod overrides {
    use core::mem::offset_of;
    use kconv_runtime::prelude::*;

    pub(crate) fn both(
        cx: &mut Context<'_>,
        at: &At<'_>,
        lo: &I32,
        hi: &I32,
        offsets: [usize; 4],
    ) -> I64 {
        let expected = [
            offset_of!(super::decisions::old::s, hi),
            4,
            offset_of!(super::decisions::new::s, both),
            4,
        ];
        if offsets != expected {
            cx.refuse_call(at, format!("{offsets:?}"), "are no offsets of these");
        }
        I64::new((i64::from(hi.get()) << 32) | i64::from(lo.get() as u32))
    }

    pub(crate) fn asked(cx: &mut Context<'_>, at: &At<'_>, was: bool, half: &I32) -> bool {
        if was && half.get() < 0 {
            cx.refuse_call(at, half.get().to_string(), "is asked in vain");
        }
        true
    }

    pub(crate) fn made(
        _: &mut Context<'_>,
        _: &At<'_>,
        _: bool,
        half: &I32,
        same: bool,
        offsets: [usize; 2],
        constants: [u64; 3],
    ) -> bool {
        let expected = [
            offset_of!(super::decisions::old::s, half),
            offset_of!(super::decisions::new::s, number),
        ];
        same && half.get() > 100 && offsets == expected && constants == [0x100, 0x1000, 0x4000]
    }

    pub(crate) fn told(_: &mut Context<'_>, _: &At<'_>, was: bool) -> U16 {
        U16::new(u16::from(was))
    }

    pub(crate) fn half(cx: &mut Context<'_>, at: &At<'_>, half: &I32) -> I32 {
        if half.get() % 2 != 0 {
            cx.refuse_call(at, half.to_string(), "odd numbers have no half");
        }
        I32::new(half.get() / 2)
    }
}

use kconv_image::{ObjectId, Slot, SlotTarget, SymbolId};
use kconv_runtime::bits::bytemuck::{Zeroable, pod_read_unaligned};
use kconv_runtime::context::Outcome;
use kconv_runtime::error::ConvertError;
use kconv_runtime::finding::Problem;
use kconv_runtime::prelude::{Bytes, I32, U16, U32};
use world::{World, through};

/// Two objects of type `s`. The second is in the first one's way, which therefore moves.
const OLD: [u64; 2] = [0xc010_0000, 0xc010_00f0];

fn rules_world() -> World {
    World::new(&rules::CONVERTER, &[("s", OLD[0], 0), ("s", OLD[1], 1)])
}

/// An old value without anything to lose.
fn calm_rules(own: u64) -> rules::old::s {
    let mut old = rules::old::s::zeroed();
    let link = |offset: usize| U32::new((own + offset as u64) as u32);
    macro_rules! empty {
        ($($list:ident),*) => {$(
            let head = link(core::mem::offset_of!(rules::old::s, $list));
            old.$list.next = head;
            old.$list.prev = head;
        )*};
    }
    empty!(ring, plain, strict, old_list, busy_list);
    old.strict_number = I32::new(-1);
    old.lock.slock = U32::new(1);
    old.old_lock.slock = U32::new(1);
    for index in 0..2 {
        let inner = core::mem::offset_of!(rules::old::s, several) + index * 12 + 4;
        old.several[index].list.next = link(inner);
        old.several[index].list.prev = link(inner);
        for other in 0..2 {
            let inner = core::mem::offset_of!(rules::old::s, square) + (index * 2 + other) * 12 + 4;
            old.square[index][other].list.next = link(inner);
            old.square[index][other].list.prev = link(inner);
        }
    }
    let nested = link(core::mem::offset_of!(rules::old::s, nested) + 4);
    old.nested.list.next = nested;
    old.nested.list.prev = nested;
    old
}

fn convert_rules(old: &rules::old::s, slots: &[Slot]) -> (rules::new::s, Outcome) {
    let (bytes, outcome) = rules_world().convert(0, old.as_bytes(), slots);
    (pod_read_unaligned::<rules::new::s>(&bytes), outcome)
}

fn findings(outcome: &Outcome) -> Vec<String> {
    outcome
        .findings
        .iter()
        .map(|f| format!("{}: {} [{}]", f.field, f.value, f.rule.name()))
        .collect()
}

fn kept(outcome: &Outcome) -> Vec<(String, u32, Vec<u8>)> {
    let entries = outcome.remainder.iter();
    entries
        .map(|kept| (kept.field.to_string(), kept.offset, kept.bytes.to_vec()))
        .collect()
}

fn kept_text(outcome: &Outcome) -> String {
    let entries = kept(outcome);
    let lines = entries
        .iter()
        .map(|(field, at, bytes)| format!("{field} at {at}: {bytes:?}"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_value_with_nothing_to_lose_is_converted_without_a_word() {
    let (new, outcome) = convert_rules(&calm_rules(OLD[0]), &[]);
    assert_eq!(findings(&outcome), [""; 0]);
    assert_eq!(kept(&outcome), []);
    assert_eq!(outcome.faults, [""; 0]);
    let world = rules_world();
    assert_ne!(world.new_address(0), OLD[0]);
    let own = world.new_address(0) as u32;
    let at = |offset: usize| own + offset as u32;
    assert_eq!(
        new.ring.next.get(),
        at(core::mem::offset_of!(rules::new::s, ring))
    );
    assert_eq!(
        new.plain.prev.get(),
        at(core::mem::offset_of!(rules::new::s, plain))
    );
    assert_eq!(
        new.strict.prev.get(),
        at(core::mem::offset_of!(rules::new::s, strict))
    );
    assert_eq!(
        new.new_list.next.get(),
        at(core::mem::offset_of!(rules::new::s, new_list))
    );
    let square = core::mem::offset_of!(rules::new::s, square) + 2 * 12 + 4;
    assert_eq!(new.square[1][0].list.next.get(), at(square));
    assert_eq!((new.lock.slock.get(), new.lock.owner.get()), (1, 0));
    assert_eq!((new.new_lock.slock.get(), new.strict_number.get()), (1, -1));
}

#[test]
fn numbers_keep_their_value() {
    let mut old = calm_rules(OLD[0]);
    old.carried = I32::new(-5);
    old.whole = rules::old::pair {
        x: I32::new(1),
        y: I32::new(2),
    };
    old.padded.c = -3;
    old.padded._pad_1 = [0xff; 3];
    old.widened.set(-7);
    old.narrowed.set(-32768);
    old.enumerator.set(1);
    old.set_flag(-1);
    old.set_was_wide(3);
    old.was_int.set(4095);
    old.set_to_int(-8);
    old.longer = [I32::new(9)];
    old.shorter[1].set(65535);
    old.nested.a.set(-1);
    old.square[1][0].a.set(77);
    old.user.set(0xbfff_fff0);
    old.union_u = [1, 2, 3, 4];
    old.r#type.set(6);
    let (new, outcome) = convert_rules(&old, &[]);
    assert_eq!(findings(&outcome), [""; 0]);
    assert_eq!(kept(&outcome), []);
    assert_eq!(
        (new.carried.get(), new.whole.y.get(), new.padded.c),
        (-5, 2, -3)
    );
    assert_eq!(new.padded._pad_1, [0; 3]);
    assert_eq!(
        (new.widened.get(), new.narrowed.get(), new.enumerator.get()),
        (-7, -32768, 0)
    );
    assert_eq!(
        (new.flag(), new.was_wide(), new.was_int(), new.to_int.get()),
        (-1, 3, 4095, -8)
    );
    assert_eq!(new.longer.map(I32::get), [9, 0, 0]);
    assert_eq!(new.shorter.map(U32::get), [0, 65535]);
    assert_eq!((new.nested.a.get(), new.square[1][0].a.get()), (-1, 77));
    assert_eq!(
        (new.user.get(), new.union_u, new.r#type.get()),
        (0xbfff_fff0, [1, 2, 3, 4], 6)
    );
}

#[test]
fn pointers_reach_the_same_field_as_before() {
    let mut old = calm_rules(OLD[0]);
    let into = |object: usize, offset: usize| U32::new((OLD[object] + offset as u64) as u32);
    old.follow = into(1, 0);
    old.within = into(0, core::mem::offset_of!(rules::old::s, was_int));
    old.required = into(1, core::mem::offset_of!(rules::old::s, narrowed));
    old.stack = U32::new(0xc010_0010);
    old.pointers = [
        into(0, core::mem::offset_of!(rules::old::s, longer)),
        U32::new(0xdead_beef),
    ];
    old.ring.next = into(1, core::mem::offset_of!(rules::old::s, ring));
    old.symbol = U32::new(0xc011_2233);
    let symbol = core::mem::offset_of!(rules::old::s, symbol) as u32;
    let target = SlotTarget::Symbol(SymbolId(0));
    let slot = Slot {
        object: ObjectId(0),
        offset: symbol,
        target,
    };
    let (new, outcome) = convert_rules(&old, &[slot]);

    let world = rules_world();
    let now = |object: usize, offset: usize| (world.new_address(object) + offset as u64) as u32;
    assert_eq!(new.follow.get(), now(1, 0));
    // A word that became a bit-field is a place no more.
    assert_eq!(new.within.get(), 0);
    assert_eq!(
        new.required.get(),
        now(1, core::mem::offset_of!(rules::new::s, narrowed))
    );
    let longer = now(0, core::mem::offset_of!(rules::new::s, longer));
    assert_eq!(new.pointers.map(U32::get), [longer, 0, 0]);
    assert_eq!(
        new.ring.next.get(),
        now(1, core::mem::offset_of!(rules::new::s, ring))
    );
    assert_eq!(new.symbol.get(), 0);
    let moved = core::mem::offset_of!(rules::new::s, symbol) as u32;
    assert_eq!(
        outcome.slots,
        [Slot {
            offset: moved,
            ..slot
        }]
    );
    let fields: Vec<String> = kept(&outcome)
        .into_iter()
        .map(|(field, ..)| field)
        .collect();
    assert_eq!(fields, ["within", "pointers[1]"]);
    assert_eq!(findings(&outcome), [""; 0]);
}

#[test]
fn what_would_be_lost_is_refused_all_at_once() {
    let mut old = calm_rules(OLD[0]);
    old.follow = U32::new(0xdead_beef);
    old.required = U32::new((OLD[0] + 22) as u32);
    old.symbol = U32::new(0xc011_2233);
    old.resource = U32::new(1);
    old.strict.next = U32::new(0xc000_0000);
    old.strict_number.set(7);
    old.narrowed.set(40000);
    old.enumerator.set(7);
    old.set_was_wide(4);
    old.was_int.set(4096);
    old.shorter[3].set(1);
    old.busy_list.prev = U32::new(0xc000_0000);
    let (_, outcome) = convert_rules(&old, &[]);
    insta::assert_snapshot!(findings(&outcome).join("\n"), @r"
    follow: 0xdeadbeef [follow]
    required: 0xc0100016 [within]
    symbol: 0xc0112233 [symbol]
    resource: 0x1 [resource]
    strict.next: 0xc0000000 [reset]
    strict_number: 7 [reset]
    narrowed: 40000 [narrow]
    enumerator: 7 [enum-by-name]
    was_wide: 4 [bit-field]
    was_int: 4096 [bit-field]
    shorter[3]: 1 [array]
    busy_list.prev: 0xc0000000 [drop]
    ");
}

#[test]
fn what_is_reset_or_dropped_is_kept_if_it_says_something() {
    let mut old = calm_rules(OLD[0]);
    old.plain.next = U32::new(0xc000_0001);
    old.lock.slock = U32::new(0);
    old.old_lock.slock = U32::new(5);
    old.old_list.prev = U32::new(0xc000_0002);
    old.several[1].list.next = U32::new(0xc000_0003);
    old.set_old_bits(-2);
    let (new, outcome) = convert_rules(&old, &[]);
    assert_eq!(new.lock.slock.get(), 1);
    assert_eq!(findings(&outcome), [""; 0]);
    insta::assert_snapshot!(kept_text(&outcome), @r"
    plain.next at 184: [1, 0, 0, 192]
    lock.slock at 204: [0, 0, 0, 0]
    several[1].list.next at 84: [3, 0, 0, 192]
    old_lock.slock at 208: [5, 0, 0, 0]
    old_list.prev at 216: [2, 0, 0, 192]
    old_bits at 228: [6]
    ");
}

fn decisions_world() -> World {
    World::new(&decisions::CONVERTER, &[("s", OLD[0], 0)])
}

fn convert_decisions(old: &decisions::old::s) -> (decisions::new::s, Outcome) {
    let (bytes, outcome) = decisions_world().convert(0, old.as_bytes(), &[]);
    (pod_read_unaligned::<decisions::new::s>(&bytes), outcome)
}

#[test]
fn decisions_are_carried_out() {
    let mut old = decisions::old::s::zeroed();
    old.was.set(3);
    old.ticks.set(30);
    old.many = [I32::new(1), I32::new(2)];
    old.flags.set(3);
    old.cpu = [1, 2, 3, 4].map(I32::new);
    old.cpus = [1, 2, 3, 4].map(I32::new);
    old.total = [5, 0, 0].map(I32::new);
    old.lo.set(-2);
    old.hi.set(1);
    old.half.set(8);
    let (new, outcome) = convert_decisions(&old);
    let own = decisions_world().new_address(0) as u32;
    let list = own + core::mem::offset_of!(decisions::new::s, list) as u32;
    assert_eq!(
        (new.is.get(), new.ticks.get(), new.many.map(U16::get)),
        (3, 10_000, [2, 4])
    );
    assert_eq!(new.flags.get(), 0x8000_0002);
    assert_eq!((new.cpu[0].get(), new.total.get()), (10, 5));
    assert_eq!(new.cpus.map(U16::get), [8, 2]);
    assert_eq!((new.both.get(), new.half.get()), (0x1_ffff_fffe, 4));
    assert_eq!(
        (new.self_.get(), new.none.get(), new.number.get()),
        (own, 0, 65535)
    );
    assert_eq!((new.list.next.get(), new.list.prev.get()), (list, list));
    assert_eq!(
        (new.bits(), new.zero.x.get(), new.swapped.get()),
        (-1, 0, 0)
    );
    assert_eq!(findings(&outcome), [""; 0]);
    let fields: Vec<String> = kept(&outcome)
        .into_iter()
        .map(|(field, ..)| field)
        .collect();
    assert_eq!(fields, ["cpu", "cpus"]);
}

/// Of elements that have counterparts each is checked, and all are kept where some have none.
#[test]
fn a_merged_array_keeps_what_has_no_place() {
    let mut old = decisions::old::s::zeroed();
    old.cpus = [0, 65536, 0, 0].map(I32::new);
    let (_, outcome) = convert_decisions(&old);
    assert_eq!(findings(&outcome).len(), 1, "{:?}", findings(&outcome));
    assert!(findings(&outcome)[0].contains("cpus[1]"));
    assert!(kept(&outcome).is_empty());

    old.cpus = [65535, 0, 0, 1].map(I32::new);
    let (_, outcome) = convert_decisions(&old);
    assert!(findings(&outcome)[0].contains("cpus[0]"));
    let (_, _, was) = &kept(&outcome)[0];
    assert_eq!(was.as_slice(), old.cpus.as_bytes());
}

/// Flags go where their names are, and each of the others where people said.
#[test]
fn flags_go_by_name() {
    let converted = |flags: u32, half: i32| {
        let mut old = decisions::old::s::zeroed();
        old.flags.set(flags);
        old.half.set(half);
        let (new, outcome) = convert_decisions(&old);
        let kept = kept(&outcome).into_iter().map(|(field, ..)| field);
        let kept = kept.filter(|field| field == "flags").count();
        let found = outcome
            .findings
            .iter()
            .filter(|found| found.field == "flags");
        let found: Vec<String> = found.map(|found| found.problem.to_string()).collect();
        (new.flags.get(), kept, found)
    };
    let clean = |flags| (flags, 0, vec![]);
    assert_eq!(converted(0x4, 0), clean(0x4));
    assert_eq!(converted(0x1, 0), clean(0x2));
    assert_eq!(converted(0x2, 0), clean(0x8000_0000));
    assert_eq!(converted(0x100, 0), clean(0x4000));
    assert_eq!(converted(0x40, 0), clean(0));
    // Left out and kept; with another one, both.
    assert_eq!(converted(0x11, 0), (0x2, 1, vec![]));
    assert_eq!(converted(0x15, 0), (0x2, 1, vec![]));
    // What functions of people say: nothing for a flag that is no more, but that it is kept.
    assert_eq!(converted(0x80, 0), (0, 1, vec![]));
    let (flags, kept, found) = converted(0x80, -2);
    assert_eq!((flags, kept, found.len()), (0, 1, 1), "{found:?}");
    assert_eq!(converted(0x4, 102), clean(0x2004));
    assert_eq!(converted(0, 102), clean(0));
    for (flag, named) in [(0x20, "PF_BUSY"), (0x1000, "0x1000")] {
        let (flags, kept, found) = converted(flag, 0);
        assert_eq!((flags, kept, found.len()), (0, 0, 1), "{found:?}");
        assert!(found[0].contains(named), "{found:?}");
    }
}

#[test]
fn decisions_keep_or_refuse_what_they_drop() {
    let mut old = decisions::old::s::zeroed();
    old.ticks.set(31);
    old.many[1].set(40_000);
    old.flags.set(0x20 | 0x8000);
    old.total = [40_000, 1, 2].map(I32::new);
    old.half.set(7);
    old.stale.set(1);
    old.busy.set(2);
    old.stale_pair.y.set(3);
    old.busy_pair.y.set(4);
    old.stale_array[1].set(5);
    old.busy_array[1].set(6);
    old.set_stale_bits(1);
    old.set_busy_bits(-1);
    old.swapped.set(8);
    old.gone = [-1, 9].map(I32::new);
    let (new, outcome) = convert_decisions(&old);
    assert_eq!(new.grown.map(|element| element.get()), [0, 0]);
    assert_eq!(new.id.number.get(), 65534);
    insta::assert_snapshot!(findings(&outcome).join("\n"), @r"
    many[1]: 80000 [scale]
    flags: 0x8020 [flags]
    total: 40003 [merge]
    half: 7 [call]
    busy: 2 [drop]
    busy_pair.y: 4 [drop]
    busy_array: 0000000006000000 [drop]
    busy_bits: -1 [drop]
    ");
    insta::assert_snapshot!(kept_text(&outcome), @r"
    ticks at 4: [31, 0, 0, 0]
    total at 52: [64, 156, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]
    stale at 76: [1, 0, 0, 0]
    stale_pair.y at 88: [3, 0, 0, 0]
    stale_array at 100: [0, 0, 0, 0, 5, 0, 0, 0]
    stale_bits at 116: [1]
    swapped at 120: [8, 0, 0, 0]
    gone at 124: [255, 255, 255, 255, 9, 0, 0, 0]
    ");
}

#[test]
fn fields_are_carried_whatever_they_are_called() {
    let mut old = names::old::s::zeroed();
    old.of_bits.n.set(-1);
    old.of_self.n.set(-2);
    old.of_views.n.set(-3);
    old.of_mod.n.set(-4);
    old.of_self_.n.set(-5);
    old.of_twice.n.set(-6);
    old.of_untagged.n.set(-7);
    old.of_twice__2.n.set(-8);
    old.of_x_pointer.n.set(-9);
    old.r#gen.set(1);
    old.self_.set(2);
    old.__old.set(3);
    old.__new.set(4);
    old.__at_once.set(5);
    old.cx.set(6);
    old.Gen.set(7);
    old.same_at.r#gen.set(8);
    old.set_loop(5);
    old.set_async(9);
    old.set_into(6);
    old.set_try_into(13);
    old.loop_bits.set(10);
    old.was.set(11);
    old.__oldest.set(12);
    let world = World::new(&names::CONVERTER, &[("s", OLD[0], 0)]);
    let (bytes, outcome) = world.convert(0, old.as_bytes(), &[]);
    let new = pod_read_unaligned::<names::new::s>(&bytes);
    let nested = [
        &new.of_bits.n,
        &new.of_self.n,
        &new.of_views.n,
        &new.of_mod.n,
        &new.of_self_.n,
        &new.of_twice.n,
        &new.of_untagged.n,
        &new.of_twice__2.n,
        &new.of_x_pointer.n,
    ];
    let carried = [-1, -2, -3, -4, -5, -6, -7, -8, -9];
    assert_eq!(nested.map(|n| n.get()), carried);
    let numbers = [
        new.r#gen,
        new.self_,
        new.__old,
        new.__new,
        new.__at_once,
        new.cx,
        new.Gen,
        new.same_at.r#gen,
    ];
    assert_eq!(numbers.map(I32::get), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(
        (new.r#loop(), new.r#async(), new.loop_bits.get()),
        (5, 9, 10)
    );
    assert_eq!((new.into_(), new.try_into_()), (6, 13));
    assert_eq!((new.is.get(), new.__oldest.get()), (11, 0));
    let mut fields: Vec<String> = kept(&outcome).into_iter().map(|kept| kept.0).collect();
    fields.sort();
    assert_eq!(fields, ["__oldest", "move.next", "move.prev"]);
    assert_eq!(findings(&outcome), [""; 0]);
}

#[test]
fn an_array_of_no_elements_takes_nothing_along() {
    let mut old = flexible::old::s::zeroed();
    old.n.set(7);
    old.r.c = -1;
    let world = World::new(&flexible::CONVERTER, &[("s", OLD[0], 0)]);
    let (bytes, outcome) = world.convert(0, old.as_bytes(), &[]);
    let new = pod_read_unaligned::<flexible::new::s>(&bytes);
    assert_eq!((new.a.get(), new.n.get(), bytes.len()), (0, 7, 16));
    assert_eq!((new.r.c, new.r.x.get()), (-1, 0));
    assert_eq!(
        (findings(&outcome), kept(&outcome)),
        (Vec::new(), Vec::new())
    );
}

/// The rules are looked up by type and path only when something is refused.
#[test]
fn a_finding_names_the_reason_of_its_field() {
    let mut s = reasons::old::s::zeroed();
    s.number.set(1);
    s.nested.tx.set(2);
    s.several[1].tx.set(3);
    s.grid[1][0].tx.set(4);
    s.owner.busy.set(5);
    s.gone.set(6);
    s.gone_array[1].set(7);
    s.set_gone_bits(1);
    s.swapped.set(8);
    let mut array = [reasons::old::inner::zeroed(); 3];
    array[2].tx.set(9);
    let objects = [("s", 0xc010_0000, 0), ("inner", 0xc020_0000, 0)];
    let world = World::new(&reasons::CONVERTER, &objects).with_count(1, 3);
    let image = world.image(&[s.as_bytes().to_vec(), array.as_bytes().to_vec()]);
    let Err(ConvertError::Refused(findings)) = through(&image, &[&reasons::CONVERTER], "new")
    else {
        panic!("it was not refused");
    };
    let told: Vec<String> = findings
        .iter()
        .map(|finding| {
            let Problem::NotInitial { reason, .. } = finding.problem else {
                panic!("{finding:?}");
            };
            format!("{}: {} ({reason})", finding.field, finding.value)
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    grid[1][0].tx: 4 (a transaction)
    several[1].tx: 3 (a transaction)
    nested.tx: 2 (a transaction)
    number: 1 (a number)
    gone: 6 (work in hand (fs/a.c: f))
    gone_array: 0000000007000000 (more work (fs/a.c: f))
    gone_bits: 1 (little work (fs/a.c: f))
    swapped: 8 (a number once (fs/a.c: f))
    [2].tx: 9 (a transaction)
    owner.busy: 5 (an owner at work)
    ");
}
