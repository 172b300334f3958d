//! Objects that lie right behind others without a pointer that leads to them, as the register state
//! of a task does from Linux 6.16 on: planned where both layouts have them so, and where one has them
//! as a member, and converted there and back.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

#[allow(dead_code, reason = "all fixtures that files are made of")]
#[path = "fixture/emitted.rs"]
mod emitted;
mod fixture;
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
    pub mod moved_behind {
        pub mod back;
        pub mod carry;
        pub mod step;
        pub mod views;
    }
    pub mod trailing {
        pub mod back;
        pub mod carry;
        pub mod step;
        pub mod views;
    }
}

/// No decision of the fixture calls one.
mod overrides {}

use fixture::Fixture;
use generated::trailing::views::layouts::{vnew as new, vold as old};
use generated::trailing::{back, step};
use kconv_codegen::coverage::{self, CoverageFinding};
use kconv_codegen::overrides::Overrides;
use kconv_codegen::plan::{Pair, Plan, Side, Why};
use kconv_image::{Image, ObjectId};
use kconv_runtime::bits::bytemuck::{Zeroable, pod_read_unaligned};
use kconv_runtime::error::ConvertError;
use kconv_runtime::finding::Problem;
use kconv_runtime::prelude::{Bytes, I32, U32};
use kernel_structs::layout::{Keep, Layout, Type};
use kernel_structs::releases::Registry;
use kernel_structs_routes::bzimage::{DEFAULT_LIMIT, Kernel};
use std::mem::{offset_of, size_of};
use world::{World, through};

const RULES: &str = "[[derived]]
type = \"fpu\"
owner = \"s\"
behind = true
when = \"mm\"
lacks = [\"thread.fpu\"]
reason = \"right behind the task\"
[type.fpu]
saved = true
[type.s.fields]
mm = { policy = \"user\", reason = \"a test\" }
";

const FPU: &str = "struct fpu { int last; char state[64]; };";

/// A task whose thread has its `fpu` inside, or whose `fpu` is the object behind it.
fn task(inside: bool) -> String {
    let member = if inside { "struct fpu fpu;" } else { "" };
    format!(
        "{FPU} struct thread {{ int sp; {member} }}; struct s {{ void *mm; struct thread thread; }};"
    )
}

#[test]
fn behind_on_both_sides_it_is_an_object() {
    let made = Fixture::of(&task(false), &task(false)).rules(RULES).make();
    assert_eq!(made.undecided, []);
    let fpu = &made.plan.types["fpu"];
    assert_eq!((fpu.object, fpu.behind.as_deref()), (true, Some("s")));
    assert_eq!((fpu.open, made.plan.types["s"].open), (false, false));
    // The memory of both is said of the owner, and the object behind has what is left of it.
    let sized = RULES.replace(
        "[type.fpu]",
        "[type.s]\nsaved = true\nsize = { variable = \"whole\" }\n[type.fpu]",
    );
    let mut fixture = Fixture::of(&task(false), &task(false));
    fixture.map = fixture::state_map(&[], &sized);
    let made = fixture.make();
    assert_eq!(made.undecided, []);
    let open = |ty: &str| made.plan.types[ty].open;
    assert_eq!((open("fpu"), open("s")), (true, false));
}

/// What nobody reads needs no decision and no function: the elements of an array of none.
#[test]
fn elements_that_no_object_has_are_not_planned() {
    let of = |element: &str| {
        format!("struct e {{ {element} }}; struct s {{ int n; struct e els[0]; }};")
    };
    let fixture = Fixture::of(&of("int a;"), &of("int a; int b;"));
    let made = fixture.make();
    assert_eq!(made.undecided, []);
    let names: Vec<&String> = made.plan.types.keys().collect();
    assert!(!names.iter().any(|name| *name == "e"), "{names:?}");
}

/// An object that goes on behind the end of its type is carried there as it is, so that what the
/// type says of that must not change.
#[test]
fn elements_behind_the_end_of_a_type_are_the_same_or_undecided() {
    let of = |element: &str| {
        format!(
            "struct e {{ {element} }};
            struct regs {{ int n; struct e els[0]; }};
            struct s {{ int size; struct regs regs; }};"
        )
    };
    let undecided = |old: &str, new: &str| {
        let mut fixture = Fixture::of(&of(old), &of(new));
        let sized = "[type.s]\nsaved = true\nsize = { variable = \"whole\" }\n";
        fixture.map = fixture::state_map(&[], sized);
        fixture.make().undecided
    };
    assert_eq!(undecided("int a;", "int a;"), []);
    let changed = |old: &str, new: &str| {
        let of = |end: &str| {
            format!(
                "struct e {{ int a; }}; struct f {{ int a; int c; }};
                struct regs {{ int n; {end} }}; struct s {{ int size; struct regs regs; }};"
            )
        };
        let mut fixture = Fixture::of(&of(old), &of(new));
        let sized = "[type.s]\nsaved = true\nsize = { variable = \"whole\" }\n";
        fixture.map = fixture::state_map(&[], sized);
        let told = fixture.make().undecided;
        told.iter()
            .filter(|one| one.why == Why::BehindChanged)
            .count()
    };
    // With another name, none at all, and as arrays of one.
    assert_eq!(changed("struct e x[0];", "struct f y[0];"), 2);
    assert_eq!(changed("struct e x[0];", ""), 1);
    assert_eq!(changed("", "struct e x[0];"), 1);
    assert_eq!(changed("struct e x[1];", "struct f x[1];"), 1);
    assert_eq!(changed("struct e x[1];", "struct e x[1];"), 0);
    let [one] = &undecided("int a;", "int a; int b;")[..] else {
        panic!("one is undecided");
    };
    assert_eq!((one.ty.as_str(), one.field.as_str()), ("s", "regs.els"));
    let declared = one.old.as_ref().map(ToString::to_string);
    assert_eq!(declared.as_deref(), Some("struct e [] at 8, 0 bytes"));
    assert_eq!(one.why, Why::BehindChanged);
    assert!(one.advice().contains("a `tail` of s"), "{}", one.advice());
}

#[test]
fn inside_on_both_sides_it_is_a_member() {
    let made = Fixture::of(&task(true), &task(true)).rules(RULES).make();
    assert_eq!(made.undecided, []);
    // One that was an object at the freeze has a place in the index, and no bytes of its own.
    let objects = made.plan.types.values().filter(|ty| ty.object);
    let names: Vec<&str> = objects.map(|ty| ty.name.as_str()).collect();
    assert_eq!(names, ["fpu", "s", "task"]);
    assert!(made.plan.types.values().all(|ty| ty.behind.is_none()));
    assert!(made.plan.types.values().all(|ty| ty.part_behind.is_none()));
}

/// The rules with tasks that are saved: as large as their type, and of a size that the kernel says.
fn saved() -> (String, String) {
    let task = |more: &str| {
        let task = format!("[type.s]\nsaved = true\n{more}[type.s.fields]");
        RULES.replace("[type.s.fields]", &task)
    };
    (task(""), task("size = { variable = \"whole\" }\n"))
}

#[test]
fn inside_on_one_side_and_behind_on_the_other_the_one_becomes_the_other() {
    let (whole, sized) = saved();
    for (rules, open) in [(&whole, false), (&sized, true)] {
        for made in [true, false] {
            let mut fixture = Fixture::of(&task(made), &task(!made));
            fixture.map = fixture::state_map(&[], rules);
            let plan = fixture.make();
            assert_eq!(plan.undecided, []);
            let (s, fpu) = (&plan.plan.types["s"], &plan.plan.types["fpu"]);
            let part = s.part_behind.as_ref().unwrap();
            assert_eq!(part.path.to_string(), "thread.fpu");
            // Behind `mm` and `sp`; and behind both, where the other kernel's task ends.
            assert_eq!((part.made, part.from, part.to), (made, 8, 8));
            assert_eq!((part.when.offset, part.when.len), (0, 32));
            assert_eq!(fpu.behind.as_deref(), made.then_some("s"));
            assert_eq!((fpu.object, fpu.open, s.open), (true, open, open));
            let thread = &plan.plan.types["thread"];
            let told = if made { &thread.drops } else { &thread.fields };
            let told = told
                .iter()
                .find(|field| field.path.to_string() == "fpu")
                .unwrap();
            assert_eq!(told.reason.to_string(), "right behind the task");
        }
    }
}

/// What the state map says of `fpu`, where the old layout is `task` and the new one has it behind.
fn left_open(task: &str, rules: &str) -> Vec<String> {
    let mut fixture = Fixture::of(&format!("{FPU} {task}"), &self::task(false));
    fixture.map = fixture::state_map(&[], rules);
    let made = fixture.make();
    let all = made.undecided.iter();
    all.map(|open| format!("{open}: {}", open.advice()))
        .collect()
}

#[test]
fn what_is_not_one_member_at_the_end_is_undecided() {
    let expected = "fpu is an object right behind s in new, and not one member of that in the other layout, at its end; nothing makes the one of the other: an object is made of one member,";
    let (whole, sized) = saved();
    let thread = "struct thread { int sp; struct fpu fpu; };";
    let twice =
        format!("{thread} struct s {{ void *mm; struct thread thread; struct thread other; }};");
    let early = format!("{thread} struct s {{ struct thread thread; void *mm; }};");
    let elsewhere = format!("{thread} struct s {{ void *mm; struct thread *thread; }};");
    for (task, rules) in [(&twice, &whole), (&early, &sized), (&elsewhere, &whole)] {
        let open = left_open(task, rules);
        assert!(
            open.iter().any(|open| open.starts_with(expected)),
            "{task}: {open:#?}"
        );
    }
    // Of a fixed size, both end where their types do.
    let open = left_open(&early, &whole);
    assert!(
        !open.iter().any(|open| open.starts_with("fpu is")),
        "{open:#?}"
    );
    // Nor is the member forgotten where nothing is made of it.
    let open = left_open(&twice, &whole);
    assert!(
        open.iter().any(|open| open.starts_with("thread.fpu is")),
        "{open:#?}"
    );
}

/// Every bit of the member is a bit of the object, and the object around it says so.
#[test]
fn the_proof_holds_the_member_against_the_object() {
    for decided_back in [false, true] {
        let fixture = emitted::moved_behind();
        let (made, old, new) = match decided_back {
            false => (fixture.make(), &fixture.old, &fixture.new),
            true => (fixture.make_back().unwrap(), &fixture.new, &fixture.old),
        };
        let findings = |change: &dyn Fn(&mut Plan)| {
            let mut plan = made.plan.clone();
            change(&mut plan);
            coverage::check(&plan, old, new)
        };
        assert_eq!(findings(&|_| {}), []);
        let misfit = CoverageFinding::Misfit {
            ty: String::from("thread"),
            field: String::from("fpu"),
            rule: if decided_back { "fold" } else { "make" },
        };
        let smaller = |plan: &mut Plan| {
            let thread = plan.types.get_mut("thread").unwrap();
            let mut all = thread.fields.iter_mut().chain(&mut thread.drops);
            let fpu = all.find(|field| field.path.to_string() == "fpu").unwrap();
            let place = fpu.from.as_mut().or(fpu.to.as_mut()).unwrap();
            place.bits.len -= 8;
        };
        assert!(findings(&smaller).contains(&misfit));
        let unsaid = |plan: &mut Plan| plan.types.get_mut("s").unwrap().part_behind = None;
        assert_eq!(findings(&unsaid), [misfit]);
    }
}

#[test]
fn a_layout_that_has_not_even_the_type_is_told() {
    let without = "struct s { void *mm; };";
    let made = Fixture::of(without, &task(false)).rules(RULES).make();
    let open: Vec<String> = made.undecided.iter().map(ToString::to_string).collect();
    assert!(
        open.contains(&String::from("fpu is saved, but old has no such type")),
        "{open:?}"
    );
}

const AT: [u64; 2] = [0xc010_0000, 0xc020_0000];

/// Two tasks with what lies behind them, which is so many bytes longer than its type.
fn image(surplus: i64) -> (Image, Vec<Vec<u8>>) {
    let size = size_of::<old::s>() as u64;
    let objects = [
        ("s", AT[0], 0),
        ("fpu", AT[0] + size, 0),
        ("s", AT[1], 2),
        ("fpu", AT[1] + size, 2),
    ];
    let mut bytes = Vec::new();
    for task in 0..2 {
        let mut s = old::s::zeroed();
        s.mm = U32::new(0x77);
        s.thread.sp = I32::new(5 + task);
        // At the state behind the other one.
        let other = AT[1 - task as usize] + size + offset_of!(old::fpu, state) as u64;
        s.current_state = U32::new(other as u32);
        bytes.push(s.as_bytes().to_vec());
        let mut fpu = old::fpu::zeroed();
        fpu.last = I32::new(-1);
        fpu.was = I32::new(9);
        let mut fpu = fpu.as_bytes().to_vec();
        fpu.resize((fpu.len() as i64 + surplus) as usize, 0);
        let state = offset_of!(old::fpu, state);
        let filled = (1..).map(|n: usize| (n % 251) as u8);
        for (byte, value) in fpu[state..].iter_mut().zip(filled) {
            *byte = value;
        }
        bytes.push(fpu);
    }
    let world = World::new(&step::CONVERTER, &objects)
        .with_size(1, bytes[1].len() as u64)
        .with_size(3, bytes[3].len() as u64);
    (world.image(&bytes), bytes)
}

fn bytes(image: &Image, object: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.read_object(ObjectId(object), &mut bytes).unwrap();
    bytes
}

#[test]
fn it_goes_where_its_owner_goes_and_comes_back() {
    for surplus in [0, -40, 500] {
        let (before, all) = image(surplus);
        let after = through(&before, &[&step::CONVERTER], "new").unwrap();
        let objects = &after.head().objects;
        for owner in [0, 2] {
            let end = objects[owner].address.0 + objects[owner].size;
            assert_eq!(objects[owner + 1].address.0, end);
        }
        let task = pod_read_unaligned::<new::s>(&bytes(&after, 0));
        let state = offset_of!(new::fpu, state);
        let other = objects[3].address.0 + state as u64;
        assert_eq!(u64::from(task.current_state.get()), other);
        let fpu = bytes(&after, 1);
        let was = &all[1][offset_of!(old::fpu, state)..];
        assert_eq!(&fpu[state..], was, "{surplus}");
        let again = through(&after, &[&back::CONVERTER], "old").unwrap();
        for (object, expected) in (0..).zip(&all) {
            assert_eq!(&bytes(&again, object), expected);
        }
        assert_eq!(again.head().objects, before.head().objects);
    }
}

/// A task with its register state inside, and one with it right behind.
mod moved {
    pub(super) use crate::generated::moved_behind::views::layouts::{vnew as new, vold as old};
    pub(super) use crate::generated::moved_behind::{back, carry, step};
}

/// Numbers to fill a state with.
fn filled(bytes: &mut [u8]) {
    let values = (1..).map(|n: usize| (n % 251) as u8);
    for (byte, value) in bytes.iter_mut().zip(values) {
        *byte = value;
    }
}

/// Three tasks that end so many bytes behind their type: two whose registers are somebody's, and one
/// that has ended, of which the last registers are left.
fn inside(surplus: i64) -> (Image, Vec<Vec<u8>>) {
    use moved::old;
    let size = (size_of::<old::s>() as i64 + surplus) as usize;
    let fpu = offset_of!(old::s, thread.fpu);
    let at = [AT[0], AT[1], AT[1] + 0x10_0000];
    let mut bytes = Vec::new();
    for task in 0..3 {
        let mut s = old::s::zeroed();
        s.thread.sp = I32::new(5 + task as i32);
        s.thread.fpu.was = I32::new(9);
        s.thread.fpu.last = I32::new(if task == 1 { 3 } else { 7 });
        if task < 2 {
            s.mm = U32::new(0x77);
            let state =
                |task: usize| (at[task] as usize + fpu + offset_of!(old::fpu, state)) as u32;
            s.current_state = U32::new(state(1 - task));
            s.thread.fpu.own = U32::new(state(task) + 4);
        }
        let mut s = s.as_bytes().to_vec();
        s.resize(size, 0);
        filled(&mut s[fpu + offset_of!(old::fpu, state)..]);
        bytes.push(s);
    }
    let objects: Vec<_> = (0..3).map(|task| ("s", at[task], task as u32)).collect();
    let mut world = World::new(&moved::step::CONVERTER, &objects);
    for task in 0..3 {
        world = world.with_size(task, size as u64);
    }
    (world.image(&bytes), bytes)
}

#[test]
fn a_member_becomes_the_object_behind_and_a_member_again() {
    use moved::{back, new, step};
    for surplus in [0, -40, 500] {
        let (before, all) = inside(surplus);
        let after = through(&before, &[&step::CONVERTER], "new").unwrap();
        let objects = &after.head().objects;
        let names: Vec<&str> = objects.iter().map(|o| after.head().type_name(o)).collect();
        assert_eq!(names, ["s", "s", "s", "fpu", "fpu"]);
        for (task, fpu) in [(0, 3), (1, 4)] {
            let (s, part) = (&objects[task], &objects[fpu]);
            assert_eq!(s.size, size_of::<new::s>() as u64);
            assert_eq!(part.address.0, s.address.0 + s.size);
            assert_eq!(part.size as i64, size_of::<new::fpu>() as i64 + surplus);
            assert_eq!(
                (part.owner.0, part.part_of),
                (task as u32, Some(ObjectId(task as u32)))
            );
            let found = bytes(&after, fpu as u32);
            let state = offset_of!(new::fpu, state);
            let was = &all[task][offset_of!(moved::old::s, thread.fpu.state)..];
            assert_eq!(&found[state..], was, "{surplus}");
            let pointer = |at: usize| pod_read_unaligned::<U32>(&found[at..at + 4]).get();
            assert_eq!(pointer(offset_of!(new::fpu, last)), 7);
            let own = part.address.0 as usize + state + 4;
            assert_eq!(pointer(offset_of!(new::fpu, own)) as usize, own);
            let other = objects[7 - fpu].address.0 as usize + state;
            let s = pod_read_unaligned::<new::s>(&bytes(&after, task as u32));
            assert_eq!(s.current_state.get() as usize, other);
            assert_eq!((s.mm.get(), s.thread.sp.get()), (0x77, 5 + task as i32));
        }
        let kept = after.head().remainder.iter();
        let kept: Vec<_> = kept.map(|kept| (kept.object.0, &*kept.field)).collect();
        assert_eq!(kept, [(1, "thread.fpu.last"), (2, "thread.fpu")]);

        let home = through(&after, &[&back::CONVERTER], "old").unwrap();
        assert_eq!(home.head().objects, before.head().objects);
        assert_eq!(home.head().remainder, []);
        for (object, expected) in (0..).zip(&all) {
            assert_eq!(&bytes(&home, object), expected, "{surplus}");
        }
        // In one go, what is kept on the way is not put back; but all is where it was.
        let chain = [&step::CONVERTER, &back::CONVERTER];
        let chain = through(&before, &chain, "old").unwrap();
        assert_eq!(chain.head().objects, before.head().objects);
    }
}

/// Two tasks with what lies behind them, and one that has ended.
fn behind(surplus: i64) -> (World, Vec<Vec<u8>>) {
    use moved::new;
    let size = size_of::<new::s>();
    let at = [AT[0], AT[1], AT[1] + 0x10_0000];
    let end = size as u64;
    let objects = [
        ("s", at[0], 0),
        ("fpu", at[0] + end, 0),
        ("s", at[1], 2),
        ("fpu", at[1] + end, 2),
        ("s", at[2], 4),
    ];
    let mut bytes = Vec::new();
    for (task, at) in at.into_iter().enumerate() {
        let mut s = new::s::zeroed();
        s.thread.sp = I32::new(5 + task as i32);
        s.flags[8] = I32::new(6);
        let state = at as usize + size + offset_of!(new::fpu, state);
        if task < 2 {
            s.mm = U32::new(0x77);
            s.current_state = U32::new(state as u32);
        }
        bytes.push(s.as_bytes().to_vec());
        if task < 2 {
            let mut fpu = new::fpu::zeroed();
            fpu.last = I32::new(2);
            fpu.own = U32::new(state as u32 + 4);
            fpu.is[1] = I32::new(8);
            let mut fpu = fpu.as_bytes().to_vec();
            fpu.resize((fpu.len() as i64 + surplus) as usize, 0);
            filled(&mut fpu[offset_of!(new::fpu, state)..]);
            bytes.push(fpu);
        }
    }
    let world = World::new(&moved::back::CONVERTER, &objects)
        .with_size(1, bytes[1].len() as u64)
        .with_size(3, bytes[3].len() as u64);
    (world, bytes)
}

#[test]
fn an_object_behind_becomes_a_member_and_an_object_again() {
    use moved::{back, carry, old, step};
    for surplus in [0, -40, 500] {
        let (world, all) = behind(surplus);
        let before = world.image(&all);
        let inside = through(&before, &[&back::CONVERTER], "old").unwrap();
        let head = inside.head();
        let size = size_of::<old::s>() as i64 + surplus;
        for (task, fpu) in [(0, 1), (2, 3)] {
            let (s, part) = (&head.objects[task], &head.objects[fpu]);
            assert_eq!(s.size as i64, size);
            assert_eq!(head.folded_into(part), Some(ObjectId(task as u32)));
            let start = offset_of!(old::s, thread.fpu);
            assert_eq!(part.address.0, s.address.0 + start as u64);
            let found = bytes(&inside, task as u32);
            let state = offset_of!(old::s, thread.fpu.state);
            assert_eq!(
                &found[state..],
                &all[fpu][offset_of!(moved::new::fpu, state)..]
            );
            let own = offset_of!(old::s, thread.fpu.own);
            let own = pod_read_unaligned::<U32>(&found[own..own + 4]).get();
            assert_eq!(u64::from(own), s.address.0 + state as u64 + 4);
        }
        // All tasks of a kernel are of one size, also one that has no registers any more.
        assert_eq!(head.objects[4].size as i64, size);

        // To another release of the old layout, and on from there.
        let same = &carry::layouts::vold::CONVERTER;
        let elsewhere = through(&inside, &[same], "old-2").unwrap();
        assert_eq!(elsewhere.head().objects, head.objects);
        let home = through(&inside, &[&step::CONVERTER], "new").unwrap();
        assert_eq!(home.head().remainder, []);
        let on = |image, chain: &[_]| through(image, chain, "new").unwrap();
        let is = |converted: &Image, all: &[Vec<u8>]| {
            assert_eq!(converted.head().objects, before.head().objects);
            for (object, expected) in (0..).zip(all) {
                assert_eq!(&bytes(converted, object), expected, "{surplus} {object}");
            }
        };
        is(&home, &all);
        is(&on(&elsewhere, &[&step::CONVERTER]), &all);
        // In one go, what is kept on the way is not put back.
        let mut all = all;
        for (object, fpu) in [(0, Some(1)), (2, Some(3)), (4, None)] {
            let flags = offset_of!(moved::new::s, flags);
            all[object][flags..flags + 36].fill(0);
            if let Some(fpu) = fpu {
                all[fpu][..12].fill(0);
                let last = offset_of!(moved::new::fpu, last);
                all[fpu][last..last + 4].copy_from_slice(I32::new(7).as_bytes());
            }
        }
        is(&on(&before, &[&back::CONVERTER, &step::CONVERTER]), &all);
        is(
            &on(&before, &[&back::CONVERTER, same, &step::CONVERTER]),
            &all,
        );
    }
}

#[test]
fn a_task_without_what_belongs_behind_it_is_refused() {
    let (_, mut all) = behind(0);
    let objects = [("s", AT[0], 0)];
    let world = World::new(&moved::back::CONVERTER, &objects);
    let mut alone = |mm: u32| {
        let bytes = all[0].as_mut_slice();
        bytes[offset_of!(moved::new::s, mm)..][..4].copy_from_slice(U32::new(mm).as_bytes());
        bytes[offset_of!(moved::new::s, current_state)..][..4].fill(0);
        through(&world.image(&all[..1]), &[&moved::back::CONVERTER], "old")
    };
    let Err(ConvertError::Refused(findings)) = alone(1) else {
        panic!("a task without registers was converted");
    };
    let end = AT[0] + size_of::<moved::new::s>() as u64;
    let found = findings
        .iter()
        .map(|found| (&*found.field, &*found.value, &found.problem));
    let expected = (
        "thread.fpu",
        &*format!("{end:#x}"),
        &Problem::NotBehind { ty: "fpu" },
    );
    assert_eq!(found.collect::<Vec<_>>(), [expected]);
    alone(0).unwrap();
}

#[test]
fn an_object_that_lies_behind_nothing_is_refused() {
    let (_, all) = behind(0);
    let size = size_of::<moved::new::s>() as u64;
    let objects = [("s", AT[0], 0), ("fpu", AT[0] + size, 0), ("fpu", AT[1], 0)];
    let world = World::new(&moved::back::CONVERTER, &objects);
    let bytes = [&all[0], &all[1], &all[1]].map(|bytes| bytes.clone());
    let Err(ConvertError::Refused(findings)) =
        through(&world.image(&bytes), &[&moved::back::CONVERTER], "old")
    else {
        panic!("it was converted");
    };
    let problems: Vec<_> = findings.iter().map(|found| &found.problem).collect();
    assert!(problems.contains(&&Problem::NoContainer), "{problems:?}");
}

/// `KCONV_VMLINUZ=/boot/vmlinuz-6.16… cargo test -p kconv-codegen --test trailing -- --ignored`
#[test]
#[ignore = "needs a kernel from 6.16 on: its vmlinuz in KCONV_VMLINUZ"]
fn the_register_state_of_a_real_kernel_lies_behind_its_task() {
    let path = std::env::var_os("KCONV_VMLINUZ").expect("KCONV_VMLINUZ names no vmlinuz");
    let kernel = Kernel::read(&std::fs::read(path).unwrap(), DEFAULT_LIMIT).unwrap();
    let registry = Registry::builtin().unwrap();
    let map = registry.state_map("linux-6").unwrap();
    let whole = kernel.layout().unwrap();
    assert_eq!(map.behind(&whole, "fpu").unwrap().owner, "task_struct");
    // It ends in the registers, as the size of both is reckoned.
    let keep = Keep {
        // What is read to name resources is no matter of this.
        partial: Default::default(),
        ..map.keep_of(&whole)
    };
    let layout = whole.minimise(&keep).unwrap();
    let fpu = layout.find("fpu").unwrap();
    let Type::Composite(composite) = layout.get(layout.strip(fpu)) else {
        panic!("{fpu:?}");
    };
    let last = composite.members.last().unwrap();
    assert_eq!(last.name.as_deref(), Some("__fpstate"));

    let older = registry
        .release("6.12.117+deb12-amd64", None, None)
        .unwrap();
    let older = registry.layout(&older.layout).unwrap();
    assert!(map.behind(&older, "fpu").is_none());
    let side = |name: &'static str, layout| Side {
        release: name,
        layout_name: name,
        fingerprint: Layout::fingerprint(layout, &map.saved_in(layout)).unwrap(),
        layout,
    };
    let open = |from, to| {
        let made = Plan::make(&Pair {
            converter: "c",
            machine: "amd64",
            from,
            to,
            map: &map,
            overrides: &Overrides::default(),
        });
        let of_fpu = made.undecided.iter().filter(|open| open.ty == "fpu");
        let told: Vec<String> = of_fpu.map(ToString::to_string).collect();
        (told, made.plan)
    };
    let (new, old) = (side("newer", &layout), side("older", &older));
    let (told, plan) = open(new, new);
    assert_eq!(told, [""; 0]);
    let (fpu, task) = (&plan.types["fpu"], &plan.types["task_struct"]);
    assert_eq!(fpu.behind.as_deref(), Some("task_struct"));
    assert_eq!((fpu.object, fpu.open, task.open), (true, true, false));
    // What is carried at the end can be longer or shorter.
    let last = fpu.spans.last().unwrap();
    assert_eq!(last.from + last.len, fpu.from_size);
    // Between a kernel that has it inside and this one each becomes the other.
    for (from, to, made) in [(old, new, true), (new, old, false)] {
        let (told, plan) = open(from, to);
        assert_eq!(told, [""; 0]);
        let (fpu, task) = (&plan.types["fpu"], &plan.types["task_struct"]);
        let part = task.part_behind.as_ref().unwrap();
        assert_eq!(
            (part.path.to_string().as_str(), part.made),
            ("thread.fpu", made)
        );
        let [inside, outside] = if made { [from, to] } else { [to, from] }.map(|side| side.layout);
        let size = |layout: &Layout, ty: &str| layout.size_of(layout.find(ty).unwrap()).unwrap().0;
        let start = size(inside, "task_struct") - size(inside, "fpu");
        let end = size(outside, "task_struct");
        let expected = if made { (start, end) } else { (end, start) };
        assert_eq!((part.from, part.to), expected);
        assert_eq!((fpu.object, fpu.open, task.open), (true, true, true));
        let thread = &plan.types["thread_struct"];
        let mut told = thread.fields.iter().chain(&thread.drops);
        let told = told.find(|field| field.path.to_string() == "fpu").unwrap();
        assert!(told.reason.to_string().contains("arch_task_struct_size"));
    }
}
