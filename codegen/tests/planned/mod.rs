//! Every pair of layouts that there is a generated page for: its converter as it is compiled, and as it
//! is read from a file that holds the same plan.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a part of several tests"
)]

use kconv_codegen::emit;
use kconv_codegen::family::Family;
use kconv_codegen::generate::{decided, end};
use kconv_codegen::overrides::Changes;
use kconv_codegen::plan::{Pair, Plan};
use kconv_codegen::steps::Steps;
use kconv_plans::model;
use kconv_runtime::table::Converter;
use kernel_structs::layout::Layout;
use kernel_structs::releases::Registry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A pair of layouts.
pub struct Planned {
    pub family: String,
    /// The layout read, with each union as its arm in use.
    pub layout: Layout,
    pub compiled: &'static Converter,
    /// The plan as data, and the text of its file.
    pub data: model::Plan,
    pub text: String,
}

impl Planned {
    /// What the file gives.
    pub fn read(&self) -> &'static Converter {
        kconv_steps::read(self.text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// Calls `each` with every pair that there is a page for and that `wanted` chooses by the names of the family and
/// the layouts, and
/// returns their number.
pub fn pages(
    registry: &Registry,
    wanted: impl Fn(&str, &str, &str) -> bool,
    mut each: impl FnMut(Planned),
) -> usize {
    let converters = Path::new(env!("CARGO_MANIFEST_DIR")).join("../converters");
    let steps = Steps::read(registry, &converters).unwrap();
    assert!(steps.wrong.is_empty());
    let mut families: BTreeMap<String, (Family, Changes)> = BTreeMap::new();
    let mut number = 0;
    let mut wrong = BTreeSet::new();
    for step in steps.files {
        let name = step.file.family.clone();
        let (family, changes) = families.entry(name.clone()).or_insert_with(|| {
            let changes = Changes::read(&converters.join("overrides"), &name).unwrap();
            (Family::read(registry, &name).unwrap(), changes)
        });
        for entry in &step.file.pairs {
            let from = end(registry, &entry.from).unwrap();
            let to = end(registry, &entry.to).unwrap();
            let (from_layout, to_layout) = (&from.release.layout.0, &to.release.layout.0);
            if !wanted(&name, from_layout, to_layout) {
                continue;
            }
            let (decisions, _) = decided(&step.file.overrides, changes, (&from, &to));
            let made = Plan::make(&Pair {
                converter: &step.file.converter,
                machine: &from.release.arch,
                from: from.side(),
                to: to.side(),
                map: &family.map,
                overrides: &decisions,
            });
            assert_eq!(made.undecided, []);
            let compiled = kconv_steps::called(&step.file.converter);
            let compiled = compiled.into_iter().find(|compiled| {
                (compiled.from.layout, compiled.to.layout) == (from_layout, to_layout)
            });
            let live = [&from, &to].map(|end| family.map.live(&end.layout));
            let data = emit::data(&made.plan, [&live[0], &live[1]]);
            let data = match data {
                Ok(data) => data,
                Err(error) => {
                    wrong.insert(error.to_string());
                    continue;
                }
            };
            let [layout, _] = live;
            each(Planned {
                family: name.clone(),
                layout,
                compiled: compiled.unwrap(),
                text: kconv_plans::write(&data).unwrap(),
                data,
            });
            number += 1;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    number
}
