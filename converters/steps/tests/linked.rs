//! Every folder of a step is linked.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_steps::{all, called, identity};

#[test]
fn every_folder_is_linked_and_its_converters_have_its_name() {
    let converters = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(converters)
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(step) = name.strip_prefix("linux-") {
            folders.push(format!("convert-{step}"));
        }
    }
    assert!(folders.len() >= 20, "{folders:?}");
    for name in &folders {
        assert!(!called(name).is_empty(), "{name} is not linked");
    }
    for converter in all() {
        assert!(folders.iter().any(|name| name == converter.name));
        assert!(identity(converter.from.layout).is_some());
    }
}
