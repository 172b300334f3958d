//! Interval timers of a process and timers of timer_create. Times are in nanoseconds.

use super::pids::number;
use kconv_objects::{FieldError, Saved};

/// The interval timers of a process.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Intervals {
    /// ITIMER_REAL.
    pub real: RealTimer,
    /// ITIMER_VIRTUAL; `None` if it does not run.
    pub virtual_time: Option<CpuTimer>,
    /// ITIMER_PROF; `None` if it does not run.
    pub profiling: Option<CpuTimer>,
}

/// ITIMER_REAL.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct RealTimer {
    /// When it expires, on CLOCK_MONOTONIC; when it did, if it is not enqueued.
    pub expires: u64,
    /// The interval; 0 if it expires once.
    pub interval: u64,
    /// Whether it is to expire. One with an interval that is not has expired, and goes on when its signal is
    /// taken (`kernel/signal.c`: dequeue_signal).
    pub enqueued: bool,
}

/// An interval timer of CPU time.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuTimer {
    /// When it expires, on the process's clock.
    pub expires: u64,
    /// The interval; 0 if it expires once.
    pub interval: u64,
}

/// A timer of timer_create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PosixTimer {
    /// Its number.
    pub id: i32,
    /// The clock that timer_create was given; negative for one of CPU time.
    pub clock: i32,
    /// SIGEV_ of its notification.
    pub notify: i32,
    /// Its signal.
    pub signal: i32,
    /// The value that comes with that.
    pub value: u64,
    /// The process or thread that gets the signal or is measured, if there is one.
    pub target: Option<i32>,
    /// When it expires, on the clock that it runs on; 0 if it never did.
    pub expires: u64,
    /// The interval; 0 if it expires once.
    pub interval: u64,
    /// Whether it is to expire.
    pub runs: bool,
    /// Whether it has expired, and goes on when its signal is taken.
    pub waits_for_signal: bool,
    /// How often it expired beyond the first time since its signal was taken last: -1 for a beginning.
    pub overrun: i64,
    /// What timer_getoverrun says: that number when the signal was taken.
    pub overrun_last: i64,
}

/// Places in `signal_struct.it` (`include/linux/posix-timers.h`: CPUCLOCK_PROF, CPUCLOCK_VIRT).
const PROF: usize = 0;
const VIRT: usize = 1;

/// Clocks whose timers wake the machine (`include/uapi/linux/time.h`).
const CLOCK_REALTIME_ALARM: i32 = 8;
const CLOCK_BOOTTIME_ALARM: i32 = 9;

/// SIGEV_NONE: nobody is told.
const SIGEV_NONE: i32 = 1;

impl Intervals {
    /// Those of a `signal_struct`.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn of(signal: &Saved<'_>) -> Result<Intervals, FieldError> {
        let cpu = |clock: usize| -> Result<Option<CpuTimer>, FieldError> {
            let timer = CpuTimer {
                expires: signal.unsigned(&format!("it[{clock}].expires"))?,
                interval: signal.unsigned(&format!("it[{clock}].incr"))?,
            };
            // kernel/time/itimer.c: get_cpu_itimer.
            Ok((timer.expires != 0).then_some(timer))
        };
        Ok(Intervals {
            real: RealTimer {
                expires: signal.unsigned("real_timer.node.expires")?,
                interval: signal.unsigned("it_real_incr")?,
                // Which a conversion resets, for a timer is in no queue of a kernel before it is started there.
                enqueued: signal.was_set("real_timer.is_queued|real_timer.state")?,
            },
            virtual_time: cpu(VIRT)?,
            profiling: cpu(PROF)?,
        })
    }
}

impl RealTimer {
    /// Whether there is anything of it to come.
    pub fn is_set(&self) -> bool {
        self.enqueued || self.interval != 0
    }
}

/// `k_itimer.it_status` of a timer that runs (7.2 `include/linux/posix-timers.h`: POSIX_TIMER_ARMED).
const ARMED: u64 = 1;
/// As [`ARMED`], of a periodic one whose signal waits to be taken (POSIX_TIMER_REQUEUE_PENDING).
const REQUEUE_PENDING: u64 = 2;

/// Whether a timer runs, in the one word that kernels since 6.14 have for it. Before, it was two (6.12
/// `kernel/time/posix-timers.c`: posix_timer_queue_signal).
fn status(timer: &Saved<'_>) -> Result<u64, FieldError> {
    if timer.has("it_status") {
        return timer.unsigned("it_status");
    }
    if timer.unsigned("it_active")? != 0 {
        return Ok(ARMED);
    }
    Ok(match timer.int("it_requeue_pending")? & 1 {
        0 => 0,
        _ => REQUEUE_PENDING,
    })
}

impl PosixTimer {
    /// What a `k_itimer` says.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(timer: &Saved<'_>) -> Result<PosixTimer, FieldError> {
        let clock = timer.int("it_clock")?;
        let notify = timer.int("it_sigev_notify")?;
        let interval = timer.unsigned("it_interval")?;
        // What the timer is, is a union, by its clock (kernel/time/posix-timers.c: common_timer_create;
        // kernel/time/alarmtimer.c: alarm_timer_create; kernel/time/posix-cpu-timers.c:
        // posix_cpu_timer_create).
        let expires = match clock {
            ..0 => "it.cpu.node.expires",
            CLOCK_REALTIME_ALARM | CLOCK_BOOTTIME_ALARM => "it.alarm.alarmtimer.node.expires",
            0.. => "it.real.timer.node.expires",
        };
        let expires = timer.unsigned(expires)?;
        let status = status(timer)?;
        // A timer of CPU time has an expiry as long as it runs; so has one that tells nobody, which is in no
        // queue (kernel/time/posix-timers.c: common_timer_set, common_timer_get; it is SIGEV_NONE alone,
        // good_sigevent lets it have no flag).
        let runs = match clock < 0 || notify == SIGEV_NONE {
            true => expires != 0,
            false => status == ARMED,
        };
        // A part of the timer since 6.14 (7.2 kernel/time/posix-timers.c: alloc_posix_timer).
        let queued = match timer.has("sigq.info") {
            true => timer.part("sigq")?,
            false => timer.required("sigq")?,
        };
        let target = timer.follow("it_pid")?;
        Ok(PosixTimer {
            id: timer.int("it_id")?,
            clock,
            notify,
            signal: queued.int("info.si_signo")?,
            value: queued.unsigned("info._sifields._timer._sigval.sival_ptr")?,
            target: target.as_ref().map(number).transpose()?,
            expires,
            interval,
            runs,
            waits_for_signal: interval != 0 && status == REQUEUE_PENDING,
            overrun: timer.signed("it_overrun")?,
            overrun_last: timer.signed("it_overrun_last")?,
        })
    }
}
