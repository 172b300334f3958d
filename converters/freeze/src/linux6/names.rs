//! Namespaces, cgroups, keys and the like: what a task belongs to, by name.

use super::{Linux6, not_carried, object_id};
use crate::error::{Fault, Flaw};
use kconv_codes::Code;
use kconv_image::KernelAddr;
use kconv_resources::linux6::{Cgroup, Keyring, Namespace, Parent, Resource, TimeNamespace, Vfork};

/// The most directories down to a cgroup, and the longest of their names (`NAME_MAX`).
const MAX_DEPTH: usize = 1024;
const MAX_NAME: u64 = 255;

/// An offset of a time namespace in nanoseconds; `None` if it is longer than 292 years.
fn offset(seconds: i64, nanoseconds: i64) -> Option<i64> {
    seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)
}

impl Linux6<'_> {
    /// A namespace. Only those that the machine starts with are carried, and any of time, which is
    /// two numbers: any other has to be there, filled alike, before the task can be put into it.
    pub(super) fn namespace(&self, kind: &str, at: KernelAddr) -> Result<Resource, Flaw> {
        let memory = self.walked.memory;
        type Carried = fn(Namespace) -> Resource;
        let (ty, symbol, carried): (&str, &str, Carried) = match kind {
            "uts" => ("uts_namespace", "init_uts_ns", Resource::UtsNamespace),
            "ipc" => ("ipc_namespace", "init_ipc_ns", Resource::IpcNamespace),
            "pid" => ("pid_namespace", "init_pid_ns", Resource::PidNamespace),
            "net" => ("net", "init_net", Resource::NetNamespace),
            "cgroup" => (
                "cgroup_namespace",
                "init_cgroup_ns",
                Resource::CgroupNamespace,
            ),
            "user" => ("user_namespace", "init_user_ns", Resource::UserNamespace),
            "mount" => ("mnt_namespace", "", Resource::MountNamespace),
            "time" => return self.time_namespace(at),
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
        match initial == Some(at) {
            true => Ok(carried(Namespace {
                inode: number,
                is_initial: true,
            })),
            false => Err(Flaw::Namespace {
                kind: kind.to_owned(),
                number,
                with: 0,
            }),
        }
    }

    fn time_namespace(&self, at: KernelAddr) -> Result<Resource, Flaw> {
        let memory = self.walked.memory;
        let namespace = memory.read("time_namespace", at)?;
        let offset_of = |clock: &str| -> Result<i64, Flaw> {
            let seconds = namespace.signed(&format!("offsets.{clock}.tv_sec"))?;
            let rest = namespace.signed(&format!("offsets.{clock}.tv_nsec"))?;
            offset(seconds, rest).ok_or_else(|| {
                let what =
                    format!("a time namespace whose {clock} is {seconds} s ahead of the machine's");
                not_carried(Code::NamespaceTimeOffset, what)
            })
        };
        Ok(Resource::TimeNamespace(TimeNamespace {
            namespace: Namespace {
                inode: namespace.unsigned("ns.inum")?,
                is_initial: memory.source.symbol("init_time_ns") == Some(at),
            },
            monotonic: offset_of("monotonic")?,
            boottime: offset_of("boottime")?,
        }))
    }

    /// That all tasks are in one time namespace, and what they start will be as well: a thaw makes
    /// one, and puts all of them into it.
    pub(super) fn time_namespaces(
        &self,
        refuse: &mut dyn FnMut(usize, &str, Flaw),
    ) -> Result<(), Fault> {
        let mut first = None;
        for nsproxy in self.walked.objects_of("nsproxy") {
            let view = self.walked.view(nsproxy)?;
            let own = view.unsigned("time_ns")?;
            if view.unsigned("time_ns_for_children")? != own {
                let what = "a time namespace that only the next child will be in";
                let flaw = not_carried(Code::NamespaceTime, what);
                refuse(nsproxy, "time_ns_for_children", flaw);
            }
            if *first.get_or_insert(own) != own {
                let what = "a time namespace other than that of the first task, with which it is \
                            frozen,";
                refuse(nsproxy, "time_ns", not_carried(Code::NamespaceTime, what));
            }
        }
        Ok(())
    }

    /// The cgroups of a `css_set`, by the path in the unified hierarchy (`kernel/cgroup/cgroup.c`:
    /// cgroup_path_ns; `fs/kernfs/dir.c`: kernfs_path_from_node).
    pub(super) fn cgroup(&self, at: KernelAddr) -> Result<Cgroup, Fault> {
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
                next = node.pointer("parent|__parent")?;
            }
        }
        // The last is the root, whose name is empty.
        names.pop();
        let mut path = String::new();
        for name in names.into_iter().rev() {
            path.push('/');
            path.push_str(&name.unwrap_or_default());
        }
        let limits = memory.source.cgroup_limits(&path);
        if path.is_empty() {
            path.push('/');
        }
        Ok(Cgroup { limits, path })
    }

    /// A key that is a keyring (`include/linux/key.h`).
    pub(super) fn keyring(&self, at: KernelAddr) -> Result<Keyring, Flaw> {
        let memory = self.walked.memory;
        let key = memory.read("key", at)?;
        let ty = key.address("type")?;
        let ty = memory.read("key_type", ty)?.pointer("name")?;
        let ty = ty.and_then(|name| memory.text(name, MAX_NAME));
        let ty = ty.unwrap_or_default();
        if ty != "keyring" {
            return Err(not_carried(Code::KeyType, format!("a key of type {ty}")));
        }
        let text = key.pointer("description")?;
        Ok(Keyring {
            serial: key.signed("serial")?,
            description: text.and_then(|text| memory.text(text, MAX_NAME)),
            uid: key.unsigned("uid.val")?,
            permissions: key.unsigned("perm")?,
        })
    }

    /// That no semaphores are adjusted when the task exits (`ipc/sem.c`: exit_sem).
    pub(super) fn no_sem_undo(&self, at: KernelAddr) -> Result<(), Flaw> {
        let walked = self.walked;
        let undo = walked.memory.read("sem_undo_list", at)?;
        let link = walked.offset_of("sem_undo", "list_proc")?;
        let head = undo.address_of("list_proc")?;
        let sets = walked.list(head, undo.pointer("list_proc.next")?, link)?;
        match sets.is_empty() {
            true => Ok(()),
            false => Err(not_carried(
                Code::SemUndo,
                "an adjustment of System V semaphores (SEM_UNDO)",
            )),
        }
    }

    /// The parent on whose stack the completion lies that ends its vfork.
    pub(super) fn vfork(&self, at: KernelAddr) -> Result<Vfork, Fault> {
        let parent = self.task_with_stack_around(at)?;
        let parent = parent.map(|parent| -> Result<Parent, Fault> {
            Ok(Parent {
                pid: self.walked.view(parent)?.int("pid")?,
                task: object_id(parent),
            })
        });
        Ok(Vfork {
            parent: parent.transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::offset;

    #[test]
    fn an_offset_below_zero_borrows_from_its_seconds() {
        assert_eq!(offset(0, 0), Some(0));
        assert_eq!(offset(3, 1), Some(3_000_000_001));
        // A quarter of a second behind: timespec64 has nanoseconds above zero only.
        assert_eq!(offset(-1, 750_000_000), Some(-250_000_000));
        assert_eq!(offset(i64::MAX / 1_000_000_000 + 1, 0), None);
        assert_eq!(offset(i64::MIN, 0), None);
    }
}
