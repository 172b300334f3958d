//! Resources of Linux 2.4, and what is known of the machine that it ran on. Its images come of dumps alone, which
//! may lack what lies in memory that was not dumped.

use crate::attributes::{Attribute, Part, Reader, Together, Writer};
use crate::error::ResourceError;
use crate::kind::written;
#[cfg(test)]
use crate::sample::Seed;
use crate::values::{Bare, Bytes, Device, Named};
use kconv_image::{ObjectId, ResourceId, Value};

/// What images call the family.
pub const FAMILY: &str = "linux-2.4";

kinds! {
    /// Something outside of the image.
    pub enum Resource {
        /// What has a path: a file, a folder, a device, a FIFO.
        File(File) = "file",
        /// A pipe without a name.
        Pipe(Pipe) = "pipe",
        /// A socket.
        Socket(Socket) = "socket",
        /// A System V segment, or memory that forked processes share.
        SharedMemory(SharedMemory) = "shm",
        /// A mount.
        Mount(Mount) = "mount",
        /// A controlling terminal.
        Terminal(Terminal) = "tty",
        /// A lock or a lease on an open file.
        FileLock(FileLock) = "file-lock",
        /// Adjustments of System V semaphores.
        SemUndo(SemUndo) = "sem-undo",
        /// A vfork that has not ended.
        Vfork(Vfork) = "vfork",
        /// A namespace of mounts.
        Namespace(Namespace) = "namespace",
        /// In the place of what cannot be carried, in an image that is judged before it is written.
        NotCarried(Bare) = "not-carried",
    }
}

words! {
    /// The types of files.
    pub enum FileType {
        /// A regular file.
        Regular = "regular file",
        /// A folder.
        Directory = "directory",
        /// A symbolic link.
        SymbolicLink = "symbolic link",
        /// A FIFO.
        Fifo = "fifo",
        /// A character device.
        CharacterDevice = "character device",
        /// A block device.
        BlockDevice = "block device",
        /// None that there is.
        Unknown = "unknown",
    }
}

attributes! {
    /// What an inode says of its file (`include/linux/fs.h`: struct inode).
    pub struct Inode {
        /// Permission bits, with set-user-ID, set-group-ID and the sticky bit.
        mode: u64 = "mode",
        /// Its number on its file system.
        inode: u64 = "inode",
        /// The device that its file system is on, or stands for one.
        device: Device = "device",
        /// How many names it has.
        links: u64 = "links",
        /// The user whose it is.
        uid: u64 = "uid",
        /// The group whose it is.
        gid: u64 = "gid",
        /// Its size.
        size: i64 = "size",
        /// When it was changed last, in seconds since 1970.
        mtime: i64 = "mtime",
        /// Its file system.
        file_system: FileSystem = ..,
    }
}

attributes! {
    /// A file system.
    pub struct FileSystem {
        /// Its type. `None` if neither its name nor its symbol is in memory that was dumped.
        name: Option<String> = "file-system",
        /// What statfs(2) tells the type by.
        magic: u64 = "magic",
    }
}

/// A file, a folder, a device or a FIFO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// From the root of all mounts.
    pub path: String,
    /// Whether its name was removed while it was open.
    pub is_deleted: bool,
    /// What it is.
    pub file_type: FileType,
    /// What its inode says.
    pub inode: Inode,
    /// Its number, of a device alone.
    pub device_number: Option<Device>,
    /// What is in it, of a FIFO alone.
    pub fifo: Option<PipeState>,
    /// The mount it is seen through.
    pub mount: ResourceId,
}

impl FileType {
    fn is_device(self) -> bool {
        matches!(self, FileType::CharacterDevice | FileType::BlockDevice)
    }
}

impl Part for File {
    fn read(from: &Reader<'_>) -> Result<File, ResourceError> {
        let file_type: FileType = from.required("type")?;
        Ok(File {
            path: from.required("path")?,
            is_deleted: from.required("deleted")?,
            file_type,
            inode: Part::read(from)?,
            device_number: match file_type.is_device() {
                true => Some(from.required("rdev")?),
                false => None,
            },
            fifo: match file_type {
                FileType::Fifo => Some(Part::read(from)?),
                _ => None,
            },
            mount: from.required("mount")?,
        })
    }

    fn write(&self, to: &mut Writer) {
        to.put("path", &self.path);
        to.put("deleted", &self.is_deleted);
        to.put("type", &self.file_type);
        self.inode.write(to);
        if let Some(number) = &self.device_number {
            to.put_after("device", "rdev", number);
        }
        if let Some(state) = &self.fifo {
            state.write(to);
        }
        to.put("mount", &self.mount);
    }

    #[cfg(test)]
    fn optional(names: &mut Vec<&'static str>) {
        Inode::optional(names);
        PipeState::optional(names);
    }

    #[cfg(test)]
    fn sample(source: &mut Seed) -> File {
        let file_type = source.one_of(FileType::ALL);
        File {
            path: source.text(),
            is_deleted: source.flip(),
            file_type,
            inode: Part::sample(source),
            device_number: file_type.is_device().then(|| Attribute::sample(source)),
            fifo: (file_type == FileType::Fifo).then(|| Part::sample(source)),
            mount: Attribute::sample(source),
        }
    }
}

attributes! {
    /// A pipe without a name.
    pub struct Pipe {
        /// What the kernel calls it.
        path: String = "path",
        /// Its number.
        inode: u64 = "inode",
        /// What is in it, and who has it open.
        state: PipeState = ..,
    }
}

attributes! {
    /// What is in a pipe, and how many have it open (`include/linux/pipe_fs_i.h`: struct pipe_inode_info).
    pub struct PipeState {
        /// Open files that read from it.
        readers: u64 = "readers",
        /// Open files that write to it.
        writers: u64 = "writers",
        /// Where in its page what is in it begins.
        start: u64 = "start",
        /// How many bytes are in it.
        buffered: u64 = "buffered",
        /// What is in it. `None` if nothing is, or if its page was not dumped.
        content: Option<Bytes> = "content",
    }
}

attributes! {
    /// A socket.
    pub struct Socket {
        /// What the kernel calls it.
        path: String = "path",
        /// Its number.
        inode: u64 = "inode",
        /// Its address family. `None` if its operations are not those of a family that is known by name.
        family: Option<String> = "family",
        /// The symbol of its operations. `None` if they lie in a module.
        operations: Option<String> = "operations",
        /// Its type (`SOCK_*`).
        socket_type: Named = "type",
        /// Its state (`include/linux/net.h`: socket_state).
        state: Named = "state",
    }
}

/// Memory that is a file of the kernel's own tmpfs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedMemory {
    /// What the kernel calls it.
    pub path: String,
    /// Which it is.
    pub number: SharedMemoryNumber,
    /// Permission bits.
    pub mode: u64,
    /// The user whose it is.
    pub uid: u64,
    /// The group whose it is.
    pub gid: u64,
    /// Its size.
    pub size: i64,
}

/// What shared memory is known by.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum SharedMemoryNumber {
    /// A System V segment.
    Segment {
        /// The key by which processes find it.
        key: u64,
        /// Its id.
        id: u64,
    },
    /// Memory that forked processes share: its inode.
    Anonymous(u64),
}

impl Part for SharedMemory {
    fn read(from: &Reader<'_>) -> Result<SharedMemory, ResourceError> {
        let is_segment = from.has("key") || from.has("id");
        Ok(SharedMemory {
            path: from.required("path")?,
            number: match is_segment {
                true => SharedMemoryNumber::Segment {
                    key: from.required("key")?,
                    id: from.required("id")?,
                },
                false => SharedMemoryNumber::Anonymous(from.required("inode")?),
            },
            mode: from.required("mode")?,
            uid: from.required("uid")?,
            gid: from.required("gid")?,
            size: from.required("size")?,
        })
    }

    fn write(&self, to: &mut Writer) {
        to.put("path", &self.path);
        match &self.number {
            SharedMemoryNumber::Segment { key, id } => {
                to.put("key", key);
                to.put("id", id);
            }
            SharedMemoryNumber::Anonymous(inode) => to.put("inode", inode),
        }
        to.put("mode", &self.mode);
        to.put("uid", &self.uid);
        to.put("gid", &self.gid);
        to.put("size", &self.size);
    }

    #[cfg(test)]
    fn optional(_: &mut Vec<&'static str>) {}

    #[cfg(test)]
    fn sample(source: &mut Seed) -> SharedMemory {
        SharedMemory {
            path: source.text(),
            number: match source.flip() {
                true => SharedMemoryNumber::Segment {
                    key: source.number(),
                    id: source.number(),
                },
                false => SharedMemoryNumber::Anonymous(source.number()),
            },
            mode: source.number(),
            uid: source.number(),
            gid: source.number(),
            size: source.number() as i64,
        }
    }
}

attributes! {
    /// A mount (`include/linux/mount.h`: struct vfsmount).
    pub struct Mount {
        /// Where it is mounted, from the root of all mounts.
        path: String = "path",
        /// Whether it is the kernel's own, and no task can walk to it.
        is_internal: bool = "internal",
        /// What it was mounted from. `None` if it has no name for that, or it was not dumped.
        device_name: Option<String> = "device-name",
        /// The device that its file system is on, or stands for one.
        device: Device = "device",
        /// Its file system.
        file_system: FileSystem = ..,
        /// `MNT_*` bits.
        flags: u64 = "flags",
        /// `MS_*` bits.
        super_block_flags: u64 = "super-block-flags",
    }
}

attributes! {
    /// A controlling terminal (`include/linux/tty.h`: struct tty_struct).
    pub struct Terminal {
        /// The name of its driver. `None` if it has none, or it was not dumped.
        driver: Option<String> = "driver",
        /// What the driver's devices are called before their number. `None` if they are called nothing, or it was not
        /// dumped.
        name: Option<String> = "name",
        /// The type of its driver (`TTY_DRIVER_TYPE_*`).
        driver_type: Named = "driver-type",
        /// Its number.
        device: Device = "device",
        /// Its place among those of its driver.
        index: i64 = "index",
        /// The process group in the foreground.
        pgrp: i64 = "pgrp",
        /// The session whose it is.
        session: i64 = "session",
        /// Lines of its window.
        rows: u64 = "rows",
        /// Columns of its window.
        columns: u64 = "columns",
    }
}

words! {
    /// What a lock is.
    pub enum LockStyle {
        /// A process's (fcntl(2): F_SETLK).
        Posix = "posix",
        /// An open file's (flock(2)).
        Flock = "flock",
        /// A lease (fcntl(2): F_SETLEASE).
        Lease = "lease",
        /// None that there is.
        Unknown = "unknown",
    }
}

attributes! {
    /// A lock or a lease (`include/linux/fs.h`: struct file_lock).
    pub struct FileLock {
        /// What it is.
        style: LockStyle = "style",
        /// `FL_*` bits.
        flags: u64 = "flags",
        /// What it keeps others from (`include/asm-i386/fcntl.h`: F_RDLCK, F_WRLCK, F_UNLCK).
        lock_type: Named = "type",
        /// The first byte that is locked.
        start: i64 = "start",
        /// The last.
        end: i64 = "end",
        /// The process that set it.
        pid: u64 = "pid",
        /// The `files_struct` that owns it. `None` if that is not in the image, or nothing owns it.
        owner: Option<ObjectId> = "owner",
        /// The processes that have it. `None` if nothing owns the lock.
        owner_pids: Option<Vec<i64>> = "owner-pids",
        /// The open file that it was set through. `None` if that is not in the image.
        file: Option<LockedFile> = ..,
    }
}

attributes! {
    /// The open file that a lock was set through.
    pub struct LockedFile {
        /// The `file`.
        file: ObjectId = "file",
        /// What it leads to.
        resource: ResourceId = "resource",
    }
}

impl Together for LockedFile {
    const NAMES: &'static [&'static str] = &["file", "resource"];
}

attributes! {
    /// What semaphores are adjusted by when a task exits.
    pub struct SemUndo {
        /// For each set of semaphores.
        sets: Vec<Adjustments> = "sets",
    }
}

/// What the semaphores of a set are adjusted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adjustments {
    /// The set.
    pub id: i64,
    /// For each semaphore. `None` if there are none, or if the source does not tell how many the set has.
    pub by: Option<Vec<i64>>,
}

impl Attribute for Adjustments {
    fn expected() -> String {
        "a list of a signed number, and of a list of such if that is known".to_owned()
    }

    fn of(value: &Value) -> Option<Adjustments> {
        let Value::List(parts) = value else {
            return None;
        };
        let (id, by) = match parts.as_slice() {
            [id] => (id, None),
            [id, by] => (id, Some(Vec::of(by)?)),
            _ => return None,
        };
        Some(Adjustments {
            id: i64::of(id)?,
            by,
        })
    }

    fn value(&self) -> Value {
        let id = std::iter::once(self.id.value());
        Value::List(id.chain(self.by.as_ref().map(Attribute::value)).collect())
    }

    #[cfg(test)]
    fn sample(source: &mut Seed) -> Adjustments {
        Adjustments {
            id: Attribute::sample(source),
            by: source.maybe(Attribute::sample),
        }
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
        pid: i64 = "parent-pid",
        /// Its task.
        task: ObjectId = "parent",
    }
}

impl Together for Parent {
    const NAMES: &'static [&'static str] = &["parent-pid", "parent"];
}

attributes! {
    /// A namespace of mounts.
    pub struct Namespace {
        /// The mount at which it begins. `None` if it has lost its mounts.
        root: Option<ResourceId> = "root",
    }
}

attributes! {
    /// The machine that the tasks ran on: what stands first among the facts of an image.
    pub struct Machine {
        /// The size of a page.
        page_size: u64 = "page-size",
        /// Whether the CPU saves its floating-point registers with `fxsave`.
        has_fxsr: bool = "fxsr",
        /// The family of its CPU.
        cpu_family: u64 = "cpu-family",
        /// Its model.
        cpu_model: u64 = "cpu-model-number",
        /// Its stepping.
        cpu_stepping: u64 = "cpu-stepping",
        /// What it can do: the first word of `X86_FEATURE_*` bits.
        cpu_capabilities: u64 = "cpu-capabilities",
    }
}

impl Machine {
    /// Reads it out of the facts of an image, among which there are others.
    ///
    /// # Errors
    /// If one is missing, or not what it should be.
    pub fn read(facts: &[(String, Value)]) -> Result<Machine, ResourceError> {
        Part::read(&Reader::named("the machine".to_owned(), facts))
    }

    /// The facts.
    pub fn facts(&self) -> Vec<(String, Value)> {
        written(self)
    }
}
