//! Signals and timers.

use super::model::{Expiry, Interval, Plan, Process, Timer};
use crate::clocks::BootClock;
use crate::decode::DecodeError;
use kconv_objects::Saved;
use kconv_tasks::model::{CpuTimer, Intervals, Pending, PosixTimer, SignalInfo};
use std::collections::BTreeSet;

/// Clocks of CPU time (`include/linux/posix-timers.h`).
const CPUCLOCK_PROF: i32 = 0;
const CPUCLOCK_VIRT: i32 = 1;
/// Where `si_sys_private` is in what comes with SI_TIMER.
const SYS_PRIVATE: usize = 32;

/// CPU time that a process or thread has used, in nanoseconds.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Spent {
    pub(super) user: u64,
    pub(super) system: u64,
    pub(super) run: u64,
}

impl Spent {
    pub(super) fn add(&mut self, other: Spent) {
        self.user = self.user.saturating_add(other.user);
        self.system = self.system.saturating_add(other.system);
        self.run = self.run.saturating_add(other.run);
    }

    /// What a clock of CPU time reads: the low two bits of its number say which
    /// (`include/linux/posix-timers.h`: CPUCLOCK_WHICH).
    pub(super) fn on(self, clock: i32) -> u64 {
        match clock & 3 {
            0 => self.user.saturating_add(self.system),
            1 => self.user,
            _ => self.run,
        }
    }
}

/// Whether a clock of CPU time is that of a thread (CPUCLOCK_PERTHREAD).
pub(super) fn is_of_thread(clock: i32) -> bool {
    clock & 4 != 0
}

/// What is to be queued of signals that wait.
pub(super) fn to_queue(pending: Pending) -> Vec<SignalInfo> {
    let Pending { set, queue } = pending;
    let mut found = queue;
    for info in &mut found {
        if info.of_timer().is_some() {
            // The kernel's own note on the timer of the kernel that is gone.
            info.0[SYS_PRIVATE..SYS_PRIVATE + 4].fill(0);
        }
    }
    let queued = found.iter().fold(0, |set, info| set | bit(info.number()));
    // What came with these, the kernel had no room to keep (kernel/signal.c: collect_signal).
    let bare = (1..=64).filter(|number| (set & !queued) & bit(*number) != 0);
    found.extend(bare.map(SignalInfo::bare));
    // Removing the bit of a signal from the set is how the kernel takes it back.
    found.retain(|info| set & bit(info.number()) != 0);
    found
}

/// A signal of the kernel itself that had still to be sent; none if one of that number waits, as it is
/// below the real-time signals (`kernel/signal.c`: legacy_queue).
pub(super) fn to_be_sent(number: i32, waiting: &[SignalInfo]) -> Option<SignalInfo> {
    // `si_code` of SEND_SIG_PRIV (kernel/signal.c: __send_signal_locked).
    const SI_KERNEL: i32 = 0x80;
    let mut info = SignalInfo::bare(number);
    info.0[8..12].copy_from_slice(&SI_KERNEL.to_le_bytes());
    let waits = waiting.iter().any(|other| other.number() == number);
    (!waits).then_some(info)
}

pub(crate) fn bit(signal: i32) -> u64 {
    match signal {
        1..=64 => 1 << (signal - 1),
        _ => 0,
    }
}

/// ITIMER_REAL, ITIMER_VIRTUAL and ITIMER_PROF, of a process that has spent so much CPU time.
pub(super) fn intervals(of: &Intervals, spent: Spent) -> [Interval; 3] {
    let real = of.real;
    let cpu = |timer: Option<CpuTimer>, clock: i32| match timer {
        Some(timer) => Interval {
            expires: Expiry::After(timer.expires.saturating_sub(spent.on(clock)).max(1)),
            interval: timer.interval,
            waits_for_signal: false,
        },
        None => Interval::default(),
    };
    [
        Interval {
            expires: match real.is_set() {
                true => Expiry::Boot(BootClock::Monotonic, real.expires),
                false => Expiry::Never,
            },
            interval: real.interval,
            waits_for_signal: !real.enqueued,
        },
        cpu(of.virtual_time, CPUCLOCK_VIRT),
        cpu(of.profiling, CPUCLOCK_PROF),
    ]
}

/// The timers of a process, by number. `spent` tells the CPU time of a thread by its number, 0 for
/// that of the process.
pub(super) fn timers(
    signal: Saved<'_>,
    spent: impl Fn(i32) -> Spent,
) -> Result<Vec<Timer>, DecodeError> {
    let own = signal.at().0;
    let mut timers = Vec::new();
    for timer in signal.objects().of_type("k_itimer")? {
        if timer.unsigned("it_signal")? == own {
            timers.push(timer_of(timer, &spent)?);
        }
    }
    timers.sort_by_key(|timer| timer.id);
    Ok(timers)
}

fn timer_of(timer: Saved<'_>, spent: &impl Fn(i32) -> Spent) -> Result<Timer, DecodeError> {
    let of = PosixTimer::of(&timer)?;
    let thread = of.target.unwrap_or(0);
    let counts = of.clock < 0;
    let expires = match (of.runs, of.waits_for_signal) {
        (false, false) => Expiry::Never,
        // It goes on when its signal is taken.
        (false, true) if counts => Expiry::After(of.interval),
        (true, _) if counts => {
            let measured = if is_of_thread(of.clock) { thread } else { 0 };
            let left = of.expires.saturating_sub(spent(measured).on(of.clock));
            Expiry::After(left.max(1))
        }
        _ => expiry(timer, of.expires)?,
    };
    let count = |number: i64| number.max(0) as u64;
    Ok(Timer {
        id: of.id,
        clock: of.clock,
        notify: of.notify,
        signal: of.signal,
        value: of.value,
        thread,
        expires,
        interval: of.interval,
        waits_for_signal: of.waits_for_signal && !of.runs && !counts,
        overrun_last: count(of.overrun_last),
        // One less than the times that it expired, for the first of them is none too many.
        ignored: count(of.overrun),
    })
}

/// A time of the clock that a timer runs on: a time from now on CLOCK_REALTIME is kept on
/// CLOCK_MONOTONIC (`kernel/time/posix-timers.c`: common_hrtimer_arm).
fn expiry(timer: Saved<'_>, expires: u64) -> Result<Expiry, DecodeError> {
    let symbol = timer.symbol_name("kclock")?;
    Ok(match symbol.unwrap_or_default() {
        "clock_monotonic" => Expiry::Boot(BootClock::Monotonic, expires),
        "clock_boottime" => Expiry::Boot(BootClock::Boottime, expires),
        "clock_realtime" | "clock_tai" => Expiry::Day(expires),
        // Those that wake the machine up are refused.
        "alarm_clock" => Expiry::Day(expires),
        _ => {
            let clock = timer.unsigned("it_clock")?;
            let why = "kclock has to be that of a clock that timers run on";
            return Err(timer.absurd("it_clock", clock, why).into());
        }
    })
}

impl Plan {
    /// The signals that ended children of a process sent it: those that are made to end send them once more.
    pub(crate) fn signals_of_ended(&self, pid: i32) -> BTreeSet<i32> {
        let is_parent = |index: usize| self.processes[index].pid == pid;
        let children = self
            .processes
            .iter()
            .filter(|child| child.parent.is_some_and(is_parent));
        let ended = children.filter(|child| child.ended.is_some());
        ended.map(|child| child.exit_signal).collect()
    }

    /// The signal that stops a process again that one had stopped. Those of a terminal do not stop who
    /// blocks them or handles them by now, nor anybody in an orphaned process group, that is, one of
    /// which no process has a parent in the session and outside of the group (`kernel/signal.c`:
    /// get_signal; `kernel/exit.c`: will_become_orphaned_pgrp). SIGSTOP always does.
    pub(crate) fn stop_signal(&self, process: &Process) -> Option<i32> {
        let signal = process.stopped?;
        let blocked = process.threads.first().map_or(0, |first| first.blocked);
        let holds = |member: &Process| {
            let parent = member.parent.and_then(|parent| self.processes.get(parent));
            member.group == process.group
                && parent.is_some_and(|parent| {
                    parent.group != member.group && parent.session == member.session
                })
        };
        Some(match signal {
            libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU
                if blocked >> (signal - 1) & 1 == 0
                    && process
                        .actions
                        .get(signal as usize - 1)
                        .is_none_or(|action| action.handler == 0)
                    && self.processes.iter().any(holds) =>
            {
                signal
            }
            _ => libc::SIGSTOP,
        })
    }
}

impl Timer {
    /// Whether the timer has queued this signal: it queues it again when it is set to expire, and
    /// goes on when it is taken.
    pub(super) fn takes_back(&mut self, info: &SignalInfo) -> bool {
        let own = self.waits_for_signal && info.of_timer() == Some(self.id);
        if own {
            self.ignored = self.ignored.saturating_add(info.overrun().max(0) as u64);
        }
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kconv_tasks::model::Action;

    #[test]
    fn a_stop_of_the_terminal_is_one_only_where_it_stops() {
        let shell = Process::bare(5, None);
        let job = |stopped| Process {
            session: 5,
            stopped: Some(stopped),
            actions: vec![Action::default(); 64],
            ..Process::bare(6, Some(0))
        };
        let plan = |processes: Vec<Process>| Plan {
            processes,
            ..Plan::default()
        };
        let with_shell = plan(vec![shell.clone(), job(libc::SIGTSTP)]);
        let stops = |plan: &Plan, process: &Process| plan.stop_signal(process);
        assert_eq!(stops(&with_shell, &shell), None);
        for signal in [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU, libc::SIGSTOP] {
            assert_eq!(stops(&with_shell, &job(signal)), Some(signal));
        }
        // Handled by now, or of a group that is orphaned: without its shell, or in its group.
        let mut handles = job(libc::SIGTSTP);
        handles.actions[libc::SIGTSTP as usize - 1].handler = 0x1000;
        assert_eq!(stops(&with_shell, &handles), Some(libc::SIGSTOP));
        let orphan = Process {
            parent: None,
            ..job(libc::SIGTSTP)
        };
        let alone = plan(vec![orphan.clone()]);
        assert_eq!(stops(&alone, &orphan), Some(libc::SIGSTOP));
        let in_group = Process {
            group: 5,
            ..job(libc::SIGTSTP)
        };
        let together = plan(vec![shell, in_group.clone()]);
        assert_eq!(stops(&together, &in_group), Some(libc::SIGSTOP));
    }
}
