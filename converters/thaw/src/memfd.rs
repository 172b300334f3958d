//! Files that never had a name (memfd_create(2)): those that tasks had made, and the copies of programs.

use crate::call::CallError;
use crate::contents::restore;
use crate::sys;
use kconv_image::{Contents, Image};
use kconv_resources::linux6;
use nix::errno::Errno;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::AsRawFd;

/// What is said since 6.3 (`include/uapi/linux/memfd.h`): that a file is to be executed, as all could be before, or
/// never.
const MFD_NOEXEC_SEAL: u32 = 0x8;
pub(crate) const MFD_EXEC: u32 = 0x10;

/// `include/uapi/linux/fcntl.h`, since 6.3.
pub(crate) const F_SEAL_EXEC: u32 = 0x20;

/// What `/proc` shows before the name that a program gave (`mm/memfd.c`: MFD_NAME_PREFIX).
const PREFIX: &str = "/memfd:";

/// Makes the file `was` with what the image has of it, and seals it as it was.
pub(crate) fn again(
    image: &Image,
    contents: &Contents,
    (was, seals): (&linux6::File, u32),
) -> Result<File, CallError> {
    let name = was.path.strip_prefix(PREFIX);
    let name = name.and_then(|name| CString::new(name).ok());
    let name = name.ok_or_else(|| CallError::new("memfd_create", Errno::EINVAL))?;
    let file = made(&name, how(was, seals))?;
    restore(image, contents, &was.inode, &file)?;
    let known = match knows_seal_exec() {
        true => seals,
        false => seals & !F_SEAL_EXEC,
    };
    seal(&file, known)?;
    Ok(file)
}

/// Whether a file may be executed is said where it is made: of one that is sealed against that no other says it.
pub(crate) fn how(was: &linux6::File, seals: u32) -> u32 {
    match seals & F_SEAL_EXEC != 0 && was.inode.mode & 0o111 == 0 {
        true => MFD_NOEXEC_SEAL,
        false => MFD_EXEC,
    }
}

/// Makes an empty file that can be sealed, open to be read and written; `how` is MFD_EXEC or MFD_NOEXEC_SEAL, which
/// older kernels are not told.
pub(crate) fn made(name: &CStr, how: u32) -> Result<File, CallError> {
    let call = |how: u32| {
        let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING | how;
        let arguments = [name.as_ptr() as u64, flags.into(), 0, 0, 0];
        sys::call(libc::SYS_memfd_create, arguments)
    };
    let made = match call(how) {
        Err(Errno::EINVAL) => call(0),
        made => made,
    };
    let fd = made.map_err(|error| CallError::new("memfd_create", error))?;
    Ok(File::from(sys::owned(fd as i32)))
}

/// Seals a file. That it has seals already is no error.
pub(crate) fn seal(file: &File, seals: u32) -> Result<(), CallError> {
    let arguments = [
        file.as_raw_fd() as u64,
        libc::F_ADD_SEALS as u64,
        seals.into(),
        0,
        0,
    ];
    let sealed = sys::call(libc::SYS_fcntl, arguments);
    sealed.map_err(|error| CallError::new("fcntl(F_ADD_SEALS)", error))?;
    Ok(())
}

/// Whether this kernel has F_SEAL_EXEC.
pub(crate) fn knows_seal_exec() -> bool {
    let arguments = [c"kconv".as_ptr() as u64, MFD_NOEXEC_SEAL.into(), 0, 0, 0];
    match sys::call(libc::SYS_memfd_create, arguments) {
        Ok(fd) => {
            drop(sys::owned(fd as i32));
            true
        }
        Err(error) => error != Errno::EINVAL,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing;
    use kconv_image::{ContentRun, ImageWriter, PageSource, ResourceId};
    use kconv_resources::linux6::{Place, Resource};
    use std::os::unix::fs::{FileExt, MetadataExt};

    fn seals_of(file: &File) -> u32 {
        let arguments = [file.as_raw_fd() as u64, libc::F_GET_SEALS as u64, 0, 0, 0];
        sys::call(libc::SYS_fcntl, arguments).unwrap() as u32
    }

    #[test]
    fn a_file_has_its_name_its_mode_what_was_in_it_and_its_seals() {
        let mut head = testing::head(vec![Resource::File(testing::file("/memfd:a name"))]);
        head.contents = vec![Contents {
            resource: ResourceId(0),
            runs: vec![ContentRun {
                offset: 4096,
                pages: 1,
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
        let contents = &image.head().contents[0];
        let [seal, shrink, write] =
            [libc::F_SEAL_SEAL, libc::F_SEAL_SHRINK, libc::F_SEAL_WRITE].map(|seal| seal as u32);
        for (seals, mode) in [
            (0, 0o777),
            (seal, 0o640),
            (shrink | write, 0o777),
            (F_SEAL_EXEC | seal, 0o600),
            // Sealed when it could be executed: nobody writes to it either (mm/memfd.c: memfd_add_seals).
            (F_SEAL_EXEC | shrink | write | 0x4 | 0x10, 0o711),
        ] {
            let mut was = testing::file("/memfd:a name");
            was.place = Place::Memfd { seals };
            was.inode.size = testing::size(4096 + 10);
            was.inode.mode = mode;
            let file = again(&image, contents, (&was, seals)).unwrap();
            let link = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
            assert_eq!(link.to_str(), Some("/memfd:a name (deleted)"));
            let known = if knows_seal_exec() {
                u32::MAX
            } else {
                !F_SEAL_EXEC
            };
            assert_eq!(seals_of(&file), seals & known, "{seals:#x}");
            let metadata = file.metadata().unwrap();
            assert_eq!(
                (metadata.mode() & 0o7777, metadata.len()),
                (mode, 4096 + 10)
            );
            let mut bytes = vec![1; 4096 + 10];
            file.read_exact_at(&mut bytes, 0).unwrap();
            assert_eq!(bytes, [vec![0; 4096], vec![7; 10]].concat());
        }
    }
}
