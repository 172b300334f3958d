//! What an open file, a directory or a mount is, found again by its path.

use super::{Linux6, device, not_carried};
use crate::error::{Fault, Flaw};
use crate::family::Reference;
use crate::memory::{View, readable};
use kconv_codes::Code;
use kconv_image::{Escaped, KernelAddr};
use kconv_machine::Line;
use kconv_objects::{FieldAt, FieldError};
use kconv_resources::FileSize;
use kconv_resources::linux6::{File, FileType, Inode, Mount, Pipe, Place, Resource, SharedMemory};

/// The most steps from a file to the root of all mounts.
const MAX_STEPS: usize = 4096;

/// The longest name of a directory entry (`NAME_MAX`), and more than a file system's type or a
/// mount's device has.
const MAX_NAME: u64 = 255;

/// Where something is.
pub(super) struct Location {
    /// As `/proc/PID/fd` shows it, but from the root of all mounts, not of the task.
    pub(super) path: String,
    /// Whether the name was removed while the file stayed open.
    pub(super) deleted: bool,
    /// Whether no task of the first mount namespace can walk to the mount: it belongs to the
    /// kernel, to another namespace, or is gone.
    pub(super) internal: bool,
    /// Whether the mount is one of the kernel's own, on which nobody finds a name.
    pub(super) of_kernel: bool,
    /// The number of the other mount namespace that it is in.
    pub(super) namespace: Option<u64>,
    /// Whether the path is text (UTF-8), which is what an image has of it.
    pub(super) is_text: bool,
}

impl Location {
    /// Whether this is memory without a name, shared by mapping `/dev/zero` or no file at all (`mm/shmem.c`:
    /// shmem_zero_setup).
    pub(super) fn is_shared_memory(&self) -> bool {
        self.of_kernel && self.path == "dev/zero"
    }
}

/// Whether a pointer is an error number (`include/linux/err.h`: IS_ERR).
fn is_error(at: KernelAddr) -> bool {
    const LARGEST: i64 = 4095;
    at.0 >= (-LARGEST) as u64
}

/// Character devices that are what they are wherever they are opened: memory (null, zero,
/// random), terminals, pseudo-terminals, serial lines and the virtio console
/// (`Documentation/admin-guide/devices.txt`).
fn is_plain_device(number: u64) -> bool {
    matches!(number >> 20, 1 | 4 | 5 | 136..=143 | 204 | 229)
}

impl Linux6<'_> {
    /// The path of `dentry` under the `vfsmount` at `mount` (`fs/d_path.c`: prepend_path).
    pub(super) fn location(
        &self,
        dentry: KernelAddr,
        mount: KernelAddr,
    ) -> Result<Location, Fault> {
        let memory = self.walked.memory;
        let mut components: Vec<String> = Vec::new();
        let mut is_text = true;
        let mut dentry = memory.read("dentry", dentry)?;
        let mut mount = self.mount_of(mount)?;
        let start = dentry.at();
        // fs/dcache.c: d_unlinked.
        let is_root = dentry.address("d_parent")? == start;
        let deleted = !is_root && dentry.pointer("d_hash.pprev")?.is_none();
        for _ in 0..MAX_STEPS {
            let parent = dentry.address("d_parent")?;
            if dentry.at() != mount.address("mnt.mnt_root")? && parent != dentry.at() {
                let name = self.name(&dentry)?;
                is_text &= std::str::from_utf8(&name).is_ok();
                components.push(readable(&name));
                dentry = memory.read("dentry", parent)?;
                continue;
            }
            let above = mount.address("mnt_parent")?;
            if above == mount.at() || dentry.at() != mount.address("mnt.mnt_root")? {
                components.reverse();
                let namespace = mount.pointer("mnt_ns")?;
                let internal = namespace != self.mount_namespace;
                let top = match internal {
                    true => readable(&self.name(&dentry)?),
                    false => "/".to_owned(),
                };
                return Ok(Location {
                    path: top + &components.join("/"),
                    deleted,
                    internal,
                    of_kernel: namespace.is_some_and(is_error),
                    is_text,
                    namespace: match internal {
                        true => self.number_of_namespace(namespace)?,
                        false => None,
                    },
                });
            }
            let below = mount.address("mnt_mountpoint")?;
            dentry = memory.read("dentry", below)?;
            mount = memory.read("mount", above)?;
        }
        Err(Fault::Chain {
            what: "directories",
            at: start,
            limit: MAX_STEPS,
        })
    }

    /// The number of a mount namespace; those that nobody can be in have none (`fs/mount.h`:
    /// MNT_NS_INTERNAL is an error number, is_anon_ns).
    fn number_of_namespace(&self, at: Option<KernelAddr>) -> Result<Option<u64>, Fault> {
        let Some(at) = at.filter(|at| !is_error(*at)) else {
            return Ok(None);
        };
        let namespace = self.walked.memory.read("mnt_namespace", at)?;
        let number = namespace.unsigned("ns.inum")?;
        let is_anonymous = namespace.unsigned("seq").is_ok_and(|seq| seq == 0);
        Ok((number != 0 && !is_anonymous).then_some(number))
    }

    /// The `struct mount` around a `vfsmount` (`fs/mount.h`: real_mount).
    fn mount_of(&self, vfsmount: KernelAddr) -> Result<View<'_>, Fault> {
        let memory = self.walked.memory;
        let into = self.walked.offset_of("mount", "mnt")?;
        let at = vfsmount.0.wrapping_sub(into);
        memory.read("mount", KernelAddr(at))
    }

    fn name(&self, dentry: &View<'_>) -> Result<Vec<u8>, Fault> {
        let at = dentry.address("d_name.name")?;
        let length = dentry.unsigned("d_name.len")?.min(MAX_NAME);
        self.walked.memory.bytes(at, length)
    }

    /// The file that `dentry` under `mount` leads to, by what it is.
    pub(super) fn file(
        &mut self,
        dentry: KernelAddr,
        mount: Option<KernelAddr>,
    ) -> Result<Resource, Flaw> {
        let no_mount = || FieldError::Null {
            field: Box::new(FieldAt {
                ty: "path".to_owned(),
                path: "mnt".to_owned(),
                at: None,
            }),
        };
        let mount = mount.ok_or_else(no_mount)?;
        let memory = self.walked.memory;
        let view = memory.read("dentry", dentry)?;
        let inode = memory.read("inode", view.address("d_inode")?)?;
        let location = self.location(dentry, mount)?;
        let location = self.with_other_name(location, &inode)?;
        let kind = file_type(inode.unsigned("i_mode")?);
        let file_system = self.file_system_of(&inode)?;
        match (kind, file_system.as_str()) {
            ("fifo", "pipefs") => {
                // fs/pipe.c: create_pipe_files; as long as it is open there is one.
                return Ok(Resource::Pipe(Pipe {
                    inode: inode.unsigned("i_ino")?,
                    mode: inode.unsigned("i_mode")? as u32 & 0o7777,
                    uid: inode.unsigned("i_uid.val")? as u32,
                    gid: inode.unsigned("i_gid.val")? as u32,
                    state: self.pipe_state(inode.address("i_pipe")?)?,
                }));
            }
            ("socket", _) => return self.socket_file(&inode),
            (_, "anon_inodefs") => {
                let name = location.path.trim_start_matches('/');
                if let Some(resource) = self.event_file(name, dentry)? {
                    return Ok(resource);
                }
                let name = Escaped(name);
                return Err(not_carried(Code::FdAnonymous, format!("anon_inode:{name}")));
            }
            (_, "tmpfs") if location.is_shared_memory() => {
                let inode = self.inode(&inode)?;
                return Ok(Resource::SharedMemory(SharedMemory { inode }));
            }
            _ if let Some(path) = self.path_of_kept(kind, (dentry, &location))? => {
                return Ok(Resource::File(File {
                    path,
                    file_type: FileType::Regular,
                    inode: self.inode(&inode)?,
                    place: Place::Copy,
                    build_id: None,
                }));
            }
            _ if location.namespace.is_some() => {
                return Err(Flaw::InNamespace {
                    path: location.path,
                    number: location.namespace.unwrap_or_default(),
                });
            }
            ("regular file", "tmpfs")
                if location.of_kernel
                    && let Some(file) = self.memfd(&location, &inode)? =>
            {
                return Ok(file);
            }
            _ if location.internal => {
                let path = Escaped(&location.path);
                let what = format!("{path} of {file_system}, which has no path");
                return Err(not_carried(Code::FdNoPath, what));
            }
            _ if location.deleted => {
                let is_regular = kind == "regular file";
                if is_regular
                    && let Some(file) = self.unlinked((dentry, mount), &location, &inode)?
                {
                    return Ok(file);
                }
                let path = Escaped(&location.path);
                let what = format!("{path}, which was unlinked while it was open");
                return Err(not_carried(Code::FdUnlinked, what));
            }
            _ if !location.is_text => {
                let path = Escaped(&location.path);
                let what = format!("{path}, a name that is not UTF-8,");
                return Err(not_carried(Code::FdName, what));
            }
            ("character device", _) if Line::of(inode.unsigned("i_rdev")?) == Line::Master => {
                let path = Escaped(&location.path);
                let what = format!("the master of a pseudo-terminal ({path})");
                return Err(not_carried(Code::TerminalMaster, what));
            }
            ("character device", _) if !is_plain_device(inode.unsigned("i_rdev")?) => {
                let number = device(inode.unsigned("i_rdev")?);
                let path = Escaped(&location.path);
                let what = format!("the device {path} ({number})");
                return Err(not_carried(Code::FdDevice, what));
            }
            _ => {}
        }
        let id = self.mount_of(mount)?.unsigned("mnt_id")?;
        if let Some(other) = self.elsewhere(&location.path, id) {
            return Err(not_carried(Code::FdCovered, other));
        }
        let number = || Ok::<_, Flaw>(device(inode.unsigned("i_rdev")?));
        let file_type = match kind {
            "regular file" => FileType::Regular,
            "directory" => FileType::Directory,
            "symbolic link" => FileType::SymbolicLink,
            "fifo" => FileType::Fifo(match inode.pointer("i_pipe")? {
                Some(pipe) => Some(self.pipe_state(pipe)?),
                None => None,
            }),
            "character device" => FileType::CharacterDevice(number()?),
            "block device" => FileType::BlockDevice(number()?),
            _ => {
                let mode = inode.unsigned("i_mode")?;
                return Err(
                    Fault::from(inode.absurd("i_mode", mode, "one of a type of file")).into(),
                );
            }
        };
        let reference = Reference {
            kind: "mount",
            at: mount,
            mount: None,
        };
        let mount = crate::family::Family::resource(self, &reference)?;
        Ok(Resource::File(File {
            path: location.path,
            file_type,
            inode: self.inode(&inode)?,
            place: Place::Mounted {
                mount,
                is_kept: false,
            },
            build_id: None,
        }))
    }

    /// A file whose name was removed may have another in the same folder: POSIX semaphores are made
    /// under one and linked to the other (glibc, sem_open).
    fn with_other_name(&self, location: Location, inode: &View<'_>) -> Result<Location, Fault> {
        let is_linked = inode.unsigned("i_nlink")? > 0;
        let folder = location.path.rsplit_once('/').map(|(folder, _)| folder);
        let (true, false, true, Some(folder)) =
            (location.deleted, location.internal, is_linked, folder)
        else {
            return Ok(location);
        };
        let number = inode.unsigned("i_ino")?;
        let source = self.walked.memory.source;
        Ok(match source.other_name(folder, number) {
            Some(name) => Location {
                path: format!("{folder}/{name}"),
                deleted: false,
                ..location
            },
            None => location,
        })
    }

    /// Where a path leads to, if not to the mount `id`, on which the file lies that has this path.
    fn elsewhere(&self, path: &str, id: u64) -> Option<String> {
        let shown = Escaped(path);
        match self.walked.memory.source.mount_at(path)? {
            Ok(found) if found == id => None,
            Ok(_) => Some(format!("{shown}, over which something else was mounted,")),
            Err(error) => Some(format!(
                "{shown}, to which its path does not lead ({error}),"
            )),
        }
    }

    pub(super) fn inode(&self, inode: &View<'_>) -> Result<Inode, Fault> {
        let sb = self
            .walked
            .memory
            .read("super_block", inode.address("i_sb")?)?;
        let size = inode.signed("i_size")?;
        let size = FileSize::new(size)
            .ok_or_else(|| inode.absurd("i_size", size as u64, "not below 0"))?;
        Ok(Inode {
            mode: inode.unsigned("i_mode")? as u32 & 0o7777,
            inode: inode.unsigned("i_ino")?,
            device: device(sb.unsigned("s_dev")?),
            links: inode.unsigned("i_nlink")?,
            uid: inode.unsigned("i_uid.val")? as u32,
            gid: inode.unsigned("i_gid.val")? as u32,
            size,
            mtime: inode.signed("i_mtime.tv_sec|i_mtime_sec")?,
            mtime_nanoseconds: inode.unsigned("i_mtime.tv_nsec|i_mtime_nsec")? as u32,
            file_system: self.file_system_of(inode)?,
        })
    }

    /// Type of the file system that an inode is on.
    pub(super) fn file_system_of(&self, inode: &View<'_>) -> Result<String, Fault> {
        let memory = self.walked.memory;
        let sb = memory.read("super_block", inode.address("i_sb")?)?;
        self.file_system(&sb)
    }

    fn file_system(&self, sb: &View<'_>) -> Result<String, Fault> {
        let memory = self.walked.memory;
        let ty = sb.address("s_type")?;
        let name = memory.read("file_system_type", ty)?.address("name")?;
        match memory.text(name, MAX_NAME) {
            Some(name) => Ok(name),
            // What could not be read says why.
            None => Ok(readable(&memory.bytes(name, 1)?)),
        }
    }

    /// A mount, by its `vfsmount`.
    pub(super) fn mount(&mut self, at: KernelAddr) -> Result<Mount, Flaw> {
        let memory = self.walked.memory;
        let mount = self.mount_of(at)?;
        let root = mount.address("mnt.mnt_root")?;
        let location = self.location(root, at)?;
        let name = mount.pointer("mnt_devname")?;
        let sb = memory.read("super_block", mount.address("mnt.mnt_sb")?)?;
        Ok(Mount {
            path: location.path,
            is_internal: location.internal,
            id: mount.signed("mnt_id")?,
            device_name: name.and_then(|name| memory.text(name, MAX_NAME)),
            device: device(sb.unsigned("s_dev")?),
            file_system: self.file_system(&sb)?,
            magic: sb.unsigned("s_magic")?,
            flags: mount.unsigned("mnt.mnt_flags")?,
            super_block_flags: sb.unsigned("s_flags")?,
        })
    }
}

/// What a file is, by `S_IFMT` of its mode (`include/uapi/linux/stat.h`).
pub(super) fn file_type(mode: u64) -> &'static str {
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
