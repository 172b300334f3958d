//! Interval timers of a process and timers of timer_create. All times are in nanoseconds.

use super::Belongings;
use crate::model::{self, Intervals};
use crate::raw::hex;
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
    /// On CLOCK_MONOTONIC.
    pub(crate) expires: u64,
    pub(crate) interval: u64,
    /// Whether its signal waits, and it goes on when that is taken.
    pub(crate) waits_for_signal: bool,
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

pub(super) fn timers(task: &Saved<'_>, belongings: &Belongings<'_>) -> Result<Timers, FieldError> {
    let signal = task.required("signal")?;
    let intervals = Intervals::of(&signal)?;
    let cpu = |timer: model::CpuTimer| CpuTimer {
        expires: timer.expires,
        interval: timer.interval,
    };
    let timers = belongings.timers.get(&signal.at().0);
    let posix = timers.into_iter().flatten().map(posix);
    Ok(Timers {
        real: intervals.real.is_set().then_some(RealTimer {
            expires: intervals.real.expires,
            interval: intervals.real.interval,
            waits_for_signal: !intervals.real.enqueued,
        }),
        virtual_time: intervals.virtual_time.map(cpu),
        profiling: intervals.profiling.map(cpu),
        posix: posix.collect::<Result<_, _>>()?,
    })
}

fn posix(timer: &Saved<'_>) -> Result<PosixTimer, FieldError> {
    let own = model::PosixTimer::of(timer)?;
    Ok(PosixTimer {
        id: own.id.into(),
        clock: own.clock.into(),
        clock_operations: timer.symbol("kclock")?.map(symbol_text),
        notify: own.notify.into(),
        signal: own.signal.into(),
        value: hex(own.value),
        target: own.target.map(i64::from),
        armed: own.runs,
        expires: own.expires,
        interval: own.interval,
        overrun: own.overrun_last,
    })
}
