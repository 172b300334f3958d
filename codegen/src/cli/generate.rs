//! `kconv-gen generate`.

use super::{CliError, Ended, converters, print, registry, tell};
use kconv_codegen::generate::{self, Difference};
use kconv_codegen::overrides::CONVERTERS;
use kconv_codegen::pending::sweep;
use std::path::Path;

pub(crate) fn generate(check: bool) -> Result<Ended, CliError> {
    converters()?;
    let root = Path::new(".");
    let files = generate::generate(root, &registry()?)?;
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
            Difference::Missing(path) => (path, "is missing"),
            Difference::Changed(path) => (path, "is not what would be generated now"),
            Difference::LeftOver(path) => (path, "is not generated any more"),
        };
        tell(&format!("{} {what}\n", path.display()));
    }
    if differences.is_empty() {
        return Ok(Ended::Clean);
    }
    if differences
        .iter()
        .all(|one| matches!(one, Difference::Stray(_)))
    {
        return Ok(Ended::Findings);
    }
    tell("run `cargo run -p kconv-codegen --bin kconv-gen -- generate`\n");
    Ok(Ended::Findings)
}
