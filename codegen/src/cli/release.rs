//! `kconv-gen release import`.

use super::{CliError, Ended, print};
use kconv_codegen::import::{self, Found, Imported};
use kconv_codegen::status;
use kernel_structs::releases::Files;
use kernel_structs_routes::bzimage::{Compression, Config, DEFAULT_LIMIT, Kernel};
use kernel_structs_routes::package::{self, Package};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// What of a configuration decides what the saved structures hold.
const FACTS: [&str; 8] = [
    "CONFIG_HZ",
    "CONFIG_SMP",
    "CONFIG_PREEMPT_RT",
    "CONFIG_NUMA",
    "CONFIG_MEMCG",
    "CONFIG_SECURITY",
    "CONFIG_AUDIT",
    "CONFIG_X86_USER_SHADOW_STACK",
];

/// A kernel as it was found.
struct Source {
    kernel: import::Kernel,
    config: Option<Config>,
    compression: Option<Compression>,
}

pub(crate) fn import(sources: &[String], project: &Path) -> Result<Ended, CliError> {
    let folder = project.join(super::RELEASES);
    let converters = project.join("converters");
    let mut undecided = false;
    for name in sources {
        let source = read(name)?;
        let files = Files::read(&folder).map_err(|error| CliError::Io {
            path: folder.clone(),
            error,
        })?;
        let imported = import::import(files, &source.kernel, &converters).map_err(Box::new)?;
        store(&folder, &imported)?;
        print(&text(name, &source, &imported, &folder))?;
        if let Found::New { step, .. } = &imported.found {
            undecided |= step.as_ref().is_some_and(|step| !step.is_complete());
        }
    }
    Ok(match undecided {
        true => Ended::Findings,
        false => Ended::Clean,
    })
}

/// Reads a package, a vmlinuz or an ELF vmlinux; a name that is no file is a package, whose `.deb`
/// lies in this folder or is in the distribution's archive.
fn read(name: &str) -> Result<Source, CliError> {
    let mut path = PathBuf::from(name);
    // Goes away with what was downloaded.
    let mut _download = None;
    if !path.exists() && !name.contains('/') && name.starts_with("linux-image-") {
        path = match in_this_folder(name)? {
            Some(file) => file,
            None => {
                let (folder, file) = download(name)?;
                _download = Some(folder);
                file
            }
        };
    }
    let failed = |error| CliError::Kernel {
        path: path.clone(),
        error,
    };
    let data = fs::read(&path).map_err(|error| CliError::Io {
        path: path.clone(),
        error,
    })?;
    let (image, config, origin) = match data.starts_with(package::MAGIC) {
        false => (data, None, None),
        true => {
            let package = Package::read(&data).map_err(|error| CliError::Package {
                path: path.clone(),
                error,
            })?;
            let origin = format!("BTF of Debian's {} {}", package.name, package.version);
            (package.vmlinuz, Some(package.config), Some(origin))
        }
    };
    let kernel = Kernel::read(&image, DEFAULT_LIMIT).map_err(failed)?;
    let identity = kernel.identity().map_err(failed)?;
    let config = match config {
        Some(config) => Some(config),
        None => kernel.config().map_err(failed)?,
    };
    let arch = match identity.machine {
        "x86_64" => "amd64",
        machine => machine,
    };
    let hz = config
        .as_ref()
        .and_then(|config| config.number("CONFIG_HZ"));
    let build_id = identity
        .build_id
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
    Ok(Source {
        kernel: import::Kernel {
            source: origin.unwrap_or_else(|| format!("BTF of {}", identity.banner)),
            uname: identity.release,
            version: identity.version,
            arch: arch.to_owned(),
            build_id,
            hz: hz.and_then(|hz| u32::try_from(hz).ok()),
            layout: kernel.layout().map_err(failed)?,
        },
        config,
        compression: kernel.compression(),
    })
}

/// The file of a package in this folder, called `NAME_VERSION_ARCH.deb` as apt-get calls it. Of
/// several, it is a person who knows which one is meant.
fn in_this_folder(package: &str) -> Result<Option<PathBuf>, CliError> {
    let io = |error| CliError::Io {
        path: PathBuf::from("."),
        error,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(".").map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        let text = name.to_string_lossy();
        let rest = text.strip_prefix(package);
        if rest.is_some_and(|rest| rest.starts_with('_') && rest.ends_with(".deb")) {
            found.push(text.into_owned());
        }
    }
    match found.len() {
        0 | 1 => Ok(found.pop().map(PathBuf::from)),
        _ => {
            found.sort();
            Err(CliError::Packages {
                package: package.to_owned(),
                found,
            })
        }
    }
}

/// The file of a package, and the folder that goes away with it.
fn download(package: &str) -> Result<(TempDir, PathBuf), CliError> {
    let io = |error| CliError::Io {
        path: PathBuf::from(package),
        error,
    };
    let folder = tempfile::tempdir().map_err(io)?;
    let output = Command::new("apt-get")
        .args(["--quiet=2", "download", package])
        .current_dir(folder.path())
        .output()
        .map_err(io)?;
    let file = fs::read_dir(folder.path()).map_err(io)?.next();
    match file {
        Some(file) if output.status.success() => Ok((folder, file.map_err(io)?.path())),
        _ => Err(CliError::Download {
            package: package.to_owned(),
            said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        }),
    }
}

/// Writes what the import added. The table comes last: a layout without an entry is noticed.
fn store(folder: &Path, imported: &Imported) -> Result<(), CliError> {
    let write = |path: PathBuf, data: &[u8]| {
        fs::write(&path, data).map_err(|error| CliError::Io { path, error })
    };
    if let Found::New { entry, .. } | Found::Renewed(entry) = &imported.found
        && let Some(data) = imported.files.layouts.get(&entry.file)
    {
        write(folder.join("layouts").join(&entry.file), data)?;
    }
    match imported.found {
        Found::Registered => Ok(()),
        _ => write(
            folder.join("releases.toml"),
            imported.files.releases.as_bytes(),
        ),
    }
}

fn text(name: &str, source: &Source, imported: &Imported, folder: &Path) -> String {
    let release = &imported.release;
    // Writing to a string cannot fail.
    let mut text = String::new();
    let _ = writeln!(text, "{name}: {}", release.name);
    let _ = writeln!(
        text,
        "  Linux {}, {}, {}, family {}",
        release.version, release.arch, release.flavour, imported.family
    );
    let _ = writeln!(text, "  build id {}", source.kernel.build_id);
    let _ = writeln!(
        text,
        "  {} types, from the BTF of {}",
        source.kernel.layout.types().count(),
        match source.compression {
            Some(compression) => format!("a kernel packed with {compression}"),
            None => "an ELF file".to_owned(),
        }
    );
    match &source.config {
        None => text.push_str("  no configuration with it\n"),
        Some(config) => {
            let facts: Vec<String> = FACTS
                .iter()
                .map(|option| match config.get(option) {
                    Some(value) => format!("{option}={value}"),
                    None => format!("{option}=n"),
                })
                .collect();
            let _ = writeln!(text, "  {}", facts.join(" "));
        }
    }
    match &imported.found {
        Found::Registered => {
            let _ = writeln!(
                text,
                "  registered before, with the layout {}",
                release.layout
            );
        }
        Found::Renewed(entry) => {
            let file = folder.join("layouts").join(&entry.file);
            let _ = writeln!(
                text,
                "  registered before; its layout, now {}, is stored anew as {}",
                entry.fingerprint,
                file.display()
            );
        }
        Found::Same(id) => {
            let _ = writeln!(
                text,
                "  the same layout as {id}; registered in {}",
                folder.join("releases.toml").display()
            );
        }
        Found::New { entry, step } => {
            let file = folder.join("layouts").join(&entry.file);
            let _ = writeln!(text, "  a layout of its own, {}", entry.fingerprint);
            let _ = writeln!(
                text,
                "  stored as {}, registered in {}",
                file.display(),
                folder.join("releases.toml").display()
            );
            if let Some(step) = step {
                for line in status::text(step).lines() {
                    let _ = writeln!(text, "  {line}");
                }
            }
        }
    }
    text
}
