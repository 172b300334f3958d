//! What tasks asked the kernel for with prctl(2) and its like, that stands in bits of theirs. A bit that
//! the kernel has no name for is a request that it does not know.

use kconv_objects::{FieldError, Names, Structure};

/// Requests of a thread.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Controls {
    /// Reading the time stamp counter is an error (PR_SET_TSC).
    pub no_time_stamps: bool,
    /// Asking the CPU what it is, is an error (ARCH_SET_CPUID).
    pub no_cpuid: bool,
    /// It writes for a block device, and so may not wait for one (PR_SET_IO_FLUSHER).
    pub io_flusher: bool,
    /// Whether it is told of damaged memory at once, or when it uses that; none: as the machine has
    /// it (PR_MCE_KILL).
    pub memory_failure_early: Option<bool>,
    /// Speculation of the CPU, as PR_SET_SPECULATION_CTRL takes it: of stores that are passed by, of
    /// indirect branches, and emptying of the first cache. 0 if it asked for nothing.
    pub speculation: [u64; 3],
    /// System calls that are not made, but told to the program (PR_SET_SYSCALL_USER_DISPATCH).
    pub dispatch: Option<Dispatch>,
}

/// A dispatch of system calls.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// Calls from this address on are made.
    pub start: u64,
    /// For so many bytes.
    pub length: u64,
    /// Where the byte is that has others made or told.
    pub selector: u64,
}

/// Requests of a process, of its memory.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryControls {
    /// What it has registered for with membarrier(2): `mm_struct.membarrier_state`.
    pub barriers: u64,
    /// Argument of PR_SET_MDWE; 0 if it did not ask.
    pub refused_execution: u64,
    /// All of its memory may be merged with alike memory (PR_SET_MEMORY_MERGE).
    pub merges: bool,
    /// Huge pages where it asks for them only (PR_SET_THP_DISABLE with PR_THP_DISABLE_EXCEPT_ADVISED).
    pub huge_where_asked: bool,
}

/// Bits of a field by their names in the layout.
struct Bits<'v> {
    names: &'v Names<'v>,
    value: u64,
}

impl<'v> Bits<'v> {
    fn of<B: AsRef<[u8]>>(owner: &Structure<'v, B>, field: &str) -> Result<Bits<'v>, FieldError> {
        Ok(Bits {
            names: owner.names(),
            value: owner.unsigned(field)?,
        })
    }

    /// Whether the bit whose number the constant is, is set.
    fn numbered(&self, name: &str) -> bool {
        let number = self.names.constant(name);
        number.is_some_and(|number| (0..64).contains(&number) && self.value >> number & 1 == 1)
    }

    /// Whether the bit that the constant is, is set.
    fn masked(&self, name: &str) -> bool {
        let mask = self.names.constant(name);
        mask.is_some_and(|mask| self.value & mask as u64 != 0)
    }
}

/// Values of PR_SET_SPECULATION_CTRL (`include/uapi/linux/prctl.h`).
const SPECULATE: u64 = 2;
const DISABLE: u64 = 4;
const DISABLE_FOR_EVER: u64 = 8;
const DISABLE_UNTIL_EXECVE: u64 = 16;

impl Controls {
    /// Those of a task.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn of<T: AsRef<[u8]>>(task: &Structure<'_, T>) -> Result<Controls, FieldError> {
        let bits = |field: &str| Bits::of(task, field);
        let info = bits("thread_info.flags")?;
        let flags = bits("flags")?;
        let atomic = bits("atomic_flags")?;
        // 5.10 has no such word, and no dispatch.
        let dispatched = match task.has("thread_info.syscall_work") {
            true => {
                let work = bits("thread_info.syscall_work")?;
                work.masked("SYSCALL_WORK_SYSCALL_USER_DISPATCH")
            }
            false => false,
        };
        // arch/x86/kernel/cpu/bugs.c: ssb_prctl_set, ib_prctl_set, l1d_flush_prctl_set.
        let stores = match () {
            () if atomic.numbered("PFA_SPEC_SSB_FORCE_DISABLE") => DISABLE_FOR_EVER,
            () if atomic.numbered("PFA_SPEC_SSB_NOEXEC") => DISABLE_UNTIL_EXECVE,
            () if atomic.numbered("PFA_SPEC_SSB_DISABLE") => DISABLE,
            () => 0,
        };
        let branches = match () {
            () if atomic.numbered("PFA_SPEC_IB_FORCE_DISABLE") => DISABLE_FOR_EVER,
            () if atomic.numbered("PFA_SPEC_IB_DISABLE") => DISABLE,
            () => 0,
        };
        let cache = match info.numbered("TIF_SPEC_L1D_FLUSH") {
            true => SPECULATE,
            false => 0,
        };
        Ok(Controls {
            no_time_stamps: info.numbered("TIF_NOTSC"),
            no_cpuid: info.numbered("TIF_NOCPUID"),
            // kernel/sys.c: PR_SET_IO_FLUSHER sets two, and one of them is set for others' reasons, too.
            io_flusher: flags.masked("PF_MEMALLOC_NOIO") && flags.masked("PF_LOCAL_THROTTLE"),
            memory_failure_early: flags
                .masked("PF_MCE_PROCESS")
                .then(|| flags.masked("PF_MCE_EARLY")),
            speculation: [stores, branches, cache],
            dispatch: match dispatched {
                true => Some(Dispatch {
                    start: task.unsigned("syscall_dispatch.offset")?,
                    length: task.unsigned("syscall_dispatch.len")?,
                    selector: task.unsigned("syscall_dispatch.selector")?,
                }),
                false => None,
            },
        })
    }
}

impl MemoryControls {
    /// Those of an `mm_struct`.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn of<M: AsRef<[u8]>>(mm: &Structure<'_, M>) -> Result<MemoryControls, FieldError> {
        /// PR_MDWE_REFUSE_EXEC_GAIN, PR_MDWE_NO_INHERIT.
        const REFUSE: u64 = 1;
        const NOT_INHERITED: u64 = 2;
        let flags = Bits::of(mm, "flags.__mm_flags[0]|flags")?;
        let mut refused_execution = 0;
        if flags.numbered("MMF_HAS_MDWE") {
            refused_execution = match flags.numbered("MMF_HAS_MDWE_NO_INHERIT") {
                true => REFUSE | NOT_INHERITED,
                false => REFUSE,
            };
        }
        Ok(MemoryControls {
            barriers: mm.unsigned("membarrier_state.counter")?,
            refused_execution,
            merges: flags.numbered("MMF_VM_MERGE_ANY"),
            huge_where_asked: flags.numbered("MMF_DISABLE_THP_EXCEPT_ADVISED"),
        })
    }
}
