//! What is planned for processes that are made by hand, of both series.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::signals::bit;
use super::{Expiry, Interval, Plan, Process, RESTART_SYSCALL, Restart, Unclear};
use crate::clocks::{BootClock, Frozen};
use kconv_made::Made;
use kconv_objects::Objects;
use kconv_tasks::model::{AX, IP};
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

/// The plans of a process that is made as `make` says, and of whoever else is.
fn plans(make: impl Fn(&mut Made<'_>, &kconv_made::Process)) -> [(Vec<Process>, Vec<Unclear>); 3] {
    LAYOUTS.each_ref().map(|layout| {
        let mut made = Made::new(layout, kconv_resources::linux6::FAMILY);
        let process = kconv_made::Process::new(&mut made, 4711);
        make(&mut made, &process);
        let image = made.image();
        let objects = Objects::new(&image, layout).unwrap();
        let (plan, unclear) = Plan::decode(&objects, None, Frozen::default()).unwrap();
        (plan.processes, unclear)
    })
}

/// What is planned for it alone.
fn planned(make: impl Fn(&mut Made<'_>, &kconv_made::Process)) -> [Process; 3] {
    plans(make).map(|(mut processes, unclear)| {
        assert!(unclear.is_empty(), "{unclear:?}");
        assert_eq!(processes.len(), 1);
        processes.remove(0)
    })
}

#[test]
fn a_thread_blocks_again_what_it_had_blocked_before_its_call() {
    let masks = |restores: u64| {
        move |made: &mut Made<'_>, process: &kconv_made::Process| {
            made.set(process.task, "blocked.sig[0]", 0x10);
            made.set(process.task, "saved_sigmask.sig[0]", 0x22);
            made.set(process.task, "restore_sigmask", restores);
        }
    };
    for process in planned(masks(0)) {
        assert_eq!(process.threads[0].blocked, 0x10);
    }
    for process in planned(masks(1)) {
        assert_eq!(process.threads[0].blocked, 0x22);
    }
}

#[test]
fn signals_are_queued_as_they_waited() {
    let mut timer = [0; 48];
    for (at, word) in [(0, 14i32), (8, -2), (16, 3), (32, 99)] {
        timer[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
    let processes = planned(|made, process| {
        // 10 came with nothing, 14 of a timer; 12 the kernel has taken back.
        let set = 1 << 9 | 1 << 13;
        made.set(process.task, "pending.signal.sig[0]", set);
        let mut taken_back = [0; 48];
        taken_back[0] = 12;
        let first = process.queue(made, false, &timer);
        let second = process.queue(made, false, &taken_back);
        made.list(process.task, "pending.list", &[first, second], "list");
    });
    for process in processes {
        let pending = &process.threads[0].pending;
        let numbers: Vec<i32> = pending.iter().map(|info| info.number()).collect();
        assert_eq!(numbers, [14, 10]);
        // Without the kernel's own note on its timer.
        assert_eq!(pending[0].0[32..36], [0; 4]);
        assert_eq!(pending[1].0[4..], [0; 44]);
    }
}

#[test]
fn a_process_that_makes_no_sense_is_told_with_its_number() {
    let without = |made: &mut Made<'_>, process: &kconv_made::Process| {
        made.set(process.task, "real_cred", 0);
    };
    for (processes, unclear) in plans(without) {
        assert_eq!(processes.len(), 1);
        assert_eq!(unclear.len(), 1);
        assert_eq!(unclear[0].pid, 4711);
        let error = unclear[0].error.to_string();
        assert!(error.contains("task_struct.real_cred"), "{error}");
    }
}

#[test]
fn interval_timers_go_on_with_what_is_left_of_them() {
    let processes = planned(|made, process| {
        made.set(process.signal, "real_timer.node.expires", 5000);
        made.set(process.signal, "it[1].expires", 70);
        made.set(process.signal, "it[1].incr", 7);
        // Of user time 60 are spent, by a thread that is no more and by this one.
        made.set(process.signal, "utime", 20);
        made.set(process.task, "utime", 40);
    });
    for process in processes {
        let [real, virtual_time, profiling] = process.intervals;
        // It has expired, and once.
        assert_eq!(real.expires, Expiry::Never);
        assert_eq!(virtual_time.expires, Expiry::After(10));
        assert_eq!(virtual_time.interval, 7);
        assert_eq!(profiling, Interval::default());
    }
    let processes = planned(|made, process| {
        made.set(process.signal, "real_timer.node.expires", 5000);
        made.set(process.signal, "it_real_incr", 9);
    });
    for process in processes {
        let [real, ..] = process.intervals;
        let expires = Expiry::Boot(BootClock::Monotonic, 5000);
        assert_eq!((real.expires, real.waits_for_signal), (expires, true));
    }
}

#[test]
fn parameters_of_a_deadline_are_given_with_that_policy_alone() {
    for (policy, expected, flags) in [(6, [1, 2, 3], 4), (0, [0, 2, 3], 0)] {
        let processes = planned(move |made, process| {
            for (path, number) in [
                ("policy", policy),
                ("dl.dl_runtime", 1),
                ("dl.dl_deadline", 2),
                ("dl.dl_period", 3),
                ("dl.flags", 4),
            ] {
                made.set(process.task, path, number);
            }
        });
        for process in processes {
            let scheduling = &process.threads[0].scheduling;
            assert_eq!(scheduling.deadline, expected);
            assert_eq!(scheduling.deadline_flags, flags);
        }
    }
}

#[test]
fn an_overrun_that_nobody_was_told_of_is_told() {
    for (policy, waits, expected) in [(6, 0, 1), (6, libc::SIGXCPU, 1), (0, 0, 0)] {
        let processes = planned(move |made, process| {
            made.set(process.task, "policy", policy);
            made.set(process.task, "dl.dl_overrun", 1);
            let set = bit(waits);
            made.set(process.signal, "shared_pending.signal.sig[0]", set);
        });
        for process in processes {
            let pending = &process.pending;
            assert_eq!(pending.len(), expected, "{policy}, {waits}");
            if expected == 1 && waits == 0 {
                assert_eq!(
                    (pending[0].number(), pending[0].code()),
                    (libc::SIGXCPU, 0x80)
                );
            }
        }
    }
}

/// A thread that a freeze interrupted in system call `number`, which was to be begun again by a
/// `restart_block` with this function.
fn interrupted(made: &mut Made<'_>, process: &kconv_made::Process, number: u64, by: &str) {
    const ERESTART_RESTARTBLOCK: i64 = -516;
    made.set(process.registers, "orig_ax", number);
    made.set(process.registers, "ax", ERESTART_RESTARTBLOCK as u64);
    made.set(process.registers, "ip", 0x40_1002);
    made.symbol(process.task, "restart_block.fn", by);
}

#[test]
fn a_wait_for_a_futex_is_entered_again_as_it_was() {
    for (kernel, flags) in [(0, 1 | 2 | 4), (1, 0x10 | 0x20 | 0x40 | 0x02)] {
        let processes = planned(move |made, process| {
            interrupted(made, process, 202, "futex_wait_restart");
            made.set(process.task, "restart_block.futex.uaddr", 0x7000);
            made.set(process.task, "restart_block.futex.flags", flags);
        });
        let thread = &processes[kernel].threads[0];
        let Some(Restart::Futex {
            address,
            shared,
            realtime,
            ..
        }) = thread.restart
        else {
            panic!("{:?}", thread.restart);
        };
        assert_eq!((address, shared, realtime), (0x7000, true, true));
        assert_eq!(thread.registers.values[AX], RESTART_SYSCALL);
        assert_eq!(thread.registers.values[IP], 0x40_1000);
    }
}

#[test]
fn a_sleep_on_cpu_time_knows_what_had_been_spent() {
    let processes = planned(|made, process| {
        interrupted(made, process, 230, "posix_cpu_nsleep_restart");
        // CLOCK_PROCESS_CPUTIME_ID as the kernel notes it: of process 0, which is one's own.
        let clock = i64::from(-6i32) as u64;
        made.set(process.task, "restart_block.nanosleep.clockid", clock);
        made.set(process.task, "restart_block.nanosleep.expires", 5000);
        made.set(process.signal, "sum_sched_runtime", 300);
        made.set(process.task, "se.sum_exec_runtime", 40);
    });
    for process in processes {
        let Some(Restart::Sleep { spent, expires, .. }) = process.threads[0].restart else {
            panic!("{:?}", process.threads[0].restart);
        };
        assert_eq!((spent, expires), (Some(340), 5000));
    }
}

#[test]
fn mappings_are_in_order_and_those_of_the_kernel_are_left_to_it() {
    let processes = planned(|made, process| {
        process.mapping(made, 0x60_0000, 0x60_1000, 0x73);
        let special = process.mapping(made, 0x50_0000, 0x50_1000, 0x75);
        made.symbol(special, "vm_ops", "special_mapping_vmops");
        let first = process.mapping(made, 0x40_0000, 0x40_3000, 0x75);
        made.set(first, "vm_pgoff", 0x400);
        made.set(process.mm, "start_stack", 0x7ffe_0000);
    });
    for process in processes {
        let memory = process.memory.unwrap();
        let found = memory.mappings.iter();
        let found: Vec<_> = found.map(|one| (one.start, one.end, one.offset)).collect();
        assert_eq!(
            found,
            [(0x40_0000, 0x40_3000, 0), (0x60_0000, 0x60_1000, 0)]
        );
        assert_eq!(memory.bounds.in_order()[6], 0x7ffe_0000);
    }
}

#[test]
fn a_parent_is_told_the_status_of_the_thread_or_of_the_whole() {
    // SIGNAL_GROUP_EXIT: the process ended by exit_group or a signal.
    for (flags, expected) in [(0, 0x300), (4, 0x8b)] {
        let processes = planned(move |made, process| {
            made.set(process.task, "exit_state", 0x20);
            made.set(process.task, "exit_code", 0x300);
            made.set(process.signal, "group_exit_code", 0x8b);
            made.set(process.signal, "flags", flags);
            made.set(process.cred, "uid.val", 1000);
        });
        for process in processes {
            let ended = process.ended.unwrap();
            assert_eq!(ended.status, expected);
            assert_eq!(ended.name, b"worker");
            assert_eq!(ended.credentials.users[0], 1000);
            assert!(process.threads.is_empty());
        }
    }
}

#[test]
fn a_stop_has_its_signal_and_is_told_or_not() {
    for (code, signal, told) in [(20, 20, false), (0, 19, true)] {
        let processes = planned(move |made, process| {
            made.set(process.signal, "flags", 1);
            made.set(process.signal, "group_exit_code", code);
        });
        for process in processes {
            assert_eq!(
                (process.stopped, process.stop_is_told),
                (Some(signal), told)
            );
        }
    }
}

#[test]
fn parents_come_before_their_children_and_first_threads_before_the_others() {
    for (processes, unclear) in plans(|made, process| {
        let parent = kconv_made::Process::new(made, 77);
        made.point(process.task, "real_parent", parent.task);
        // A thread of the parent's, which has a lower number than the first.
        let thread = kconv_made::Process::new(made, 76);
        made.set(thread.task, "tgid", 77);
        for path in ["signal", "sighand", "mm", "files", "fs"] {
            let shared = made.get(parent.task, path);
            made.set(thread.task, path, shared);
        }
    }) {
        assert!(unclear.is_empty(), "{unclear:?}");
        let found: Vec<_> = processes.iter().map(|one| (one.pid, one.parent)).collect();
        assert_eq!(found, [(77, None), (4711, Some(0))]);
        let threads: Vec<_> = processes[0].threads.iter().map(|one| one.tid).collect();
        assert_eq!(threads, [77, 76]);
        assert!(processes[0].unshared.is_empty());
    }
}
