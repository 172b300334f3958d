//! What a thread has for itself.

use super::model::{
    Credentials, Deadline, DeadlineClock, Filter, Folders, Registers, Restart, Scheduling, Seccomp,
    Thread,
};
use super::signals::{Spent, is_of_thread, pending};
use crate::clocks::BootClock;
use crate::view::{DecodeError, Place, View, little_endian};
use kconv_freeze::{XsaveComponents, xsave_standard_form};
use kconv_image::{Resource, Value};

/// Members of `pt_regs` in the order of `user_regs_struct` (`arch/x86/include/asm/user_64.h`).
const GENERAL: [&str; 21] = [
    "r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8", "ax", "cx", "dx", "si", "di",
    "orig_ax", "ip", "cs", "flags", "sp", "ss",
];
/// What follows: bases and selectors, which `thread_struct` keeps.
const SEGMENTS: [&str; 6] = ["fsbase", "gsbase", "ds", "es", "fsindex", "gsindex"];

/// Places in [`Registers::values`].
pub(crate) const AX: usize = 10;
pub(crate) const ORIG_AX: usize = 15;
pub(crate) const IP: usize = 16;
pub(crate) const SP: usize = 19;
pub(crate) const FLAGS: usize = 18;
/// Arguments of a system call: di, si, dx, r10, r8.
const ARGUMENTS: [usize; 5] = [14, 13, 12, 7, 9];

/// What an interrupted system call returns inside the kernel (`include/linux/errno.h`).
const ERESTARTSYS: i64 = -512;
const ERESTARTNOINTR: i64 = -513;
const ERESTARTNOHAND: i64 = -514;
const ERESTART_RESTARTBLOCK: i64 = -516;

/// `restart_syscall`.
pub(crate) const RESTART_SYSCALL: u64 = 219;
/// Length of the instruction `syscall`.
const SYSCALL_LENGTH: u64 = 2;

/// DEFAULT_PRIO: nice 0.
const DEFAULT_PRIO: i32 = 120;

/// The most CPUs and memory nodes that are believed.
const MAX_GROUPS: u64 = 65536;

/// The CPU time that a task has used.
pub(super) fn spent(view: &View<'_>, task: Place) -> Result<Spent, DecodeError> {
    Ok(Spent {
        user: view.unsigned(task, "utime")?,
        system: view.unsigned(task, "stime")?,
        run: view.unsigned(task, "se.sum_exec_runtime")?,
    })
}

/// The thread that a `task_struct` describes. `process` is the CPU time of all of its process.
pub(super) fn thread(
    view: &View<'_>,
    xsave: &XsaveComponents,
    task: Place,
    process: Spent,
) -> Result<Thread, DecodeError> {
    let recorded = registers(view, task)?;
    let spent = |clock: i32| match is_of_thread(clock) {
        true => spent(view, task).map(|spent| spent.on(clock)),
        false => Ok(process.on(clock)),
    };
    let deadline = match deadline(&recorded) {
        Some((call, clock, at)) => {
            deadline_clock(clock, spent)?.map(|clock| Deadline { call, at, clock })
        }
        None => None,
    };
    let (registers, restart) = resumed(recorded, || restart(view, task, spent))?;
    let blocked = match view.unsigned(task, "restore_sigmask")? {
        // The call that waits has a mask of its own, and gets it again when it is entered again
        // (kernel/signal.c: set_user_sigmask, restore_saved_sigmask).
        1 => "saved_sigmask.sig[0]",
        _ => "blocked.sig[0]",
    };
    let (xstate, xfeatures) = xstate(view, xsave, task)?;
    let rseq = view.unsigned(task, "rseq")?;
    let rseq_length = match view.has(task, "rseq_len") {
        true => view.unsigned(task, "rseq_len")? as u32,
        // 6.1 takes no other (kernel/rseq.c: sys_rseq).
        false => 32,
    };
    Ok(Thread {
        tid: view.int(task, "pid")?,
        name: view.text(task, "comm")?,
        registers,
        restart,
        deadline,
        xstate,
        xfeatures,
        blocked: view.unsigned(task, blocked)?,
        pending: pending(view, task, "pending")?,
        stack: (
            view.unsigned(task, "sas_ss_sp")?,
            view.unsigned(task, "sas_ss_size")?,
            view.unsigned(task, "sas_ss_flags")? as u32,
        ),
        robust_list: view.unsigned(task, "robust_list")?,
        clear_child_tid: view.unsigned(task, "clear_child_tid")?,
        rseq: (rseq, rseq_length, view.unsigned(task, "rseq_sig")? as u32),
        scheduling: scheduling(view, task)?,
        affinity: affinity(view, task)?,
        credentials: credentials(view, task)?,
        folders: folders(view, task)?,
        has_own_folders: false,
        personality: view.unsigned(task, "personality")? as u32,
        timer_slack: view.unsigned(task, "timer_slack_ns")?,
        parent_death: view.int(task, "pdeath_signal")?,
        io_priority: match view.follow(task, "io_context", "io_context")? {
            Some(context) => view.unsigned(context, "ioprio")? as u32,
            None => 0,
        },
        memory_policy: memory_policy(view, task, "mempolicy")?,
        // PFA_NO_NEW_PRIVS (include/linux/sched.h).
        no_new_privileges: view.unsigned(task, "atomic_flags")? & 1 != 0,
        seccomp: seccomp(view, task)?,
        ports: match view.follow(task, "thread.io_bitmap", "io_bitmap")? {
            Some(ports) => permitted(view.field(ports, "bitmap")?),
            None => Vec::new(),
        },
        port_level: view.unsigned(task, "thread.iopl_emul")? as u32,
    })
}

/// Which system calls a task may make.
fn seccomp(view: &View<'_>, task: Place) -> Result<Seccomp, DecodeError> {
    const NONE: &str = "the filters of a task with filters are a resource of the image";
    match view.unsigned(task, "seccomp.mode")? {
        0 => Ok(Seccomp::Off),
        1 => Ok(Seccomp::Strict),
        2 => {
            let resource = view.resource(task, "seccomp.filter")?;
            let resource = resource.and_then(|id| view.image.head().resources.get(id.0 as usize));
            let filters = resource.and_then(filters);
            let filters = filters.ok_or_else(|| view.absurd(task, "seccomp.filter", 0, NONE))?;
            Ok(Seccomp::Filters(filters))
        }
        mode => Err(view.absurd(task, "seccomp.mode", mode, "0, 1 and 2 are known")),
    }
}

/// The filters of a resource, which lists the newest first.
fn filters(resource: &Resource) -> Option<Vec<Filter>> {
    let Some(Value::List(filters)) = resource.get("filters") else {
        return None;
    };
    let filter = |filter: &Value| match filter {
        Value::List(parts) => match parts.as_slice() {
            [Value::Unsigned(log), Value::Bytes(program)] => Some(Filter {
                log: *log != 0,
                program: program.clone(),
            }),
            _ => None,
        },
        _ => None,
    };
    filters.iter().rev().map(filter).collect()
}

/// The runs of ports whose bit is clear, which permits them: the first, and how many.
fn permitted(bitmap: &[u8]) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    let bits = bitmap
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1));
    for (port, bit) in (0u32..).zip(bits) {
        if bit == 1 {
            continue;
        }
        match runs.last_mut() {
            Some((first, count)) if *first + *count == port => *count += 1,
            _ => runs.push((port, 1)),
        }
    }
    runs
}

fn registers(view: &View<'_>, task: Place) -> Result<Registers, DecodeError> {
    let head = view.image.head();
    let mut all = view.of_type("pt_regs")?.into_iter();
    let regs = all.find(|regs| head.object(regs.object).owner == task.object);
    let regs =
        regs.ok_or_else(|| view.absurd(task, "stack", 0, "a task that lives has user registers"))?;
    let mut registers = Registers::default();
    let (general, segments) = registers.values.split_at_mut(GENERAL.len());
    for (value, name) in general.iter_mut().zip(GENERAL) {
        *value = view.unsigned(regs, name)?;
    }
    for (value, name) in segments.iter_mut().zip(SEGMENTS) {
        *value = view.unsigned(task, &format!("thread.{name}"))?;
    }
    Ok(registers)
}

/// Registers with which a thread runs on as if nothing had interrupted its system call, and the wait
/// that has to be entered again by other means. What the kernel does when no handler is to run
/// (`arch/x86/kernel/signal.c`: arch_do_signal_or_restart).
fn resumed<E>(
    mut registers: Registers,
    restart: impl FnOnce() -> Result<Option<Restart>, E>,
) -> Result<(Registers, Option<Restart>), E> {
    let values = &mut registers.values;
    let mut wait = None;
    if values[ORIG_AX] as i64 >= 0 {
        match values[AX] as i64 {
            ERESTARTSYS | ERESTARTNOINTR | ERESTARTNOHAND => {
                values[AX] = values[ORIG_AX];
                values[IP] = values[IP].wrapping_sub(SYSCALL_LENGTH);
            }
            ERESTART_RESTARTBLOCK => {
                wait = restart()?;
                values[AX] = RESTART_SYSCALL;
                values[IP] = values[IP].wrapping_sub(SYSCALL_LENGTH);
            }
            _ => {}
        }
    }
    // Not inside of a system call any more.
    values[ORIG_AX] = u64::MAX;
    Ok((registers, wait))
}

/// The call that the registers have a thread make again, if it waits until a time that is in memory:
/// its name, the clock, and where the time is. Calls that wait for so long keep what is left in
/// `restart_block`, and so does a futex with FUTEX_WAIT_BITSET.
fn deadline(registers: &Registers) -> Option<(&'static str, i32, u64)> {
    // Numbers of calls, and of operations of futex(2).
    const CLOCK_NANOSLEEP: u64 = 230;
    const FUTEX: u64 = 202;
    const FUTEX_WAITV: u64 = 449;
    const WAIT_REQUEUE_PI: u64 = 11;
    const LOCK_PI2: u64 = 13;
    const OPERATION: u64 = 0x7f;
    const ON_REALTIME: u64 = 0x100;
    let values = &registers.values;
    let again = [ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND];
    if (values[ORIG_AX] as i64) < 0 || !again.contains(&(values[AX] as i64)) {
        return None;
    }
    let [first, second, third, fourth, fifth] = ARGUMENTS.map(|place| values[place]);
    let (call, clock, at) = match values[ORIG_AX] {
        CLOCK_NANOSLEEP if second & libc::TIMER_ABSTIME as u64 != 0 => {
            ("clock_nanosleep", first as i32, third)
        }
        FUTEX if [WAIT_REQUEUE_PI, LOCK_PI2].contains(&(second & OPERATION)) => {
            let clock = match second & ON_REALTIME {
                0 => libc::CLOCK_MONOTONIC,
                _ => libc::CLOCK_REALTIME,
            };
            ("futex", clock, fourth)
        }
        FUTEX_WAITV => ("futex_waitv", fifth as i32, fourth),
        _ => return None,
    };
    (at != 0).then_some((call, clock, at))
}

/// A clock that a deadline may be on; `None` for those that do not begin anew.
fn deadline_clock<E>(
    clock: i32,
    spent: impl FnOnce(i32) -> Result<u64, E>,
) -> Result<Option<DeadlineClock>, E> {
    if let Some(clock) = BootClock::of(clock) {
        return Ok(Some(DeadlineClock::Boot(clock)));
    }
    let cpu = clock < 0 || clock == libc::CLOCK_PROCESS_CPUTIME_ID;
    match cpu {
        true => Ok(Some(DeadlineClock::Cpu {
            clock,
            spent: spent(clock)?,
        })),
        false => Ok(None),
    }
}

/// The wait that `restart_block` describes (`include/linux/restart_block.h`).
fn restart(
    view: &View<'_>,
    task: Place,
    spent: impl Fn(i32) -> Result<u64, DecodeError>,
) -> Result<Option<Restart>, DecodeError> {
    const SECOND: u64 = 1_000_000_000;
    let field = |name: &str| view.unsigned(task, &format!("restart_block.{name}"));
    Ok(match view.symbol(task, "restart_block.fn")? {
        Some(name @ ("hrtimer_nanosleep_restart" | "alarm_timer_nsleep_restart")) => {
            let clock = field("nanosleep.clockid")?;
            Some(Restart::Sleep {
                clock: match name {
                    "alarm_timer_nsleep_restart" => alarm_clock(clock).ok_or_else(|| {
                        let path = "restart_block.nanosleep.clockid";
                        view.absurd(task, path, clock, "0 and 1 are known")
                    })?,
                    _ => clock as i32,
                },
                expires: field("nanosleep.expires")?,
                rest: field("nanosleep.rmtp")?,
                spent: None,
            })
        }
        Some("posix_cpu_nsleep_restart") => {
            let clock = field("nanosleep.clockid")? as i32;
            Some(Restart::Sleep {
                clock,
                expires: field("nanosleep.expires")?,
                rest: field("nanosleep.rmtp")?,
                spent: Some(spent(clock)?),
            })
        }
        Some("do_restart_poll") => Some(Restart::Poll {
            descriptors: field("poll.ufds")?,
            count: field("poll.nfds")?,
            expires: match field("poll.has_timeout")? {
                0 => None,
                _ => Some(
                    field("poll.tv_sec")?
                        .saturating_mul(SECOND)
                        .saturating_add(field("poll.tv_nsec")?),
                ),
            },
        }),
        Some("futex_wait_restart") => {
            // kernel/futex/futex.h numbers FLAGS_SHARED, FLAGS_CLOCKRT and FLAGS_HAS_TIMEOUT 1, 2, 4
            // in 6.1, and sixteen times that in 6.12; only waits with a time are here.
            let flags = field("futex.flags")?;
            let flags = if flags & 0x40 != 0 { flags >> 4 } else { flags };
            Some(Restart::Futex {
                address: field("futex.uaddr")?,
                value: field("futex.val")? as u32,
                shared: flags & 1 != 0,
                realtime: flags & 2 != 0,
                bits: field("futex.bitset")? as u32,
                expires: field("futex.time")?,
            })
        }
        _ => None,
    })
}

/// The clock of a sleep that wakes the machine up, which the kernel notes by a number of its own
/// (`include/linux/alarmtimer.h`: enum alarmtimer_type).
fn alarm_clock(kind: u64) -> Option<i32> {
    match kind {
        0 => Some(libc::CLOCK_REALTIME_ALARM),
        1 => Some(libc::CLOCK_BOOTTIME_ALARM),
        _ => None,
    }
}

/// The register state that `fpu.fpstate` leads to, which is in the task or an object.
fn xstate(
    view: &View<'_>,
    xsave: &XsaveComponents,
    task: Place,
) -> Result<(Vec<u8>, u64), DecodeError> {
    let state = view.required(task, "thread.fpu.fpstate", "fpstate")?;
    let size = view.unsigned(state, "size")?;
    let user = view.unsigned(state, "user_xfeatures")?;
    let kept = view.bytes_from(state, "regs", size)?;
    let pkru = view.unsigned(task, "thread.pkru")? as u32;
    let standard = xsave_standard_form(xsave, kept, user, pkru)
        .ok_or_else(|| view.absurd(state, "size", size, "the registers are an area of xsave"))?;
    Ok((standard, user))
}

fn scheduling(view: &View<'_>, task: Place) -> Result<Scheduling, DecodeError> {
    Ok(Scheduling {
        policy: view.unsigned(task, "policy")? as u32,
        reset_on_fork: view.unsigned(task, "sched_reset_on_fork")? != 0,
        nice: view.int(task, "static_prio")? - DEFAULT_PRIO,
        priority: view.unsigned(task, "rt_priority")? as u32,
        deadline: [
            view.unsigned(task, "dl.dl_runtime")?,
            view.unsigned(task, "dl.dl_deadline")?,
            view.unsigned(task, "dl.dl_period")?,
        ],
    })
}

/// The CPUs that were asked for, or else those that the task may run on.
fn affinity(view: &View<'_>, task: Place) -> Result<Vec<u8>, DecodeError> {
    if view.unsigned(task, "user_cpus_ptr")? != 0 {
        // As long as the machine has CPUs; one word is always there.
        let asked = view.bytes_at(task, "user_cpus_ptr", 8);
        if let Ok(asked) = asked {
            return Ok(asked.to_vec());
        }
    }
    Ok(view.field(task, "cpus_mask")?.to_vec())
}

fn credentials(view: &View<'_>, task: Place) -> Result<Credentials, DecodeError> {
    let cred = view.required(task, "cred", "cred")?;
    let ids = |names: [&str; 4]| -> Result<[u32; 4], DecodeError> {
        let mut ids = [0; 4];
        for (id, name) in ids.iter_mut().zip(names) {
            *id = little_endian(view.field(cred, name)?) as u32;
        }
        Ok(ids)
    };
    let mut capabilities = [0; 5];
    let names = ["effective", "permitted", "inheritable", "bset", "ambient"];
    for (set, name) in capabilities.iter_mut().zip(names) {
        // Two words of 32 bits in 6.1, one of 64 in 6.12.
        *set = little_endian(view.field(cred, &format!("cap_{name}"))?);
    }
    let supplementary = match view.follow(cred, "group_info", "group_info")? {
        Some(info) => {
            let count = view.unsigned(info, "ngroups")?;
            if count > MAX_GROUPS {
                return Err(view.absurd(info, "ngroups", count, "NGROUPS_MAX is 65536"));
            }
            let gids = view.bytes_from(info, "gid", 4 * count)?.chunks_exact(4);
            gids.map(|gid| little_endian(gid) as u32).collect()
        }
        None => Vec::new(),
    };
    Ok(Credentials {
        users: ids(["uid", "euid", "suid", "fsuid"])?,
        groups: ids(["gid", "egid", "sgid", "fsgid"])?,
        supplementary,
        capabilities,
        secure_bits: view.unsigned(cred, "securebits")? as u32,
    })
}

fn folders(view: &View<'_>, task: Place) -> Result<Folders, DecodeError> {
    let fs = view.required(task, "fs", "fs_struct")?;
    let folder = |path: &str| {
        view.resource(fs, path)?
            .ok_or_else(|| view.absurd(fs, path, 0, "a task is always somewhere"))
    };
    Ok(Folders {
        root: folder("root.dentry")?,
        working: folder("pwd.dentry")?,
        umask: view.unsigned(fs, "umask")? as u32,
    })
}

/// The memory policy that the pointer in `path` leads to: mode with the flags of the caller, and
/// nodes.
pub(super) fn memory_policy(
    view: &View<'_>,
    place: Place,
    path: &str,
) -> Result<Option<(u32, Vec<u8>)>, DecodeError> {
    // MPOL_MODE_FLAGS (include/uapi/linux/mempolicy.h); with STATIC and RELATIVE the nodes stand as
    // they were given.
    const MODE_FLAGS: u32 = 0xe000;
    const AS_GIVEN: u32 = 0xc000;
    let Some(policy) = view.follow(place, path, "mempolicy")? else {
        return Ok(None);
    };
    let mode = view.unsigned(policy, "mode")? as u32;
    let flags = view.unsigned(policy, "flags")? as u32 & MODE_FLAGS;
    let nodes = match flags & AS_GIVEN {
        0 => "nodes",
        _ => "w.user_nodemask",
    };
    Ok(Some((mode | flags, view.field(policy, nodes)?.to_vec())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn ports_whose_bits_are_clear_are_permitted() {
        assert_eq!(permitted(&[0xff, 0xff]), []);
        assert_eq!(permitted(&[0b0111_1110, 0b1111_1100]), [(0, 1), (7, 3)]);
        assert_eq!(permitted(&[0; 8192]), [(0, 65536)]);
    }

    fn waiting(call: u64, ax: i64, arguments: [u64; 5]) -> Registers {
        let mut registers = Registers::default();
        registers.values[ORIG_AX] = call;
        registers.values[AX] = ax as u64;
        for (name, value) in ["di", "si", "dx", "r10", "r8"].iter().zip(arguments) {
            let place = GENERAL.iter().position(|one| one == name).unwrap();
            registers.values[place] = value;
        }
        registers
    }

    #[test]
    fn calls_that_wait_until_a_time_in_memory_are_known() {
        let (mono, boot, day) = (1, 7, 0);
        for (call, ax, arguments, expected) in [
            (
                230,
                ERESTARTNOHAND,
                [1, 1, 0x1000, 0, 0],
                Some(("clock_nanosleep", mono, 0x1000)),
            ),
            (
                230,
                ERESTARTNOHAND,
                [7, 1, 0x1000, 0, 0],
                Some(("clock_nanosleep", boot, 0x1000)),
            ),
            // For so long; over; with an answer.
            (230, ERESTART_RESTARTBLOCK, [1, 0, 0x1000, 0, 0], None),
            (230, ERESTARTNOHAND, [1, 0, 0x1000, 0, 0], None),
            (230, 0, [1, 1, 0x1000, 0, 0], None),
            (
                202,
                ERESTARTNOINTR,
                [0x2000, 13 | 128, 0, 0x1000, 0],
                Some(("futex", mono, 0x1000)),
            ),
            (
                202,
                ERESTARTNOINTR,
                [0x2000, 11 | 256, 0, 0x1000, 0],
                Some(("futex", day, 0x1000)),
            ),
            (202, ERESTARTNOINTR, [0x2000, 6, 0, 0x1000, 0], None),
            (202, ERESTARTSYS, [0x2000, 9, 0, 0x1000, 0], None),
            (
                449,
                ERESTARTSYS,
                [0x2000, 2, 0, 0x1000, 1],
                Some(("futex_waitv", mono, 0x1000)),
            ),
            (449, ERESTARTSYS, [0x2000, 2, 0, 0, 1], None),
            (34, ERESTARTNOHAND, [0; 5], None),
        ] {
            let found = deadline(&waiting(call, ax, arguments));
            assert_eq!(found, expected, "{call} {ax} {arguments:?}");
        }
    }

    #[test]
    fn sleeps_that_wake_the_machine_are_on_the_clocks_that_do() {
        assert_eq!([0, 1, 2].map(alarm_clock), [Some(8), Some(9), None]);
        assert_eq!(BootClock::of(9), Some(BootClock::Boottime));
        assert_eq!(BootClock::of(8), None);
    }

    #[test]
    fn clocks_of_deadlines_begin_anew_with_the_machine_or_the_process() {
        let spent = |clock: i32| Ok::<_, ()>(clock as u64);
        let clock = |clock| deadline_clock(clock, spent).unwrap();
        assert_eq!(clock(1), Some(DeadlineClock::Boot(BootClock::Monotonic)));
        assert_eq!(clock(7), Some(DeadlineClock::Boot(BootClock::Boottime)));
        assert_eq!(clock(2), Some(DeadlineClock::Cpu { clock: 2, spent: 2 }));
        assert!(matches!(
            clock(-6),
            Some(DeadlineClock::Cpu { clock: -6, .. })
        ));
        // Of day, and atomic.
        assert_eq!((clock(0), clock(11)), (None, None));
    }

    fn after(ax: i64, orig_ax: i64) -> (Registers, Option<Restart>) {
        let mut registers = Registers::default();
        registers.values[AX] = ax as u64;
        registers.values[ORIG_AX] = orig_ax as u64;
        registers.values[IP] = 0x401002;
        let wait = Restart::Poll {
            descriptors: 1,
            count: 2,
            expires: None,
        };
        resumed(registers, || Ok::<_, ()>(Some(wait))).unwrap()
    }

    #[test]
    fn a_call_that_was_interrupted_is_entered_again() {
        for ax in [ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND] {
            let (registers, wait) = after(ax, 0);
            assert_eq!((registers.values[AX], registers.values[IP]), (0, 0x401000));
            assert_eq!(registers.values[ORIG_AX], u64::MAX);
            assert_eq!(wait, None);
        }
    }

    #[test]
    fn a_wait_with_an_end_is_entered_by_its_restart() {
        let (registers, wait) = after(ERESTART_RESTARTBLOCK, 7);
        assert_eq!(
            (registers.values[AX], registers.values[IP]),
            (219, 0x401000)
        );
        assert!(wait.is_some());
    }

    #[test]
    fn outside_of_a_call_nothing_is_entered_again() {
        // A value in AX that looks like one, and a call that has returned.
        for (ax, orig_ax) in [(ERESTARTSYS, -1), (42, 0), (-4, 35)] {
            let (registers, wait) = after(ax, orig_ax);
            assert_eq!(
                (registers.values[AX] as i64, registers.values[IP]),
                (ax, 0x401002)
            );
            assert_eq!(wait, None);
        }
    }
}
