use super::*;
use crate::units::{BitOffset, BitSize, ByteSize};

/// What is wrong with a layout of `types`.
fn error(types: Vec<Type>) -> LayoutError {
    let mut builder = LayoutBuilder::new(I386);
    for ty in types {
        builder.push(ty);
    }
    builder.finish().unwrap_err()
}

#[test]
fn the_sample_passes() {
    let layout = sample();
    assert_eq!(layout.composite("task").unwrap().0, id(9));
    assert_eq!(layout.find("enum state"), Some(id(13)));
    assert_eq!(layout.find("spinlock_t"), Some(id(6)));
    assert_eq!(layout.find("nobody"), None);
}

#[test]
fn only_known_pointer_sizes_pass() {
    let builder = LayoutBuilder::new(Target { pointer_size: 6 });
    assert_eq!(builder.finish(), Err(LayoutError::PointerSize(6)));
}

#[test]
fn a_reserved_type_has_to_be_set_once() {
    let mut builder = LayoutBuilder::new(I386);
    let id = builder.reserve();
    assert_eq!(builder.clone().finish(), Err(LayoutError::Unset { id }));
    builder.set(id, Type::Void);
    assert!(builder.clone().finish().is_ok());
    builder.set(id, Type::Void);
    assert_eq!(builder.finish(), Err(LayoutError::SetTwice { id }));
}

#[test]
fn a_reference_has_to_lead_somewhere() {
    assert_eq!(
        error(vec![pointer(id(2))]),
        LayoutError::UnknownTarget {
            in_type: id(1),
            target: id(2)
        }
    );
    let proto = Type::FunctionProto {
        returns: TypeId::VOID,
        parameters: vec![(String::new(), id(9))],
    };
    assert!(matches!(
        error(vec![proto]),
        LayoutError::UnknownTarget { .. }
    ));
}

#[test]
fn nothing_contains_itself() {
    let structs = vec![
        structure("a", 4, vec![member("b", 0, id(2))]),
        array(id(3), 1),
        typedef("b", id(1)),
    ];
    assert!(matches!(error(structs), LayoutError::ContainsItself { .. }));
    assert!(matches!(
        error(vec![typedef("t", id(1))]),
        LayoutError::ContainsItself { .. }
    ));
    // No C program makes a pointer that points at its own type without a structure between, and
    // a walk would not end.
    assert!(matches!(
        error(vec![pointer(id(1))]),
        LayoutError::ContainsItself { .. }
    ));
}

#[test]
fn a_structure_may_lead_back_to_itself_through_pointers_and_functions() {
    // struct cache { void (*grow)(cache_t *); }
    layout(vec![
        structure("cache", 4, vec![member("grow", 0, id(2))]),
        pointer(id(3)),
        Type::FunctionProto {
            returns: TypeId::VOID,
            parameters: vec![("c".into(), id(4))],
        },
        pointer(id(5)),
        typedef("cache_t", id(1)),
    ]);
}

#[test]
fn chains_have_a_limit_and_longer_ones_do_not_overflow_the_stack() {
    let chain = |length: u32| {
        let links = (1..=length).map(|i| typedef("t", id(i + 1)));
        links.chain([int("int", 4, true)]).collect::<Vec<_>>()
    };
    layout(chain(MAX_DEPTH as u32));
    assert!(matches!(
        error(chain(MAX_DEPTH as u32 + 1)),
        LayoutError::TooDeep { .. }
    ));
    assert!(matches!(error(chain(200_000)), LayoutError::TooDeep { .. }));
    let pointers = |length: u32| (1..=length).map(|i| pointer(id(i - 1))).collect::<Vec<_>>();
    layout(pointers(MAX_DEPTH as u32));
    assert!(matches!(
        error(pointers(200_000)),
        LayoutError::TooDeep { .. }
    ));
}

#[test]
fn sizes_do_not_overflow() {
    let types = |count| {
        vec![
            int("int", 4, true),
            array(id(1), count),
            array(id(2), u64::MAX / 64),
        ]
    };
    assert!(matches!(error(types(3)), LayoutError::TooLarge { .. }));
    layout(types(2));
    let huge = structure("huge", u64::MAX / 8 + 1, vec![]);
    assert!(matches!(error(vec![huge]), LayoutError::TooLarge { .. }));
}

#[test]
fn scalars_have_sizes_that_compilers_know() {
    assert_eq!(
        error(vec![int("int", 3, true)]),
        LayoutError::ScalarSize {
            id: id(1),
            name: "int".into(),
            size: ByteSize(3)
        }
    );
    let float = Type::Float {
        name: "float".into(),
        size: ByteSize(0),
    };
    assert!(matches!(error(vec![float]), LayoutError::ScalarSize { .. }));
}

#[test]
fn what_is_contained_has_a_size() {
    let forward = || Type::Forward {
        kind: CompositeKind::Struct,
        name: "inode".into(),
    };
    assert_eq!(
        error(vec![
            forward(),
            structure("file", 4, vec![member("inode", 0, id(1))])
        ]),
        LayoutError::Unsized {
            place: "struct file.inode".into()
        }
    );
    assert!(matches!(
        error(vec![forward(), array(id(1), 0)]),
        LayoutError::Unsized { .. }
    ));
    assert!(matches!(
        error(vec![array(TypeId::VOID, 4)]),
        LayoutError::Unsized { .. }
    ));
}

#[test]
fn names_are_c_names() {
    for name in ["", "a b", "4x", "a\n", "a.b", "a[0]", "a;", "\u{202e}"] {
        let wrong = structure("s", 4, vec![member("x", 0, id(2))]);
        let named = typedef(name, id(2));
        assert_eq!(
            error(vec![wrong, int("int", 4, true), named]),
            LayoutError::Name { name: name.into() },
        );
    }
    layout(vec![
        int("long unsigned int", 4, false),
        typedef("_über$1", id(1)),
    ]);
}

#[test]
fn members_lie_inside() {
    let types = |offset, size| {
        vec![
            int("int", 4, true),
            structure("s", size, vec![member("x", offset, id(1))]),
        ]
    };
    layout(types(32, 8));
    assert_eq!(
        error(types(40, 8)),
        LayoutError::PastEnd {
            place: "struct s.x".into(),
            end: 72,
            size: ByteSize(8)
        }
    );
    assert!(matches!(
        error(types(u64::MAX - 7, 8)),
        LayoutError::PastEnd { .. }
    ));
    assert_eq!(
        error(types(9, 8)),
        LayoutError::Unaligned {
            place: "struct s.x".into(),
            offset: BitOffset(9)
        }
    );
}

#[test]
fn a_bit_field_fits_its_integer() {
    let types = |ty, width| {
        vec![
            int("int", 4, true),
            pointer(id(1)),
            structure("s", 16, vec![bit_field("x", 3, width, ty)]),
        ]
    };
    layout(types(id(1), 32));
    for width in [0, 33, u64::MAX] {
        assert_eq!(
            error(types(id(1), width)),
            LayoutError::BitFieldWidth {
                place: "struct s.x".into(),
                width: BitSize(width)
            }
        );
    }
    assert!(matches!(
        error(types(id(2), 3)),
        LayoutError::BitFieldType { .. }
    ));
    let wide = vec![
        int("__int128", 16, true),
        structure("s", 16, vec![bit_field("x", 0, 65, id(1))]),
    ];
    assert!(matches!(error(wide), LayoutError::BitFieldWidth { .. }));
}

#[test]
fn only_composites_go_without_a_name() {
    let types = vec![
        int("int", 4, true),
        structure("s", 4, vec![member("", 0, id(1))]),
    ];
    assert_eq!(
        error(types),
        LayoutError::UnnamedMember {
            place: "member 0 of struct s".into()
        }
    );
}

#[test]
fn a_name_leads_to_one_member() {
    let types = |name| {
        vec![
            int("int", 4, true),
            structure("s", 8, vec![member("x", 0, id(1)), member("", 32, id(3))]),
            union("", 4, vec![member(name, 0, id(1))]),
        ]
    };
    layout(types("y"));
    assert_eq!(
        error(types("x")),
        LayoutError::DuplicateMember {
            place: "struct s.x".into()
        }
    );
}

#[test]
fn anonymous_composites_nested_beyond_measure_are_refused_in_time() {
    // Each of many structures shows the members of all those before: quadratic if followed.
    let mut types = vec![int("int", 1, true)];
    let names: Vec<_> = (0..5000)
        .map(|i| member(&format!("m{i}"), i * 8, id(1)))
        .collect();
    types.push(structure("", 5000, names));
    for i in 0..5000 {
        types.push(structure(
            &format!("s{i}"),
            5000,
            vec![member("", 0, id(2))],
        ));
    }
    assert!(matches!(error(types), LayoutError::TooDeep { .. }));
}

#[test]
fn identical_descriptions_of_one_tag_count_as_one() {
    let types = |second| {
        vec![
            int("int", 4, true),
            structure("s", 4, vec![member("x", 0, id(1))]),
            typedef("alias", id(1)),
            structure("s", 4, vec![member(second, 0, id(3))]),
            structure("t", 4, vec![member("s", 0, id(4))]),
        ]
    };
    let same = layout(types("x"));
    assert_eq!(same.composite("s").unwrap().0, id(2));
    let different = layout(types("y"));
    assert_eq!(different.composite("s"), None);
    assert_eq!(different.composites["s"], [id(2), id(4)]);
}

#[test]
fn forward_declarations_are_not_found() {
    let layout = layout(vec![
        Type::Forward {
            kind: CompositeKind::Struct,
            name: "inode".into(),
        },
        enumeration("level", &[]),
    ]);
    assert_eq!(layout.find("inode"), None);
    assert_eq!(layout.find("level"), None);
}
