//! Which system calls a task may make.

use kconv_image::ResourceId;
use kconv_objects::{FieldError, Saved};

/// How calls are held back (`include/uapi/linux/seccomp.h`: SECCOMP_MODE_*).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Seccomp {
    /// Not at all.
    Off,
    /// All but read, write, exit and sigreturn.
    Strict,
    /// By filters, a resource of the image.
    Filters(ResourceId),
}

impl Seccomp {
    /// What a task has.
    ///
    /// # Errors
    /// If it cannot be read, is none that is known, or the filters are no resource.
    pub fn of(task: &Saved<'_>) -> Result<Seccomp, FieldError> {
        const NONE: &str = "the filters of a task with filters are a resource of the image";
        let field = "seccomp.mode";
        match task.unsigned(field)? {
            0 => Ok(Seccomp::Off),
            1 => Ok(Seccomp::Strict),
            2 => {
                let filters = task.resource_id("seccomp.filter")?;
                let filters = filters.ok_or_else(|| task.absurd("seccomp.filter", 0, NONE))?;
                Ok(Seccomp::Filters(filters))
            }
            mode => Err(task.absurd(field, mode, "0, 1 and 2 are known")),
        }
    }

    /// The number that the kernel has for it.
    pub fn mode(self) -> u64 {
        match self {
            Seccomp::Off => 0,
            Seccomp::Strict => 1,
            Seccomp::Filters(_) => 2,
        }
    }
}
