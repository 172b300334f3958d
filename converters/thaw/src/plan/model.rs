//! What is to be made, in the words of system calls.

use crate::clocks::{BootClock, Frozen};
use crate::decode::DecodeError;
use kconv_image::{ObjectId, ResourceId, TaskName};
use kconv_resources::linux6::Resources;
use kconv_tasks::model::{
    Action, AlternateStack, Bounds, Controls, Credentials, Folders, Limit, MemoryControls,
    MemoryPolicy, OpenFile, Registers, SignalInfo,
};
use std::collections::BTreeSet;

/// All that an image has to be made into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Processes, each after its parent if that is in the image.
    pub processes: Vec<Process>,
    /// Open files: what descriptors, directories and mappings refer to by index.
    pub files: Vec<OpenFile>,
    /// What epolls wait for.
    pub watches: Vec<Watch>,
    /// The clocks at the freeze.
    pub frozen: Frozen,
    /// What processes shared with others that are left out.
    pub severed: Vec<Severed>,
    /// What is outside of the image, by the numbers that it has there.
    pub resources: Resources,
}

/// What an epoll waits for at one file.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Index of the epoll among the open files.
    pub epoll: usize,
    /// Index of the file. `None` if nobody has it open who is made.
    pub file: Option<usize>,
    /// The number that it was open under when it was added.
    pub descriptor: u32,
    /// What is waited for, and how (epoll_ctl(2)).
    pub events: u32,
    /// What the program is told with it.
    pub data: u64,
    /// The process that is to add it, if it matters who does.
    pub process: Option<i32>,
}

/// Something that a process shared with one that is left out, and cannot be without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Severed {
    /// The process that is made.
    pub pid: i32,
    /// What it shared.
    pub what: &'static str,
    /// The one that is left out.
    pub with: TaskName,
}

/// A process whose objects make no sense, and why.
#[derive(Debug)]
pub(crate) struct Unclear {
    /// Its id.
    pub(crate) pid: i32,
    /// What is wrong with them.
    pub(crate) error: DecodeError,
}

impl Plan {
    /// The name of a process or thread, by its number.
    pub fn task(&self, tid: i32) -> TaskName {
        let mut threads = self.processes.iter().flat_map(|process| &process.threads);
        let thread = threads.find(|thread| thread.tid == tid);
        let process = self.processes.iter().find(|process| process.pid == tid);
        let name = thread.map(|thread| &thread.name);
        let name = name.or(process.map(|process| &process.name));
        let comm = name.map(|name| String::from_utf8_lossy(name).into_owned());
        TaskName {
            pid: tid.into(),
            comm: comm.unwrap_or_default(),
        }
    }
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// The name of its first thread.
    pub name: Vec<u8>,
    /// Index of its parent; `None` if that is not in the image.
    pub parent: Option<usize>,
    /// Number of its process group.
    pub group: i32,
    /// Number of its session.
    pub session: i32,
    /// Its cgroup.
    pub cgroup: Option<ResourceId>,
    /// Its controlling terminal.
    pub controlling_terminal: Option<ResourceId>,
    /// What the parent is sent when it ends.
    pub exit_signal: i32,
    /// What the parent was to be sent, if that is SIGCHLD now because it has called execve since.
    pub tells_sigchld: Option<i32>,
    /// The thread of its parent that made it, if that is not the first.
    pub parent_thread: Option<i32>,
    /// Whether the auditor records what is typed.
    pub is_recorded: bool,
    /// What is left of it, if it has ended and its parent has not looked yet.
    pub ended: Option<Ended>,
    /// Whether its first thread has ended before the others. Of them nothing is known then.
    pub lost_its_first: bool,
    /// The user who logged in, and the number of the session that the auditor gave that; all ones if
    /// nobody did.
    pub login: [u32; 2],
    /// Its threads, the first of them first. None if it has ended.
    pub threads: Vec<Thread>,
    /// What threads do not share with the first, though kconv makes only those that do, or share
    /// with each other alone: their number, and what.
    pub unshared: Vec<(i32, &'static str)>,
    /// Its memory. None if it has ended.
    pub memory: Option<Memory>,
    /// Its descriptors, by number.
    pub descriptors: Vec<Descriptor>,
    /// The namespaces that its threads are in, or their children will be in, but those of time.
    pub namespaces: BTreeSet<ResourceId>,
    /// The `files_struct` it has, which owns POSIX locks.
    pub table: Option<ObjectId>,
    /// Locks to be set, by the process (POSIX) or through an open file.
    pub locks: Vec<Lock>,
    /// Actions of signals 1 to 64.
    pub actions: Vec<Action>,
    /// Signals that wait for the process, as `siginfo_t`.
    pub pending: Vec<SignalInfo>,
    /// The three interval timers, in the order of ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF.
    pub intervals: [Interval; 3],
    /// Timers of timer_create, by number.
    pub timers: Vec<Timer>,
    /// Soft and hard limits, by number.
    pub limits: Vec<Limit>,
    /// Whether orphans below it become its children.
    pub subreaper: bool,
    /// What its OOM score is adjusted by, and the least that it may be set to by who has no privilege.
    pub oom_score_adj: [i32; 2],
    /// Whether it was stopped by a signal, with the number of that.
    pub stopped: Option<i32>,
    /// Whether its parent has looked at that (wait(2), WUNTRACED).
    pub stop_is_told: bool,
    /// Whether it goes on since it was stopped, and its parent has not looked at that (WCONTINUED).
    pub going_on_is_untold: bool,
    /// Whether a terminal that it has lost left a group of processes to be told of its end.
    pub has_old_group: bool,
}

impl Process {
    /// Signals that wait for it or one of its threads although none can block them: what they do,
    /// they do to the whole process, whichever thread takes them.
    pub(crate) fn unblockable(&self) -> BTreeSet<i32> {
        let of_threads = self.threads.iter().flat_map(|thread| &thread.pending);
        let all = self.pending.iter().chain(of_threads);
        all.filter(|info| info.is_unblockable())
            .map(SignalInfo::number)
            .collect()
    }
}

/// What a parent and `/proc` are told of a process that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its wait status.
    pub status: i32,
    /// Its name.
    pub name: Vec<u8>,
    /// Who it was.
    pub credentials: Credentials,
}

/// A thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Its number.
    pub tid: i32,
    /// Its name.
    pub name: Vec<u8>,
    /// Its general registers, ready to run on.
    pub registers: Registers,
    /// The wait it was in, to be entered again with what is left of it.
    pub restart: Option<Restart>,
    /// The time until which the call waits that the thread makes again, of a clock that begins anew.
    pub deadline: Option<Deadline>,
    /// The call that ends before its time, for the freeze interrupted it.
    pub cut_short: Option<CutShort>,
    /// The call that waits for another process by a System V queue or set of semaphores, which no thaw makes.
    pub waits_in_ipc: Option<&'static str>,
    /// Its other registers, in the standard form of `xsave`.
    pub xstate: Vec<u8>,
    /// Components of that which it can use.
    pub xfeatures: u64,
    /// Blocked signals.
    pub blocked: u64,
    /// Signals that wait for it alone.
    pub pending: Vec<SignalInfo>,
    /// Stack for handlers.
    pub stack: AlternateStack,
    /// Head of the list of robust futexes.
    pub robust_list: u64,
    /// What is cleared when it ends.
    pub clear_child_tid: u64,
    /// Restartable sequences: address, length, signature; address 0 if there are none.
    pub rseq: (u64, u32, u32),
    /// Its place with the scheduler.
    pub scheduling: Scheduling,
    /// CPUs it may run on, one bit each.
    pub affinity: Vec<u8>,
    /// Who it is.
    pub credentials: Credentials,
    /// Its root, working directory and umask.
    pub folders: Folders,
    /// Whether these are its own, and not those of the first thread.
    pub has_own_folders: bool,
    /// Execution domain.
    pub personality: u32,
    /// Slack of its timers, in nanoseconds, and what PR_SET_TIMERSLACK makes of 0.
    pub timer_slack: [u64; 2],
    /// What it is sent when its parent ends.
    pub parent_death: i32,
    /// Class and priority of its I/O; 0 if none was set.
    pub io_priority: u32,
    /// Memory policy, if one was set.
    pub memory_policy: Option<MemoryPolicy>,
    /// Whether it gave up gaining privileges by execve.
    pub no_new_privileges: bool,
    /// Who waits in a vfork until it calls execve or ends.
    pub vfork: Option<ResourceId>,
    /// Which system calls it may make.
    pub seccomp: Seccomp,
    /// What it asked for with prctl(2).
    pub controls: Controls,
    /// I/O ports that it was given: the first, and how many from there on.
    pub ports: Vec<(u32, u32)>,
    /// Its I/O privilege level: with 3 it may use all ports.
    pub port_level: u32,
}

/// Which system calls a thread may make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seccomp {
    /// All.
    Off,
    /// `read`, `write`, `exit` and `sigreturn`.
    Strict,
    /// Those that these filters let through, the oldest first.
    Filters(Vec<Filter>),
}

/// A filter of system calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Whether what it refuses is logged.
    pub log: bool,
    /// Its program, in instructions of 8 bytes (`struct sock_filter`).
    pub program: Vec<u8>,
}

/// A wait that goes on for what is left of its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restart {
    /// A sleep, with its clock, its end on that and where the rest is to be told.
    Sleep {
        /// The clock.
        clock: i32,
        /// Its end, in nanoseconds of the clock, that of the machine of the freeze.
        expires: u64,
        /// Where the rest goes.
        rest: u64,
        /// CPU time of the process or thread at the freeze, for a clock of that.
        spent: Option<u64>,
    },
    /// A poll, with its end on CLOCK_MONOTONIC.
    Poll {
        /// Address of the descriptors.
        descriptors: u64,
        /// Number of them.
        count: u64,
        /// The end, in nanoseconds of the machine of the freeze, if there is one.
        expires: Option<u64>,
    },
    /// A wait for a futex.
    Futex {
        /// Address of the futex.
        address: u64,
        /// What is expected there.
        value: u32,
        /// Whether other processes may wake it.
        shared: bool,
        /// Whether its end is on CLOCK_REALTIME.
        realtime: bool,
        /// Bits that wake it.
        bits: u32,
        /// Its end, in nanoseconds of the clock, that of the machine of the freeze.
        expires: u64,
    },
}

/// A time until which a call waits, that was given in memory of the program, and is read from there
/// again when the call is made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The call.
    pub call: &'static str,
    /// Where the `struct timespec` is.
    pub at: u64,
    /// Its clock.
    pub clock: DeadlineClock,
}

/// The clock of a [`Deadline`].
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum DeadlineClock {
    /// One that begins anew with a machine.
    Boot(BootClock),
    /// One of CPU time, by its number, which begins anew with a process.
    Cpu {
        /// The number.
        clock: i32,
        /// What it read at the freeze, in nanoseconds.
        spent: u64,
    },
}

/// Policy and priority of a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduling {
    /// SCHED_OTHER and so on.
    pub policy: u32,
    /// Whether children start with the default.
    pub reset_on_fork: bool,
    /// Nice value.
    pub nice: i32,
    /// Priority of SCHED_FIFO and SCHED_RR.
    pub priority: u32,
    /// Run time, deadline and period of SCHED_DEADLINE, in nanoseconds; of other policies the first is
    /// the slice that was asked for, or 0.
    pub deadline: [u64; 3],
    /// Flags of SCHED_DEADLINE (SCHED_FLAG_RECLAIM, SCHED_FLAG_DL_OVERRUN).
    pub deadline_flags: u64,
    /// Whether SIGXCPU is still to tell that it ran for longer than that.
    pub overran: bool,
}

/// A system call that the freeze interrupted.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct CutShort {
    /// Its name.
    pub call: &'static str,
    /// What it returns.
    pub ends: Ends,
}

/// How a system call ends that was interrupted.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Ends {
    /// With EINTR.
    Interrupted,
    /// With a part of what it was to do.
    WithPart {
        /// Bytes that it says it has done.
        done: u64,
        /// Bytes that it was to do; `None` if the program's memory alone tells.
        wanted: Option<u64>,
        /// The descriptor that it writes to; `None` if it writes to none.
        descriptor: Option<i32>,
    },
}

/// The memory of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The `mm_struct`, by which its pages are found.
    pub mm: ObjectId,
    /// Its mappings, by address.
    pub mappings: Vec<Mapping>,
    /// Where its parts lie.
    pub bounds: Bounds,
    /// The auxiliary vector.
    pub auxv: Vec<u8>,
    /// The program, as an index of a file.
    pub program: Option<usize>,
    /// Where the code is that the kernel gave it, and where what that reads: start and end.
    pub vdso: Option<(u64, u64)>,
    /// Bits of `mm_struct.flags`.
    pub flags: u64,
    /// `VM_` flags that new mappings begin with.
    pub new_mappings: u64,
    /// What was asked for with prctl(2) and membarrier(2).
    pub controls: MemoryControls,
    /// The protection keys that it has, one bit each; 0 where the CPU has none.
    pub keys: u32,
    /// Its segments (LDT): descriptors of 8 bytes each, as the CPU takes them.
    pub ldt: Vec<u64>,
}

/// A mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// Past its last.
    pub end: u64,
    /// `VM_` flags.
    pub flags: u64,
    /// Its protection key; 0 for none.
    pub key: u32,
    /// Whether it may be changed no more (mseal).
    pub sealed: bool,
    /// Whether the kernel may empty it when memory is short (MAP_DROPPABLE).
    pub droppable: bool,
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// What is mapped, as an index of a file.
    pub file: Option<usize>,
    /// Memory policy, if one was set.
    pub policy: Option<MemoryPolicy>,
}

/// A descriptor.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Its number.
    pub number: i32,
    /// Index of the open file.
    pub file: usize,
    /// Whether execve closes it.
    pub close_on_exec: bool,
}

/// A lock on a file.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Index of the open file.
    pub file: usize,
    /// Whose it is.
    pub style: LockStyle,
    /// Whether it is for writing.
    pub exclusive: bool,
    /// First byte.
    pub start: i64,
    /// Number of bytes; 0 to the end of the file.
    pub length: i64,
    /// The process that set it, which `/proc/locks` names.
    pub pid: i32,
}

/// Whose a lock is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum LockStyle {
    /// Of the process: fcntl, F_SETLK.
    Process,
    /// Of the open file: fcntl, F_OFD_SETLK.
    OpenFile,
    /// Of the open file: flock.
    Flock,
}

/// An interval timer.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    /// When it expires.
    pub expires: Expiry,
    /// The interval, in nanoseconds.
    pub interval: u64,
    /// Whether it has expired, and its signal waits.
    pub waits_for_signal: bool,
}

/// A timer of timer_create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    /// Its number.
    pub id: i32,
    /// Its clock.
    pub clock: i32,
    /// SIGEV_ of its notification.
    pub notify: i32,
    /// Its signal.
    pub signal: i32,
    /// The value that comes with that.
    pub value: u64,
    /// The thread that gets it, with SIGEV_THREAD_ID.
    pub thread: i32,
    /// When it expires.
    pub expires: Expiry,
    /// The interval, in nanoseconds.
    pub interval: u64,
    /// Whether it has expired, and goes on when its signal is taken.
    pub waits_for_signal: bool,
    /// What timer_getoverrun says: how often it had expired again when its signal was taken last.
    pub overrun_last: u64,
    /// How often it expired beyond that while its signal was ignored, or waited.
    pub ignored: u64,
}

/// When a timer expires.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// It does not run.
    #[default]
    Never,
    /// After so many nanoseconds of CPU time.
    After(u64),
    /// At that time of day, in nanoseconds of its clock.
    Day(u64),
    /// At that time of a clock of the machine of the freeze, in nanoseconds.
    Boot(BootClock, u64),
}
