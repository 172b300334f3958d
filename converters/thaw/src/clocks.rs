//! The clocks that begin anew with a machine, and how thawed tasks get them on: arithmetic alone.
//!
//! A task may be in a time namespace, which adds an offset to CLOCK_MONOTONIC and CLOCK_BOOTTIME
//! (`time_namespaces(7)`). What the kernel itself waits for stands in its memory on the clock of the
//! machine, without the offset (`kernel/time/namespace.c`: do_timens_ktime_to_host). Times here are
//! on one of three clocks: that of the *old* machine, as the image has it; that of the *machine*
//! that is running; and that of the *tasks*, which is what a thawed program reads and what its system
//! calls take.

use kconv_image::{Clocks, Head, Resource, Value};
use kconv_resources::ResourceError;
use kconv_resources::linux6::{Suspended, time_namespaces};
use std::fmt;

const SECOND: i64 = 1_000_000_000;

/// The longest time that a clock of a time namespace may read, in seconds, when its offset is set:
/// half of KTIME_SEC_MAX (`kernel/time/namespace.c`: proc_timens_set_offset).
const LONGEST: i64 = i64::MAX / SECOND / 2;

/// How many ticks the clocks of an image may be behind what its tasks have seen: they are those of the
/// last tick, and the one before may be late.
const TICKS: i64 = 2;

/// What CLOCK_MONOTONIC and CLOCK_BOOTTIME of thawed tasks read.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum ClockRule {
    /// As if the machine had been suspended between freeze and thaw: CLOCK_MONOTONIC goes on where it
    /// was, and CLOCK_BOOTTIME counts the time between.
    #[default]
    Suspended,
    /// As if there were no time between: both go on where they were.
    Stopped,
    /// Those of the machine, which began anew when it was booted. Tasks get no time namespace.
    Machine,
}

/// A clock that begins anew with a machine.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum BootClock {
    /// CLOCK_MONOTONIC.
    Monotonic,
    /// CLOCK_BOOTTIME.
    Boottime,
}

impl BootClock {
    /// The clock that `clockid` is, or is a coarse or raw sort of.
    pub(crate) fn of(clockid: i32) -> Option<BootClock> {
        match clockid {
            libc::CLOCK_MONOTONIC | libc::CLOCK_MONOTONIC_RAW | libc::CLOCK_MONOTONIC_COARSE => {
                Some(BootClock::Monotonic)
            }
            libc::CLOCK_BOOTTIME | libc::CLOCK_BOOTTIME_ALARM => Some(BootClock::Boottime),
            _ => None,
        }
    }

    /// Its number.
    pub(crate) fn id(self) -> i32 {
        match self {
            BootClock::Monotonic => libc::CLOCK_MONOTONIC,
            BootClock::Boottime => libc::CLOCK_BOOTTIME,
        }
    }
}

/// The three clocks at one moment, in nanoseconds.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// CLOCK_MONOTONIC of a machine.
    pub monotonic: i64,
    /// CLOCK_BOOTTIME of a machine.
    pub boottime: i64,
    /// CLOCK_REALTIME.
    pub realtime: i64,
}

/// The offsets of a time namespace, in nanoseconds.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Offsets {
    /// What is added to CLOCK_MONOTONIC.
    pub monotonic: i64,
    /// What is added to CLOCK_BOOTTIME.
    pub boottime: i64,
}

impl Offsets {
    /// What `/proc/PID/timens_offsets` takes. Nanoseconds have no sign there, so that one below zero
    /// borrows a second.
    pub(crate) fn text(self) -> String {
        let line = |name: &str, offset: i64| {
            let (seconds, rest) = (offset.div_euclid(SECOND), offset.rem_euclid(SECOND));
            format!("{name} {seconds} {rest}\n")
        };
        line("monotonic", self.monotonic) + &line("boottime", self.boottime)
    }

    fn of(self, clock: BootClock) -> i64 {
        match clock {
            BootClock::Monotonic => self.monotonic,
            BootClock::Boottime => self.boottime,
        }
    }
}

/// The clocks at the freeze.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Frozen {
    /// Those of the machine.
    pub machine: Moment,
    /// Those of the namespace that the tasks were in.
    pub offsets: Offsets,
    /// Length of a tick.
    pub tick: i64,
}

/// Why the clocks of an image make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// What is known of the machine, or of a time namespace, does not tell them.
    #[error(transparent)]
    Resource(#[from] ResourceError),
    /// Tasks in several time namespaces.
    #[error("the image has {count} time namespaces; all tasks of one are thawed into one")]
    Several {
        /// Their number.
        count: usize,
    },
    /// A clock that cannot be set to what it should read.
    #[error("the tasks' {clock} would read {seconds} s; 0 to {LONGEST} s are possible")]
    OutOfRange {
        /// Its name.
        clock: &'static str,
        /// What it should read.
        seconds: i128,
    },
}

impl Frozen {
    /// The clocks of an image.
    pub(crate) fn of_image(head: &Head) -> Result<Frozen, ClockError> {
        Frozen::of(&head.clocks, &head.facts, &head.resources)
    }

    /// The clocks that these parts of an image tell.
    pub(crate) fn of(
        clocks: &Clocks,
        facts: &[(String, Value)],
        resources: &[Resource],
    ) -> Result<Frozen, ClockError> {
        let suspended = Suspended::read(facts)?.nanoseconds;
        let boottime = i64::try_from(clocks.boottime_nanoseconds).unwrap_or(i64::MAX);
        let realtime = clocks.realtime_seconds.saturating_mul(SECOND);
        Ok(Frozen {
            machine: Moment {
                monotonic: boottime.saturating_sub(suspended),
                boottime,
                realtime: realtime.saturating_add(clocks.realtime_nanoseconds.into()),
            },
            offsets: offsets(resources)?,
            tick: SECOND / i64::from(clocks.hz.max(1)),
        })
    }
}

/// The offsets of the namespace of an image; none, if it is that which the machine starts with.
fn offsets(resources: &[Resource]) -> Result<Offsets, ClockError> {
    let namespaces = time_namespaces(resources)?;
    match &namespaces[..] {
        // Tasks that have all ended are in none.
        [] => Ok(Offsets::default()),
        [one] if one.namespace.is_initial => Ok(Offsets::default()),
        [one] => Ok(Offsets {
            monotonic: one.monotonic,
            boottime: one.boottime,
        }),
        several => Err(ClockError::Several {
            count: several.len(),
        }),
    }
}

/// The clocks of thawed tasks.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaskClocks {
    /// The namespace that they are put into; `None` if they stay in that of the machine.
    pub(crate) namespace: Option<Offsets>,
    /// What is added to a time of the old machine to have that of the tasks.
    from_old: Offsets,
}

impl TaskClocks {
    /// The clocks that tasks get at the moment `now`.
    pub(crate) fn new(
        rule: ClockRule,
        frozen: &Frozen,
        now: &Moment,
    ) -> Result<TaskClocks, ClockError> {
        let margin = frozen.tick.saturating_mul(TICKS);
        let away = now.realtime.saturating_sub(frozen.machine.realtime);
        let away = match rule {
            // A clock of day that was set back does not set this one back.
            ClockRule::Suspended => away.max(margin),
            ClockRule::Stopped => margin,
            ClockRule::Machine => {
                return Ok(TaskClocks {
                    namespace: None,
                    from_old: Offsets {
                        monotonic: now.monotonic.saturating_sub(frozen.machine.monotonic),
                        boottime: now.boottime.saturating_sub(frozen.machine.boottime),
                    },
                });
            }
        };
        let offset = |clock, was: i64, offset: i64, passed: i64, is: i64| {
            let reads = i128::from(was) + i128::from(offset) + i128::from(passed);
            let seconds = reads.div_euclid(i128::from(SECOND));
            match (0..i128::from(LONGEST)).contains(&seconds) {
                true => Ok((reads - i128::from(is)) as i64),
                false => Err(ClockError::OutOfRange { clock, seconds }),
            }
        };
        let (was, old) = (&frozen.machine, &frozen.offsets);
        let monotonic = "CLOCK_MONOTONIC";
        let boottime = "CLOCK_BOOTTIME";
        Ok(TaskClocks {
            namespace: Some(Offsets {
                monotonic: offset(
                    monotonic,
                    was.monotonic,
                    old.monotonic,
                    margin,
                    now.monotonic,
                )?,
                boottime: offset(boottime, was.boottime, old.boottime, away, now.boottime)?,
            }),
            from_old: *old,
        })
    }

    /// What a time of the old machine is on the clock of the tasks.
    pub(crate) fn of_old(&self, clock: BootClock, old: u64) -> i64 {
        let old = i64::try_from(old).unwrap_or(i64::MAX);
        old.saturating_add(self.from_old.of(clock))
    }

    /// What a time that the tasks computed before the freeze is on the clock that they have now.
    pub(crate) fn of_before(&self, frozen: &Frozen, clock: BootClock, before: u64) -> i64 {
        let before = i64::try_from(before).unwrap_or(i64::MAX);
        let old = before.saturating_sub(frozen.offsets.of(clock));
        old.saturating_add(self.from_old.of(clock))
    }

    /// What the clock of the tasks reads when that of the machine reads `machine`.
    pub(crate) fn of_machine(&self, clock: BootClock, machine: i64) -> i64 {
        let namespace = self.namespace.unwrap_or_default();
        machine.saturating_add(namespace.of(clock))
    }
}

/// When an interval timer that expires at `expires`, and every `interval` from then on, expires next
/// after `now` (`kernel/time/hrtimer.c`: hrtimer_forward).
pub(crate) fn forward(expires: i64, interval: u64, now: i64) -> i64 {
    let interval = i64::try_from(interval).unwrap_or(i64::MAX);
    match now.checked_sub(expires) {
        Some(late) if late >= 0 && interval > 0 => {
            let passed = (late / interval).saturating_add(1);
            expires.saturating_add(passed.saturating_mul(interval))
        }
        _ => expires,
    }
}

/// How a timer that keeps a beat is set on the clock of a machine.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Beat {
    /// When it expires first; never before the clock began.
    pub(crate) first: i64,
    /// Expiries that it does not count.
    pub(crate) missed: u64,
    /// Whether it goes on with its beat.
    pub(crate) kept: bool,
}

impl Beat {
    /// That of a timer which expires at `expires`, and every `interval` from then on, where the clock
    /// reads `now`. A time before the clock began cannot be set (`kernel/time/namespace.c`:
    /// do_timens_ktime_to_host): the timer begins with the first of its beat that can be.
    pub(crate) fn of(expires: i64, interval: u64, now: i64) -> Beat {
        let interval = i64::try_from(interval).unwrap_or(i64::MAX);
        if expires > 0 || interval == 0 {
            let first = expires.max(1);
            return Beat {
                first,
                missed: 0,
                kept: true,
            };
        }
        let missed = (1i64.saturating_sub(expires) as u64).div_ceil(interval as u64);
        let first = i128::from(expires) + i128::from(missed) * i128::from(interval);
        match i64::try_from(first) {
            Ok(first) if first <= now => Beat {
                first,
                missed,
                kept: true,
            },
            _ => Beat::at_once(expires, interval, now),
        }
    }

    /// That of one which can only be set to expire at once.
    pub(crate) fn at_once(expires: i64, interval: i64, now: i64) -> Beat {
        let late = now.saturating_sub(expires).max(0);
        Beat {
            first: 1,
            missed: late.checked_div(interval).unwrap_or(0) as u64,
            kept: interval == 0,
        }
    }
}

/// When a timer has to be set to expire, so that it has expired and missed `overrun` more times by
/// `now`, and expires next at `next`; `None` if there is no such time.
pub(crate) fn overrun_start(next: i64, interval: u64, overrun: u64, now: i64) -> Option<i64> {
    let interval = i64::try_from(interval).ok().filter(|one| *one > 0)?;
    let times = i64::try_from(overrun).ok()?.checked_add(1)?;
    let start = next.checked_sub(times.checked_mul(interval)?)?;
    let due = next > now && next.checked_sub(interval)? <= now;
    (due && start > 0).then_some(start)
}

impl fmt::Display for BootClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BootClock::Monotonic => "CLOCK_MONOTONIC",
            BootClock::Boottime => "CLOCK_BOOTTIME",
        })
    }
}

#[cfg(test)]
mod tests;
