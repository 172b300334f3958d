//! `kconv-gen generate`.

use super::{CliError, Ended, converters, print, registry, tell};
use kconv_codegen::generate::{self, Difference};
use kconv_codegen::overrides::CONVERTERS;
use kconv_codegen::pending::sweep;
use kconv_codegen::routes::{Broken, Routes};
use std::path::Path;

pub(crate) fn generate(check: bool) -> Result<Ended, CliError> {
    converters()?;
    let root = Path::new(".");
    let registry = registry()?;
    let files = generate::generate(root, &registry)?;
    if !check {
        for folder in [CONVERTERS, "kernel-structs"] {
            sweep(&root.join(folder));
        }
        for path in generate::write(root, &files)? {
            print(&format!("{}\n", path.display()))?;
        }
    }
    let differences = generate::compare(root, &files)?;
    for difference in &differences {
        let (path, what) = match difference {
            Difference::Stray(path) => (
                path,
                "is no module that step.toml names, and would be linked with the pages; name it there, or remove it",
            ),
            Difference::Foreign(path) => (
                path,
                "is nothing that kconv-gen makes, in a folder that has nothing else; move it elsewhere, or remove it",
            ),
            Difference::Missing(path) => (path, "is missing"),
            Difference::Changed(path) => (path, "is not what would be generated now"),
            Difference::LeftOver(path) => (path, "is not generated any more"),
        };
        tell(&format!("{} {what}\n", path.display()));
    }
    let is_strange =
        |one: &Difference| matches!(one, Difference::Stray(_) | Difference::Foreign(_));
    if !differences.iter().all(is_strange) {
        tell("run `cargo run -p kconv-codegen --bin kconv-gen -- generate`\n");
    }
    let broken = Routes::read(&registry, &root.join(CONVERTERS))?.broken();
    for Broken { from, to } in &broken {
        tell(&format!(
            "no step leads from {from} to {to}, so that no image of the kernels before can become one of those behind; make it: kconv-gen new {from} {to}\n"
        ));
    }
    match differences.is_empty() && broken.is_empty() {
        true => Ok(Ended::Clean),
        false => Ok(Ended::Findings),
    }
}
