use super::*;
use crate::units::{BitOffset, BitSize};
use proptest::prelude::*;

#[test]
fn leaves_are_all_scalars_with_their_paths() {
    let layout = sample();
    let leaves: Vec<String> = leaves(&layout, id(9), 100)
        .unwrap()
        .into_iter()
        .map(|leaf| {
            let union = if leaf.in_union { " in union" } else { "" };
            let bits = if leaf.bit_field { " bit-field" } else { "" };
            let Leaf {
                path,
                offset,
                size,
                kind,
                ..
            } = leaf;
            format!("{path} {offset} {} {kind:?}{bits}{union}", size.0)
        })
        .collect();
    let shown: Vec<&str> = leaves
        .iter()
        .map(String::as_str)
        .filter(|leaf| !leaf.starts_with("name[1"))
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    next 0 32 Pointer(TypeId(9))
    stopped 4 1 Signed bit-field
    level 4:1 4 Signed bit-field
    name[0] 8 8 Char
    name[2] 10 8 Char
    name[3] 11 8 Char
    name[4] 12 8 Char
    name[5] 13 8 Char
    name[6] 14 8 Char
    name[7] 15 8 Char
    name[8] 16 8 Char
    name[9] 17 8 Char
    low 24 32 Signed in union
    high 28 32 Signed in union
    raw 24 64 Signed in union
    queues[0].head.next 32 32 Pointer(TypeId(7))
    queues[0].head.prev 36 32 Pointer(TypeId(7))
    queues[0].first 40 8 Char
    queues[1].head.next 48 32 Pointer(TypeId(7))
    queues[1].head.prev 52 32 Pointer(TypeId(7))
    queues[1].first 56 8 Char
    queues[2].head.next 64 32 Pointer(TypeId(7))
    queues[2].head.prev 68 32 Pointer(TypeId(7))
    queues[2].first 72 8 Char
    queues[3].head.next 80 32 Pointer(TypeId(7))
    queues[3].head.prev 84 32 Pointer(TypeId(7))
    queues[3].first 88 8 Char
    state 96 32 Enum(TypeId(13))
    "#);
}

#[test]
fn padding_is_what_no_member_covers() {
    let layout = sample();
    let holes = padding(&layout, id(9), 1000).unwrap();
    // 27 bits after the bit-fields; three bytes and then some at the end of each queue; the end.
    let bits = |offset, size| (BitOffset(offset), BitSize(size));
    assert_eq!(
        holes,
        [
            bits(37, 27),
            bits(328, 56),
            bits(456, 56),
            bits(584, 56),
            bits(712, 56),
            bits(800, 32),
        ]
    );
    assert_eq!(padding(&layout, id(1), 10), Ok(vec![]));
    assert_eq!(padding(&layout, id(5), 10), Ok(vec![]));
}

#[test]
fn in_a_union_the_longest_member_counts() {
    let layout = layout(vec![
        int("int", 4, true),
        int("char", 1, true),
        union("u", 8, vec![member("c", 0, id(2)), member("s", 0, id(4))]),
        structure("s", 8, vec![member("a", 0, id(2)), member("b", 32, id(2))]),
    ]);
    let bits = |offset, size| (BitOffset(offset), BitSize(size));
    assert_eq!(
        padding(&layout, id(3), 10),
        Ok(vec![bits(8, 24), bits(40, 24)])
    );
}

#[test]
fn a_value_of_many_parts_is_refused_in_time() {
    // 2^40 elements with a hole in each, and 2^60 of nothing.
    let layout = layout(vec![
        int("char", 1, true),
        structure("s", 2, vec![member("c", 0, id(1))]),
        array(id(2), 1 << 40),
        structure("nothing", 0, vec![]),
        array(id(4), 1 << 60),
        array(id(1), 1 << 40),
    ]);
    for id in [id(3), id(5), id(6)] {
        assert_eq!(leaves(&layout, id, 1000), Err(TooManyParts { limit: 1000 }));
    }
    assert_eq!(
        padding(&layout, id(3), 1000),
        Err(TooManyParts { limit: 1000 })
    );
    assert_eq!(
        padding(&layout, id(5), 1000),
        Err(TooManyParts { limit: 1000 })
    );
    assert_eq!(padding(&layout, id(6), 1000), Ok(vec![]));
}

const LIMIT: usize = 5000;

proptest! {
    #[test]
    fn every_bit_is_a_leaf_s_or_padding(layout in any_layout()) {
        for (id, _) in layout.types() {
            let (Ok(leaves), Ok(holes)) =
                (leaves(&layout, id, LIMIT), padding(&layout, id, LIMIT)) else { continue };
            let size = layout.size_of(id).map_or(0, |size| size.0 * 8) as usize;
            let mut covered = vec![false; size];
            for leaf in &leaves {
                for bit in 0..leaf.size.0 {
                    covered[(leaf.offset.0 + bit) as usize] = true;
                }
            }
            for (offset, bits) in &holes {
                for bit in 0..bits.0 {
                    prop_assert!(!covered[(offset.0 + bit) as usize]);
                    covered[(offset.0 + bit) as usize] = true;
                }
            }
            prop_assert!(covered.into_iter().all(|bit| bit));
        }
    }

    #[test]
    fn every_leaf_is_found_by_its_path(layout in any_layout()) {
        for (id, _) in layout.types() {
            let Ok(leaves) = leaves(&layout, id, LIMIT) else { continue };
            for leaf in leaves.iter().take(200) {
                let found = layout.resolve(id, &leaf.path).unwrap();
                prop_assert_eq!((found.ty, found.offset), (leaf.ty, leaf.offset));
                prop_assert_eq!(found.bit_field.is_some(), leaf.bit_field);
            }
        }
    }
}
