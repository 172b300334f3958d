//! The lists of faults hold for the sources as they are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_faults::list;
use std::path::Path;

#[test]
fn every_fault_can_be_planted() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = own.ancestors().nth(2).unwrap();
    let read =
        |folder: &str| list::read(&own.join(folder)).unwrap_or_else(|errors| panic!("{errors:#?}"));
    let mut packages = read("lists");
    assert!(packages.iter().all(|package| package.judge.is_none()));
    let judged = read("guests");
    assert!(judged.iter().all(|package| package.judge.is_some()));
    packages.extend(judged);
    let errors = list::applies(&packages, root);
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert!(errors.is_empty(), "\n{}", lines.join("\n"));
    let faults: usize = packages.iter().map(|package| package.faults.len()).sum();
    assert!(faults >= 70, "{faults} faults");
}
