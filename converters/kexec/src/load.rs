//! Loading a kernel beside the running one: `kexec_file_load(2)`.

use crate::paging::Running;
use nix::errno::Errno;
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// `KEXEC_FILE_UNLOAD` of `linux/kexec.h`.
const UNLOAD: libc::c_ulong = 1;

/// Why a kernel was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The running kernel refuses.
    #[error("{}: the running kernel does not load it: {error}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: Errno,
    },
    /// The running kernel loads none at all.
    #[error("the running kernel does not load another one (kexec_file_load): {error}")]
    Never {
        /// What the system said.
        error: Errno,
    },
    /// The machine would start anew: see the module `paging`.
    #[error(
        "{}: this kernel is built without 5-level paging, which is on: started by kexec from {running}, it resets \
         the machine before it says a word",
        path.display()
    )]
    Paging {
        /// The file.
        path: PathBuf,
        /// The running kernel's release.
        running: String,
    },
}

impl LoadError {
    /// What the user can do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            LoadError::Io { .. } => "name files that are there and may be read",
            LoadError::Paging { .. } => {
                "go through the firmware (--start reboot), or boot the running kernel with no5lvl first"
            }
            LoadError::Refused { error, .. } | LoadError::Never { error } => match error {
                Errno::EPERM => {
                    "run kconv as root (CAP_SYS_BOOT), with kernel.kexec_load_disabled = 0; a kernel that is locked down loads signed ones alone"
                }
                Errno::EKEYREJECTED | Errno::ENOKEY | Errno::ENODATA | Errno::EBADMSG => {
                    "use a kernel whose signature the running one knows"
                }
                Errno::ENOSYS => "the running kernel was built without CONFIG_KEXEC_FILE",
                Errno::EBUSY => "another kernel is being loaded; try again",
                Errno::ENOEXEC => "use a bzImage for this machine",
                _ => "see kexec_file_load(2), and what the kernel logged",
            },
        }
    }
}

/// A kernel that is loaded and waits. Unless it is kept, it is unloaded when this value goes.
#[derive(Debug)]
pub struct Loaded {
    kept: bool,
}

impl Loaded {
    /// Loads `kernel` with `initrd`, to be started by `running` with `command_line`.
    ///
    /// # Errors
    /// If a file cannot be read, the running kernel refuses, or starting it would reset the machine.
    pub fn load(
        kernel: &Path,
        initrd: &Path,
        command_line: &CStr,
        running: Running<'_>,
    ) -> Result<Loaded, LoadError> {
        let failed = |path: &Path, source| LoadError::Io {
            path: path.to_owned(),
            source,
        };
        let open = |path: &Path| File::open(path).map_err(|source| failed(path, source));
        let (kernel_file, initrd_file) = (open(kernel)?, open(initrd)?);
        let resets = running.resets_with(&kernel_file);
        if resets.map_err(|source| failed(kernel, source))? {
            return Err(LoadError::Paging {
                path: kernel.to_owned(),
                running: running.release.to_owned(),
            });
        }
        file_load(
            kernel_file.as_raw_fd(),
            initrd_file.as_raw_fd(),
            command_line,
            0,
        )
        .map_err(|error| LoadError::Refused {
            path: kernel.to_owned(),
            error,
        })?;
        Ok(Loaded { kept: false })
    }

    /// Leaves the kernel loaded, for whoever starts it.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        if !self.kept {
            // A kernel that stays loaded does nothing by itself.
            let _ = file_load(-1, -1, c"", UNLOAD);
        }
    }
}

/// Whether the running kernel loads another one if it is asked to.
///
/// # Errors
/// That it does not.
pub fn may_load() -> Result<(), LoadError> {
    // Whether one may is asked first, and only then what the descriptors are (kernel/kexec_file.c).
    match file_load(-1, -1, c"", 0) {
        Ok(()) | Err(Errno::EBADF) => Ok(()),
        Err(error) => Err(LoadError::Never { error }),
    }
}

#[allow(unsafe_code)]
fn file_load(
    kernel: i32,
    initrd: i32,
    command_line: &CStr,
    flags: libc::c_ulong,
) -> Result<(), Errno> {
    let bytes = command_line.to_bytes_with_nul();
    // SAFETY: the kernel reads the descriptors, and `bytes.len()` bytes, which include the zero,
    // at a pointer that is valid for the call. Nothing in this process changes.
    let result = unsafe {
        libc::syscall(
            libc::SYS_kexec_file_load,
            libc::c_long::from(kernel),
            libc::c_long::from(initrd),
            bytes.len(),
            bytes.as_ptr(),
            flags,
        )
    };
    Errno::result(result).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNNING: Running<'_> = Running {
        release: "6.12.117",
        five_levels: false,
    };

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Loaded::load(
            Path::new("/no/kernel"),
            Path::new("/no/initrd"),
            c"quiet",
            RUNNING,
        );
        assert!(
            matches!(error, Err(LoadError::Io { path, .. }) if path == Path::new("/no/kernel"))
        );
    }

    #[test]
    fn what_is_no_kernel_is_refused() {
        let own = Path::new("/dev/null");
        let error = Loaded::load(own, own, c"", RUNNING);
        assert!(matches!(error, Err(LoadError::Refused { .. })));
    }
}
