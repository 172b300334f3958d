//! `kconv-gen check` on small patches, each of one kind of change, with the verdict expected:
//! with the patch alone, and with the tree before it.
//!
//! The patches are for the small tree in `tests/check/tree`; what is saved, decided and watched
//! is that of the linux-6 family.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "check/baselines.rs"]
mod baselines;
#[path = "check/build.rs"]
mod build;
#[path = "check/contracts.rs"]
mod contracts;
#[path = "check/formats.rs"]
mod formats;
#[path = "check/forms.rs"]
mod forms;
#[path = "check/gate.rs"]
mod gate;
#[path = "check/hostile.rs"]
mod hostile;
#[path = "check/input.rs"]
mod input;
#[path = "check/noise.rs"]
mod noise;
#[path = "check/project.rs"]
mod project;
#[path = "check/shapes.rs"]
mod shapes;
#[path = "check/small.rs"]
mod small;
#[path = "check/untold.rs"]
mod untold;
#[path = "check/vendors.rs"]
mod vendors;
#[path = "check/workflows.rs"]
mod workflows;

use kconv_codegen::check::{CheckError, Inputs, Options, Project, Report, Saved, check, render};
use kernel_structs::releases::Registry;
use kernel_structs::state::StateMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

static REGISTRY: LazyLock<&Registry> = LazyLock::new(|| Registry::builtin().unwrap());
static MAP: LazyLock<StateMap> = LazyLock::new(|| REGISTRY.state_map("linux-6").unwrap());
static SAVED: LazyLock<Saved<'static>> = LazyLock::new(|| {
    let entries = REGISTRY.layouts().filter(|entry| entry.family == "linux-6");
    let layouts = entries.map(|entry| REGISTRY.layout(&entry.id).unwrap());
    Saved::new(&MAP, layouts.collect())
});

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check")
}

fn tree() -> PathBuf {
    folder().join("tree")
}

fn patch(name: &str) -> Vec<u8> {
    let path = folder().join("patches").join(format!("{name}.patch"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Checks a patch without any project beside it.
fn checked(patch: &[u8], tree: Option<&Path>) -> Result<Report, CheckError> {
    let inputs = Inputs {
        tree,
        ..Inputs::default()
    };
    let mut patch = patch;
    check(Some(&mut patch), &SAVED, &Project::default(), &inputs)
}

/// The findings in few words: `undecided added task_struct.fresh`.
fn words(report: &Report) -> Vec<String> {
    let all = report.findings.iter();
    all.map(|finding| {
        format!(
            "{} {} {}",
            finding.verdict.name(),
            finding.kind.name(),
            finding.subject
        )
    })
    .collect()
}

/// Runs `kconv-gen` in `folder`, on a day that does not change: the exit code and both outputs.
fn kconv_gen(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_kconv-gen"))
        .args(arguments)
        .current_dir(folder)
        .env("SOURCE_DATE_EPOCH", "1795824000")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn options(text: &str) -> Options {
    Options::parse(text)
}

fn text(report: &Report) -> String {
    render::text(report)
}
