#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use kernel_structs::layout::{CompositeKind, IntType, LayoutBuilder, Member, Target};

/// What one of two layouts has otherwise than the other.
#[derive(Clone, Copy)]
struct Shape {
    size: u64,
    offset: u64,
    width: u64,
    bit: u64,
    signed: bool,
    value: i128,
    inner: [u64; 2],
    extra: bool,
}

const SHAPE: Shape = Shape {
    size: 32,
    offset: 32,
    width: 3,
    bit: 64,
    signed: true,
    value: 7,
    inner: [3, 2],
    extra: false,
};

fn layout(shape: Shape) -> Layout {
    let mut builder = LayoutBuilder::new(Target { pointer_size: 4 });
    let mut int = |signed| {
        builder.push(Type::Int(IntType {
            name: "int".to_owned(),
            size: ByteSize(4),
            signed,
            character: false,
            boolean: false,
        }))
    };
    let (plain, changed) = (int(true), int(shape.signed));
    let unsigned = int(false);
    let e = builder.push(Type::Enum(EnumType {
        name: Some("state".to_owned()),
        size: ByteSize(4),
        signed: false,
        enumerators: vec![("DEAD".to_owned(), shape.value)],
    }));
    let member = |name: &str, offset, ty| Member {
        name: Some(name.to_owned()).filter(|name| !name.is_empty()),
        ty,
        offset: BitOffset(offset),
        bit_field: None,
    };
    let anonymous = builder.push(Type::Composite(Composite {
        kind: CompositeKind::Union,
        name: None,
        size: ByteSize(4),
        members: vec![member("u", 0, plain), member("v", 0, changed)],
    }));
    let mut array = plain;
    for count in shape.inner.iter().rev() {
        array = builder.push(Type::Array {
            element: array,
            count: *count,
        });
    }
    let mut members = vec![
        member("pid", 0, plain),
        member("", shape.offset, anonymous),
        Member {
            bit_field: Some(BitSize(shape.width)),
            ..member("bits", shape.bit, unsigned)
        },
        member("state", 96, e),
        member("array", 128, array),
    ];
    if shape.extra {
        members.push(member("extra", 0, plain));
    }
    builder.push(Type::Composite(Composite {
        kind: CompositeKind::Struct,
        name: Some("task".to_owned()),
        size: ByteSize(shape.size + 16),
        members,
    }));
    builder.finish().unwrap()
}

fn rows(right: Shape, known: Knowledge) -> String {
    let found = compare(&layout(SHAPE), &layout(right), &["task"], known).unwrap();
    let rows: Vec<String> = found.iter().map(ToString::to_string).collect();
    rows.join("\n")
}

#[test]
fn a_layout_agrees_with_itself() {
    assert_eq!(rows(SHAPE, Knowledge::ALL), "");
}

#[test]
fn every_kind_of_disagreement_is_a_row() {
    let right = Shape {
        size: 36,
        offset: 160,
        width: 4,
        bit: 65,
        signed: false,
        value: 8,
        inner: [3, 1],
        extra: true,
    };
    insta::assert_snapshot!(rows(right, Knowledge::ALL), @r"
    enum state.DEAD = 7 | 8
    struct task: 48 bytes | 52 bytes
    struct task.array: [2]s32 | [1]s32
    struct task.bits: at 8 | at 8:1
    struct task.bits: 3 bits | 4 bits
    struct task.extra: missing | there
    struct task.u: at 4 | at 20
    struct task.v: at 4 | at 20
    struct task.v: s32 | u32
    ");
}

#[test]
fn what_a_route_cannot_know_is_left_out() {
    let bit = Shape { bit: 65, ..SHAPE };
    let known = Knowledge {
        bit_offsets: false,
        ..Knowledge::ALL
    };
    assert_eq!(rows(bit, known), "");
    assert_eq!(rows(bit, Knowledge::ALL), "struct task.bits: at 8 | at 8:1");

    let flat = Shape {
        inner: [6, 1],
        ..SHAPE
    };
    assert_eq!(rows(flat, Knowledge::PAHOLE), "");
    assert_ne!(rows(flat, Knowledge::ALL), "");
}

#[test]
fn a_type_that_one_side_lacks_is_an_error() {
    let layout = layout(SHAPE);
    assert!(compare(&layout, &layout, &["tusk"], Knowledge::ALL).is_err());
}
