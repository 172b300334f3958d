//! Dumps of the releases that the registry knows.

use crate::dump::{Dump, DumpError};
use crate::error::FreezeError;
use crate::freeze::{Kernel, Summary, freeze};
use crate::walk::Selection;
use kconv_image::{Fingerprint, KernelId, Machine};
use kernel_structs::releases::{LookupError, Registry, RegistryError, Release};
use std::path::{Path, PathBuf};

/// A dump that gave no image, and why.
#[derive(Debug, thiserror::Error)]
pub enum FreezeDumpError {
    /// The dump cannot be used.
    #[error(transparent)]
    Dump(#[from] DumpError),
    /// There is no such release.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The table of releases is broken.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The dump is of another kernel.
    #[error(
        "{}: the dump is of {found}, not of {release} ({expected})", directory.display()
    )]
    OtherKernel {
        /// The dump.
        directory: PathBuf,
        /// Version, machine and flavour that it has.
        found: String,
        /// The release asked for.
        release: String,
        /// Version, machine and flavour of that.
        expected: String,
    },
    /// The release is of a machine that images cannot be of.
    #[error("{release}: images of {machine} kernels are not known")]
    UnknownMachine {
        /// The release.
        release: String,
        /// Its machine.
        machine: String,
    },
    /// The freeze failed.
    #[error(transparent)]
    Freeze(#[from] FreezeError),
}

impl FreezeDumpError {
    /// What the user can do about it.
    pub fn advice(&self) -> String {
        match self {
            FreezeDumpError::Dump(error) => error.advice().to_owned(),
            FreezeDumpError::Lookup(error) => error.advice(),
            FreezeDumpError::Registry(_) => "this is a fault of kconv; please report it".to_owned(),
            FreezeDumpError::OtherKernel { .. } => {
                "name the release that the dump was taken of".to_owned()
            }
            FreezeDumpError::UnknownMachine { .. } => "name another release".to_owned(),
            FreezeDumpError::Freeze(error) => error.advice().to_owned(),
        }
    }
}

/// Makes an image at `destination` of the dump in `directory`, taken of `release`; without one,
/// of the release that the dump says it is of.
///
/// # Errors
/// If the dump cannot be used, is of another release, or cannot be frozen.
pub fn freeze_dump(
    directory: &Path,
    release: Option<&str>,
    destination: &Path,
) -> Result<Summary, FreezeDumpError> {
    let dump = Dump::open(directory)?;
    let registry = Registry::builtin()?;
    let flavour = if dump.meta().smp { "smp" } else { "up" };
    let (version, arch) = (&dump.meta().kernel, &dump.meta().arch);
    let release = registry.release(release.unwrap_or(version), Some(flavour), Some(arch))?;
    if (&release.version, release.flavour.as_str()) != (version, flavour) {
        return Err(FreezeDumpError::OtherKernel {
            directory: directory.to_owned(),
            found: format!("{version} {arch} {flavour}"),
            release: release.name.clone(),
            expected: format!("{} {} {}", release.version, release.arch, release.flavour),
        });
    }
    let entry = registry.layout_entry(&release.layout)?;
    let kernel = Kernel {
        layout: &registry.layout(&release.layout)?,
        map: &registry.state_map(&entry.family)?,
        machine: machine(release)?,
        id: KernelId {
            release: release.name.clone(),
            layout: release.layout.0.clone(),
            fingerprint: Fingerprint(entry.fingerprint.0),
            build_id: build_id(release),
        },
    };
    Ok(freeze(&dump, &kernel, &Selection::All, destination)?)
}

fn machine(release: &Release) -> Result<Machine, FreezeDumpError> {
    let known = [Machine::I386, Machine::X86_64];
    known
        .into_iter()
        .find(|machine| machine.name() == release.arch)
        .ok_or_else(|| FreezeDumpError::UnknownMachine {
            release: release.name.clone(),
            machine: release.arch.clone(),
        })
}

fn build_id(release: &Release) -> Vec<u8> {
    let digits = release.build_id.as_deref().unwrap_or_default();
    let pairs = digits
        .as_bytes()
        .chunks(2)
        .filter_map(|pair| str::from_utf8(pair).ok());
    pairs
        .filter_map(|pair| u8::from_str_radix(pair, 16).ok())
        .collect()
}
