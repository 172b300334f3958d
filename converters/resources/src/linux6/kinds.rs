//! The kinds of resources.

use super::events::{EpollWatch, EventFd, SignalFd, TimerFd};
use super::file::File;
use super::journal::JournalStream;
use super::lock::FileLock;
use super::named::{
    Cgroup, Keyring, Mount, Namespace, SeccompFilter, SharedMemory, Special, Terminal,
    TimeNamespace, Vfork,
};
use super::pipe::Pipe;
use super::socket::PairedSocket;
use crate::values::{Bare, Device};

/// What images call a [`TimeNamespace`].
pub(super) const TIME_NAMESPACE: &str = "time-namespace";

kinds! {
    /// Something outside of the image.
    pub enum Resource {
        /// What has a path: a file, a folder, a device, a FIFO.
        File(File) = "file",
        /// A pipe without a name.
        Pipe(Pipe) = "pipe",
        /// A stream to the journal of systemd.
        JournalStream(JournalStream) = "journal-stream",
        /// One of a pair of sockets.
        PairedSocket(PairedSocket) = "paired-socket",
        /// A counter that is waited for.
        EventFd(EventFd) = "eventfd",
        /// A timer that is read.
        TimerFd(TimerFd) = "timerfd",
        /// Signals that are read.
        SignalFd(SignalFd) = "signalfd",
        /// An epoll, of which nothing is known but what it waits for.
        Epoll(Bare) = "epoll",
        /// What an epoll waits for at one file.
        EpollWatch(EpollWatch) = "epoll-watch",
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

/// Whether resources of this kind are had by those tasks alone that have them open or mapped, are in them, or wait
/// for them. A key, for one, is had through credentials that tasks share; a lock is found by its file, as what an epoll
/// waits for is.
pub fn is_had_by_number(kind: &str) -> bool {
    matches!(
        kind,
        "file"
            | "pipe"
            | "journal-stream"
            | "paired-socket"
            | "eventfd"
            | "timerfd"
            | "signalfd"
            | "epoll"
            | "shared-memory"
            | "mount"
            | "tty"
            | "cgroup"
            | "vfork"
            | "seccomp-filter"
            | "uts-namespace"
            | "ipc-namespace"
            | "pid-namespace"
            | "net-namespace"
            | "cgroup-namespace"
            | "user-namespace"
            | "mount-namespace"
            | TIME_NAMESPACE
    )
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
            | Resource::JournalStream(_)
            | Resource::PairedSocket(_)
            | Resource::EventFd(_)
            | Resource::TimerFd(_)
            | Resource::SignalFd(_)
            | Resource::Epoll(_)
            | Resource::EpollWatch(_)
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

    /// The path, of what has one.
    pub fn path(&self) -> Option<&str> {
        match self {
            Resource::File(file) => Some(&file.path),
            Resource::Mount(mount) => Some(&mount.path),
            Resource::Cgroup(cgroup) => Some(&cgroup.path),
            _ => None,
        }
    }

    /// The number of its inode, of what has one: a file, a pipe, a namespace.
    pub fn inode(&self) -> Option<u64> {
        match self {
            Resource::File(file) => Some(file.inode.inode),
            Resource::SharedMemory(memory) => Some(memory.inode.inode),
            Resource::Pipe(pipe) => Some(pipe.inode),
            Resource::JournalStream(stream) => Some(stream.inode),
            Resource::PairedSocket(socket) => Some(socket.inode),
            Resource::TimeNamespace(of_time) => Some(of_time.namespace.inode),
            other => other.namespace().map(|namespace| namespace.inode),
        }
    }

    /// The device that its file system is on, or stands for one, of what is opened.
    pub fn device(&self) -> Option<Device> {
        match self {
            Resource::File(file) => Some(file.inode.device),
            Resource::SharedMemory(memory) => Some(memory.inode.device),
            _ => None,
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
