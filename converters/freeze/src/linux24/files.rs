//! What an open file, a directory or a mount is, found again by its path.
//!
//! A task may have any number of descriptors on things that have no path: pipes, sockets, System
//! V shared memory. They live on file systems of which the kernel keeps a mount of its own.

use super::Linux24;
use crate::error::{Fault, Flaw};
use crate::family::{Family, Reference};
use crate::memory::View;
use kconv_image::KernelAddr;
use kconv_objects::{FieldAt, FieldError};
use kconv_resources::linux24::{
    File, FileSystem, FileType, Inode, Mount, Namespace, Pipe, PipeState, Resource, SharedMemory,
    SharedMemoryNumber, Socket,
};
use kconv_resources::{Bytes, Device, Named};

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
        if kind == FileType::Fifo && location.internal {
            return Ok(Resource::Pipe(Pipe {
                path: location.path,
                inode: inode.unsigned("i_ino")?,
                state: self.pipe(&inode)?,
            }));
        }
        if is_socket(&inode)? {
            return Ok(Resource::Socket(self.socket(location.path, &inode)?));
        }
        if location.internal {
            return Ok(Resource::SharedMemory(shared_memory(location, &inode)?));
        }
        let reference = Reference {
            kind: "mount",
            at: mount,
            mount: None,
        };
        Ok(Resource::File(File {
            path: location.path,
            is_deleted: location.deleted,
            file_type: kind,
            inode: self.inode(&inode)?,
            device_number: match kind {
                FileType::CharacterDevice | FileType::BlockDevice => {
                    Some(device(inode.unsigned("i_rdev")?))
                }
                FileType::Regular
                | FileType::Directory
                | FileType::SymbolicLink
                | FileType::Fifo
                | FileType::Unknown => None,
            },
            fifo: match kind == FileType::Fifo {
                true => Some(self.pipe(&inode)?),
                false => None,
            },
            mount: self.resource(&reference)?,
        }))
    }

    fn inode(&self, inode: &View<'_>) -> Result<Inode, Fault> {
        Ok(Inode {
            mode: inode.unsigned("i_mode")? & 0o7777,
            inode: inode.unsigned("i_ino")?,
            device: device(inode.unsigned("i_dev")?),
            links: inode.unsigned("i_nlink")?,
            uid: inode.unsigned("i_uid")?,
            gid: inode.unsigned("i_gid")?,
            size: inode.signed("i_size")?,
            mtime: inode.signed("i_mtime")?,
            file_system: self.file_system(inode.address("i_sb")?)?,
        })
    }

    /// Type of a file system. Where the name in `file_system_type` is out of reach, the symbol
    /// of that structure tells it.
    fn file_system(&self, sb: KernelAddr) -> Result<FileSystem, Fault> {
        let memory = self.walked.memory;
        let sb = memory.read("super_block", sb)?;
        let ty = sb.address("s_type")?;
        let name = memory.read("file_system_type", ty).ok();
        let name = name.and_then(|view| memory.text(view.pointer("name").ok()??, MAX_NAME));
        Ok(FileSystem {
            name: name.or_else(|| self.file_system_symbol(ty)),
            magic: sb.unsigned("s_magic")?,
        })
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

    fn pipe(&self, inode: &View<'_>) -> Result<PipeState, Fault> {
        let memory = self.walked.memory;
        let info = memory.read("pipe_inode_info", inode.address("i_pipe")?)?;
        let (start, buffered) = (info.unsigned("start")?, info.unsigned("len")?);
        let mut content = None;
        if (1..=PIPE_SIZE).contains(&buffered)
            && let Ok(mut ring) = memory.bytes(info.address("base")?, PIPE_SIZE)
        {
            ring.rotate_left((start % PIPE_SIZE) as usize);
            ring.truncate(buffered as usize);
            content = Some(Bytes(ring));
        }
        Ok(PipeState {
            readers: info.unsigned("readers")?,
            writers: info.unsigned("writers")?,
            start,
            buffered,
            content,
        })
    }

    fn socket(&self, path: String, inode: &View<'_>) -> Result<Socket, Fault> {
        let memory = self.walked.memory;
        let socket = memory.read("socket", inode.address_of("u.socket_i")?)?;
        let operations = socket.pointer("ops")?;
        let symbol = operations.and_then(|ops| memory.source.symbolise(ops));
        let operations = symbol.and_then(|(name, offset)| (offset == 0).then_some(name));
        let family = operations.as_deref().and_then(socket_family);
        Ok(Socket {
            path,
            inode: inode.unsigned("i_ino")?,
            family: family.map(str::to_owned),
            operations,
            socket_type: Named::new(socket.unsigned("type")?, &SOCKET_TYPES),
            state: Named::new(socket.unsigned("state")?, &SOCKET_STATES),
        })
    }

    /// A mount.
    pub(super) fn mount(&mut self, at: KernelAddr) -> Result<Mount, Flaw> {
        let memory = self.walked.memory;
        let mount = memory.read("vfsmount", at)?;
        let location = self.location(mount.address("mnt_root")?, at)?;
        let name = mount.pointer("mnt_devname")?;
        let sb = mount.address("mnt_sb")?;
        let view = memory.read("super_block", sb)?;
        Ok(Mount {
            path: location.path,
            is_internal: location.internal,
            device_name: name.and_then(|name| memory.text(name, MAX_NAME)),
            device: device(view.unsigned("s_dev")?),
            file_system: self.file_system(sb)?,
            flags: mount.unsigned("mnt_flags")?,
            super_block_flags: view.unsigned("s_flags")?,
        })
    }

    /// A mount namespace.
    pub(super) fn namespace(&mut self, at: KernelAddr) -> Result<Namespace, Flaw> {
        let namespace = self.walked.memory.read("namespace", at)?;
        let root = match namespace.pointer("root")? {
            Some(root) => Some(self.resource(&Reference {
                kind: "mount",
                at: root,
                mount: None,
            })?),
            None => None,
        };
        Ok(Namespace { root })
    }
}

/// A file of the kernel's own tmpfs: a System V segment, named `SYSV` and its key
/// (`ipc/shm.c: newseg`), which has its id for an inode number; or memory that forked processes
/// share (`mm/shmem.c: shmem_zero_setup`).
fn shared_memory(location: Location, inode: &View<'_>) -> Result<SharedMemory, Fault> {
    let key = location
        .name
        .strip_prefix("SYSV")
        .filter(|key| key.len() == 8);
    let id = inode.unsigned("i_ino")?;
    Ok(SharedMemory {
        path: location.path,
        number: match key.and_then(|key| u64::from_str_radix(key, 16).ok()) {
            Some(key) => SharedMemoryNumber::Segment { key, id },
            None => SharedMemoryNumber::Anonymous(id),
        },
        mode: inode.unsigned("i_mode")? & 0o7777,
        uid: inode.unsigned("i_uid")?,
        gid: inode.unsigned("i_gid")?,
        size: inode.signed("i_size")?,
    })
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

/// Whether a file is a socket, by `S_IFMT` of its mode (`include/linux/stat.h`).
fn is_socket(inode: &View<'_>) -> Result<bool, Fault> {
    Ok(inode.unsigned("i_mode")? & 0o170_000 == 0o140_000)
}

/// What a file is, by `S_IFMT` of its mode (`include/linux/stat.h`), unless it is a socket.
fn file_type(mode: u64) -> FileType {
    match mode & 0o170_000 {
        0o010_000 => FileType::Fifo,
        0o020_000 => FileType::CharacterDevice,
        0o040_000 => FileType::Directory,
        0o060_000 => FileType::BlockDevice,
        0o100_000 => FileType::Regular,
        0o120_000 => FileType::SymbolicLink,
        _ => FileType::Unknown,
    }
}

/// A `kdev_t` as major and minor number (`include/linux/kdev_t.h`: 8 bits each).
pub(super) fn device(number: u64) -> Device {
    Device {
        major: (number >> 8) as u32,
        minor: number as u32 & 0xff,
    }
}
