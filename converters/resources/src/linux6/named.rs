//! What tasks belong to, and what else they have that is no file.

use super::file::Inode;
use crate::attributes::{Attribute, Together};
#[cfg(test)]
use crate::sample::Seed;
use crate::values::{Bytes, Device};
use kconv_image::{ObjectId, Value};
use std::collections::BTreeMap;

attributes! {
    /// Memory without a name that processes share.
    pub struct SharedMemory {
        /// What its inode says.
        inode: Inode = ..,
    }
}

attributes! {
    /// A mount (`fs/mount.h`: struct mount).
    pub struct Mount {
        /// Where it is mounted, from the root of all mounts.
        path: String = "path",
        /// Whether no task of the first mount namespace can walk to it.
        is_internal: bool = "internal",
        /// Its number.
        id: i64 = "id",
        /// What it was mounted from. `None` if the kernel has no name for that, as of mounts of its own.
        device_name: Option<String> = "device-name",
        /// The device that its file system is on, or stands for one.
        device: Device = "device",
        /// The type of its file system.
        file_system: String = "file-system",
        /// What statfs(2) tells that type by.
        magic: u64 = "magic",
        /// `MNT_*` bits.
        flags: u64 = "flags",
        /// `SB_*` bits.
        super_block_flags: u64 = "super-block-flags",
    }
}

attributes! {
    /// A controlling terminal (`include/linux/tty.h`: struct tty_struct).
    pub struct Terminal {
        /// The name of its driver. `None` if that is in memory that could not be read: a dump may lack it.
        driver: Option<String> = "driver",
        /// What the driver's devices are called before their number. `None` for the same reason.
        driver_prefix: Option<String> = "driver-prefix",
        /// Its name, such as `pts0`.
        name: String = "name",
        /// Its number.
        device: Device = "device",
        /// Its place among those of its driver.
        index: i64 = "index",
        /// The process group in the foreground; 0 if there is none.
        pgrp: i64 = "pgrp",
        /// The session whose it is; 0 if there is none.
        session: i64 = "session",
        /// Lines of its window.
        rows: u64 = "rows",
        /// Columns of its window.
        columns: u64 = "columns",
        /// Its settings: a `struct ktermios`.
        termios: Bytes = "termios",
    }
}

attributes! {
    /// A cgroup of version 2.
    pub struct Cgroup {
        /// What limited it and those above it: what stood in a file of one of them, by the file's path. `None` in an image of a
        /// dump, where the files are not there to be read.
        limits: Option<BTreeMap<String, String>> = "limits",
        /// Its path in the hierarchy.
        path: String = "path",
    }
}

attributes! {
    /// A keyring (`include/linux/key.h`: struct key).
    pub struct Keyring {
        /// Its number.
        serial: i64 = "serial",
        /// Its name. `None` if it was given none.
        description: Option<String> = "description",
        /// The user whose it is.
        uid: u64 = "uid",
        /// `KEY_*` bits.
        permissions: u64 = "permissions",
    }
}

attributes! {
    /// A vfork that has not ended: whoever waits for it.
    pub struct Vfork {
        /// The parent that waits. `None` if it is not in the image.
        parent: Option<Parent> = ..,
    }
}

attributes! {
    /// A parent that waits for its child.
    pub struct Parent {
        /// Its number.
        pid: i32 = "parent-pid",
        /// Its task.
        task: ObjectId = "parent",
    }
}

impl Together for Parent {
    const NAMES: &'static [&'static str] = &["parent-pid", "parent"];
}

attributes! {
    /// The seccomp filters of a task.
    pub struct SeccompFilter {
        /// All of them, the newest first.
        filters: Vec<Filter> = "filters",
    }
}

/// A seccomp filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Whether what it does is logged (SECCOMP_FILTER_FLAG_LOG).
    pub log: bool,
    /// Its instructions: `struct sock_filter`s.
    pub program: Vec<u8>,
}

impl Attribute for Filter {
    fn expected() -> String {
        "a list of the unsigned number 0 or 1, and bytes".to_owned()
    }

    fn of(value: &Value) -> Option<Filter> {
        let Value::List(parts) = value else {
            return None;
        };
        let [log, program] = parts.as_slice() else {
            return None;
        };
        Some(Filter {
            log: bool::of(log)?,
            program: Bytes::of(program)?.0,
        })
    }

    fn value(&self) -> Value {
        Value::List(vec![self.log.value(), Value::Bytes(self.program.clone())])
    }

    #[cfg(test)]
    fn sample(source: &mut Seed) -> Filter {
        Filter {
            log: source.flip(),
            program: source.list(|source| source.number() as u8),
        }
    }
}

attributes! {
    /// A mapping that the kernel makes itself (`arch/x86/entry/vdso/vma.c`).
    pub struct Special {
        /// The `mm_struct` that it is in.
        mm: ObjectId = "mm",
        /// Its first address.
        start: u64 = "start",
        /// The first address after it.
        end: u64 = "end",
    }
}

attributes! {
    /// A namespace.
    pub struct Namespace {
        /// Its number.
        inode: u64 = "inode",
        /// Whether it is that which the machine starts with.
        is_initial: bool = "initial",
    }
}

attributes! {
    /// A namespace of clocks.
    pub struct TimeNamespace {
        /// What any namespace has.
        namespace: Namespace = ..,
        /// What it adds to the machine's CLOCK_MONOTONIC, in nanoseconds.
        monotonic: i64 = "monotonic-offset-nanoseconds",
        /// What it adds to the machine's CLOCK_BOOTTIME, in nanoseconds.
        boottime: i64 = "boottime-offset-nanoseconds",
    }
}
