//! The functions of people that decisions call, looked for in their sources: without one the
//! decision is as good as none, and only the compiler of the generated code would say so.

use super::{Function, OverrideProblem};
use kernel_structs::nearest::nearest;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The names of the public functions of a family.
pub(super) struct Functions(BTreeSet<String>);

/// The functions in the sources of a family: in `src/MODULE.rs` and what lies in `src/MODULE`, below
/// `folder`. `None` if there are no such sources.
///
/// A file that is no Rust has no functions here; the compiler says what is wrong with it.
///
/// # Errors
/// If a file cannot be read; with its path.
pub(super) fn known(
    folder: &Path,
    family: &str,
) -> Result<Option<Functions>, (PathBuf, io::Error)> {
    let module = family.replace(['-', '.'], "_");
    let mut files = vec![folder.join("src").join(format!("{module}.rs"))];
    let inside = folder.join("src").join(&module);
    if inside.is_dir() {
        let fail = |error| (inside.clone(), error);
        for entry in fs::read_dir(&inside).map_err(fail)? {
            files.push(entry.map_err(fail)?.path());
        }
    }
    files.retain(|file| file.is_file());
    if files.is_empty() {
        return Ok(None);
    }
    let mut names = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).map_err(|error| (file.clone(), error))?;
        let Ok(parsed) = syn::parse_file(&text) else {
            continue;
        };
        names.extend(parsed.items.into_iter().filter_map(|item| match item {
            syn::Item::Fn(function) if matches!(function.vis, syn::Visibility::Public(_)) => {
                Some(function.sig.ident.to_string())
            }
            _ => None,
        }));
    }
    Ok(Some(Functions(names)))
}

impl Functions {
    /// What is wrong with a call of `function`.
    pub(super) fn missing(&self, function: &Function) -> Option<OverrideProblem> {
        let Functions(known) = self;
        let name = &function.name;
        (!known.contains(name)).then(|| OverrideProblem::NoFunction {
            name: name.clone(),
            nearest: nearest(name, known.iter().map(String::as_str)).map(String::from),
        })
    }
}
