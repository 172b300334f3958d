//! Locks and leases on open files. No saved object leads to them; their files' inodes do.

use super::{Linux24, object_id};
use crate::error::{Fault, Flaw};
use crate::family::{Family, Reference};
use crate::resources::Attributes;
use kconv_image::{KernelAddr, Value};

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
        let mut attributes = Attributes::default();
        let flags = lock.unsigned("fl_flags")?;
        let style = match flags {
            flags if flags & FL_POSIX != 0 => "posix",
            flags if flags & FL_FLOCK != 0 => "flock",
            flags if flags & FL_LEASE != 0 => "lease",
            _ => "unknown",
        };
        attributes.text("style", style);
        attributes.unsigned("flags", flags);
        // F_RDLCK, F_WRLCK, F_UNLCK of include/asm-i386/fcntl.h.
        super::files::named(
            &mut attributes,
            "type",
            lock.unsigned("fl_type")?,
            &["read", "write", "unlocked"],
        );
        attributes.signed("start", lock.signed("fl_start")?);
        attributes.signed("end", lock.signed("fl_end")?);
        attributes.unsigned("pid", lock.unsigned("fl_pid")?);
        if let Some(owner) = lock.pointer("fl_owner")? {
            if let Some(files) = self.walked.object_at("files_struct", owner) {
                attributes.put("owner", Value::Object(object_id(files)));
            }
            let tasks = self.tasks_with("files", owner)?;
            let pids: Result<_, _> = tasks
                .into_iter()
                .map(|task| self.pid(task).map(Value::Signed))
                .collect();
            attributes.put("owner-pids", Value::List(pids?));
        }
        let file = lock.address("fl_file")?;
        if let Some(file) = self.walked.object_at("file", file) {
            let view = self.walked.view(file)?;
            let dentry = view.address("f_dentry")?;
            let mount = view.pointer("f_vfsmnt")?;
            let reference = Reference {
                kind: "file",
                at: dentry,
                mount,
            };
            attributes.put("file", Value::Object(object_id(file)));
            attributes.put("resource", Value::Resource(self.resource(&reference)?));
        }
        self.resources
            .add("file-lock", None, attributes.resource("file-lock", at));
        Ok(())
    }
}
