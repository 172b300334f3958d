use super::*;

#[test]
fn every_kind_is_understood() {
    let layout = every_kind().read().unwrap();
    assert_eq!(layout.types().count(), 17);
    insta::assert_snapshot!(
        format!(
            "{}\n{}",
            render_type(&layout, layout.find("s").unwrap(), &RenderOptions::default()),
            canonical_text(&layout, &["s", "wide"]).unwrap()
        ),
        @r#"
    struct s {
    	long int                   array[2];             /*     0     8 */
    	struct s *                 pointer;              /*     8     4 */
    	long int                   bits:3;               /*    12: 0  4 */

    	/* XXX 1 bit hole, try to pack */

    	enum level                 level:2;              /*    12: 4  4 */

    	/* XXX 26 bits hole, try to pack */

    	union {
    		long_t             a;                    /*    16     4 */
    		double             b;                    /*    16     8 */
    	};                                               /*    16     8 */

    	/* size: 24, cachelines: 1, members: 5 */
    };

    kconv layout 1
    pointer 4
    saved s: struct s
    saved wide: enum wide

    union size 8
      0 a: s32
      0 b: f64

    enum level size 4
      LOW = 0
      HIGH = 4294967295

    struct s size 24
      0 array: [2]s32
      64 pointer: *struct s
      96 bits:3: s32
      100 level:2: enum level
      128 -: union #c01220f70d64f4493cef1d9a9665024f

    enum wide size 8 signed
      ALL = -1
      MIN = -9223372036854775808
    "#
    );
    assert_eq!(
        ty(&layout, 14),
        &Type::Forward {
            kind: CompositeKind::Union,
            name: "later".into()
        }
    );
    let Type::FunctionProto {
        returns,
        parameters,
    } = ty(&layout, 15)
    else {
        panic!()
    };
    assert_eq!(layout.type_name(*returns), "long int *");
    assert_eq!(parameters.len(), 2);
    assert_eq!(parameters[1], (String::new(), TypeId::VOID));
    let Type::Qualified { qualifier, .. } = ty(&layout, 12) else {
        panic!()
    };
    assert_eq!(*qualifier, Qualifier::TypeTag("user".into()));
    let Type::Enum(level) = ty(&layout, 6) else {
        panic!()
    };
    assert_eq!(level.enumerators[1], ("HIGH".into(), u32::MAX.into()));
    let Type::Enum(wide) = ty(&layout, 16) else {
        panic!()
    };
    assert_eq!(
        wide.enumerators,
        [("ALL".into(), -1), ("MIN".into(), i64::MIN.into())]
    );
}

#[test]
fn integers_are_told_apart_by_encoding_and_name() {
    let mut btf = RawBtf::new();
    btf.long()
        .int("char", 1, 1)
        .int("unsigned char", 1, 0)
        .int("_Bool", 1, 4)
        .int("c", 1, 2);
    let layout = btf.read().unwrap();
    let flags = |id| match ty(&layout, id) {
        Type::Int(int) => (int.signed, int.character, int.boolean),
        _ => panic!(),
    };
    assert_eq!(flags(1), (true, false, false));
    assert_eq!(flags(2), (true, true, false));
    assert_eq!(flags(3), (false, false, false));
    assert_eq!(flags(4), (false, false, true));
    assert_eq!(flags(5), (false, true, false));
}

#[test]
fn old_bit_fields_are_integers_of_few_bits() {
    let mut btf = RawBtf::new();
    btf.long();
    // Three bits of an unsigned int, at bit 2 of it; behind a typedef.
    btf.record(INT, "unsigned int", 0, 4, &[2 << 16 | 3]);
    btf.record(TYPEDEF, "flags_t", 0, 2, &[]);
    let members = [btf.string("x"), 3, 32, btf.string("y"), 1, 64];
    btf.record(STRUCT, "s", 2, 12, &members);
    let layout = btf.read().unwrap();
    let (_, s) = layout.composite("s").unwrap();
    assert_eq!(s.members[0].offset, BitOffset(34));
    assert_eq!(s.members[0].bit_field, Some(BitSize(3)));
    assert_eq!(s.members[1].bit_field, None);
    let Type::Int(int) = ty(&layout, 2) else {
        panic!()
    };
    assert_eq!(int.size, ByteSize(4));
}

#[test]
fn the_same_bit_fields_in_both_encodings_are_the_same() {
    let both = [false, true].map(|flag| {
        let mut btf = RawBtf::new();
        btf.long();
        btf.record(INT, "unsigned int", 0, 4, &[if flag { 32 } else { 5 }]);
        let width = if flag { 5 << 24 } else { 0 };
        let members = [btf.string("a"), 2, width, btf.string("b"), 2, width | 5];
        btf.record(
            STRUCT | if flag { KIND_FLAG } else { 0 },
            "s",
            2,
            4,
            &members,
        );
        btf.read().unwrap()
    });
    assert_eq!(both[0], both[1]);
}

/// With bit-fields in a structure, 24 bits are left for the places of its members.
#[test]
fn a_member_far_behind_bit_fields_has_its_place() {
    let mut btf = RawBtf::new();
    btf.long();
    let far = 0xff_ffe0;
    let members = [btf.string("bit"), 1, 1 << 24, btf.string("far"), 1, far];
    btf.record(STRUCT | KIND_FLAG, "s", 2, 1 << 21, &members);
    let layout = btf.read().unwrap();
    let (_, s) = layout.composite("s").unwrap();
    assert_eq!(s.members[1].offset, BitOffset(far.into()));
    assert_eq!(s.members[1].bit_field, None);
}

#[test]
fn an_unnamed_bit_field_is_padding() {
    let mut btf = RawBtf::new();
    btf.long();
    let members = [0, 1, 4 << 24, btf.string("x"), 1, 4 | 4 << 24];
    btf.record(STRUCT | KIND_FLAG, "s", 2, 4, &members);
    let layout = btf.read().unwrap();
    assert_eq!(layout.composite("s").unwrap().1.members.len(), 1);
}

#[test]
fn an_array_has_whole_elements() {
    let mut btf = RawBtf::new();
    btf.long()
        .record(INT, "int", 0, 4, &[3])
        .record(ARRAY, "", 0, 0, &[2, 1, 4]);
    assert_eq!(btf.read(), Err(BtfError::ArrayOfBits { id: 3, bits: 3 }));
}

#[test]
fn a_function_is_no_type_of_data() {
    let mut btf = RawBtf::new();
    btf.long()
        .record(FUNC_PROTO, "", 0, 0, &[])
        .record(FUNC, "f", 0, 2, &[]);
    btf.record(PTR, "", 0, 3, &[]);
    assert_eq!(
        btf.read(),
        Err(BtfError::NotData {
            id: 4,
            target: 3,
            kind: "function"
        })
    );
}

#[test]
fn the_size_of_a_pointer_is_that_of_long() {
    for name in ["long", "long int", "unsigned long", "long unsigned int"] {
        let mut btf = RawBtf::new();
        btf.int("long long int", 8, 1)
            .int("int", 4, 1)
            .int(name, 8, 0);
        assert_eq!(btf.read().unwrap().target(), Target { pointer_size: 8 });
        let mut btf = RawBtf::new();
        btf.int(name, 4, 0);
        assert_eq!(btf.read().unwrap().target(), Target { pointer_size: 4 });
    }
    let mut btf = RawBtf::new();
    btf.int("long long int", 8, 1).int("int", 4, 1);
    let error = btf.read().unwrap_err();
    assert_eq!(error, BtfError::PointerSize);
    assert!(error.advice().is_some());
    let target = Target { pointer_size: 8 };
    assert_eq!(
        read_with(&btf.bytes(), Some(target)).unwrap().target(),
        target
    );
}

#[test]
fn a_longer_header_is_skipped() {
    let btf = every_kind();
    assert_eq!(read(&btf.bytes_with_header(8)), btf.read());
}

/// `struct wanted { struct inner in; const struct other *far; union_t *any; }` among others.
#[test]
fn what_named_types_contain_is_read_and_of_the_rest_the_names() {
    let mut btf = RawBtf::new();
    btf.long();
    let far = btf.string("far");
    btf.record(STRUCT, "inner", 1, 4, &[far, 1, 0]);
    btf.record(STRUCT, "other", 1, 4, &[far, 1, 0]);
    btf.record(CONST, "", 0, 3, &[]);
    btf.record(PTR, "", 0, 4, &[]);
    btf.record(UNION, "", 1, 4, &[far, 1, 0]);
    btf.record(TYPEDEF, "any_t", 0, 6, &[]);
    btf.record(PTR, "", 0, 7, &[]);
    let [inside, any] = [btf.string("in"), btf.string("any")];
    btf.record(
        STRUCT,
        "wanted",
        3,
        12,
        &[inside, 2, 0, far, 5, 32, any, 8, 64],
    );
    // Reached by nothing; a tag that is described twice; a chain of names that leads nowhere.
    btf.record(STRUCT, "alone", 1, 4, &[far, 1, 0]);
    btf.record(STRUCT, "inner", 2, 8, &[far, 1, 0, any, 1, 32]);
    btf.record(TYPEDEF, "alone_t", 0, 10, &[]);
    let values = [btf.string("LOW"), 1, btf.string("HIGH"), 2];
    btf.record(ENUM, "level", 2, 4, &values);
    let layout = read_named(&btf.bytes(), &["wanted"].into()).unwrap();
    let members = |layout: &Layout, name: &str| {
        let ids = layout.types().filter_map(|(_, ty)| match ty {
            Type::Composite(found) if found.name.as_deref() == Some(name) => {
                Some(found.members.len())
            }
            _ => None,
        });
        ids.collect::<Vec<_>>()
    };
    assert_eq!(members(&layout, "wanted"), [3]);
    assert_eq!(members(&layout, "inner"), [1, 2]);
    assert_eq!(members(&layout, "other"), [0]);
    assert_eq!(members(&layout, "alone"), [0]);
    assert!(layout.has("any_t") && !layout.has("alone_t"));
    // Alone: the first that is called so, and nothing that nothing leads to.
    let alone = read_first(&btf.bytes(), &["wanted", "absent"]).unwrap();
    assert_eq!(members(&alone, "wanted"), [3]);
    assert_eq!(members(&alone, "inner"), [1]);
    assert_eq!(members(&alone, "other"), [0]);
    assert!(!alone.has("alone") && !alone.has("alone_t"));
    let inner = read_first(&btf.bytes(), &["inner"]).unwrap();
    assert_eq!(members(&inner, "inner"), [1]);
    assert_eq!(inner.constant("HIGH"), None);
    let level = read_first(&btf.bytes(), &["level"]).unwrap();
    assert_eq!(level.constant("HIGH"), Some(2));
    let keep = Keep {
        whole: ["wanted".to_owned()].into(),
        ..Keep::default()
    };
    let whole = btf.read().unwrap();
    assert_eq!(members(&whole, "other"), [1]);
    assert_eq!(layout.minimise(&keep), whole.minimise(&keep));
    // A typedef that is asked for brings what it stands for.
    let layout = read_named(&btf.bytes(), &["alone_t"].into()).unwrap();
    assert_eq!(members(&layout, "alone"), [1]);
    assert_eq!(members(&layout, "inner"), [0, 0]);
}
