//! Pages of the image into memory.

use crate::call::CallError;
use crate::inheritance::Pages;
use crate::remote::Remote;
use kconv_image::Image;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// How much memory is filled at a time.
const CHUNK: u64 = 1 << 20;

/// The pages of an image.
pub(super) struct Store {
    file: File,
    /// Where the page area begins.
    start: u64,
}

impl Store {
    pub(super) fn open(image: &Image) -> Result<Store, CallError> {
        let file = File::open(image.path()).map_err(|error| CallError::io("open", &error))?;
        let (start, _) = image.page_area();
        Ok(Store {
            file,
            start: start.0,
        })
    }

    /// Has the memory of a process hold the pages `wanted` where it holds those of `is`. The tracer may
    /// write what the program may not.
    pub(super) fn settle(
        &self,
        remote: &Remote,
        memory: &File,
        is: &Pages,
        wanted: &Pages,
    ) -> Result<(), CallError> {
        for (start, end) in is.to_drop(wanted) {
            let arguments = [start, end - start, libc::MADV_DONTNEED as u64];
            remote.call("madvise(MADV_DONTNEED)", libc::SYS_madvise, &arguments)?;
        }
        let mut buffer = vec![0; CHUNK as usize];
        for piece in is.to_write(wanted).pieces() {
            for at in (piece.start..piece.end).step_by(CHUNK as usize) {
                let bytes = &mut buffer[..(piece.end - at).min(CHUNK) as usize];
                let from = self.start + piece.position + (at - piece.start);
                self.file
                    .read_exact_at(bytes, from)
                    .map_err(|error| CallError::io("pread", &error))?;
                memory
                    .write_all_at(bytes, at)
                    .map_err(|error| CallError::io("pwrite", &error))?;
            }
        }
        Ok(())
    }
}
