//! What event loops wait for: the timers that they read run, and their epolls wait where they waited.

use super::clocks::{left, read};
use super::files::Kept;
use super::restored::Restored;
use crate::call::CallError;
use crate::clocks::{BootClock, TaskClocks};
use crate::plan::{Plan, Watch};
use crate::sys;
use kconv_resources::linux6::{Resource, TimerFd};
use std::os::fd::{AsRawFd, BorrowedFd};

const SECOND: i64 = 1_000_000_000;

/// `include/uapi/linux/timerfd.h`: TFD_IOC_SET_TICKS, of a kernel with CONFIG_CHECKPOINT_RESTORE.
const SET_TICKS: u64 = 0x4008_5400;

/// Has the timers run, on the clocks of the tasks. kconv itself is not in their time namespace.
pub(super) fn start(plan: &Plan, kept: &Kept, clocks: &TaskClocks) -> Result<(), CallError> {
    for (index, file) in plan.files.iter().enumerate() {
        let (Some(Resource::TimerFd(was)), Some(made)) =
            (plan.resources.get(file.resource), kept.opened(index))
        else {
            continue;
        };
        let due = match was.expires {
            None => None,
            Some(expires) => {
                let (left, at) = expiry(was, expires, clocks)?;
                Some(Due::of(left, at, was.interval))
            }
        };
        set(made, was, due)?;
    }
    Ok(())
}

/// What is left until a timer expires, and when that is, on its clock as this process reads it.
fn expiry(was: &TimerFd, expires: u64, clocks: &TaskClocks) -> Result<(i64, i64), CallError> {
    // A span of CLOCK_REALTIME does not change with that (kernel/time/hrtimer.c: __hrtimer_init).
    let clock = match was.clock {
        libc::CLOCK_REALTIME if !was.is_absolute => Some(BootClock::Monotonic),
        other => BootClock::of(other),
    };
    Ok(match clock {
        Some(clock) => {
            let ahead = clocks.of_machine(clock, 0);
            let at = clocks.of_old(clock, expires).saturating_sub(ahead);
            (left(clocks, clock, expires)?, at)
        }
        None => {
            let at = i64::try_from(expires).unwrap_or(i64::MAX);
            (at.saturating_sub(read(was.clock)?), at)
        }
    })
}

/// When a timer is to expire next, and how often it has until then.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct Due {
    /// How long until then, in nanoseconds, and when that is on its clock. `None` if it was to expire once, and has.
    next: Option<(i64, i64)>,
    /// How often it would have expired since the freeze.
    missed: u64,
}

impl Due {
    /// A timer of which `left` nanoseconds are left, until `at`, and which then expires every `interval`; 0 if it does not.
    fn of(left: i64, at: i64, interval: u64) -> Due {
        if left > 0 {
            let next = Some((left, at));
            return Due { next, missed: 0 };
        }
        let interval = match i64::try_from(interval) {
            Ok(0) => {
                let (next, missed) = (None, 1);
                return Due { next, missed };
            }
            Ok(interval) => interval,
            Err(_) => i64::MAX,
        };
        let missed = left.unsigned_abs() / interval as u64 + 1;
        // Not past the next expiry, which is an interval away at most.
        let passed = (missed as i64).saturating_mul(interval);
        let next = (left.saturating_add(passed), at.saturating_add(passed));
        Due {
            next: Some(next),
            missed,
        }
    }
}

/// Sets a timer, and what is to be read of it.
fn set(made: BorrowedFd<'_>, was: &TimerFd, due: Option<Due>) -> Result<(), CallError> {
    /// `include/uapi/linux/timerfd.h`: TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET.
    const ABSOLUTE: u64 = 1;
    const CANCEL_ON_SET: u64 = 2;
    let first = match due.and_then(|due| due.next) {
        None => 0,
        Some((_, at)) if was.is_absolute => at,
        Some((left, _)) => left,
    };
    let interval = i64::try_from(was.interval).unwrap_or(i64::MAX);
    // struct itimerspec: interval and first expiry, in seconds and nanoseconds.
    let value = [interval, first].map(|time| [time / SECOND, time % SECOND]);
    let mut flags = 0;
    if was.is_absolute {
        flags |= ABSOLUTE;
    }
    if was.ends_when_set {
        flags |= CANCEL_ON_SET;
    }
    let number = made.as_raw_fd() as u64;
    let address = std::ptr::from_ref(&value) as u64;
    sys::call(libc::SYS_timerfd_settime, [number, flags, address, 0, 0])
        .map_err(|error| CallError::new("timerfd_settime", error))?;
    let missed = due.map_or(0, |due| due.missed);
    let ticks = was.ticks.saturating_add(missed);
    if ticks > 0 {
        let address = std::ptr::from_ref(&ticks) as u64;
        sys::call(libc::SYS_ioctl, [number, SET_TICKS, address, 0, 0])
            .map_err(|error| CallError::new("ioctl(TFD_IOC_SET_TICKS)", error))?;
    }
    Ok(())
}

/// Has the epolls of all tasks wait for what this process is to add: for what is not a matter of signals, the first that
/// has any threads. That is to be before it has its own descriptors: a file is added under the number that it had then,
/// which may be another's by now.
pub(super) fn watch(restored: &Restored<'_>, plan: &Plan, kept: &Kept) -> Result<(), CallError> {
    let own = restored.process.pid;
    let first = plan.processes.iter().find(|one| !one.threads.is_empty());
    let first = first.map(|process| process.pid);
    for watch in &plan.watches {
        if watch.process.or(first) == Some(own) {
            add(restored, watch, kept)?;
        }
    }
    Ok(())
}

fn add(restored: &Restored<'_>, watch: &Watch, kept: &Kept) -> Result<(), CallError> {
    let file = watch.file.and_then(|file| kept.opened(file));
    let (Some(epoll), Some(file)) = (kept.opened(watch.epoll), file) else {
        return Err(CallError::Result {
            call: "epoll_ctl",
            problem: "found a file that kconv has not opened, expected one that it has".to_owned(),
        });
    };
    let remote = restored.first();
    let number = u64::from(watch.descriptor);
    let from = file.as_raw_fd() as u64;
    remote.call("dup3", libc::SYS_dup3, &[from, number, 0])?;
    // struct epoll_event is packed.
    let mut event = watch.events.to_le_bytes().to_vec();
    event.extend(watch.data.to_le_bytes());
    let at = remote.put(&restored.memory, &event)?;
    let epoll = epoll.as_raw_fd() as u64;
    let arguments = [epoll, libc::EPOLL_CTL_ADD as u64, number, at];
    remote.call("epoll_ctl", libc::SYS_epoll_ctl, &arguments)?;
    remote.call("close", libc::SYS_close, &[number])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::make::events::timerfd;
    use std::fs;
    use std::os::fd::{AsFd, OwnedFd};

    #[test]
    fn what_a_timer_missed_is_counted_and_its_beat_kept() {
        let due = |next, missed| Due { next, missed };
        assert_eq!(Due::of(5, 1005, 10), due(Some((5, 1005)), 0));
        assert_eq!(Due::of(5, 1005, 0), due(Some((5, 1005)), 0));
        assert_eq!(Due::of(0, 1000, 0), due(None, 1));
        assert_eq!(Due::of(-70, 930, 0), due(None, 1));
        // One that is due now has expired.
        assert_eq!(Due::of(0, 1000, 10), due(Some((10, 1010)), 1));
        assert_eq!(Due::of(-9, 991, 10), due(Some((1, 1001)), 1));
        assert_eq!(Due::of(-10, 990, 10), due(Some((10, 1010)), 2));
        assert_eq!(Due::of(-25, 975, 10), due(Some((5, 1005)), 3));
        assert_eq!(Due::of(i64::MIN, 0, u64::MAX).missed, 2);
    }

    /// What `/proc` tells of a descriptor.
    fn told(descriptor: &OwnedFd, name: &str) -> String {
        let path = format!("/proc/self/fdinfo/{}", descriptor.as_raw_fd());
        let text = fs::read_to_string(path).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim_start_matches(':').trim().to_owned()
    }

    fn timer(clock: i32, is_absolute: bool) -> TimerFd {
        TimerFd {
            clock,
            expires: Some(0),
            interval: 3 * SECOND as u64,
            ticks: 0,
            is_absolute,
            ends_when_set: false,
        }
    }

    #[test]
    fn a_timer_goes_on_with_what_is_left_of_it() {
        for is_absolute in [false, true] {
            let was = timer(libc::CLOCK_MONOTONIC, is_absolute);
            let made = timerfd(&was).unwrap();
            let left = 5000 * SECOND;
            let at = read(libc::CLOCK_MONOTONIC).unwrap() + left;
            set(made.as_fd(), &was, Some(Due::of(left, at, was.interval))).unwrap();
            let flags = if is_absolute { "01" } else { "00" };
            assert_eq!(told(&made, "settime flags"), flags);
            // As long as this takes less than a quarter of an hour.
            assert!(told(&made, "it_value").starts_with("(4"));
            assert_eq!(told(&made, "it_interval"), "(3, 0)");
            assert_eq!(told(&made, "ticks"), "0");
        }
    }

    #[test]
    fn a_timer_that_is_over_is_read_as_often_as_it_has_expired() {
        let was = TimerFd {
            ticks: 4,
            interval: 0,
            ..timer(libc::CLOCK_REALTIME, true)
        };
        let made = timerfd(&was).unwrap();
        match set(made.as_fd(), &was, Some(Due::of(-1, 0, 0))) {
            // Not every kernel that tests run on can be told.
            Err(CallError::Refused {
                error: nix::errno::Errno::ENOTTY,
                ..
            }) => {}
            done => {
                done.unwrap();
                assert_eq!(told(&made, "ticks"), "5");
            }
        }
        assert_eq!(told(&made, "it_value"), "(0, 0)");
        set(made.as_fd(), &TimerFd { ticks: 0, ..was }, None).unwrap();
        assert_eq!(told(&made, "ticks"), "0");
    }
}
