#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::headers::rust_type::Scalar;

const INT: RustType = RustType::Scalar(Scalar {
    name: "int",
    size: 4,
    kind: ScalarKind::Signed,
});

/// What is doubted of a structure `s` that has `composite`'s fields, is aligned at 4 bytes, and has
/// `size` bytes by clang.
fn doubts(composite: Composite, size: u64) -> Vec<Doubt> {
    let align = composite.packed.or(Some(4));
    let asserted = Asserted {
        size: Some(size),
        align,
        ..Asserted::default()
    };
    let mut bindings = Bindings::default();
    bindings.asserted.insert("s".to_owned(), asserted);
    let mut places = Places::new(&bindings, Machine::of("i386-linux-gnu").unwrap());
    places.composite("s", &composite, 0).unwrap();
    places.doubts.into_iter().collect()
}

fn structure(fields: Vec<(String, RustType)>) -> Composite {
    Composite {
        kind: CompositeKind::Struct,
        packed: None,
        align: Some(4),
        fields,
        bit_fields: Vec::new(),
    }
}

/// A structure with a bit-field of an int, in a unit of as many bytes.
fn with_bit_field(bytes: u64, offset: u64, width: u64) -> Composite {
    let unit = "unit".to_owned();
    let field = BitField {
        name: "field".to_owned(),
        offset,
        width,
        ty: INT,
    };
    let mut composite = structure(vec![(unit.clone(), RustType::BitFields { bytes })]);
    composite.bit_fields = vec![(unit, field)];
    composite
}

fn doubt(offset: u64, width: u64) -> Doubt {
    Doubt::BitField {
        ty: "s".to_owned(),
        member: "field".to_owned(),
        offset: BitOffset(offset),
        width: BitSize(width),
    }
}

#[test]
fn a_bit_field_lies_in_its_unit_and_in_one_value_of_its_type() {
    assert_eq!(doubts(with_bit_field(8, 28, 4), 8), []);
    assert_eq!(doubts(with_bit_field(8, 32, 4), 8), []);
    // Across two ints, and yet in its unit.
    assert_eq!(doubts(with_bit_field(8, 30, 4), 8), [doubt(30, 4)]);
    // In one int, and yet past its unit.
    assert_eq!(doubts(with_bit_field(2, 14, 4), 4), [doubt(14, 4)]);
    let packed = Composite {
        packed: Some(1),
        align: None,
        ..with_bit_field(8, 30, 4)
    };
    assert_eq!(doubts(packed, 8), []);
}

#[test]
fn a_structure_is_as_long_as_the_rules_make_it() {
    let two = || structure(vec![("a".to_owned(), INT), ("b".to_owned(), INT)]);
    let doubt = |clang| Doubt::Size {
        ty: "s".to_owned(),
        clang: ByteSize(clang),
        rules: ByteSize(8),
    };
    assert_eq!(doubts(two(), 8), []);
    assert_eq!(doubts(two(), 4), [doubt(4)]);
    assert_eq!(doubts(two(), 12), [doubt(12)]);
}
