use super::*;
use proptest::prelude::*;

#[test]
fn the_text_says_everything_that_matters() {
    insta::assert_snapshot!(canonical_text(&sample(), &["task", "spinlock_t"]).unwrap(), @r#"
    kconv layout 1
    pointer 4
    saved spinlock_t: struct #3b3bc7f0714065ac23c3ded377cc0ff6
    saved task: struct task

    struct size 8
      0 low: s32
      32 high: s32

    struct size 0

    union size 8
      0 -: struct #1aeb7160038e841c0da8083553c04488
      0 raw: s64

    struct head size 8
      0 next: *struct head
      32 prev: *struct head

    struct queue size 16
      0 head: struct head
      64 first: s8

    enum state size 4
      RUNNING = 0
      STOPPED = 4

    struct task size 104
      0 next: *struct task
      32 stopped:1: s32
      33 level:4: s32
      64 name: [16]s8
      192 lock: struct #3b3bc7f0714065ac23c3ded377cc0ff6
      192 -: union #b1bedad77f6a385d0cfd38c2c975b300
      256 queues: [4]struct queue
      768 state: enum state
    "#);
}

#[test]
fn fingerprints_are_written_and_read() {
    let fingerprint = sample().fingerprint(&["task"]).unwrap();
    assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
    assert_eq!(fingerprint.to_string().len(), 64);
    for wrong in [
        "",
        "00",
        &"g".repeat(64),
        &"A".repeat(64),
        &"0".repeat(66),
        &"é".repeat(32),
    ] {
        assert_eq!(
            wrong.parse::<Fingerprint>(),
            Err(FingerprintError(wrong.to_owned()))
        );
    }
}

#[test]
fn an_unknown_type_is_named_with_the_nearest() {
    let error = sample().fingerprint(&["queue", "taks"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no type is called `taks`; the nearest name is `task`"
    );
    let error = sample().require("struct taks").unwrap_err();
    assert_eq!(error.nearest.as_deref(), Some("struct task"));
    assert!(!error.ambiguous);
}

#[test]
fn an_ambiguous_name_is_no_type() {
    let layout = layout(vec![structure("s", 4, vec![]), structure("s", 8, vec![])]);
    let error = layout.require("s").unwrap_err();
    assert!(error.ambiguous);
    assert_eq!(error.to_string(), "several different types are called `s`");
}

/// The fingerprint of `struct s` in a layout of an int, whatever `make` adds, and `s` last.
fn fingerprint(types: Vec<Type>) -> Fingerprint {
    layout(types).fingerprint(&["s"]).unwrap()
}

fn with_member(ty: Type) -> Vec<Type> {
    vec![
        int("int", 4, true),
        ty,
        structure("s", 16, vec![member("x", 0, id(2))]),
    ]
}

#[test]
fn typedefs_qualifiers_and_names_of_integers_do_not_matter() {
    let plain = fingerprint(with_member(int("int", 4, true)));
    let constant = Type::Qualified {
        qualifier: Qualifier::Const,
        target: id(1),
    };
    assert_eq!(fingerprint(with_member(constant)), plain);
    assert_eq!(fingerprint(with_member(typedef("pid_t", id(1)))), plain);
    assert_eq!(fingerprint(with_member(int("long int", 4, true))), plain);
}

#[test]
fn whatever_lies_in_memory_in_another_way_matters() {
    let plain = with_member(int("int", 4, true));
    let member_of = |member: Member| {
        vec![
            int("int", 4, true),
            int("int", 4, true),
            structure("s", 16, vec![member]),
        ]
    };
    let others = [
        with_member(int("unsigned int", 4, false)),
        with_member(int("short int", 2, true)),
        with_member(int("_Bool", 4, true)),
        with_member(array(id(1), 1)),
        with_member(pointer(id(1))),
        with_member(enumeration("e", &[("A", 0)])),
        with_member(Type::Float {
            name: "float".into(),
            size: crate::units::ByteSize(4),
        }),
        member_of(member("y", 0, id(2))),
        member_of(member("x", 8, id(2))),
        member_of(bit_field("x", 0, 32, id(2))),
        vec![
            int("int", 4, true),
            structure("s", 12, vec![member("x", 0, id(1))]),
        ],
        vec![
            int("int", 4, true),
            union("s", 16, vec![member("x", 0, id(1))]),
        ],
    ];
    let mut seen = vec![fingerprint(plain)];
    for other in others {
        let other = fingerprint(other);
        assert!(!seen.contains(&other));
        seen.push(other);
    }
}

#[test]
fn enumerators_matter() {
    let a = fingerprint(with_member(enumeration("e", &[("A", 0), ("B", 1)])));
    let b = fingerprint(with_member(enumeration("e", &[("A", 0), ("B", 2)])));
    let c = fingerprint(with_member(enumeration("e", &[("A", 0), ("C", 1)])));
    assert!(a != b && a != c && b != c);
}

#[test]
fn what_a_pointer_leads_to_is_named_only() {
    let to = |ty| {
        let pointing = structure("s", 4, vec![member("p", 0, id(2))]);
        fingerprint(vec![ty, pointer(id(1)), pointing])
    };
    let forward = |kind| Type::Forward {
        kind,
        name: "inode".into(),
    };
    assert_eq!(
        to(structure("inode", 99, vec![])),
        to(forward(CompositeKind::Struct))
    );
    assert_ne!(
        to(structure("dentry", 99, vec![])),
        to(forward(CompositeKind::Struct))
    );
    assert_ne!(
        to(union("inode", 99, vec![])),
        to(forward(CompositeKind::Struct))
    );
    assert_eq!(
        to(union("inode", 99, vec![])),
        to(forward(CompositeKind::Union))
    );
}

#[test]
fn a_structure_without_a_tag_behind_a_pointer_goes_by_its_typedef() {
    let canonical = |inner| {
        let layout = layout(vec![inner, typedef("lock_t", id(1)), pointer(id(2))]);
        layout.canonical_type(id(3))
    };
    assert_eq!(canonical(structure("", 4, vec![])), "*struct lock_t");
    assert_eq!(
        canonical(Type::Forward {
            kind: CompositeKind::Struct,
            name: "lock_t".into()
        }),
        "*struct lock_t"
    );
    assert_eq!(canonical(structure("lock", 4, vec![])), "*struct lock");
}

#[test]
fn canonical_types_are_short_and_tell_what_is_inside() {
    let layout = sample();
    let spelled = |number| layout.canonical_type(id(number));
    assert_eq!(spelled(1), "s32");
    assert_eq!(spelled(3), "*struct task");
    assert_eq!(spelled(4), "[16]s8");
    assert!(spelled(15).starts_with("struct queue#"));
    assert_eq!(spelled(12), format!("[4]{}", spelled(15)));
    assert!(spelled(13).starts_with("enum state#"));
}

#[test]
fn a_tag_with_two_meanings_is_told_apart() {
    let types = |first, second| {
        layout(vec![
            int("int", 4, true),
            structure("x", 4, vec![member("a", 0, id(1))]),
            structure("x", 4, vec![member("b", 0, id(1))]),
            structure(
                "s",
                8,
                vec![member("m", 0, id(first)), member("n", 32, id(second))],
            ),
        ])
    };
    let fingerprint = |layout: Layout| layout.fingerprint(&["s"]).unwrap();
    assert_ne!(fingerprint(types(2, 3)), fingerprint(types(3, 2)));
    assert_eq!(fingerprint(types(2, 3)), fingerprint(types(2, 3)));
}

fn saved(layout: &Layout) -> Vec<&str> {
    layout.composites.keys().map(String::as_str).collect()
}

proptest! {
    #[test]
    fn the_order_of_the_table_does_not_matter(
        (layout, order) in any_layout().prop_flat_map(|layout| {
            let ids: Vec<u32> = (0..layout.types.len() as u32 - 1).collect();
            (Just(layout), Just(ids).prop_shuffle())
        })
    ) {
        let other = reordered(&layout, &order);
        let saved = saved(&layout);
        prop_assert_eq!(
            canonical_text(&layout, &saved).unwrap(),
            canonical_text(&other, &saved).unwrap()
        );
        for (place, id) in order.iter().zip(1..) {
            prop_assert_eq!(
                layout.canonical_type(TypeId(id)),
                other.canonical_type(TypeId(place + 1))
            );
        }
    }
}
