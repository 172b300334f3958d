//! Who a task is, and what it may do.

use kconv_objects::{FieldError, Saved, Structure};

/// NGROUPS_MAX (`include/uapi/linux/limits.h`).
const MOST_GROUPS: u64 = 65536;

/// Who a task is and what it may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Real, effective, saved and file system user.
    pub users: [u32; 4],
    /// Real, effective, saved and file system group.
    pub groups: [u32; 4],
    /// Supplementary groups.
    pub supplementary: Vec<u32>,
    /// Capabilities.
    pub capabilities: Capabilities,
    /// Secure bits.
    pub secure_bits: u32,
}

/// The sets of capabilities, one bit for each.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// What it uses.
    pub effective: u64,
    /// What it may use.
    pub permitted: u64,
    /// What it gives on over an execve of a file that has them, too.
    pub inheritable: u64,
    /// What it can ever have.
    pub bounding: u64,
    /// What it gives on over any execve.
    pub ambient: u64,
}

impl Credentials {
    /// Those of a task.
    ///
    /// A task has two pointers at credentials: `real_cred` is what it is, and `cred` what it acts as, which
    /// is the same but for a moment inside the kernel (`include/linux/cred.h`: struct cred;
    /// `kernel/cred.c`: commit_creds sets both, override_creds only `cred`). What it is to others, what
    /// `/proc` shows (`fs/proc/array.c`: task_state) and what it has again when the moment is over is the
    /// first.
    ///
    /// # Errors
    /// If they are not there, or cannot be read.
    pub fn of(task: &Saved<'_>) -> Result<Credentials, FieldError> {
        let cred = task.required("real_cred")?;
        let supplementary = match cred.follow("group_info")? {
            Some(info) => {
                let count = info.unsigned("ngroups")?;
                if count > MOST_GROUPS {
                    return Err(info.absurd("ngroups", count, "NGROUPS_MAX is 65536"));
                }
                let groups = info.flexible("gid", count)?;
                let groups = groups.iter().map(|group| id(group, "val"));
                groups.collect::<Result<_, _>>()?
            }
            None => Vec::new(),
        };
        Credentials::in_cred(&cred, supplementary)
    }

    /// Those in a `cred`, whose `group_info` has these groups.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn in_cred<B: AsRef<[u8]>>(
        cred: &Structure<'_, B>,
        supplementary: Vec<u32>,
    ) -> Result<Credentials, FieldError> {
        Ok(Credentials {
            users: [
                id(cred, "uid.val")?,
                id(cred, "euid.val")?,
                id(cred, "suid.val")?,
                id(cred, "fsuid.val")?,
            ],
            groups: [
                id(cred, "gid.val")?,
                id(cred, "egid.val")?,
                id(cred, "sgid.val")?,
                id(cred, "fsgid.val")?,
            ],
            supplementary,
            capabilities: Capabilities {
                effective: set(cred, "cap_effective.val", "cap_effective.cap")?,
                permitted: set(cred, "cap_permitted.val", "cap_permitted.cap")?,
                inheritable: set(cred, "cap_inheritable.val", "cap_inheritable.cap")?,
                bounding: set(cred, "cap_bset.val", "cap_bset.cap")?,
                ambient: set(cred, "cap_ambient.val", "cap_ambient.cap")?,
            },
            secure_bits: id(cred, "securebits")?,
        })
    }
}

fn id<B: AsRef<[u8]>>(of: &Structure<'_, B>, path: &str) -> Result<u32, FieldError> {
    Ok(of.unsigned(path)? as u32)
}

/// A set of capabilities, which is one word of 64 bits in 6.12 and two of 32 in 6.1, the low one first
/// (`include/linux/capability.h`: kernel_cap_t).
fn set<B: AsRef<[u8]>>(
    cred: &Structure<'_, B>,
    word: &str,
    words: &str,
) -> Result<u64, FieldError> {
    match cred.optional(word)? {
        Some(bits) => Ok(bits),
        None => {
            let words = cred.numbers(words)?;
            Ok(words.iter().rev().fold(0, |bits, word| bits << 32 | word))
        }
    }
}
