//! The kinds of resources that the state map of Linux 6 names, of which each is one that the family has
//! words for.

use super::{Made, ROOT, builtin, task_map, tasks};
use crate::error::Flaw;
use crate::families::Known;
use crate::family::Reference;
use crate::walk::{Selection, walk};
use kconv_image::KernelAddr;
use kernel_structs::state::Policy;
use std::collections::BTreeSet;

/// The kinds in `kinds` that are not known. What they are asked for is not there, which is told of those
/// that are.
fn unknown<'k>(kinds: impl Iterator<Item = &'k str>) -> Vec<&'k str> {
    let (mut made, _): (Made, _) = tasks();
    made.object("nsproxy", ROOT + 0x5_0000, &[]);
    made.name("init_nsproxy", ROOT + 0x5_0000);
    let map = task_map();
    let names = made.names();
    let walked = walk(made.memory(&names), &map, &Selection::All);
    let mut family = Known::Linux6.of(&walked).unwrap();
    let mut is_unknown = |kind: &str| {
        let reference = Reference {
            kind,
            at: KernelAddr(8),
            mount: None,
        };
        matches!(family.resource(&reference), Err(Flaw::UnknownKind { .. }))
    };
    kinds.filter(|kind| is_unknown(kind)).collect()
}

#[test]
fn the_family_has_words_for_every_kind_that_its_map_names() {
    let rules = builtin().1.types.values().flat_map(|entry| {
        let fields = entry.fields.values();
        fields.chain(&entry.rule)
    });
    let kinds: BTreeSet<&str> = rules
        .filter_map(|rule| match &rule.policy {
            Policy::Resource { kind, .. } => Some(kind.as_str()),
            _ => None,
        })
        .collect();
    assert!(kinds.len() > 12, "{kinds:?}");
    assert_eq!(unknown(kinds.into_iter()), [""; 0]);
    assert_eq!(unknown(["such-a-kind"].into_iter()), ["such-a-kind"]);
}
