//! What is imported, and what came of it.

use crate::status::Status;
use kernel_structs::layout::{Fingerprint, Layout};
use kernel_structs::releases::{Files, LayoutEntry, LayoutId, Release};

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
    /// Its configuration, such as `standard`; the name of a release tells it.
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
    /// Whether its layout takes the place of another one that the release is registered with.
    pub replace: bool,
    /// Whether it gets a folder of its own instead of an entry in a project's table: a layout of its own is called by its
    /// fingerprint, so that folders that were made apart agree on it.
    pub apart: bool,
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
    /// The layout that the release had, if it has another one now.
    pub instead_of: Option<InsteadOf>,
    /// The files with the kernel added.
    pub files: Files,
}

/// The layout that a release was registered with before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsteadOf {
    /// Its name.
    pub layout: LayoutId,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// The other releases that have it still.
    pub releases: Vec<String>,
    /// The folders of the steps from it or to it.
    pub steps: Vec<String>,
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
