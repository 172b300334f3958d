use super::*;
use crate::layout::testing::{
    any_layout, array, bit_field, enumeration, id, int, layout, member, structure,
};
use proptest::prelude::*;

#[test]
fn what_is_read_is_written_and_read_the_same() {
    let layout = every_kind().read().unwrap();
    let data = write(&layout).unwrap();
    assert_eq!(read(&data).unwrap(), layout);
    assert_eq!(write(&read(&data).unwrap()).unwrap(), data);
}

#[test]
fn a_layout_without_long_still_tells_its_pointer_size() {
    let mut builder = LayoutBuilder::new(Target { pointer_size: 8 });
    builder.push(int("int", 4, true));
    let layout = builder.finish().unwrap();
    let again = read(&write(&layout).unwrap()).unwrap();
    assert_eq!(again.target(), layout.target());
    let empty = LayoutBuilder::new(Target { pointer_size: 4 })
        .finish()
        .unwrap();
    assert_eq!(
        read(&write(&empty).unwrap()).unwrap().target(),
        empty.target()
    );
}

#[test]
fn strings_are_there_once() {
    let of = |tag: &str| {
        structure(
            tag,
            8,
            vec![member("the_same_name", 0, id(1)), member("b", 32, id(1))],
        )
    };
    let layout = layout(vec![int("long int", 4, true), of("first"), of("second")]);
    let data = write(&layout).unwrap();
    let count = data
        .windows(13)
        .filter(|window| window == b"the_same_name")
        .count();
    assert_eq!(count, 1);
}

#[test]
fn what_btf_cannot_say_is_refused() {
    let long = || int("long int", 4, true);
    let far = structure(
        "s",
        1 << 22,
        vec![bit_field("bit", 0, 1, id(1)), member("far", 1 << 24, id(1))],
    );
    let error = |ty| write(&layout(vec![long(), ty])).unwrap_err();
    assert!(matches!(error(far), WriteError::TooFar { offset, .. } if offset == 1 << 24));
    assert!(matches!(
        error(array(id(1), 1 << 32)),
        WriteError::TooLarge { .. }
    ));
    assert!(matches!(
        error(structure("s", 1 << 32, vec![])),
        WriteError::TooLarge { .. }
    ));
    let value = enumeration("e", &[("BIG", 1 << 32)]);
    assert!(matches!(error(value), WriteError::Enumerator { value, .. } if value == 1 << 32));
    let names: Vec<String> = (0..65536).map(|i| format!("E{i}")).collect();
    let enumerators: Vec<(&str, i128)> = names.iter().map(|name| (name.as_str(), 0)).collect();
    assert!(matches!(
        error(enumeration("e", &enumerators)),
        WriteError::TooMany { .. }
    ));
}

proptest! {
    #[test]
    fn every_layout_survives(layout in any_layout()) {
        let data = write(&layout).unwrap();
        let again = read(&data).unwrap();
        prop_assert_eq!(&again, &layout);
        prop_assert_eq!(write(&again).unwrap(), data);
    }
}
