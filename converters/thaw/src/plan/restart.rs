//! The system call that a thread was in, and how it goes on.

use super::model::{CutShort, DeadlineClock, Ends, Restart};
use crate::clocks::BootClock;
use kconv_machine::Interruptible;
use kconv_tasks::model::{self, ARGUMENTS, AX, IP, ORIG_AX, Registers};

/// What an interrupted system call returns inside the kernel (`include/linux/errno.h`).
const ERESTARTSYS: i64 = -512;
const ERESTARTNOINTR: i64 = -513;
const ERESTARTNOHAND: i64 = -514;
const ERESTART_RESTARTBLOCK: i64 = -516;

/// `restart_syscall`.
pub(crate) const RESTART_SYSCALL: u64 = 219;
/// Length of the instruction `syscall`.
const SYSCALL_LENGTH: u64 = 2;

/// Registers with which a thread runs on as if nothing had interrupted its system call, and the wait
/// that has to be entered again by other means. What the kernel does when no handler is to run
/// (`arch/x86/kernel/signal.c`: arch_do_signal_or_restart).
pub(super) fn resumed<E>(
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
pub(super) fn deadline(registers: &Registers) -> Option<(&'static str, i32, u64)> {
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
    let [first, second, third, fourth, fifth, _] = ARGUMENTS.map(|place| values[place]);
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

/// The call that ends before its time, because the thread was made to stop in it: with EINTR one that has a time limit
/// (those without are begun anew), and with a part of what it was to do one that waited to do the rest
/// (`fs/pipe.c`: pipe_write; `drivers/tty/n_tty.c`: n_tty_write; `fs/splice.c`: splice_direct_to_actor;
/// `drivers/char/random.c`: get_random_bytes_user). Which of them waited is a matter of what they write to.
pub(super) fn cut_short(registers: &Registers) -> Option<CutShort> {
    /// The most that one call does (`include/linux/fs.h`: MAX_RW_COUNT).
    const MOST: u64 = 0x7fff_f000;
    let values = &registers.values;
    let returned = values[AX] as i64;
    if returned == -i64::from(libc::EINTR) {
        let call = Interruptible::of(values[ORIG_AX])?.name;
        let ends = Ends::Interrupted;
        return Some(CutShort { call, ends });
    }
    let [first, second, third, fourth, ..] = ARGUMENTS.map(|place| values[place]);
    let to = Some(first as i32);
    let (call, descriptor, wanted) = match values[ORIG_AX] {
        1 => ("write", to, Some(third)),
        20 => ("writev", to, None),
        40 => ("sendfile", to, Some(fourth)),
        318 => ("getrandom", None, Some(second)),
        328 => ("pwritev2", to, None),
        _ => return None,
    };
    let done = u64::try_from(returned).ok().filter(|done| *done > 0)?;
    let wanted = wanted.map(|wanted| wanted.min(MOST));
    let ends = Ends::WithPart {
        done,
        wanted,
        descriptor,
    };
    let is_part = wanted.is_none_or(|wanted| done < wanted);
    is_part.then_some(CutShort { call, ends })
}

/// The call that the thread makes again and that waits by a System V identifier (ipc(7)): nothing leads from a task to what
/// that names, so that the image has it not.
pub(super) fn waits_in_ipc(registers: &Registers) -> Option<&'static str> {
    let values = &registers.values;
    let name = match values[ORIG_AX] {
        65 => "semop",
        69 => "msgsnd",
        70 => "msgrcv",
        220 => "semtimedop",
        _ => return None,
    };
    let is_inside = [
        ERESTARTSYS,
        ERESTARTNOINTR,
        ERESTARTNOHAND,
        -i64::from(libc::EINTR),
    ];
    is_inside.contains(&(values[AX] as i64)).then_some(name)
}

/// A clock that a deadline may be on; `None` for those that do not begin anew.
pub(super) fn deadline_clock<E>(
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

/// The wait that is to be entered again. `spent` tells what a clock of CPU time read at the freeze.
pub(super) fn wait<E>(
    of: model::Restart,
    spent: impl Fn(i32) -> Result<u64, E>,
) -> Result<Restart, E> {
    Ok(match of {
        model::Restart::Sleep {
            clock,
            expires,
            rest,
            on_cpu_time,
        } => Restart::Sleep {
            clock,
            expires,
            rest,
            spent: match on_cpu_time {
                true => Some(spent(clock)?),
                false => None,
            },
        },
        model::Restart::Poll {
            descriptors,
            count,
            expires,
        } => Restart::Poll {
            descriptors,
            count,
            expires,
        },
        model::Restart::Futex {
            address,
            value,
            shared,
            realtime,
            bits,
            expires,
        } => Restart::Futex {
            address,
            value,
            shared,
            realtime,
            bits,
            expires,
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn waiting(call: u64, ax: i64, arguments: [u64; 5]) -> Registers {
        let mut registers = Registers::default();
        registers.values[ORIG_AX] = call;
        registers.values[AX] = ax as u64;
        for (place, value) in ARGUMENTS.iter().zip(arguments) {
            registers.values[*place] = value;
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
    fn sleeps_that_wake_the_machine_are_on_a_clock_that_begins_anew() {
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
    fn a_wait_that_is_cut_short_is_known() {
        let ends = |call, ax| cut_short(&waiting(call, ax, [0; 5])).map(|cut| (cut.call, cut.ends));
        let eintr = -i64::from(libc::EINTR);
        assert_eq!(
            ends(128, eintr),
            Some(("rt_sigtimedwait", Ends::Interrupted))
        );
        assert_eq!(ends(220, eintr), Some(("semtimedop", Ends::Interrupted)));
        assert_eq!(ends(128, ERESTARTNOHAND), None);
        assert_eq!(ends(0, eintr), None);
    }

    #[test]
    fn a_call_of_which_a_part_is_done_is_known() {
        let ends = |call, ax, arguments| {
            let cut = cut_short(&waiting(call, ax, arguments))?;
            Some((cut.call, cut.ends))
        };
        let part = |call, wanted, descriptor| {
            let done = 65536;
            let ends = Ends::WithPart {
                done,
                wanted,
                descriptor,
            };
            Some((call, ends))
        };
        let arguments = [4, 0x7000, 1 << 20, 1 << 21, 0];
        assert_eq!(
            ends(1, 65536, arguments),
            part("write", Some(1 << 20), Some(4))
        );
        assert_eq!(
            ends(40, 65536, arguments),
            part("sendfile", Some(1 << 21), Some(4))
        );
        // How much these were to write is in the program's memory.
        assert_eq!(ends(20, 65536, arguments), part("writev", None, Some(4)));
        assert_eq!(ends(328, 65536, arguments), part("pwritev2", None, Some(4)));
        assert_eq!(
            ends(318, 65536, [0x7000, 1 << 20, 0, 0, 0]),
            part("getrandom", Some(1 << 20), None)
        );
        for (call, ax) in [
            (1, 1 << 20),
            (1, 0),
            (1, -32),
            (1, ERESTARTSYS),
            (20, 0),
            (20, ERESTARTSYS),
            // A read has what there was.
            (0, 65536),
            (u64::MAX, 65536),
        ] {
            assert_eq!(ends(call, ax, arguments), None, "{call}: {ax}");
        }
        // As much as one call does.
        let huge = [4, 0x7000, 1 << 40, 0, 0];
        assert_eq!(ends(1, 0x7fff_f000, huge), None);
    }

    #[test]
    fn a_wait_by_a_system_v_identifier_is_known() {
        let waits = |call, ax| waits_in_ipc(&waiting(call, ax, [0; 5]));
        let eintr = -i64::from(libc::EINTR);
        for (call, name) in [
            (65, "semop"),
            (69, "msgsnd"),
            (70, "msgrcv"),
            (220, "semtimedop"),
        ] {
            for ax in [ERESTARTNOHAND, ERESTARTSYS, eintr] {
                assert_eq!(waits(call, ax), Some(name));
            }
            // It has returned.
            assert_eq!(waits(call, 0), None);
        }
        assert_eq!(waits(0, ERESTARTSYS), None);
        assert_eq!(waits(u64::MAX, ERESTARTSYS), None);
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
