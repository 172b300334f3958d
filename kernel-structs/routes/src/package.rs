//! Kernels as Debian packs them, and their headers, `linux-headers-*.deb`.
//!
//! A package is an `ar` archive of a version, a compressed tar file about the package and one with
//! its files (deb(5)). Which package has the kernel and which its configuration changed between
//! releases, and so did the folder, so neither a package's name nor its version decides; what the package
//! holds does, and where it holds nothing, what it depends on:
//!
//! | Debian's packages of | kernel | configuration |
//! |---|---|---|
//! | up to 6.18 | `boot/vmlinuz-V` in linux-image-V | `boot/config-V` in linux-image-V |
//! | 6.19 to 7.1 | `boot/vmlinuz-V` in linux-binary-V | in linux-base-V |
//! | 7.2 and later | `usr/lib/modules/V/vmlinuz` in linux-binary-V | `usr/lib/modules/V/config` in linux-base-V |
//!
//! Kernel and configuration are near the beginning of a package; it is unpacked as far as them and
//! no further.

use crate::bzimage::{Compression, Config, ConfigError, KernelError};
use object::read::archive::ArchiveFile;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use tar::Archive;
use thiserror::Error;

/// What an `ar` archive begins with.
pub const MAGIC: &[u8] = b"!<arch>\n";

/// How many bytes the package's files may have before the kernel is found: what comes before it is
/// its configuration and its symbols.
const SEARCHED: u64 = 256 << 20;
/// The largest kernel and the largest text that are taken from a package, in bytes.
const LARGEST_KERNEL: u64 = 128 << 20;
const LARGEST_TEXT: u64 = 4 << 20;

/// What the names begin with of the packages that have a kernel or its configuration, or depend on one
/// that has. `linux-modules-V` is not among them: it is large, and has neither.
const PARTS: [&str; 3] = ["linux-image-", "linux-binary-", "linux-base-"];

/// A package of a kernel: what it says of itself, and what it holds of the kernel.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its name, such as `linux-image-6.1.0-47-amd64`.
    pub name: String,
    /// Its version, such as `6.1.170-3`.
    pub version: String,
    /// The packages that it depends on and that may have the rest of the kernel, the one with the
    /// image before the others.
    pub needs: Vec<Need>,
    /// The kernel, if it is in this package.
    pub vmlinuz: Option<Part<Vec<u8>>>,
    /// The configuration, if it is in this package.
    pub config: Option<Part<Config>>,
}

/// A file of a package that is part of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<T> {
    /// Where it lies in the package, such as `boot/vmlinuz-6.1.0-47-amd64`.
    pub path: String,
    /// The kernel that the path says it is of, such as `6.1.0-47-amd64`.
    pub release: String,
    /// What is in it.
    pub data: T,
}

/// A package that another depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Its name.
    pub name: String,
    /// The one version that will do, if only one does.
    pub version: Option<String>,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{} (= {version})", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// Why a file is not taken for a kernel's package.
#[derive(Debug, Error)]
pub enum PackageError {
    /// It is no `ar` archive, or a damaged one.
    #[error("cut off, damaged, or no Debian package ({0}); copy or download it again")]
    Archive(#[from] object::Error),
    /// It has no member of that name.
    #[error("no Debian package: it has no {0}")]
    NoMember(&'static str),
    /// A member is compressed in a way that is not known.
    #[error("{member}: {source}")]
    Compression {
        /// The member.
        member: String,
        /// What is wrong.
        source: KernelError,
    },
    /// A member is compressed in a way that packages are not.
    #[error("{member} is compressed with {compression}, which packages are not")]
    Foreign {
        /// The member.
        member: String,
        /// How it is compressed.
        compression: Compression,
    },
    /// A member cannot be unpacked.
    #[error("{member} is damaged: {source}")]
    Damaged {
        /// The member.
        member: String,
        /// What the reader says.
        source: io::Error,
    },
    /// The package does not say what it is.
    #[error("its control file has no `{0}`")]
    NoField(&'static str),
    /// The package has several files of which there is one for each kernel.
    #[error(
        "{} of one kernel are expected in a package, and {name} has several: {}; take a package for one kernel",
        .part, .found.join(", ")
    )]
    Several {
        /// Name of the package.
        name: String,
        /// What there are several of.
        part: &'static str,
        /// The files.
        found: Vec<String>,
    },
    /// A file is larger than any of its kind.
    #[error("{file} is {size} bytes long; at most {limit} are expected")]
    TooLarge {
        /// The file.
        file: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The configuration cannot be read.
    #[error("the configuration in the package: {0}")]
    Config(#[from] ConfigError),
}

impl Package {
    /// Reads the package `data`.
    ///
    /// # Errors
    /// If it is no Debian package, is damaged, or has more than one kernel in it.
    pub fn read(data: &[u8]) -> Result<Package, PackageError> {
        let (control, files) = members(data)?;
        let field = |name| control.field(name).ok_or(PackageError::NoField(name));
        let (name, version) = (field("Package")?, field("Version")?);
        let (vmlinuz, config) = parts(&name, &files)?;
        let is_part = |need: &Need| PARTS.iter().any(|start| need.name.starts_with(start));
        let mut needs: Vec<Need> = control.needs().filter(is_part).collect();
        needs.sort_by_key(|need| PARTS.iter().position(|start| need.name.starts_with(start)));
        let config = config.map(|part| {
            let data = Config::parse(&String::from_utf8_lossy(&part.data))?;
            Ok::<_, PackageError>(Part {
                path: part.path,
                release: part.release,
                data,
            })
        });
        Ok(Package {
            name,
            version,
            needs,
            vmlinuz,
            config: config.transpose()?,
        })
    }
}

/// A file that is looked for in a package, as its path tells it.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Wanted {
    Kernel,
    Config,
}

impl Wanted {
    /// What the file at `path` is, and of which kernel. Debian's packages have both beside each other in
    /// `boot`, with the kernel's name behind theirs, or in the folder of the kernel's modules, which is
    /// under `lib` where that is no link to `usr/lib`.
    fn of(path: &str) -> Option<(Wanted, &str)> {
        if let Some(file) = path.strip_prefix("boot/") {
            let kernel = file.strip_prefix("vmlinuz-").map(|it| (Wanted::Kernel, it));
            let found = kernel.or_else(|| Some((Wanted::Config, file.strip_prefix("config-")?)));
            return found.filter(|(_, release)| !release.contains('/'));
        }
        let path = path.strip_prefix("usr/").unwrap_or(path);
        match path.strip_prefix("lib/modules/")?.split_once('/')? {
            (release, "vmlinuz") => Some((Wanted::Kernel, release)),
            (release, "config") => Some((Wanted::Config, release)),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Wanted::Kernel => "the image",
            Wanted::Config => "the configuration",
        }
    }

    const fn limit(self) -> u64 {
        match self {
            Wanted::Kernel => LARGEST_KERNEL,
            Wanted::Config => LARGEST_TEXT,
        }
    }
}

type Parts = (Option<Part<Vec<u8>>>, Option<Part<Vec<u8>>>);

/// The kernel and the configuration in the files of the package `name`. Where both were found, nothing is read
/// behind the folder that the later of them lies in: another kernel would lie beside it.
fn parts(name: &str, (member, packed): &Member<'_>) -> Result<Parts, PackageError> {
    let damaged = |source| PackageError::Damaged {
        member: member.clone(),
        source,
    };
    let (mut kernel, mut config): Parts = (None, None);
    let mut last_folder = String::new();
    let mut archive = Archive::new(unpacked(member, packed)?);
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = path.strip_prefix("./").unwrap_or(&path);
        if kernel.is_some() && config.is_some() && !path.starts_with(&last_folder) {
            break;
        }
        let wanted = Wanted::of(path).filter(|_| entry.header().entry_type().is_file());
        let Some((wanted, release)) = wanted else {
            continue;
        };
        let place = match wanted {
            Wanted::Kernel => &mut kernel,
            Wanted::Config => &mut config,
        };
        if let Some(first) = place {
            return Err(PackageError::Several {
                name: name.to_owned(),
                part: wanted.name(),
                found: vec![first.path.clone(), path.to_owned()],
            });
        }
        let (size, limit) = (entry.size(), wanted.limit());
        let data = contents(&mut entry, path, size, limit)?.map_err(damaged)?;
        last_folder = path[..path.rfind('/').map_or(0, |slash| slash + 1)].to_owned();
        *place = Some(Part {
            path: path.to_owned(),
            release: release.to_owned(),
            data,
        });
    }
    Ok((kernel, config))
}

/// What a package of headers says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers {
    /// Its name, such as `linux-headers-6.1.0-47-amd64`.
    pub name: String,
    /// Its version, such as `6.1.170-3`.
    pub version: String,
    /// The packages of headers that it needs, such as `linux-headers-6.1.0-47-common`.
    pub needs: Vec<Need>,
}

impl Headers {
    /// Reads what the package `data` says of itself, and nothing of its files.
    ///
    /// # Errors
    /// If it is no Debian package or does not say what it is.
    pub fn read(data: &[u8]) -> Result<Headers, PackageError> {
        let (control, _) = members(data)?;
        let field = |name| control.field(name).ok_or(PackageError::NoField(name));
        let is_headers = |need: &Need| need.name.starts_with("linux-headers-");
        Ok(Headers {
            name: field("Package")?,
            version: field("Version")?,
            needs: control.needs().filter(is_headers).collect(),
        })
    }

    /// Unpacks the headers of the package `data` into `folder`, where they come to lie under
    /// `usr/src`: files in folders called `include`, and Makefiles at the top.
    ///
    /// # Errors
    /// If it is no Debian package, is damaged, has files larger than headers are, or the folder
    /// cannot be written to.
    pub fn unpack(data: &[u8], folder: &Path) -> Result<(), PackageError> {
        let (_, (member, packed)) = members(data)?;
        let damaged = |source| PackageError::Damaged {
            member: member.clone(),
            source,
        };
        let mut archive = Archive::new(unpacked(&member, packed)?);
        for entry in archive.entries().map_err(damaged)? {
            let mut entry = entry.map_err(damaged)?;
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let rest = path.trim_start_matches("./").strip_prefix("usr/src/");
            let inside = rest
                .and_then(|rest| rest.split_once('/'))
                .map(|(_, inside)| inside);
            let wanted = inside.is_some_and(|inside| {
                inside == "Makefile"
                    || inside.starts_with("include/")
                    || inside.contains("/include/")
            });
            if !wanted {
                continue;
            }
            let size = entry.size();
            if size > LARGEST_TEXT {
                return Err(PackageError::TooLarge {
                    file: path,
                    size,
                    limit: LARGEST_TEXT,
                });
            }
            // What would lie outside of the folder is passed over.
            entry.unpack_in(folder).map_err(damaged)?;
        }
        Ok(())
    }
}

/// The text of a package's control file.
struct Control(String);

impl Control {
    /// The packages that this one depends on (deb-control(5), Depends). Each of several of which one would do
    /// counts.
    fn needs(&self) -> impl Iterator<Item = Need> {
        let depends = self.field("Depends").unwrap_or_default();
        let one = |text: &str| {
            let (name, relation) = match text.split_once('(') {
                Some((name, relation)) => (name, relation.trim_end().strip_suffix(')')),
                None => (text, None),
            };
            // `NAME:any` is NAME of whichever machine.
            let name = name.split_whitespace().next()?.split(':').next()?;
            let version = relation.and_then(|it| it.trim_start().strip_prefix('='));
            Some(Need {
                name: name.to_owned(),
                version: version.map(|version| version.trim().to_owned()),
            })
        };
        let needs: Vec<Need> = depends.split([',', '|']).filter_map(one).collect();
        needs.into_iter()
    }

    /// The value of a field. It goes on in lines that begin with a blank (deb-control(5)).
    fn field(&self, name: &str) -> Option<String> {
        let mut lines = self.0.lines();
        let first = lines.find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key == name).then(|| value.trim().to_owned())
        });
        let more = lines.take_while(|line| line.starts_with([' ', '\t']));
        first.map(|first| more.fold(first, |value, line| value + " " + line.trim()))
    }
}

/// A member of an `ar` archive: its name, and its bytes.
type Member<'a> = (String, &'a [u8]);

/// A package's control file, and the member with its files.
fn members(data: &[u8]) -> Result<(Control, Member<'_>), PackageError> {
    let archive = ArchiveFile::parse(data)?;
    let (mut control, mut files) = (None, None);
    for member in archive.members() {
        let member = member?;
        let name = String::from_utf8_lossy(member.name()).into_owned();
        let bytes = member.data(data)?;
        match name.split_once(".tar") {
            Some(("control", _)) => control = Some((name, bytes)),
            Some(("data", _)) => files = Some((name, bytes)),
            _ => {}
        }
    }
    let control = control.ok_or(PackageError::NoMember("control.tar"))?;
    let files = files.ok_or(PackageError::NoMember("data.tar"))?;
    Ok((Control(control_file(&control)?), files))
}

/// The text of the file `control` among those about a package; empty if there is none.
fn control_file((member, packed): &Member<'_>) -> Result<String, PackageError> {
    let damaged = |source| PackageError::Damaged {
        member: member.clone(),
        source,
    };
    let mut archive = Archive::new(unpacked(member, packed)?);
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let path = entry.path_bytes().into_owned();
        if path.strip_prefix(b"./").unwrap_or(&path) == b"control" {
            let size = entry.size();
            let text = contents(&mut entry, "control", size, LARGEST_TEXT)?.map_err(damaged)?;
            return Ok(String::from_utf8_lossy(&text).into_owned());
        }
    }
    Ok(String::new())
}

/// The bytes of a file of `size` bytes, which may have `limit`; inside, what the reader says.
fn contents(
    entry: &mut impl Read,
    path: &str,
    size: u64,
    limit: u64,
) -> Result<io::Result<Vec<u8>>, PackageError> {
    if size > limit {
        return Err(PackageError::TooLarge {
            file: path.to_owned(),
            size,
            limit,
        });
    }
    let mut bytes = Vec::new();
    Ok(entry.read_to_end(&mut bytes).map(|_| bytes))
}

/// The bytes of a compressed tar file, as many as are looked at.
fn unpacked<'a>(member: &str, packed: &'a [u8]) -> Result<impl Read + use<'a>, PackageError> {
    let damaged = |source| PackageError::Damaged {
        member: member.to_owned(),
        source,
    };
    let stream: Box<dyn Read + 'a> = match member.ends_with(".tar") {
        true => Box::new(packed),
        false => {
            let compression = Compression::detect(packed);
            let compression = compression.map_err(|source| PackageError::Compression {
                member: member.to_owned(),
                source,
            })?;
            let stream = compression.stream(packed).ok_or(PackageError::Foreign {
                member: member.to_owned(),
                compression,
            })?;
            stream.map_err(damaged)?
        }
    };
    Ok(stream.take(SEARCHED))
}

#[cfg(test)]
mod tests;
