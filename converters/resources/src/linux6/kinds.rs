//! The kinds of resources.

use super::file::File;
use super::lock::FileLock;
use super::named::{
    Cgroup, Keyring, Mount, Namespace, SeccompFilter, SharedMemory, Special, Terminal,
    TimeNamespace, Vfork,
};
use super::pipe::Pipe;
use crate::values::Bare;

kinds! {
    /// Something outside of the image.
    pub enum Resource {
        /// What has a path: a file, a folder, a device, a FIFO.
        File(File) = "file",
        /// A pipe without a name.
        Pipe(Pipe) = "pipe",
        /// Memory without a name that processes share (`mm/shmem.c`: shmem_zero_setup).
        SharedMemory(SharedMemory) = "shared-memory",
        /// A mount.
        Mount(Mount) = "mount",
        /// A controlling terminal.
        Terminal(Terminal) = "tty",
        /// A lock on an open file.
        FileLock(FileLock) = "file-lock",
        /// A cgroup of version 2.
        Cgroup(Cgroup) = "cgroup",
        /// A keyring.
        Keyring(Keyring) = "keyring",
        /// What security modules keep for a task, which is theirs alone.
        SecurityLabel(Bare) = "security-label",
        /// A list of adjustments of System V semaphores, which is empty: others are not carried.
        SemUndo(Bare) = "sem-undo",
        /// A vfork that has not ended.
        Vfork(Vfork) = "vfork",
        /// The seccomp filters of a task.
        SeccompFilter(SeccompFilter) = "seccomp-filter",
        /// The code that the kernel maps into each program.
        Vdso(Special) = "vdso",
        /// What that code reads.
        Vvar(Special) = "vvar",
        /// A namespace of names of the machine.
        UtsNamespace(Namespace) = "uts-namespace",
        /// A namespace of System V IPC.
        IpcNamespace(Namespace) = "ipc-namespace",
        /// A namespace of PIDs.
        PidNamespace(Namespace) = "pid-namespace",
        /// A namespace of the network.
        NetNamespace(Namespace) = "net-namespace",
        /// A namespace of cgroups.
        CgroupNamespace(Namespace) = "cgroup-namespace",
        /// A namespace of users.
        UserNamespace(Namespace) = "user-namespace",
        /// A namespace of mounts.
        MountNamespace(Namespace) = "mount-namespace",
        /// A namespace of clocks.
        TimeNamespace(TimeNamespace) = "time-namespace",
        /// In the place of what cannot be carried, in an image that is judged before it is written.
        NotCarried(Bare) = "not-carried",
    }
}

impl Resource {
    /// The namespace, if it is one of those that are carried only as the machine starts with them.
    pub fn namespace(&self) -> Option<&Namespace> {
        match self {
            Resource::UtsNamespace(namespace)
            | Resource::IpcNamespace(namespace)
            | Resource::PidNamespace(namespace)
            | Resource::NetNamespace(namespace)
            | Resource::CgroupNamespace(namespace)
            | Resource::UserNamespace(namespace)
            | Resource::MountNamespace(namespace) => Some(namespace),
            Resource::File(_)
            | Resource::Pipe(_)
            | Resource::SharedMemory(_)
            | Resource::Mount(_)
            | Resource::Terminal(_)
            | Resource::FileLock(_)
            | Resource::Cgroup(_)
            | Resource::Keyring(_)
            | Resource::SecurityLabel(_)
            | Resource::SemUndo(_)
            | Resource::Vfork(_)
            | Resource::SeccompFilter(_)
            | Resource::Vdso(_)
            | Resource::Vvar(_)
            | Resource::TimeNamespace(_)
            | Resource::NotCarried(_) => None,
        }
    }

    /// What it is called where it is opened: its path, or its kind.
    pub fn name(&self) -> &str {
        match self {
            Resource::File(file) => &file.path,
            other => crate::Kind::kind(other),
        }
    }
}
