//! Dumps of the releases that the registry knows.

use crate::dump::{Dump, DumpError};
use crate::error::FreezeError;
use crate::families::Known;
use crate::fits::{self, Mismatch};
use crate::freeze::{Kernel, Order, Summary, freeze};
use crate::judge::Judge;
use crate::memory::Memory;
use crate::walk::Selection;
use kconv_image::{Fingerprint, KernelId, Machine};
use kconv_objects::Names;
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
    /// The dump has what no kernel of the release has.
    #[error(
        "{}: this is not the memory of {release}: {}",
        directory.display(),
        mismatches.iter().map(Mismatch::to_string).collect::<Vec<_>>().join("; ")
    )]
    Misfit {
        /// The dump.
        directory: PathBuf,
        /// The release it should be of.
        release: String,
        /// What is otherwise.
        mismatches: Vec<Mismatch>,
        /// Releases whose types have the sizes of the dumped objects.
        fitting: Vec<String>,
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
            FreezeDumpError::Misfit { mismatches, .. } if mismatches.iter().all(is_configured) => {
                "name the release that was running; if that is the one, index.json is wrong"
                    .to_owned()
            }
            FreezeDumpError::Misfit { fitting, .. } => match fitting.as_slice() {
                [] => {
                    "no registered release has such objects; register the kernel that was running"
                        .to_owned()
                }
                fitting => format!(
                    "the dump's objects are as large as those of {}; name the release that was running",
                    fitting.join(", ")
                ),
            },
            FreezeDumpError::UnknownMachine { .. } => "name another release".to_owned(),
            FreezeDumpError::Freeze(error) => error.advice().to_owned(),
        }
    }
}

fn is_configured(mismatch: &Mismatch) -> bool {
    match mismatch {
        Mismatch::Configuration { .. } => true,
        Mismatch::Size { .. } => false,
    }
}

/// What is taken out of a dump, and what is said of it.
#[derive(Copy, Clone, Debug, Default)]
pub struct OfDump<'a> {
    /// The release that was running; without one, that which the dump says it is of.
    pub release: Option<&'a str>,
    /// The processes that are frozen, with all their threads; none are all.
    pub processes: &'a [i32],
    /// A `System.map` of the kernel that was running.
    pub system_map: Option<&'a Path>,
}

/// Makes an image at `destination` of what of the dump in `directory` is wanted.
///
/// # Errors
/// If the dump cannot be used, is not of the release, or cannot be frozen.
pub fn freeze_dump(
    directory: &Path,
    wanted: &OfDump<'_>,
    judge: &mut Judge<'_>,
    destination: &Path,
) -> Result<Summary, FreezeDumpError> {
    let mut dump = Dump::open(directory)?;
    if let Some(path) = wanted.system_map {
        dump.add_system_map(path)?;
    }
    let registry = Registry::builtin()?;
    let flavour = if dump.meta().smp { "smp" } else { "up" };
    let (version, arch) = (&dump.meta().kernel, &dump.meta().arch);
    let release = registry.release(wanted.release.unwrap_or(version), Some(flavour), Some(arch))?;
    if (&release.version, release.flavour.as_str()) != (version, flavour) {
        return Err(FreezeDumpError::OtherKernel {
            directory: directory.to_owned(),
            found: format!("{version} {arch} {flavour}"),
            release: release.name.clone(),
            expected: format!("{} {} {}", release.version, release.arch, release.flavour),
        });
    }
    let entry = registry.layout_entry(&release.layout)?;
    let layout = registry.layout(&release.layout)?;
    let map = registry.state_map(&entry.family)?;
    let mut mismatches = fits::sizes(dump.sizes(), &layout);
    let family = Known::named(&entry.family)?;
    mismatches.extend(fits::configuration(dump.meta(), release, family));
    if !mismatches.is_empty() {
        return Err(FreezeDumpError::Misfit {
            directory: directory.to_owned(),
            release: release.name.clone(),
            mismatches,
            fitting: fits::releases_with(registry, dump.sizes(), arch)?,
        });
    }
    let live = map.live(&layout);
    let memory = Memory {
        source: &dump,
        names: &Names::new(&live),
    };
    fits::tasks(memory, &map).map_err(|finding| FreezeError::Refused(vec![*finding]))?;
    let kernel = Kernel {
        layout: &layout,
        map: &map,
        hz: release.hz,
        machine: machine(release)?,
        id: KernelId {
            release: release.name.clone(),
            layout: release.layout.0.clone(),
            fingerprint: Fingerprint(entry.fingerprint.0),
            build_id: release.build_id_bytes(),
        },
    };
    let selection = match wanted.processes {
        [] => Selection::All,
        pids => Selection::Processes(pids.iter().map(|pid| i64::from(*pid)).collect()),
    };
    let order = Order {
        selection: &selection,
        keeps_programs: false,
        judge,
        destination,
    };
    Ok(freeze(&dump, &kernel, order)?)
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
