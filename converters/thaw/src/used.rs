//! What the processes of a plan use of file systems, and how it is recognised.

use crate::plan::{Plan, Process};
use kconv_image::ResourceId;
use kconv_resources::linux6::File;
use std::collections::{BTreeMap, BTreeSet};

/// How a file is recognised. A program or library is also the same if its size and its build ID are.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// On a disk: inode, size and time of the last change are those at the freeze.
    Inode,
    /// On layers of which the lower are there again after a boot: size and time of the last change are
    /// those at the freeze.
    Time,
    /// In memory, where a boot fills file systems anew: the contents are those at the freeze.
    Contents,
    /// The kernel makes its contents: the name is enough.
    Name,
}

impl Policy {
    /// The policy for a file system.
    pub(crate) fn of(file_system: &str) -> Policy {
        match file_system {
            "rootfs" | "ramfs" | "tmpfs" => Policy::Contents,
            "overlay" => Policy::Time,
            "proc" | "sysfs" | "cgroup" | "cgroup2" | "devtmpfs" | "devpts" | "debugfs"
            | "tracefs" | "securityfs" => Policy::Name,
            _ => Policy::Inode,
        }
    }

    pub(crate) fn name(self, has_id: bool, has_contents: bool) -> &'static str {
        match self {
            Policy::Inode | Policy::Time | Policy::Contents if has_id => "by size and build ID",
            Policy::Inode => "by inode, size and time",
            Policy::Time => "by size and time",
            Policy::Contents if has_contents => "by its contents",
            Policy::Contents => "by size",
            Policy::Name => "by name",
        }
    }
}

/// Whether what is on a file system is in memory alone, where kconv makes files again.
pub(crate) fn in_memory(file_system: &str) -> bool {
    file_system == "devtmpfs" || Policy::of(file_system) == Policy::Contents
}

/// Whether a file is one of `/proc/PID` of a task that is yet to be made.
pub(crate) fn is_of_a_task(file: &File, own: &BTreeSet<i32>) -> bool {
    task_of(file).is_some_and(|pid| own.contains(&pid))
}

/// The task that a file of `/proc/PID` is about.
pub(crate) fn task_of(file: &File) -> Option<i32> {
    let mut parts = file.path.split('/').skip(1);
    match (parts.next(), parts.next()) {
        (Some("proc"), Some(pid)) => pid.parse().ok(),
        _ => None,
    }
}

/// The files that are mapped from the image, and how what is there now differs.
pub(crate) type Copies = BTreeMap<ResourceId, String>;

/// What the processes have mapped, programs included.
pub(crate) fn mapped(plan: &Plan) -> impl Iterator<Item = ResourceId> {
    plan.processes
        .iter()
        .flat_map(|process| mapped_by(plan, process))
}

fn mapped_by<'p>(plan: &'p Plan, process: &'p Process) -> impl Iterator<Item = ResourceId> + 'p {
    let files = process.memory.iter().flat_map(|memory| {
        let mapped = memory.mappings.iter().filter_map(|mapping| mapping.file);
        mapped.chain(memory.program)
    });
    files.map(|file| plan.files[file].resource)
}

/// What the processes have open under a number.
pub(crate) fn opened(plan: &Plan) -> impl Iterator<Item = ResourceId> {
    let descriptors = plan
        .processes
        .iter()
        .flat_map(|process| &process.descriptors);
    descriptors.map(|open| plan.files[open.file].resource)
}

/// What the processes have open, mapped, or are in, and which of them.
pub(crate) fn users(plan: &Plan) -> BTreeMap<ResourceId, BTreeSet<i32>> {
    let mut users: BTreeMap<ResourceId, BTreeSet<i32>> = BTreeMap::new();
    for process in &plan.processes {
        let mut uses = |resource: ResourceId| {
            users.entry(resource).or_default().insert(process.pid);
        };
        mapped_by(plan, process).for_each(&mut uses);
        for open in &process.descriptors {
            uses(plan.files[open.file].resource);
        }
        for thread in &process.threads {
            uses(thread.folders.root);
            uses(thread.folders.working);
        }
    }
    users
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_boot_leaves_nothing_of_is_told_from_disks() {
        for file_system in ["tmpfs", "ramfs", "rootfs", "devtmpfs"] {
            assert!(in_memory(file_system), "{file_system}");
        }
        for file_system in ["ext4", "overlay", "proc", "nfs", ""] {
            assert!(!in_memory(file_system), "{file_system}");
        }
        assert_eq!(Policy::of("overlay"), Policy::Time);
        assert_eq!(Policy::of("xfs"), Policy::Inode);
        assert_eq!(Policy::of("sysfs"), Policy::Name);
    }
}
