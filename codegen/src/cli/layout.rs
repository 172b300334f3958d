//! `kconv-gen layout`.

use super::archive::Places;
use super::kernel::build_id;
use super::release::{self, Project};
use super::source::{Route, Source, Wanted};
use super::{CliError, Ended, Named, constants, print, registry, tell};
use kconv_codegen::import::{self, Found, Renewal};
use kernel_structs::layout::{RenderOptions, render_type};
use kernel_structs::releases::{LayoutId, Registry, is_file_like};
use kernel_structs_routes::compare;
use std::borrow::Cow;
use std::fmt::Write;
use std::path::{Path, PathBuf};

pub(crate) fn show(
    types: &[String],
    release: Option<&str>,
    file: Option<&Path>,
    family: Option<&str>,
    expand: bool,
) -> Result<Ended, CliError> {
    let registry = registry()?;
    let source = file.map(Source::open).transpose()?;
    let layout = match (&source, release) {
        (Some(source), _) => source.layout(&registry, &Wanted::Types(types, family))?,
        (None, release) => {
            let name = release.unwrap_or_default();
            let end = super::end(&registry, name);
            Cow::Owned(end.map_err(|error| not_a_release(error, name))?.layout)
        }
    };
    let mut text = String::new();
    // Of several that share a name all are shown, and integers have names of their own.
    let is_one = |name: &&str| layout.find_all(name).is_empty() && layout.integer(name).is_none();
    let names: Vec<&str> = types.iter().map(String::as_str).filter(is_one).collect();
    super::known_types(&[&layout], &names)?;
    for name in types {
        let found = match layout.find_all(name) {
            [] => match layout.integer(name) {
                Some(integer) => vec![integer],
                None => vec![layout.require(name)?],
            },
            found => found.to_vec(),
        };
        for id in found {
            text.push_str(&render_type(&layout, id, &RenderOptions { expand }));
        }
    }
    print(&text)?;
    Ok(Ended::Clean)
}

/// That there is no release `name`; where it reads like a file's, by what a file is named.
fn not_a_release(error: CliError, name: &str) -> CliError {
    match is_file_like(name) {
        true => CliError::FileForRelease {
            name: name.to_owned(),
        },
        false => error,
    }
}

pub(crate) fn list() -> Result<Ended, CliError> {
    let registry = registry()?;
    let mut text = String::new();
    for entry in registry.layouts() {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{} ({}) {}",
            entry.id, entry.family, entry.fingerprint
        );
        let names: Vec<&str> = registry
            .releases_of(&entry.id)
            .map(|r| r.name.as_str())
            .collect();
        let _ = writeln!(text, "  {}", names.join(" "));
    }
    print(&text)?;
    Ok(Ended::Clean)
}

/// Holds two layouts against each other that should be of one kernel.
pub(crate) fn compare(
    [left, right]: [&str; 2],
    types: &[String],
    family: Option<&str>,
) -> Result<Ended, CliError> {
    let registry = registry()?;
    let (left, right) = super::both(&registry, left, right, family)?;
    let map = registry.state_map(&left.family)?;
    let names: Vec<&str> = match types {
        [] => map.saved_types().into_iter().collect(),
        types => types.iter().map(String::as_str).collect(),
    };
    super::known_types(&[&left.layout, &right.layout], &names)?;
    let known = left.route.common(right.route);
    let found = compare::compare(&left.layout, &right.layout, &names, known)?;
    let mut text = String::new();
    for difference in &found {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{difference}");
    }
    let _ = writeln!(
        text,
        "{} types and what they contain: {}",
        names.len(),
        match found.len() {
            0 => "no difference".to_owned(),
            1 => "1 difference".to_owned(),
            count => format!("{count} differences"),
        }
    );
    print(&text)?;
    Ok(if found.is_empty() {
        Ended::Clean
    } else {
        Ended::Findings
    })
}

/// Gives a stored layout its constants, or others than it has.
pub(crate) fn constants(
    id: &str,
    said: constants::Said<'_>,
    origin: Option<&str>,
    project: &Path,
) -> Result<Ended, CliError> {
    let project = Project::at(project);
    let registry = project.registry()?;
    let entry = registry.layout_entry(&LayoutId(id.to_owned()))?;
    let map = registry.state_map(&entry.family)?;
    let found = constants::as_said(&registry, &map, said, &mut Places::none())?
        .ok_or(CliError::NoOrigin)?;
    let releases: Vec<&str> = registry
        .releases_of(&entry.id)
        .map(|release| release.uname.as_deref().unwrap_or(&release.name))
        .collect();
    // Whoever says why is believed.
    if origin.is_none() {
        if let Some(of) = said.of {
            return Err(CliError::NoReason {
                layout: id.to_owned(),
                of: of.to_owned(),
            });
        }
        if let Some(uname) = found
            .uname
            .filter(|name| !releases.contains(&name.as_str()))
        {
            return Err(CliError::ForeignHeaders {
                uname,
                layout: id.to_owned(),
                releases: releases.join(", "),
            });
        }
    }
    let origin = origin.map_or(found.origin, str::to_owned);
    let renewed = project.renew(entry, &found.values, origin)?;
    print(&match renewed.fingerprint == entry.fingerprint {
        true => format!(
            "{id}: the same {} constants as before\n",
            found.values.len()
        ),
        false => format!(
            "{id}: {} constants, from {}; the layout is now {}\n",
            found.values.len(),
            renewed.constants.as_deref().unwrap_or_default(),
            renewed.fingerprint
        ),
    })?;
    Ok(Ended::Clean)
}

/// Computes the fingerprints of stored layouts anew, after the state map was changed.
pub(crate) fn renew(project: &Path) -> Result<Ended, CliError> {
    let mut ended = Ended::Clean;
    for (id, renewal) in Project::at(project).recompute()? {
        match renewal {
            Renewal::Same => print(&format!("{id}: as before\n"))?,
            Renewal::Renewed(fingerprint) => print(&format!("{id}: now {fingerprint}\n"))?,
            Renewal::Lacking { release, what } => {
                ended = Ended::Findings;
                tell(&format!(
                    "{id}: {what}; import {release} again, with `kconv-gen release import` or `kconv-gen layout add`\n"
                ));
            }
        }
    }
    Ok(ended)
}

/// What a person says of the kernels that are added, where they do not say it themselves.
pub(crate) struct Said<'a> {
    pub(crate) headers: &'a [PathBuf],
    pub(crate) constants_of: Option<&'a str>,
    pub(crate) release: Option<&'a str>,
    pub(crate) version: Option<&'a str>,
    pub(crate) flavour: Option<&'a str>,
    pub(crate) hz: Option<u32>,
    pub(crate) source: Option<&'a str>,
    pub(crate) family: Option<&'a str>,
    pub(crate) replace: bool,
}

/// Registers kernels of which there may be no more than their types.
pub(crate) fn add(files: &[PathBuf], said: &Said<'_>, project: &Path) -> Result<Ended, CliError> {
    if files.len() > 1 && (said.release.is_some() || said.version.is_some()) {
        return Err(CliError::OneAtATime);
    }
    if files.len() > 1 && said.replace {
        return Err(CliError::ReplaceOne);
    }
    let project = Project::at(project);
    // All of them are understood before the first is registered.
    let mut kernels: Vec<(&PathBuf, Route, import::Kernel)> = Vec::new();
    for file in files {
        let (route, kernel) = read(&project, file, said)?;
        let mut earlier = kernels.iter();
        if let Some((first, ..)) = earlier.find(|(_, _, known)| known.name == kernel.name) {
            return Err(CliError::NamedTwice {
                name: kernel.name,
                first: (*first).clone(),
                second: file.clone(),
            });
        }
        kernels.push((file, route, kernel));
    }
    let all: Vec<&import::Kernel> = kernels.iter().map(|(_, _, kernel)| kernel).collect();
    let registered = project.register(&all, true)?;
    if registered.iter().any(Result::is_err) {
        let names = kernels.iter().map(|(file, ..)| file.display().to_string());
        let wrong = registered.into_iter().map(|one| match one {
            Ok(_) => Vec::new(),
            Err(refusals) => vec![refusals.into()],
        });
        return Err(CliError::Refused(names.zip(wrong).collect()));
    }
    let mut ended = Ended::Clean;
    for ((file, route, kernel), found) in kernels.into_iter().zip(registered) {
        let found = found?;
        let unsaid = said.source.and_then(|_| source_unsaid(&project, &found));
        let types = release::types(&kernel, route.name());
        let shown = file.to_string_lossy();
        print(&release::text(&shown, &kernel, &[types], &found, &project))?;
        if let Some(unsaid) = unsaid {
            tell(&unsaid);
        }
        if found.is_undecided() {
            ended = Ended::Findings;
        }
    }
    Ok(ended)
}

/// That what a person said of the source stands nowhere, because the layout was stored before.
fn source_unsaid(project: &Project, imported: &import::Imported) -> Option<String> {
    let (Found::Same(_) | Found::Registered) = &imported.found else {
        return None;
    };
    let registry = project.registry().ok()?;
    let entry = registry.layout_entry(&imported.release.layout).ok()?;
    Some(format!(
        "--source is not written down: it is for a layout that is stored, and {} has the layout {}, which was stored before, from {}\n",
        imported.release.name, entry.id, entry.source
    ))
}

/// The kernel in `file`, with what is said of it.
fn read(
    project: &Project,
    file: &Path,
    said: &Said<'_>,
) -> Result<(Route, import::Kernel), CliError> {
    let registry = project.registry()?;
    let source = Source::open(file)?;
    let shown = file.to_string_lossy();
    let named = Named::of(&registry, &source, &shown, said.family)?;
    let layout = match (named.route, registry.layouts_by_types(named.types)) {
        (Route::Btf | Route::Dwarf, _) => named.layout,
        // Headers lack what is only read, which a layout that is stored already has.
        (Route::Headers, known) => match known.iter().find(|it| it.family == named.family) {
            Some(entry) => registry.layout(&entry.id)?,
            None if registry.state_map(&named.family)?.walk.is_empty() => named.layout,
            None => {
                return Err(CliError::OnlySaved {
                    path: file.to_owned(),
                });
            }
        },
    };
    let identity = source.identity.as_ref();
    let own = identity.map(|identity| identity.release.as_str());
    let name = match said.release.or(own) {
        Some(name) => name.to_owned(),
        None => import::name_of_file(file),
    };
    let version = said.version.map(str::to_owned);
    let version = version
        .or_else(|| identity.map(|identity| identity.version.clone()))
        .or_else(|| import::version_of_name(&name));
    let version = version.ok_or_else(|| CliError::Version { name: name.clone() })?;
    if said.family.is_none() {
        let of = registry.family_of_version(&version).ok();
        if of != Some(&*named.family) {
            return Err(CliError::ForeignVersion {
                path: file.to_owned(),
                of: of.map(str::to_owned),
                version,
                family: named.family,
            });
        }
    }
    said_as_known(&registry, &name, said)?;
    let kernel = import::Kernel {
        flavour: match said.flavour {
            Some(flavour) => flavour.to_owned(),
            None => import::flavour(&name, &named.arch),
        },
        uname: own.map(str::to_owned),
        name,
        version,
        arch: named.arch,
        family: Some(named.family),
        build_id: identity.and_then(build_id),
        hz: said.hz,
        source: match (said.source, identity) {
            (Some(source), _) => source.to_owned(),
            (None, Some(identity)) => format!("{} of {}", named.route.name(), identity.banner),
            (None, None) => {
                let file = file.file_name().unwrap_or_default().to_string_lossy();
                format!("{} of {file}", named.route.name())
            }
        },
        layout,
        constants: None,
        replace: said.replace,
        apart: false,
    };
    let map = registry.state_map(kernel.family.as_deref().unwrap_or_default())?;
    let where_said = constants::Said {
        headers: said.headers,
        of: said.constants_of,
    };
    let constants = match (&where_said, named.route) {
        // A header tree has its constants with it.
        (
            constants::Said {
                headers: [],
                of: None,
            },
            Route::Headers,
        ) => Some(constants::of_tree(&map, file, kernel.source.clone())?),
        _ => {
            let uname = kernel.uname.as_deref().unwrap_or_default();
            constants::find(&registry, &map, uname, file, where_said)?
        }
    };
    let route = named.route;
    let kernel = match constants {
        Some(found) => import::Kernel {
            layout: kernel.layout.with_constants(&found.values),
            constants: Some(found.origin),
            ..kernel
        },
        None => kernel,
    };
    Ok((route, kernel))
}

/// What is said of a release that is registered is what the table has.
fn said_as_known(registry: &Registry, name: &str, said: &Said<'_>) -> Result<(), CliError> {
    let mut releases = registry.releases().iter();
    let Some(known) = releases.find(|release| release.name == name) else {
        return Ok(());
    };
    let hz = |hz: Option<u32>| hz.map(|hz| hz.to_string());
    let said = [
        (
            "flavour",
            "--flavour",
            Some(known.flavour.clone()),
            said.flavour.map(str::to_owned),
        ),
        ("ticks a second", "--hz", hz(known.hz), hz(said.hz)),
    ];
    for (what, option, known, said) in said {
        if let Some(said) = said.filter(|said| known.as_ref() != Some(said)) {
            return Err(CliError::SaidOtherwise {
                name: name.to_owned(),
                what,
                known: known.unwrap_or_else(|| "not known".to_owned()),
                option,
                said,
            });
        }
    }
    Ok(())
}
