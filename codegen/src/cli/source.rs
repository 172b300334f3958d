//! Layouts out of files and folders: by whichever of the three routes there is to what lies there.

use super::headers::{profile_of, refused};
use super::{CliError, constants};
use kernel_structs::btf;
use kernel_structs::layout::Layout;
use kernel_structs::releases::{FamilyError, Registry};
use kernel_structs::state::StateMap;
use kernel_structs_routes::bzimage::{DEFAULT_LIMIT, Identity, Kernel, KernelError};
use kernel_structs_routes::compare::Knowledge;
use kernel_structs_routes::dwarf;
use kernel_structs_routes::headers::{self, Tree};
use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

/// How a layout was come by.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// The kernel's own description of its types.
    Btf,
    /// Debug information.
    Dwarf,
    /// A configured header tree, through bindgen.
    Headers,
}

impl Route {
    /// What there is to compare between layouts of two routes.
    pub(crate) fn common(self, other: Route) -> Knowledge {
        match (self, other) {
            (Route::Btf, _) | (_, Route::Btf) => Knowledge::PAHOLE,
            (Route::Dwarf | Route::Headers, Route::Dwarf | Route::Headers) => Knowledge::ALL,
        }
    }

    /// What the types come from, in words.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Route::Btf => "BTF",
            Route::Dwarf => "debug information",
            Route::Headers => "headers",
        }
    }
}

/// Where the boot protocol of x86 has its mark (`Documentation/arch/x86/boot.rst`).
const BOOT_MARK: (usize, &[u8]) = (0x202, b"HdrS");
const ELF_MAGIC: &[u8] = b"\x7fELF";

/// A kernel as it is at hand.
pub(crate) struct Source {
    path: PathBuf,
    held: Held,
    /// What the kernel says of itself, if there is more than types.
    pub(crate) identity: Option<Identity>,
}

enum Held {
    /// All types.
    Types(Layout),
    /// An ELF file with debug information.
    Dwarf(Vec<u8>),
    /// A header tree.
    Headers(Tree),
}

/// Which types are read where not all are: by DWARF and by headers.
pub(crate) enum Wanted<'a> {
    /// Those that a state map needs.
    Saved(&'a StateMap),
    /// These, of a kernel of this family if that was said.
    Types(&'a [String], Option<&'a str>),
}

impl Source {
    /// Opens the folder of a header tree, a vmlinuz, an ELF file with BTF or else with DWARF, or a
    /// file of nothing but BTF.
    pub(crate) fn open(path: &Path) -> Result<Source, CliError> {
        let path = path.to_owned();
        if path.is_dir() {
            let tree = Tree::of(&path).map_err(|error| refused(&path, error.into()))?;
            return Ok(Source {
                path,
                held: Held::Headers(tree),
                identity: None,
            });
        }
        let data = fs::read(&path).map_err(|error| CliError::io(&path, error))?;
        let failed = |error| CliError::Kernel {
            path: path.clone(),
            error,
        };
        if data[BOOT_MARK.0.min(data.len())..].starts_with(BOOT_MARK.1) {
            let kernel = Kernel::read(&data, DEFAULT_LIMIT).map_err(failed)?;
            let layout = kernel.layout().map_err(failed)?;
            let identity = Some(kernel.identity().map_err(failed)?);
            return Ok(Source {
                path,
                held: Held::Types(layout),
                identity,
            });
        }
        let types = btf::read(&data);
        let is_elf = data.starts_with(ELF_MAGIC);
        let (held, identity) = match types {
            Err(btf::BtfError::NoSection) => {
                let kernel = Kernel::of_elf(data);
                let identity = identity(&kernel).map_err(failed)?;
                (Held::Dwarf(kernel.into_elf()), identity)
            }
            Err(error) => return Err(CliError::Btf { path, error }),
            Ok(layout) => {
                let identity = match is_elf {
                    true => identity(&Kernel::of_elf(data)).map_err(failed)?,
                    false => None,
                };
                (Held::Types(layout), identity)
            }
        };
        Ok(Source {
            path,
            held,
            identity,
        })
    }

    /// By which route its types come.
    pub(crate) fn route(&self) -> Route {
        match self.held {
            Held::Types(_) => Route::Btf,
            Held::Dwarf(_) => Route::Dwarf,
            Held::Headers(_) => Route::Headers,
        }
    }

    /// The family that the kernel is of: by its version, or where it says none, by its types.
    pub(crate) fn family(&self, registry: &Registry) -> Result<String, CliError> {
        let told = match (&self.identity, &self.held) {
            (Some(identity), _) => registry.family_of_version(&identity.version),
            (None, Held::Types(layout)) => registry.family_of_layout(layout),
            (None, Held::Dwarf(elf)) => return self.family_of_dwarf(registry, elf),
            (None, Held::Headers(tree)) => {
                let makefile = tree.source.join("Makefile");
                let version = version_of_tree(&tree.source);
                let version = version.ok_or(CliError::NoVersion { path: makefile })?;
                return registry
                    .family_of_version(&version)
                    .map(str::to_owned)
                    .map_err(|error| self.unknown(error));
            }
        };
        told.map(str::to_owned).map_err(|error| self.unknown(error))
    }

    /// The family whose saved types the debug information defines. If there is one alone for the
    /// machine, it is that one, and what it lacks is said when the types are read.
    fn family_of_dwarf(&self, registry: &Registry, elf: &[u8]) -> Result<String, CliError> {
        let pointer_size = dwarf::pointer_size(elf).map_err(|error| self.dwarf(error))?;
        let families = registry.families_with_pointers(pointer_size);
        let families = families.map_err(|error| self.unknown(error))?;
        if let [family] = families.as_slice() {
            return Ok((*family).to_owned());
        }
        let mut fitting = Vec::new();
        let mut lacking = Vec::new();
        for family in families {
            let map = registry.state_map(family)?;
            match dwarf::read(elf, &map.saved_types()) {
                Ok(_) => fitting.push(family.to_owned()),
                Err(error) => lacking.push(format!("{family}: {error}")),
            }
        }
        match fitting.len() {
            0 => Err(self.unknown(FamilyError::Types { lacking })),
            1 => Ok(fitting.remove(0)),
            _ => Err(self.unknown(FamilyError::Several { families: fitting })),
        }
    }

    fn unknown(&self, error: FamilyError) -> CliError {
        CliError::Family {
            path: self.path.clone(),
            error: Box::new(error),
        }
    }

    fn dwarf(&self, error: dwarf::DwarfError) -> CliError {
        CliError::Dwarf {
            path: self.path.clone(),
            error,
        }
    }

    /// Its types: all of them, or where that would be too much to read, those that are `wanted`.
    pub(crate) fn layout(
        &self,
        registry: &Registry,
        wanted: &Wanted<'_>,
    ) -> Result<Cow<'_, Layout>, CliError> {
        match &self.held {
            Held::Types(layout) => Ok(Cow::Borrowed(layout)),
            Held::Dwarf(elf) => {
                let keep = match wanted {
                    Wanted::Saved(map) => {
                        let keep = map.keep();
                        keep.whole
                            .into_iter()
                            .chain(keep.partial.into_keys())
                            .collect()
                    }
                    Wanted::Types(types, _) => types.to_vec(),
                };
                let names: Vec<&str> = keep.iter().map(String::as_str).collect();
                let layout = dwarf::read(elf, &names).map_err(|error| self.dwarf(error))?;
                Ok(Cow::Owned(layout))
            }
            Held::Headers(tree) => {
                let family = match wanted {
                    Wanted::Saved(map) => map.family.clone(),
                    Wanted::Types(_, Some(family)) => (*family).to_owned(),
                    Wanted::Types(_, None) => self.family(registry)?,
                };
                let layout = read_headers(&self.path, tree, &family)?;
                let Wanted::Saved(map) = wanted else {
                    return Ok(Cow::Owned(layout));
                };
                let constants = constants::of_tree(map, &self.path, String::new())?;
                Ok(Cow::Owned(layout.with_constants(&constants.values)))
            }
        }
    }
}

/// What a kernel says of itself, if it is a whole one. Its machine is looked at in any case.
fn identity(kernel: &Kernel) -> Result<Option<Identity>, KernelError> {
    match kernel.identity() {
        Ok(identity) => Ok(Some(identity)),
        Err(KernelError::NoBanner) => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_headers(path: &Path, tree: &Tree, family: &str) -> Result<Layout, CliError> {
    let (profile, tree) = profile_of(path, tree, family)?;
    let read = headers::read(&profile, &tree).map_err(|error| refused(path, error))?;
    if !read.doubts.is_empty() {
        let doubts = read
            .doubts
            .iter()
            .map(|doubt| format!("  {doubt}\n"))
            .collect();
        return Err(CliError::Doubts {
            path: path.to_owned(),
            doubts,
        });
    }
    Ok(read.layout)
}

/// The version of the kernel whose source or headers lie in `folder`, if its Makefile says one
/// (`Makefile`: VERSION, PATCHLEVEL, SUBLEVEL).
pub(crate) fn version_of_tree(folder: &Path) -> Option<String> {
    let makefile = fs::read_to_string(folder.join("Makefile")).ok()?;
    let number = |name: &str| {
        let value = makefile.lines().find_map(|line| {
            let value = line.strip_prefix(name)?.trim_start().strip_prefix('=')?;
            Some(value.trim())
        })?;
        let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then_some(value)
    };
    let (version, level) = (number("VERSION")?, number("PATCHLEVEL")?);
    Some(match number("SUBLEVEL") {
        Some(sublevel) => format!("{version}.{level}.{sublevel}"),
        None => format!("{version}.{level}"),
    })
}
