use super::*;
use crate::units::{BitOffset, BitSize};
use proptest::prelude::*;

fn resolve(path: &str) -> Result<Resolved, PathError> {
    sample().resolve(id(9), &FieldPath::parse(path)?)
}

fn found(ty: u32, offset: u64) -> Result<Resolved, PathError> {
    Ok(Resolved {
        ty: id(ty),
        offset: BitOffset(offset),
        bit_field: None,
    })
}

#[test]
fn paths_lead_into_structures_arrays_and_anonymous_members() {
    assert_eq!(resolve(""), found(9, 0));
    assert_eq!(resolve("next"), found(3, 0));
    assert_eq!(resolve("name[3]"), found(2, 64 + 24));
    assert_eq!(resolve("high"), found(1, 192 + 32));
    assert_eq!(resolve("raw"), found(14, 192));
    assert_eq!(resolve("queues[2].head.prev"), found(8, 256 + 2 * 128 + 32));
    assert_eq!(
        resolve("level"),
        Ok(Resolved {
            ty: id(1),
            offset: BitOffset(33),
            bit_field: Some(BitSize(4))
        })
    );
    let path = FieldPath::parse("[1].first").unwrap();
    assert_eq!(sample().resolve(id(12), &path), found(2, 128 + 64));
}

#[test]
fn a_path_that_leads_nowhere_says_where_it_ends() {
    let message = |path: &str| resolve(path).unwrap_err().to_string();
    insta::assert_snapshot!(message("nmae"), @"task has no member `nmae`; the nearest is `name`");
    insta::assert_snapshot!(message("hihg"), @"task has no member `hihg`; the nearest is `high`");
    insta::assert_snapshot!(message("queues[2].heads"), @"task.queues[2] has no member `heads`; the nearest is `head`");
    insta::assert_snapshot!(message("queues[4]"), @"`queues` has 4 elements; there is no [4]");
    insta::assert_snapshot!(message("next.name"), @"`next` is neither a struct nor a union; it has no member `name`");
    insta::assert_snapshot!(message("queues.head"), @"`queues` is neither a struct nor a union; it has no member `head`");
    insta::assert_snapshot!(message("next[0]"), @"`next` is no array; it has no [0]");
    insta::assert_snapshot!(message("completely_else"), @"task has no member `completely_else`");
}

#[test]
fn what_is_no_path_is_refused() {
    for text in [
        ".", "a.", ".a", "a..b", "a[", "a[]", "a[x]", "a[-1]", "a[+1]", "a]", "a[1]b", "a b",
    ] {
        assert!(
            matches!(FieldPath::parse(text), Err(PathError::Syntax { .. })),
            "{text}"
        );
    }
    assert!(FieldPath::parse("a[99999999999999999999]").is_err());
}

proptest! {
    #[test]
    fn paths_are_written_and_read(
        steps in proptest::collection::vec(
            prop_oneof!["[a-z_][a-z0-9_]{0,8}".prop_map(Step::Member), any::<u64>().prop_map(Step::Element)],
            0..6,
        )
    ) {
        let path = FieldPath::from(steps);
        prop_assert_eq!(FieldPath::parse(&path.to_string()), Ok(path));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC*") {
        if let Ok(path) = FieldPath::parse(&text) {
            prop_assert_eq!(path.to_string(), text);
        }
    }
}
