//! Interval timers, and timers of timer_create.

use super::clocks::{left, read};
use super::restored::{Restored, bytes_of};
use crate::call::CallError;
use crate::clocks::{Beat, BootClock, TaskClocks, forward, overrun_start};
use crate::dropped::{Dropped, late, overrun};
use crate::plan::{Expiry, Interval, Timer};
use crate::remote::Remote;

const SECOND: u64 = 1_000_000_000;
const MICRO: u64 = 1000;

/// Makes the timers of a process, and has those run whose signals had been taken late. That is to be
/// before any signal waits for the process: it takes those signals again.
pub(super) fn create(
    restored: &Restored<'_>,
    clocks: &TaskClocks,
    dropped: &mut Vec<Dropped>,
) -> Result<(), CallError> {
    for timer in &restored.process.timers {
        create_numbered(restored, timer)?;
    }
    for timer in overrunning(restored) {
        let made = match overrun_at(timer, clocks)? {
            Some(at) => overrun_again(restored, timer, at)?,
            None => false,
        };
        if !made {
            dropped.push(overrun(restored.process.pid, timer));
            arm(restored, timer, clocks, dropped)?;
        }
    }
    Ok(())
}

/// Has the other timers run.
pub(super) fn start(
    restored: &Restored<'_>,
    clocks: &TaskClocks,
    dropped: &mut Vec<Dropped>,
) -> Result<(), CallError> {
    for timer in &restored.process.timers {
        if !overrunning(restored).any(|other| other.id == timer.id) {
            arm(restored, timer, clocks, dropped)?;
        }
    }
    let remote = restored.first();
    for (which, interval) in restored.process.intervals.iter().enumerate() {
        if let Some(left) = left_of_interval(interval, clocks)? {
            let words = [interval.interval, left].map(|time| {
                // At least one: zero would stop it.
                let micros = time.div_ceil(MICRO);
                [micros / 1_000_000, micros % 1_000_000]
            });
            let at = remote.put(&restored.memory, &bytes_of(words.as_flattened()))?;
            remote.call("setitimer", libc::SYS_setitimer, &[which as u64, at, 0])?;
        }
    }
    Ok(())
}

/// What is left of an interval timer; `None` if it does not run.
fn left_of_interval(interval: &Interval, clocks: &TaskClocks) -> Result<Option<u64>, CallError> {
    Ok(match interval.expires {
        Expiry::Never => None,
        Expiry::After(left) => Some(left),
        // Interval timers run on no such clock; what there is left of a time there is nothing of.
        Expiry::Day(_) => Some(1),
        Expiry::Boot(clock, expires) => {
            let left = left(clocks, clock, expires)?;
            // One whose signal waits already goes on with its beat.
            let left = match interval.waits_for_signal {
                true => forward(left, interval.interval, 0),
                false => left,
            };
            Some(left.max(1) as u64)
        }
    })
}

/// Makes a timer with the number it had: a process numbers them in the order in which they are made.
fn create_numbered(restored: &Restored<'_>, timer: &Timer) -> Result<(), CallError> {
    let remote = restored.first();
    loop {
        // struct sigevent: value, signal, notification, thread; 64 bytes. Behind it the number.
        const SIZE: usize = 64;
        let mut event = timer.value.to_le_bytes().to_vec();
        for word in [timer.signal, timer.notify, timer.thread] {
            event.extend(word.to_le_bytes());
        }
        event.resize(SIZE + 4, 0);
        let at = remote.put(&restored.memory, &event)?;
        let clock = timer.clock as u64;
        let arguments = [clock, at, at + SIZE as u64];
        remote.call("timer_create", libc::SYS_timer_create, &arguments)?;
        let mut answer = [0; SIZE + 4];
        remote.get(&restored.memory, &mut answer)?;
        let made = i32::from_le_bytes([answer[64], answer[65], answer[66], answer[67]]);
        if made == timer.id {
            return Ok(());
        }
        if made > timer.id {
            return Err(CallError::Result {
                call: "timer_create",
                problem: format!("gave number {made}, and {} was wanted", timer.id),
            });
        }
        remote.call("timer_delete", libc::SYS_timer_delete, &[made as u64])?;
    }
}

/// When a timer is to expire, as timer_settime takes it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Value {
    /// After so many nanoseconds.
    After(u64),
    /// At that time of its clock.
    At(u64),
}

/// Has a timer run, if it did. One that has expired meanwhile expires at once, and counts what it
/// missed.
fn arm(
    restored: &Restored<'_>,
    timer: &Timer,
    clocks: &TaskClocks,
    dropped: &mut Vec<Dropped>,
) -> Result<(), CallError> {
    let mut tell = |beat: &Beat| dropped.extend(late(restored.process.pid, timer, beat));
    let value = match timer.expires {
        Expiry::Never => return Ok(()),
        Expiry::After(left) => Value::After(left),
        Expiry::Day(time) => Value::At(time),
        Expiry::Boot(clock, expires) if timer.clock == clock.id() => {
            let ahead = clocks.of_machine(clock, 0);
            let expires = clocks.of_old(clock, expires).saturating_sub(ahead);
            let beat = Beat::of(expires, timer.interval, read(clock.id())?);
            tell(&beat);
            Value::At(beat.first.saturating_add(ahead).max(1) as u64)
        }
        // A time of day from now on is kept on another clock than the timer's own.
        Expiry::Boot(clock, expires) => {
            let left = left(clocks, clock, expires)?;
            if left < 0 {
                let interval = i64::try_from(timer.interval).unwrap_or(i64::MAX);
                tell(&Beat::at_once(left, interval, 0));
            }
            Value::After(left.max(1) as u64)
        }
    };
    set(restored, timer, value)
}

fn set(restored: &Restored<'_>, timer: &Timer, value: Value) -> Result<(), CallError> {
    let remote = restored.first();
    let (flags, first) = match value {
        Value::After(left) => (0, left),
        Value::At(time) => (libc::TIMER_ABSTIME as u64, time),
    };
    let words = [timer.interval, first].map(|time| [time / SECOND, time % SECOND]);
    let at = remote.put(&restored.memory, &bytes_of(words.as_flattened()))?;
    let arguments = [timer.id as u64, flags, at, 0];
    remote.call("timer_settime", libc::SYS_timer_settime, &arguments)?;
    Ok(())
}

fn overrunning<'b>(restored: &Restored<'b>) -> impl Iterator<Item = &'b Timer> {
    let timers = restored.process.timers.iter();
    timers.filter(|timer| timer.overrun_last > 0 && timer.can_overrun())
}

/// When such a timer is to be set to expire, on its clock, so that it has missed as many times as it
/// had, and goes on with its beat; `None` if that is before the clock began, or past.
fn overrun_at(timer: &Timer, clocks: &TaskClocks) -> Result<Option<u64>, CallError> {
    let start = |next, now| overrun_start(next, timer.interval, timer.overrun_last, now);
    let at = match timer.expires {
        Expiry::Day(time) => {
            let next = i64::try_from(time).unwrap_or(i64::MAX);
            start(next, read(timer.clock)?)
        }
        Expiry::Boot(clock, expires) => {
            // A time before the machine's clock began is the beginning of that.
            let ahead = clocks.of_machine(clock, 0);
            let next = clocks.of_old(clock, expires).saturating_sub(ahead);
            start(next, read(clock.id())?).map(|start| start.saturating_add(ahead))
        }
        Expiry::Never | Expiry::After(_) => None,
    };
    Ok(at.and_then(|at| u64::try_from(at).ok()))
}

/// Sets a timer to a time that is past, and takes its signal. Whether timer_getoverrun says then what
/// it did.
fn overrun_again(restored: &Restored<'_>, timer: &Timer, at: u64) -> Result<bool, CallError> {
    set(restored, timer, Value::At(at))?;
    let taker = restored.threads.iter().zip(&restored.process.threads);
    let mut taker = taker.filter(|(_, thread)| thread.tid == timer.thread);
    let taker: &Remote = match timer.notify & libc::SIGEV_THREAD_ID {
        0 => restored.first(),
        _ => taker.next().map_or(restored.first(), |(remote, _)| remote),
    };
    let set_of_one = 1u64 << (timer.signal - 1).clamp(0, 63);
    let words = bytes_of(&[set_of_one, 1, 0]);
    let arguments = taker.put(&restored.memory, &words)?;
    let arguments = [arguments, 0, arguments + 8, 8];
    let taken = taker.call("rt_sigtimedwait", libc::SYS_rt_sigtimedwait, &arguments);
    match taken {
        Ok(_) => {
            let number = [timer.id as u64];
            let first = restored.first();
            let says = first.call("timer_getoverrun", libc::SYS_timer_getoverrun, &number)?;
            Ok(says as u64 == timer.overrun_last)
        }
        Err(CallError::Refused {
            error: nix::errno::Errno::EAGAIN,
            ..
        }) => Ok(false),
        Err(other) => Err(other),
    }
}

impl Timer {
    /// Whether timer_getoverrun of it can say what it did: its signal is taken at once for that, and
    /// it is set to a time of its own clock.
    pub(crate) fn can_overrun(&self) -> bool {
        let own_clock = match self.expires {
            Expiry::Never | Expiry::After(_) => false,
            Expiry::Day(_) => true,
            Expiry::Boot(clock, _) => BootClock::of(self.clock) == Some(clock),
        };
        own_clock && self.interval > 0 && !self.waits_for_signal
    }
}
