//! The task of Linux 6 as it is decoded, of both series.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_made::{Made, Process};
use kconv_objects::{FieldError, Objects, Saved};
use kconv_resources::linux6::FileType;
use kconv_tasks::model::{
    AX, Action, AlternateStack, Bounds, Capabilities, Common, Controls, CpuTimer, Credentials,
    Deadline, Descriptors, Dispatch, FileOwner, Folders, IP, Identity, Intervals, Limit, Mapping,
    MemoryControls, MemoryPolicy, ORIG_AX, OpenFile, Pending, PosixTimer, Registers, Restart,
    Scheduling, Seccomp, Signals, Space, actions, limits,
};
use kernel_structs::layout::Layout;
use kernel_structs::releases::Registry;
use std::sync::LazyLock;

/// A kernel of each series.
const KERNELS: [&str; 3] = [
    "6.1.0-50-amd64",
    "6.12.117+deb12-amd64",
    "7.3.4+deb13-amd64",
];

static LAYOUTS: LazyLock<[Layout; 3]> = LazyLock::new(|| {
    let registry = Registry::builtin().unwrap();
    KERNELS.map(|kernel| {
        let release = registry.release(kernel, None, None).unwrap();
        registry.layout(&release.layout).unwrap()
    })
});

/// What is read of a process of each series, once it has been made as `make` says.
fn read<T>(
    make: impl Fn(&mut Made<'_>, &Process),
    read: impl Fn(&Saved<'_>) -> Result<T, FieldError>,
) -> [Result<T, String>; 3] {
    LAYOUTS.each_ref().map(|layout| {
        let mut made = Made::new(layout, "linux-6");
        let process = Process::new(&mut made, 4711);
        make(&mut made, &process);
        let image = made.image();
        let objects = Objects::new(&image, layout).unwrap();
        let tasks = objects.of_type("task_struct").unwrap();
        read(&tasks[0]).map_err(|error| error.to_string())
    })
}

/// As [`read`], where all series say the same.
fn alike<T: PartialEq + std::fmt::Debug>(
    make: impl Fn(&mut Made<'_>, &Process),
    of: impl Fn(&Saved<'_>) -> Result<T, FieldError>,
) -> T {
    let [old, new, newest] = read(make, of).map(|read| read.unwrap());
    assert_eq!(old, new);
    assert_eq!(new, newest);
    new
}

/// Sets each of the fields to a number of its own.
fn numbered(made: &mut Made<'_>, at: kconv_made::At, fields: &[&str]) {
    for (field, number) in fields.iter().zip(1..) {
        made.set(at, field, number);
    }
}

#[test]
fn credentials_are_those_that_a_task_has_and_not_those_it_acts_with() {
    let found = alike(
        |made, process| {
            let users = ["uid.val", "euid.val", "suid.val", "fsuid.val"];
            numbered(made, process.cred, &users);
            let groups = ["gid.val", "egid.val", "sgid.val", "fsgid.val"];
            numbered(made, process.cred, &groups);
            made.set(process.cred, "securebits", 5);
            let sets = ["effective", "permitted", "inheritable", "bset", "ambient"];
            for (name, number) in sets.into_iter().zip(1u64..) {
                // The words of 6.1 and the one of 6.12, in the same bytes.
                let bits = number << 32 | 0x10;
                made.put(process.cred, &format!("cap_{name}"), &bits.to_le_bytes());
            }
            let acting = made.object("cred");
            made.owned_by(acting, process.task);
            made.point(process.task, "cred", acting);
        },
        Credentials::of,
    );
    let expected = Credentials {
        users: [1, 2, 3, 4],
        groups: [1, 2, 3, 4],
        supplementary: vec![7, 9],
        capabilities: Capabilities {
            effective: 1 << 32 | 0x10,
            permitted: 2 << 32 | 0x10,
            inheritable: 3 << 32 | 0x10,
            bounding: 4 << 32 | 0x10,
            ambient: 5 << 32 | 0x10,
        },
        secure_bits: 5,
    };
    assert_eq!(found, expected);
}

#[test]
fn a_task_without_credentials_is_not_root() {
    let without = |made: &mut Made<'_>, process: &Process| made.set(process.task, "real_cred", 0);
    for found in read(without, Credentials::of) {
        let error = found.unwrap_err();
        assert!(error.contains("task_struct.real_cred"), "{error}");
    }
}

#[test]
fn groups_end_where_their_number_says() {
    let many = |made: &mut Made<'_>, process: &Process| {
        made.set(process.groups, "ngroups", 65537);
    };
    for found in read(many, Credentials::of) {
        assert!(found.unwrap_err().contains("NGROUPS_MAX"));
    }
    let more = |made: &mut Made<'_>, process: &Process| made.set(process.groups, "ngroups", 3);
    for found in read(more, Credentials::of) {
        let error = found.unwrap_err();
        assert!(error.contains("group_info.gid"), "{error}");
    }
}

/// The bytes of a `kernel_siginfo` with these words in it.
fn info(words: &[(usize, i32)]) -> [u8; 48] {
    let mut info = [0; 48];
    for (at, word) in words {
        info[*at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
    info
}

#[test]
fn a_call_with_a_mask_of_its_own_has_the_one_of_the_thread_kept() {
    let masks = |restores: u64| {
        move |made: &mut Made<'_>, process: &Process| {
            made.set(process.task, "blocked.sig[0]", 0x10);
            made.set(process.task, "saved_sigmask.sig[0]", 0x8000_0000_0000_0001);
            made.set(process.task, "restore_sigmask", restores);
        }
    };
    let without = alike(masks(0), Signals::of);
    assert_eq!((without.blocked, without.blocked_after_call), (0x10, None));
    let with = alike(masks(1), Signals::of);
    let kept = Some(0x8000_0000_0000_0001);
    assert_eq!((with.blocked, with.blocked_after_call), (0x10, kept));
}

#[test]
fn signals_that_wait_are_in_a_set_and_in_a_queue() {
    let found = alike(
        |made, process| {
            made.set(process.task, "pending.signal.sig[0]", 1 << 33 | 1 << 9);
            process.queue(made, false, &info(&[(0, 34), (8, -1), (16, 815), (24, 77)]));
            made.set(process.signal, "shared_pending.signal.sig[0]", 1 << 14);
            made.set(process.task, "sas_ss_sp", 0x7000);
            made.set(process.task, "sas_ss_size", 0x2000);
            made.set(process.task, "sas_ss_flags", 1 << 31);
        },
        |task| {
            let of_process = Pending::of(&task.required("signal")?, "shared_pending")?;
            Ok((Signals::of(task)?, of_process))
        },
    );
    let (own, of_process) = found;
    assert_eq!(own.pending.set, 1 << 33 | 1 << 9);
    let [queued] = own.pending.queue[..] else {
        panic!("{:?}", own.pending);
    };
    assert_eq!((queued.number(), queued.code()), (34, -1));
    assert_eq!((queued.sender(), queued.value()), (Some((815, 0)), 77));
    assert_eq!((of_process.set, of_process.queue), (1 << 14, vec![]));
    let AlternateStack { start, size, flags } = own.stack;
    assert_eq!((start, size, flags), (0x7000, 0x2000, 1 << 31));
}

#[test]
fn a_queue_that_does_not_end_is_an_error() {
    let endless = |made: &mut Made<'_>, process: &Process| {
        let entry = process.queue(made, false, &info(&[(0, 10)]));
        let own = made.address(entry) + made.offset(entry, "list");
        made.set(entry, "list.next", own);
    };
    for found in read(endless, Signals::of) {
        let error = found.unwrap_err();
        assert!(error.contains("task_struct.pending.list"), "{error}");
    }
}

#[test]
fn each_signal_has_its_action() {
    let found = alike(
        |made, process| {
            let of = |member: &str| format!("action[9].sa.{member}");
            made.set(process.sighand, &of("sa_handler"), 0x40_1000);
            made.set(process.sighand, &of("sa_flags"), 0x1400_0004);
            made.set(process.sighand, &of("sa_restorer"), 0x40_2000);
            made.set(process.sighand, &of("sa_mask.sig[0]"), 0x20);
        },
        |task| actions(&task.required("sighand")?),
    );
    assert_eq!(found.len(), 64);
    let expected = Action {
        handler: 0x40_1000,
        flags: 0x1400_0004,
        restorer: 0x40_2000,
        mask: 0x20,
    };
    assert_eq!(found[9], expected);
    let others = found.iter().filter(|one| **one == Action::default());
    assert_eq!(others.count(), 63);
}

#[test]
fn an_interval_timer_runs_or_has_expired() {
    let of = |state: u64, interval: u64| {
        alike(
            move |made, process| {
                made.set(process.signal, "real_timer.node.expires", 5000);
                made.set(
                    process.signal,
                    "real_timer.is_queued|real_timer.state",
                    state,
                );
                made.set(process.signal, "it_real_incr", interval);
                made.set(process.signal, "it[1].expires", 70);
                made.set(process.signal, "it[1].incr", 7);
            },
            |task| Intervals::of(&task.required("signal")?),
        )
    };
    let runs = of(1, 0);
    assert_eq!((runs.real.expires, runs.real.enqueued), (5000, true));
    assert!(runs.real.is_set());
    // Its time lies in the past; only what has an interval goes on.
    assert!(!of(0, 0).real.is_set());
    let waits = of(0, 9).real;
    assert_eq!((waits.interval, waits.enqueued), (9, false));
    assert!(waits.is_set());
    let expected = CpuTimer {
        expires: 70,
        interval: 7,
    };
    assert_eq!((runs.virtual_time, runs.profiling), (Some(expected), None));
}

/// A timer with a clock and a notification, which expires at 5000 if it runs.
fn timer(made: &mut Made<'_>, process: &Process, clock: i64, notify: u64) -> kconv_made::At {
    let timer = made.object("k_itimer");
    made.owned_by(timer, process.task);
    made.point(timer, "it_signal", process.signal);
    made.point(timer, "it_pid", process.pid);
    made.set(timer, "it_id", 3);
    made.set(timer, "it_clock", clock as u64);
    made.set(timer, "it_sigev_notify", notify);
    made.symbol(timer, "kclock", "clock_monotonic");
    let value = "info._sifields._timer._sigval.sival_ptr";
    // A part of the timer since 6.14.
    if made.has("k_itimer", "sigq.info") {
        made.set(timer, "sigq.info.si_signo", 34);
        made.set(timer, &format!("sigq.{value}"), 0x2a);
        return timer;
    }
    let queued = made.object("sigqueue");
    made.owned_by(queued, process.task);
    made.set(queued, "info.si_signo", 34);
    made.set(queued, value, 0x2a);
    made.point(timer, "sigq", queued);
    timer
}

#[test]
fn a_timer_runs_by_its_clock_and_by_whom_it_tells() {
    // The clock, the notification, where it expires, whether it is active (else its signal waits to be taken), and
    // whether it runs.
    let cases = [
        (1, 0, "it.real.timer.node.expires", 1, true),
        (1, 0, "it.real.timer.node.expires", 0, false),
        (1, 1, "it.real.timer.node.expires", 0, true),
        (1, 4, "it.real.timer.node.expires", 0, false),
        (9, 0, "it.alarm.alarmtimer.node.expires", 1, true),
        (-6, 0, "it.cpu.node.expires", 0, true),
    ];
    for (clock, notify, expires, active, runs) in cases {
        let found = alike(
            move |made, process| {
                let timer = timer(made, process, clock, notify);
                made.set(timer, expires, 5000);
                made.set(timer, "it_interval", 9);
                if made.has("k_itimer", "it_status") {
                    made.set(timer, "it_status", if active == 1 { 1 } else { 2 });
                } else {
                    made.set(timer, "it_active", active);
                    made.set(timer, "it_requeue_pending", if active == 1 { 2 } else { 3 });
                }
                made.set(timer, "it_overrun", -1i64 as u64);
                made.set(timer, "it_overrun_last", 6);
            },
            |task| {
                let timers = task.objects().of_type("k_itimer")?;
                PosixTimer::of(&timers[0])
            },
        );
        let expected = PosixTimer {
            id: 3,
            clock: clock as i32,
            notify: notify as i32,
            signal: 34,
            value: 0x2a,
            target: Some(4711),
            expires: 5000,
            interval: 9,
            runs,
            waits_for_signal: active == 0,
            overrun: -1,
            overrun_last: 6,
        };
        assert_eq!(found, expected);
    }
}

#[test]
fn limits_are_soft_and_hard() {
    let found = alike(
        |made, process| {
            made.set(process.signal, "rlim[7].rlim_cur", 1024);
            made.set(process.signal, "rlim[7].rlim_max", u64::MAX);
        },
        |task| limits(&task.required("signal")?),
    );
    assert_eq!(found.len(), 16);
    let (soft, hard) = (1024, u64::MAX);
    assert_eq!(found[7], Limit { soft, hard });
    assert_eq!(found[6], Limit { soft: 0, hard: 0 });
}

#[test]
fn a_thread_is_scheduled_as_it_asked_for() {
    let found = alike(
        |made, process| {
            let task = process.task;
            for (path, number) in [
                ("policy", 6),
                ("sched_reset_on_fork", 1),
                ("static_prio", 110),
                ("rt_priority", 12),
                ("dl.dl_runtime", 1),
                ("dl.dl_deadline", 2),
                ("dl.dl_period", 3),
                ("dl.flags", 4),
                ("dl.dl_overrun", 1),
                ("timer_slack_ns", 50),
                ("default_timer_slack_ns", 60),
            ] {
                made.set(task, path, number);
            }
            made.put(task, "cpus_mask", &[3]);
            let wanted = made.array("unsigned long", 1, vec![2, 0, 0, 0, 0, 0, 0, 0]);
            made.owned_by(wanted, task);
            made.point(task, "user_cpus_ptr", wanted);
            let context = made.object("io_context");
            made.owned_by(context, task);
            made.set(context, "ioprio", 0x4002);
            made.point(task, "io_context", context);
        },
        Scheduling::of,
    );
    let mut allowed = vec![0; found.allowed.len()];
    allowed[0] = 3;
    let expected = Scheduling {
        policy: 6,
        reset_on_fork: true,
        nice: -10,
        priority: 12,
        deadline: Deadline {
            runtime: 1,
            deadline: 2,
            period: 3,
            flags: 4,
            overran: true,
        },
        slice: None,
        allowed,
        wanted: Some(vec![2, 0, 0, 0, 0, 0, 0, 0]),
        timer_slack: [50, 60],
        io_priority: Some(0x4002),
        memory_policy: None,
    };
    assert_eq!(found, expected);
}

#[test]
fn a_slice_is_one_that_was_asked_for_where_the_kernel_has_such() {
    let found = read(
        |made, process| {
            if made.has("task_struct", "se.custom_slice") {
                made.set(process.task, "se.custom_slice", 1);
                made.set(process.task, "se.slice", 3_000_000);
            }
        },
        |task| Ok(Scheduling::of(task)?.slice),
    );
    assert_eq!(found, [Ok(None), Ok(Some(3_000_000)), Ok(Some(3_000_000))]);
}

#[test]
fn nodes_of_a_memory_policy_are_as_given_or_as_they_are_now() {
    for (flags, nodes, home) in [(0x8000, 6, None), (0, 5, Some(0)), (1, 5, Some(3))] {
        let found = alike(
            move |made, process| {
                let policy = made.object("mempolicy");
                made.owned_by(policy, process.task);
                made.set(policy, "mode", 2);
                made.set(policy, "flags", flags);
                made.put(policy, "nodes", &[5]);
                made.put(policy, "w.user_nodemask", &[6]);
                let home = home.map_or(-1, |node: u32| node as i32);
                made.put(policy, "home_node", &home.to_le_bytes());
                made.point(process.task, "mempolicy", policy);
            },
            |task| MemoryPolicy::of(task, "mempolicy"),
        );
        let found = found.unwrap();
        // Flags of the kernel's own are not the caller's.
        assert_eq!(found.mode, 2 | (flags & 0xe000) as u32);
        assert_eq!((found.nodes[0], found.home_node), (nodes, home));
    }
}

#[test]
fn registers_are_those_of_the_thread_and_selectors_have_sixteen_bits() {
    let found = alike(
        |made, process| {
            for (name, number) in [("r15", 1), ("ax", 2), ("ip", 3), ("orig_ax", 4)] {
                made.set(process.registers, name, number);
            }
            // Eight bytes, of which the CPU pushes more than the selector.
            made.put(process.registers, "cs", &0x1234_0033u64.to_le_bytes());
            made.put(process.registers, "ss", &0x5678_002bu64.to_le_bytes());
            made.set(process.task, "thread.fsbase", 5);
            made.set(process.task, "thread.gsindex", 6);
        },
        |task| {
            let registers = task.objects().of_type("pt_regs")?;
            Registers::of(&registers[0], task)
        },
    );
    let mut expected = [0; 27];
    for (place, value) in [(0, 1), (AX, 2), (IP, 3), (ORIG_AX, 4)] {
        expected[place] = value;
    }
    (expected[17], expected[20], expected[21], expected[26]) = (0x33, 0x2b, 5, 6);
    assert_eq!(found.values, expected);
    assert_eq!(found.system_call(), Some(4));
    let noted = found.noted();
    assert_eq!((noted.r15, noted.rax, noted.cs), (1, 2, 0x33));
    assert_eq!((noted.ss, noted.fs_base, noted.gs), (0x2b, 5, 6));
}

#[test]
fn a_wait_goes_on_by_what_its_function_says() {
    let of = |function: &'static str, fields: &'static [(&'static str, u64)]| {
        alike(
            move |made, process| {
                made.symbol(process.task, "restart_block.fn", function);
                for (field, number) in fields {
                    let paths = field.split('|');
                    let paths: Vec<_> = paths.map(|path| format!("restart_block.{path}")).collect();
                    made.set(process.task, &paths.join("|"), *number);
                }
            },
            Restart::of,
        )
    };
    let sleep = &[
        ("nanosleep.clockid", 1),
        ("nanosleep.expires", 5000),
        ("nanosleep.rmtp", 0x7000),
    ];
    for (function, clock, on_cpu_time) in [
        ("hrtimer_nanosleep_restart", 1, false),
        ("alarm_timer_nsleep_restart", 9, false),
        ("posix_cpu_nsleep_restart", 1, true),
    ] {
        let expected = Restart::Sleep {
            clock,
            expires: 5000,
            rest: 0x7000,
            on_cpu_time,
        };
        assert_eq!(of(function, sleep), Some(expected), "{function}");
    }
    let poll = &[
        ("poll.ufds", 0x7000),
        ("poll.nfds", 2),
        ("poll.has_timeout", 1),
        ("poll.end_time.tv_sec|poll.tv_sec", 3),
        ("poll.end_time.tv_nsec|poll.tv_nsec", 4),
    ];
    let expected = Restart::Poll {
        descriptors: 0x7000,
        count: 2,
        expires: Some(3_000_000_004),
    };
    assert_eq!(of("do_restart_poll", poll), Some(expected));
    assert_eq!(of("do_no_restart_syscall", &[]), None);
}

#[test]
fn flags_of_a_futex_that_is_waited_for_are_shifted_in_the_later_kernel() {
    // FLAGS_SHARED and FLAGS_HAS_TIMEOUT; in 6.12 with the size of the futex, FLAGS_SIZE_32.
    for (kernel, flags) in [(0, 1 | 4), (1, 0x10 | 0x40 | 0x02), (2, 0x10 | 0x40 | 0x02)] {
        let found = read(
            move |made, process| {
                made.symbol(process.task, "restart_block.fn", "futex_wait_restart");
                for (field, number) in [
                    ("uaddr", 0x7000),
                    ("val", 7),
                    ("flags", flags),
                    ("bitset", 0xffff_ffff),
                    ("time", 5000),
                ] {
                    let path = format!("restart_block.futex.{field}");
                    made.set(process.task, &path, number);
                }
            },
            Restart::of,
        );
        let expected = Restart::Futex {
            address: 0x7000,
            value: 7,
            shared: true,
            realtime: false,
            bits: 0xffff_ffff,
            expires: 5000,
        };
        assert_eq!(found[kernel], Ok(Some(expected)));
    }
}

#[test]
fn bounds_are_those_of_their_names() {
    let found = alike(
        |made, process| numbered(made, process.mm, &Bounds::NAMES),
        |task| {
            let mm = task.required("mm")?;
            Bounds::of(&mm)
        },
    );
    assert_eq!(found.in_order(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!((found.brk, found.start_stack, found.env_end), (6, 7, 11));
}

#[test]
fn a_space_has_its_vector_its_keys_and_its_segments() {
    let found = alike(
        |made, process| {
            let mm = process.mm;
            for (path, number) in [
                ("flags", 0x1f8),
                ("membarrier_state.counter", 3),
                ("context.pkey_allocation_map", 0b1011),
                // For memory that may only be executed.
                ("context.execute_only_pkey", 3),
            ] {
                made.set(mm, path, number);
            }
            let vector = [6u64, 4096, 3, 0x40_0040, 0, 0, 9, 9].map(u64::to_le_bytes);
            made.put(mm, "saved_auxv", vector.as_flattened());
            let ldt = made.object("ldt_struct");
            made.owned_by(ldt, process.task);
            let entries = [0x00cf_fb00_0000_ffffu64, 0].map(u64::to_le_bytes);
            let entries = made.array("desc_struct", 2, entries.concat());
            made.owned_by(entries, process.task);
            made.set(ldt, "nr_entries", 2);
            made.point(ldt, "entries", entries);
            made.point(mm, "context.ldt", ldt);
        },
        |task| {
            // The vector has another length in each.
            let auxv = Vec::new();
            let mm = task.required("mm")?;
            let (space, controls) = (Space::of(&mm)?, MemoryControls::of(&mm)?);
            Ok((space.auxiliary_vector(), controls, Space { auxv, ..space }))
        },
    );
    let (vector, controls, space) = found;
    assert_eq!(controls.barriers, 3);
    assert_eq!((space.flags, space.keys), (0x1f8, 0b0011));
    assert_eq!(vector, [[6, 4096], [3, 0x40_0040]]);
    assert_eq!(space.segments, [0x00cf_fb00_0000_ffff, 0]);
    assert_eq!(space.program, None);
}

/// The number of a constant of a layout: a bit, or the number of one.
fn constant(layout: &Layout, name: &str) -> u64 {
    layout.constant(name).unwrap() as u64
}

#[test]
fn requests_of_a_task_are_the_bits_that_their_names_say() {
    let none = alike(|_, _| (), |task| Controls::of(task));
    assert_eq!(none, Controls::default());
    let all = alike(
        |made, process| {
            let layout = made.layout();
            let bit = |name: &str| 1 << constant(layout, name);
            let mask = |name: &str| constant(layout, name);
            let task = process.task;
            let info = bit("TIF_NOTSC") | bit("TIF_NOCPUID") | bit("TIF_SPEC_L1D_FLUSH");
            made.set(task, "thread_info.flags", info);
            let flags = mask("PF_MEMALLOC_NOIO")
                | mask("PF_LOCAL_THROTTLE")
                | mask("PF_MCE_PROCESS")
                | mask("PF_MCE_EARLY");
            made.set(task, "flags", flags);
            let speculation = bit("PFA_SPEC_SSB_NOEXEC") | bit("PFA_SPEC_IB_FORCE_DISABLE");
            made.set(task, "atomic_flags", speculation);
            let work = mask("SYSCALL_WORK_SYSCALL_USER_DISPATCH");
            made.set(task, "thread_info.syscall_work", work);
            let fields = [
                "syscall_dispatch.offset",
                "syscall_dispatch.len",
                "syscall_dispatch.selector",
            ];
            numbered(made, task, &fields);
        },
        |task| Controls::of(task),
    );
    let expected = Controls {
        no_time_stamps: true,
        no_cpuid: true,
        io_flusher: true,
        memory_failure_early: Some(true),
        // PR_SPEC_DISABLE_NOEXEC, PR_SPEC_FORCE_DISABLE, PR_SPEC_ENABLE.
        speculation: [16, 8, 2],
        dispatch: Some(Dispatch {
            start: 1,
            length: 2,
            selector: 3,
        }),
    };
    assert_eq!(all, expected);
    // One of the two bits of PR_SET_IO_FLUSHER is set for others' reasons, too; without the dispatch its
    // fields are leftovers.
    let part = alike(
        |made, process| {
            let noio = constant(made.layout(), "PF_MEMALLOC_NOIO");
            made.set(process.task, "flags", noio);
            made.set(process.task, "syscall_dispatch.selector", 3);
        },
        |task| Controls::of(task),
    );
    assert_eq!(part, Controls::default());
}

#[test]
fn requests_of_memory_are_those_that_its_kernel_knows() {
    let of = |names: &'static [&'static str]| {
        let found = read(
            move |made, process| {
                let layout = made.layout();
                let known = names.iter().filter_map(|name| layout.constant(name));
                let flags = known.fold(0, |flags, bit| flags | 1u64 << bit);
                made.set(process.mm, "flags.__mm_flags[0]|flags", flags);
            },
            |task| {
                let mm = task.required("mm")?;
                MemoryControls::of(&mm)
            },
        );
        found.map(|one| {
            let one = one.unwrap();
            assert_eq!(one.barriers, 0);
            (one.refused_execution, one.merges, one.huge_where_asked)
        })
    };
    // 6.1 knows none of them, and 6.12 not the last.
    let all = of(&[
        "MMF_HAS_MDWE",
        "MMF_HAS_MDWE_NO_INHERIT",
        "MMF_VM_MERGE_ANY",
        "MMF_DISABLE_THP_EXCEPT_ADVISED",
    ]);
    assert_eq!(all, [(0, false, false), (3, true, false), (3, true, true)]);
    assert_eq!(of(&["MMF_HAS_MDWE"])[1..], [(1, false, false); 2]);
    assert_eq!(
        of(&["MMF_HAS_MDWE_NO_INHERIT"])[1..],
        [(0, false, false); 2]
    );
}

#[test]
fn filters_are_a_resource_and_no_other_mode_is_known() {
    let with = |mode: u64, filters: bool| {
        let make = move |made: &mut Made<'_>, process: &Process| {
            made.set(process.task, "seccomp.mode", mode);
            if filters {
                // Any resource will do: what it is, is looked at where it is used.
                let resource = made.file("/filter", FileType::Regular, 5);
                made.stand_for(process.task, "seccomp.filter", resource);
            }
        };
        let [old, new, newest] = read(make, Seccomp::of);
        assert_eq!(old, new);
        assert_eq!(new, newest);
        new
    };
    assert_eq!(with(0, false), Ok(Seccomp::Off));
    // What was left by a mode that is off is no filter.
    assert_eq!(with(0, true), Ok(Seccomp::Off));
    assert_eq!(with(1, false).map(Seccomp::mode), Ok(1));
    assert!(matches!(with(2, true), Ok(Seccomp::Filters(_))));
    for (wrong, expected) in [
        (with(2, false), "are a resource of the image"),
        (with(3, true), "0, 1 and 2 are known"),
    ] {
        let error = wrong.unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn folders_are_those_of_a_task_that_is_somewhere() {
    let folders = alike(
        |made, process| made.set(process.fs, "umask", 0o27),
        Folders::of,
    );
    let folders = folders.unwrap();
    assert_ne!(folders.root, folders.working);
    assert_eq!(folders.umask, 0o27);
    let ended = alike(|made, process| made.set(process.task, "fs", 0), Folders::of);
    assert_eq!(ended, None);
}

/// Opens a file as descriptor 3, to be closed by execve, and says who gets its signals.
fn open_file(made: &mut Made<'_>, process: &Process, is_named: bool) {
    let file = made.object("file");
    made.owned_by(file, process.task);
    if is_named {
        let path = made.file("/var/log/worker", FileType::Regular, 77);
        made.stand_for(file, "f_path.dentry", path);
    }
    made.set(file, "f_flags", 0o102_001);
    made.set(file, "f_pos", u64::MAX);
    let (owner, prefix) = match made.has("file", "f_owner.pid") {
        true => (file, "f_owner."),
        false => {
            let owner = made.object("fown_struct");
            made.owned_by(owner, process.task);
            made.point(file, "f_owner", owner);
            (owner, "")
        }
    };
    let path = |field: &str| format!("{prefix}{field}");
    made.point(owner, &path("pid"), process.pid);
    for (field, number) in [
        ("pid_type", 1),
        ("signum", 29),
        ("uid.val", 5),
        ("euid.val", 6),
    ] {
        made.set(owner, &path(field), number);
    }
    process.open(made, 3, file, true);
}

#[test]
fn a_descriptor_leads_to_an_open_file_and_that_to_who_gets_its_signals() {
    let found = alike(
        |made, process| open_file(made, process, true),
        |task| {
            let files = task.required("files")?;
            let descriptors = Descriptors::of(&files)?;
            let [one] = descriptors.open[..] else {
                panic!("{descriptors:?}");
            };
            let file = OpenFile::of(&files.objects().object(one.file)?)?;
            assert_eq!(file.object, one.file);
            let (flags, position) = (file.flags, file.position);
            Ok((one.number, one.close_on_exec, flags, position, file.owner))
        },
    );
    let owner = FileOwner {
        kind: 1,
        pid: 4711,
        signal: 29,
        users: [5, 6],
    };
    assert_eq!(found, (3, true, 0o102_001, -1, Some(owner)));
    let none = alike(|_, _| (), |task| Descriptors::of(&task.required("files")?));
    assert_eq!(none.open, []);
}

#[test]
fn a_descriptor_of_what_is_no_file_and_a_file_of_nothing_are_errors() {
    let stray = read(
        |made, process| {
            open_file(made, process, true);
            process.open(made, 4, process.task, false);
        },
        |task| Descriptors::of(&task.required("files")?),
    );
    for error in stray.map(Result::unwrap_err) {
        assert!(
            error.contains("the descriptor's file is not in the image"),
            "{error}"
        );
    }
    let nothing = read(
        |made, process| open_file(made, process, false),
        |task| {
            let files = task.required("files")?;
            let file = Descriptors::of(&files)?.open[0].file;
            OpenFile::of(&files.objects().object(file)?)
        },
    );
    for error in nothing.map(Result::unwrap_err) {
        assert!(error.contains("something that was opened"), "{error}");
    }
}

#[test]
fn a_mapping_is_whole_pages_with_its_flags() {
    let with = |start: u64, end: u64, flags: u64, special: bool| {
        let make = move |made: &mut Made<'_>, process: &Process| {
            let vma = process.mapping(made, start, end, flags);
            made.set(vma, "vm_pgoff", 5);
            if special {
                made.symbol(vma, "vm_ops", "special_mapping_vmops");
            }
        };
        read(make, |task| {
            let mappings = task.objects().of_type("vm_area_struct")?;
            Mapping::of(&mappings[0])
        })
    };
    let flags = 0x75 | 1 << 33;
    for found in with(0x1000, 0x3000, flags, false) {
        let found = found.unwrap();
        assert_eq!(
            (found.start, found.end, found.flags),
            (0x1000, 0x3000, flags)
        );
        assert_eq!((found.page_offset, found.file, found.key), (5, None, 2));
        assert!(!found.special && !found.sealed && !found.droppable);
    }
    for found in with(0x1000, 0x3000, 0x75, true) {
        assert!(found.unwrap().special);
    }
    for (start, end) in [(0x1000, 0x1000), (0x1001, 0x3000), (0x3000, 0x1000)] {
        for found in with(start, end, 0x75, false) {
            let error = found.unwrap_err();
            assert!(error.contains("one or more whole pages"), "{error}");
        }
    }
}

#[test]
fn a_task_has_a_number_a_name_and_a_parent() {
    let found = alike(
        |made, process| {
            let parent = Process::new(made, 77);
            made.point(process.task, "real_parent", parent.task);
            // Who traces it, which is nobody's parent.
            made.point(process.task, "parent", process.task);
            for (path, number) in [
                ("pid", 4712),
                ("exit_signal", 17),
                ("exit_code", 0x300),
                ("pdeath_signal", 9),
                ("personality", 0x4_0000),
                ("loginuid.val", 1000),
                ("sessionid", 2),
                ("exit_state", 0x20),
            ] {
                made.set(process.task, path, number);
            }
        },
        Identity::of,
    );
    let expected = Identity {
        tid: 4712,
        pid: 4711,
        comm: b"worker".to_vec(),
        parent: Some(77),
        exit_signal: 17,
        exit_code: 0x300,
        has_ended: true,
        parent_death_signal: 9,
        personality: 0x4_0000,
        login: [1000, 2],
    };
    assert_eq!(found, expected);
}

#[test]
fn a_process_has_a_group_a_session_and_what_its_threads_share() {
    let of = |flags: u64| {
        alike(
            move |made, process| {
                let session = Process::new(made, 77);
                made.point(process.signal, "pids[3]", session.pid);
                for (path, number) in [
                    ("flags", flags),
                    ("group_exit_code", 0x8b),
                    ("is_child_subreaper", 1),
                    ("oom_score_adj", 500),
                    ("oom_score_adj_min", -900i64 as u64),
                ] {
                    made.set(process.signal, path, number);
                }
            },
            |task| Common::of(&task.required("signal")?),
        )
    };
    let expected = Common {
        group: Some(4711),
        session: Some(77),
        group_exit_code: 0x8b,
        ends_as_a_whole: false,
        is_stopped: false,
        going_on_is_untold: false,
        subreaper: true,
        has_old_group: false,
        oom_score_adj: [500, -900],
    };
    assert_eq!(of(0), expected);
    // SIGNAL_STOP_STOPPED, SIGNAL_STOP_CONTINUED, SIGNAL_GROUP_EXIT.
    let flags = [1, 2, 4].map(|bit| {
        let found = of(bit);
        let [stopped, untold, ends] = [
            found.is_stopped,
            found.going_on_is_untold,
            found.ends_as_a_whole,
        ];
        (stopped, untold, ends)
    });
    let (yes, no) = (true, false);
    assert_eq!(flags, [(yes, no, no), (no, yes, no), (no, no, yes)]);
}

#[test]
fn a_status_is_that_of_the_whole_where_the_whole_has_ended() {
    for (flags, expected) in [(0, 0x300), (4, 0x8b), (1, 0x300)] {
        let status = alike(
            move |made, process| {
                made.set(process.task, "exit_code", 0x300);
                made.set(process.signal, "group_exit_code", 0x8b);
                made.set(process.signal, "flags", flags);
            },
            |task| {
                let common = Common::of(&task.required("signal")?)?;
                Ok(Identity::of(task)?.status(&common))
            },
        );
        assert_eq!(status, expected);
    }
}
