//! Every known release, and the layout that it has.
//!
//! `releases.toml` lists them; the layouts lie beside it as BTF, each reduced to what the state
//! map of its family needs. All of it is built into the library, so that a program needs no
//! files at run time. A release is one kernel build; releases whose saved types lie in memory in
//! the same way, and whose values are made of the same constants, share a layout. Where the unit of
//! a field changed, two layouts may have the same fingerprint: layouts are told apart by their id.

mod entry;
mod family;
mod files;
mod held;
mod lookup;
mod parse;
mod prepare;
#[cfg(test)]
mod tests;

pub use entry::{with_entries, with_fingerprint, with_layout_of};
pub use family::{FamilyError, machine_with_pointers};
pub use files::{Files, header_uses};
use held::Held;
pub use lookup::{LookupError, flavour_order, is_file_like, is_of_series, numbers};
pub use prepare::prepare_layout;

use crate::btf::{self, BtfError};
use crate::layout::{Fingerprint, FingerprintError, Layout, MinimiseError, UnknownType};
use crate::state::{StateError, StateMap};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use thiserror::Error;

/// Name of a stored layout, such as `2.4.32-i386-up`: the first release that has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayoutId(pub String);

impl fmt::Display for LayoutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A stored layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutEntry {
    /// Its name.
    pub id: LayoutId,
    /// The kernel family, whose state map says which types are saved.
    pub family: String,
    /// The machine, such as `i386`.
    pub arch: String,
    /// The configuration, such as `up`.
    pub flavour: String,
    /// Fingerprint of the saved types and of the constants that their values are made of.
    pub fingerprint: Fingerprint,
    /// Fingerprint of the saved types alone; the same where no constants are known.
    pub types: Fingerprint,
    /// Name of the BTF file.
    pub file: String,
    /// Where the layout was taken from.
    pub source: String,
    /// Where the constants were taken from, if they are known.
    pub constants: Option<String>,
}

/// One kernel build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Its name, such as `2.4.36-up`. No two releases have the same.
    pub name: String,
    /// Its version, such as `2.4.36`.
    pub version: String,
    /// The machine, such as `i386`.
    pub arch: String,
    /// The configuration, such as `up`.
    pub flavour: String,
    /// Its layout.
    pub layout: LayoutId,
    /// What `uname -r` prints on it, if that is neither name nor version.
    pub uname: Option<String>,
    /// The GNU build id of its image, in hexadecimal digits.
    pub build_id: Option<String>,
    /// Ticks a second (`CONFIG_HZ`), in which jiffies are counted; where it was read from the
    /// kernel's configuration.
    pub hz: Option<u32>,
}

/// What of a release somebody named, the most exact first.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Called {
    /// Its name.
    Name,
    /// What `uname -r` prints on it.
    Uname,
    /// Its version, which others may have.
    Version,
    /// Its version and its flavour, which other builds may have.
    Flavour,
}

impl Called {
    /// All, in their order.
    pub const ALL: [Called; 4] = [
        Called::Name,
        Called::Uname,
        Called::Version,
        Called::Flavour,
    ];
}

impl Release {
    /// What of it `query` names, if anything; the most exact.
    pub fn called(&self, query: &str) -> Option<Called> {
        let flavour = || query.strip_prefix(&self.version)?.strip_prefix('-');
        match query {
            _ if self.name == query => Some(Called::Name),
            _ if self.uname.as_deref() == Some(query) => Some(Called::Uname),
            _ if self.version == query => Some(Called::Version),
            _ if flavour() == Some(&self.flavour) => Some(Called::Flavour),
            _ => None,
        }
    }

    /// The bytes of its build id; none if it has none.
    pub fn build_id_bytes(&self) -> Vec<u8> {
        let digits = self.build_id.as_deref().unwrap_or_default().as_bytes();
        let pairs = digits.chunks_exact(2);
        let pairs = pairs.filter_map(|pair| std::str::from_utf8(pair).ok());
        pairs
            .filter_map(|pair| u8::from_str_radix(pair, 16).ok())
            .collect()
    }
}

/// A build id as the table has it, in hexadecimal digits.
pub fn build_id_digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All releases and layouts.
#[derive(Clone, Debug)]
pub struct Registry {
    layouts: BTreeMap<LayoutId, LayoutEntry>,
    releases: Vec<Release>,
    files: Held,
    read: Arc<Mutex<Read>>,
}

/// What was read of the files, which do not change: a plan of all layouts asks for each of them many
/// times, and to read one is to hash all of its types.
#[derive(Debug, Default)]
struct Read {
    maps: BTreeMap<String, StateMap>,
    layouts: BTreeMap<LayoutId, Layout>,
}

/// What is wrong with the table of releases or a file it names.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// Not TOML, or not the shape of the table.
    #[error("releases.toml is not well-formed: {0}")]
    Toml(#[from] toml::de::Error),
    /// Something has no text where one is needed.
    #[error("releases.toml: {place} has an empty `{key}`")]
    Empty {
        /// The entry.
        place: String,
        /// The key.
        key: &'static str,
    },
    /// A fingerprint that is none.
    #[error("releases.toml: layout {layout}: {source}")]
    Fingerprint {
        /// The layout.
        layout: LayoutId,
        /// What is wrong.
        source: FingerprintError,
    },
    /// Two entries have one name.
    #[error("releases.toml: {what} `{name}` is there twice")]
    Duplicate {
        /// `layout`, `release`, or `file` of a layout.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// There is no layout of that name.
    #[error("{place}: there is no layout `{layout}`{}", suggestion(nearest))]
    UnknownLayout {
        /// Who asks for it.
        place: String,
        /// The name.
        layout: LayoutId,
        /// The most similar name that there is.
        nearest: Option<String>,
    },
    /// A release is for another machine than its layout.
    #[error("releases.toml: release {release} is for {arch}, its layout {layout} for {other}")]
    Arch {
        /// The release.
        release: String,
        /// Its machine.
        arch: String,
        /// Its layout.
        layout: LayoutId,
        /// The machine of that.
        other: String,
    },
    /// Releases of one layout count in different ticks, so that values of one do not mean the same
    /// in the other.
    #[error(
        "releases.toml: {first} and {second} share the layout {layout}, but have {first_hz} and {second_hz} ticks a second; give one a layout of its own"
    )]
    Ticks {
        /// The layout.
        layout: LayoutId,
        /// A release that has it.
        first: String,
        /// Its ticks a second.
        first_hz: u32,
        /// Another one.
        second: String,
        /// The ticks a second of that.
        second_hz: u32,
    },
    /// A file is named that is not there.
    #[error("{place} needs the file {file}, which is not there")]
    NoFile {
        /// Who needs it.
        place: String,
        /// Its name.
        file: String,
    },
    /// The file of a layout is not there.
    #[error("layout {layout}: there is no file layouts/{file}; {}", LOST)]
    NoLayout {
        /// The layout.
        layout: LayoutId,
        /// The name of its file.
        file: String,
    },
    /// A stored layout cannot be read.
    #[error("layouts/{file}: {source}; {}", LOST)]
    Btf {
        /// Its file.
        file: String,
        /// What is wrong.
        source: BtfError,
    },
    /// A stored layout lacks a saved type.
    #[error(
        "layouts/{file}: {source}; if state/{family}.toml has come to save it since the layout was stored, import the kernel again, with `kconv-gen release import` or `kconv-gen layout add`"
    )]
    SavedType {
        /// Its file.
        file: String,
        /// Its family.
        family: Box<str>,
        /// What is wrong.
        source: UnknownType,
    },
    /// A stored layout is another than the one meant.
    #[error(
        "layouts/{file} has the fingerprint {found}; releases.toml says {expected}. A fingerprint is of the types that state/{family}.toml saves: if these were changed, `kconv-gen layout renew` computes the fingerprints anew; if not, {}",
        LOST
    )]
    Changed {
        /// Its file.
        file: String,
        /// Its family.
        family: Box<str>,
        /// Its fingerprint.
        found: Box<Fingerprint>,
        /// The fingerprint it should have.
        expected: Box<Fingerprint>,
    },
    /// A state map cannot be read.
    #[error("kernel-structs/state/{file}:{source}")]
    State {
        /// Its file.
        file: String,
        /// What is wrong.
        source: StateError,
    },
    /// A state map is for another family than its name says.
    #[error("kernel-structs/state/{file} is for the family `{family}`")]
    Family {
        /// Its file.
        file: String,
        /// The family it is for.
        family: String,
    },
    /// A file that should be text is not UTF-8.
    #[error("kernel-structs/state/{file} is no UTF-8 text")]
    Text {
        /// Its name.
        file: String,
    },
    /// A layout to be stored lacks what the state map needs.
    #[error("the layout lacks what the state map needs: {0}")]
    Minimise(#[from] MinimiseError),
}

/// What there is to do about a stored layout that is lost.
const LOST: &str = "take the file and releases.toml from version control, or remove the layout and its releases from releases.toml and import them again";

fn suggestion(nearest: &Option<String>) -> String {
    match nearest {
        Some(name) => format!("; the nearest is `{name}`"),
        None => String::new(),
    }
}

impl Registry {
    /// The table built into this library, which is parsed once, and with it whatever of it was read.
    ///
    /// # Errors
    /// If it breaks a rule; the tests see to it that it does not.
    pub fn builtin() -> Result<&'static Registry, RegistryError> {
        static BUILTIN: OnceLock<Registry> = OnceLock::new();
        if let Some(registry) = BUILTIN.get() {
            return Ok(registry);
        }
        let registry = parse::parse(Held::builtin())?;
        Ok(BUILTIN.get_or_init(|| registry))
    }

    /// Reads a table and checks that it is consistent: names are unique, every release has a
    /// layout for its machine, every file that it names is there ([`Registry::strays`] has those that it
    /// does not name). Layouts and state maps are read when they
    /// are asked for.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn parse(files: Files) -> Result<Registry, RegistryError> {
        parse::parse(Held::Given(files))
    }

    /// This registry and the entries of another table, which is in the form of `releases.toml`, with the files of the
    /// layouts that it names. It may name layouts that this registry has. A layout that is there with its fingerprint, and a
    /// release that is there with its build id, stay as they are.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn with(
        &self,
        table: &str,
        layouts: BTreeMap<String, Cow<'static, [u8]>>,
    ) -> Result<Registry, RegistryError> {
        let files = Held::Extended {
            base: Arc::new(self.files.clone()),
            layouts,
        };
        let registry = Registry {
            layouts: self.layouts.clone(),
            releases: self.releases.clone(),
            files,
            read: Arc::default(),
        };
        parse::extend(registry, table)
    }

    /// The files that the table was read from; not those that came to it by [`Registry::with`].
    pub fn files(&self) -> &Files {
        self.files.all()
    }

    /// Files of layouts that no entry names. A command that was killed between the two files that it
    /// writes leaves one; it does no harm, and the command run again takes it.
    pub fn strays(&self) -> impl Iterator<Item = &str> {
        let files = self.files.layouts();
        files.filter(|file| !self.layouts.values().any(|layout| layout.file == *file))
    }

    /// All releases, in the order of the table.
    pub fn releases(&self) -> &[Release] {
        &self.releases
    }

    /// All layouts, by name.
    pub fn layouts(&self) -> impl Iterator<Item = &LayoutEntry> {
        self.layouts.values()
    }

    /// What is known of the layout `id`.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn layout_entry(&self, id: &LayoutId) -> Result<&LayoutEntry, RegistryError> {
        self.layouts
            .get(id)
            .ok_or_else(|| RegistryError::UnknownLayout {
                place: "the table of releases".to_owned(),
                layout: id.clone(),
                nearest: self.nearest_layout(id),
            })
    }

    /// The layouts of this fingerprint, by name.
    pub fn layout_by_fingerprint(&self, fingerprint: Fingerprint) -> Vec<&LayoutEntry> {
        self.layouts()
            .filter(|entry| entry.fingerprint == fingerprint)
            .collect()
    }

    /// The layouts whose saved types have this fingerprint, by name. They may differ in what bits
    /// of a value mean.
    pub fn layouts_by_types(&self, types: Fingerprint) -> Vec<&LayoutEntry> {
        self.layouts()
            .filter(|entry| entry.types == types)
            .collect()
    }

    /// The releases that have the layout `id`, in the order of the table.
    pub fn releases_of<'a>(&'a self, id: &'a LayoutId) -> impl Iterator<Item = &'a Release> {
        self.releases
            .iter()
            .filter(move |release| release.layout == *id)
    }

    /// Reads the stored layout `id` and checks that it has its fingerprint.
    ///
    /// # Errors
    /// If there is none, or if it is not what the table says.
    pub fn layout(&self, id: &LayoutId) -> Result<Layout, RegistryError> {
        if let Some(layout) = self.read().layouts.get(id) {
            return Ok(layout.clone());
        }
        let layout = self.read_layout(id)?;
        self.read().layouts.insert(id.clone(), layout.clone());
        Ok(layout)
    }

    fn read(&self) -> MutexGuard<'_, Read> {
        // Nothing is half done when it is given back.
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_layout(&self, id: &LayoutId) -> Result<Layout, RegistryError> {
        let entry = self.layout_entry(id)?;
        let file = || entry.file.clone();
        let data = self
            .files
            .layout(&entry.file)
            .ok_or_else(|| RegistryError::NoLayout {
                layout: id.clone(),
                file: file(),
            })?;
        let layout = btf::read(&data).map_err(|source| RegistryError::Btf {
            file: file(),
            source,
        })?;
        let map = self.state_map(&entry.family)?;
        let saved = map.saved_in(&layout);
        let found = [
            (layout.fingerprint(&saved), entry.fingerprint),
            (layout.types_fingerprint(&saved), entry.types),
        ];
        for (found, expected) in found {
            let found = found.map_err(|source| RegistryError::SavedType {
                file: file(),
                family: entry.family.as_str().into(),
                source,
            })?;
            if found != expected {
                return Err(RegistryError::Changed {
                    file: file(),
                    family: entry.family.as_str().into(),
                    found: Box::new(found),
                    expected: Box::new(expected),
                });
            }
        }
        Ok(layout)
    }

    /// Reads the state map of a kernel family.
    ///
    /// # Errors
    /// If there is none, or if it breaks a rule.
    pub fn state_map(&self, family: &str) -> Result<StateMap, RegistryError> {
        if let Some(map) = self.read().maps.get(family) {
            return Ok(map.clone());
        }
        let map = self.read_state_map(family)?;
        self.read().maps.insert(family.to_owned(), map.clone());
        Ok(map)
    }

    fn read_state_map(&self, family: &str) -> Result<StateMap, RegistryError> {
        let file = format!("{family}.toml");
        let Some(data) = self.files.state(&file) else {
            return Err(RegistryError::NoFile {
                place: format!("family {family}"),
                file,
            });
        };
        let Ok(text) = std::str::from_utf8(&data) else {
            return Err(RegistryError::Text { file });
        };
        match StateMap::parse(text) {
            Ok(map) if map.family == family => Ok(map),
            Ok(StateMap { family, .. }) => Err(RegistryError::Family { file, family }),
            Err(source) => Err(RegistryError::State { file, source }),
        }
    }

    fn nearest_layout(&self, id: &LayoutId) -> Option<String> {
        let known = self.layouts.keys().map(|known| known.0.as_str());
        crate::nearest::nearest(&id.0, known).map(String::from)
    }
}
