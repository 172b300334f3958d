//! A small layout and images of it, made by hand.
#![allow(dead_code, reason = "each test uses what it needs")]

use kconv_image::{
    Clocks, Fingerprint, Head, Identity, Image, ImageWriter, KernelAddr, KernelId, Machine, Object,
    ObjectId, PageSource, Remainder, Resource, ResourceId, Slot, SlotTarget, Step, Symbol,
    SymbolId, TypeIx,
};
use kernel_structs::layout::{
    Composite, CompositeKind, EnumType, IntType, Layout, LayoutBuilder, Member, Target, Type,
    TypeId,
};
use kernel_structs::units::{BitOffset, BitSize, ByteSize};

/// ```c
/// enum state { RUNNING = 0, GONE = -1 };
/// struct list_head { struct list_head *next; struct list_head *prev; };
/// struct mm { unsigned long flags; struct { int users; } count; };
/// struct part { unsigned short low; short high; };
/// struct signal { struct list_head list; int number; };
/// struct task {
///     int pid;                        /* 0 */
///     unsigned int ready : 1;         /* 4 */
///     int level : 5;                  /* 4, from bit 1 */
///     char comm[8];                   /* 8 */
///     struct part parts[2];           /* 16 */
///     struct mm *mm;                  /* 24 */
///     void *stack;                    /* 32 */
///     enum state state;               /* 40 */
///     struct list_head pending;       /* 48 */
///     struct mm own;                  /* 64 */
///     unsigned long words[2];         /* 80 */
///     unsigned int groups[];          /* 96 */
/// };
/// ```
pub(crate) fn layout() -> Layout {
    let mut builder = LayoutBuilder::new(Target { pointer_size: 8 });
    let mut int = |name: &str, size, signed| {
        builder.push(Type::Int(IntType {
            name: name.to_owned(),
            size: ByteSize(size),
            signed,
            character: name == "char",
            boolean: false,
        }))
    };
    let (signed, unsigned) = (int("int", 4, true), int("unsigned int", 4, false));
    let (short, word) = (int("short", 2, true), int("unsigned short", 2, false));
    let (long, character) = (int("unsigned long", 8, false), int("char", 1, true));
    let state = builder.push(Type::Enum(EnumType {
        name: Some("state".to_owned()),
        size: ByteSize(4),
        signed: true,
        enumerators: vec![("RUNNING".to_owned(), 0), ("GONE".to_owned(), -1)],
    }));
    let void = builder.push(Type::Pointer {
        target: TypeId::VOID,
    });
    let head = builder.reserve();
    let to_head = builder.push(Type::Pointer { target: head });
    builder.set(
        head,
        structure(
            "list_head",
            16,
            vec![member("next", 0, to_head), member("prev", 8, to_head)],
        ),
    );
    let count = builder.push(structure("", 4, vec![member("users", 0, signed)]));
    let mm = builder.push(structure(
        "mm",
        16,
        vec![member("flags", 0, long), member("count", 8, count)],
    ));
    let part = builder.push(structure(
        "part",
        4,
        vec![member("low", 0, word), member("high", 2, short)],
    ));
    builder.push(structure(
        "signal",
        24,
        vec![member("list", 0, head), member("number", 16, signed)],
    ));
    let to_mm = builder.push(Type::Pointer { target: mm });
    let mut array = |element, count| builder.push(Type::Array { element, count });
    let (comm, parts) = (array(character, 8), array(part, 2));
    let (words, groups) = (array(long, 2), array(unsigned, 0));
    let bits = |name: &str, offset, width, ty| Member {
        offset: BitOffset(offset),
        bit_field: Some(BitSize(width)),
        ..member(name, 0, ty)
    };
    builder.push(structure(
        "task",
        96,
        vec![
            member("pid", 0, signed),
            bits("ready", 32, 1, unsigned),
            bits("level", 33, 5, signed),
            member("comm", 8, comm),
            member("parts", 16, parts),
            member("mm", 24, to_mm),
            member("stack", 32, void),
            member("state", 40, state),
            member("pending", 48, head),
            member("own", 64, mm),
            member("words", 80, words),
            member("groups", 96, groups),
        ],
    ));
    builder.finish().unwrap()
}

fn member(name: &str, offset: u64, ty: TypeId) -> Member {
    Member {
        name: Some(name.to_owned()),
        ty,
        offset: BitOffset(8 * offset),
        bit_field: None,
    }
}

fn structure(name: &str, size: u64, members: Vec<Member>) -> Type {
    Type::Composite(Composite {
        kind: CompositeKind::Struct,
        name: Some(name.to_owned()).filter(|name| !name.is_empty()),
        size: ByteSize(size),
        members,
    })
}

/// Where the objects lie.
pub(crate) const TASK: u64 = 0xffff_8880_0000_1000;
pub(crate) const MM: u64 = 0xffff_8880_0000_2000;
/// Right behind the `mm`.
pub(crate) const SIGNALS: u64 = MM + 16;
pub(crate) const FD: u64 = 0xffff_8880_0000_4000;

/// Bytes with numbers put into them.
pub(crate) fn bytes(size: usize, numbers: &[(usize, u64)]) -> Vec<u8> {
    let mut bytes = vec![0; size];
    for (at, number) in numbers {
        bytes[*at..*at + 8].copy_from_slice(&number.to_le_bytes());
    }
    bytes
}

/// A task of 104 bytes (two groups) whose list has two signals, its `mm`, and an array of three pointers.
/// The task's `stack` stands for a symbol, its `own.flags` and its `words[0]` for a resource.
pub(crate) struct Parts {
    pub(crate) task: Vec<u8>,
    pub(crate) mm: Vec<u8>,
    pub(crate) signals: Vec<u8>,
    pub(crate) pointers: Vec<u8>,
    pub(crate) kept: Vec<Remainder>,
}

impl Default for Parts {
    fn default() -> Parts {
        let mut task = bytes(104, &[(24, MM), (48, SIGNALS), (56, SIGNALS + 24)]);
        task[..4].copy_from_slice(&(-7i32).to_le_bytes());
        task[8..12].copy_from_slice(b"a\xffb\0");
        task[96..104].copy_from_slice(&[5, 0, 0, 0, 6, 0, 0, 0]);
        let head = TASK + 48;
        let mut signals = bytes(
            48,
            &[(0, SIGNALS + 24), (8, head), (24, head), (32, SIGNALS)],
        );
        (signals[16], signals[40]) = (10, 12);
        Parts {
            task,
            mm: bytes(16, &[(0, 0x1234)]),
            signals,
            pointers: bytes(24, &[(8, TASK)]),
            kept: Vec::new(),
        }
    }
}

impl Parts {
    pub(crate) fn image(&self) -> Image {
        let kernel = KernelId {
            release: String::from("r"),
            layout: String::from("l"),
            fingerprint: Fingerprint([0; 32]),
            build_id: Vec::new(),
        };
        let object = |ty, count, address, size: usize| Object {
            ty: TypeIx(ty),
            count,
            size: size as u64,
            address: KernelAddr(address),
            home: KernelAddr(address),
            owner: ObjectId(0),
            part_of: None,
        };
        let slot = |offset, target| Slot {
            object: ObjectId(0),
            offset,
            target,
        };
        let kept_by = Step {
            converter: String::from("convert-1-2"),
            version: String::from("test"),
            from: kernel.clone(),
            to: kernel.clone(),
            objects: 4,
            fields: 0,
            kept: self.kept.len() as u64,
            restored: 0,
            signers: Vec::new(),
        };
        let head = Head {
            identity: Identity {
                machine: Machine::X86_64,
                family: String::from("linux-6"),
                kernel: kernel.clone(),
                origin: kernel,
            },
            types: ["task", "mm", "signal", "file *"]
                .map(String::from)
                .to_vec(),
            objects: vec![
                object(0, 1, TASK, self.task.len()),
                object(1, 1, MM, self.mm.len()),
                object(2, 2, SIGNALS, self.signals.len()),
                object(3, 3, FD, self.pointers.len()),
            ],
            symbols: vec![Symbol {
                name: String::from("ops"),
                offset: 4,
                origin: KernelAddr(0xffff_ffff_8100_0000),
            }],
            resources: vec![Resource {
                kind: String::from("file"),
                origin: KernelAddr(0),
                attributes: Vec::new(),
            }],
            slots: vec![
                slot(32, SlotTarget::Symbol(SymbolId(0))),
                slot(64, SlotTarget::Resource(ResourceId(0))),
                slot(80, SlotTarget::Resource(ResourceId(0))),
            ],
            clocks: Clocks::default(),
            facts: Vec::new(),
            remainder: self.kept.clone(),
            provenance: vec![kept_by],
            address_spaces: Vec::new(),
            contents: Vec::new(),
            core_notes: Vec::new(),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        let mut writer =
            ImageWriter::create(&path, Machine::X86_64, &head.objects, head.page_index()).unwrap();
        for object in [&self.task, &self.mm, &self.signals, &self.pointers] {
            writer.object(object).unwrap();
        }
        writer
            .finish(&head, PageSource::Stream(&mut |_, _| Ok(())))
            .unwrap();
        Image::open(&path).unwrap()
    }
}
