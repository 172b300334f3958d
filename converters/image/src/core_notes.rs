//! Standard notes of a core file, as gdb and other debuggers expect them.
//!
//! The structures are those of `include/linux/elfcore.h` and of `<sys/procfs.h>`; a reader tells
//! their machine by their size alone (elf(5), "Notes (Nhdr)"; BFD: `elf_i386_grok_prstatus`,
//! `elf_x86_64_grok_prstatus`).

use crate::model::{CoreNote, Machine};

/// `n_type` of a thread's registers and signals; owner `CORE`. A debugger takes each for the
/// beginning of one thread.
pub const NT_PRSTATUS: u32 = 1;
/// `n_type` of the floating-point registers; owner `CORE`. On i386 the 108 bytes that `fsave`
/// writes, on x86-64 the 512 that `fxsave` writes.
pub const NT_FPREGSET: u32 = 2;
/// `n_type` of the name and credentials of a process; owner `CORE`.
pub const NT_PRPSINFO: u32 = 3;
/// `n_type` of the auxiliary vector; owner `CORE`.
pub const NT_AUXV: u32 = 6;
/// `n_type` of the signal that stopped a thread, a whole `siginfo_t`; owner `CORE`.
pub const NT_SIGINFO: u32 = 0x5349_4749;
/// `n_type` of the mapped files; owner `CORE`.
pub const NT_FILE: u32 = 0x4649_4c45;
/// `n_type` of the 512 bytes that `fxsave` writes, on i386; owner `LINUX`.
pub const NT_PRXFPREG: u32 = 0x46e6_2b7f;
/// `n_type` of the extended processor state that `xsave` writes; owner `LINUX`.
pub const NT_X86_XSTATE: u32 = 0x202;

/// The general registers of an i386 thread: `struct user_regs_struct` of
/// `arch/x86/include/asm/user_32.h`, in its order.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the registers")]
pub struct I386Registers {
    pub ebx: u32,
    pub ecx: u32,
    pub edx: u32,
    pub esi: u32,
    pub edi: u32,
    pub ebp: u32,
    pub eax: u32,
    pub ds: u32,
    pub es: u32,
    pub fs: u32,
    pub gs: u32,
    pub orig_eax: u32,
    pub eip: u32,
    pub cs: u32,
    pub eflags: u32,
    pub esp: u32,
    pub ss: u32,
}

/// The general registers of an x86-64 thread: `struct user_regs_struct` of
/// `arch/x86/include/asm/user_64.h`, in its order.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the registers")]
pub struct X86_64Registers {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub orig_rax: u64,
    pub rip: u64,
    pub cs: u64,
    pub eflags: u64,
    pub rsp: u64,
    pub ss: u64,
    pub fs_base: u64,
    pub gs_base: u64,
    pub ds: u64,
    pub es: u64,
    pub fs: u64,
    pub gs: u64,
}

/// General registers; they decide the machine of the note.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Registers {
    /// Of an i386 thread.
    I386(I386Registers),
    /// Of an x86-64 thread.
    X86_64(X86_64Registers),
}

/// A time as `struct timeval` has it.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeVal {
    /// Whole seconds.
    pub seconds: u64,
    /// Microseconds of the second.
    pub microseconds: u32,
}

/// A process and its kin, as the kernel numbers them.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// The thread (`task_struct.pid`), which debuggers show as LWP.
    pub pid: i32,
    /// Its parent.
    pub ppid: i32,
    /// Its process group.
    pub pgrp: i32,
    /// Its session.
    pub sid: i32,
}

/// What `struct elf_prstatus` says of a thread.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The signal that stopped the thread; 0 if none did.
    pub signal: i16,
    /// `si_code` of that signal.
    pub code: i32,
    /// `si_errno` of that signal.
    pub errno: i32,
    /// Pending signals, bit n-1 for signal n. i386 has room for the first 32.
    pub pending: u64,
    /// Blocked signals, likewise.
    pub blocked: u64,
    /// Who it is.
    pub ids: Ids,
    /// Time spent in user mode.
    pub user_time: TimeVal,
    /// Time spent in the kernel.
    pub system_time: TimeVal,
    /// Time spent in user mode by children that were waited for.
    pub children_user_time: TimeVal,
    /// Time spent in the kernel by children that were waited for.
    pub children_system_time: TimeVal,
    /// The general registers of user mode.
    pub registers: Registers,
    /// Whether a note with floating-point registers follows.
    pub has_floating_point: bool,
}

/// What `struct elf_prpsinfo` says of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Number of the state, bit number of `task_struct.state` plus one, 0 for running.
    pub state: u8,
    /// Letter of the state, as ps shows it.
    pub state_letter: u8,
    /// Whether it is a zombie.
    pub zombie: bool,
    /// Its nice value.
    pub nice: i8,
    /// `task_struct.flags`.
    pub flags: u64,
    /// Real user id. i386 has 16 bits for it; a larger one becomes 65534 as in the kernel.
    pub uid: u32,
    /// Real group id, likewise.
    pub gid: u32,
    /// Who it is.
    pub ids: Ids,
    /// `task_struct.comm`; at most 16 bytes are kept.
    pub name: Vec<u8>,
    /// The command line, arguments separated by blanks; at most 79 bytes are kept.
    pub arguments: Vec<u8>,
}

/// One mapping of a file, for `NT_FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedFile {
    /// First address.
    pub start: u64,
    /// First address after the mapping.
    pub end: u64,
    /// Where in the file it begins, in pages.
    pub page_offset: u64,
    /// Path of the file.
    pub path: Vec<u8>,
}

/// The `NT_PRSTATUS` note of a thread.
pub fn prstatus(status: &Status) -> CoreNote {
    todo!()
}

/// The `NT_PRPSINFO` note of a process.
pub fn prpsinfo(machine: Machine, info: &ProcessInfo) -> CoreNote {
    todo!()
}

/// The `NT_FPREGSET` note of an i386 thread, from what `fsave` writes.
pub fn i386_fpregset(fsave: &[u8; 108]) -> CoreNote {
    todo!()
}

/// The `NT_FPREGSET` note of an x86-64 thread, from what `fxsave` writes.
pub fn x86_64_fpregset(fxsave: &[u8; 512]) -> CoreNote {
    todo!()
}

/// The `NT_PRXFPREG` note of an i386 thread, from what `fxsave` writes.
pub fn prxfpreg(fxsave: &[u8; 512]) -> CoreNote {
    todo!()
}

/// The `NT_AUXV` note, from pairs of type and value. The closing `AT_NULL` is added if missing.
pub fn auxv(machine: Machine, entries: &[(u64, u64)]) -> CoreNote {
    todo!()
}

/// The `NT_FILE` note, from mappings by ascending address.
pub fn mapped_files(machine: Machine, files: &[MappedFile]) -> CoreNote {
    todo!()
}

/// The `NT_SIGINFO` note, from a `siginfo_t` of the machine.
pub fn siginfo(info: &[u8; 128]) -> CoreNote {
    todo!()
}
