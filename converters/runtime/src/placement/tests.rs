use super::*;
use kconv_image::model::{Clocks, Fingerprint, Identity, KernelId, Machine, TypeIx};
use kconv_rules::{Anchor, Span};
use proptest::prelude::*;

const fn ty(name: &'static str, from_size: u32, to_size: u32) -> TypeRules {
    TypeRules {
        name,
        from_size,
        to_size,
        ..TypeRules::PLAIN
    }
}

static TYPES: [TypeRules; 7] = [
    // Grows from 12 to 16 bytes: its second word moves to the end, its third is no more.
    TypeRules {
        spans: &[Span::new(0, 0, 4), Span::new(4, 12, 4)],
        ..ty("grows", 12, 16)
    },
    TypeRules {
        anchor: Some(Anchor { end: 8192 }),
        ..ty("regs", 60, 64)
    },
    ty("same", 32, 32),
    TypeRules {
        extent: Some(8192),
        ..ty("task", 1440, 1456)
    },
    ty("thread", 64, 96),
    TypeRules {
        behind: Some("thread"),
        open: true,
        spans: &[Span::new(0, 0, 8), Span::new(8, 24, 24)],
        ..ty("thread_state", 32, 48)
    },
    // Its link, the first of its two members, becomes the second.
    TypeRules {
        spans: &[Span::new(0, 16, 16), Span::new(16, 0, 16)],
        ..ty("linked", 32, 32)
    },
];

/// A step that knows objects of `types`.
fn step(types: &'static [TypeRules]) -> StepRules {
    let mut step = StepRules::new("test", ["test", "test"]);
    for ty in types {
        step.add(ty, true);
    }
    step
}

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
        contents: Vec::new(),
        core_notes: Vec::new(),
    }
}

fn map(objects: &[(u32, u64, u32, u32)]) -> Map {
    let head = head(objects);
    let old: Vec<_> = head.objects.iter().map(|object| object.address).collect();
    Map::new(&head, &old, &Lengths::default(), &step(&TYPES)).unwrap()
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

/// A thread and its state, which is so many bytes longer than its type.
fn with_state(objects: &[(u32, u64, u32, u32)], surplus: i64) -> Result<Map, PlacementError> {
    let mut head = head(objects);
    let mut lengths = Lengths::default();
    for (object, id) in head.objects.iter_mut().zip((0..).map(ObjectId)) {
        if object.ty == TypeIx(5) {
            object.size = object.size.checked_add_signed(surplus).unwrap();
            lengths.surplus.insert(id, surplus);
        }
    }
    let old: Vec<_> = head.objects.iter().map(|object| object.address).collect();
    let map = Map::new(&head, &old, &lengths, &step(&TYPES))?;
    map.check_sizes(&head)?;
    Ok(map)
}

#[test]
fn what_lies_behind_an_object_goes_where_that_goes() {
    for surplus in [0, -8, 100] {
        let new_size = 48 + surplus;
        // Room for both: 96 bytes, and the state.
        let room = (96 + new_size) as u64;
        let objects = [
            (4, 0x1000, 1, 0),
            (5, 0x1040, 1, 0),
            (2, 0x1000 + room, 1, 0),
        ];
        let map = with_state(&objects, surplus).unwrap();
        let expected = [0x1000, 0x1060, 0x1000 + room].map(KernelAddr);
        assert_eq!(map.addresses(), expected, "{surplus}");
        assert_eq!(map.new_size(ObjectId(1)) as i64, new_size);
        // One byte less, and both move.
        let objects = [
            (4, 0x1000, 1, 0),
            (5, 0x1040, 1, 0),
            (2, 0x1000 + room - 1, 1, 0),
        ];
        let map = with_state(&objects, surplus).unwrap();
        let addresses = map.addresses();
        assert!(addresses[0].0 >= 0x1000 + room, "{addresses:?}");
        assert_eq!(addresses[1].0, addresses[0].0 + 96);
        // A pointer into it leads to the same place in it.
        let into = |offset: u64| map.place(0x1040 + offset);
        assert_eq!(into(0), Placed::At(addresses[1]));
        assert_eq!(into(10), Placed::At(KernelAddr(addresses[1].0 + 26)));
    }
}

#[test]
fn what_does_not_lie_behind_its_owner_is_refused() {
    for objects in [
        // Elsewhere, with an owner of another type, with none, and two behind one.
        &[(4, 0x1000, 1, 0), (5, 0x1041, 1, 0)][..],
        &[(2, 0x1000, 1, 0), (5, 0x1020, 1, 0)],
        &[(4, 0x1000, 1, 0), (5, 0x1040, 1, 7)],
        &[(4, 0x1000, 1, 0), (5, 0x1040, 1, 0), (5, 0x1040, 1, 0)],
    ] {
        let error = with_state(objects, 0).unwrap_err();
        let told = "does not lie right behind the thread that it belongs to";
        assert!(error.to_string().contains(told), "{error}");
    }
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
fn a_pointer_at_the_start_of_an_object_is_the_objects_or_its_first_members() {
    let map = map(&[(6, 0x1000, 1, 0)]);
    let [start, other] = [0x1000, 0x1010].map(|address| Placed::At(KernelAddr(address)));
    assert_eq!(
        (map.place(0x1000), map.place_of_member(0x1000)),
        (start, other)
    );
    // What becomes the first member may be meant for the object afterwards.
    let first = Placed::AtFirst(KernelAddr(0x1000));
    assert_eq!(
        (map.place(0x1010), map.place_of_member(0x1010)),
        (first, start)
    );
    // Within a member there is no doubt.
    let within = Placed::At(KernelAddr(0x1018));
    assert_eq!(
        (map.place(0x1008), map.place_of_member(0x1008)),
        (within, within)
    );
}

#[test]
fn a_full_address_space_is_an_error_and_not_a_wrap() {
    let head = head(&[
        (0, 0xffff_fff0, 1, 0),
        (2, 0xffff_ffe0 - 0x20, 1, 0),
        (0, 0xffff_ffc0 + 0x24, 1, 0),
    ]);
    let old: Vec<_> = head.objects.iter().map(|object| object.address).collect();
    let error = Map::new(&head, &old, &Lengths::default(), &step(&TYPES)).unwrap_err();
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
        &step(&TYPES),
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
static OPEN: [TypeRules; 1] = [TypeRules {
    open: true,
    spans: &[Span::new(0, 0, 8), Span::new(8, 16, 8)],
    ..ty("open", 16, 24)
}];

#[test]
fn an_open_object_keeps_its_distance_from_the_end_of_its_type() {
    for (size, expected) in [(12, Some(20)), (16, Some(24)), (40, Some(48)), (8, None)] {
        let mut head = head(&[(0, 0x1000, 1, 0)]);
        head.types = vec![String::from("open")];
        head.objects[0].size = size;
        let mut lengths = Lengths::default();
        lengths.surplus.insert(ObjectId(0), size as i64 - 16);
        let map = Map::new(&head, &[KernelAddr(0x1000)], &lengths, &step(&OPEN));
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
static TAILS: [TypeRules; 2] = [
    ty("element", 2, 4),
    TypeRules {
        tail: Some(Tail {
            field: "elements",
            element: "element",
            from: 4,
            to: 8,
            count: kconv_rules::Bits::new(0, 32),
            add: 0,
        }),
        spans: &[Span::new(0, 0, 4)],
        ..ty("tails", 12, 12)
    },
];

#[test]
fn a_pointer_behind_the_last_element_leads_nowhere() {
    let mut head = head(&[(0, 0x1000, 1, 0)]);
    head.types = vec![String::from("tails")];
    head.objects[0].size = 12;
    let mut lengths = Lengths::default();
    lengths.elements.insert(ObjectId(0), 2);
    let map = Map::new(&head, &[KernelAddr(0x1000)], &lengths, &step(&TAILS)).unwrap();
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
    let map = Map::new(&head, &[KernelAddr(0x1000)], &lengths, &step(&TAILS)).unwrap();
    assert_eq!(map.new_size(ObjectId(0)), 12);
}
