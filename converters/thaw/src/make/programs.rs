//! Copies of programs and libraries that are not there any more as they were: files in memory (memfd_create(2)).
//!
//! They need no place that is mounted so that programs may be executed from it, as Debian's `/run` is not; they
//! are sealed, so that nobody writes to them, root included; and their memory is free when the last task that has
//! them mapped has ended.

use crate::call::CallError;
use crate::contents::fill;
use crate::memfd::{MFD_EXEC, made, seal};
use crate::open::open_with;
use kconv_image::{Image, ResourceId};
use kconv_machine::name_of_copy;
use kconv_resources::linux6;
use nix::errno::Errno;
use std::ffi::CString;
use std::fs::Permissions;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;

/// Makes a copy of the file `was`, open for reading alone: who has one open for writing keeps the kernel from
/// noting it as the program of a process (`fs/exec.c`: replace_mm_exe_file).
pub(super) fn copy(
    image: &Image,
    id: ResourceId,
    was: &linux6::File,
) -> Result<OwnedFd, CallError> {
    let name = name_of_copy(&was.path).and_then(|name| CString::new(name).ok());
    let name = name.ok_or_else(|| CallError::new("memfd_create", Errno::ENAMETOOLONG))?;
    let file = made(&name, MFD_EXEC)?;
    if let Some(contents) = image.head().contents_of(id) {
        fill(image, contents, &file)?;
    }
    // The last page is saved whole.
    file.set_len(was.inode.size.bytes())
        .map_err(|error| CallError::io("ftruncate", &error))?;
    file.set_permissions(Permissions::from_mode(0o555))
        .map_err(|error| CallError::io("fchmod", &error))?;
    let seals = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
    seal(&file, seals as u32)?;
    open_with(
        &format!("/proc/self/fd/{}", file.as_raw_fd()),
        libc::O_RDONLY,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing;
    use kconv_image::{ContentRun, Contents, ImageWriter, PageSource};
    use kconv_resources::linux6::Resource;
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    #[test]
    fn a_copy_has_what_the_image_has_and_nobody_writes_to_it() {
        let mut was = testing::file("/bin/true");
        was.inode.size = testing::size(2 * 4096 + 10);
        let mut head = testing::head(vec![Resource::File(was.clone())]);
        head.contents = vec![Contents {
            resource: ResourceId(0),
            runs: vec![ContentRun {
                offset: 4096,
                pages: 2,
                position: 0,
            }],
        }];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        let machine = head.identity.machine;
        let writer = ImageWriter::create(&path, machine, &head.objects, head.page_index()).unwrap();
        let mut page = |_, page: &mut [u8]| {
            page.fill(7);
            Ok(())
        };
        writer.finish(&head, PageSource::Stream(&mut page)).unwrap();
        let image = Image::open(&path).unwrap();
        let copy = File::from(copy(&image, ResourceId(0), &was).unwrap());
        let link = std::fs::read_link(format!("/proc/self/fd/{}", copy.as_raw_fd())).unwrap();
        assert_eq!(link.to_str(), Some("/memfd:kconv:/bin/true (deleted)"));
        let metadata = copy.metadata().unwrap();
        assert_eq!(
            (metadata.len(), metadata.permissions().mode() & 0o7777),
            (2 * 4096 + 10, 0o555)
        );
        let mut bytes = vec![1; 2 * 4096 + 10];
        copy.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(bytes, [vec![0; 4096], vec![7; 4096 + 10]].concat());
        assert!(copy.write_at(b"x", 0).is_err());
        let path = format!("/proc/self/fd/{}", copy.as_raw_fd());
        if let Ok(writable) = open_with(&path, libc::O_RDWR) {
            assert!(File::from(writable).write_at(b"x", 0).is_err());
        }
    }
}
