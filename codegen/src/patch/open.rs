//! Patches as files: one or several, folders of them, compressed or not.
//!
//! Memory does not grow with what is unpacked.

use super::PatchError;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Bytes that a compressed patch may unpack to; all of Linux is 1.5 GB.
const UNPACKED: u64 = 8 << 30;
/// Bytes of the window of a compression; those of `xz -9` and `zstd --ultra -22` are smaller.
const WINDOW: u64 = 128 << 20;
/// The ends of names of files in a folder that are patches.
const ENDS: [&str; 4] = [".patch", ".diff", ".mbox", ".eml"];
/// Ends of names behind these that say how they are compressed.
const COMPRESSED: [&str; 3] = [".gz", ".xz", ".zst"];

/// The patches that `path` names: itself, or those in the folder by their names, as `git
/// format-patch` numbers them.
///
/// # Errors
/// If the folder cannot be read or has none.
pub fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut compressed = COMPRESSED.iter();
        let plain = compressed.find_map(|end| name.strip_suffix(end));
        let plain = plain.unwrap_or(&name);
        // `git format-patch --cover-letter` makes one that is no patch.
        let letter = plain.ends_with("-cover-letter.patch");
        if ENDS.iter().any(|end| plain.ends_with(end)) && !letter && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    match found.is_empty() {
        true => Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("no file in it ends with {}", ENDS.join(", ")),
        )),
        false => Ok(found),
    }
}

/// Opens a patch; `-` is standard input. What is compressed with gzip, xz or zstd is unpacked, which its
/// first bytes tell.
///
/// # Errors
/// If it cannot be read, or is compressed otherwise.
pub fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    if path == Path::new("-") {
        return unpacked(Box::new(BufReader::new(io::stdin())));
    }
    let file = BufReader::with_capacity(256 * 1024, File::open(path)?);
    unpacked(Box::new(file))
}

/// As [`open`], when the first byte is read: a folder may have more patches than a program may have
/// open files.
///
/// # Errors
/// If there is no such file, or it may not be read.
pub fn later(path: &Path) -> io::Result<Box<dyn BufRead>> {
    if path != Path::new("-") {
        File::open(path)?;
    }
    Ok(Box::new(Later {
        path: path.to_owned(),
        opened: None,
    }))
}

/// A file that is opened when it is read.
struct Later {
    path: PathBuf,
    opened: Option<Box<dyn BufRead>>,
}

impl Later {
    fn opened(&mut self) -> io::Result<&mut Box<dyn BufRead>> {
        let opened = match self.opened.take() {
            Some(opened) => opened,
            None => open(&self.path)?,
        };
        Ok(self.opened.insert(opened))
    }
}

impl Read for Later {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.opened()?.read(buffer)
    }
}

impl BufRead for Later {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.opened()?.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        if let Some(opened) = &mut self.opened {
            opened.consume(count);
        }
    }
}

/// The text of `input`.
fn unpacked(mut input: Box<dyn BufRead>) -> io::Result<Box<dyn BufRead>> {
    let start = input.fill_buf()?;
    let unpacked: Box<dyn Read> = if start.starts_with(b"\x1f\x8b") {
        Box::new(MultiGzDecoder::new(input))
    } else if start.starts_with(b"\xfd7zXZ\0") {
        Box::new(XzReader::new_mem_limit(input, true, (WINDOW >> 10) as u32))
    } else if start.starts_with(b"\x28\xb5\x2f\xfd") {
        let decoder = StreamingDecoder::new_with_max_window_size(input, WINDOW);
        Box::new(decoder.map_err(io::Error::other)?)
    } else if start.starts_with(b"BZh") {
        return Err(io::Error::other(PatchError::Compressed));
    } else {
        return Ok(input);
    };
    let bounded = Bounded {
        input: unpacked,
        left: UNPACKED,
    };
    Ok(Box::new(BufReader::with_capacity(256 * 1024, bounded)))
}

/// Reads no more than a number of bytes: more is an error and no end, so that nothing is left out.
struct Bounded<R> {
    input: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::other(format!("it unpacks to more than {} GiB", UNPACKED >> 30))
        })?;
        Ok(count)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_limit_is_an_error() {
        let bounded = |left| Bounded {
            input: io::repeat(0).take(10),
            left,
        };
        let mut text = Vec::new();
        assert_eq!(bounded(10).read_to_end(&mut text).unwrap(), 10);
        assert!(bounded(9).read_to_end(&mut text).is_err());
    }
}
