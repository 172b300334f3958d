//! Where paths of a task begin.

use kconv_image::ResourceId;
use kconv_objects::{FieldError, Saved};

/// Root and working directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// The root.
    pub root: ResourceId,
    /// The working directory.
    pub working: ResourceId,
    /// Permissions that new files do not get.
    pub umask: u32,
}

impl Folders {
    /// Those of a task; none of one that has ended.
    ///
    /// # Errors
    /// If they cannot be read, or one of them is nowhere.
    pub fn of(task: &Saved<'_>) -> Result<Option<Folders>, FieldError> {
        let Some(fs) = task.follow("fs")? else {
            return Ok(None);
        };
        let folder = |path: &str| {
            fs.resource_id(path)?
                .ok_or_else(|| fs.absurd(path, 0, "a task is always somewhere"))
        };
        Ok(Some(Folders {
            root: folder("root.dentry")?,
            working: folder("pwd.dentry")?,
            umask: fs.unsigned("umask")? as u32,
        }))
    }
}
