//! Constants beside the types.

use super::sample;
use crate::btf;
use crate::layout::Layout;
use std::collections::BTreeMap;

fn constants(of: &[(&str, i128)]) -> BTreeMap<String, i128> {
    of.iter()
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect()
}

#[test]
fn constants_come_back_from_btf_with_all_their_bits() {
    let all = [("LEAST", 0), ("LAST", 1 << 63), ("PF_X", 0x40)];
    let layout = sample().with_constants(&constants(&all));
    let data = btf::write(&layout).unwrap();
    let read = btf::read(&data).unwrap();
    assert_eq!(read.constants(), layout.constants());
    assert_eq!(read.constant("LAST"), Some(1 << 63));
    assert_eq!(read.constant("NONE"), None);
    let signed = constants(&[("NEGATIVE", -1), ("PF_X", 0x40)]);
    let signed = layout.with_constants(&signed);
    let read = btf::read(&btf::write(&signed).unwrap()).unwrap();
    assert_eq!(read.constants(), signed.constants());
    assert_eq!(read.constant("LAST"), None);
}

/// Meaning is part of a fingerprint, and of nothing that a running kernel tells.
#[test]
fn a_constant_of_another_value_is_another_layout_of_the_same_types() {
    let saved = ["task"];
    let plain = sample();
    let one = plain.clone().with_constants(&constants(&[("PF_X", 1)]));
    let two = plain.clone().with_constants(&constants(&[("PF_X", 2)]));
    let fingerprint = |layout: &Layout| layout.fingerprint(&saved).unwrap();
    assert_ne!(fingerprint(&one), fingerprint(&two));
    assert_ne!(fingerprint(&one), fingerprint(&plain));
    let types = |layout: &Layout| layout.types_fingerprint(&saved).unwrap();
    assert_eq!(types(&one), types(&two));
    assert_eq!(types(&one), fingerprint(&plain));
    let none = plain.clone().with_constants(&BTreeMap::new());
    assert_eq!(none, plain);
}
