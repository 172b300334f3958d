//! Kernels as Debian packs them: `linux-image-*.deb`, and their headers, `linux-headers-*.deb`.
//!
//! A package is an `ar` archive of a version, a compressed tar file about the package and one with
//! its files (deb(5)). The kernel and its configuration are near the beginning of the latter; it is
//! unpacked as far as them and no further.

use crate::bzimage::{Compression, Config, ConfigError, KernelError};
use object::read::archive::ArchiveFile;
use std::collections::BTreeMap;
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

/// A kernel and what its package says of it.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its name, such as `linux-image-6.1.0-47-amd64`.
    pub name: String,
    /// Its version, such as `6.1.170-3`.
    pub version: String,
    /// `boot/vmlinuz-*`
    pub vmlinuz: Vec<u8>,
    /// `boot/config-*`
    pub config: Config,
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
    /// There is no kernel in the package.
    #[error(
        "{name} has no {missing}; the packages with kernels are named linux-image-VERSION-ARCH"
    )]
    NoKernel {
        /// Name of the package.
        name: String,
        /// The file that is missing.
        missing: &'static str,
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
    /// If it is no Debian package, is damaged, or has no kernel in it.
    pub fn read(data: &[u8]) -> Result<Package, PackageError> {
        let (control, files) = members(data)?;
        let field = |name| control.field(name).ok_or(PackageError::NoField(name));
        let (name, version) = (field("Package")?, field("Version")?);
        let wanted = [
            ("boot/vmlinuz-", LARGEST_KERNEL),
            ("boot/config-", LARGEST_TEXT),
        ];
        let mut found = take(&files, &wanted)?;
        let mut file = |missing: &'static str| {
            let name = name.clone();
            found
                .remove(missing)
                .ok_or(PackageError::NoKernel { name, missing })
        };
        let (vmlinuz, config) = (file("boot/vmlinuz-")?, file("boot/config-")?);
        Ok(Package {
            config: Config::parse(&text(Some(&config)))?,
            name,
            version,
            vmlinuz,
        })
    }
}

/// What a package of headers says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers {
    /// Its name, such as `linux-headers-6.1.0-47-amd64`.
    pub name: String,
    /// Its version, such as `6.1.170-3`.
    pub version: String,
    /// The packages of headers that it needs, such as `linux-headers-6.1.0-47-common`.
    pub needs: Vec<String>,
}

impl Headers {
    /// Reads what the package `data` says of itself, and nothing of its files.
    ///
    /// # Errors
    /// If it is no Debian package or does not say what it is.
    pub fn read(data: &[u8]) -> Result<Headers, PackageError> {
        let (control, _) = members(data)?;
        let field = |name| control.field(name).ok_or(PackageError::NoField(name));
        let depends = control.field("Depends").unwrap_or_default();
        let needs = depends
            .split([',', '|'])
            .filter_map(|one| one.split_whitespace().next())
            .filter(|name| name.starts_with("linux-headers-"));
        Ok(Headers {
            name: field("Package")?,
            version: field("Version")?,
            needs: needs.map(str::to_owned).collect(),
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
    fn field(&self, name: &str) -> Option<String> {
        self.0.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key == name).then(|| value.trim().to_owned())
        })
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
    let control = take(&control, &[("control", LARGEST_TEXT)])?;
    Ok((Control(text(control.get("control"))), files))
}

fn text(bytes: Option<&Vec<u8>>) -> String {
    String::from_utf8_lossy(bytes.map(Vec::as_slice).unwrap_or_default()).into_owned()
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

/// The first file of a compressed tar file for each of the beginnings of a path that are `wanted`,
/// with the largest size in bytes that it may have. Reads no further than the last of them.
fn take(
    (member, packed): &(String, &[u8]),
    wanted: &[(&'static str, u64)],
) -> Result<BTreeMap<&'static str, Vec<u8>>, PackageError> {
    let damaged = |source| PackageError::Damaged {
        member: member.clone(),
        source,
    };
    let mut found = BTreeMap::new();
    let mut archive = Archive::new(unpacked(member, packed)?);
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let path = entry.path_bytes().into_owned();
        let path = path.strip_prefix(b"./").unwrap_or(&path);
        let is_wanted = |(beginning, _): &&(&'static str, u64)| {
            path.starts_with(beginning.as_bytes()) && !found.contains_key(beginning)
        };
        let Some((beginning, limit)) = wanted.iter().find(is_wanted) else {
            continue;
        };
        let size = entry.size();
        if size > *limit {
            return Err(PackageError::TooLarge {
                file: String::from_utf8_lossy(path).into_owned(),
                size,
                limit: *limit,
            });
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(damaged)?;
        found.insert(*beginning, bytes);
        if found.len() == wanted.len() {
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
