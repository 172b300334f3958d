//! Namespaces, cgroups, keys and the like: what a task belongs to, by name.

use super::{Linux6, not_carried, object_id, required};
use crate::error::{Fault, Flaw};
use crate::resources::Attributes;
use kconv_image::{KernelAddr, Resource, Value};

/// The most directories down to a cgroup, and the longest of their names (`NAME_MAX`).
const MAX_DEPTH: usize = 1024;
const MAX_NAME: u64 = 255;

impl Linux6<'_> {
    /// A namespace. Only those that the machine starts with are carried: any other has to be
    /// there, filled alike, before the task can be put into it.
    pub(super) fn namespace(&self, kind: &str, at: KernelAddr) -> Result<Resource, Flaw> {
        let memory = self.walked.memory;
        let (ty, symbol) = match kind {
            "uts" => ("uts_namespace", "init_uts_ns"),
            "ipc" => ("ipc_namespace", "init_ipc_ns"),
            "pid" => ("pid_namespace", "init_pid_ns"),
            "net" => ("net", "init_net"),
            "time" => ("time_namespace", "init_time_ns"),
            "cgroup" => ("cgroup_namespace", "init_cgroup_ns"),
            "user" => ("user_namespace", "init_user_ns"),
            "mount" => ("mnt_namespace", ""),
            _ => {
                let kind = format!("{kind}-namespace");
                return Err(Flaw::UnknownKind { kind });
            }
        };
        let number = memory.read(ty, at)?.unsigned("ns.inum")?;
        let initial = match symbol {
            "" => self.mount_namespace,
            symbol => memory.source.symbol(symbol),
        };
        if initial != Some(at) {
            let article = if kind.starts_with('i') { "an" } else { "a" };
            return Err(not_carried(format!(
                "{article} {kind} namespace of its own ({number})"
            )));
        }
        let mut attributes = Attributes::default();
        attributes.unsigned("inode", number);
        attributes.unsigned("initial", 1);
        Ok(attributes.resource(&format!("{kind}-namespace"), at))
    }

    /// The cgroups of a `css_set`, by the path in the unified hierarchy (`kernel/cgroup/cgroup.c`:
    /// cgroup_path_ns; `fs/kernfs/dir.c`: kernfs_path_from_node).
    pub(super) fn cgroup(&self, at: KernelAddr) -> Result<Resource, Fault> {
        let memory = self.walked.memory;
        let cgroup = memory.read("css_set", at)?.pointer("dfl_cgrp")?;
        let mut names = Vec::new();
        if let Some(cgroup) = cgroup {
            let mut next = memory.read("cgroup", cgroup)?.pointer("kn")?;
            while let Some(node) = next {
                if names.len() >= MAX_DEPTH {
                    return Err(Fault::Chain {
                        what: "cgroups",
                        at,
                        limit: MAX_DEPTH,
                    });
                }
                let node = memory.read("kernfs_node", node)?;
                let name = node.pointer("name")?;
                names.push(name.and_then(|name| memory.text(name, MAX_NAME)));
                next = node.pointer("parent")?;
            }
        }
        // The last is the root, whose name is empty.
        names.pop();
        let mut path = String::new();
        for name in names.into_iter().rev() {
            path.push('/');
            path.push_str(&name.unwrap_or_default());
        }
        let mut attributes = Attributes::default();
        attributes.text("path", if path.is_empty() { "/" } else { &path });
        Ok(attributes.resource("cgroup", at))
    }

    /// A key that is a keyring (`include/linux/key.h`).
    pub(super) fn keyring(&self, at: KernelAddr) -> Result<Resource, Flaw> {
        let memory = self.walked.memory;
        let key = memory.read("key", at)?;
        let ty = required(&key, "key", "type")?;
        let ty = memory.read("key_type", ty)?.pointer("name")?;
        let ty = ty.and_then(|name| memory.text(name, MAX_NAME));
        let ty = ty.unwrap_or_default();
        if ty != "keyring" {
            return Err(not_carried(format!("a key of type {ty}")));
        }
        let mut attributes = Attributes::default();
        attributes.signed("serial", key.signed("serial")?);
        let text = key.pointer("description")?;
        if let Some(text) = text.and_then(|text| memory.text(text, MAX_NAME)) {
            attributes.text("description", text);
        }
        attributes.unsigned("uid", key.unsigned("uid.val")?);
        attributes.unsigned("permissions", key.unsigned("perm")?);
        Ok(attributes.resource("keyring", at))
    }

    /// What the security modules keep for a subject is theirs alone; that there is something is
    /// all that can be told from outside.
    pub(super) fn security_label(&self, at: KernelAddr) -> Resource {
        Attributes::default().resource("security-label", at)
    }

    /// What semaphores are adjusted by when the task exits (`ipc/sem.c`: exit_sem).
    pub(super) fn sem_undo(&self, at: KernelAddr) -> Result<Resource, Flaw> {
        let walked = self.walked;
        let undo = walked.memory.read("sem_undo_list", at)?;
        let link = walked.offset_of("sem_undo", "list_proc")?;
        let head = undo.address_of("list_proc")?;
        let mut sets = Vec::new();
        for undo in walked.list(head, undo.pointer("list_proc.next")?, link)? {
            let undo = walked.memory.read("sem_undo", undo)?;
            sets.push(Value::Signed(undo.signed("semid")?));
        }
        if !sets.is_empty() {
            return Err(not_carried(
                "an adjustment of System V semaphores (SEM_UNDO)",
            ));
        }
        Ok(Attributes::default().resource("sem-undo", at))
    }

    /// The parent on whose stack the completion lies that ends its vfork.
    pub(super) fn vfork(&self, at: KernelAddr) -> Result<Resource, Flaw> {
        let parent = self.task_with_stack_around(at)?;
        let parent = parent.ok_or_else(|| {
            not_carried("a vfork whose parent, which waits for it, is not frozen with it")
        })?;
        let mut attributes = Attributes::default();
        attributes.signed("parent-pid", self.walked.view(parent)?.signed("pid")?);
        attributes.put("parent", Value::Object(object_id(parent)));
        Ok(attributes.resource("vfork", at))
    }
}
