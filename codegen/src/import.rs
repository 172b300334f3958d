//! A kernel made a known release: its layout, its entry in the table, and what is undecided.

use crate::diff;
use crate::emit::{NameClash, clashes};
use crate::scaffold::{self, SelectError};
use crate::status::{self, Status};
use kernel_structs::btf::{self, WriteError};
use kernel_structs::layout::{Fingerprint, Layout, MinimiseError};
use kernel_structs::releases::{
    FamilyError, Files, LayoutEntry, LayoutId, Registry, RegistryError, Release, prepare_layout,
    with_entries, with_fingerprint,
};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

/// A kernel to be imported.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The name of the release.
    pub name: String,
    /// `uname -r`, if it is known.
    pub uname: Option<String>,
    /// Its version, such as `6.1.170`.
    pub version: String,
    /// Its machine, as in the table of releases.
    pub arch: String,
    /// Its configuration, such as `standard`; [`flavour`] reads it from a name.
    pub flavour: String,
    /// Its family, if that is another than the version says.
    pub family: Option<String>,
    /// Its build id, in hexadecimal digits, if it has one.
    pub build_id: Option<String>,
    /// Ticks a second, if its configuration is known.
    pub hz: Option<u32>,
    /// Where its layout was taken from, for the table.
    pub source: String,
    /// All its types, with its constants if those are known.
    pub layout: Layout,
    /// Where the constants were taken from.
    pub constants: Option<String>,
}

/// What an import found, and what it changes.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The release.
    pub release: Release,
    /// Its kernel family.
    pub family: String,
    /// How it stands to what was known.
    pub found: Found,
    /// The files with the kernel added.
    pub files: Files,
}

/// How an imported kernel stands to the known ones.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// The table had it already.
    Registered,
    /// The table had it already, and the state map needs its layout in another form than stored.
    Renewed(LayoutEntry),
    /// Its saved types lie as in this layout.
    Same(LayoutId),
    /// It has a layout of its own.
    New {
        /// The layout's entry.
        entry: LayoutEntry,
        /// What is undecided on the way to it from the release that is nearest to it.
        step: Option<Status>,
    },
}

impl Imported {
    /// Whether something is undecided on the way to a new layout.
    pub fn is_undecided(&self) -> bool {
        match &self.found {
            Found::New { step, .. } => step.as_ref().is_some_and(|step| !step.is_complete()),
            Found::Registered | Found::Renewed(_) | Found::Same(_) => false,
        }
    }
}

/// Why a kernel cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// No state map says what is saved of such a kernel.
    #[error(transparent)]
    NoFamily(#[from] FamilyError),
    /// The name, the version or the flavour is none that a file can be named after.
    #[error("`{name}` is no {what} of a release; letters, digits and `.+-_~` make one")]
    Name {
        /// What it was to be.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The file of the layout is another layout's.
    #[error("layouts/{file} is there already, as the file of the layout {layout}")]
    Taken {
        /// The file.
        file: String,
        /// The layout that has it.
        layout: LayoutId,
    },
    /// The table knows another kernel by that name.
    #[error(
        "releases.toml has another {name}, with the {what} {known}, not {found}; builds of one name are told apart by hand, with a `name` of their own and one `uname`"
    )]
    Another {
        /// The name.
        name: String,
        /// What differs.
        what: &'static str,
        /// As the table has it.
        known: String,
        /// As the kernel has it.
        found: String,
    },
    /// Nothing says what bits of saved values mean.
    #[error(
        "what bits of saved values mean is not in a kernel's image: the constants of {name} are needed, from its headers; give the folder or the packages with --headers, or say --constants-of RELEASE if it has those of another"
    )]
    NoConstants {
        /// The kernel.
        name: String,
    },
    /// A registered kernel has other constants than its layout.
    #[error(
        "{name} is registered with other constants: {}; if they are right, `kconv-gen layout constants` stores them",
        .differing.join(", ")
    )]
    OtherConstants {
        /// The kernel.
        name: String,
        /// What differs.
        differing: Vec<String>,
    },
    /// The table with the kernel added, or the layout, breaks a rule.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Members of the layout have one name in generated code.
    #[error("the layout cannot be stored: {}; the names of generated code have to change first", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Names(Vec<NameClash>),
    /// The layout cannot be stored.
    #[error("the layout cannot be stored: {0}")]
    Store(#[from] WriteError),
    /// What is undecided cannot be said.
    #[error(transparent)]
    Status(#[from] SelectError),
}

/// Adds `kernel` to `files`, if they do not have it. What is undecided on the way to a new
/// layout is found with the converter crates in the folder `converters`.
///
/// # Errors
/// [`ImportError`].
pub fn import(files: Files, kernel: &Kernel, converters: &Path) -> Result<Imported, ImportError> {
    let registry = Registry::parse(files)?;
    let family = match &kernel.family {
        Some(family) => family.clone(),
        None => registry.family_of_version(&kernel.version)?.to_owned(),
    };
    // Folders and modules are named after all of them.
    for (what, name) in [
        ("name", &kernel.name),
        ("version", &kernel.version),
        ("flavour", &kernel.flavour),
    ] {
        if !is_name(name) {
            let name = name.clone();
            return Err(ImportError::Name { what, name });
        }
    }
    let map = registry.state_map(&family)?;
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
    let registered = registry.releases().iter();
    if let Some(registered) = registered.clone().find(|known| known.name == kernel.name) {
        return again(&registry, registered, kernel, &prepared);
    }
    let clashes = clashes(&map.live(&prepared.layout));
    if !clashes.is_empty() {
        return Err(ImportError::Names(clashes));
    }
    let has_meaning = map.watch.meanings().next().is_some();
    if has_meaning && !prepared.layout.has_constants() {
        return Err(ImportError::NoConstants {
            name: kernel.name.clone(),
        });
    }
    let known = registry.layout_by_fingerprint(fingerprint);
    let known = known.into_iter().find(|entry| {
        let hz = registry.releases_of(&entry.id).find_map(|other| other.hz);
        let other_ticks = hz.is_some() && kernel.hz.is_some() && hz != kernel.hz;
        entry.family == family && !other_ticks
    });
    let release = Release {
        name: kernel.name.clone(),
        version: kernel.version.clone(),
        arch: kernel.arch.clone(),
        flavour: kernel.flavour.clone(),
        layout: known.map_or_else(|| LayoutId(kernel.name.clone()), |entry| entry.id.clone()),
        uname: kernel.uname.clone(),
        build_id: kernel.build_id.clone(),
        hz: kernel.hz,
    };
    let mut files = registry.files().clone();
    if let Some(entry) = known {
        let found = Found::Same(entry.id.clone());
        files.releases = Cow::Owned(with_entries(
            &files.releases,
            &[],
            std::slice::from_ref(&release),
        ));
        Registry::parse(files.clone())?;
        return Ok(Imported {
            release,
            family,
            found,
            files,
        });
    }
    let entry = LayoutEntry {
        id: release.layout.clone(),
        family: family.clone(),
        arch: release.arch.clone(),
        flavour: release.flavour.clone(),
        fingerprint,
        types,
        file: format!("{}.btf", release.name),
        source: kernel.source.clone(),
        constants: kernel.constants.clone(),
    };
    if let Some(other) = registry.layouts().find(|other| other.file == entry.file) {
        return Err(ImportError::Taken {
            file: entry.file,
            layout: other.id.clone(),
        });
    }
    let data = btf::write(&prepared.layout)?;
    files.layouts.insert(entry.file.clone(), Cow::Owned(data));
    let text = with_entries(
        &files.releases,
        std::slice::from_ref(&entry),
        std::slice::from_ref(&release),
    );
    files.releases = Cow::Owned(text);
    let registry = Registry::parse(files.clone())?;
    let step = match neighbour(&registry, &release, &family) {
        None => None,
        Some(other) => {
            let selection = scaffold::select(&registry, &other.name, &release.name)?;
            Some(status::ways(&registry, &selection, converters)?)
        }
    };
    Ok(Imported {
        release,
        family,
        found: Found::New { entry, step },
        files,
    })
}

/// Whether a release, a layout and a file can have this name.
fn is_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '_' | '~');
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(good)
}

/// The name of the release whose types are in a file of this name: all of it but the ending that
/// says what is in it. The numbers of a version are no ending.
pub fn name_of_file(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = [".btf", ".elf", ".debug", ".dbg", ".o"]
        .into_iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(&name);
    let kernel = ["vmlinux-", "vmlinuz-", "linux-"].into_iter();
    let mut bare = kernel.filter_map(|start| name.strip_prefix(start));
    bare.next().unwrap_or(name).to_owned()
}

/// `2.4.38` of `2.4.38-up`. Of a name that goes on with numbers, as `6.1.0-47-amd64`, nobody can
/// tell by looking at it: Debian counts in them what it called 6.1.170.
pub fn version_of_name(name: &str) -> Option<String> {
    let end = name.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (version, rest) = name.split_at(end.unwrap_or(name.len()));
    let counted = rest
        .strip_prefix('-')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let numbers = version.split('.').all(|number| !number.is_empty());
    (numbers && version.contains('.') && !counted).then(|| version.to_owned())
}

/// `cloud` of `6.1.0-47-cloud-amd64`, and `standard` of `6.1.0-47-amd64`.
pub fn flavour(uname: &str, arch: &str) -> String {
    let rest = uname
        .strip_suffix(arch)
        .unwrap_or(uname)
        .trim_end_matches('-');
    let last = rest.rsplit('-').next().unwrap_or_default();
    match last.starts_with(|c: char| c.is_ascii_alphabetic()) && last != rest {
        true => last.to_owned(),
        false => "standard".to_owned(),
    }
}

/// A kernel that is registered. Its layout is stored anew if it is named after this kernel and the
/// state map has come to need more or other types.
fn again(
    registry: &Registry,
    registered: &Release,
    kernel: &Kernel,
    prepared: &Prepared,
) -> Result<Imported, ImportError> {
    let known = registry.layout_entry(&registered.layout)?;
    same(kernel, "version", &registered.version, &kernel.version)?;
    if let (Some(known), Some(found)) = (&registered.build_id, &kernel.build_id) {
        same(kernel, "build id", known, found)?;
    }
    let mut imported = Imported {
        release: registered.clone(),
        family: known.family.clone(),
        found: Found::Registered,
        files: registry.files().clone(),
    };
    // Without headers at hand there are the types alone to be compared.
    let no_constants = known.constants.is_some() && !prepared.layout.has_constants();
    let fingerprints = match no_constants {
        true => (known.types, prepared.types),
        false => (known.fingerprint, prepared.fingerprint),
    };
    if known.id.0 != kernel.name || (no_constants && known.types == prepared.types) {
        let (known, found) = (fingerprints.0.to_string(), fingerprints.1.to_string());
        same(kernel, "fingerprint", &known, &found)?;
        return Ok(imported);
    }
    if no_constants {
        return Err(ImportError::NoConstants {
            name: kernel.name.clone(),
        });
    }
    if known.types == prepared.types && known.fingerprint != prepared.fingerprint {
        let stored = registry.layout(&known.id)?;
        return Err(ImportError::OtherConstants {
            name: kernel.name.clone(),
            differing: diff::constants(&stored, &prepared.layout)
                .iter()
                .map(ToString::to_string)
                .collect(),
        });
    }
    let entry = LayoutEntry {
        fingerprint: prepared.fingerprint,
        types: prepared.types,
        constants: kernel.constants.clone().or(known.constants.clone()),
        ..known.clone()
    };
    let data = btf::write(&prepared.layout)?;
    let stored = imported
        .files
        .layouts
        .insert(entry.file.clone(), Cow::Owned(data.clone()));
    if entry != *known || stored.is_none_or(|stored| *stored != data) {
        let table = with_fingerprint(&imported.files.releases, &entry);
        let table = table.unwrap_or_else(|| imported.files.releases.clone().into_owned());
        imported.files.releases = Cow::Owned(table);
        // What is written has to be what is read again.
        Registry::parse(imported.files.clone())?.layout(&entry.id)?;
        imported.found = Found::Renewed(entry);
    }
    Ok(imported)
}

/// The layout of a kernel, as it is stored.
struct Prepared {
    layout: Layout,
    fingerprint: Fingerprint,
    types: Fingerprint,
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

/// Refuses a kernel that is not the one that is registered by its name.
fn same(kernel: &Kernel, what: &'static str, known: &str, found: &str) -> Result<(), ImportError> {
    match known == found {
        true => Ok(()),
        false => Err(ImportError::Another {
            name: kernel.name.clone(),
            what,
            known: known.to_owned(),
            found: found.to_owned(),
        }),
    }
}

/// The release that a converter would lead to `release` from: of the same series before one of
/// another, of the same flavour before the standard one before any other, an earlier one before a
/// later one, and then the nearest.
fn neighbour<'a>(registry: &'a Registry, release: &Release, family: &str) -> Option<&'a Release> {
    let is_candidate = |other: &&Release| {
        let entry = registry.layout_entry(&other.layout);
        other.arch == release.arch
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

/// The numbers of a version, in the order in which versions come.
fn numbers(version: &str) -> Vec<u64> {
    version
        .split('.')
        .map(|number| number.parse().unwrap_or(0))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use kernel_structs::layout::{LayoutBuilder, Type};

    #[test]
    fn flavours_are_read_from_names() {
        let flavours = [
            ("6.1.0-47-amd64", "standard"),
            ("6.1.0-47-cloud-amd64", "cloud"),
            ("6.12.117+deb12-rt-amd64", "rt"),
            ("6.12.117+deb12-amd64", "standard"),
            ("6.9.1", "standard"),
            ("6.9.1-mine", "mine"),
        ];
        for (uname, expected) in flavours {
            assert_eq!(flavour(uname, "amd64"), expected, "{uname}");
        }
    }

    /// A kernel with the layout of a stored one.
    fn kernel(like: &str, uname: &str, version: &str) -> Kernel {
        let registry = Registry::builtin().unwrap();
        let layout = registry.layout(&LayoutId(like.to_owned())).unwrap();
        Kernel {
            name: uname.to_owned(),
            uname: Some(uname.to_owned()),
            version: version.to_owned(),
            arch: "amd64".to_owned(),
            flavour: flavour(uname, "amd64"),
            family: None,
            build_id: Some("ab".repeat(20)),
            hz: Some(250),
            source: "a test".to_owned(),
            layout,
            constants: Some("headers of a test".to_owned()),
        }
    }

    fn imported(kernel: &Kernel) -> Result<Imported, ImportError> {
        import(Files::builtin(), kernel, Path::new("none"))
    }

    #[test]
    fn a_kernel_with_a_known_layout_gets_an_entry() {
        let kernel = kernel("6.1.0-47-amd64", "6.1.999-amd64", "6.1.999");
        let Imported { found, files, .. } = imported(&kernel).unwrap();
        assert_eq!(found, Found::Same(LayoutId("6.1.0-47-amd64".to_owned())));
        assert_eq!(files.layouts, Files::builtin().layouts);
        let registry = Registry::parse(files.clone()).unwrap();
        let release = registry.release("6.1.999", None, None).unwrap();
        assert_eq!(release.layout.0, "6.1.0-47-amd64");
        // The second time nothing changes.
        let again = import(files.clone(), &kernel, Path::new("none")).unwrap();
        assert_eq!(again.found, Found::Registered);
        assert_eq!(again.files, files);
    }

    /// Jiffies of another length mean something else under the same layout.
    #[test]
    fn a_kernel_with_other_ticks_gets_a_layout_of_its_own() {
        let kernel = Kernel {
            hz: Some(1000),
            ..kernel("6.1.0-47-amd64", "6.1.999-amd64", "6.1.999")
        };
        let Found::New { entry, step } = imported(&kernel).unwrap().found else {
            panic!("a layout of its own was expected");
        };
        assert_eq!(entry.id.0, "6.1.999-amd64");
        let step = step.unwrap();
        let [pair] = step.pairs.as_slice() else {
            panic!("{:?}", step.pairs);
        };
        assert!(pair.from.starts_with("6.1.0-"), "{}", pair.from);
        assert_eq!(pair.to, "6.1.999-amd64");
        // Between two kernels of one flavour a step is called by their versions.
        assert!(step.from.starts_with("6.1.1"), "{}", step.from);
        assert_eq!(step.to, "6.1.999");
    }

    #[test]
    fn the_nearest_release_is_of_the_same_series_and_flavour() {
        let registry = Registry::builtin().unwrap();
        let like = registry.release("2.4.36-up", None, None).unwrap();
        let nearest = |version: &str, flavour: &str, layout: &str| {
            let release = Release {
                name: "new".to_owned(),
                version: version.to_owned(),
                flavour: flavour.to_owned(),
                layout: LayoutId(layout.to_owned()),
                ..like.clone()
            };
            neighbour(&registry, &release, "linux-2.4")
                .unwrap()
                .name
                .clone()
        };
        assert_eq!(nearest("2.4.37.12", "up", "new"), "2.4.37.11-up");
        assert_eq!(nearest("2.4.36.3", "smp", "new"), "2.4.36.3-smp");
        // One that shares the layout is no neighbour.
        assert_eq!(nearest("2.4.37", "up", "2.4.36.9-i386-up"), "2.4.36.8-up");
        assert_eq!(nearest("2.4.1", "up", "new"), "2.4.32-up");
    }

    /// After a change of the state map the stored layouts are made again from their kernels.
    #[test]
    fn a_layout_that_the_state_map_needs_otherwise_is_stored_anew() {
        let kernel = Kernel {
            constants: None,
            build_id: Some("12f1e1ca032e499318c5cc64e024d3e617624bf6".to_owned()),
            ..kernel("6.1.0-47-amd64", "6.1.0-47-amd64", "6.1.170")
        };
        assert_eq!(imported(&kernel).unwrap().found, Found::Registered);
        let mut files = Files::builtin();
        let map = files.states.get_mut("linux-6.toml").unwrap();
        let text = std::str::from_utf8(map).unwrap();
        let changed = text.replacen(
            "[type.sigqueue]\nsaved = true",
            "[type.sigqueue]\nsaved = false",
            1,
        );
        assert_ne!(text, changed);
        *map = Cow::Owned(changed.into_bytes());
        let Imported { found, files, .. } = import(files, &kernel, Path::new("none")).unwrap();
        let Found::Renewed(entry) = found else {
            panic!("{found:?}");
        };
        let before = Registry::builtin().unwrap();
        assert_ne!(
            entry.fingerprint,
            before.layout_entry(&entry.id).unwrap().fingerprint
        );
        // It is what the table now says.
        let registry = Registry::parse(files.clone()).unwrap();
        registry.layout(&entry.id).unwrap();
        let again = import(files.clone(), &kernel, Path::new("none")).unwrap();
        assert_eq!((again.found, again.files), (Found::Registered, files));
    }

    #[test]
    fn another_build_of_a_registered_name_is_refused() {
        let kernel = kernel("6.1.0-47-amd64", "6.1.0-47-amd64", "6.1.170");
        let error = imported(&kernel).unwrap_err();
        assert!(
            matches!(
                error,
                ImportError::Another {
                    what: "build id",
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn a_kernel_of_no_family_is_refused() {
        let kernel = kernel("6.1.0-47-amd64", "2.6.32-5-amd64", "2.6.32");
        let error = imported(&kernel).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no state map is for Linux 2.6.32; there are linux-2.4, linux-6"
        );
    }

    #[test]
    fn names_and_versions_are_read_from_files_and_not_cut_at_dots() {
        let names = [
            ("2.4.38-up", "2.4.38-up", Some("2.4.38")),
            ("/x/2.4.38.1-up.btf", "2.4.38.1-up", Some("2.4.38.1")),
            (
                "6.12.117+deb12-amd64",
                "6.12.117+deb12-amd64",
                Some("6.12.117"),
            ),
            ("vmlinux-6.9.1.btf", "6.9.1", Some("6.9.1")),
            ("6.1.0-47-amd64.btf", "6.1.0-47-amd64", None),
            ("vmlinux", "vmlinux", None),
        ];
        for (file, name, version) in names {
            assert_eq!(name_of_file(Path::new(file)), name);
            assert_eq!(version_of_name(name).as_deref(), version, "{name}");
        }
    }

    /// What the fingerprint of a layout is renewed in may have comments of people.
    #[test]
    fn a_layout_is_stored_anew_under_a_comment() {
        let kernel = Kernel {
            build_id: None,
            ..kernel("6.1.0-47-amd64", "6.1.0-47-amd64", "6.1.170")
        };
        let mut files = Files::builtin();
        let map = files.states["linux-6.toml"].to_vec();
        let map = String::from_utf8(map).unwrap().replacen(
            "[type.sigqueue]\nsaved = true",
            "[type.sigqueue]\nsaved = false",
            1,
        );
        let states = &mut files.states;
        states.insert("linux-6.toml".to_owned(), Cow::Owned(map.into_bytes()));
        let entry = "id = \"6.1.0-47-amd64\"\n";
        let commented = format!("{entry}# Debian's oldest.\n");
        files.releases = Cow::Owned(files.releases.replacen(entry, &commented, 1));
        let imported = import(files, &kernel, Path::new("none")).unwrap();
        assert!(matches!(imported.found, Found::Renewed(_)));
        assert!(imported.files.releases.contains(&commented));
        let registry = Registry::parse(imported.files).unwrap();
        let id = LayoutId("6.1.0-47-amd64".to_owned());
        registry.layout(&id).unwrap();
    }

    #[test]
    fn a_layout_takes_no_other_layouts_file() {
        let mut files = Files::builtin();
        let file = files.layouts.remove("6.1.0-47-amd64.btf").unwrap();
        files.layouts.insert("6.1.999-amd64.btf".to_owned(), file);
        let renamed = files
            .releases
            .replace("\"6.1.0-47-amd64.btf\"", "\"6.1.999-amd64.btf\"");
        files.releases = Cow::Owned(renamed);
        let kernel = Kernel {
            hz: Some(1000),
            ..kernel("6.1.0-47-amd64", "6.1.999-amd64", "6.1.999")
        };
        let error = import(files, &kernel, Path::new("none")).unwrap_err();
        assert!(matches!(error, ImportError::Taken { .. }), "{error}");
        for name in ["", "../up", "a b", "-x", "a\nb"] {
            for what in ["name", "version", "flavour"] {
                let mut kernel = kernel.clone();
                match what {
                    "name" => kernel.name = name.to_owned(),
                    "version" => kernel.version = name.to_owned(),
                    _ => kernel.flavour = name.to_owned(),
                }
                // The family follows from the version.
                kernel.family = Some("linux-6".to_owned());
                let error = imported(&kernel).unwrap_err();
                let told = format!("is no {what} of a release");
                assert!(
                    error.to_string().contains(&told),
                    "{what} {name:?}: {error}"
                );
            }
        }
    }

    /// The same layout, a bit-field of which is called `name`.
    fn renamed(layout: &Layout, field: &str, name: &str) -> Layout {
        let mut builder = LayoutBuilder::new(layout.target());
        for (_, ty) in layout.types().skip(1) {
            let mut ty = ty.clone();
            if let Type::Composite(composite) = &mut ty {
                let all = composite.members.iter_mut();
                for member in all.filter(|member| member.name.as_deref() == Some(field)) {
                    member.name = Some(name.to_owned());
                }
            }
            builder.push(ty);
        }
        builder.finish().unwrap()
    }

    #[test]
    fn a_kernel_whose_members_cannot_be_told_apart_in_rust_is_refused() {
        let kernel = kernel("6.1.0-47-amd64", "6.1.999-amd64", "6.1.999");
        let layout = renamed(
            &kernel.layout,
            "sched_migrated",
            "set_sched_contributes_to_load",
        );
        let error = imported(&Kernel { layout, ..kernel }).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the layout cannot be stored: struct task_struct: the setter of the bit-field `sched_contributes_to_load` and the getter of the bit-field `set_sched_contributes_to_load` would both be `set_sched_contributes_to_load` in Rust; the names of generated code have to change first"
        );
    }

    #[test]
    fn flavours_that_differ_in_signs_have_pages_of_their_own() {
        let mut files = Files::builtin();
        let text = files.releases.replace("= \"up\"", "= \"b-c\"");
        files.releases = Cow::Owned(text.replace("= \"smp\"", "= \"b_c\""));
        let registry = Registry::parse(files).unwrap();
        let selection = scaffold::select(&registry, "2.4.36.8", "2.4.36.9").unwrap();
        let modules: Vec<&str> = selection.pairs.iter().map(|pair| &*pair.module).collect();
        assert_eq!(modules, ["i386_b_c", "i386_b_c__u"]);
    }
}
