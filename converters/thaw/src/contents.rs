//! Files that were in memory alone: an image has what was in them, and they are made where a boot left
//! nothing of them.

use crate::call::CallError;
use kconv_image::{Contents, Image, PAGE_SIZE, ResourceId};
use kconv_machine::data;
use kconv_resources::Device;
use kconv_resources::linux6::{self, Inode};
use nix::errno::Errno;
use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How much is compared or written at a time.
const CHUNK: u64 = 1 << 20;

/// The first byte of a file in which it is not what the image says; `None` if it is.
///
/// # Errors
/// If the file, or the image, cannot be read.
pub(crate) fn difference(
    image: &Image,
    contents: &Contents,
    file: &File,
    size: u64,
) -> io::Result<Option<u64>> {
    let mut is = vec![0; CHUNK as usize];
    let mut was = vec![0; CHUNK as usize];
    // What is a hole in both is the same.
    let mut ranges = data(file)?;
    ranges.extend(
        contents
            .runs
            .iter()
            .map(|run| run.offset..run.offset + run.pages * PAGE_SIZE),
    );
    ranges.sort_unstable_by_key(|range| range.start);
    let mut at = 0;
    for range in ranges {
        at = range.start.max(at);
        let end = range.end.min(size);
        while at < end {
            let length = (end - at).min(CHUNK) as usize;
            let (is, was) = (&mut is[..length], &mut was[..length]);
            file.read_exact_at(is, at)?;
            image
                .read_contents(contents, at, was)
                .map_err(io::Error::other)?;
            if let Some(byte) = is.iter().zip(was.iter()).position(|(is, was)| is != was) {
                return Ok(Some(at + byte as u64));
            }
            at += length as u64;
        }
    }
    Ok(None)
}

/// Writes what an image has of a file that is nothing but holes.
pub(crate) fn fill(image: &Image, contents: &Contents, file: &File) -> Result<(), CallError> {
    let mut buffer = vec![0; CHUNK as usize];
    for run in &contents.runs {
        let end = run.offset + run.pages * PAGE_SIZE;
        let mut at = run.offset;
        while at < end {
            let length = (end - at).min(CHUNK) as usize;
            let bytes = &mut buffer[..length];
            let read = image.read_contents(contents, at, bytes);
            read.map_err(|_| CallError::new("pread", Errno::EIO))?;
            file.write_all_at(bytes, at)
                .map_err(|error| CallError::io("pwrite", &error))?;
            at += length as u64;
        }
    }
    Ok(())
}

/// Files that were made for tasks. Dropped, they are removed, unless they are to be [kept](Self::keep).
#[derive(Default)]
pub(crate) struct MadeFiles {
    paths: Vec<PathBuf>,
    /// By device and inode at the freeze: a file can have had several names.
    known: BTreeMap<(Device, u64), PathBuf>,
}

impl MadeFiles {
    /// Makes the file `was`, if the image has its contents and there is none.
    pub(crate) fn make(
        &mut self,
        image: &Image,
        id: ResourceId,
        was: &linux6::File,
    ) -> Result<(), CallError> {
        let Some(contents) = image.head().contents_of(id) else {
            return Ok(());
        };
        let path = PathBuf::from(&was.path);
        if was.is_kept() || was.is_nameless() || fs::symlink_metadata(&path).is_ok() {
            return Ok(());
        }
        let key = (was.inode.device, was.inode.inode);
        if let Some(known) = self.known.get(&key) {
            fs::hard_link(known, &path).map_err(|error| CallError::io("link", &error))?;
            self.paths.push(path);
            return Ok(());
        }
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| CallError::io("open", &error))?;
        self.paths.push(path.clone());
        self.known.insert(key, path);
        restore(image, contents, &was.inode, &file)
    }

    /// Leaves the files there.
    pub(crate) fn keep(mut self) {
        self.paths.clear();
    }
}

impl Drop for MadeFiles {
    fn drop(&mut self) {
        for path in &self.paths {
            // Nobody is left who has it; if it cannot be removed now, it could not before.
            let _ = fs::remove_file(path);
        }
    }
}

/// Makes a file without a name, in the folder in which `was` had had one, with what the image has of it.
pub(crate) fn unlinked(
    image: &Image,
    contents: &Contents,
    was: &linux6::File,
) -> Result<File, CallError> {
    let file = without_a_name(was).map_err(|error| CallError::io("open", &error))?;
    restore(image, contents, &was.inode, &file)?;
    Ok(file)
}

/// An empty file without a name, in the folder in which `was` had had one. What has lost its last name can be given no
/// other, and nor can what is made in its place.
pub(crate) fn without_a_name(was: &linux6::File) -> io::Result<File> {
    let for_good = match was.place {
        linux6::Place::Unlinked {
            is_linkable: true, ..
        } => 0,
        _ => libc::O_EXCL,
    };
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options.custom_flags(libc::O_TMPFILE | for_good);
    options.open(folder_of(&was.path))
}

/// Gives an empty file its contents, its owner, its mode and its time.
pub(crate) fn restore(
    image: &Image,
    contents: &Contents,
    inode: &Inode,
    file: &File,
) -> Result<(), CallError> {
    let size = inode.size.bytes();
    file.set_len(size)
        .map_err(|error| CallError::io("ftruncate", &error))?;
    fill(image, contents, file)?;
    // The last page is saved whole.
    file.set_len(size)
        .map_err(|error| CallError::io("ftruncate", &error))?;
    fchown(file, Some(inode.uid), Some(inode.gid))
        .map_err(|error| CallError::io("fchown", &error))?;
    file.set_permissions(fs::Permissions::from_mode(inode.mode))
        .map_err(|error| CallError::io("fchmod", &error))?;
    let time = moment(inode.mtime, inode.mtime_nanoseconds);
    file.set_times(FileTimes::new().set_modified(time))
        .map_err(|error| CallError::io("futimens", &error))
}

fn moment(seconds: i64, nanoseconds: u32) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let moment = match seconds < 0 {
        true => SystemTime::UNIX_EPOCH.checked_sub(whole),
        false => SystemTime::UNIX_EPOCH.checked_add(whole),
    };
    let moment =
        moment.and_then(|moment| moment.checked_add(Duration::from_nanos(nanoseconds.into())));
    moment.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The folder in which a file would be made.
pub(crate) fn folder_of(path: &str) -> &Path {
    Path::new(path).parent().unwrap_or(Path::new("/"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing;
    use kconv_image::{ContentRun, ImageWriter, PageSource};
    use kconv_resources::linux6::Resource;
    use nix::fcntl::{AT_FDCWD, AtFlags};
    use nix::unistd::linkat;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::MetadataExt;

    fn file_at(path: &Path) -> linux6::File {
        let mut file = testing::file(path.to_str().unwrap());
        file.inode = Inode {
            size: testing::size(3 * 4096 + 10),
            mode: 0o640,
            mtime: -5,
            mtime_nanoseconds: 500,
            file_system: "tmpfs".to_owned(),
            ..file.inode
        };
        file
    }

    /// A file of three pages and a bit, with a hole, at `path`, and an image that has it.
    fn image(folder: &Path, path: &Path) -> Image {
        let mut head = testing::head(vec![Resource::File(file_at(path))]);
        let run = |offset, pages, position| ContentRun {
            offset,
            pages,
            position,
        };
        head.contents = vec![Contents {
            resource: ResourceId(0),
            runs: vec![run(0, 1, 0), run(2 * 4096, 2, 4096)],
        }];
        let path = folder.join("image");
        let machine = head.identity.machine;
        let writer = ImageWriter::create(&path, machine, &head.objects, head.page_index()).unwrap();
        let mut number = 0;
        let mut pages = |_, into: &mut [u8]| {
            for page in into.chunks_exact_mut(4096) {
                number += 1;
                // Behind the end of the file there is nothing.
                match number {
                    3 => page[..10].fill(3),
                    number => page.fill(number),
                }
            }
            Ok(())
        };
        let pages = PageSource::Stream(&mut pages);
        writer.finish(&head, pages).unwrap();
        Image::open(&path).unwrap()
    }

    #[test]
    fn a_file_is_made_as_it_was_and_removed_if_all_fails() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let image = image(folder.path(), &path);
        let resource = &file_at(&path);
        let contents = &image.head().contents[0];
        let mut made = MadeFiles::default();
        made.make(&image, ResourceId(0), resource).unwrap();
        let bytes = fs::read(&path).unwrap();
        let expected = [vec![1; 4096], vec![0; 4096], vec![2; 4096], vec![3; 10]].concat();
        assert!(bytes == expected);
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.mode() & 0o7777, 0o640);
        assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (-5, 500));

        let file = File::open(&path).unwrap();
        let size = metadata.size();
        assert_eq!(difference(&image, contents, &file, size).unwrap(), None);
        // A hole in the image, and a hole in the file.
        let other = File::create(folder.path().join("other")).unwrap();
        other.set_len(size).unwrap();
        let other = File::open(folder.path().join("other")).unwrap();
        assert_eq!(difference(&image, contents, &other, size).unwrap(), Some(0));
        for at in [0, 5000, 3 * 4096 + 9] {
            let other = folder.path().join("other");
            fs::write(&other, &expected).unwrap();
            let other = OpenOptions::new()
                .read(true)
                .write(true)
                .open(&other)
                .unwrap();
            other.write_all_at(b"x", at).unwrap();
            assert_eq!(
                difference(&image, contents, &other, size).unwrap(),
                Some(at)
            );
        }
        drop(made);
        assert!(!path.exists());
    }

    #[test]
    fn a_file_without_a_name_is_made_beside_whatever_has_its_name_now() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let image = image(folder.path(), &path);
        fs::write(&path, "another's").unwrap();
        let was = linux6::File {
            place: linux6::Place::Unlinked {
                mount: ResourceId(1),
                is_linkable: false,
            },
            ..file_at(&path)
        };
        let mut made = MadeFiles::default();
        made.make(&image, ResourceId(0), &was).unwrap();
        let contents = &image.head().contents[0];
        let named = folder.path().join("named");
        let name = |file: &File| {
            let from = format!("/proc/self/fd/{}", file.as_raw_fd());
            linkat(
                AT_FDCWD,
                from.as_str(),
                AT_FDCWD,
                &named,
                AtFlags::AT_SYMLINK_FOLLOW,
            )
        };
        let file = unlinked(&image, contents, &was).unwrap();
        assert_eq!(name(&file), Err(Errno::ENOENT));
        let metadata = file.metadata().unwrap();
        assert_eq!((metadata.nlink(), metadata.size()), (0, 3 * 4096 + 10));
        assert_eq!(metadata.mode() & 0o7777, 0o640);
        assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (-5, 500));
        let size = metadata.size();
        assert_eq!(difference(&image, contents, &file, size).unwrap(), None);
        assert_eq!(fs::read(&path).unwrap(), b"another's");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        // One that never had a name may have been made to be given one.
        let was = linux6::File {
            place: linux6::Place::Unlinked {
                mount: ResourceId(1),
                is_linkable: true,
            },
            ..was
        };
        let file = unlinked(&image, contents, &was).unwrap();
        assert_eq!(name(&file), Ok(()));
        assert_eq!(
            fs::metadata(&named).unwrap().ino(),
            file.metadata().unwrap().ino()
        );
    }

    #[test]
    fn a_file_that_is_there_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let image = image(folder.path(), &path);
        fs::write(&path, "there").unwrap();
        let mut made = MadeFiles::default();
        made.make(&image, ResourceId(0), &file_at(&path)).unwrap();
        drop(made);
        assert_eq!(fs::read(&path).unwrap(), b"there");
    }

    #[test]
    fn names_of_one_file_are_names_of_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let image = image(folder.path(), &path);
        let link = folder.path().join("link");
        let other = file_at(&link);
        let mut made = MadeFiles::default();
        made.make(&image, ResourceId(0), &file_at(&path)).unwrap();
        made.make(&image, ResourceId(0), &other).unwrap();
        made.keep();
        let inode = |path: &Path| fs::metadata(path).unwrap().ino();
        assert_eq!(inode(&path), inode(&link));
    }
}
