//! Kernels that came after this program: `kconv-gen release import --to` makes a folder for each, with its entry
//! in the form of `releases.toml`, its layout, and the plans that lead there and back.

use crate::failure::Failure;
use crate::owned::{self, Unread};
use crate::plan_file;
use crate::style;
use kconv_runtime::table::Converter;
use kernel_structs::releases::{LayoutId, Registry, RegistryError};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The variable that names the folders of kernels, one behind the other with colons between them.
const VARIABLE: &str = "KCONV_PATH";

/// Where kernels are if it is not set.
const DEFAULT: &str = "/etc/kconv/kernels";

/// The longest table of one kernel, in bytes.
const LONGEST_TABLE: u64 = 1 << 16;

/// The longest file of a layout, in bytes: ten times the longest of today.
const LONGEST_LAYOUT: u64 = 4 << 20;

/// Why a folder is left out.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("{}: {error}", path.display())]
    Unread { path: PathBuf, error: Unread },
    #[error("{}: longer than {most} bytes", path.display())]
    TooLong { path: PathBuf, most: u64 },
    #[error("{}: not UTF-8 text", path.display())]
    NotText { path: PathBuf },
    #[error("{0}")]
    Registry(#[from] RegistryError),
    /// The state map of this program is another one than that which the layout was stored by.
    #[error("it was made by another version of kconv-gen, which saves other types")]
    OtherVersion,
}

impl Unusable {
    fn advice(&self) -> &'static str {
        match self {
            Unusable::Unread {
                error: Unread::OfOthers(_),
                ..
            } => "have root own the folder and all above it, and nobody else write to them",
            Unusable::Unread { .. } | Unusable::TooLong { .. } | Unusable::NotText { .. } => {
                "import the kernel again, or remove the folder"
            }
            Unusable::Registry(RegistryError::Duplicate { .. }) => {
                "if this kconv knows the kernel by itself, remove the folder"
            }
            Unusable::Registry(_) | Unusable::OtherVersion => {
                "import the kernel again with the kconv-gen of this version, or remove the folder"
            }
        }
    }
}

/// What this program was built with, and the kernels that folders add.
pub(crate) struct Installed {
    pub(crate) registry: &'static Registry,
    /// Folders with plans from and to layouts that were added, by those.
    folders: BTreeMap<LayoutId, PathBuf>,
    /// Plans that were read.
    plans: Mutex<BTreeMap<LayoutId, Vec<&'static Converter>>>,
}

impl Installed {
    /// All that is known here. Folders that cannot be used are told once, and left out: what is wrong with one kernel keeps
    /// nobody from converting between others.
    pub(crate) fn all() -> Result<&'static Installed, Failure> {
        static ALL: OnceLock<Installed> = OnceLock::new();
        if let Some(all) = ALL.get() {
            return Ok(all);
        }
        let path = std::env::var_os(VARIABLE).unwrap_or_else(|| OsString::from(DEFAULT));
        let (installed, left_out) = in_folders(&path)?;
        for (folder, why) in &left_out {
            let (folder, why, advice) = (folder.display(), why.to_string(), why.advice());
            let why = why.trim_end();
            style::warn(&format!("{folder} is left out: {why}\n  = {advice}"));
        }
        Ok(ALL.get_or_init(|| installed))
    }

    /// The plans from and to the layout `id`, that from it to itself among them; none if this program was built with it.
    pub(crate) fn plans(&self, id: &str) -> Result<Vec<&'static Converter>, Failure> {
        let id = LayoutId(id.to_owned());
        let Some(folder) = self.folders.get(&id) else {
            return Ok(Vec::new());
        };
        // Nothing is half done when it is given back.
        let mut read = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plans) = read.get(&id) {
            return Ok(plans.clone());
        }
        let mut plans = Vec::new();
        for path in files(folder, "plan").map_err(|error| Failure::PlanUnreadable {
            path: folder.clone(),
            error,
        })? {
            let plan = plan_file::read(&path)?;
            self.fits(plan, &path)?;
            plans.push(plan);
        }
        read.insert(id, plans.clone());
        Ok(plans)
    }

    /// The folder of the layout `id`, if a program that is started with the machine does not find it: [`VARIABLE`] is not
    /// set there.
    pub(crate) fn lost_at_boot(&self, id: &str) -> Option<&Path> {
        let folder = self.folders.get(&LayoutId(id.to_owned()))?.parent()?;
        let found = fs::canonicalize(folder.parent()?).ok();
        let is_default = found.is_some() && found == fs::canonicalize(DEFAULT).ok();
        (!is_default).then_some(folder)
    }

    /// That a plan is for layouts as this program knows them.
    fn fits(&self, plan: &Converter, path: &Path) -> Result<(), Failure> {
        for node in [&plan.from, &plan.to] {
            let known = self
                .registry
                .layout_entry(&LayoutId(node.layout.to_owned()));
            let expected = known
                .ok()
                .map(|entry| kconv_image::Fingerprint(entry.fingerprint.0));
            if expected != Some(node.fingerprint) {
                return Err(Failure::PlanOfOtherLayout {
                    path: path.to_owned(),
                    layout: node.layout.to_owned(),
                    found: node.fingerprint,
                    expected,
                });
            }
        }
        Ok(())
    }
}

/// The registry of this program with what the folders of `path` add, and the folders that cannot be used.
fn in_folders(path: &OsStr) -> Result<(Installed, Vec<(PathBuf, Unusable)>), Failure> {
    let builtin = Registry::builtin()?;
    let mut extended: Option<Registry> = None;
    let mut folders = BTreeMap::new();
    let mut left_out = Vec::new();
    for folder in std::env::split_paths(path).flat_map(|path| kernels(&path)) {
        let before = extended.as_ref().unwrap_or(builtin);
        match add(before, &folder) {
            Ok((registry, new)) => {
                folders.extend(new.into_iter().map(|id| (id, folder.join("plans"))));
                extended = Some(registry);
            }
            Err(why) => left_out.push((folder, why)),
        }
    }
    let installed = Installed {
        registry: match extended {
            // It is asked until the program ends.
            Some(registry) => Box::leak(Box::new(registry)),
            None => builtin,
        },
        folders,
        plans: Mutex::default(),
    };
    Ok((installed, left_out))
}

/// The folders of kernels in `folder`, by name; none if it is not there. What is hidden is not whole yet.
fn kernels(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_hidden = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.as_encoded_bytes().starts_with(b".")
    };
    let folders = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir());
    let folders: BTreeSet<PathBuf> = folders.filter(|path| !is_hidden(path)).collect();
    folders.into_iter().collect()
}

/// The registry `before` with the kernel in `folder`, and the layouts that came with it.
fn add(before: &Registry, folder: &Path) -> Result<(Registry, Vec<LayoutId>), Unusable> {
    let table = folder.join("releases.toml");
    let text = read(&table, LONGEST_TABLE)?;
    let text = String::from_utf8(text).map_err(|_| Unusable::NotText { path: table })?;
    let mut layouts = BTreeMap::new();
    let folder = folder.join("layouts");
    let files = files(&folder, "btf").map_err(|error| Unusable::Unread {
        path: folder,
        error: error.into(),
    })?;
    for path in files {
        let data = read(&path, LONGEST_LAYOUT)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        layouts.insert(name.into_owned(), Cow::Owned(data));
    }
    let registry = before.with(&text, layouts)?;
    let is_new = |id: &LayoutId| before.layout_entry(id).is_err();
    let all = registry.layouts().map(|entry| entry.id.clone());
    let new: Vec<LayoutId> = all.filter(is_new).collect();
    for id in &new {
        registry.layout(id).map_err(|error| match error {
            RegistryError::Changed { .. } | RegistryError::SavedType { .. } => {
                Unusable::OtherVersion
            }
            error => error.into(),
        })?;
    }
    Ok((registry, new))
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>, Unusable> {
    let bytes = owned::read(path, most).map_err(|error| Unusable::Unread {
        path: path.to_owned(),
        error,
    })?;
    match bytes.len() as u64 > most {
        true => Err(Unusable::TooLong {
            path: path.to_owned(),
            most,
        }),
        false => Ok(bytes),
    }
}

/// The files of `folder` with an extension, by name; none if it is not there.
fn files(folder: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = BTreeSet::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new(extension)) {
            files.insert(path);
        }
    }
    Ok(files.into_iter().collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// What thaws after a boot finds the folders of [`DEFAULT`] and no others.
    #[test]
    fn a_kernel_in_another_folder_is_lost_at_boot() {
        let elsewhere = tempfile::tempdir().unwrap();
        let folder = elsewhere.path().join("6.12-mine");
        fs::create_dir_all(folder.join("plans")).unwrap();
        let id = LayoutId(String::from("linux-6-0123"));
        let installed = Installed {
            registry: Registry::builtin().unwrap(),
            folders: BTreeMap::from([(id.clone(), folder.join("plans"))]),
            plans: Mutex::default(),
        };
        assert_eq!(installed.lost_at_boot(&id.0), Some(folder.as_path()));
        assert_eq!(installed.lost_at_boot("6.1.0-47-amd64"), None);
        assert_eq!(installed.plans(&id.0).unwrap().len(), 0);
    }

    #[test]
    fn what_is_hidden_or_no_folder_is_no_kernel() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["b", "a", ".new"] {
            fs::create_dir(path(name)).unwrap();
        }
        fs::write(path("README"), "").unwrap();
        assert_eq!(kernels(folder.path()), [path("a"), path("b")]);
        assert!(kernels(&path("none")).is_empty());
    }
}
