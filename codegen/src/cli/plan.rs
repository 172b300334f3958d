//! `kconv-gen diff` and `kconv-gen plan`.

use super::{CliError, Ended, Named, both, heard, print, print_json, registry, tell};
use kconv_codegen::decisions::Decisions;
use kconv_codegen::diff::{self, EnumDiff, NumberChange, html, side, view};
use kconv_codegen::emit::{self, EmitError};
use kconv_codegen::generate::{Findings, GenerateError, no_strays};
use kconv_codegen::overrides::{self, CONVERTERS, Changes, Overrides, OverridesFile};
use kconv_codegen::pending::Pending;
use kconv_codegen::plan::{Pair, Plan, Side};
use kconv_codegen::steps::{self, STEP};
use kconv_codegen::{coverage, show};
use kernel_structs::layout::{CONSTANTS, Layout};
use kernel_structs::releases::Registry;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What is shown of a plan.
#[derive(Copy, Clone)]
pub(crate) enum Shown<'a> {
    /// Its rules.
    Plan { json: bool },
    /// The account of its bits.
    Coverage { json: bool },
    /// Nothing: it is written to this file, to be carried out.
    File(&'a Path),
}

/// How a diff is shown, and of which types.
pub(crate) struct DiffOptions<'a> {
    /// The types; the saved ones if there are none.
    pub(crate) types: &'a [String],
    /// Every type that both layouts have.
    pub(crate) all: bool,
    /// Kernel family of files.
    pub(crate) family: Option<&'a str>,
    /// As JSON.
    pub(crate) json: bool,
    /// As a page, into this file.
    pub(crate) html: Option<&'a Path>,
}

/// What a diff shows.
#[derive(serde::Serialize)]
struct Shows {
    types: Vec<view::TypeView>,
    enumerations: Vec<EnumDiff>,
    constants: Vec<NumberChange>,
}

pub(crate) fn diff(from: &str, to: &str, options: &DiffOptions<'_>) -> Result<Ended, CliError> {
    let registry = registry()?;
    let (from, to) = both(&registry, from, to, options.family)?;
    let map = registry.state_map(&from.family)?;
    let shared = diff::shared(&from.layout, &to.layout);
    let types: Vec<&str> = match options.types {
        _ if options.all => shared.both.iter().map(String::as_str).collect(),
        // Of what one of them has alone there is nothing to compare.
        [] => {
            let in_both = |name: &&str| from.layout.has(name) && to.layout.has(name);
            map.saved_types().into_iter().filter(in_both).collect()
        }
        types => types.iter().map(String::as_str).collect(),
    };
    super::known_types(&[&from.layout, &to.layout], &types)?;
    let diffs = diff::diff(&from.layout, &to.layout, &types)?;
    let named = |name: &str| {
        let mut types = types.iter();
        types.any(|ty| ty.trim_start_matches("enum ") == name)
    };
    let shown = Shows {
        types: diffs.iter().map(view::view).collect(),
        enumerations: diff::enumerations(&from.layout, &to.layout, &types)?,
        constants: match options.types.is_empty() || named(CONSTANTS) {
            true => diff::constants(&from.layout, &to.layout),
            false => Vec::new(),
        },
    };
    if let Some(path) = options.html {
        let Shows {
            types,
            enumerations,
            constants,
        } = &shown;
        let page = html::page(&from.name, &to.name, types, enumerations, constants);
        fs::write(path, page).map_err(|error| CliError::io(path, error))?;
    }
    match (options.json, options.html) {
        (true, _) => print_json(&shown)?,
        (false, Some(_)) => {}
        (false, None) => {
            let mut text = side::text(&shown.types);
            text.push_str(&side::numbers(&shown.enumerations, &shown.constants));
            if options.all {
                for (what, names) in [("removed", &shared.old), ("added", &shared.new)] {
                    let line = format!("{} types {what}: {}\n", names.len(), names.join(" "));
                    text.push_str(&line);
                }
            }
            let mut out = anstream::AutoStream::auto(io::stdout().lock());
            heard(out.write_all(text.as_bytes()).and_then(|()| out.flush()))?;
        }
    }
    Ok(Ended::Clean)
}

pub(crate) fn plan(
    from: &str,
    to: &str,
    overrides: Option<&Path>,
    family: Option<&str>,
    shown: Shown<'_>,
) -> Result<Ended, CliError> {
    let registry = registry()?;
    let (from, to) = both(&registry, from, to, family)?;
    let map = registry.state_map(&from.family)?;
    let converters = Path::new(CONVERTERS);
    let file = match overrides {
        Some(path) => Some((path.to_owned(), read_overrides(path)?)),
        None => stored_overrides(&registry, converters, &from, &to)?,
    };
    let decisions = Decisions::find(converters);
    let decisions = decisions.map_err(|error| CliError::io(&std::env::temp_dir(), error))?;
    let overrides = decided(file.as_ref(), decisions.folder(), &from, &to)?;
    // One that no step has is called as its step would be.
    let unnamed = format!("convert-{}-{}", from.name, to.name);
    let named = file.as_ref().map(|(_, file)| file.converter.as_str());
    let made = Plan::make(&Pair {
        converter: match shown {
            Shown::File(_) => named.unwrap_or(&unnamed),
            Shown::Plan { .. } | Shown::Coverage { .. } => named.unwrap_or("none"),
        },
        machine: &from.arch,
        from: side(&from),
        to: side(&to),
        map: &map,
        overrides: &overrides,
    });
    match shown {
        Shown::Plan { json: true } => print_json(&made.plan)?,
        Shown::Plan { json: false } => print(&show::plan(&made.plan))?,
        Shown::Coverage { json: true } => print_json(&coverage::accounts(&made.plan))?,
        Shown::Coverage { json: false } => {
            print(&show::coverage(&coverage::accounts(&made.plan)))?;
        }
        Shown::File(_) => {}
    }
    let names = (from.name.clone(), to.name.clone());
    let undecided: Vec<_> = made
        .undecided
        .into_iter()
        .map(|undecided| (names.clone(), undecided))
        .collect();
    if !undecided.is_empty() {
        tell(&show::undecided(&undecided));
        return Ok(Ended::Findings);
    }
    let live = [&from, &to].map(|named| map.live(&named.layout));
    let missing = coverage::check(&made.plan, &live[0], &live[1]);
    if !missing.is_empty() {
        return Err(GenerateError::from(EmitError::NotTotal(missing)).into());
    }
    if let Shown::File(path) = shown {
        write(&made.plan, [&live[0], &live[1]], path)?;
    }
    Ok(Ended::Clean)
}

/// Writes a plan to a file, whole or not at all.
fn write(plan: &Plan, layouts: [&Layout; 2], path: &Path) -> Result<(), CliError> {
    let text = emit::plan_file(plan, layouts).map_err(GenerateError::from)?;
    let pending = Pending::write(path, text.as_bytes());
    let written = pending.and_then(Pending::take_name);
    written.map_err(|error| CliError::io(path, error))
}

pub(super) fn side(named: &Named) -> Side<'_> {
    Side {
        release: &named.name,
        layout_name: &named.layout_name,
        fingerprint: named.fingerprint,
        layout: &named.layout,
    }
}

fn read_overrides(path: &Path) -> Result<OverridesFile, CliError> {
    let text = fs::read_to_string(path).map_err(|error| CliError::io(path, error))?;
    overrides::parse(&text).map_err(|overrides| {
        let findings = Findings {
            overrides,
            ..Findings::default()
        };
        tell(&show::findings(&path.display().to_string(), &findings));
        GenerateError::Findings(findings).into()
    })
}

/// What is decided from one layout to another: by the family, whose decisions are in `folder`, and by the file of a step.
pub(super) fn decided(
    file: Option<&(PathBuf, OverridesFile)>,
    folder: &Path,
    from: &Named,
    to: &Named,
) -> Result<Overrides, CliError> {
    no_strays([from.family.as_str()], folder)?;
    let changes = Changes::read(folder, &from.family).map_err(GenerateError::from)?;
    let family = changes.between(&from.layout, &to.layout);
    let Some((path, file)) = file else {
        return Ok(family);
    };
    let (decided, twice) = file.overrides.with(family);
    if twice.is_empty() {
        return Ok(decided);
    }
    let findings = Findings {
        overrides: twice,
        ..Findings::default()
    };
    tell(&show::findings(&path.display().to_string(), &findings));
    Err(GenerateError::Findings(findings).into())
}

/// The decisions of the step between two layouts, if there is one in the folder `converters`.
pub(super) fn stored_overrides(
    registry: &Registry,
    converters: &Path,
    from: &Named,
    to: &Named,
) -> Result<Option<(PathBuf, OverridesFile)>, CliError> {
    if !converters.is_dir() {
        return Ok(None);
    }
    for dir in steps::folders(converters).map_err(GenerateError::from)? {
        let path = dir.join(STEP);
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
