//! `releases.toml`. The raw shapes mirror the file.

use super::{Held, LayoutEntry, LayoutId, Registry, RegistryError, Release};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTable {
    #[serde(default)]
    layout: Vec<RawLayout>,
    #[serde(default)]
    release: Vec<RawRelease>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLayout {
    id: String,
    family: String,
    arch: String,
    flavour: String,
    fingerprint: String,
    types: Option<String>,
    file: String,
    source: String,
    constants: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRelease {
    name: String,
    version: String,
    arch: String,
    flavour: String,
    layout: String,
    uname: Option<String>,
    build_id: Option<String>,
    hz: Option<NonZeroU32>,
}

pub(super) fn parse(files: Held) -> Result<Registry, RegistryError> {
    let table = toml::from_str(files.releases())?;
    let mut registry = Registry {
        layouts: BTreeMap::new(),
        releases: Vec::new(),
        files,
        read: Arc::default(),
    };
    add(&mut registry, table)?;
    Ok(registry)
}

/// A registry with the entries of a table added, whose files it has. What is there already, the same, is not added
/// again.
pub(super) fn extend(mut registry: Registry, table: &str) -> Result<Registry, RegistryError> {
    let mut table: RawTable = toml::from_str(table)?;
    table.layout.retain(|raw| {
        let known = registry.layouts.get(&LayoutId(raw.id.clone()));
        known.is_none_or(|known| known.fingerprint.to_string() != raw.fingerprint)
    });
    table.release.retain(|raw| {
        let mut known = registry.releases.iter();
        let known = known.find(|known| known.name == raw.name);
        // Where neither has a build id, the layout alone says that it is the same.
        known.is_none_or(|known| match &known.build_id {
            None => raw.build_id.is_some() || known.layout.0 != raw.layout,
            build => *build != raw.build_id,
        })
    });
    add(&mut registry, table)?;
    Ok(registry)
}

fn add(registry: &mut Registry, table: RawTable) -> Result<(), RegistryError> {
    for layout in table.layout {
        add_layout(registry, layout)?;
    }
    for release in table.release {
        add_release(registry, release)?;
    }
    Ok(())
}

fn add_layout(registry: &mut Registry, raw: RawLayout) -> Result<(), RegistryError> {
    let place = format!("layout {}", raw.id);
    not_empty(
        &place,
        [
            ("id", &raw.id),
            ("family", &raw.family),
            ("arch", &raw.arch),
            ("flavour", &raw.flavour),
            ("source", &raw.source),
        ],
    )?;
    let id = LayoutId(raw.id);
    if !registry.files.layouts().any(|file| file == raw.file) {
        return Err(RegistryError::NoLayout {
            layout: id,
            file: raw.file,
        });
    }
    let state = format!("{}.toml", raw.family);
    if !registry.files.states().any(|file| file == state) {
        return Err(RegistryError::NoFile { place, file: state });
    }
    let parse = |text: &str| {
        text.parse().map_err(|source| RegistryError::Fingerprint {
            layout: id.clone(),
            source,
        })
    };
    let fingerprint = parse(&raw.fingerprint)?;
    let types = raw.types.as_deref().map_or(Ok(fingerprint), parse)?;
    if let Some(constants) = &raw.constants {
        not_empty(&place, [("constants", constants)])?;
    }
    let entry = LayoutEntry {
        id: id.clone(),
        family: raw.family,
        arch: raw.arch,
        flavour: raw.flavour,
        fingerprint,
        types,
        file: raw.file,
        source: raw.source,
        constants: raw.constants,
    };
    let mut others = registry.layouts.values();
    if let Some(other) = others.find(|other| other.id != id && other.file == entry.file) {
        return Err(RegistryError::Duplicate {
            what: "file",
            name: other.file.clone(),
        });
    }
    match registry.layouts.insert(id, entry) {
        Some(first) => Err(RegistryError::Duplicate {
            what: "layout",
            name: first.id.0,
        }),
        None => Ok(()),
    }
}

fn add_release(registry: &mut Registry, raw: RawRelease) -> Result<(), RegistryError> {
    let place = format!("release {}", raw.name);
    not_empty(
        &place,
        [
            ("name", &raw.name),
            ("version", &raw.version),
            ("arch", &raw.arch),
            ("flavour", &raw.flavour),
        ],
    )?;
    let mut others = registry.releases.iter();
    if let Some(other) = others.find(|other| other.name == raw.name) {
        return Err(RegistryError::Duplicate {
            what: "release",
            name: other.name.clone(),
        });
    }
    let mut builds = registry
        .releases
        .iter()
        .filter_map(|it| it.build_id.as_ref());
    if let Some(build) = builds.find(|build| raw.build_id.as_ref() == Some(*build)) {
        return Err(RegistryError::Duplicate {
            what: "build id",
            name: build.clone(),
        });
    }
    let layout = LayoutId(raw.layout);
    let Some(entry) = registry.layouts.get(&layout) else {
        let nearest = registry.nearest_layout(&layout);
        return Err(RegistryError::UnknownLayout {
            place,
            layout,
            nearest,
        });
    };
    if entry.arch != raw.arch {
        return Err(RegistryError::Arch {
            release: raw.name,
            arch: raw.arch,
            layout,
            other: entry.arch.clone(),
        });
    }
    let release = Release {
        name: raw.name,
        version: raw.version,
        arch: raw.arch,
        flavour: raw.flavour,
        layout,
        uname: raw.uname,
        build_id: raw.build_id,
        hz: raw.hz.map(NonZeroU32::get),
    };
    let of_layout = || registry.releases_of(&release.layout);
    let other = of_layout().find_map(|other| other.hz.map(|hz| (other, hz)));
    if let (Some(hz), Some((other, other_hz))) = (release.hz, other)
        && hz != other_hz
    {
        return Err(RegistryError::Ticks {
            first: other.name.clone(),
            first_hz: other_hz,
            second: release.name.clone(),
            second_hz: hz,
            layout: release.layout,
        });
    }
    registry.releases.push(release);
    Ok(())
}

fn not_empty<const N: usize>(
    place: &str,
    values: [(&'static str, &String); N],
) -> Result<(), RegistryError> {
    match values
        .into_iter()
        .find(|(_, value)| value.trim().is_empty())
    {
        Some((key, _)) => Err(RegistryError::Empty {
            place: place.to_owned(),
            key,
        }),
        None => Ok(()),
    }
}
