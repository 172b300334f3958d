//! Which pairs of releases two names mean.

use crate::generate::{self, End, GenerateError};
use crate::identifier::version;
use kernel_structs::releases::{Registry, Release, numbers};
use std::collections::BTreeSet;

/// Two releases of one machine, whose layouts differ.
pub struct Selected<'a> {
    /// Name of the module with the pair's generated code.
    pub module: String,
    /// The release converted from.
    pub from: End<'a>,
    /// The release converted to.
    pub to: End<'a>,
}

/// What two names mean together.
pub struct Selection<'a> {
    /// The first name, as it stands in names of converters.
    pub from: String,
    /// The second name.
    pub to: String,
    /// The pairs of releases with different layouts, one for each pair of layouts.
    pub pairs: Vec<Selected<'a>>,
    /// Pairs of releases that share a layout, so that nothing is to be converted.
    pub alike: Vec<(String, String)>,
}

/// Why two names mean no pair of releases.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// A release that is not known, or a layout that cannot be read.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// The kernels have other ticks.
    #[error(
        "{from} has {from_hz} ticks a second and {to} has {to_hz}: the fields that hold ticks would mean other times, and which they are is not known; there is no step between the two"
    )]
    Ticks {
        /// The release converted from.
        from: String,
        /// Its ticks a second.
        from_hz: u32,
        /// The release converted to.
        to: String,
        /// Its ticks a second.
        to_hz: u32,
    },
    /// The versions have no machine and configuration in common.
    #[error("{from} and {to} have no machine and flavour in common; name two releases in full")]
    NothingInCommon {
        /// The first name.
        from: String,
        /// The second name.
        to: String,
    },
}

/// The pairs that `from` and `to` mean: two releases named in full are one pair; a version means
/// every flavour that the other side has, too. A step lies between the last build of the earlier
/// version and the first of the later one: those are meant where a distribution built a version again.
///
/// # Errors
/// If a name is not known, or if the two have nothing in common.
pub fn select<'a>(
    registry: &'a Registry,
    from: &str,
    to: &str,
) -> Result<Selection<'a>, SelectError> {
    let ((from_name, from_all), (to_name, to_all)) = (named(registry, from)?, named(registry, to)?);
    let both_named = from_name.is_some() && to_name.is_some();
    let [from_short, to_short] = short(&from_all, &to_all);
    let mut selection = Selection {
        from: called(from, &from_name, from_short),
        to: called(to, &to_name, to_short),
        pairs: Vec::new(),
        alike: Vec::new(),
    };
    let mut layouts = BTreeSet::new();
    for old in &from_all {
        for new in &to_all {
            let same = old.arch == new.arch && old.flavour == new.flavour;
            if !(same || both_named && old.arch == new.arch) {
                continue;
            }
            if old.layout == new.layout {
                selection.alike.push((old.name.clone(), new.name.clone()));
            } else if layouts.insert((old.layout.clone(), new.layout.clone())) {
                let (was, is) = (numbers(&old.version), numbers(&new.version));
                let from = match from_name.is_none() && was > is {
                    true => first_build(registry, old),
                    false => *old,
                };
                let to = match to_name.is_none() && is > was {
                    true => first_build(registry, new),
                    false => *new,
                };
                selection.pairs.push(Selected {
                    module: format!("{}_{}", version(&old.arch), version(&old.flavour)),
                    from: generate::end(registry, &from.name)?,
                    to: generate::end(registry, &to.name)?,
                });
            }
        }
    }
    if let [pair] = selection.pairs.as_mut_slice() {
        pair.module = version(&pair.from.release.arch);
    }
    if selection.pairs.is_empty() && selection.alike.is_empty() {
        let family = |releases: &[&Release]| {
            let first = releases.first()?;
            let layout = registry.layout_entry(&first.layout).ok()?;
            Some((first.name.clone(), layout.family.clone()))
        };
        if let (Some((from, from_family)), Some((to, to_family))) =
            (family(&from_all), family(&to_all))
            && from_family != to_family
        {
            return Err(SelectError::Generate(GenerateError::Families {
                from,
                to,
                from_family,
                to_family,
            }));
        }
        return Err(SelectError::NothingInCommon {
            from: selection.from,
            to: selection.to,
        });
    }
    for Selected { from, to, .. } in &selection.pairs {
        if let (Some(from_hz), Some(to_hz)) = (from.release.hz, to.release.hz)
            && from_hz != to_hz
        {
            return Err(SelectError::Ticks {
                from: from.release.name.clone(),
                from_hz,
                to: to.release.name.clone(),
                to_hz,
            });
        }
    }
    for pair in &selection.pairs {
        if pair.from.family != pair.to.family {
            return Err(SelectError::Generate(GenerateError::Families {
                from: pair.from.release.name.clone(),
                to: pair.to.release.name.clone(),
                from_family: pair.from.family.to_owned(),
                to_family: pair.to.family.to_owned(),
            }));
        }
    }
    Ok(selection)
}

/// The first build of what `release` is a build of.
fn first_build<'a>(registry: &'a Registry, release: &'a Release) -> &'a Release {
    let alike = |other: &&Release| {
        other.version == release.version
            && (&other.arch, &other.flavour) == (&release.arch, &release.flavour)
            && other.layout == release.layout
    };
    registry.releases().iter().find(alike).unwrap_or(release)
}

/// What a side is called that was asked for as `query`: `short` if that is a release's `name`.
fn called(query: &str, name: &Option<String>, short: Option<String>) -> String {
    match name {
        Some(name) => short.unwrap_or_else(|| name.clone()),
        None => query.to_owned(),
    }
}

/// What two releases are called where they are named in full: by version, with the flavour where that
/// differs; `None` if that does not tell them apart.
fn short(from: &[&Release], to: &[&Release]) -> [Option<String>; 2] {
    let ([from], [to]) = (from, to) else {
        return [None, None];
    };
    match (from.flavour == to.flavour, from.version == to.version) {
        (true, true) => [None, None],
        (true, false) => [from, to].map(|release| Some(release.version.clone())),
        (false, _) => {
            [from, to].map(|release| Some(format!("{}-{}", release.version, release.flavour)))
        }
    }
}

/// The releases that `query` means, and the full name if it means one release and not a version.
fn named<'a>(
    registry: &'a Registry,
    query: &str,
) -> Result<(Option<String>, Vec<&'a Release>), GenerateError> {
    let is_name =
        |release: &&Release| release.name == query || release.uname.as_deref() == Some(query);
    let of_version = registry.of_version(query);
    if !registry.releases().iter().any(|release| is_name(&release)) && !of_version.is_empty() {
        return Ok((None, of_version));
    }
    let release = registry.release(query, None, None)?;
    Ok((Some(release.name.clone()), vec![release]))
}

/// `text` as a Rust identifier.
pub(super) fn identifier(text: &str) -> String {
    let plain = |c: char| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_lowercase(),
        false => '_',
    };
    text.chars().map(plain).collect()
}
