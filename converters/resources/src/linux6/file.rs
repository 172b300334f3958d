//! What has a path.

use super::pipe::PipeState;
use crate::attributes::{Part, Reader, Writer};
use crate::error::ResourceError;
#[cfg(test)]
use crate::sample::Seed;
use crate::values::{Bytes, Device, FileSize};
use kconv_image::ResourceId;

attributes! {
    /// What an inode says of its file (`include/linux/fs.h`: struct inode).
    pub struct Inode {
        /// Permission bits, with set-user-ID, set-group-ID and the sticky bit.
        mode: u32 = "mode",
        /// Its number on its file system.
        inode: u64 = "inode",
        /// The device that its file system is on, or stands for one.
        device: Device = "device",
        /// How many names it has.
        links: u64 = "links",
        /// The user whose it is.
        uid: u32 = "uid",
        /// The group whose it is.
        gid: u32 = "gid",
        /// Its size.
        size: FileSize = "size",
        /// When it was changed last, in seconds since 1970.
        mtime: i64 = "mtime",
        /// The nanoseconds of that second.
        mtime_nanoseconds: u32 = "mtime-nanoseconds",
        /// The type of its file system.
        file_system: String = "file-system",
    }
}

/// A file, a folder, a device or a FIFO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// From the root of all mounts.
    pub path: String,
    /// What it is.
    pub file_type: FileType,
    /// What its inode says.
    pub inode: Inode,
    /// How it is reached.
    pub place: Place,
    /// The build ID of a program or library. `None` if it is neither; if it was mapped nowhere from its beginning
    /// and unwritable; or if the first page of that mapping could not be read, as in a dump that was made without the
    /// pages of programs. Then it is known by what any file is known by.
    pub build_id: Option<Vec<u8>>,
}

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileType {
    /// A regular file.
    Regular,
    /// A folder.
    Directory,
    /// A symbolic link, opened as such (O_PATH with O_NOFOLLOW).
    SymbolicLink,
    /// A FIFO, with what is in it. `None` if nobody has it open but as a path (O_PATH): then the kernel keeps no pipe
    /// for it (`fs/pipe.c`: fifo_open).
    Fifo(Option<PipeState>),
    /// A character device, with its number.
    CharacterDevice(Device),
    /// A block device, with its number.
    BlockDevice(Device),
}

/// How a file is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// By its path.
    Mounted {
        /// The mount it is seen through.
        mount: ResourceId,
        /// Whether the image has what is in it for the programs that have it mapped.
        is_kept: bool,
    },
    /// By no path: it was unlinked, or is a copy that a thaw had made. The image has what is in it, and the path is
    /// where it had been. It is mapped alone, and may be mapped from memory.
    Copy,
    /// By no path: its last name was removed while tasks had it. The image has what is in it, and the path is where it
    /// had been, on the file system on which it is to be made again.
    Unlinked {
        /// The mount it was seen through.
        mount: ResourceId,
        /// Whether it can be given a name: it never had one, and was not to be without for good (open(2), O_TMPFILE).
        is_linkable: bool,
    },
    /// By no path: it never had a name (memfd_create(2)). The image has what is in it, and the path is what `/proc` shows.
    Memfd {
        /// What nobody may do with it any more, as fcntl(2), F_GET_SEALS gives it.
        seals: u32,
    },
}

words! {
    /// The types, as images have them.
    enum TypeName {
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
    }
}

words! {
    /// Why an image has what is in a file.
    enum Kept {
        /// It was at its path.
        File = "file",
        /// No path led to it.
        Copy = "copy",
        /// Its last name was removed.
        Unlinked = "unlinked",
        /// It never had a name.
        Memfd = "memfd",
    }
}

impl FileType {
    /// What it is called.
    pub fn name(&self) -> &'static str {
        self.type_name().name()
    }

    fn type_name(&self) -> TypeName {
        match self {
            FileType::Regular => TypeName::Regular,
            FileType::Directory => TypeName::Directory,
            FileType::SymbolicLink => TypeName::SymbolicLink,
            FileType::Fifo(_) => TypeName::Fifo,
            FileType::CharacterDevice(_) => TypeName::CharacterDevice,
            FileType::BlockDevice(_) => TypeName::BlockDevice,
        }
    }
}

impl File {
    /// Whether it is a regular file.
    pub fn is_regular(&self) -> bool {
        matches!(self.file_type, FileType::Regular)
    }

    /// Whether it is a FIFO.
    pub fn is_fifo(&self) -> bool {
        matches!(self.file_type, FileType::Fifo(_))
    }

    /// Its number, if it is a device.
    pub fn device_number(&self) -> Option<Device> {
        match self.file_type {
            FileType::CharacterDevice(number) | FileType::BlockDevice(number) => Some(number),
            FileType::Regular
            | FileType::Directory
            | FileType::SymbolicLink
            | FileType::Fifo(_) => None,
        }
    }

    /// Whether the image has what is in it for the programs that have it mapped.
    pub fn is_kept(&self) -> bool {
        matches!(
            self.place,
            Place::Copy | Place::Mounted { is_kept: true, .. }
        )
    }

    /// Whether its last name was removed, and it is made again without one.
    pub fn is_unlinked(&self) -> bool {
        matches!(self.place, Place::Unlinked { .. })
    }

    /// Whether it has no name, and is made again without one.
    pub fn is_nameless(&self) -> bool {
        matches!(self.place, Place::Unlinked { .. } | Place::Memfd { .. })
    }

    /// The mount it is seen through, or was when a path led to it.
    pub fn mount(&self) -> Option<ResourceId> {
        match self.place {
            Place::Mounted { mount, .. } | Place::Unlinked { mount, .. } => Some(mount),
            Place::Copy | Place::Memfd { .. } => None,
        }
    }
}

/// The attribute that says that an image has what is in a file, and why.
const KEPT: &str = "kept";

impl Part for File {
    fn read(from: &Reader<'_>) -> Result<File, ResourceError> {
        let path = from.required("path")?;
        let file_type = match from.required("type")? {
            TypeName::Regular => FileType::Regular,
            TypeName::Directory => FileType::Directory,
            TypeName::SymbolicLink => FileType::SymbolicLink,
            TypeName::Fifo => FileType::Fifo(Part::read(from)?),
            TypeName::CharacterDevice => FileType::CharacterDevice(from.required("rdev")?),
            TypeName::BlockDevice => FileType::BlockDevice(from.required("rdev")?),
        };
        let place = match from.optional(KEPT)? {
            Some(Kept::Copy) => Place::Copy,
            Some(Kept::Unlinked) => Place::Unlinked {
                mount: from.required("mount")?,
                is_linkable: from.required("linkable")?,
            },
            Some(Kept::Memfd) => Place::Memfd {
                seals: from.required("seals")?,
            },
            kept => Place::Mounted {
                mount: from.required("mount")?,
                is_kept: kept.is_some(),
            },
        };
        let build_id: Option<Bytes> = from.optional("build-id")?;
        Ok(File {
            path,
            file_type,
            inode: Part::read(from)?,
            place,
            build_id: build_id.map(|id| id.0),
        })
    }

    fn write(&self, to: &mut Writer) {
        to.put("path", &self.path);
        to.put("type", &self.file_type.type_name());
        if self.place == Place::Copy {
            to.put(KEPT, &Kept::Copy);
        }
        self.inode.write(to);
        match &self.file_type {
            FileType::CharacterDevice(number) | FileType::BlockDevice(number) => {
                to.put_after("device", "rdev", number);
            }
            FileType::Fifo(state) => state.write(to),
            FileType::Regular | FileType::Directory | FileType::SymbolicLink => {}
        }
        if let Some(mount) = self.mount() {
            to.put("mount", &mount);
        }
        if let Some(id) = &self.build_id {
            to.put("build-id", &Bytes(id.clone()));
        }
        match self.place {
            Place::Mounted { is_kept: true, .. } => to.put(KEPT, &Kept::File),
            Place::Unlinked { is_linkable, .. } => {
                to.put(KEPT, &Kept::Unlinked);
                to.put("linkable", &is_linkable);
            }
            Place::Memfd { seals } => {
                to.put(KEPT, &Kept::Memfd);
                to.put("seals", &seals);
            }
            Place::Mounted { is_kept: false, .. } | Place::Copy => {}
        }
    }

    #[cfg(test)]
    fn optional(names: &mut Vec<&'static str>) {
        <Option<PipeState>>::optional(names);
        // It is there if the file is kept. A copy without it has no mount either.
        names.extend(["build-id", KEPT]);
    }

    #[cfg(test)]
    fn sample(source: &mut Seed) -> File {
        let number = <Device as crate::attributes::Attribute>::sample(source);
        let file_type = match source.one_of(TypeName::ALL) {
            TypeName::Regular => FileType::Regular,
            TypeName::Directory => FileType::Directory,
            TypeName::SymbolicLink => FileType::SymbolicLink,
            TypeName::Fifo => FileType::Fifo(Part::sample(source)),
            TypeName::CharacterDevice => FileType::CharacterDevice(number),
            TypeName::BlockDevice => FileType::BlockDevice(number),
        };
        let mount = ResourceId(source.number() as u32);
        let place = match source.one_of(Kept::ALL) {
            Kept::File => Place::Mounted {
                mount,
                is_kept: source.flip(),
            },
            Kept::Copy => Place::Copy,
            Kept::Unlinked => Place::Unlinked {
                mount,
                is_linkable: source.flip(),
            },
            Kept::Memfd => Place::Memfd {
                seals: source.number() as u32,
            },
        };
        File {
            path: source.text(),
            file_type,
            inode: Part::sample(source),
            place,
            build_id: source.maybe(|source| source.list(|source| source.number() as u8)),
        }
    }
}
