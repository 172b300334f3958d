//! An object that lies right behind its owner, and is a member of it under other layouts.

use super::{Made, ROOT, flaws, found};
use crate::walk::{Selection, walk};
use kernel_structs::layout::{
    Composite, CompositeKind, IntType, Layout, LayoutBuilder, Member, Target, Type, TypeId,
};
use kernel_structs::state::StateMap;
use kernel_structs::units::{BitOffset, ByteSize};

/// Bytes of the state at the end of an `fpu`: as many as its type has, of which a CPU needs some.
const STATE: u64 = 64;

fn member(name: &str, offset: u64, ty: TypeId) -> Member {
    Member {
        name: Some(name.to_owned()),
        ty,
        offset: BitOffset(8 * offset),
        bit_field: None,
    }
}

/// `struct task { unsigned long mm; int pid; int size; [struct fpu fpu;] }` and
/// `struct fpu { void *current; char state[64]; }`.
fn layout(inside: bool) -> Layout {
    let mut builder = LayoutBuilder::new(Target { pointer_size: 8 });
    let mut int = |name: &str, size| {
        builder.push(Type::Int(IntType {
            name: name.to_owned(),
            size: ByteSize(size),
            signed: false,
            character: false,
            boolean: false,
        }))
    };
    let (long, number, byte) = (
        int("unsigned long", 8),
        int("unsigned int", 4),
        int("char", 1),
    );
    let state = builder.push(Type::Array {
        element: byte,
        count: STATE,
    });
    let pointer = builder.push(Type::Pointer { target: long });
    let mut structure = |name: &str, size, members| {
        builder.push(Type::Composite(Composite {
            kind: CompositeKind::Struct,
            name: Some(name.to_owned()),
            size: ByteSize(size),
            members,
        }))
    };
    let members = vec![member("current", 0, pointer), member("state", 8, state)];
    let fpu = structure("fpu", 8 + STATE, members);
    let mut members = vec![
        member("mm", 0, long),
        member("pid", 8, number),
        member("size", 12, number),
    ];
    let mut size = 16;
    if inside {
        members.push(member("fpu", 16, fpu));
        size += 8 + STATE;
    }
    structure("task", size, members);
    builder.finish().unwrap()
}

pub(super) fn map(size: &str) -> StateMap {
    let text = format!(
        "family = \"linux-6\"
machines = [\"amd64\"]
[[root]]
symbol = \"root\"
type = \"task\"
reason = \"a test\"
[[derived]]
type = \"fpu\"
owner = \"task\"
behind = true
when = \"mm\"
lacks = [\"task.fpu\"]
reason = \"a test\"
[type.task]
saved = true
{size}
[type.fpu]
saved = true
[type.fpu.fields]
current = {{ policy = \"reset\", reason = \"a test\" }}
"
    );
    StateMap::parse(&text).unwrap()
}

/// A task with so many bytes of state behind it, or in it.
pub(super) fn made(inside: bool, state: u64) -> Made {
    let mut made = Made::new();
    made.layout = layout(inside);
    made.name("root", ROOT);
    made.name("task_size", 0x5000);
    let whole = 16 + 8 + state;
    made.raw(ROOT, &vec![0xaa; whole as usize]);
    made.set("task", ROOT, "mm", 0x77);
    made.set("task", ROOT, "pid", 1);
    made.set("task", ROOT, "size", whole);
    made.raw(0x5000, &(whole as u32).to_le_bytes());
    made
}

pub(super) const BY_VARIABLE: &str = "size = { variable = \"task_size\" }";
const BY_MEMBER: &str = "size = { member = \"size\" }";

#[test]
fn what_lies_behind_is_an_object_of_its_own_and_has_the_rest_of_the_memory() {
    for size in [BY_VARIABLE, BY_MEMBER] {
        for state in [STATE, 24, STATE + 100] {
            let (made, map) = (made(false, state), map(size));
            let names = made.names();
            let walked = walk(made.memory(&names), &map, &Selection::All);
            assert_eq!(flaws(&walked), Vec::<String>::new());
            assert_eq!(found(&walked, "task"), [ROOT]);
            assert_eq!(found(&walked, "fpu"), [ROOT + 16]);
            let lengths = walked.objects.iter().map(|saved| saved.bytes.len() as u64);
            assert_eq!(lengths.collect::<Vec<_>>(), [16, 8 + state], "{size}");
            assert_eq!(walked.objects[1].owner, 0);
            assert_eq!(walked.right_behind(0, "fpu"), Some(1));
            assert_eq!(walked.right_behind(0, "task"), None);
            assert_eq!(walked.right_behind(1, "fpu"), None);
        }
    }
    // Without a word on the size, both are as large as their types.
    let (made, map) = (made(false, STATE), map(""));
    let names = made.names();
    let walked = walk(made.memory(&names), &map, &Selection::All);
    let lengths = walked.objects.iter().map(|saved| saved.bytes.len() as u64);
    assert_eq!(lengths.collect::<Vec<_>>(), [16, 8 + STATE]);
}

#[test]
fn what_is_a_member_is_none_behind() {
    let (made, map) = (made(true, 24), map(BY_VARIABLE));
    let names = made.names();
    let walked = walk(made.memory(&names), &map, &Selection::All);
    assert_eq!(flaws(&walked), Vec::<String>::new());
    let lengths = walked.objects.iter().map(|saved| saved.bytes.len() as u64);
    assert_eq!(lengths.collect::<Vec<_>>(), [16 + 8 + 24]);
    assert_eq!(found(&walked, "fpu"), [0; 0]);
}

#[test]
fn a_task_without_it_has_nothing_behind() {
    let mut made = made(false, STATE);
    made.set("task", ROOT, "mm", 0);
    let map = map(BY_VARIABLE);
    let names = made.names();
    let walked = walk(made.memory(&names), &map, &Selection::All);
    assert_eq!(flaws(&walked), Vec::<String>::new());
    assert_eq!(found(&walked, "fpu"), [0; 0]);
}

#[test]
fn memory_that_ends_with_the_owner_or_is_larger_than_any_is_told() {
    for (size, told) in [
        (
            16u32,
            "task_size says 16 bytes, and 65624 are the most there can be",
        ),
        (
            0,
            "task_size says 0 bytes, and 65624 are the most there can be",
        ),
        (
            1 << 20,
            "task_size says 1048576 bytes, and 65624 are the most there can be",
        ),
    ] {
        let mut made = made(false, STATE);
        made.raw(0x5000, &size.to_le_bytes());
        let map = map(BY_VARIABLE);
        let names = made.names();
        let walked = walk(made.memory(&names), &map, &Selection::All);
        assert_eq!(flaws(&walked), [told], "{size}");
    }
}
