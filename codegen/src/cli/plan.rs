//! `kconv-gen diff` and `kconv-gen plan`.

use super::{CliError, Ended, Named, print, print_json};
use kconv_codegen::generate::{self, Findings, GenerateError, OVERRIDES};
use kconv_codegen::overrides::{self, Overrides, OverridesFile};
use kconv_codegen::plan::{Pair, Plan, Side};
use kconv_codegen::{coverage, show};
use kernel_structs::releases::Registry;
use std::fs;
use std::path::{Path, PathBuf};

/// What is shown of a plan.
#[derive(Copy, Clone)]
pub(crate) enum Shown {
    /// Its rules.
    Plan { json: bool },
    /// The account of its bits.
    Coverage { json: bool },
}

pub(crate) fn diff(
    from: &str,
    to: &str,
    types: &[String],
    family: &str,
    json: bool,
) -> Result<Ended, CliError> {
    let registry = Registry::builtin()?;
    let (from, to) = both(&registry, from, to, family)?;
    let map = registry.state_map(&from.family)?;
    let saved = map.saved_types();
    let types: Vec<&str> = match types {
        [] => saved,
        types => types.iter().map(String::as_str).collect(),
    };
    let diff = kconv_codegen::diff::diff(&from.layout, &to.layout, &types)?;
    match json {
        true => print_json(&diff)?,
        false => print(&show::diff(&diff))?,
    }
    Ok(Ended::Clean)
}

pub(crate) fn plan(
    from: &str,
    to: &str,
    overrides: Option<&Path>,
    family: &str,
    shown: Shown,
) -> Result<Ended, CliError> {
    let registry = Registry::builtin()?;
    let (from, to) = both(&registry, from, to, family)?;
    let map = registry.state_map(&from.family)?;
    let decided = match overrides {
        Some(path) => Some((path.to_owned(), read_overrides(path)?)),
        None => stored_overrides(&registry, &from, &to)?,
    };
    let none = Overrides::default();
    let made = Plan::make(&Pair {
        converter: decided
            .as_ref()
            .map_or("none", |(_, file)| file.converter.as_str()),
        machine: &from.arch,
        from: side(&from),
        to: side(&to),
        map: &map,
        overrides: decided.as_ref().map_or(&none, |(_, file)| &file.overrides),
    });
    match shown {
        Shown::Plan { json: true } => print_json(&made.plan)?,
        Shown::Plan { json: false } => print(&show::plan(&made.plan))?,
        Shown::Coverage { json: true } => print_json(&coverage::accounts(&made.plan))?,
        Shown::Coverage { json: false } => {
            print(&show::coverage(&coverage::accounts(&made.plan)))?;
        }
    }
    let names = (from.name.clone(), to.name.clone());
    let undecided: Vec<_> = made
        .undecided
        .into_iter()
        .map(|undecided| (names.clone(), undecided))
        .collect();
    if !undecided.is_empty() {
        eprint!("{}", show::undecided(&undecided));
        return Ok(Ended::Findings);
    }
    let missing = coverage::check(&made.plan, &map.live(&from.layout), &map.live(&to.layout));
    match missing.is_empty() {
        true => Ok(Ended::Clean),
        false => Err(GenerateError::from(kconv_codegen::emit::EmitError::NotTotal(missing)).into()),
    }
}

fn both(
    registry: &Registry,
    from: &str,
    to: &str,
    family: &str,
) -> Result<(Named, Named), CliError> {
    let (from, to) = (
        Named::find(registry, from, family)?,
        Named::find(registry, to, family)?,
    );
    match from.family == to.family {
        true => Ok((from, to)),
        false => Err(CliError::Families {
            from: from.name,
            to: to.name,
            from_family: from.family,
            to_family: to.family,
        }),
    }
}

fn side(named: &Named) -> Side<'_> {
    Side {
        release: &named.name,
        layout_name: &named.layout_name,
        fingerprint: named.fingerprint,
        layout: &named.layout,
    }
}

fn read_overrides(path: &Path) -> Result<OverridesFile, CliError> {
    let text = fs::read_to_string(path).map_err(|error| CliError::Io {
        path: path.to_owned(),
        error,
    })?;
    overrides::parse(&text).map_err(|overrides| {
        let findings = Findings {
            overrides,
            ..Findings::default()
        };
        eprint!("{}", show::findings(&path.display().to_string(), &findings));
        GenerateError::Findings(findings).into()
    })
}

/// The decisions of the crate that converts between two layouts, if there is one here.
fn stored_overrides(
    registry: &Registry,
    from: &Named,
    to: &Named,
) -> Result<Option<(PathBuf, OverridesFile)>, CliError> {
    let converters = Path::new("converters");
    if !converters.is_dir() {
        return Ok(None);
    }
    for dir in generate::crates(converters)? {
        let path = dir.join(OVERRIDES);
        let file = read_overrides(&path)?;
        let is_layout = |release: &str, named: &Named| {
            let release = registry.release(release, None, None);
            release.is_ok_and(|release| release.layout.0 == named.layout_name)
        };
        if file
            .pairs
            .iter()
            .any(|pair| is_layout(&pair.from, from) && is_layout(&pair.to, to))
        {
            return Ok(Some((path, file)));
        }
    }
    Ok(None)
}
