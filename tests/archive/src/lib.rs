//! Kernel packages of Debian's archive, for tests that need real kernels: which there are, and
//! their files.
//!
//! Packages are kept in TARGET/kernels, or in the folder that KCONV_KERNELS names; a `.deb` that
//! is there already is not downloaded. What the suites that the machine takes packages from do not have is looked for
//! in other suites of the same archive.
#![forbid(unsafe_code)]

mod suites;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;

/// Why a package cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program of the host is missing.
    #[error("{program} cannot be run ({source}): install the Debian package {package}")]
    Missing {
        /// Name of the program.
        program: String,
        /// Debian package that has it.
        package: &'static str,
        /// Why it could not be started.
        source: std::io::Error,
    },
    /// A program of the host failed.
    #[error("{command} failed ({status}):\n{stderr}")]
    Host {
        /// The command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote to standard error.
        stderr: String,
    },
    /// The archive has no such kernel.
    #[error(
        "the package archive offers no {wanted} (it offers {offered} kernels): run `apt-get update`, \
         or see whether the archive in /etc/apt can be reached"
    )]
    NoKernel {
        /// The series or the package that was asked for.
        wanted: String,
        /// Number of kernels of the standard flavour that there are.
        offered: usize,
    },
    /// The machine takes no packages from Debian's archive.
    #[error(
        "apt knows no archive of Debian to ask for packages of {suites}: run `apt-get update`, or see what /etc/apt has"
    )]
    NoArchive {
        /// The suites that were to be asked.
        suites: String,
    },
    /// A package cannot be had.
    #[error(
        "{package} cannot be downloaded from the package archive; put its .deb into {cache}, or \
         name a folder that has it in KCONV_KERNELS. apt-get said:\n{stderr}"
    )]
    Download {
        /// Name of the package.
        package: String,
        /// The folder where packages are kept.
        cache: PathBuf,
        /// What apt-get wrote to standard error.
        stderr: String,
    },
    /// A file or a folder cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Error {
    fn file<P: AsRef<Path> + ?Sized>(path: &P) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.as_ref().to_owned();
        move |source| Error::File { path, source }
    }
}

/// The oldest kernel of the standard flavour of a series (`6.1`) that the archive offers today.
///
/// # Errors
/// That there is none, or that apt-cache cannot be run.
pub fn oldest(series: &str) -> Result<String, Error> {
    let offered = offered()?;
    let first = in_series(&offered, series).next();
    found(first, series, offered.len())
}

/// The kernels of the standard flavour of a series (`7.3`) that other suites of the archive offer today than those that
/// the machine takes packages from, from the oldest to the newest.
///
/// # Errors
/// That the suites cannot be asked.
pub fn elsewhere(series: &str) -> Result<Vec<String>, Error> {
    let offered = names(&mut others("apt-cache")?)?;
    Ok(in_series(&offered, series).map(str::to_owned).collect())
}

/// A program of apt that knows the other suites.
fn others(program: &str) -> Result<Command, Error> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock();
    let cache = cache()?;
    suites::update(&cache)?;
    Ok(suites::command(program, &cache))
}

/// The newest kernel of the standard flavour of a series that the archive offers today.
///
/// # Errors
/// As for [`oldest`].
pub fn newest(series: &str) -> Result<String, Error> {
    let offered = offered()?;
    let last = in_series(&offered, series).last();
    found(last, series, offered.len())
}

fn found(package: Option<&str>, series: &str, offered: usize) -> Result<String, Error> {
    package.map(str::to_owned).ok_or_else(|| Error::NoKernel {
        wanted: format!("linux-image-{series}.*-amd64"),
        offered,
    })
}

/// Kernels of the standard flavour, from the oldest to the newest.
///
/// # Errors
/// That apt-cache cannot be run.
pub fn offered() -> Result<Vec<String>, Error> {
    names(&mut Command::new("apt-cache"))
}

fn names(apt_cache: &mut Command) -> Result<Vec<String>, Error> {
    let names = run(apt_cache.args(["pkgnames", "linux-image-"]), "apt")?;
    let mut packages: Vec<(Vec<u64>, String)> = String::from_utf8_lossy(&names)
        .lines()
        .filter_map(|name| Some((version(name)?, name.to_owned())))
        .collect();
    packages.sort();
    packages.dedup();
    Ok(packages.into_iter().map(|(_, name)| name).collect())
}

/// Whether the archive offers a package.
///
/// # Errors
/// That apt-cache cannot be run, or that it knows of no kernel at all: then the archive's lists
/// are missing, and nothing is known.
pub fn offers(package: &str) -> Result<bool, Error> {
    if offered()?.is_empty() {
        return Err(Error::NoKernel {
            wanted: package.to_owned(),
            offered: 0,
        });
    }
    let names = run(Command::new("apt-cache").args(["pkgnames", package]), "apt")?;
    let names = String::from_utf8_lossy(&names);
    Ok(names.lines().any(|name| name == package))
}

/// The numbers in the name of a package of the standard flavour; `None` for other flavours,
/// unsigned images, debug information, and names that stand for the newest of a series.
fn version(package: &str) -> Option<Vec<u64>> {
    let release = package
        .strip_prefix("linux-image-")?
        .strip_suffix("-amd64")?;
    let numbers: Option<Vec<u64>> = release
        .split(['.', '-', '+'])
        .map(|part| part.strip_prefix("deb").unwrap_or(part).parse().ok())
        .collect();
    numbers.filter(|numbers| numbers.len() >= 3)
}

fn in_series<'a>(packages: &'a [String], series: &str) -> impl Iterator<Item = &'a str> {
    let prefix = format!("linux-image-{series}.");
    packages
        .iter()
        .map(String::as_str)
        .filter(move |name| name.starts_with(&prefix))
}

/// The folder where packages are kept.
///
/// # Errors
/// That it cannot be made.
pub fn cache() -> Result<PathBuf, Error> {
    let cache = match std::env::var_os("KCONV_KERNELS") {
        Some(folder) => PathBuf::from(folder),
        None => {
            // The test that runs lies in TARGET/debug/deps.
            let test = std::env::current_exe().map_err(Error::file("the running test"))?;
            let target = test.ancestors().nth(3).unwrap_or(Path::new("/"));
            target.join("kernels")
        }
    };
    std::fs::create_dir_all(&cache).map_err(Error::file(&cache))?;
    Ok(cache)
}

/// The `.deb` of a package, downloaded if it is not kept yet.
///
/// # Errors
/// That the archive cannot be reached or does not offer the package, or that the package cannot
/// be kept.
pub fn package(name: &str) -> Result<PathBuf, Error> {
    // Several tests of one program may want the same package.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock();
    let cache = cache()?;
    match kept(&cache, name)? {
        Some(deb) => Ok(deb),
        None => download(&cache, name),
    }
}

/// The names of the packages with the headers of a kernel, whose package is `image`: its own, and
/// the one that it shares with the other flavours.
pub fn headers(image: &str) -> Vec<String> {
    let name = image.strip_prefix("linux-image-").unwrap_or(image);
    let common = match name.strip_suffix("-rt-amd64") {
        Some(version) => format!("linux-headers-{version}-common-rt"),
        None => {
            let version = name.strip_suffix("-amd64").unwrap_or(name);
            let version = version.strip_suffix("-cloud").unwrap_or(version);
            format!("linux-headers-{version}-common")
        }
    };
    vec![format!("linux-headers-{name}"), common]
}

fn kept(folder: &Path, package: &str) -> Result<Option<PathBuf>, Error> {
    let prefix = format!("{package}_");
    for entry in std::fs::read_dir(folder).map_err(Error::file(folder))? {
        let path = entry.map_err(Error::file(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(&prefix) && name.ends_with(".deb") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn download(cache: &Path, package: &str) -> Result<PathBuf, Error> {
    let failed = |stderr: String| Error::Download {
        package: package.to_owned(),
        cache: cache.to_owned(),
        stderr,
    };
    // Whole or not at all: another test may be at the same.
    let folder = tempfile::tempdir_in(cache).map_err(Error::file(cache))?;
    let get = |mut apt: Command| {
        apt.args(["download", "--quiet", package]);
        run(apt.current_dir(folder.path()), "apt").map_err(|error| match error {
            Error::Host { stderr, .. } => failed(stderr),
            other => other,
        })
    };
    let own = get(Command::new("apt-get"));
    // Where the other suites cannot be had, what the machine's own said is what there is to say.
    if own.is_err() && others("apt-get").and_then(get).is_err() {
        own?;
    }
    let fresh = kept(folder.path(), package)?
        .ok_or_else(|| failed("nothing, and wrote no .deb of this name".to_owned()))?;
    let kept = cache.join(fresh.file_name().unwrap_or_default());
    std::fs::rename(&fresh, &kept).map_err(Error::file(&kept))?;
    Ok(kept)
}

/// Runs a program of the host to its end and gives its standard output.
fn run(command: &mut Command, package: &'static str) -> Result<Vec<u8>, Error> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::Missing {
            program: command.get_program().to_string_lossy().into_owned(),
            package,
            source,
        })?;
    if !output.status.success() {
        return Err(Error::Host {
            command: format!("{command:?}"),
            status: output.status,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::{headers, in_series, version};

    #[test]
    fn headers_are_of_a_flavour_and_of_all() {
        let of = |image: &str| headers(&format!("linux-image-{image}")).join(" ");
        assert_eq!(
            of("6.1.0-47-amd64"),
            "linux-headers-6.1.0-47-amd64 linux-headers-6.1.0-47-common"
        );
        assert_eq!(
            of("6.12.117+deb12-cloud-amd64"),
            "linux-headers-6.12.117+deb12-cloud-amd64 linux-headers-6.12.117+deb12-common"
        );
        assert_eq!(
            of("6.1.0-47-rt-amd64"),
            "linux-headers-6.1.0-47-rt-amd64 linux-headers-6.1.0-47-common-rt"
        );
    }

    #[test]
    fn packages_of_the_standard_flavour_are_ordered_by_number() {
        assert_eq!(
            version("linux-image-6.1.0-47-amd64"),
            Some(vec![6, 1, 0, 47])
        );
        assert_eq!(
            version("linux-image-6.12.117+deb12-amd64"),
            Some(vec![6, 12, 117, 12])
        );
        assert!(
            version("linux-image-6.12.9+deb12-amd64") < version("linux-image-6.12.100+deb12-amd64")
        );
        for other in [
            "linux-image-6.12-amd64",
            "linux-image-amd64",
            "linux-image-6.1.0-47-cloud-amd64",
            "linux-image-6.1.0-47-rt-amd64",
            "linux-image-6.1.0-47-amd64-dbg",
            "linux-image-6.1.0-47-amd64-unsigned",
        ] {
            assert_eq!(version(other), None, "{other}");
        }
    }

    #[test]
    fn a_series_is_not_the_beginning_of_another() {
        let packages = ["linux-image-6.1.0-47-amd64", "linux-image-6.12.9-amd64"].map(String::from);
        let of_6_1: Vec<&str> = in_series(&packages, "6.1").collect();
        assert_eq!(of_6_1, ["linux-image-6.1.0-47-amd64"]);
    }
}
