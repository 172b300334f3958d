//! A process of Linux 6, as a freeze would have it.

use crate::{At, Made};
use kconv_resources::linux6::FileType;

/// Where a task of 5.10 has the registers of the FPU; it has no `fpstate`.
const OF_5_10: &str = "thread.fpu.state";
/// The xsave area of a task that ends where its type does, in bytes.
const WHOLE_AREA: u64 = 4096;
/// The features of the legacy region, x87 and SSE (Intel SDM vol. 1, 13.1).
const LEGACY: u64 = 3;
/// How many descriptors it has room for.
const DESCRIPTORS: u32 = 64;
/// Numbers of `signal_struct.pids` (`include/linux/pid_types.h`).
const KINDS: usize = 4;

/// The objects of a process of one thread.
pub struct Process {
    /// Its `task_struct`.
    pub task: At,
    /// Its `signal_struct`.
    pub signal: At,
    /// Its `sighand_struct`.
    pub sighand: At,
    /// Its `cred`.
    pub cred: At,
    /// Its `group_info`, of two groups.
    pub groups: At,
    /// Its `mm_struct`.
    pub mm: At,
    /// Its `files_struct`, without an open file.
    pub files: At,
    /// Its `fdtable`.
    pub table: At,
    /// What its descriptors lead to, and which of them execve closes.
    open: At,
    closes: At,
    /// Its `fs_struct`.
    pub fs: At,
    /// Its `pt_regs`.
    pub registers: At,
    /// Its `pid`, which is that of its group and session, too.
    pub pid: At,
    /// The `fpu` right behind the task, where that is no member of it (from 6.16 on).
    pub fpu: Option<At>,
}

impl Process {
    /// A process with nothing but what each has, and zeros in all else.
    pub fn new(made: &mut Made<'_>, pid: u32) -> Process {
        Process::make(made, pid, false, true)
    }

    /// A process each of whose numbers is another, but for those by which it is found.
    pub fn filled(made: &mut Made<'_>, pid: u32) -> Process {
        Process::make(made, pid, true, true)
    }

    /// A process that has ended, and that nobody has waited for: it has no memory, and no register is kept of it.
    pub fn ended(made: &mut Made<'_>, pid: u32) -> Process {
        const EXIT_ZOMBIE: u64 = 32;
        let process = Process::make(made, pid, false, false);
        made.set(process.task, "mm", 0);
        made.set(process.task, "exit_state", EXIT_ZOMBIE);
        process
    }

    fn make(made: &mut Made<'_>, pid: u32, fills: bool, lives: bool) -> Process {
        let mut object = |ty: &str, tail: usize| {
            let at = made.object_with_tail(ty, tail);
            if fills {
                made.fill(at);
            }
            at
        };
        let process = Process {
            task: object("task_struct", 0),
            signal: object("signal_struct", 0),
            sighand: object("sighand_struct", 0),
            cred: object("cred", 0),
            groups: object("group_info", 8),
            mm: object("mm_struct", 0),
            files: object("files_struct", 0),
            table: object("fdtable", 0),
            fs: object("fs_struct", 0),
            registers: object("pt_regs", 0),
            open: made.array("file *", DESCRIPTORS, vec![0; 8 * DESCRIPTORS as usize]),
            closes: made.array("unsigned long", 1, vec![0; 8]),
            pid: pid_of(made, pid),
            fpu: None,
        };
        let behind = lives && !made.has("task_struct", "thread.fpu");
        let fpu = behind.then(|| {
            let at = made.object_behind(process.task, "fpu");
            if fills {
                made.fill(at);
            }
            at
        });
        let process = Process { fpu, ..process };
        process.link(made);
        let task = process.task;
        for (path, number) in [
            ("pid", pid),
            ("tgid", pid),
            ("exit_state", 0),
            ("__state|state", 1),
        ] {
            made.set(task, path, number.into());
        }
        // A kind of program that 5.10 has in a number, and 6.1 in flags.
        made.set(process.mm, "context.ia32_compat|context.flags", 0);
        // Without mappings, of which 5.10 has a list and 6.1 has not.
        made.set(process.mm, "map_count", 0);
        if made.has("mm_struct", "highest_vm_end") {
            made.set(process.mm, "highest_vm_end", 0);
        }
        // 5.10 has it among the flags.
        if made.has("task_struct", "thread_info.syscall_work") {
            made.set(task, "thread_info.syscall_work", 0);
        }
        if let Some((holder, fpu)) = process.fpu_in(made) {
            // 5.10 has the area of xsave alone.
            let area = match made.has("task_struct", OF_5_10) {
                true => OF_5_10.to_owned(),
                false => {
                    let size = if fills { WHOLE_AREA } else { 576 };
                    made.set(holder, &format!("{fpu}__fpstate.size"), size);
                    format!("{fpu}__fpstate.regs")
                }
            };
            if fills && area != OF_5_10 {
                process.agree_on_area(made, holder, fpu);
            }
            // Behind the legacy region its header, by which the legacy parts are in use.
            let mut header = [0; 64];
            header[0] = LEGACY as u8;
            let begins = made.offset(holder, &area) as usize + 512;
            made.put_raw(holder, begins, &header);
        }
        made.put(task, "comm", b"worker\0\0\0\0\0\0\0\0\0\0");
        made.set(process.signal, "flags", 0);
        made.set(process.signal, "nr_threads", 1);
        made.set(process.groups, "ngroups", 2);
        made.put(process.groups, "gid", &[7, 0, 0, 0, 9, 0, 0, 0]);
        // Outside of a system call.
        made.set(process.registers, "orig_ax", u64::MAX);
        process
    }

    /// What a kernel from 6.1 on says of a task's xsave area, and of what it may use of it, as it is said of
    /// a task that has not asked for more.
    fn agree_on_area(&self, made: &mut Made<'_>, holder: At, fpu: &str) {
        for (path, value) in [
            ("__fpstate.user_size", WHOLE_AREA),
            ("__fpstate.xfeatures", LEGACY),
            ("__fpstate.user_xfeatures", LEGACY),
            ("__fpstate.xfd", 0),
            ("__fpstate.is_valloc", 0),
            ("__fpstate.is_guest", 0),
            ("__fpstate.is_confidential", 0),
            ("__fpstate.in_use", 0),
            ("perm.__state_perm", LEGACY),
            ("perm.__state_size", WHOLE_AREA),
            ("perm.__user_state_size", WHOLE_AREA),
            ("guest_perm.__state_perm", LEGACY),
        ] {
            made.set(holder, &format!("{fpu}{path}"), value);
        }
    }

    /// The object that has the FPU's state, and where in it.
    fn fpu_in(&self, made: &Made<'_>) -> Option<(At, &'static str)> {
        let inside = made.has("task_struct", "thread.fpu");
        let behind = self.fpu.map(|fpu| (fpu, ""));
        behind.or(inside.then_some((self.task, "thread.fpu.")))
    }

    fn link(&self, made: &mut Made<'_>) {
        let task = self.task;
        for (path, to) in [
            ("signal", self.signal),
            ("sighand", self.sighand),
            ("cred", self.cred),
            ("real_cred", self.cred),
            ("mm", self.mm),
            ("files", self.files),
            ("fs", self.fs),
            ("thread_pid", self.pid),
        ] {
            made.point(task, path, to);
        }
        if made.has("task_struct", "real_fs") {
            made.point(task, "real_fs", self.fs);
        }
        let own_fpstate = !made.has("task_struct", OF_5_10);
        if let Some((holder, fpu)) = self.fpu_in(made).filter(|_| own_fpstate) {
            let state = made.address(holder) + made.offset(holder, &format!("{fpu}__fpstate"));
            made.set(holder, &format!("{fpu}fpstate"), state);
        }
        made.list(task, "pending.list", &[], "");
        made.list(self.signal, "shared_pending.list", &[], "");
        for kind in 1..KINDS {
            made.point(self.signal, &format!("pids[{kind}]"), self.pid);
        }
        made.point(self.cred, "group_info", self.groups);
        made.point(self.files, "fdt", self.table);
        made.set(self.table, "max_fds", DESCRIPTORS.into());
        made.point(self.table, "fd", self.open);
        made.point(self.table, "close_on_exec", self.closes);
        let (root, working) = (
            made.file("/", FileType::Directory, 2),
            made.file("/srv", FileType::Directory, 3),
        );
        made.stand_for(self.fs, "root.dentry", root);
        made.stand_for(self.fs, "pwd.dentry", working);
        for part in [
            self.signal,
            self.sighand,
            self.cred,
            self.groups,
            self.mm,
            self.files,
            self.table,
            self.fs,
            self.registers,
            self.pid,
            self.open,
            self.closes,
        ] {
            made.owned_by(part, task);
        }
    }

    /// Has a descriptor lead to a file.
    pub fn open(&self, made: &mut Made<'_>, number: u32, file: At, close_on_exec: bool) {
        let address = made.address(file);
        made.put_raw(self.open, 8 * number as usize, &address.to_le_bytes());
        let mut closes = made.raw(self.closes).to_vec();
        closes[number as usize / 8] |= u8::from(close_on_exec) << (number % 8);
        made.put_raw(self.closes, 0, &closes);
    }

    /// A mapping without a file, above those that there are.
    pub fn mapping(&self, made: &mut Made<'_>, start: u64, end: u64, flags: u64) -> At {
        let vma = made.object("vm_area_struct");
        made.point(vma, "vm_mm", self.mm);
        made.set(vma, "vm_start", start);
        made.set(vma, "vm_end", end);
        made.set(vma, "vm_flags", flags);
        let count = made.get(self.mm, "map_count");
        made.set(self.mm, "map_count", count + 1);
        // 5.10 has a list of them beside its tree.
        if made.has("mm_struct", "mmap") {
            match made.before(vma) {
                Some(below) => {
                    made.point(below, "vm_next", vma);
                    made.point(vma, "vm_prev", below);
                }
                None => made.point(self.mm, "mmap", vma),
            }
            made.set(self.mm, "highest_vm_end", end);
        }
        made.owned_by(vma, self.task);
        vma
    }

    /// A signal that waits in the queue of a thread, or of the process.
    pub fn queue(&self, made: &mut Made<'_>, of_process: bool, info: &[u8]) -> At {
        let entry = made.object("sigqueue");
        made.put(entry, "info", info);
        made.owned_by(entry, self.task);
        match of_process {
            true => made.list(self.signal, "shared_pending.list", &[entry], "list"),
            false => made.list(self.task, "pending.list", &[entry], "list"),
        }
        entry
    }
}

/// A `pid` of one namespace.
fn pid_of(made: &mut Made<'_>, number: u32) -> At {
    let pid = made.object_with_tail("pid", 0);
    let size = made.size_of("upid");
    let begins = made.offset(pid, "numbers") as usize;
    made.resize(pid, begins + size);
    made.put(pid, "numbers", &number.to_le_bytes());
    pid
}
