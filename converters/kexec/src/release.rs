//! The release of a bzImage, as its boot header says it.
//!
//! Source of the format: The Linux/x86 Boot Protocol (Documentation/arch/x86/boot.rst), fields
//! `header` at 0x202 and `kernel_version` at 0x20e.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

const SIGNATURE: u64 = 0x202;
/// Of the version's text, in bytes from the end of the first sector; 0 if there is none.
const VERSION: u64 = 0x20e;
const SECTOR: u64 = 0x200;
/// Bytes of the text that are read: `uname -r` has 64 at most.
const LONGEST: u64 = 65;

/// Why the release of a kernel is not known.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{}: no kernel that can be booted: byte {SIGNATURE:#x} is not `HdrS`", path.display())]
    NoKernel {
        /// The file.
        path: PathBuf,
    },
    /// The kernel does not say its version.
    #[error("{}: the kernel's boot header names no version", path.display())]
    NoVersion {
        /// The file.
        path: PathBuf,
    },
}

/// The release of the bzImage at `path`, as `uname -r` will say it.
///
/// # Errors
/// If the file cannot be read, or is no bzImage that names its version.
pub fn release(path: &Path) -> Result<String, ReleaseError> {
    let failed = |source| ReleaseError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let signature = read(&file, SIGNATURE, 4).map_err(failed)?;
    if signature != b"HdrS" {
        return Err(ReleaseError::NoKernel {
            path: path.to_owned(),
        });
    }
    let no_version = || ReleaseError::NoVersion {
        path: path.to_owned(),
    };
    let at = read(&file, VERSION, 2).map_err(failed)?;
    let at = <[u8; 2]>::try_from(at.as_slice()).map_err(|_| no_version())?;
    let at = u64::from(u16::from_le_bytes(at));
    if at == 0 {
        return Err(no_version());
    }
    let text = read(&file, SECTOR + at, LONGEST).map_err(failed)?;
    let end = text.iter().position(|byte| matches!(byte, 0 | b' '));
    let name = end.and_then(|end| std::str::from_utf8(&text[..end]).ok());
    let name = name.filter(|name| name.starts_with(|first: char| first.is_ascii_digit()));
    name.map(str::to_owned).ok_or_else(no_version)
}

/// Up to `size` bytes at `at`.
pub(crate) fn read(mut file: &File, at: u64, size: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    file.take(size).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn of(image: &[u8]) -> Result<String, ReleaseError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vmlinuz");
        std::fs::write(&path, image).unwrap();
        release(&path)
    }

    fn image(version: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 0x3000];
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x20e..0x210].copy_from_slice(&0x2000_u16.to_le_bytes());
        image[0x2200..0x2200 + version.len()].copy_from_slice(version);
        image
    }

    #[test]
    fn the_release_is_the_first_word_of_the_version() {
        let version = b"6.12.117+deb12-amd64 (builder@host) #1 SMP";
        assert_eq!(of(&image(version)).unwrap(), "6.12.117+deb12-amd64");
    }

    #[test]
    fn what_names_no_release_is_an_error() {
        let mut none = image(b"6.1.0-47-amd64 ");
        none[0x20e..0x210].fill(0);
        assert!(matches!(of(&none), Err(ReleaseError::NoVersion { .. })));
        for version in [&b"6"[..], b" 6.1", b"\0", b"\xff6 ", &[b'6'; 100]] {
            // A text that ends with the file has no end.
            let mut image = image(version);
            image.truncate(0x2200 + version.len().min(65));
            assert!(matches!(of(&image), Err(ReleaseError::NoVersion { .. })));
        }
        for size in [0, 0x203, 0x206, 0x20f] {
            assert!(of(&image(b"6.1 ")[..size]).is_err(), "{size}");
        }
        assert!(matches!(of(b"MZ"), Err(ReleaseError::NoKernel { .. })));
    }
}
