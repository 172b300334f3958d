//! Where the walk reads from: the memory of a kernel and of its tasks.

use kconv_image::{Digest, KernelAddr, UserAddr};
use kconv_resources::linux6::JournalStream;
use kernel_structs::layout::Layout;
use std::collections::BTreeMap;
use std::ops::Range;

/// Memory of a kernel, and what is known of it from outside: a dump, or a running kernel.
pub trait MemorySource {
    /// Fills `into` from the kernel's memory at `at`.
    ///
    /// # Errors
    /// If not all of it can be read; `into` then holds nothing of use.
    fn read(&self, at: KernelAddr, into: &mut [u8]) -> Result<(), ReadError>;

    /// Where the symbol `name` of the kernel image lies, if it is known.
    fn symbol(&self, name: &str) -> Option<KernelAddr>;

    /// The symbol of the kernel image that `at` belongs to, and how many bytes past it.
    fn symbolise(&self, at: KernelAddr) -> Option<(String, u64)>;

    /// How many bytes the kernel object at `at` has, where the source knows one object from the
    /// next.
    fn object_size(&self, at: KernelAddr) -> Option<u64> {
        let _ = at;
        None
    }

    /// How the kernel's own type information has those of its types of which nothing is saved; `None` where it has none.
    fn types(&self) -> Option<&Layout> {
        None
    }

    /// What a thread is confined by that stands in no structure of the kernel's own; `None` where
    /// nobody can be asked.
    fn standing(&self, process: i64, thread: i64) -> Option<Standing> {
        let _ = (process, thread);
        None
    }

    /// What the cgroup at `path` and those above it limit, by file; `None` where nobody can be asked.
    fn cgroup_limits(&self, path: &str) -> Option<BTreeMap<String, String>> {
        let _ = path;
        None
    }

    /// The id of the mount on which `path` now ends, from the root of the first process; `None` where
    /// nobody can be asked.
    fn mount_at(&self, path: &str) -> Option<std::io::Result<u64>> {
        let _ = path;
        None
    }

    /// Another name that the file with this number has in the folder `folder`, for one whose name was
    /// removed; `None` if there is none, or where nobody can be asked.
    fn other_name(&self, folder: &str, inode: u64) -> Option<String> {
        let _ = (folder, inode);
        None
    }

    /// What the socket of AF_UNIX with this number is connected with; `None` where nobody can be asked.
    fn peer_of(&self, socket: u64) -> Option<std::io::Result<Peer>> {
        let _ = socket;
        None
    }

    /// The stream that the journal has with its socket `peer`, to which this machine's socket `socket` leads;
    /// `None` where nobody can be asked.
    fn journal_stream(&self, socket: u64, peer: &Peer) -> Option<std::io::Result<JournalStream>> {
        let _ = (socket, peer);
        None
    }

    /// Where a file has data, in bytes, ascending: all else of it is zero. `None` where nobody can
    /// be asked.
    fn data_of(&self, file: &FileOf) -> Option<std::io::Result<Vec<Range<u64>>>> {
        let _ = file;
        None
    }

    /// Fills `into` from a file at `offset`, and with zeros where it ends.
    ///
    /// # Errors
    /// If it cannot be read.
    fn read_file(&self, file: &FileOf, offset: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let _ = (file, offset, into);
        Err(ReadError::Io(std::io::ErrorKind::Unsupported.into()))
    }

    /// Has what was written to a file be on its disk; `None` where nobody can be asked.
    fn sync(&self, file: &FileOf) -> Option<std::io::Result<()>> {
        let _ = file;
        None
    }

    /// Whether the kernel runs on while its memory is read, so that all but the tasks that stand
    /// still can change.
    fn is_running(&self) -> bool {
        false
    }

    /// The pages of user memory in the address space `space` that have to be saved, by ascending
    /// address.
    ///
    /// # Errors
    /// If they cannot be told.
    fn pages(&self, space: &Space<'_>) -> Result<Vec<PresentPage>, ReadError>;

    /// Reads the page at `at` of the address space `space` and those that follow it, by the bytes of `into`.
    ///
    /// # Errors
    /// If one of the pages is not present or cannot be read.
    fn read_pages(&self, space: &Space<'_>, at: UserAddr, into: &mut [u8])
    -> Result<(), ReadError>;

    /// Ticks a second (`HZ`), which stands nowhere in the memory of old kernels.
    fn tick_rate(&self) -> Option<u32>;

    /// The `VMCOREINFO` note of the kernel, which tells debuggers where things are.
    fn vmcoreinfo(&self) -> Option<Vec<u8>> {
        None
    }

    /// Where this comes from, and what is noted of the machine.
    fn facts(&self) -> kconv_resources::Source;
}

/// A file, through a task that has it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileOf {
    /// Open in a process under this number.
    Descriptor {
        /// Id of the process.
        process: i64,
        /// Number of the descriptor.
        number: u64,
    },
    /// Mapped in a process.
    Mapping {
        /// Id of the process.
        process: i64,
        /// First address of the mapping.
        start: u64,
        /// First address after it.
        end: u64,
    },
}

/// What a socket of AF_UNIX is connected with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// The number of the socket at the other end; `None` if there is none.
    pub inode: Option<u64>,
    /// The path by which that one is known, or was accepted.
    pub path: Option<String>,
    /// Whether both carry a stream of bytes (SOCK_STREAM).
    pub is_stream: bool,
    /// How many bytes wait to be read from the socket that was asked for.
    pub unread: u32,
    /// Which of its ways are shut (`include/net/sock.h`: RCV_SHUTDOWN is 1, SEND_SHUTDOWN is 2).
    pub shut: u8,
}

/// What a thread is confined by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The label that a security module gave it.
    pub label: Option<String>,
    /// The one that it has asked for the program that it executes next.
    pub label_of_execve: Option<String>,
    /// Its cgroups in hierarchies of version 1, as `CONTROLLERS:PATH`.
    pub cgroups: Vec<String>,
}

/// An address space of user memory.
#[derive(Copy, Clone, Debug)]
pub struct Space<'s> {
    /// Its `mm_struct`.
    pub mm: KernelAddr,
    /// Id of a process that has it; 0 if there is none.
    pub process: i64,
    /// Its page tables, where the kernel sees them.
    pub page_tables: Option<KernelAddr>,
    /// What is mapped in it, by ascending address.
    pub mappings: &'s [Mapping],
}

impl Space<'static> {
    /// The address space of which no more is known than its `mm_struct`.
    pub fn of(mm: KernelAddr) -> Space<'static> {
        Space {
            mm,
            process: 0,
            page_tables: None,
            mappings: &[],
        }
    }
}

/// A page of user memory.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct PresentPage {
    /// Its address.
    pub at: UserAddr,
    /// What is in it, if other address spaces may have the very page: since a fork nobody has
    /// written to it.
    pub digest: Option<Digest>,
}

impl From<UserAddr> for PresentPage {
    fn from(at: UserAddr) -> PresentPage {
        PresentPage { at, digest: None }
    }
}

/// A part of an address space.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// `PF_R`, `PF_W` and `PF_X` of ELF.
    pub access: u32,
    /// Whose memory it is.
    pub content: Content,
}

/// Which pages of a mapping are saved.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// All that are not zero: memory of the task's own.
    Own,
    /// Those that were written: the others are those of the file.
    OfFile,
    /// All that are not zero, whether the task has touched them or not: memory shared without a
    /// file.
    Shared,
    /// None: they are in a file, or the kernel provides them.
    Elsewhere,
}

/// Memory that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source does not have these bytes.
    #[error("{size} bytes at {at} are not in memory, or not in the dump")]
    Missing {
        /// The first byte asked for.
        at: KernelAddr,
        /// How many.
        size: u64,
    },
    /// The source does not have this page.
    #[error("the page at {at} of the address space {mm} is not present")]
    NoPage {
        /// The address space.
        mm: KernelAddr,
        /// The page.
        at: UserAddr,
    },
    /// The page is on a swap device, which the source does not have.
    #[error("the page at {at} of the address space {mm} was swapped out")]
    Swapped {
        /// The address space.
        mm: KernelAddr,
        /// The page.
        at: UserAddr,
    },
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}
