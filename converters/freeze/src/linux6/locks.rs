//! Locks on open files. No saved object leads to them; their files' inodes do.

use super::{Linux6, not_carried, object_id};
use crate::error::{Fault, Flaw};
use crate::family::{Family, Reference};
use crate::memory::View;
use kconv_codes::Code;
use kconv_image::KernelAddr;
use kconv_resources::linux6::{FileLock, LockStyle, LockType, LockedFile, Resource};

impl Linux6<'_> {
    /// Names every lock on the file that object `file` has open (`fs/locks.c`).
    pub(super) fn file_locks(&mut self, file: usize) -> Result<(), Flaw> {
        let memory = self.walked.memory;
        let view = self.walked.view(file)?;
        let Some(dentry) = view.pointer("f_path.dentry")? else {
            return Ok(());
        };
        let dentry = memory.read("dentry", dentry)?;
        let inode = memory.read("inode", dentry.address("d_inode")?)?;
        let Some(context) = inode.pointer("i_flctx")? else {
            return Ok(());
        };
        let context = memory.read("file_lock_context", context)?;
        for (style, list) in [
            (LockStyle::Posix, "flc_posix"),
            (LockStyle::Flock, "flc_flock"),
        ] {
            for lock in self.locks(&context, list)? {
                if self.resources.known("file-lock", lock, None).is_none() {
                    self.file_lock(style, lock)?;
                }
            }
        }
        match self.locks(&context, "flc_lease")?.is_empty() {
            true => Ok(()),
            false => Err(not_carried(Code::FdLease, "a lease on a file")),
        }
    }

    fn locks(&self, context: &View<'_>, list: &str) -> Result<Vec<KernelAddr>, Flaw> {
        let head = context.address_of(list)?;
        let first = context.pointer(&format!("{list}.next"))?;
        let link = self.walked.offset_of("file_lock", "fl_list|c.flc_list")?;
        self.walked.list(head, first, link)
    }

    fn file_lock(&mut self, style: LockStyle, at: KernelAddr) -> Result<(), Flaw> {
        let lock = self.walked.memory.read("file_lock", at)?;
        let number = lock.unsigned("fl_type|c.flc_type")?;
        // F_RDLCK and F_WRLCK (include/uapi/asm-generic/fcntl.h); what is unlocked has no lock.
        let lock_type = match number {
            0 => LockType::Read,
            1 => LockType::Write,
            _ => {
                let expected = "0 or 1, for what is locked";
                let error = lock.absurd("fl_type|c.flc_type", number, expected);
                return Err(Fault::from(error).into());
            }
        };
        let owner = lock.pointer("fl_owner|c.flc_owner")?.and_then(|owner| {
            let files = self.walked.object_at("files_struct", owner);
            files.or_else(|| self.walked.object_at("file", owner))
        });
        let file = lock.pointer("fl_file|c.flc_file")?;
        let file = match file.and_then(|file| self.walked.object_at("file", file)) {
            Some(file) => {
                let view = self.walked.view(file)?;
                let reference = Reference {
                    kind: "file",
                    at: view.address("f_path.dentry")?,
                    mount: view.pointer("f_path.mnt")?,
                };
                Some(LockedFile {
                    file: object_id(file),
                    resource: self.resource(&reference)?,
                })
            }
            None => None,
        };
        let lock = FileLock {
            style,
            flags: lock.unsigned("fl_flags|c.flc_flags")?,
            lock_type,
            start: lock.signed("fl_start")?,
            end: lock.signed("fl_end")?,
            pid: lock.unsigned("fl_pid|c.flc_pid")? as u32,
            owner: owner.map(object_id),
            file,
        };
        self.resources
            .add("file-lock", at, None, Resource::FileLock(lock));
        Ok(())
    }
}
