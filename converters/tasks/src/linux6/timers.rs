//! Interval timers of a process and timers of timer_create. All times are in nanoseconds.

use super::{Belongings, hex_at, numbers_of};
use crate::view::symbol_text;
use kconv_objects::{FieldError, Saved};
use serde::Serialize;

/// Timers of a process.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Timers {
    pub(crate) real: Option<RealTimer>,
    /// ITIMER_VIRTUAL and ITIMER_PROF that are set.
    pub(crate) virtual_time: Option<CpuTimer>,
    pub(crate) profiling: Option<CpuTimer>,
    pub(crate) posix: Vec<PosixTimer>,
}

/// ITIMER_REAL.
#[derive(Debug, Serialize)]
pub(crate) struct RealTimer {
    /// On CLOCK_MONOTONIC; in the past if the timer is not set.
    pub(crate) expires: u64,
    pub(crate) interval: u64,
}

/// An interval timer of CPU time.
#[derive(Debug, Serialize)]
pub(crate) struct CpuTimer {
    /// On the process's clock.
    pub(crate) expires: u64,
    pub(crate) interval: u64,
}

/// A timer of timer_create.
#[derive(Debug, Serialize)]
pub(crate) struct PosixTimer {
    pub(crate) id: i64,
    pub(crate) clock: i64,
    pub(crate) clock_operations: Option<String>,
    /// `SIGEV_*`.
    pub(crate) notify: i64,
    pub(crate) signal: i64,
    pub(crate) value: String,
    /// The process or thread that gets the signal.
    pub(crate) target: Option<i64>,
    pub(crate) armed: bool,
    /// On its clock.
    pub(crate) expires: u64,
    pub(crate) interval: u64,
    pub(crate) overrun: i64,
}

/// Places in `signal_struct.it` (`include/linux/posix-timers.h`: CPUCLOCK_PROF, CPUCLOCK_VIRT).
const PROF: usize = 0;
const VIRT: usize = 1;

pub(super) fn timers(task: &Saved<'_>, belongings: &Belongings<'_>) -> Result<Timers, FieldError> {
    let Some(signal) = task.follow("signal")? else {
        return Ok(Timers::default());
    };
    let cpu = |place: usize| -> Result<Option<CpuTimer>, FieldError> {
        let expires = signal.unsigned(&format!("it[{place}].expires"))?;
        let interval = signal.unsigned(&format!("it[{place}].incr"))?;
        Ok((expires != 0).then_some(CpuTimer { expires, interval }))
    };
    let (expires, interval) = (
        signal.unsigned("real_timer.node.expires")?,
        signal.unsigned("it_real_incr")?,
    );
    let timers = belongings.timers.get(&signal.at().0);
    let posix = timers.into_iter().flatten().map(posix);
    Ok(Timers {
        real: (expires != 0).then_some(RealTimer { expires, interval }),
        virtual_time: cpu(VIRT)?,
        profiling: cpu(PROF)?,
        posix: posix.collect::<Result<_, _>>()?,
    })
}

fn posix(timer: &Saved<'_>) -> Result<PosixTimer, FieldError> {
    let queued = timer.follow("sigq")?;
    let target = match timer.follow("it_pid")? {
        Some(pid) => match numbers_of(&pid)?.first() {
            Some(number) => Some(number.signed("nr")?),
            None => None,
        },
        None => None,
    };
    // The expiry is in one place for all kinds of clock (kernel/time/posix-timers.c:
    // common_timer_set; kernel/time/posix-cpu-timers.c: posix_cpu_timer_set).
    let clock = timer.signed("it_clock")?;
    let node = match clock {
        ..0 => "it.cpu.node.expires",
        8 | 9 => "it.alarm.alarmtimer.node.expires",
        _ => "it.real.timer.node.expires",
    };
    let (notify, expires) = (timer.signed("it_sigev_notify")?, timer.unsigned(node)?);
    // A clock of CPU time, or a timer that tells nobody, has an expiry as long as it is armed.
    const SIGEV_NONE: i64 = 1;
    let armed = match clock < 0 || notify == SIGEV_NONE {
        true => expires != 0,
        false => timer.unsigned("it_active")? != 0,
    };
    Ok(PosixTimer {
        id: timer.signed("it_id")?,
        clock,
        clock_operations: timer.symbol("kclock")?.map(symbol_text),
        notify,
        signal: queued.map_or(Ok(0), |queued| queued.signed("info.si_signo"))?,
        value: match queued {
            Some(queued) => hex_at(&queued, "info._sifields._timer._sigval.sival_ptr")?,
            None => String::from("0x0"),
        },
        target,
        armed,
        expires,
        interval: timer.unsigned("it_interval")?,
        overrun: timer.signed("it_overrun_last")?,
    })
}
