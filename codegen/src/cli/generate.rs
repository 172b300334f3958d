//! `kconv-gen generate`.

use super::{CliError, Ended, print, registry};
use kconv_codegen::generate::{self, Difference, GenerateError, OVERRIDES};
use kconv_codegen::overrides::{Changes, FOLDER, Family};
use kconv_codegen::show;
use std::path::{Path, PathBuf};

pub(crate) fn generate(crates: &[PathBuf], check: bool) -> Result<Ended, CliError> {
    let registry = registry()?;
    let converters = Path::new("converters");
    let all = crates.is_empty();
    let crates = match crates {
        [] if converters.is_dir() => generate::crates(converters)?,
        crates => crates.to_vec(),
    };
    if crates.is_empty() {
        return Err(CliError::NoCrates {
            path: converters.to_owned(),
        });
    }
    let mut ended = Ended::Clean;
    if all {
        let folder = converters.join(FOLDER);
        for family in Changes::families(&folder).map_err(GenerateError::from)? {
            let changes = Changes::read(&folder, &family).map_err(GenerateError::from)?;
            let findings = Family::new(&registry, &family)?.check(&changes);
            if !findings.changes.is_empty() {
                let folder = folder.join(&family).display().to_string();
                eprint!("{}", show::changes(&folder, &findings.changes));
                ended = Ended::Findings;
            }
        }
    }
    for dir in &crates {
        let files = match generate::generate(dir, &registry) {
            Ok(files) => files,
            Err(GenerateError::Findings(findings)) => {
                let file = dir.join(OVERRIDES).display().to_string();
                eprint!("{}", show::findings(&file, &findings));
                ended = Ended::Findings;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if check {
            for difference in generate::compare(dir, &files)? {
                ended = Ended::Findings;
                let (path, what) = match difference {
                    Difference::Missing(path) => (path, "is missing"),
                    Difference::Changed(path) => (path, "is not what would be generated now"),
                    Difference::LeftOver(path) => (path, "is not generated any more"),
                };
                eprintln!("{} {what}", path.display());
            }
        } else {
            for path in generate::write(dir, &files)? {
                print(&format!("{}\n", path.display()))?;
            }
        }
    }
    if check && ended == Ended::Findings {
        eprintln!("run `cargo run -p kconv-codegen --bin kconv-gen -- generate`");
    }
    Ok(ended)
}
