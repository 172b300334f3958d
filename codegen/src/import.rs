//! A kernel made a known release: its layout, its entry in the table, and what is undecided.

mod again;
mod error;
mod folder;
mod kernel;
mod names;
mod renew;
#[cfg(test)]
mod tests;

pub use error::{ImportError, OtherLayout, Refusals};
pub use folder::{FolderError, KernelFolder, Undecided, folder};
pub use kernel::{Found, Imported, InsteadOf, Kernel};
pub use names::{flavour, name_of_file, version_of_name};
pub use renew::{Renewal, renew};

use crate::emit::clashes;
use crate::family::Family;
use crate::generate::STATES;
use crate::scaffold::{self, SelectError};
use crate::status;
use again::{Again, Prepared, again, another, disagreeing, read};
use kernel_structs::btf;
use kernel_structs::layout::{Fingerprint, Layout, MinimiseError, Type};
use kernel_structs::releases::{
    Files, LayoutEntry, LayoutId, Registry, RegistryError, Release, numbers, prepare_layout,
    with_entries, with_fingerprint, with_layout_of,
};
use kernel_structs::state::StateMap;
use names::{LONGEST, is_name};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// How many digits of a fingerprint tell a layout from all others that a machine will see.
const DIGITS: usize = 16;

/// Adds `kernel` to `files`, if they do not have it. What is undecided on the way to a new
/// layout is found with the converter crates in the folder `converters`.
///
/// # Errors
/// All that is wrong with the kernel and can be told apart: what one thing hides from view is told when
/// that is mended.
pub fn import(files: Files, kernel: &Kernel, converters: &Path) -> Result<Imported, Refusals> {
    let registry = Registry::parse(files)?;
    let mut wrong = misnamed(&registry, kernel);
    let family = match &kernel.family {
        Some(family) => Ok(family.clone()),
        None => registry
            .family_of_version(&kernel.version)
            .map(str::to_owned),
    };
    let family = match family {
        Ok(family) => family,
        Err(error) => {
            wrong.insert(0, error.into());
            return Err(Refusals(wrong));
        }
    };
    let map = registry.state_map(&family)?;
    let mut releases = registry.releases().iter();
    let registered = releases.find(|known| known.name == kernel.name);
    if let Some(registered) = registered {
        wrong.extend(another(&registry, registered, kernel, &family)?);
    }
    let needed = map.keep_of(&kernel.layout);
    let saved = needed.whole.len();
    let (available, lacking) = kernel.layout.available(needed);
    if !lacking.is_empty() {
        let family = family.clone();
        wrong.push(ImportError::Lacks { family, lacking });
    }
    let has_meaning = map.watch.meanings().next().is_some();
    // Of a registered one they may be known.
    if registered.is_none() && has_meaning && !kernel.layout.has_constants() {
        wrong.push(ImportError::NoConstants {
            name: kernel.name.clone(),
        });
    }
    if !wrong.is_empty() {
        // Without a saved type all that the map says of it would be wrong.
        if available.whole.len() == saved {
            let reduced = kernel.layout.minimise(&available);
            let reduced = reduced.map_err(RegistryError::from)?;
            wrong.extend(unfit(&registry, &map, &reduced)?);
        }
        return Err(Refusals(wrong));
    }
    let (layout, fingerprint) = prepare_layout(&kernel.layout, &map)?;
    let types = layout.types_fingerprint(&map.saved_in(&layout));
    let types = types
        .map_err(MinimiseError::from)
        .map_err(RegistryError::from)?;
    let prepared = Prepared {
        layout,
        fingerprint,
        types,
    };
    let instead_of = match registered {
        None => None,
        Some(registered) => {
            match again(&registry, registered, kernel, (&map, &prepared), converters)? {
                Again::Done(imported) => return Ok(*imported),
                Again::Replace(known) => Some(known),
            }
        }
    };
    if instead_of.is_some() && has_meaning && !prepared.layout.has_constants() {
        wrong.push(ImportError::NoConstants {
            name: kernel.name.clone(),
        });
    }
    if !wrong.is_empty() || !clashes(&map.live(&prepared.layout)).is_empty() {
        wrong.extend(unfit(&registry, &map, &prepared.layout)?);
        return Err(Refusals(wrong));
    }
    let hz = kernel.hz.or(registered.and_then(|release| release.hz));
    let mut known = None;
    for entry in registry.layout_by_fingerprint(fingerprint) {
        let others = registry.releases_of(&entry.id);
        let ticks = others.filter_map(|other| other.hz).next();
        let other_ticks = ticks.is_some() && hz.is_some() && ticks != hz;
        // The fingerprint is of what is saved. What a freeze reads besides has to lie alike, too.
        if entry.family == family
            && !other_ticks
            && disagreeing(&read(&registry, entry)?, &kernel.layout, &map).is_empty()
        {
            known = Some(entry);
            break;
        }
    }
    let own = || match &instead_of {
        None if kernel.apart => called_by(&family, &prepared.layout, fingerprint),
        None => LayoutId(kernel.name.clone()),
        Some(known) if known.releases.is_empty() => known.layout.clone(),
        Some(_) => free(&registry, &kernel.name),
    };
    let layout = known.map_or_else(own, |entry| entry.id.clone());
    let release = match registered {
        Some(registered) => Release {
            layout,
            ..registered.clone()
        },
        None => Release {
            name: kernel.name.clone(),
            version: kernel.version.clone(),
            arch: kernel.arch.clone(),
            flavour: kernel.flavour.clone(),
            layout,
            uname: kernel.uname.clone(),
            build_id: kernel.build_id.clone(),
            hz: kernel.hz,
        },
    };
    let mut files = registry.files().clone();
    if let Some(entry) = known {
        let found = Found::Same(entry.id.clone());
        files.releases = Cow::Owned(table(&files, None, &release, registered)?);
        Registry::parse(files.clone())?;
        return Ok(Imported {
            release,
            family,
            found,
            instead_of,
            files,
        });
    }
    let before = registry.layout_entry(&release.layout).ok();
    let entry = LayoutEntry {
        id: release.layout.clone(),
        family: family.clone(),
        arch: release.arch.clone(),
        flavour: release.flavour.clone(),
        fingerprint,
        types,
        file: match before {
            Some(before) => before.file.clone(),
            None => format!("{}.btf", release.layout),
        },
        source: kernel.source.clone(),
        constants: kernel.constants.clone(),
    };
    let mut others = registry.layouts().filter(|other| other.id != entry.id);
    if let Some(other) = others.find(|other| other.file == entry.file) {
        return Err(Refusals::from(ImportError::Taken {
            file: entry.file,
            layout: other.id.clone(),
        }));
    }
    let data = btf::write(&prepared.layout)?;
    files.layouts.insert(entry.file.clone(), Cow::Owned(data));
    files.releases = Cow::Owned(match before.filter(|_| instead_of.is_some()) {
        Some(_) => {
            with_fingerprint(&files.releases, &entry).ok_or_else(|| ImportError::NoEntry {
                name: entry.id.0.clone(),
            })?
        }
        None => table(&files, Some(&entry), &release, registered)?,
    });
    let registry = Registry::parse(files.clone())?;
    // What is written has to be what is read again.
    registry.layout(&entry.id)?;
    let step = match neighbour(&registry, &release, &family, |_| true) {
        // Its plans are made, or what is undecided of them is told, by who asked for a folder.
        _ if kernel.apart => None,
        None => {
            let known = Family::read(&registry, &family)?;
            known.check_map(&family).map_err(SelectError::from)?;
            None
        }
        Some(other) => match scaffold::select(&registry, &other.name, &release.name) {
            // There is none; who asks for one is told why.
            Err(SelectError::Ticks { .. }) => None,
            selection => Some(status::ways(&registry, &selection?, converters)?),
        },
    };
    Ok(Imported {
        release,
        family,
        found: Found::New { entry, step },
        instead_of,
        files,
    })
}

/// Why a layout cannot be one of the family of `map`: names that clash in generated code, and what the map does not say of it.
/// The map is held against all layouts, since what is not in this one may be in another.
fn unfit(
    registry: &Registry,
    map: &StateMap,
    layout: &Layout,
) -> Result<Vec<ImportError>, RegistryError> {
    let mut wrong = Vec::new();
    let clashes = clashes(&map.live(layout));
    if !clashes.is_empty() {
        wrong.push(ImportError::Names(clashes));
    }
    let family = &map.family;
    let entries = registry.layouts().filter(|entry| entry.family == *family);
    let stored: Result<Vec<Layout>, _> = entries.map(|entry| registry.layout(&entry.id)).collect();
    let stored = match stored {
        Ok(stored) => stored,
        // The map was changed: these are stored anew before anything is held against them.
        Err(RegistryError::Changed { .. } | RegistryError::SavedType { .. }) => return Ok(wrong),
        Err(error) => return Err(error),
    };
    let all: Vec<&Layout> = stored.iter().chain([layout]).collect();
    let findings = map.check(&all);
    let line = |finding| format!("{STATES}/{family}.toml:{}: {finding}", map.line_of(finding));
    let findings: Vec<String> = findings.iter().map(line).collect();
    if !findings.is_empty() {
        wrong.push(ImportError::Unfit(findings));
    }
    Ok(wrong)
}

/// What is wrong with how the kernel is called. Folders and modules are named after its name, its version and its
/// flavour.
fn misnamed(registry: &Registry, kernel: &Kernel) -> Vec<ImportError> {
    let named = [
        ("name", &kernel.name),
        ("version", &kernel.version),
        ("flavour", &kernel.flavour),
    ];
    let no_names = named.into_iter().filter(|(_, name)| !is_name(name));
    let mut wrong: Vec<ImportError> = no_names
        .map(|(what, name)| ImportError::Name {
            what,
            name: name.clone(),
            longest: LONGEST,
        })
        .collect();
    let spelt = registry.flavours().into_iter();
    let mut alike = spelt.filter(|known| known.eq_ignore_ascii_case(&kernel.flavour));
    if let Some(known) = alike.find(|known| *known != kernel.flavour) {
        wrong.push(ImportError::Spelling {
            flavour: kernel.flavour.clone(),
            known: known.to_owned(),
        });
    }
    wrong
}

/// The table with the entry of `layout` added, and with that of `release`, which has another layout
/// now if it was `registered`.
fn table(
    files: &Files,
    layout: Option<&LayoutEntry>,
    release: &Release,
    registered: Option<&Release>,
) -> Result<String, ImportError> {
    let layouts = layout.map_or(&[][..], std::slice::from_ref);
    if registered.is_none() {
        let releases = std::slice::from_ref(release);
        return Ok(with_entries(&files.releases, layouts, releases));
    }
    let text = with_entries(&files.releases, layouts, &[]);
    with_layout_of(&text, release).ok_or_else(|| ImportError::NoEntry {
        name: release.name.clone(),
    })
}

/// The name of a layout whose kernel is registered nowhere else, after all that is stored of it: kernels whose saved types
/// lie alike may differ in what a freeze reads besides. `saved` is the fingerprint of those types.
fn called_by(family: &str, layout: &Layout, saved: Fingerprint) -> LayoutId {
    let named = layout.types().filter_map(|(_, ty)| match ty {
        Type::Composite(composite) => {
            let name = composite.name.as_deref()?;
            Some(format!("{} {name}", composite.kind.keyword()))
        }
        _ => None,
    });
    // Of a name that stands for several types there is nothing that is read.
    let named: BTreeSet<String> = named.filter(|tag| layout.find(tag).is_some()).collect();
    let named: Vec<&str> = named.iter().map(String::as_str).collect();
    let digits = layout.fingerprint(&named).unwrap_or(saved).to_string();
    LayoutId(format!("{family}-{}", &digits[..DIGITS]))
}

/// A name for another layout of the release `name`.
fn free(registry: &Registry, name: &str) -> LayoutId {
    let is_free = |id: &LayoutId| registry.layouts().all(|entry| entry.id != *id);
    let own = std::iter::once(name.to_owned());
    let counted = (2..).map(|count: u32| format!("{name}-{count}"));
    let mut names = own.chain(counted).map(LayoutId);
    names
        .find(is_free)
        .unwrap_or_else(|| LayoutId(name.to_owned()))
}

/// The files with other constants for the layout of `entry`, and its entry then.
///
/// # Errors
/// If the layout cannot be read or stored.
pub fn with_constants(
    mut files: Files,
    entry: &LayoutEntry,
    constants: &BTreeMap<String, i128>,
    origin: String,
) -> Result<(Files, LayoutEntry), ImportError> {
    let registry = Registry::parse(files.clone())?;
    let map = registry.state_map(&entry.family)?;
    let stored = files.layouts.get(&entry.file).cloned().unwrap_or_default();
    let layout = btf::read(&stored).map_err(|source| RegistryError::Btf {
        file: entry.file.clone(),
        source,
    })?;
    let (layout, fingerprint) = prepare_layout(&layout.with_constants(constants), &map)?;
    let renewed = LayoutEntry {
        fingerprint,
        constants: Some(origin),
        ..entry.clone()
    };
    let data = btf::write(&layout)?;
    files.layouts.insert(entry.file.clone(), Cow::Owned(data));
    if let Some(table) = with_fingerprint(&files.releases, &renewed) {
        files.releases = Cow::Owned(table);
    }
    // What is written has to be what is read again.
    Registry::parse(files.clone())?.layout(&renewed.id)?;
    Ok((files, renewed))
}

/// The release that a converter would lead to `release` from: of the same series before one of
/// another, of the same flavour before the standard one before any other, an earlier one before a
/// later one, and then the nearest.
fn neighbour<'a>(
    registry: &'a Registry,
    release: &Release,
    family: &str,
    is_fit: impl Fn(&Release) -> bool,
) -> Option<&'a Release> {
    let is_candidate = |other: &&Release| {
        let entry = registry.layout_entry(&other.layout);
        is_fit(other)
            && other.arch == release.arch
            && other.layout != release.layout
            && entry.is_ok_and(|entry| entry.family == family)
    };
    let mut candidates: Vec<&Release> = registry.releases().iter().filter(is_candidate).collect();
    candidates.sort_by_key(|other| numbers(&other.version));
    let here = numbers(&release.version);
    let series = |numbers: &[u64]| numbers.iter().take(2).copied().collect::<Vec<_>>();
    let split = candidates.partition_point(|other| numbers(&other.version) <= here);
    let ranked = candidates
        .into_iter()
        .enumerate()
        .min_by_key(|(position, other)| {
            let flavour = match other.flavour.as_str() {
                flavour if flavour == release.flavour => 0,
                "standard" => 1,
                _ => 2,
            };
            (
                series(&numbers(&other.version)) != series(&here),
                flavour,
                *position >= split,
                position.abs_diff(split),
            )
        });
    ranked.map(|(_, other)| other)
}
