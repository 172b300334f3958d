//! Layouts out of files and folders: by whichever of the three routes there is to what lies there.

use super::CliError;
use kernel_structs::btf;
use kernel_structs::layout::Layout;
use kernel_structs::state::StateMap;
use kernel_structs_routes::bzimage::{DEFAULT_LIMIT, Kernel};
use kernel_structs_routes::compare::Knowledge;
use kernel_structs_routes::dwarf;
use kernel_structs_routes::headers::{self, Profile, Tree};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

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
            _ => Knowledge::ALL,
        }
    }
}

/// Where the boot protocol of x86 has its mark (`Documentation/arch/x86/boot.rst`).
const BOOT_MARK: (usize, &[u8]) = (0x202, b"HdrS");

/// Reads the folder of a header tree, a vmlinuz, an ELF file with BTF or else with DWARF, or a
/// file of nothing but BTF. By DWARF and by headers only the types that `map` needs are read.
pub(crate) fn read(path: &Path, map: &StateMap) -> Result<(Layout, Route), CliError> {
    if path.is_dir() {
        return Ok((read_headers(path, map)?, Route::Headers));
    }
    let data = fs::read(path).map_err(|error| CliError::Io {
        path: path.to_owned(),
        error,
    })?;
    if data[BOOT_MARK.0.min(data.len())..].starts_with(BOOT_MARK.1) {
        let layout = Kernel::read(&data, DEFAULT_LIMIT).and_then(|kernel| kernel.layout());
        let layout = layout.map_err(|error| CliError::Kernel {
            path: path.to_owned(),
            error,
        })?;
        return Ok((layout, Route::Btf));
    }
    match btf::read(&data) {
        Err(btf::BtfError::NoSection) => {
            let keep = map.keep();
            let names: Vec<&str> = keep
                .whole
                .iter()
                .chain(keep.partial.keys())
                .map(String::as_str)
                .collect();
            let layout = dwarf::read(&data, &names).map_err(|error| CliError::Dwarf {
                path: path.to_owned(),
                error,
            })?;
            Ok((layout, Route::Dwarf))
        }
        layout => {
            let layout = layout.map_err(|error| CliError::Btf {
                path: path.to_owned(),
                error,
            })?;
            Ok((layout, Route::Btf))
        }
    }
}

fn read_headers(path: &Path, map: &StateMap) -> Result<Layout, CliError> {
    let refused = |error: headers::HeaderError| CliError::Headers {
        path: path.to_owned(),
        advice: error.advice(),
        error,
    };
    let profile = Profile::builtin(&map.family).map_err(|error| refused(error.into()))?;
    let profile = profile.ok_or_else(|| CliError::NoProfile {
        path: path.to_owned(),
        family: map.family.clone(),
    })?;
    let tree = Tree {
        builtin: compiler_headers(),
        ..Tree::of(path).map_err(|error| refused(error.into()))?
    };
    let read = headers::read(&profile, &tree).map_err(refused)?;
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

/// The compiler's own headers, if there is a compiler: only old kernels use them, and the route
/// says so when it misses them.
fn compiler_headers() -> Option<PathBuf> {
    let output = Command::new("gcc")
        .arg("-print-file-name=include")
        .output()
        .ok()?;
    let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    folder.is_absolute().then_some(folder)
}
