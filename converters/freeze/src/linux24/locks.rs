//! Locks and leases on open files. No saved object leads to them; their files' inodes do.

use super::{Linux24, object_id};
use crate::error::{Fault, Flaw};
use crate::family::{Family, Reference};
use kconv_image::KernelAddr;
use kconv_resources::Named;
use kconv_resources::linux24::{FileLock, LockStyle, LockedFile, Resource};

/// The most locks on one file.
const MAX_LOCKS: usize = 1 << 20;

/// `FL_*` of `include/linux/fs.h`.
const FL_POSIX: u64 = 1;
const FL_FLOCK: u64 = 2;
const FL_LEASE: u64 = 32;

impl Linux24<'_> {
    /// Names every lock on the file that object `file` has open.
    pub(super) fn file_locks(&mut self, file: usize) -> Result<(), Flaw> {
        let memory = self.walked.memory;
        let dentry = self.walked.view(file)?;
        let dentry = memory.read("dentry", dentry.address("f_dentry")?)?;
        let inode = memory.read("inode", dentry.address("d_inode")?)?;
        let mut next = inode.pointer("i_flock")?;
        for _ in 0..MAX_LOCKS {
            let Some(at) = next else {
                return Ok(());
            };
            let lock = memory.read("file_lock", at)?;
            next = lock.pointer("fl_next")?;
            if self.resources.known("file-lock", at, None).is_none() {
                self.file_lock(at)?;
            }
        }
        let what = "locks";
        Err(Fault::Chain {
            what,
            at: inode.at(),
            limit: MAX_LOCKS,
        }
        .into())
    }

    fn file_lock(&mut self, at: KernelAddr) -> Result<(), Flaw> {
        let lock = self.walked.memory.read("file_lock", at)?;
        let flags = lock.unsigned("fl_flags")?;
        let style = match flags {
            flags if flags & FL_POSIX != 0 => LockStyle::Posix,
            flags if flags & FL_FLOCK != 0 => LockStyle::Flock,
            flags if flags & FL_LEASE != 0 => LockStyle::Lease,
            _ => LockStyle::Unknown,
        };
        let (mut files, mut pids) = (None, None);
        if let Some(owner) = lock.pointer("fl_owner")? {
            files = self.walked.object_at("files_struct", owner);
            let tasks = self.tasks_with("files", owner)?.into_iter();
            pids = Some(tasks.map(|task| self.pid(task)).collect::<Result<_, _>>()?);
        }
        let file = self.walked.object_at("file", lock.address("fl_file")?);
        let file = match file {
            Some(file) => {
                let view = self.walked.view(file)?;
                let reference = Reference {
                    kind: "file",
                    at: view.address("f_dentry")?,
                    mount: view.pointer("f_vfsmnt")?,
                };
                Some(LockedFile {
                    file: object_id(file),
                    resource: self.resource(&reference)?,
                })
            }
            None => None,
        };
        // F_RDLCK, F_WRLCK, F_UNLCK of include/asm-i386/fcntl.h.
        let types = ["read", "write", "unlocked"];
        let lock = FileLock {
            style,
            flags,
            lock_type: Named::new(lock.unsigned("fl_type")?, &types),
            start: lock.signed("fl_start")?,
            end: lock.signed("fl_end")?,
            pid: lock.unsigned("fl_pid")?,
            owner: files.map(object_id),
            owner_pids: pids,
            file,
        };
        self.resources
            .add("file-lock", at, None, Resource::FileLock(lock));
        Ok(())
    }
}
