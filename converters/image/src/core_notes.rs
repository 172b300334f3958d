//! Standard notes of a core file, as gdb and other debuggers expect them.
//!
//! The structures are those of `include/linux/elfcore.h` and of `<sys/procfs.h>`; a reader tells
//! their machine by their size alone (elf(5), "Notes (Nhdr)"; BFD: `elf_i386_grok_prstatus`,
//! `elf_x86_64_grok_prstatus`).

use crate::model::{CoreNote, Machine, PAGE_SIZE};

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

/// General registers, one word each, by their names and in the order in which the kernel has them.
macro_rules! general_registers {
    ($(#[$meta:meta])* $name:ident, $word:ty, $count:literal, $($register:ident)*) => {
        $(#[$meta])*
        #[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the names of the registers")]
        pub struct $name {
            $(pub $register: $word,)*
        }

        impl $name {
            /// Those that a register set has, in its order.
            pub const fn from_words(words: [$word; $count]) -> $name {
                let [$($register),*] = words;
                $name { $($register),* }
            }

            /// As a register set has them.
            pub const fn words(&self) -> [$word; $count] {
                [$(self.$register),*]
            }
        }
    };
}

general_registers! {
    /// The general registers of an i386 thread: `struct user_regs_struct` of
    /// `arch/x86/include/asm/user_32.h`, in its order.
    I386Registers, u32, 17,
    ebx ecx edx esi edi ebp eax ds es fs gs orig_eax eip cs eflags esp ss
}

general_registers! {
    /// The general registers of an x86-64 thread: `struct user_regs_struct` of
    /// `arch/x86/include/asm/user_64.h`, in its order.
    X86_64Registers, u64, 27,
    r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax
    rip cs eflags rsp ss fs_base gs_base ds es fs gs
}

/// General registers; they decide the machine of the note.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Registers {
    /// Of an i386 thread.
    I386(I386Registers),
    /// Of an x86-64 thread.
    X86_64(X86_64Registers),
}

impl Registers {
    /// The machine that has these registers.
    pub fn machine(&self) -> Machine {
        match self {
            Registers::I386(_) => Machine::I386,
            Registers::X86_64(_) => Machine::X86_64,
        }
    }
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

/// The `NT_PRSTATUS` note of a thread: `struct elf_prstatus`, 144 bytes on i386, 336 on x86-64.
pub fn prstatus(status: &Status) -> CoreNote {
    let machine = status.registers.machine();
    let mut out = Words::new(machine);
    out.u32(i32::from(status.signal) as u32);
    out.u32(status.code as u32);
    out.u32(status.errno as u32);
    out.bytes(&status.signal.to_le_bytes());
    out.align();
    out.word(status.pending);
    out.word(status.blocked);
    out.ids(&status.ids);
    for time in [
        status.user_time,
        status.system_time,
        status.children_user_time,
        status.children_system_time,
    ] {
        out.word(time.seconds);
        out.word(u64::from(time.microseconds));
    }
    match &status.registers {
        Registers::I386(registers) => registers.words().iter().for_each(|&word| out.u32(word)),
        Registers::X86_64(registers) => registers.words().iter().for_each(|&word| out.word(word)),
    }
    out.u32(u32::from(status.has_floating_point));
    out.align();
    out.note("CORE", NT_PRSTATUS)
}

/// The `NT_PRPSINFO` note of a process: `struct elf_prpsinfo`, 124 bytes on i386, 136 on x86-64.
pub fn prpsinfo(machine: Machine, info: &ProcessInfo) -> CoreNote {
    let mut out = Words::new(machine);
    out.bytes(&[
        info.state,
        info.state_letter,
        u8::from(info.zombie),
        info.nice as u8,
    ]);
    out.align();
    out.word(info.flags);
    match machine {
        Machine::I386 => {
            out.bytes(&old_id(info.uid).to_le_bytes());
            out.bytes(&old_id(info.gid).to_le_bytes());
        }
        Machine::X86_64 => {
            out.u32(info.uid);
            out.u32(info.gid);
        }
    }
    out.ids(&info.ids);
    out.text::<16>(&info.name, 16);
    out.text::<80>(&info.arguments, 79);
    out.note("CORE", NT_PRPSINFO)
}

/// A user or group id in 16 bits: `high2lowuid` of `include/linux/highuid.h`, `overflowuid`.
fn old_id(id: u32) -> u16 {
    u16::try_from(id).unwrap_or(65534)
}

/// The `NT_FPREGSET` note of an i386 thread, from what `fsave` writes.
pub fn i386_fpregset(fsave: &[u8; 108]) -> CoreNote {
    raw("CORE", NT_FPREGSET, fsave)
}

/// The `NT_FPREGSET` note of an x86-64 thread, from what `fxsave` writes.
pub fn x86_64_fpregset(fxsave: &[u8; 512]) -> CoreNote {
    raw("CORE", NT_FPREGSET, fxsave)
}

/// The `NT_PRXFPREG` note of an i386 thread, from what `fxsave` writes.
pub fn prxfpreg(fxsave: &[u8; 512]) -> CoreNote {
    raw("LINUX", NT_PRXFPREG, fxsave)
}

/// The `NT_AUXV` note, from pairs of type and value (getauxval(3)). The closing `AT_NULL` is
/// added if missing. On i386 the low 32 bits are kept.
pub fn auxv(machine: Machine, entries: &[(u64, u64)]) -> CoreNote {
    const AT_NULL: u64 = 0;
    let mut out = Words::new(machine);
    for &(kind, value) in entries {
        out.word(kind);
        out.word(value);
    }
    if entries.last().is_none_or(|&(kind, _)| kind != AT_NULL) {
        out.word(AT_NULL);
        out.word(0);
    }
    out.note("CORE", NT_AUXV)
}

/// The `NT_FILE` note, from mappings by ascending address. `fill_files_note` in `fs/binfmt_elf.c`
/// (3.7) describes it: number and page size, then begin, end and offset in pages of each mapping,
/// then the paths, each closed by a NUL.
pub fn mapped_files(machine: Machine, files: &[MappedFile]) -> CoreNote {
    let mut out = Words::new(machine);
    out.word(files.len() as u64);
    out.word(PAGE_SIZE);
    for file in files {
        out.word(file.start);
        out.word(file.end);
        out.word(file.page_offset);
    }
    for file in files {
        out.bytes(&file.path);
        out.bytes(&[0]);
    }
    out.note("CORE", NT_FILE)
}

/// The `NT_SIGINFO` note, from a `siginfo_t` of the machine.
pub fn siginfo(info: &[u8; 128]) -> CoreNote {
    raw("CORE", NT_SIGINFO, info)
}

fn raw(owner: &str, kind: u32, bytes: &[u8]) -> CoreNote {
    CoreNote {
        owner: owner.to_owned(),
        kind,
        bytes: bytes.to_vec(),
    }
}

/// A C structure in the making, in the ABI of a machine.
struct Words {
    machine: Machine,
    bytes: Vec<u8>,
}

impl Words {
    fn new(machine: Machine) -> Words {
        Words {
            machine,
            bytes: Vec::new(),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    /// An `unsigned long`.
    fn word(&mut self, value: u64) {
        match self.machine {
            Machine::I386 => self.u32(value as u32),
            Machine::X86_64 => self.bytes(&value.to_le_bytes()),
        }
    }

    /// Padding up to the alignment of an `unsigned long`.
    fn align(&mut self) {
        let word = usize::from(self.machine.pointer_size());
        self.bytes
            .resize(self.bytes.len().next_multiple_of(word), 0);
    }

    fn ids(&mut self, ids: &Ids) {
        for id in [ids.pid, ids.ppid, ids.pgrp, ids.sid] {
            self.u32(id as u32);
        }
    }

    /// A `char[N]` with at most `limit` bytes of `text`.
    fn text<const N: usize>(&mut self, text: &[u8], limit: usize) {
        let mut field = [0; N];
        let kept = &text[..text.len().min(limit)];
        field[..kept.len()].copy_from_slice(kept);
        self.bytes(&field);
    }

    fn note(self, owner: &str, kind: u32) -> CoreNote {
        CoreNote {
            owner: owner.to_owned(),
            kind,
            bytes: self.bytes,
        }
    }
}
