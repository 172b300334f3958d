//! Images of a small layout, with what is wrong with them by the state map.

use super::{check, resources};
use kconv_image::{
    Clocks, ContentRun, Contents, Fingerprint, Head, Identity, Image, ImageWriter, KernelAddr,
    KernelId, Machine, Object, ObjectId, PageSource, ResourceId, Slot, SlotTarget, Symbol,
    SymbolId, TypeIx,
};
use kconv_resources::linux6::{
    self, Cpu, EpollWatch, File, FileType, Inode, Mount, PairedSocket, Place, Queue, SocketType,
    Suspended,
};
use kconv_resources::{Device, FileSize, Kind};
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

/// The head of an image of Linux 6 with nothing in it.
fn empty() -> Head {
    let kernel = KernelId {
        release: String::from("r"),
        layout: String::from("l"),
        fingerprint: Fingerprint([0; 32]),
        build_id: Vec::new(),
    };
    Head {
        identity: Identity {
            machine: Machine::X86_64,
            family: String::from(linux6::FAMILY),
            kernel: kernel.clone(),
            origin: kernel,
        },
        types: Vec::new(),
        objects: Vec::new(),
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
    }
}

/// A task and its `fpu` of `size` bytes at `at`, whose pointer `ops` is named or not.
fn findings(map: &str, at: u64, size: u64, named: bool) -> Vec<String> {
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
        types: vec![String::from("task"), String::from("fpu")],
        objects: vec![object(0, TASK, 16), object(1, at, size)],
        symbols: vec![Symbol {
            name: String::from("other"),
            offset: 0,
            origin: KernelAddr(0xffff_ffff_8100_0000),
        }],
        slots: named.then_some(slot).into_iter().collect(),
        ..empty()
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

/// A file of 5000 bytes, whose image has `pages` of it, if any.
fn with_file(place: Place, pages: Option<u64>) -> Head {
    let device = Device { major: 8, minor: 1 };
    let file = linux6::Resource::File(File {
        path: "/bin/true".to_owned(),
        file_type: FileType::Regular,
        inode: Inode {
            mode: 0o755,
            inode: 7,
            device,
            links: 1,
            uid: 0,
            gid: 0,
            size: FileSize::new(5000).unwrap(),
            mtime: 0,
            mtime_nanoseconds: 0,
            file_system: "ext4".to_owned(),
        },
        place,
        build_id: None,
    });
    let mount = linux6::Resource::Mount(Mount {
        path: "/".to_owned(),
        is_internal: false,
        id: 1,
        device_name: None,
        device,
        file_system: "ext4".to_owned(),
        magic: 0xef53,
        flags: 0,
        super_block_flags: 0,
    });
    let cpu = Cpu {
        family: 6,
        vendor: 0,
        model: 1,
        stepping: 1,
        capabilities: Vec::new(),
    };
    let machine = linux6::Machine {
        page_size: 4096,
        suspended: Suspended { nanoseconds: 0 },
        cpu,
    };
    let contents = |pages| Contents {
        resource: ResourceId(0),
        runs: vec![ContentRun {
            offset: 0,
            pages,
            position: 0,
        }],
    };
    Head {
        resources: [file, mount].map(|one| one.write(KernelAddr(0))).to_vec(),
        facts: machine.facts(),
        contents: pages.map(contents).into_iter().collect(),
        ..empty()
    }
}

#[test]
fn what_is_kept_is_there_and_no_longer_than_its_file() {
    let mounted = |is_kept| Place::Mounted {
        mount: ResourceId(1),
        is_kept,
    };
    let said = |place, pages| resources(&with_file(place, pages)).join("; ");
    let memfd = Place::Memfd { seals: 0 };
    let unlinked = Place::Unlinked {
        mount: ResourceId(1),
        is_linkable: false,
    };
    for place in [mounted(true), Place::Copy, memfd, unlinked.clone()] {
        assert_eq!(said(place, Some(2)), "");
    }
    assert_eq!(said(mounted(false), None), "");
    assert_eq!(
        said(mounted(true), None),
        "resource 0, /bin/true: it is kept, and the image does not have what is in it"
    );
    assert_eq!(
        said(unlinked, None),
        "resource 0, /bin/true: it is kept, and the image does not have what is in it"
    );
    assert_eq!(
        said(Place::Copy, Some(3)),
        "resource 0, /bin/true: it has 5000 bytes, and pages up to byte 12288"
    );
}

/// What is wrong with an image that has these resources besides those of [`with_file`], which are two.
fn found_with(more: &[linux6::Resource]) -> Vec<String> {
    let mut head = with_file(Place::Copy, Some(2));
    let more = more.iter().map(|one| one.write(KernelAddr(0)));
    head.resources.extend(more);
    head.types = vec!["file".to_owned(), "mm_struct".to_owned()];
    let object = |ty| Object {
        ty: TypeIx(ty),
        count: 1,
        size: 8,
        address: KernelAddr(0),
        home: KernelAddr(0),
        owner: ObjectId(0),
        part_of: None,
    };
    head.objects = [0, 0, 1].map(object).to_vec();
    resources(&head)
}

#[test]
fn the_sockets_of_a_pair_are_each_others() {
    let socket = |inode, peer| {
        linux6::Resource::PairedSocket(PairedSocket {
            inode,
            peer,
            socket_type: SocketType::Stream,
            uid: 0,
            gid: 0,
            mode: 0o777,
            shut: 0,
            send_buffer: 0,
            receive_buffer: 0,
            made_by: 0,
            made_by_uid: 0,
            made_by_gid: 0,
            queue: Queue::default(),
        })
    };
    let whole = [socket(5, Some(6)), socket(6, Some(5)), socket(7, None)];
    assert_eq!(found_with(&whole), Vec::<String>::new());
    assert_eq!(
        found_with(&[socket(5, Some(6)), socket(6, None), socket(7, Some(8))]),
        [
            "resource 2: its `peer` is socket 6, which has another",
            "resource 4: its `peer` is socket 8, which the image does not have",
        ]
    );
}

#[test]
fn what_waits_and_what_is_waited_at_are_open_files() {
    let watch = |epoll, file| {
        linux6::Resource::EpollWatch(EpollWatch {
            epoll: ObjectId(epoll),
            file: ObjectId(file),
            descriptor: 3,
            events: 1,
            data: 0,
            process: None,
        })
    };
    assert_eq!(found_with(&[watch(0, 1)]), Vec::<String>::new());
    assert_eq!(
        found_with(&[watch(2, 1), watch(0, 9)]),
        [
            "resource 2: its `epoll` is object 2, which is no open file",
            "resource 3: its `file` is object 9, which is no open file",
        ]
    );
}

#[test]
fn what_does_not_tell_all_is_found() {
    let mut head = with_file(Place::Copy, Some(2));
    head.resources[0]
        .attributes
        .retain(|(name, _)| name != "size");
    head.resources[1].kind = "mounting".to_owned();
    head.facts.pop();
    let tape = kconv_image::Value::Text("tape".to_owned());
    head.facts.push(("source".to_owned(), tape));
    assert_eq!(
        resources(&head),
        [
            "resource 0: attribute `size` of file /bin/true: found none, expected a signed number, not \
             below 0",
            "resource 1: mounting /: found a resource of the kind mounting, expected one that this \
             version of kconv knows",
            "attribute `cpu-capabilities` of the machine: found none, expected a list, each of it an \
             unsigned number",
            "attribute `source` of the source of the image: found the text `tape`, expected one of \
             running kernel, dump of a machine",
        ]
    );
}
