//! Files through tasks that have them: `/proc/PID/fd` and `/proc/PID/map_files` lead to the very file,
//! whatever became of its name.

use crate::source::FileOf;
use kconv_machine::{data, read_some};
use rustix::fs::fdatasync;
use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{DirEntryExt, OpenOptionsExt};

/// The files; the one read last is kept open.
#[derive(Default)]
pub(super) struct Files {
    open: RefCell<Option<(FileOf, File)>>,
}

impl Files {
    fn with<T>(&self, of: &FileOf, act: impl FnOnce(&File) -> io::Result<T>) -> io::Result<T> {
        let mut open = self.open.borrow_mut();
        let file = match open.take() {
            Some((known, file)) if known == *of => file,
            _ => opened(of)?,
        };
        let result = act(&file);
        *open = Some((*of, file));
        result
    }

    /// Where a file has data, ascending.
    pub(super) fn data(&self, of: &FileOf) -> io::Result<Vec<Range<u64>>> {
        self.with(of, data)
    }

    /// Fills `into` from `offset` on, with zeros behind the end of the file.
    pub(super) fn read(&self, of: &FileOf, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let read = self.with(of, |file| read_some(file, into, offset))?;
        into[read..].fill(0);
        Ok(())
    }

    /// Has what was written to a file be on its disk.
    pub(super) fn sync(&self, of: &FileOf) -> io::Result<()> {
        self.with(of, |file| Ok(fdatasync(file)?))
    }
}

fn opened(of: &FileOf) -> io::Result<File> {
    let path = match of {
        FileOf::Descriptor { process, number } => format!("/proc/{process}/fd/{number}"),
        FileOf::Mapping {
            process,
            start,
            end,
        } => format!("/proc/{process}/map_files/{start:x}-{end:x}"),
    };
    // That it was read is not to be seen.
    const O_NOATIME: i32 = 0o1_000_000;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(O_NOATIME).open(&path)
}

/// The name in `folder`, from the root of the first process, of the file with this number.
pub(super) fn name_of(folder: &str, inode: u64) -> Option<String> {
    let entries = std::fs::read_dir(format!("/proc/1/root{folder}/")).ok()?;
    let mut entries = entries.flatten();
    let entry = entries.find(|entry| entry.ino() == inode)?;
    entry.file_name().into_string().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use kconv_image::PAGE_SIZE;
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::{FileExt, MetadataExt};

    fn descriptor(file: &File) -> FileOf {
        FileOf::Descriptor {
            process: std::process::id().into(),
            number: file.as_raw_fd() as u64,
        }
    }

    #[test]
    fn holes_are_passed_over_and_what_is_behind_the_end_is_zero() {
        let file = tempfile::tempfile_in("/dev/shm").unwrap();
        file.set_len(1 << 30).unwrap();
        file.write_all_at(b"data", 9 * PAGE_SIZE).unwrap();
        file.write_all_at(b"end", (1 << 30) - 3).unwrap();
        let (files, of) = (Files::default(), descriptor(&file));
        let last = (1 << 30) - PAGE_SIZE;
        assert_eq!(
            files.data(&of).unwrap(),
            [9 * PAGE_SIZE..10 * PAGE_SIZE, last..1 << 30]
        );
        let mut bytes = [7; 8];
        files.read(&of, (1 << 30) - 3, &mut bytes).unwrap();
        assert_eq!(&bytes, b"end\0\0\0\0\0");
        assert_eq!(file.metadata().unwrap().blocks(), 16);
        assert!(
            files
                .data(&descriptor(&tempfile::tempfile_in("/dev/shm").unwrap()))
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn another_name_is_found_by_the_number() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = tempfile::NamedTempFile::new_in(folder.path()).unwrap();
        file.write_all(b"x").unwrap();
        let inode = file.as_file().metadata().unwrap().ino();
        let link = folder.path().join("other");
        std::fs::hard_link(file.path(), &link).unwrap();
        drop(file);
        // The root of the first process may be another than ours.
        if std::fs::read_dir("/proc/1/root/").is_ok() {
            let name = name_of(folder.path().to_str().unwrap(), inode);
            assert_eq!(name.as_deref(), Some("other"));
            assert_eq!(name_of(folder.path().to_str().unwrap(), 1), None);
        }
    }
}
