//! What an open file, a directory or a mount is, found again by its path.
//!
//! A task may have any number of descriptors on things that have no path: pipes, sockets, System
//! V shared memory. They live on file systems of which the kernel keeps a mount of its own.

use super::Linux24;
use crate::error::{Fault, Flaw};
use crate::family::{Family, Reference};
use crate::memory::View;
use crate::resources::Attributes;
use kconv_image::{KernelAddr, Resource, Value};
use kconv_objects::{FieldAt, FieldError};

/// The most steps from a file to the root of all mounts.
const MAX_STEPS: usize = 4096;

/// The longest name of a directory entry (`NAME_MAX`), and more than a file system's type or a
/// mount's device has.
const MAX_NAME: u64 = 255;

/// Bytes that a pipe holds at most (`include/linux/pipe_fs_i.h`: PIPE_SIZE).
const PIPE_SIZE: u64 = 4096;

/// Where something is.
pub(super) struct Location {
    /// As `/proc/PID/fd` shows it, but from the root of all mounts, not of the task.
    pub(super) path: String,
    /// Name of the last component.
    pub(super) name: String,
    /// Whether the name was removed while the file stayed open.
    deleted: bool,
    /// Whether the mount belongs to the kernel, and no task can walk to it.
    pub(super) internal: bool,
}

impl Linux24<'_> {
    /// The path of `dentry` under `mount`, as `fs/dcache.c: __d_path` makes it.
    pub(super) fn location(
        &self,
        dentry: KernelAddr,
        mount: KernelAddr,
    ) -> Result<Location, Fault> {
        let memory = self.walked.memory;
        let mut components: Vec<String> = Vec::new();
        let mut deleted = None;
        let (mut dentry, mut mount) = (memory.read("dentry", dentry)?, mount);
        let start = dentry.at();
        for _ in 0..MAX_STEPS {
            let parent = dentry.address("d_parent")?;
            let vfsmount = memory.read("vfsmount", mount)?;
            let is_root = parent == dentry.at();
            deleted.get_or_insert(
                !is_root && dentry.pointer("d_hash.next")? == Some(dentry.address_of("d_hash")?),
            );
            if !is_root && vfsmount.address("mnt_root")? != dentry.at() {
                components.push(self.name(&dentry)?);
                dentry = memory.read("dentry", parent)?;
                continue;
            }
            let parent = vfsmount.address("mnt_parent")?;
            if parent == mount {
                let name = components.first().cloned().unwrap_or_default();
                components.reverse();
                // The name of a root is `/`, or something like `pipe:`.
                let path = self.name(&dentry)? + &components.join("/");
                let internal = !self.namespace_roots.contains(&mount);
                return Ok(Location {
                    path,
                    name,
                    deleted: deleted == Some(true),
                    internal,
                });
            }
            let below = vfsmount.address("mnt_mountpoint")?;
            dentry = memory.read("dentry", below)?;
            mount = parent;
        }
        Err(Fault::Chain {
            what: "directories",
            at: start,
            limit: MAX_STEPS,
        })
    }

    fn name(&self, dentry: &View<'_>) -> Result<String, Fault> {
        let at = dentry.address("d_name.name")?;
        let length = dentry.unsigned("d_name.len")?.min(MAX_NAME);
        Ok(crate::memory::readable(
            &self.walked.memory.bytes(at, length)?,
        ))
    }

    /// The file that `dentry` under `mount` leads to, by what it is.
    pub(super) fn file(
        &mut self,
        dentry: KernelAddr,
        mount: Option<KernelAddr>,
    ) -> Result<Resource, Flaw> {
        let no_mount = || FieldError::Null {
            field: Box::new(FieldAt {
                ty: "file".to_owned(),
                path: "f_vfsmnt".to_owned(),
                at: None,
            }),
        };
        let mount = mount.ok_or_else(no_mount)?;
        let location = self.location(dentry, mount)?;
        let memory = self.walked.memory;
        let view = memory.read("dentry", dentry)?;
        let inode = memory.read("inode", view.address("d_inode")?)?;
        let kind = file_type(inode.unsigned("i_mode")?);
        let mut attributes = Attributes::default();
        attributes.text("path", location.path.clone());
        match kind {
            "fifo" if location.internal => self.pipe(&inode, &mut attributes)?,
            "socket" => self.socket(&inode, &mut attributes)?,
            _ if location.internal => shared_memory(&location, &inode, &mut attributes)?,
            _ => {
                attributes.unsigned("deleted", u64::from(location.deleted));
                attributes.text("type", kind);
                self.inode(&inode, &mut attributes)?;
                if kind == "fifo" {
                    self.pipe(&inode, &mut attributes)?;
                }
                let reference = Reference {
                    kind: "mount",
                    at: mount,
                    mount: None,
                };
                attributes.put("mount", Value::Resource(self.resource(&reference)?));
            }
        }
        let kind = match kind {
            "fifo" => "pipe",
            "socket" => "socket",
            _ if location.internal => "shm",
            _ => "file",
        };
        Ok(attributes.resource(kind, dentry))
    }

    fn inode(&self, inode: &View<'_>, attributes: &mut Attributes) -> Result<(), Fault> {
        attributes.unsigned("mode", inode.unsigned("i_mode")? & 0o7777);
        attributes.unsigned("inode", inode.unsigned("i_ino")?);
        attributes.text("device", device(inode.unsigned("i_dev")?));
        if matches!(
            file_type(inode.unsigned("i_mode")?),
            "character device" | "block device"
        ) {
            attributes.text("rdev", device(inode.unsigned("i_rdev")?));
        }
        attributes.unsigned("links", inode.unsigned("i_nlink")?);
        attributes.unsigned("uid", inode.unsigned("i_uid")?);
        attributes.unsigned("gid", inode.unsigned("i_gid")?);
        attributes.signed("size", inode.signed("i_size")?);
        attributes.signed("mtime", inode.signed("i_mtime")?);
        if let Some(sb) = inode.pointer("i_sb")? {
            self.file_system(sb, attributes)?;
        }
        Ok(())
    }

    /// Type of a file system. Where the name in `file_system_type` is out of reach, the symbol
    /// of that structure tells it.
    fn file_system(&self, sb: KernelAddr, attributes: &mut Attributes) -> Result<(), Fault> {
        let memory = self.walked.memory;
        let sb = memory.read("super_block", sb)?;
        let ty = sb.address("s_type")?;
        let name = memory.read("file_system_type", ty).ok();
        let name = name.and_then(|view| memory.text(view.pointer("name").ok()??, MAX_NAME));
        if let Some(name) = name.or_else(|| self.file_system_symbol(ty)) {
            attributes.text("file-system", name);
        }
        attributes.unsigned("magic", sb.unsigned("s_magic")?);
        Ok(())
    }

    fn file_system_symbol(&self, ty: KernelAddr) -> Option<String> {
        let (symbol, offset) = self.walked.memory.source.symbolise(ty)?;
        let name = symbol.strip_suffix("_fs_type").filter(|_| offset == 0)?;
        Some(match name {
            "pipe" => "pipefs".to_owned(),
            "sock" => "sockfs".to_owned(),
            name => name.to_owned(),
        })
    }

    fn pipe(&self, inode: &View<'_>, attributes: &mut Attributes) -> Result<(), Fault> {
        let memory = self.walked.memory;
        attributes.unsigned("inode", inode.unsigned("i_ino")?);
        let info = memory.read("pipe_inode_info", inode.address("i_pipe")?)?;
        let (start, buffered) = (info.unsigned("start")?, info.unsigned("len")?);
        attributes.unsigned("readers", info.unsigned("readers")?);
        attributes.unsigned("writers", info.unsigned("writers")?);
        attributes.unsigned("start", start);
        attributes.unsigned("buffered", buffered);
        if buffered == 0 || buffered > PIPE_SIZE {
            return Ok(());
        }
        let base = info.address("base")?;
        if let Ok(mut ring) = memory.bytes(base, PIPE_SIZE) {
            ring.rotate_left((start % PIPE_SIZE) as usize);
            ring.truncate(buffered as usize);
            attributes.put("content", Value::Bytes(ring));
        }
        Ok(())
    }

    fn socket(&self, inode: &View<'_>, attributes: &mut Attributes) -> Result<(), Fault> {
        let memory = self.walked.memory;
        attributes.unsigned("inode", inode.unsigned("i_ino")?);
        let socket = memory.read("socket", inode.address_of("u.socket_i")?)?;
        let operations = socket.pointer("ops")?;
        let symbol = operations.and_then(|ops| memory.source.symbolise(ops));
        if let Some((name, 0)) = &symbol {
            if let Some(family) = socket_family(name) {
                attributes.text("family", family);
            }
            attributes.text("operations", name.clone());
        }
        named(attributes, "type", socket.unsigned("type")?, &SOCKET_TYPES);
        named(
            attributes,
            "state",
            socket.unsigned("state")?,
            &SOCKET_STATES,
        );
        Ok(())
    }

    /// A mount.
    pub(super) fn mount(&mut self, at: KernelAddr) -> Result<Resource, Flaw> {
        let memory = self.walked.memory;
        let mount = memory.read("vfsmount", at)?;
        let location = self.location(mount.address("mnt_root")?, at)?;
        let mut attributes = Attributes::default();
        attributes.text("path", location.path);
        attributes.unsigned("internal", u64::from(location.internal));
        let name = mount.pointer("mnt_devname")?;
        if let Some(name) = name.and_then(|name| memory.text(name, MAX_NAME)) {
            attributes.text("device-name", name);
        }
        let sb = mount.address("mnt_sb")?;
        let view = memory.read("super_block", sb)?;
        attributes.text("device", device(view.unsigned("s_dev")?));
        self.file_system(sb, &mut attributes)?;
        attributes.unsigned("flags", mount.unsigned("mnt_flags")?);
        attributes.unsigned("super-block-flags", view.unsigned("s_flags")?);
        Ok(attributes.resource("mount", at))
    }

    /// A mount namespace.
    pub(super) fn namespace(&mut self, at: KernelAddr) -> Result<Resource, Flaw> {
        let namespace = self.walked.memory.read("namespace", at)?;
        let mut attributes = Attributes::default();
        if let Some(root) = namespace.pointer("root")? {
            let reference = Reference {
                kind: "mount",
                at: root,
                mount: None,
            };
            attributes.put("root", Value::Resource(self.resource(&reference)?));
        }
        Ok(attributes.resource("namespace", at))
    }
}

/// A file of the kernel's own tmpfs: a System V segment, named `SYSV` and its key
/// (`ipc/shm.c: newseg`), which has its id for an inode number; or memory that forked processes
/// share (`mm/shmem.c: shmem_zero_setup`).
fn shared_memory(
    location: &Location,
    inode: &View<'_>,
    attributes: &mut Attributes,
) -> Result<(), Fault> {
    let key = location
        .name
        .strip_prefix("SYSV")
        .filter(|key| key.len() == 8);
    match key.and_then(|key| u64::from_str_radix(key, 16).ok()) {
        Some(key) => {
            attributes.unsigned("key", key);
            attributes.unsigned("id", inode.unsigned("i_ino")?);
        }
        None => attributes.unsigned("inode", inode.unsigned("i_ino")?),
    }
    attributes.unsigned("mode", inode.unsigned("i_mode")? & 0o7777);
    attributes.unsigned("uid", inode.unsigned("i_uid")?);
    attributes.unsigned("gid", inode.unsigned("i_gid")?);
    attributes.signed("size", inode.signed("i_size")?);
    Ok(())
}

/// Puts in a number by its name, if it has one.
pub(super) fn named(attributes: &mut Attributes, name: &str, value: u64, names: &[&str]) {
    match names.get(value as usize) {
        Some(word) if !word.is_empty() => attributes.text(name, *word),
        _ => attributes.unsigned(name, value),
    }
}

/// `enum socket_state` of `include/linux/net.h`.
const SOCKET_STATES: [&str; 5] = [
    "free",
    "unconnected",
    "connecting",
    "connected",
    "disconnecting",
];

/// `SOCK_*` of `include/asm-i386/socket.h`.
const SOCKET_TYPES: [&str; 6] = ["", "stream", "datagram", "raw", "rdm", "seqpacket"];

/// The address family that socket operations are for, by the name of their table
/// (`net/unix/af_unix.c`, `net/ipv4/af_inet.c`, `net/netlink/af_netlink.c`,
/// `net/packet/af_packet.c`).
fn socket_family(operations: &str) -> Option<&'static str> {
    match operations {
        "unix_stream_ops" | "unix_dgram_ops" => Some("unix"),
        "inet_stream_ops" | "inet_dgram_ops" => Some("inet"),
        "inet6_stream_ops" | "inet6_dgram_ops" => Some("inet6"),
        "netlink_ops" => Some("netlink"),
        "packet_ops" | "packet_ops_spkt" => Some("packet"),
        _ => None,
    }
}

/// What a file is, by `S_IFMT` of its mode (`include/linux/stat.h`).
fn file_type(mode: u64) -> &'static str {
    match mode & 0o170_000 {
        0o010_000 => "fifo",
        0o020_000 => "character device",
        0o040_000 => "directory",
        0o060_000 => "block device",
        0o100_000 => "regular file",
        0o120_000 => "symbolic link",
        0o140_000 => "socket",
        _ => "unknown",
    }
}

/// A `kdev_t` as major and minor number (`include/linux/kdev_t.h`: 8 bits each).
pub(super) fn device(number: u64) -> String {
    format!("{}:{}", number >> 8, number & 0xff)
}
