//! A kernel that is registered already: it is the one that it was, or it is refused.

use super::error::{ImportError, OtherLayout};
use super::kernel::{Found, Imported, InsteadOf, Kernel};
use crate::diff;
use crate::steps::Steps;
use kernel_structs::btf;
use kernel_structs::layout::{Fingerprint, Layout, Member, Type, TypeId};
use kernel_structs::releases::{
    LayoutEntry, Registry, RegistryError, Release, prepare_layout, with_fingerprint,
};
use kernel_structs::state::StateMap;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

/// The layout of a kernel, as it is stored.
pub(super) struct Prepared {
    pub(super) layout: Layout,
    pub(super) fingerprint: Fingerprint,
    pub(super) types: Fingerprint,
}

/// What there is to do about a kernel that is registered.
pub(super) enum Again {
    /// Nothing more.
    Done(Box<Imported>),
    /// Its layout is another one, which takes the place of the registered one.
    Replace(InsteadOf),
}

/// In what a kernel of `family` is another one than the release that is registered by its name.
pub(super) fn another(
    registry: &Registry,
    registered: &Release,
    kernel: &Kernel,
    family: &str,
) -> Result<Vec<ImportError>, RegistryError> {
    let known = registry.layout_entry(&registered.layout)?;
    let hz = |hz: Option<u32>| hz.map(|hz| hz.to_string());
    let facts = [
        (
            "version",
            Some(registered.version.clone()),
            Some(kernel.version.clone()),
        ),
        (
            "machine",
            Some(registered.arch.clone()),
            Some(kernel.arch.clone()),
        ),
        (
            "family",
            Some(known.family.clone()),
            Some(family.to_owned()),
        ),
        (
            "build id",
            registered.build_id.clone(),
            kernel.build_id.clone(),
        ),
        ("ticks a second", hz(registered.hz), hz(kernel.hz)),
    ];
    let differs = |(what, known, found)| {
        let (known, found) = (known?, found?);
        (known != found).then(|| ImportError::Another {
            name: kernel.name.clone(),
            what,
            known,
            found,
        })
    };
    Ok(facts.into_iter().filter_map(differs).collect())
}

/// Holds a kernel against the release that is registered by its name, and is not [`another`].
///
/// Its layout is stored anew only if the state map asks for what the stored one does not have, and
/// the two agree on all that it does have.
pub(super) fn again(
    registry: &Registry,
    registered: &Release,
    kernel: &Kernel,
    (map, prepared): (&StateMap, &Prepared),
    converters: &Path,
) -> Result<Again, ImportError> {
    let known = registry.layout_entry(&registered.layout)?;
    let imported = Imported {
        release: registered.clone(),
        family: known.family.clone(),
        found: Found::Registered,
        instead_of: None,
        files: registry.files().clone(),
    };
    let stored = read(registry, known)?;
    let is_current = match registry.layout(&known.id) {
        Ok(_) => true,
        Err(RegistryError::Changed { .. } | RegistryError::SavedType { .. }) => false,
        Err(error) => return Err(error.into()),
    };
    let lacks_constants = known.constants.is_some() && !prepared.layout.has_constants();
    if is_current {
        let is_same = match lacks_constants {
            // Without headers at hand there are the types alone to be compared.
            true => known.types == prepared.types,
            false => known.fingerprint == prepared.fingerprint,
        };
        let is_enough = lacks_constants || prepare_layout(&stored, map).is_ok();
        if is_same && is_enough && disagreeing(&stored, &kernel.layout, map).is_empty() {
            return Ok(Again::Done(Box::new(imported)));
        }
        if !is_same && known.types == prepared.types && !kernel.replace {
            return Err(ImportError::OtherConstants {
                name: kernel.name.clone(),
                differing: diff::constants(&stored, &prepared.layout)
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
            });
        }
        if !is_same {
            let differing = differing(&stored, &prepared.layout, map);
            return other(
                registry, registered, kernel, prepared, differing, converters,
            );
        }
    }
    // The map asks for more, or for other types, than when the layout was stored; or what is read and not saved lies
    // elsewhere.
    let differing = disagreeing(&stored, &kernel.layout, map);
    if !differing.is_empty() {
        return other(
            registry, registered, kernel, prepared, differing, converters,
        );
    }
    if lacks_constants {
        return Err(ImportError::NoConstants {
            name: kernel.name.clone(),
        });
    }
    let first = registry.releases_of(&known.id).next();
    let first = first.map_or(&known.id.0, |release| &release.name);
    if known.id.0 != kernel.name && *first != kernel.name {
        return Err(ImportError::OfAnother {
            name: kernel.name.clone(),
            layout: known.id.clone(),
            first: first.clone(),
        });
    }
    renewed(registry, known, kernel, prepared, imported).map(|it| Again::Done(Box::new(it)))
}

/// The layout of `known` as its file has it, whatever the table says of it.
pub(super) fn read(registry: &Registry, known: &LayoutEntry) -> Result<Layout, RegistryError> {
    let file = &known.file;
    let stored = registry.files().layouts.get(file);
    let stored = stored.ok_or_else(|| RegistryError::NoLayout {
        layout: known.id.clone(),
        file: file.clone(),
    })?;
    btf::read(stored).map_err(|source| RegistryError::Btf {
        file: file.clone(),
        source,
    })
}

fn renewed(
    registry: &Registry,
    known: &LayoutEntry,
    kernel: &Kernel,
    prepared: &Prepared,
    mut imported: Imported,
) -> Result<Imported, ImportError> {
    let entry = LayoutEntry {
        fingerprint: prepared.fingerprint,
        types: prepared.types,
        constants: kernel.constants.clone().or(known.constants.clone()),
        ..known.clone()
    };
    let data = btf::write(&prepared.layout)?;
    let layouts = &mut imported.files.layouts;
    layouts.insert(entry.file.clone(), Cow::Owned(data));
    let table = with_fingerprint(&imported.files.releases, &entry);
    let table = table.unwrap_or_else(|| registry.files().releases.clone().into_owned());
    imported.files.releases = Cow::Owned(table);
    // What is written has to be what is read again.
    Registry::parse(imported.files.clone())?.layout(&entry.id)?;
    imported.found = Found::Renewed(entry);
    Ok(imported)
}

/// That the layout is another one: refused, or what it takes the place of.
fn other(
    registry: &Registry,
    registered: &Release,
    kernel: &Kernel,
    prepared: &Prepared,
    differing: Vec<String>,
    converters: &Path,
) -> Result<Again, ImportError> {
    let known = registry.layout_entry(&registered.layout)?;
    let releases = registry.releases_of(&known.id);
    let releases = releases.filter(|release| release.name != registered.name);
    let releases = releases.map(|release| release.name.clone()).collect();
    let steps = steps(registry, known, converters)?;
    match kernel.replace {
        true => Ok(Again::Replace(InsteadOf {
            layout: known.id.clone(),
            fingerprint: known.fingerprint,
            releases,
            steps,
        })),
        false => Err(ImportError::OtherLayout(Box::new(OtherLayout {
            release: registered.name.clone(),
            layout: known.id.clone(),
            known: known.fingerprint,
            found: prepared.fingerprint,
            differing,
            releases,
            steps,
        }))),
    }
}

/// The folders of the steps from or to the layout of `known`.
fn steps(
    registry: &Registry,
    known: &LayoutEntry,
    converters: &Path,
) -> Result<Vec<String>, ImportError> {
    let steps = Steps::read(registry, converters).map_err(|error| ImportError::Steps {
        path: error.path,
        error: error.error,
    })?;
    let has_it = |name: &String| {
        let release = registry.release(name, None, None);
        release.is_ok_and(|release| release.layout == known.id)
    };
    let joins = steps.files.iter().filter(|step| {
        let mut pairs = step.file.pairs.iter();
        pairs.any(|pair| has_it(&pair.from) || has_it(&pair.to))
    });
    Ok(joins
        .map(|step| step.dir.file_name().unwrap_or_default())
        .map(|name| name.to_string_lossy().into_owned())
        .collect())
}

/// The types in which two layouts of a family differ.
fn differing(stored: &Layout, other: &Layout, map: &StateMap) -> Vec<String> {
    let here: BTreeSet<&str> = map.saved_in(stored).into_iter().collect();
    let there: BTreeSet<&str> = map.saved_in(other).into_iter().collect();
    let both: Vec<&str> = here.intersection(&there).copied().collect();
    let mut types: BTreeSet<String> = here
        .symmetric_difference(&there)
        .map(|name| (*name).to_owned())
        .collect();
    let changed = diff::diff(stored, other, &both).unwrap_or_default();
    types.extend(changed.into_iter().map(|diff| diff.ty));
    if types.is_empty() {
        // What a diff for people does not show.
        let fingerprint = |layout: &Layout, name: &str| layout.types_fingerprint(&[name]).ok();
        let differs = |name: &&str| fingerprint(stored, name) != fingerprint(other, name);
        types.extend(both.into_iter().filter(differs).map(str::to_owned));
    }
    types.into_iter().collect()
}

/// The types of a stored layout that the whole kernel has otherwise: of another size, or without a
/// member that is stored, or with it elsewhere or of another type. What is not stored of a type is
/// not compared, nor the size of what is read member by member.
pub(super) fn disagreeing(stored: &Layout, whole: &Layout, map: &StateMap) -> Vec<String> {
    let keep = map.keep_of(stored);
    let has_size = |name: &String| {
        let is_read = keep.partial.contains_key(name) && !keep.whole.contains(name);
        !is_read || map.sized.contains(name)
    };
    let mut types = BTreeSet::new();
    for (id, ty) in stored.types() {
        let Type::Composite(composite) = ty else {
            continue;
        };
        let Some(name) = composite.name.as_deref() else {
            continue;
        };
        let tag = format!("{} {name}", composite.kind.keyword());
        let Some(other) = whole.find(&tag) else {
            continue;
        };
        let Type::Composite(theirs) = whole.get(whole.strip(other)) else {
            continue;
        };
        let agrees = |(offset, member): (_, &Member)| {
            let Some(name) = member.name.as_deref() else {
                return true;
            };
            whole.member(theirs, name).is_some_and(|(at, found)| {
                at == offset
                    && found.bit_field == member.bit_field
                    && whole.size_of(found.ty) == stored.size_of(member.ty)
                    && is_spelt_alike((stored, member.ty), (whole, found.ty))
            })
        };
        let members = stored.flat_members(composite);
        let name = name.to_owned();
        let is_as_long = stored.size_of(id) == whole.size_of(other);
        if has_size(&name) && !is_as_long || !members.into_iter().all(agrees) {
            types.insert(name);
        }
    }
    types.into_iter().collect()
}

/// Whether two types are spelt alike. What is contained by value and has a name is compared under that.
fn is_spelt_alike(ours: (&Layout, TypeId), theirs: (&Layout, TypeId)) -> bool {
    match (contained(ours), contained(theirs)) {
        (Some(ours), Some(theirs)) => ours == theirs,
        (None, None) => ours.0.canonical_type(ours.1) == theirs.0.canonical_type(theirs.1),
        _ => false,
    }
}

/// The name of the structure or union that values of a type are, or are made of.
fn contained((layout, id): (&Layout, TypeId)) -> Option<Option<&str>> {
    let mut id = layout.strip(id);
    while let Type::Array { element, .. } = layout.get(id) {
        id = layout.strip(*element);
    }
    match layout.get(id) {
        Type::Composite(composite) => Some(composite.name.as_deref()),
        _ => None,
    }
}
