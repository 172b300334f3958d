//! `kconv-gen layout`.

use super::release::{self, Project};
use super::source::{Route, Source, Wanted};
use super::{CliError, Ended, Named, constants, print, registry};
use kconv_codegen::import;
use kernel_structs::layout::{RenderOptions, render_type};
use kernel_structs::releases::LayoutId;
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
        (None, release) => Cow::Owned(super::end(&registry, release.unwrap_or_default())?.layout),
    };
    let mut text = String::new();
    for name in types {
        let found = match layout.find_all(name) {
            [] => &[layout.require(name)?],
            found => found,
        };
        for id in found {
            text.push_str(&render_type(&layout, *id, &RenderOptions { expand }));
        }
    }
    print(&text)?;
    Ok(Ended::Clean)
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
    let found = constants::as_said(&registry, &map, said)?.ok_or(CliError::NoOrigin)?;
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
}

/// Registers kernels of which there may be no more than their types.
pub(crate) fn add(files: &[PathBuf], said: &Said<'_>, project: &Path) -> Result<Ended, CliError> {
    if files.len() > 1 && (said.release.is_some() || said.version.is_some()) {
        return Err(CliError::OneAtATime);
    }
    let project = Project::at(project);
    let mut ended = Ended::Clean;
    for file in files {
        let source = Source::open(file)?;
        let registry = project.registry()?;
        let shown = file.to_string_lossy();
        let named = Named::of(&registry, &source, &shown, said.family)?;
        let layout = match (named.route, registry.layouts_by_types(named.types)) {
            (Route::Btf | Route::Dwarf, _) => named.layout,
            // Headers lack what is only read, which a layout that is stored already has.
            (Route::Headers, known) => match known.iter().find(|it| it.family == named.family) {
                Some(entry) => registry.layout(&entry.id)?,
                None => return Err(CliError::OnlySaved { path: file.clone() }),
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
            build_id: identity.and_then(release::build_id),
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
                constants::find(&registry, &map, uname, Some(file), where_said)?
            }
        };
        let kernel = match constants {
            Some(found) => import::Kernel {
                layout: kernel.layout.with_constants(&found.values),
                constants: Some(found.origin),
                ..kernel
            },
            None => kernel,
        };
        let found = project.register(&kernel)?;
        let types = release::types(&kernel, named.route.name());
        print(&release::text(&shown, &kernel, &[types], &found, &project))?;
        if found.is_undecided() {
            ended = Ended::Findings;
        }
    }
    Ok(ended)
}
