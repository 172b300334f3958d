//! Where the walk reads from: the memory of a kernel and of its tasks.

use kconv_image::{KernelAddr, PAGE_SIZE, UserAddr, Value};

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

    /// Whether the kernel runs on while its memory is read, so that all but the tasks that stand
    /// still can change.
    fn is_running(&self) -> bool {
        false
    }

    /// Addresses of the pages of user memory that are present in the address space `mm`
    /// (a `mm_struct`), ascending.
    ///
    /// # Errors
    /// If they cannot be told.
    fn pages(&self, mm: KernelAddr) -> Result<Vec<UserAddr>, ReadError>;

    /// Reads the page at `at` of the address space `mm`.
    ///
    /// # Errors
    /// If the page is not present or cannot be read.
    fn read_page(
        &self,
        mm: KernelAddr,
        at: UserAddr,
        into: &mut [u8; PAGE_SIZE as usize],
    ) -> Result<(), ReadError>;

    /// Ticks a second (`HZ`), which stands nowhere in a kernel's memory.
    fn tick_rate(&self) -> Option<u32>;

    /// What else is known of the machine and worth keeping, by name.
    fn facts(&self) -> Vec<(String, Value)>;
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
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}
