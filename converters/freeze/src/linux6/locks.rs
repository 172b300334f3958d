//! Locks on open files. No saved object leads to them; their files' inodes do.

use super::{Linux6, not_carried, object_id};
use crate::error::Flaw;
use crate::family::{Family, Reference};
use crate::memory::View;
use crate::resources::Attributes;
use kconv_codes::Code;
use kconv_image::{KernelAddr, Value};

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
        for (style, list) in [("posix", "flc_posix"), ("flock", "flc_flock")] {
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

    fn file_lock(&mut self, style: &str, at: KernelAddr) -> Result<(), Flaw> {
        let lock = self.walked.memory.read("file_lock", at)?;
        let mut attributes = Attributes::default();
        attributes.text("style", style);
        attributes.unsigned("flags", lock.unsigned("fl_flags|c.flc_flags")?);
        let ty = match lock.unsigned("fl_type|c.flc_type")? {
            0 => "read",
            1 => "write",
            2 => "unlocked",
            _ => "unknown",
        };
        attributes.text("type", ty);
        attributes.signed("start", lock.signed("fl_start")?);
        attributes.signed("end", lock.signed("fl_end")?);
        attributes.unsigned("pid", lock.unsigned("fl_pid|c.flc_pid")?);
        if let Some(owner) = lock.pointer("fl_owner|c.flc_owner")? {
            let files = self.walked.object_at("files_struct", owner);
            let owner = files.or_else(|| self.walked.object_at("file", owner));
            if let Some(owner) = owner {
                attributes.put("owner", Value::Object(object_id(owner)));
            }
        }
        let file = lock.pointer("fl_file|c.flc_file")?;
        if let Some(file) = file.and_then(|file| self.walked.object_at("file", file)) {
            let view = self.walked.view(file)?;
            let reference = Reference {
                kind: "file",
                at: view.address("f_path.dentry")?,
                mount: view.pointer("f_path.mnt")?,
            };
            attributes.put("file", Value::Object(object_id(file)));
            attributes.put("resource", Value::Resource(self.resource(&reference)?));
        }
        self.resources
            .add("file-lock", None, attributes.resource("file-lock", at));
        Ok(())
    }
}
