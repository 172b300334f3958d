//! System calls in stopped threads: registers are set, the thread goes through the call, and stops
//! behind it (ptrace(2), PTRACE_SYSCALL).

use crate::call::{CallError, Wrong};
use crate::sys;
use libc::user_regs_struct;
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// The largest error number (`include/linux/err.h`: MAX_ERRNO).
const MAX_ERRNO: i64 = 4095;

/// Past the last address that a program is given unasked
/// (`arch/x86/include/asm/page_64_types.h`: TASK_SIZE_MAX, with page tables of four levels).
pub(crate) const TASK_SIZE: u64 = 0x7fff_ffff_f000;

/// Where in each process the instruction `syscall` lies, and room for arguments.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trampoline {
    /// First address.
    pub(crate) start: u64,
}

impl Trampoline {
    /// Bytes of it: a page of code, and room for arguments, of which the longest are 65,536 groups of 4 bytes
    /// (`include/uapi/linux/limits.h`: NGROUPS_MAX).
    pub(crate) const SIZE: u64 = 5 << 16;
    /// Room in all: behind the trampoline there is a place for the vDSO.
    pub(crate) const ROOM: u64 = 1 << 20;
    /// `syscall`, and behind it `popfq; syscall`: a call that begins with flags from the stack.
    pub(crate) const CODE: [u8; 5] = [0x0f, 0x05, 0x9d, 0x0f, 0x05];
    /// Where the second begins.
    const WITH_FLAGS: u64 = 2;

    /// Where arguments are put.
    pub(crate) fn data(self) -> u64 {
        self.start + 4096
    }

    /// How many bytes of arguments there is room for.
    pub(crate) const DATA_SIZE: usize = (Trampoline::SIZE - 4096) as usize;

    /// Where the vDSO waits for its place.
    pub(crate) fn vdso(self) -> u64 {
        self.start + Trampoline::SIZE * 2
    }
}

/// How threads are traced: what they make is traced as well, and all of them end with kconv.
fn options(suspend_seccomp: bool) -> Options {
    /// Filters of system calls do not judge those that kconv makes in a thread; for that the kernel
    /// needs CONFIG_CHECKPOINT_RESTORE.
    const PTRACE_O_SUSPEND_SECCOMP: i32 = 1 << 21;
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_EXITKILL;
    match suspend_seccomp {
        true => options | Options::from_bits_retain(PTRACE_O_SUSPEND_SECCOMP),
        false => options,
    }
}

/// A thread that is traced and stands still.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(crate) pid: Pid,
    trampoline: Trampoline,
    /// Registers to begin calls with: segments and flags as a new thread has them.
    blank: user_regs_struct,
}

impl Remote {
    /// Takes hold of a thread of this process's own child, wherever it is; with `suspend_seccomp`
    /// filters that it gets do not hold until it is let go.
    pub(crate) fn seize(pid: Pid, suspend_seccomp: bool) -> Result<(), CallError> {
        ptrace::seize(pid, options(suspend_seccomp))
            .map_err(|error| CallError::new("ptrace", error))?;
        ptrace::interrupt(pid).map_err(|error| CallError::new("ptrace", error))?;
        stopped(pid).map(drop)
    }

    /// A thread that stands still.
    pub(crate) fn at(pid: Pid, trampoline: Trampoline) -> Result<Remote, CallError> {
        let mut blank = ptrace::getregs(pid).map_err(|error| CallError::new("ptrace", error))?;
        // Not inside of a call, lest the kernel have it restarted.
        blank.orig_rax = u64::MAX;
        blank.rip = trampoline.start;
        Ok(Remote {
            pid,
            trampoline,
            blank,
        })
    }

    /// Makes a system call in the thread.
    pub(crate) fn call(
        &self,
        name: &'static str,
        number: i64,
        arguments: &[u64],
    ) -> Result<i64, CallError> {
        let failed = |error| CallError::new(name, error);
        let mut regs = self.blank;
        regs.rax = number as u64;
        place_arguments(&mut regs, arguments);
        ptrace::setregs(self.pid, regs).map_err(failed)?;
        self.to_call_stop(name)?;
        self.to_call_stop(name)?;
        self.result(name)
    }

    /// Makes a thread or process with a number of its own choice. That is stopped as well.
    pub(crate) fn make_numbered(
        &self,
        memory: &File,
        flags: u64,
        exit_signal: u64,
        number: i32,
    ) -> Result<Pid, CallError> {
        // struct clone_args (include/uapi/linux/sched.h), and behind it the number.
        const SIZE: u64 = 88;
        let numbers = self.trampoline.data() + SIZE;
        let words = [flags, 0, 0, 0, exit_signal, 0, 0, 0, numbers, 1, 0];
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.extend(number.to_le_bytes());
        let at = self.put(memory, &bytes)?;
        let made = self.call("clone3", libc::SYS_clone3, &[at, SIZE])?;
        let made = Pid::from_raw(made as i32);
        stopped(made)?;
        Ok(made)
    }

    /// Has the process end with a code.
    pub(crate) fn exit(&self, code: u64) -> Result<(), CallError> {
        let name = "exit_group";
        let failed = |error| CallError::new(name, error);
        let mut regs = self.blank;
        regs.rax = libc::SYS_exit_group as u64;
        place_arguments(&mut regs, &[code]);
        ptrace::setregs(self.pid, regs).map_err(failed)?;
        ptrace::cont(self.pid, None).map_err(failed)?;
        match self.wait(name)? {
            WaitStatus::Exited(..) => Ok(()),
            other => Err(CallError::unexpected(name, other)),
        }
    }

    /// Has the process end by a signal.
    pub(crate) fn exit_by(&self, signal: i32) -> Result<(), CallError> {
        let name = "kill";
        let failed = |error| CallError::new(name, error);
        let memory = self.memory()?;
        // The default, nothing blocked, no core file.
        let limit = self.put(&memory, &[0; 64])?;
        let core = u64::from(libc::RLIMIT_CORE);
        self.call("prlimit64", libc::SYS_prlimit64, &[0, core, limit, 0])?;
        if signal != libc::SIGKILL {
            let action = [signal as u64, limit, 0, 8];
            self.call("rt_sigaction", libc::SYS_rt_sigaction, &action)?;
        }
        self.set_blocked(0)?;
        let own = [self.pid.as_raw() as u64, signal as u64];
        let mut regs = self.blank;
        regs.rax = libc::SYS_kill as u64;
        place_arguments(&mut regs, &own);
        ptrace::setregs(self.pid, regs).map_err(failed)?;
        ptrace::cont(self.pid, None).map_err(failed)?;
        loop {
            match self.wait(name)? {
                WaitStatus::Signaled(..) => return Ok(()),
                WaitStatus::Stopped(_, signal) => {
                    ptrace::cont(self.pid, signal).map_err(failed)?;
                }
                other => return Err(CallError::unexpected(name, other)),
            }
        }
    }

    /// Begins a call that waits, and interrupts it: the kernel has then noted how it goes on.
    pub(crate) fn interrupted(
        &self,
        name: &'static str,
        number: i64,
        arguments: &[u64],
    ) -> Result<i64, CallError> {
        let failed = |error| CallError::new(name, error);
        let mut regs = self.blank;
        regs.rax = number as u64;
        place_arguments(&mut regs, arguments);
        ptrace::setregs(self.pid, regs).map_err(failed)?;
        self.to_call_stop(name)?;
        ptrace::syscall(self.pid, None).map_err(failed)?;
        ptrace::interrupt(self.pid).map_err(failed)?;
        // First the end of the call, then the stop that was asked for.
        match self.wait(name)? {
            WaitStatus::PtraceSyscall(_) => {
                let regs = ptrace::getregs(self.pid).map_err(failed)?;
                Ok(regs.rax as i64)
            }
            other => Err(CallError::unexpected(name, other)),
        }
    }

    fn result(&self, name: &'static str) -> Result<i64, CallError> {
        let regs = ptrace::getregs(self.pid).map_err(|error| CallError::new(name, error))?;
        match regs.rax as i64 {
            error if (-MAX_ERRNO..0).contains(&error) => {
                Err(CallError::new(name, Errno::from_raw(-error as i32)))
            }
            result => Ok(result),
        }
    }

    /// Runs to the beginning or the end of a call.
    fn to_call_stop(&self, name: &'static str) -> Result<(), CallError> {
        loop {
            ptrace::syscall(self.pid, None).map_err(|error| CallError::new(name, error))?;
            match self.wait(name)? {
                WaitStatus::PtraceSyscall(_) => return Ok(()),
                // On the way: a thread or process was made, or a stop was asked for before.
                WaitStatus::PtraceEvent(..) => {}
                WaitStatus::Stopped(_, signal) => {
                    return Err(CallError::Interrupted { call: name, signal });
                }
                other => return Err(CallError::unexpected(name, other)),
            }
        }
    }

    fn wait(&self, name: &'static str) -> Result<WaitStatus, CallError> {
        wait(self.pid).map_err(|error| CallError::new(name, error))
    }

    /// Makes the very first call of a thread that waits in the kernel: `mmap`, to have a trampoline.
    pub(crate) fn first_call(pid: Pid, arguments: &[u64]) -> Result<i64, CallError> {
        let name = "mmap";
        let failed = |error| CallError::new(name, error);
        let bare = Remote {
            pid,
            trampoline: Trampoline { start: 0 },
            blank: ptrace::getregs(pid).map_err(failed)?,
        };
        bare.to_call_stop(name)?;
        // At the beginning of some call: it becomes another.
        let mut regs = ptrace::getregs(pid).map_err(failed)?;
        regs.orig_rax = libc::SYS_mmap as u64;
        place_arguments(&mut regs, arguments);
        ptrace::setregs(pid, regs).map_err(failed)?;
        bare.to_call_stop(name)?;
        bare.result(name)
    }

    /// Address of the room for arguments, filled with `bytes`.
    pub(crate) fn put(&self, memory: &File, bytes: &[u8]) -> Result<u64, CallError> {
        let at = self.trampoline.data();
        if bytes.len() > Trampoline::DATA_SIZE {
            return Err(CallError::new("pwrite", Errno::E2BIG));
        }
        memory
            .write_all_at(bytes, at)
            .map_err(|error| CallError::io("pwrite", &error))?;
        Ok(at)
    }

    /// What a call left in the room for arguments.
    pub(crate) fn get(&self, memory: &File, bytes: &mut [u8]) -> Result<(), CallError> {
        memory
            .read_exact_at(bytes, self.trampoline.data())
            .map_err(|error| CallError::io("pread", &error))
    }

    /// The memory of the thread's process.
    pub(crate) fn memory(&self) -> Result<File, CallError> {
        let path = format!("/proc/{}/mem", self.pid);
        let file = File::options().read(true).write(true).open(path);
        file.map_err(|error| CallError::io("open", &error))
    }

    pub(crate) fn trampoline(&self) -> Trampoline {
        self.trampoline
    }

    /// Sets the blocked signals.
    pub(crate) fn set_blocked(&self, blocked: u64) -> Result<(), CallError> {
        sys::set_blocked(self.pid, blocked).map_err(|error| CallError::new("ptrace", error))
    }

    /// Sets flags that ptrace(2) does not set, by having the thread take them from its stack.
    pub(crate) fn set_flags(&self, memory: &File, flags: u64) -> Result<(), CallError> {
        let at = self.put(memory, &flags.to_le_bytes())?;
        let mut with_flags = Remote { ..*self };
        with_flags.blank.rip = self.trampoline.start + Trampoline::WITH_FLAGS;
        with_flags.blank.rsp = at;
        with_flags.call("getpid", libc::SYS_getpid, &[])?;
        Ok(())
    }

    /// Sets the general registers with which the thread runs on.
    pub(crate) fn set_registers(&self, values: &[u64; 27]) -> Result<(), CallError> {
        let set = sys::set_general(self.pid, values);
        set.map_err(|error| CallError::new("ptrace", error))
    }

    /// Sets the other registers. The kernel wants all that the CPU has.
    pub(crate) fn set_xstate(&self, standard: &[u8]) -> Result<(), CallError> {
        let failed = |error| CallError::new("ptrace", error);
        let mut area = sys::xstate(self.pid).map_err(failed)?;
        area.fill(0);
        let length = standard.len().min(area.len());
        area[..length].copy_from_slice(&standard[..length]);
        sys::set_xstate(self.pid, &mut area).map_err(failed)
    }
}

fn place_arguments(regs: &mut user_regs_struct, arguments: &[u64]) {
    let places = [
        &mut regs.rdi,
        &mut regs.rsi,
        &mut regs.rdx,
        &mut regs.r10,
        &mut regs.r8,
        &mut regs.r9,
    ];
    for (index, place) in places.into_iter().enumerate() {
        *place = arguments.get(index).copied().unwrap_or(0);
    }
}

/// Waits until a thread has stopped.
fn stopped(pid: Pid) -> Result<WaitStatus, CallError> {
    match wait(pid).map_err(|error| CallError::new("wait4", error))? {
        stop @ (WaitStatus::PtraceEvent(..) | WaitStatus::Stopped(..)) => Ok(stop),
        other => Err(CallError::unexpected("wait4", other)),
    }
}

fn wait(pid: Pid) -> Result<WaitStatus, Errno> {
    loop {
        match waitpid(pid, Some(WaitPidFlag::__WALL)) {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

/// What a thread did instead of what it was to do.
impl From<WaitStatus> for Wrong {
    fn from(status: WaitStatus) -> Wrong {
        Wrong(format!("{status:?}"))
    }
}
