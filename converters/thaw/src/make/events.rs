//! Descriptors that event loops wait with, as they are before anything is said of their timers and of what they wait for.

use crate::call::CallError;
use crate::sys;
use kconv_resources::linux6::{EventFd, SignalFd, TimerFd};
use nix::sys::epoll::{Epoll, EpollCreateFlags};
use nix::sys::eventfd;
use std::os::fd::OwnedFd;

/// A counter with what it had counted.
pub(super) fn eventfd(was: &EventFd) -> Result<OwnedFd, CallError> {
    let flags = match was.is_semaphore {
        true => eventfd::EfdFlags::EFD_SEMAPHORE,
        false => eventfd::EfdFlags::empty(),
    };
    let failed = |error| CallError::new("eventfd", error);
    let made = eventfd::EventFd::from_value_and_flags(0, flags).map_err(failed)?;
    if was.count > 0 {
        let failed = |error| CallError::new("write", error);
        made.write(was.count).map_err(failed)?;
    }
    Ok(made.into())
}

/// A timer that does not run yet.
pub(super) fn timerfd(was: &TimerFd) -> Result<OwnedFd, CallError> {
    let arguments = [was.clock as u64, 0, 0, 0, 0];
    let made = sys::call(libc::SYS_timerfd_create, arguments);
    let made = made.map_err(|error| CallError::new("timerfd_create", error))?;
    Ok(sys::owned(made as i32))
}

/// Signals that are read.
pub(super) fn signalfd(was: &SignalFd) -> Result<OwnedFd, CallError> {
    let set = std::ptr::from_ref(&was.signals) as u64;
    let size = size_of_val(&was.signals) as u64;
    // -1: a new one.
    let made = sys::call(libc::SYS_signalfd4, [u64::MAX, set, size, 0, 0]);
    let made = made.map_err(|error| CallError::new("signalfd", error))?;
    Ok(sys::owned(made as i32))
}

/// An epoll that waits for nothing yet.
pub(super) fn epoll() -> Result<OwnedFd, CallError> {
    let made = Epoll::new(EpollCreateFlags::empty());
    let made = made.map_err(|error| CallError::new("epoll_create", error))?;
    Ok(made.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;
    use std::os::fd::AsRawFd;

    /// What `/proc` tells of a descriptor.
    fn told(descriptor: &OwnedFd, name: &str) -> String {
        let path = format!("/proc/self/fdinfo/{}", descriptor.as_raw_fd());
        let text = fs::read_to_string(path).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim_start_matches(':').trim().to_owned()
    }

    #[test]
    fn a_counter_has_what_it_had_counted() {
        for (count, is_semaphore) in [(0, false), (7, true), (u64::MAX - 1, false)] {
            let made = eventfd(&EventFd {
                count,
                is_semaphore,
            });
            let made = made.unwrap();
            assert_eq!(told(&made, "eventfd-count"), format!("{count:x}"));
            let path = format!("/proc/self/fdinfo/{}", made.as_raw_fd());
            let text = fs::read_to_string(path).unwrap();
            // Since 6.5.
            if text.contains("semaphore") {
                assert_eq!(
                    told(&made, "eventfd-semaphore"),
                    u8::from(is_semaphore).to_string()
                );
            }
        }
    }

    #[test]
    fn signals_that_are_read_are_those_that_were() {
        // SIGUSR1, and the highest.
        let signals = 1 << 9 | 1 << 63;
        let made = signalfd(&SignalFd { signals }).unwrap();
        assert_eq!(told(&made, "sigmask"), format!("{signals:016x}"));
    }
}
