//! The stable codes of what is not carried: one for each kind of finding, whoever finds it.
//!
//! A freeze, a conversion and a thaw decide the code of a finding where they decide its kind, and find
//! the same state under the same code. The book lists them (`book/src/refusals.md`) with what each
//! means, word for word as here, and what to do.

use std::fmt;

macro_rules! codes {
    ($($name:ident = $code:literal, $meaning:literal;)*) => {
        /// What kind a finding is of.
        #[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $name,)*
        }

        impl Code {
            /// All codes, in the order of the book.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The code, as reports have it. It does not change.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Code::$name => $code,)*
                }
            }

            /// The code that reports have as `name`.
            pub fn named(name: &str) -> Option<Code> {
                Code::ALL.iter().copied().find(|code| code.name() == name)
            }

            /// What is not carried.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Code::$name => $meaning,)*
                }
            }

            /// The code as the source has it.
            pub const fn variant(self) -> &'static str {
                match self {
                    $(Code::$name => stringify!($name),)*
                }
            }
        }
    };
}

codes! {
    // Tasks and what confines them.
    TaskNone = "task.none", "a process that is not there";
    TaskTraced = "task.traced", "a task that a debugger traces";
    TaskTracer = "task.tracer", "a task that traces others";
    TaskStuck = "task.stuck", "a task that waits inside the kernel and does not stop";
    TaskLingers = "task.lingers", "a task that was killed and has not ended yet";
    TaskRunning = "task.running", "a task of a dump that was running: its registers were in the CPU";
    TaskVfork = "task.vfork", "a vfork that has not ended: the parent waits for its child";
    TaskKernelThread = "task.kernel-thread", "a thread of the kernel";
    TaskIoWorker = "task.io-worker", "a worker of io_uring";
    TaskIoUring = "task.io-uring", "an io_uring instance";
    TaskUprobe = "task.uprobe", "a uprobe in the program";
    TaskBreakpoint = "task.breakpoint", "a hardware breakpoint";
    TaskSyscallDispatch = "task.syscall-dispatch", "a dispatch of all system calls, without a selector";
    TaskTlsSegments = "task.tls-segments", "segments of a thread's own in the GDT";
    TaskUtilization = "task.utilization", "bounds of the CPU utilization that a task asked for";
    TaskAutoreap = "task.autoreap", "a process that nobody waits for (CLONE_AUTOREAP)";
    TaskTimerNumbers = "task.timer-numbers", "a process that numbers its timers itself";
    TaskShadowStack = "task.shadow-stack", "a shadow stack";
    TaskAmx = "task.amx", "a permission to use AMX";
    TaskLoginUser = "task.login-user", "a login user of a thread that is not that of its process";
    TaskCoreDump = "task.core-dump", "a child that ended with a core dump, and that nobody has looked at";
    TaskCode32 = "task.32-bit", "a thread that runs 32-bit code";
    TaskFirstThread = "task.first-thread", "a process whose first thread has ended before the others";
    TaskLabel = "task.label", "a label of a security module";
    TaskLandlock = "task.landlock", "a sandbox of Landlock";
    TaskSeccompListener = "task.seccomp.listener", "a seccomp filter with a listener";
    TaskSeccompOriginal = "task.seccomp.original", "a seccomp filter of which the kernel keeps no original";
    TaskLeftOut = "task.left-out", "a process that was not chosen to be thawed";
    TaskAccounting = "task.accounting", "CPU time used, faults, context switches and I/O so far";
    TaskStartTime = "task.start-time", "when a task was started";
    TaskTimerSlack = "task.timer-slack", "the timer slack that a task had at first";
    TaskCall = "task.call", "a wait with a time limit, or of a write that is not whole, which the freeze interrupted";
    TaskIpcWait = "task.ipc-wait", "a wait by a System V identifier (semop, msgrcv, msgsnd)";
    TaskAuditTty = "task.audit-tty", "that the auditor records what is typed";
    TaskPtracer = "task.ptracer", "whom a task lets trace it (PR_SET_PTRACER)";
    TaskAutogroup = "task.autogroup", "the nice value of a session (autogroup)";
    TaskDumpable = "task.dumpable", "that a process may be dumped for root alone (fs.suid_dumpable)";
    TaskExitSignal = "task.exit-signal", "what a parent is sent at the end of a child, if it called execve since that was made";
    TaskParentThread = "task.parent-thread", "which thread of its parent made a process";
    TaskAuditSession = "task.audit-session", "the number of the auditor's session";
    TaskSpeculation = "task.speculation", "a setting of speculation that this CPU or machine does not take";
    CgroupThread = "cgroup.thread", "a cgroup of a thread that is not that of its process";
    CgroupVersion1 = "cgroup.version-1", "a cgroup of version 1 that limits something";
    CgroupFrozen = "cgroup.frozen", "a cgroup whose processes stand still";
    CgroupMissing = "cgroup.missing", "a cgroup that is not there";
    CgroupLimits = "cgroup.limits", "limits of a cgroup that are not as they were";
    NamespaceOwn = "namespace.own", "a namespace other than that of the machine";
    NamespaceFile = "namespace.file", "a file, folder or mapping in another mount namespace";
    NamespaceTime = "namespace.time", "time namespaces that not all tasks and their next children are in";
    NamespaceTimeOffset = "namespace.time-offset", "a time namespace that is further ahead than can be told";
    KeyType = "key.type", "a key that is no keyring";
    KeyRing = "key.ring", "keyrings";
    SemUndo = "sem.undo", "an adjustment of System V semaphores (SEM_UNDO)";

    // What tasks share.
    ShareMemory = "share.memory", "memory shared between processes (CLONE_VM)";
    ShareFiles = "share.files", "a descriptor table shared between processes (CLONE_FILES)";
    ShareFolders = "share.folders", "root, working directory and umask shared between processes (CLONE_FS)";
    ShareIoPriority = "share.io-priority", "an I/O priority shared between processes (CLONE_IO)";
    ShareThread = "share.thread", "something that the threads of a process do not share as they have to";
    ShareLeftOut = "share.left-out", "something shared with a process that is left out";

    // Memory.
    MmDevice = "mm.device", "a mapping of a device";
    MmHugetlb = "mm.hugetlb", "a mapping of hugetlbfs";
    MmGuardPages = "mm.guard-pages", "guard pages (MADV_GUARD_INSTALL)";
    MmProtectionKey = "mm.protection-key", "memory that may only be executed, beside keys that were given back";
    MmUserfaultfd = "mm.userfaultfd", "a userfaultfd";
    MmAio = "mm.aio", "an asynchronous I/O context (io_setup)";
    MmUnreadable = "mm.unreadable", "memory of a task that cannot be read";
    MmStrayPage = "mm.stray-page", "a page that no mapping covers";
    MmOverlap = "mm.overlap", "mappings of an image that lie over one another";
    MmLowest = "mm.lowest", "memory lower than this machine maps";
    MmHighest = "mm.highest", "memory higher than this machine maps";
    MmInCommon = "mm.in-common", "pages that processes have in common until one writes";
    FutexRobust = "futex.robust", "a list of robust futexes in shared memory";
    FutexClearTid = "futex.clear-tid", "a word in shared memory that is cleared at a thread's end";
    FutexPi = "futex.pi", "a futex with priority inheritance for which others wait";
    VdsoNone = "vdso.none", "a machine without vDSO";
    VdsoFunctions = "vdso.functions", "functions of the vDSO that this one does not have";
    VdsoInside = "vdso.inside", "a thread inside of the vDSO";
    VdsoHandler = "vdso.handler", "a handler of a signal that returns into the vDSO";
    VdsoUnlock = "vdso.unlock", "that a robust futex is given free without a signal in the middle";

    // Descriptors and files.
    FdSocketUnix = "fd.socket.unix", "a socket of this machine (AF_UNIX)";
    FdSocketTcp = "fd.socket.tcp", "a TCP socket, of IPv4 or IPv6";
    FdSocketUdp = "fd.socket.udp", "a UDP socket, of IPv4 or IPv6";
    FdSocketInet = "fd.socket.inet", "another socket of IPv4 or IPv6";
    FdSocketNetlink = "fd.socket.netlink", "a netlink socket";
    FdSocketOther = "fd.socket.other", "a socket of another family";
    FdAnonymous = "fd.anonymous", "a file without a name: inotify, pidfd, io_uring and others";
    FdEvents = "fd.events", "something an event loop waits with that cannot be made as it is";
    FdSharedMemory = "fd.shared-memory", "a descriptor of shared memory without a file";
    FdUnlinked = "fd.unlinked", "a file that was unlinked while it was open";
    FdMemfd = "fd.memfd", "a file of memfd_create that cannot be made as it is";
    FdNoPath = "fd.no-path", "a file that has no path";
    FdName = "fd.name", "a file whose name is not UTF-8";
    FdCovered = "fd.covered", "a file to which its path does not lead any more";
    FdDevice = "fd.device", "a device";
    FdSignal = "fd.signal", "a descriptor whose signals go to a task that is not frozen with it";
    FdLease = "fd.lease", "a lease on a file";
    FdLockClosed = "fd.lock.closed", "a lock on a file that is closed";
    FdProcOther = "fd.proc-other", "a file or folder of /proc about a task that is not in the image";
    FdProcFolder = "fd.proc-folder", "a root or working directory in /proc/PID of a task in the image";
    FdLockHeld = "fd.lock.held", "a file lock that somebody has who is in the way of another";
    FdLockWaited = "fd.lock.waited", "a file lock for which a process waits that is not frozen";
    FdLockOwner = "fd.lock.owner", "who set a lock (flock)";
    FdPipeEnd = "fd.pipe.end", "a pipe or FIFO that others have open as well";
    FdPipeUnknown = "fd.pipe.unknown", "a pipe or FIFO of which an image does not tell who has it open";
    FdPipeMixed = "fd.pipe.mixed", "a pipe or FIFO with packets and with bytes that belong to none";
    FdFifoOpen = "fd.fifo.open", "a FIFO that another process has open now";
    FdResource = "fd.resource", "something used by a task that no thaw makes";
    FdPressure = "fd.pressure", "a trigger for pressure (/proc/pressure, a cgroup)";
    FdNotify = "fd.notify", "a directory whose changes are signalled (F_NOTIFY)";
    FdJournal = "fd.journal", "a stream to the journal, which is connected anew";
    FdPosition = "fd.position", "how far a device, a folder or a file of /proc was read";
    FdOpener = "fd.opener", "who opened a file";
    FileIo = "file.io", "a file that cannot be read, or not be brought to its disk";
    FileMissing = "file.missing", "a file that is not there";
    FileFolder = "file.folder", "a folder for a file that is not there";
    FileOpen = "file.open", "a file that cannot be opened as it was";
    FileNoexec = "file.noexec", "a program or library on a file system that is mounted with noexec";
    FileType = "file.type", "a file of another type than it was";
    FileDevice = "file.device", "a device with another number than it had";
    FileSystem = "file.system", "another file system than it was, or another folder on it";
    FileChanged = "file.changed", "a file that is another, or was changed: its size, inode, time or contents";
    FileBuildId = "file.build-id", "another program or library than it was";
    FileGrown = "file.grown", "the end of a file to which a task appends, and others as well";
    FileKept = "file.kept", "a program, library or other mapped file that is taken from the image";
    FileAttributes = "file.attributes", "extended attributes, access lists and flags of a file that was in memory alone";
    FileNames = "file.names", "further names of a file that was in memory alone";
    FileContents = "file.contents", "contents of a file that was in memory alone";

    // Terminals and sessions.
    FileWiped = "file.wiped", "a file that the boot removes";
    TerminalLeader = "terminal.leader", "the controlling terminal of a session whose leader is frozen";
    TerminalMaster = "terminal.master", "the master of a pseudo-terminal";
    TerminalForeign = "terminal.foreign", "a terminal that is not the controlling terminal of the process";
    TerminalSession = "terminal.session", "a controlling terminal, and kconv is in another session";
    TerminalBoot = "terminal.boot", "a controlling terminal, which ends when the machine is booted";
    TerminalSettings = "terminal.settings", "settings of a terminal of the machine";
    UnitUnknown = "unit.unknown", "a service that systemd does not know";
    UnitNotRunning = "unit.not-running", "a service that does not run";
    UnitBusy = "unit.busy", "a service with which systemd is about to do something";
    UnitNoMain = "unit.no-main", "a service of which systemd knows no main process";
    UnitCommands = "unit.commands", "a service of several commands, which systemd runs one after another";
    UnitGroups = "unit.groups", "a service with control groups of its own";
    UnitWatchdog = "unit.watchdog", "a service that has to report to systemd in time";
    UnitWaits = "unit.waits", "a fresh copy of a service that waits for its thaw";
    UnitOwn = "unit.own", "a service of which kconv is a process";
    UnitPartly = "unit.partly", "some of the processes of a service, without the others";
    UnitNotEnabled = "unit.not-enabled", "a service that the next boot would start a second time";
    SessionForeign = "session.foreign", "a session that a process could not have from its parents";
    SessionOther = "session.other", "a session or process group that somebody has who is not in the image";
    SessionOldGroup = "session.old-group", "the process group of a terminal that was lost";
    SignalStopTold = "signal.stop-told", "what a parent was told of a child that was stopped";
    SignalParentDeath = "signal.parent-death", "a child that is not frozen and is sent a signal at its parent's death";
    SignalOrphaned = "signal.orphaned", "a stopped process group, not frozen, that nobody is left to continue";
    SignalStop = "signal.stop", "the signal by which a process was stopped";

    // Clocks and timers.
    ClockNamespace = "clock.namespace", "a kernel that makes no time namespace";
    ClockOffset = "clock.offset", "clocks that a time namespace cannot have";
    ClockUnknown = "clock.unknown", "clocks of an image that make no sense";
    ClockDeadline = "clock.deadline", "a time that a call waits for, in memory that others look at";
    ClockMachine = "clock.machine", "CLOCK_MONOTONIC and CLOCK_BOOTTIME, which are those of the machine";
    TimerAlarm = "timer.alarm", "a timer that wakes the machine up";
    TimerNumber = "timer.number", "a timer with a number that is too high";
    TimerOverrun = "timer.overrun", "how often a timer had expired when its signal was taken";
    TimerMissed = "timer.missed", "expiries of a timer that nobody was told of";
    TimerBeat = "timer.beat", "the beat of a timer, and its expiries before the boot";

    // The machine of the thaw.
    PidInUse = "pid.in-use", "a number of a task that another has";
    PidBoot = "pid.boot", "a number of a task that the next kernel may need as it boots";
    PidLimit = "pid.limit", "a number of a task that is over kernel.pid_max";
    LimitFiles = "limit.files", "a limit of open files that is over fs.nr_open";
    LimitMappings = "limit.mappings", "more mappings than vm.max_map_count";
    LimitThreads = "limit.threads", "more threads than kernel.threads-max";
    MachineMemory = "machine.memory", "more memory than the machine has";
    MachineLockdown = "machine.lockdown", "I/O ports, on a kernel that is locked down";
    MachineCpu = "machine.cpu", "instructions that the CPU does not have";
    MachineCpus = "machine.cpus", "CPUs to run on of which the machine has none";
    MachineNodes = "machine.nodes", "nodes to have memory from of which the machine has none";
    MachineXstate = "machine.xstate", "registers that the CPU does not have";
    MachineCapability = "machine.capability", "capabilities that the kernel does not know";
    MachineKernel = "machine.kernel", "a kernel built without what a thaw uses";
    MachineKconv = "machine.kconv", "kconv without the rights that it needs, or confined";

    // Memory of the kernel that is frozen, and objects of an image.
    KernelUnreadable = "kernel.unreadable", "memory of the kernel that cannot be read";
    KernelSwapped = "kernel.swapped", "memory that was swapped out when the dump was made";
    KernelLayout = "kernel.layout", "a type or member that the layout does not have";
    KernelPolicy = "kernel.policy", "a pointer or resource for which the state map has no fitting policy";
    KernelSymbol = "kernel.symbol", "a symbol that is not known";
    KernelList = "kernel.list", "a list of the kernel's that does not come back to its head";
    KernelTree = "kernel.tree", "a tree of the kernel's that makes no sense";
    KernelNull = "kernel.null", "a pointer of the kernel's that leads to nothing";
    KernelSize = "kernel.size", "a size, count or number of objects that cannot be";
    KernelOverlap = "kernel.overlap", "objects of the kernel's that lie over one another";
    KernelPid = "kernel.pid", "a number that no task can have, or that two have";
    ImageState = "image.state", "objects of an image that make no sense";
    ImageResource = "image.resource", "a resource of an image that makes no sense, or of which it does not tell all";

    // Values of fields between two kernels.
    ValueRange = "value.range", "a number that the new field cannot hold";
    ValueEnumerator = "value.enumerator", "an enumerator that the new kernel does not have";
    ValueFlag = "value.flag", "a flag that the new kernel does not have";
    ValueLost = "value.lost", "a field that says something, and would be dropped or reset";
    ValueOverride = "value.override", "a value that a function of the converter refuses";
    PointerUnsaved = "pointer.unsaved", "a pointer to something that is not in the image";
    PointerPlace = "pointer.place", "a pointer into an object, to where the new one has nothing";
    PointerUnnamed = "pointer.unnamed", "a pointer of which nobody knows what it means";
    PartShared = "part.shared", "an object to be folded into one, to which two point";
    PartType = "part.type", "no object of the type to be folded where there has to be one";
    PartContainer = "part.container", "an object to be folded into one, to which none points";
    PartBack = "part.back", "a pointer of a part that does not lead to what it is part of";
    FieldReset = "field.reset", "a field that said something, and is at its initial value in the new kernel";
    FieldDrop = "field.drop", "a field that said something, and that the new kernel does not have";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_code_is_dotted_lower_case_and_of_one_kind() {
        let is_word = |word: &str| {
            let mut letters = word.chars();
            !word.is_empty()
                && !word.starts_with('-')
                && !word.ends_with('-')
                && letters.all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-')
        };
        for code in Code::ALL {
            let name = code.name();
            assert!(name.contains('.') && name.split('.').all(is_word), "{name}");
            assert_eq!(code.to_string(), name);
            assert_eq!(Code::named(name), Some(*code));
        }
        let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        let meanings: BTreeSet<&str> = Code::ALL.iter().map(|code| code.meaning()).collect();
        assert_eq!(meanings.len(), Code::ALL.len());
    }
}
