//! Images of a small layout, with what is wrong with them by the state map.

use super::check;
use kconv_image::{
    Clocks, Fingerprint, Head, Identity, Image, ImageWriter, KernelAddr, KernelId, Machine, Object,
    ObjectId, PageSource, Slot, SlotTarget, Symbol, SymbolId, TypeIx,
};
use kconv_tasks::View;
use kernel_structs::layout::{
    Composite, CompositeKind, IntType, Layout, LayoutBuilder, Member, Target, Type, TypeId,
};
use kernel_structs::state::StateMap;
use kernel_structs::units::{BitOffset, ByteSize};

const TASK: u64 = 0xffff_8880_0000_1000;

/// `struct task { unsigned long mm; void *ops; }` and `struct fpu { char state[16]; }`.
fn layout() -> Layout {
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
    let (long, byte) = (int("unsigned long", 8), int("char", 1));
    let pointer = builder.push(Type::Pointer { target: long });
    let state = builder.push(Type::Array {
        element: byte,
        count: 16,
    });
    let member = |name: &str, offset: u64, ty: TypeId| Member {
        name: Some(name.to_owned()),
        ty,
        offset: BitOffset(8 * offset),
        bit_field: None,
    };
    for (name, members) in [
        (
            "task",
            vec![member("mm", 0, long), member("ops", 8, pointer)],
        ),
        ("fpu", vec![member("state", 0, state)]),
    ] {
        builder.push(Type::Composite(Composite {
            kind: CompositeKind::Struct,
            name: Some(name.to_owned()),
            size: ByteSize(16),
            members,
        }));
    }
    builder.finish().unwrap()
}

const MAP: &str = "family = \"linux-6\"
machines = [\"amd64\"]
[[root]]
symbol = \"init_task\"
type = \"task\"
reason = \"r\"
[[derived]]
type = \"fpu\"
owner = \"task\"
behind = true
when = \"mm\"
lacks = [\"task.fpu\"]
reason = \"r\"
[type.task]
saved = true
size = { variable = \"task_size\" }
[type.task.fields]
ops = { policy = \"reset\", initial = { symbol = \"ops\" }, reason = \"r\" }
[type.fpu]
saved = true
";

/// A task and its `fpu` of `size` bytes at `at`, whose pointer `ops` is named or not.
fn findings(map: &str, at: u64, size: u64, named: bool) -> Vec<String> {
    let kernel = KernelId {
        release: String::from("r"),
        layout: String::from("l"),
        fingerprint: Fingerprint([0; 32]),
        build_id: Vec::new(),
    };
    let object = |ty, address, size| Object {
        ty: TypeIx(ty),
        count: 1,
        size,
        address: KernelAddr(address),
        home: KernelAddr(address),
        owner: ObjectId(0),
        part_of: None,
    };
    let slot = Slot {
        object: ObjectId(0),
        offset: 8,
        target: SlotTarget::Symbol(SymbolId(0)),
    };
    let head = Head {
        identity: Identity {
            machine: Machine::X86_64,
            family: String::from("linux-6"),
            kernel: kernel.clone(),
            origin: kernel,
        },
        types: vec![String::from("task"), String::from("fpu")],
        objects: vec![object(0, TASK, 16), object(1, at, size)],
        symbols: vec![Symbol {
            name: String::from("other"),
            offset: 0,
            origin: KernelAddr(0xffff_ffff_8100_0000),
        }],
        resources: Vec::new(),
        slots: named.then_some(slot).into_iter().collect(),
        clocks: Clocks::default(),
        facts: Vec::new(),
        remainder: Vec::new(),
        provenance: Vec::new(),
        address_spaces: Vec::new(),
        contents: Vec::new(),
        core_notes: Vec::new(),
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    let mut writer =
        ImageWriter::create(&path, Machine::X86_64, &head.objects, head.page_index()).unwrap();
    let mut task = 0x77u64.to_le_bytes().to_vec();
    task.extend(0xffff_ffff_8100_0000u64.to_le_bytes());
    writer.object(&task).unwrap();
    writer.object(&vec![0; size as usize]).unwrap();
    writer
        .finish(&head, PageSource::Stream(&mut |_, _| Ok(())))
        .unwrap();
    let map = StateMap::parse(map).unwrap();
    let image = Image::open(&path).unwrap();
    let layout = layout();
    check(&View::new(&image, &layout, &map).unwrap(), &map)
}

#[test]
fn a_pointer_that_is_reset_to_a_symbol_may_be_named_and_need_not() {
    for named in [true, false] {
        assert_eq!(findings(MAP, TASK + 16, 16, named), [""; 0]);
    }
    let other = MAP.replace(", initial = { symbol = \"ops\" }", "");
    assert_eq!(
        findings(&other, TASK + 16, 16, true),
        [
            "task at 0xffff888000001000: a symbol or resource is named at offset 8, where the state map has none"
        ]
    );
}

#[test]
fn what_lies_behind_its_owner_has_what_is_left_of_its_memory_and_lies_there() {
    for size in [8, 16, 40] {
        assert_eq!(findings(MAP, TASK + 16, size, false), [""; 0]);
    }
    assert_eq!(
        findings(MAP, TASK + 24, 16, false),
        ["fpu at 0xffff888000001018: does not lie right behind its task"]
    );
    // Without a word on the size it is as large as its type.
    let fixed = MAP.replace("size = { variable = \"task_size\" }\n", "");
    assert_eq!(
        findings(&fixed, TASK + 16, 40, false),
        ["fpu at 0xffff888000001010: 40 bytes for 1 of them; the layout has 16"]
    );
}
