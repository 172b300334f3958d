//! Objects that lie right behind others without a pointer that leads to them, as the register state
//! of a task does from Linux 6.16 on: planned where both layouts have them so, left open where one
//! has them as a member, and converted there and back.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

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
use kconv_codegen::overrides::Overrides;
use kconv_codegen::plan::{Pair, Plan, Side};
use kconv_image::{Image, ObjectId};
use kconv_runtime::bits::bytemuck::{Zeroable, pod_read_unaligned};
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

fn told(old: bool, new: bool) -> (Vec<String>, Vec<String>) {
    let made = Fixture::of(&task(old), &task(new)).rules(RULES).make();
    let open = made.undecided.iter().map(ToString::to_string).collect();
    let advice = made.undecided.iter().map(|open| open.advice()).collect();
    (open, advice)
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

#[test]
fn inside_on_both_sides_it_is_a_member() {
    let made = Fixture::of(&task(true), &task(true)).rules(RULES).make();
    assert_eq!(made.undecided, []);
    // Nothing but the bytes of the task: whether it has a plan is for its members to say.
    let objects = made.plan.types.values().filter(|ty| ty.object);
    let names: Vec<&str> = objects.map(|ty| ty.name.as_str()).collect();
    assert_eq!(names, ["s", "task"]);
    assert!(made.plan.types.values().all(|ty| ty.behind.is_none()));
}

#[test]
fn inside_on_one_side_and_behind_on_the_other_it_is_undecided() {
    for (from, to, layout) in [(true, false, "new"), (false, true, "old")] {
        let (open, advice) = told(from, to);
        let expected = format!(
            "fpu is an object right behind s in {layout}, and a member in the other layout; nothing makes the one of the other"
        );
        assert!(open.contains(&expected), "{open:?}");
        assert!(
            advice
                .iter()
                .any(|advice| advice.contains("both have fpu inside, or both behind"))
        );
        // Nor is the member forgotten.
        assert!(
            open.iter().any(|open| open.starts_with("thread.fpu is")),
            "{open:?}"
        );
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
    let (told, _) = open(old, new);
    assert_eq!(
        told,
        [
            "fpu is an object right behind task_struct in newer, and a member in the other layout; nothing makes the one of the other"
        ]
    );
}
