//! What of a file is data.

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Where a file has data, ascending (lseek(2), SEEK_DATA): what is a hole is not looked at, for looking
/// makes it memory where the file is in memory.
///
/// # Errors
/// What the system says.
pub fn data(file: &File) -> io::Result<Vec<Range<u64>>> {
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        let start = match seek(file, SeekFrom::Data(at)) {
            // No data from here on.
            Err(Errno::NXIO) => return Ok(found),
            start => start?,
        };
        let end = seek(file, SeekFrom::Hole(start))?;
        if end <= start {
            return Ok(found);
        }
        found.push(start..end);
        at = end;
    }
}

/// All of a file that is kept in memory: one that is much longer than what of it is there is not read.
///
/// # Errors
/// What the system says; or that most of the file is holes.
pub fn whole(path: &Path) -> io::Result<Vec<u8>> {
    // For each byte that is there, and besides.
    const MOST: (u64, u64) = (16, 16 << 20);
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    // What cannot be asked has no holes.
    let there = match data(&file) {
        Ok(there) => there.iter().map(|range| range.end - range.start).sum(),
        Err(_) => length,
    };
    if length > there.saturating_mul(MOST.0).saturating_add(MOST.1) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{there} bytes of {length} are there, and the rest is holes"),
        ));
    }
    let mut bytes = Vec::new();
    file.seek(io::SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads as much of `into` as the file has from `offset` on, in bytes.
///
/// # Errors
/// What the system says.
pub fn read_some(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < into.len() {
        match file.read_at(&mut into[read..], offset + read as u64) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_mostly_holes_is_not_read_whole() {
        let file = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
        file.as_file().write_all_at(b"data", 0).unwrap();
        assert_eq!(whole(file.path()).unwrap(), b"data");
        file.as_file().set_len(1 << 20).unwrap();
        assert_eq!(whole(file.path()).unwrap().len(), 1 << 20);
        file.as_file().set_len(1 << 45).unwrap();
        let error = whole(file.path()).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("bytes of 35184372088832 are there"),
            "{error}"
        );
    }

    #[test]
    fn holes_are_no_data() {
        let file = tempfile::tempfile_in("/dev/shm").unwrap();
        assert!(data(&file).unwrap().is_empty());
        file.set_len(1 << 30).unwrap();
        assert!(data(&file).unwrap().is_empty());
        file.write_all_at(b"data", 9 * 4096).unwrap();
        file.write_all_at(b"end", (1 << 30) - 3).unwrap();
        let last = (1 << 30) - 4096;
        assert_eq!(data(&file).unwrap(), [9 * 4096..10 * 4096, last..1 << 30]);
    }

    #[test]
    fn what_is_behind_the_end_is_not_read() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"text", 0).unwrap();
        let mut into = [7; 6];
        assert_eq!(read_some(&file, &mut into, 1).unwrap(), 3);
        assert_eq!(into, *b"ext\x07\x07\x07");
        assert_eq!(read_some(&file, &mut into, 9).unwrap(), 0);
    }
}
