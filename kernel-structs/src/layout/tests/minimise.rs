use super::*;
use proptest::prelude::*;

fn keep(whole: &[&str], partial: &[(&str, &[&str])]) -> Keep {
    let own = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    Keep {
        whole: own(whole),
        partial: partial
            .iter()
            .map(|(ty, paths)| ((*ty).to_owned(), own(paths)))
            .collect(),
    }
}

/// All types of a layout, one per line, in table order.
fn table(layout: &Layout) -> String {
    let lines = layout.types().skip(1).map(|(id, ty)| {
        let shown = match ty {
            Type::Composite(composite) => {
                let members: Vec<String> = composite
                    .members
                    .iter()
                    .map(|m| format!("{} @{}", m.name.as_deref().unwrap_or("-"), m.offset.0))
                    .collect();
                format!("size {} {{ {} }}", composite.size, members.join(", "))
            }
            Type::Typedef { target, .. } => format!("= {}", layout.type_name(*target)),
            _ => String::new(),
        };
        format!("{} {} {shown}", id.0, layout.type_name(id))
            .trim_end()
            .to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn whole_types_come_with_what_they_contain() {
    let reduced = sample().minimise(&keep(&["task"], &[])).unwrap();
    insta::assert_snapshot!(table(&reduced), @r#"
    1 struct task size 104 { next @0, stopped @32, level @33, name @64, lock @192, - @192, queues @256, state @768 }
    2 struct task *
    3 int
    4 char
    5 char [16]
    6 struct size 0 {  }
    7 spinlock_t = struct
    8 union size 8 { - @0, raw @0 }
    9 struct queue size 16 { head @0, first @64 }
    10 struct queue [4]
    11 enum state
    12 struct size 8 { low @0, high @32 }
    13 long long int
    14 struct head size 8 { next @0, prev @32 }
    15 struct head *
    "#);
    assert_eq!(
        reduced.fingerprint(&["task"]),
        sample().fingerprint(&["task"])
    );
}

#[test]
fn partial_types_keep_their_size_and_the_members_named() {
    let only = [("task", ["queues[0].first", "high"].as_slice())];
    let reduced = sample().minimise(&keep(&[], &only)).unwrap();
    insta::assert_snapshot!(table(&reduced), @r#"
    1 struct task size 104 { - @192, queues @256 }
    2 union size 8 { - @0 }
    3 struct queue size 16 { first @64 }
    4 struct queue [4]
    5 struct size 8 { high @32 }
    6 char
    7 int
    "#);
    let path = FieldPath::parse("high").unwrap();
    let task = reduced.require("task").unwrap();
    assert_eq!(reduced.resolve(task, &path).unwrap().offset.0, 192 + 32);
}

#[test]
fn what_is_whole_and_partial_is_whole() {
    let both = keep(&["task"], &[("task", &["next"]), ("head", &["next"])]);
    let whole = sample().minimise(&keep(&["task", "head"], &[])).unwrap();
    assert_eq!(sample().minimise(&both).unwrap(), whole);
}

#[test]
fn what_is_only_pointed_at_becomes_a_forward_declaration() {
    let reduced = sample()
        .minimise(&keep(&["head"], &[("task", &[])]))
        .unwrap();
    assert_eq!(reduced.composite("task").unwrap().1.members, []);
    let reduced = sample()
        .minimise(&keep(&[], &[("task", &["next"])]))
        .unwrap();
    // The structure points at itself, which is kept.
    assert!(
        reduced
            .types()
            .all(|(_, ty)| !matches!(ty, Type::Forward { .. }))
    );
    let only = [("queue", ["head.next"].as_slice())];
    let types = vec![
        structure("queue", 4, vec![member("task", 0, id(2))]),
        pointer(id(3)),
        structure("task", 4, vec![]),
    ];
    let reduced = layout(types).minimise(&keep(&["queue"], &[])).unwrap();
    assert!(
        reduced
            .types()
            .any(|(_, ty)| matches!(ty, Type::Forward { name, .. } if name == "task"))
    );
    let error = sample().minimise(&keep(&[], &only)).err();
    assert_eq!(error, None);
}

#[test]
fn function_types_lose_their_parameters() {
    let types = vec![
        Type::FunctionProto {
            returns: id(2),
            parameters: vec![("x".into(), id(2))],
        },
        pointer(id(4)),
        structure("ops", 4, vec![member("call", 0, id(5))]),
        structure("other", 4, vec![]),
        pointer(id(1)),
    ];
    let reduced = layout(types).minimise(&keep(&["ops"], &[])).unwrap();
    assert_eq!(
        table(&reduced),
        "1 struct ops size 4 { call @0 }\n2 void (void)\n3 void (*)(void)"
    );
}

#[test]
fn another_structure_of_a_kept_tag_is_not_taken_for_it() {
    let types = vec![
        structure("x", 4, vec![]),
        structure("x", 8, vec![]),
        pointer(id(2)),
        structure(
            "s",
            8,
            vec![member("inside", 0, id(1)), member("pointer", 32, id(3))],
        ),
    ];
    let full = layout(types);
    let reduced = full.minimise(&keep(&["s"], &[])).unwrap();
    assert_eq!(reduced.composites["x"].len(), 2);
    assert_eq!(reduced.fingerprint(&["s"]), full.fingerprint(&["s"]));
    assert_eq!(reduced.minimise(&keep(&["s"], &[])).unwrap(), reduced);
}

#[test]
fn what_is_not_there_cannot_be_kept() {
    let message = |keep: &Keep| sample().minimise(keep).unwrap_err().to_string();
    assert_eq!(
        message(&keep(&["queu"], &[])),
        "no type is called `queu`; the nearest name is `queue`"
    );
    assert_eq!(
        message(&keep(&[], &[("queue", &["head.nxt"])])),
        "queue: queue.head has no member `nxt`; the nearest is `next`"
    );
    assert!(message(&keep(&[], &[("queue", &["head..next"])])).contains("no field path"));
}

/// What could be kept of a random layout: some of its tags whole, of the others one leaf each.
fn any_keep(layout: &Layout, choice: &[bool]) -> Keep {
    let mut keep = Keep::default();
    let tags = layout.composites.iter().filter(|(_, ids)| ids.len() == 1);
    for ((name, ids), whole) in tags.zip(choice.iter().cycle()) {
        let leaves = leaves(layout, ids[0], 1000).unwrap_or_default();
        match leaves.last() {
            Some(leaf) if !whole => {
                keep.partial
                    .insert(name.clone(), vec![leaf.path.to_string()]);
            }
            _ => keep.whole.push(name.clone()),
        }
    }
    keep
}

/// An anonymous type goes by its typedef, also as the element of an array that is pointed at.
#[test]
fn the_typedef_of_an_element_that_is_pointed_at_is_kept() {
    let full = layout(vec![
        Type::Composite(Composite {
            kind: CompositeKind::Union,
            name: None,
            size: ByteSize(0),
            members: Vec::new(),
        }),
        typedef("pair_t", id(1)),
        array(id(2), 0),
        pointer(id(3)),
        structure("task", 4, vec![member("pairs", 0, id(4))]),
    ]);
    let reduced = full.minimise(&keep(&["task"], &[])).unwrap();
    let pairs = |layout: &Layout| {
        let path = FieldPath::parse("pairs").unwrap();
        let found = layout.resolve(layout.require("task").unwrap(), &path);
        layout.canonical_type(found.unwrap().ty)
    };
    assert_eq!(pairs(&full), "*[0]union pair_t");
    assert_eq!(pairs(&reduced), pairs(&full));
}

proptest! {
    #[test]
    fn reducing_changes_nothing_that_is_kept(
        layout in any_layout(),
        choice in proptest::collection::vec(any::<bool>(), 1..10),
    ) {
        let keep = any_keep(&layout, &choice);
        let reduced = layout.minimise(&keep).unwrap();
        let whole: Vec<&str> = keep.whole.iter().map(String::as_str).collect();
        prop_assert_eq!(
            canonical_text(&layout, &whole).unwrap(),
            canonical_text(&reduced, &whole).unwrap()
        );
        for (name, paths) in &keep.partial {
            for path in paths {
                let path = FieldPath::parse(path).unwrap();
                let before = layout.resolve(layout.require(name).unwrap(), &path).unwrap();
                let after = reduced.resolve(reduced.require(name).unwrap(), &path).unwrap();
                prop_assert_eq!((before.offset, before.bit_field), (after.offset, after.bit_field));
                prop_assert_eq!(layout.canonical_type(before.ty), reduced.canonical_type(after.ty));
            }
        }
        prop_assert_eq!(&reduced.minimise(&keep).unwrap(), &reduced);
    }

    #[test]
    fn the_result_does_not_depend_on_ids(
        (layout, order, choice) in any_layout().prop_flat_map(|layout| {
            let ids: Vec<u32> = (0..layout.types.len() as u32 - 1).collect();
            let choice = proptest::collection::vec(any::<bool>(), 1..10);
            (Just(layout), Just(ids).prop_shuffle(), choice)
        })
    ) {
        let keep = any_keep(&layout, &choice);
        let other = reordered(&layout, &order);
        prop_assert_eq!(layout.minimise(&keep).unwrap(), other.minimise(&keep).unwrap());
    }
}
