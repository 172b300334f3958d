//! Bytes that are no BTF, or BTF that breaks the rules: always an error, never a panic.

use super::*;
use proptest::prelude::*;

#[test]
fn what_is_no_btf_is_named() {
    assert_eq!(read(b""), Err(BtfError::Magic { found: vec![] }));
    assert_eq!(read(b"\x9f"), Err(BtfError::Magic { found: vec![0x9f] }));
    assert_eq!(
        read(b"#!/bin/sh"),
        Err(BtfError::Magic {
            found: b"#!/b".to_vec()
        })
    );
    assert!(matches!(
        read(b"\x9f\xeb\x01"),
        Err(BtfError::Truncated { .. })
    ));
}

#[test]
fn big_endian_btf_is_named() {
    let mut data = every_kind().bytes();
    data.swap(0, 1);
    assert_eq!(read(&data), Err(BtfError::BigEndian));
}

#[test]
fn another_version_is_refused() {
    for version in [0, 2] {
        let mut data = every_kind().bytes();
        data[2] = version;
        assert_eq!(read(&data), Err(BtfError::Version(version)));
    }
}

fn with_header_word(word: usize, value: u32) -> Result<Layout, BtfError> {
    let mut data = every_kind().bytes();
    data[4 * word..4 * word + 4].copy_from_slice(&value.to_le_bytes());
    read(&data)
}

#[test]
fn header_fields_are_held_against_the_file() {
    assert_eq!(with_header_word(1, 20), Err(BtfError::HeaderLength(20)));
    assert_eq!(with_header_word(2, 2), Err(BtfError::TypeOffset(2)));
    for word in 1..6 {
        let error = with_header_word(word, u32::MAX - 3).unwrap_err();
        assert!(
            matches!(error, BtfError::Truncated { .. }),
            "{word}: {error}"
        );
    }
    assert_eq!(with_header_word(5, 0), Err(BtfError::Strings));
    assert_eq!(with_header_word(5, 5), Err(BtfError::Strings));
}

#[test]
fn unknown_kinds_are_refused() {
    let mut btf = RawBtf::new();
    btf.long().record(20, "", 0, 0, &[]);
    assert_eq!(
        btf.read(),
        Err(BtfError::Kind {
            id: 2,
            offset: 16,
            kind: 20
        })
    );
    let mut btf = RawBtf::new();
    btf.record(0, "", 0, 0, &[]);
    assert_eq!(
        btf.read(),
        Err(BtfError::Kind {
            id: 1,
            offset: 0,
            kind: 0
        })
    );
}

#[test]
fn names_lie_in_the_string_section_and_are_short() {
    let mut btf = every_kind();
    let end = btf.strings.len() as u32;
    btf.types[0..4].copy_from_slice(&end.to_le_bytes());
    assert_eq!(btf.read(), Err(BtfError::NameOffset { id: 1, offset: end }));
    let mut btf = RawBtf::new();
    btf.long().record(TYPEDEF, &"x".repeat(511), 0, 1, &[]);
    assert!(btf.read().is_ok());
    btf.record(TYPEDEF, &"x".repeat(512), 0, 1, &[]);
    assert!(matches!(
        btf.read(),
        Err(BtfError::NameLength {
            id: 3,
            length: 512,
            ..
        })
    ));
    let mut btf = RawBtf::new();
    btf.long().record(TYPEDEF, "t", 0, 1, &[]);
    let last = btf.strings.len() - 2;
    btf.strings[last] = 0xff;
    assert!(matches!(btf.read(), Err(BtfError::NameText { id: 2, .. })));
}

#[test]
fn references_lead_somewhere() {
    let mut btf = RawBtf::new();
    btf.long().record(PTR, "", 0, 3, &[]);
    assert_eq!(btf.read(), Err(BtfError::Reference { id: 2, target: 3 }));
}

#[test]
fn the_bits_of_an_integer_lie_inside_it() {
    for word in [0, 33, 1 << 16 | 32, 0xff_00ff] {
        let mut btf = RawBtf::new();
        btf.long().record(INT, "int", 0, 4, &[word]);
        assert!(matches!(
            btf.read(),
            Err(BtfError::IntBits { id: 2, size: 4, .. })
        ));
    }
}

#[test]
fn structures_that_contain_themselves_are_refused() {
    let mut btf = RawBtf::new();
    btf.long();
    let members = [btf.string("x"), 3, 0];
    btf.record(STRUCT, "s", 1, 4, &members)
        .record(TYPEDEF, "t", 0, 2, &[]);
    assert!(matches!(
        btf.read(),
        Err(BtfError::Layout(LayoutError::ContainsItself { .. }))
    ));
}

#[test]
fn a_ring_or_long_chain_of_typedefs_ends() {
    let mut btf = RawBtf::new();
    btf.long()
        .record(TYPEDEF, "a", 0, 3, &[])
        .record(TYPEDEF, "b", 0, 2, &[]);
    let members = [btf.string("x"), 2, 0];
    btf.record(STRUCT, "s", 1, 4, &members);
    assert!(matches!(
        btf.read(),
        Err(BtfError::Layout(LayoutError::ContainsItself { .. }))
    ));

    let mut btf = RawBtf::new();
    btf.long();
    for id in 1..100_000 {
        btf.record(CONST, "", 0, id, &[]);
    }
    assert!(matches!(
        btf.read(),
        Err(BtfError::Layout(LayoutError::TooDeep { .. }))
    ));
}

/// Uses a layout in every way there is.
fn use_up(layout: &Layout) {
    for (id, _) in layout.types() {
        let _ = layout.canonical_type(id);
        let _ = layout.type_name(id);
        let _ = render_type(layout, id, &RenderOptions { expand: true });
        let _ = leaves(layout, id, 1000);
        let _ = padding(layout, id, 1000);
    }
    let keep = Keep {
        whole: vec!["s".into()],
        ..Keep::default()
    };
    if let Ok(reduced) = layout.minimise(&keep) {
        assert_eq!(reduced.fingerprint(&["s"]), layout.fingerprint(&["s"]));
        let _ = write(&reduced);
    }
    let _ = write(layout);
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let data = every_kind().bytes();
    for end in 0..data.len() {
        assert!(read(&data[..end]).is_err(), "{end} of {} bytes", data.len());
    }
}

#[test]
fn any_word_may_be_anything() {
    let data = every_kind().bytes();
    let extremes = [
        0,
        1,
        2,
        31,
        0xff,
        0x100,
        0xffff,
        0x7fff_ffff,
        0x8000_0000,
        u32::MAX - 1,
        u32::MAX,
    ];
    let mut survived = 0;
    for at in 0..data.len() - 3 {
        for value in extremes {
            let mut data = data.clone();
            data[at..at + 4].copy_from_slice(&value.to_le_bytes());
            if let Ok(layout) = read(&data) {
                use_up(&layout);
                survived += 1;
            }
        }
    }
    // Most words are not free to be anything; some, such as flags and values, are.
    assert!(survived > 100, "{survived}");
}

/// A small ELF file of one class with a section of this name.
fn elf(class: u8, name: &str, contents: &[u8]) -> Vec<u8> {
    let wide = class == 2;
    let word = |data: &mut Vec<u8>, value: u64| match wide {
        true => data.extend(value.to_le_bytes()),
        false => data.extend((value as u32).to_le_bytes()),
    };
    let header = if wide { 64 } else { 52 };
    let names = format!("\0{name}\0.shstrtab\0");
    let sections = header + contents.len() + names.len();
    let mut data = b"\x7fELF".to_vec();
    data.extend([class, 1, 1]);
    data.resize(16, 0);
    let machine: u16 = if wide { 62 } else { 3 };
    data.extend([1, 0]);
    data.extend(machine.to_le_bytes());
    data.extend(1u32.to_le_bytes());
    word(&mut data, 0);
    word(&mut data, 0);
    word(&mut data, sections as u64);
    data.extend(0u32.to_le_bytes());
    for half in [header as u16, 0, 0, if wide { 64 } else { 40 }, 3, 2] {
        data.extend(half.to_le_bytes());
    }
    data.extend(contents);
    data.extend(names.as_bytes());
    for (name, kind, offset, size) in [
        (0u32, 0u32, 0, 0),
        (1, 1, header, contents.len()),
        (
            2 + name.len() as u32,
            3,
            header + contents.len(),
            names.len(),
        ),
    ] {
        data.extend(name.to_le_bytes());
        data.extend(kind.to_le_bytes());
        for value in [0, 0, offset, size] {
            word(&mut data, value as u64);
        }
        data.extend([0; 8]);
        word(&mut data, 1);
        word(&mut data, 0);
    }
    data
}

#[test]
fn the_section_of_an_elf_file_is_found_and_its_class_is_the_pointer_size() {
    let mut btf = RawBtf::new();
    btf.int("int", 4, 1).record(PTR, "", 0, 1, &[]);
    for (class, pointer_size) in [(1, 4), (2, 8)] {
        let layout = read(&elf(class, ".BTF", &btf.bytes())).unwrap();
        assert_eq!(layout.target(), Target { pointer_size });
        assert_eq!(
            read(&elf(class, ".btf", &btf.bytes())),
            Err(BtfError::NoSection)
        );
    }
}

#[test]
fn a_damaged_elf_file_is_refused() {
    let mut btf = RawBtf::new();
    btf.int("int", 4, 1);
    for class in [1, 2] {
        let data = elf(class, ".BTF", &btf.bytes());
        for end in 0..data.len() {
            assert!(read(&data[..end]).is_err());
        }
        for at in 0..data.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut data = data.clone();
                data[at] = value;
                let _ = read(&data);
            }
        }
        let mut data = data;
        data[5] = 2;
        assert!(matches!(
            read(&data),
            Err(BtfError::BigEndian | BtfError::Elf { .. })
        ));
    }
}

proptest! {
    #[test]
    fn random_damage_is_no_panic(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)
    ) {
        let mut data = every_kind().bytes();
        for (at, value) in damage {
            let at = at.index(data.len());
            data[at] = value;
        }
        if let Ok(layout) = read(&data) {
            use_up(&layout);
        }
    }
}
