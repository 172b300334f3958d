//! Kernels as Debian packs them: `linux-image-*.deb`.
//!
//! A package is an `ar` archive of a version, a compressed tar file about the package and one with
//! its files (deb(5)). The kernel and its configuration are near the beginning of the latter; it is
//! unpacked as far as them and no further.

use crate::bzimage::{Compression, Config, ConfigError, KernelError};
use object::read::archive::ArchiveFile;
use std::collections::BTreeMap;
use std::io::{self, Read};
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
    #[error("no Debian package: {0}")]
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
        let control = text(control.get("control"));
        let field = |name: &'static str| -> Result<String, PackageError> {
            let line = control.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                (key == name).then(|| value.trim().to_owned())
            });
            line.ok_or(PackageError::NoField(name))
        };
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

fn text(bytes: Option<&Vec<u8>>) -> String {
    String::from_utf8_lossy(bytes.map(Vec::as_slice).unwrap_or_default()).into_owned()
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
    let stream: Box<dyn Read> = match member.ends_with(".tar") {
        true => Box::new(*packed),
        false => {
            let compression = Compression::detect(packed);
            let compression = compression.map_err(|source| PackageError::Compression {
                member: member.clone(),
                source,
            })?;
            let stream = compression.stream(packed).ok_or(PackageError::Foreign {
                member: member.clone(),
                compression,
            })?;
            stream.map_err(damaged)?
        }
    };
    let mut found = BTreeMap::new();
    let mut archive = Archive::new(stream.take(SEARCHED));
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
