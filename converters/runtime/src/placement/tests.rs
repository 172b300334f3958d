use super::*;
use crate::at::At;
use crate::context::Context;
use crate::table::{Anchor, Node, Span, TaskLabel, TypeRules};
use kconv_image::model::{Clocks, Fingerprint, Identity, KernelId, TypeIx};
use proptest::prelude::*;

fn nothing(_: &mut Context<'_>, _: &At<'_>, _: &[u8], _: &mut [u8]) {}

const fn ty(name: &'static str, from_size: u32, to_size: u32) -> TypeRules {
    TypeRules {
        name,
        from_size,
        to_size,
        ..TypeRules::PLAIN
    }
}

const fn whole(rules: TypeRules) -> TypeConverter {
    TypeConverter {
        rules,
        convert: Some(nothing),
    }
}

static TYPES: [TypeConverter; 4] = [
    // Grows from 12 to 16 bytes: its second word moves to the end, its third is no more.
    whole(TypeRules {
        spans: &[Span::new(0, 0, 4), Span::new(4, 12, 4)],
        ..ty("grows", 12, 16)
    }),
    whole(TypeRules {
        anchor: Some(Anchor { end: 8192 }),
        ..ty("regs", 60, 64)
    }),
    whole(ty("same", 32, 32)),
    whole(TypeRules {
        extent: Some(8192),
        ..ty("task", 1440, 1456)
    }),
];

static CONVERTER: Converter = Converter {
    name: "test",
    tool: "test",
    family: "test",
    machine: Machine::I386,
    from: NODE,
    to: NODE,
    task: TaskLabel {
        ty: "task",
        pid: 0,
        comm: 0,
        comm_len: 0,
    },
    changed: &TYPES,
    carried: &[],
};

const NODE: Node = Node {
    layout: "test",
    release: "test",
    fingerprint: Fingerprint([0; 32]),
};

/// Objects of the types above: type, home, number of elements, owner.
fn head(objects: &[(u32, u64, u32, u32)]) -> Head {
    let kernel = KernelId {
        release: String::new(),
        layout: String::from("test"),
        fingerprint: Fingerprint([0; 32]),
        build_id: Vec::new(),
    };
    Head {
        identity: Identity {
            machine: Machine::I386,
            family: String::from("test"),
            origin: kernel.clone(),
            kernel,
        },
        types: TYPES.iter().map(|ty| ty.name.to_owned()).collect(),
        objects: objects
            .iter()
            .map(|(ty, home, count, owner)| Object {
                ty: TypeIx(*ty),
                count: *count,
                size: u64::from(*count) * u64::from(TYPES[*ty as usize].from_size),
                address: KernelAddr(*home),
                home: KernelAddr(*home),
                owner: ObjectId(*owner),
                part_of: None,
            })
            .collect(),
        symbols: Vec::new(),
        resources: Vec::new(),
        slots: Vec::new(),
        clocks: Clocks::default(),
        facts: Vec::new(),
        remainder: Vec::new(),
        provenance: Vec::new(),
        address_spaces: Vec::new(),
        core_notes: Vec::new(),
    }
}

fn map(objects: &[(u32, u64, u32, u32)]) -> Map {
    let head = head(objects);
    let old: Vec<_> = head.objects.iter().map(|object| object.address).collect();
    Map::new(&head, &old, &Lengths::default(), &CONVERTER).unwrap()
}

#[test]
fn an_object_that_fits_stays_at_home() {
    let map = map(&[(0, 0x1000, 1, 0), (2, 0x1010, 1, 0)]);
    assert_eq!(map.addresses(), [KernelAddr(0x1000), KernelAddr(0x1010)]);
}

#[test]
fn an_object_that_outgrew_its_place_moves_behind_all_others() {
    let map = map(&[(0, 0x1000, 1, 0), (2, 0x100c, 1, 0)]);
    assert_eq!(map.addresses(), [KernelAddr(0x1040), KernelAddr(0x100c)]);
}

#[test]
fn registers_lie_at_the_end_of_their_tasks_stack() {
    let map = map(&[(3, 0x2000, 1, 0), (1, 0x4000 - 60, 1, 0), (3, 0x4000, 1, 2)]);
    let expected = [0x2000, 0x4000 - 64, 0x4000].map(KernelAddr);
    assert_eq!(map.addresses(), expected);
}

#[test]
fn a_stack_that_moves_is_found_from_any_address_on_it() {
    let map = map(&[(3, 0x2000, 1, 0), (3, 0x2800, 1, 1)]);
    assert_eq!(map.addresses(), [KernelAddr(0x6000), KernelAddr(0x2800)]);
}

#[test]
fn a_pointer_into_an_object_reaches_the_same_field() {
    let map = map(&[(0, 0x1000, 3, 0)]);
    let at = |address| map.place(address);
    assert_eq!(at(0), Placed::Null);
    assert_eq!(at(0x1000), Placed::At(KernelAddr(0x1000)));
    assert_eq!(at(0x1004), Placed::At(KernelAddr(0x100c)));
    assert_eq!(at(0x1006), Placed::At(KernelAddr(0x100e)));
    // The second element, 12 bytes further before and 16 after.
    assert_eq!(at(0x100c), Placed::At(KernelAddr(0x1010)));
    assert_eq!(at(0x1010), Placed::At(KernelAddr(0x101c)));
    let dropped = Placed::NoSuchPlace {
        object: ObjectId(0),
        offset: 8,
    };
    assert_eq!(at(0x1008), dropped);
    assert_eq!(at(0x1024), Placed::NotSaved);
    assert_eq!(at(0xfff), Placed::NotSaved);
}

#[test]
fn a_full_address_space_is_an_error_and_not_a_wrap() {
    let head = head(&[
        (0, 0xffff_fff0, 1, 0),
        (2, 0xffff_ffe0 - 0x20, 1, 0),
        (0, 0xffff_ffc0 + 0x24, 1, 0),
    ]);
    let old: Vec<_> = head.objects.iter().map(|object| object.address).collect();
    let error = Map::new(&head, &old, &Lengths::default(), &CONVERTER).unwrap_err();
    assert!(matches!(error, PlacementError::NoRoom { .. }), "{error}");
}

#[test]
fn a_type_without_a_converter_is_named() {
    let mut head = head(&[(0, 0x1000, 1, 0)]);
    head.types[0] = String::from("dentry");
    let error = Map::new(
        &head,
        &[KernelAddr(0x1000)],
        &Lengths::default(),
        &CONVERTER,
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "object 0x1000 has type `dentry`, which test does not convert"
    );
}

proptest! {
    #[test]
    fn placed_objects_never_overlap(gaps in proptest::collection::vec((0u32..2, 0u64..48, 1u32..4), 1..40)) {
        let mut home = 0x1000;
        let mut objects = Vec::new();
        for (kind, gap, count) in gaps {
            let ty = 2 * kind;
            objects.push((ty, home, count, 0));
            home += u64::from(count) * u64::from(TYPES[ty as usize].from_size) + gap;
        }
        let map = map(&objects);
        let mut ranges: Vec<(u64, u64)> = map
            .addresses()
            .iter()
            .zip(&objects)
            .map(|(address, (ty, _, count, _))| {
                (address.0, address.0 + u64::from(*count) * u64::from(TYPES[*ty as usize].to_size))
            })
            .collect();
        ranges.sort_unstable();
        for pair in ranges.windows(2) {
            prop_assert!(pair[0].1 <= pair[1].0, "{pair:x?}");
        }
    }
}

/// A type whose objects end where they say, within what is carried as it is: the last 8 of 16
/// bytes, which become the last 8 of 24.
static OPEN: [TypeConverter; 1] = [whole(TypeRules {
    open: true,
    spans: &[Span::new(0, 0, 8), Span::new(8, 16, 8)],
    ..ty("open", 16, 24)
})];

static OPEN_CONVERTER: Converter = Converter {
    changed: &OPEN,
    ..CONVERTER
};

#[test]
fn an_open_object_keeps_its_distance_from_the_end_of_its_type() {
    for (size, expected) in [(12, Some(20)), (16, Some(24)), (40, Some(48)), (8, None)] {
        let mut head = head(&[(0, 0x1000, 1, 0)]);
        head.types = vec![String::from("open")];
        head.objects[0].size = size;
        let mut lengths = Lengths::default();
        lengths.surplus.insert(ObjectId(0), size as i64 - 16);
        let map = Map::new(&head, &[KernelAddr(0x1000)], &lengths, &OPEN_CONVERTER);
        let Some(expected) = expected else {
            assert!(matches!(map, Err(PlacementError::WrongSize { .. })));
            continue;
        };
        let map = map.unwrap();
        map.check_sizes(&head).unwrap();
        assert_eq!(map.new_size(ObjectId(0)), expected);
        let last = 0x1000 + size - 1;
        let moved = KernelAddr(0x1000 + expected - 1);
        assert_eq!(map.place(last), Placed::At(moved));
    }
}

/// A type that ends in elements of 2 bytes, which become 4.
static TAILS: [TypeConverter; 2] = [
    whole(ty("element", 2, 4)),
    whole(TypeRules {
        tail: Some(Tail {
            field: "elements",
            element: "element",
            from: 4,
            to: 8,
            count: crate::table::Bits::new(0, 32),
            add: 0,
        }),
        spans: &[Span::new(0, 0, 4)],
        ..ty("tails", 12, 12)
    }),
];

static TAILS_CONVERTER: Converter = Converter {
    changed: &TAILS,
    ..CONVERTER
};

#[test]
fn a_pointer_behind_the_last_element_leads_nowhere() {
    let mut head = head(&[(0, 0x1000, 1, 0)]);
    head.types = vec![String::from("tails")];
    head.objects[0].size = 12;
    let mut lengths = Lengths::default();
    lengths.elements.insert(ObjectId(0), 2);
    let map = Map::new(&head, &[KernelAddr(0x1000)], &lengths, &TAILS_CONVERTER).unwrap();
    map.check_sizes(&head).unwrap();
    assert_eq!(map.new_size(ObjectId(0)), 16);
    assert_eq!(map.place(0x1004), Placed::At(KernelAddr(0x1008)));
    assert_eq!(map.place(0x1006), Placed::At(KernelAddr(0x100c)));
    for offset in [8, 10] {
        let nowhere = Placed::NoSuchPlace {
            object: ObjectId(0),
            offset,
        };
        assert_eq!(map.place(0x1000 + offset), nowhere);
    }
    // An object without elements has at least the bytes of its type.
    let lengths = Lengths::default();
    let map = Map::new(&head, &[KernelAddr(0x1000)], &lengths, &TAILS_CONVERTER).unwrap();
    assert_eq!(map.new_size(ObjectId(0)), 12);
}
