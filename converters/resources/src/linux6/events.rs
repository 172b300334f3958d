//! What event loops wait with: eventfd(2), timerfd_create(2), signalfd(2) and epoll(7).

use kconv_image::ObjectId;

attributes! {
    /// A counter that programs add to and wait for (`fs/eventfd.c`: struct eventfd_ctx).
    pub struct EventFd {
        /// What it has counted.
        count: u64 = "count",
        /// Whether a read takes one of it, and not all (EFD_SEMAPHORE).
        is_semaphore: bool = "semaphore",
    }
}

attributes! {
    /// A timer that is read (`fs/timerfd.c`: struct timerfd_ctx).
    pub struct TimerFd {
        /// The number of its clock.
        clock: i32 = "clock",
        /// When it expires next, in nanoseconds of its clock on the machine of the freeze; of CLOCK_MONOTONIC if it was set
        /// to a span of CLOCK_REALTIME. `None` if it does not run.
        expires: Option<u64> = "expires",
        /// Every how many nanoseconds from then on; 0 if once.
        interval: u64 = "interval",
        /// How often it has expired since it was read.
        ticks: u64 = "ticks",
        /// Whether it was set to a time of its clock, and not to a span (TFD_TIMER_ABSTIME).
        is_absolute: bool = "absolute",
        /// Whether a read fails once the clock was set (TFD_TIMER_CANCEL_ON_SET).
        ends_when_set: bool = "cancel-on-set",
    }
}

attributes! {
    /// Signals that are read (`fs/signalfd.c`: struct signalfd_ctx).
    pub struct SignalFd {
        /// Which: signal `n` is bit `n - 1`.
        signals: u64 = "signals",
    }
}

attributes! {
    /// What an epoll waits for at one file (`fs/eventpoll.c`: struct epitem).
    pub struct EpollWatch {
        /// The epoll, a `file`.
        epoll: ObjectId = "epoll",
        /// The `file` that it waits at.
        file: ObjectId = "file",
        /// The number under which that was open when it was added.
        descriptor: u32 = "descriptor",
        /// `EPOLL*` bits: what is waited for, and how.
        events: u32 = "events",
        /// What the program is told with it.
        data: u64 = "data",
        /// The process whose signals it waits for, at a signalfd: the one that added it.
        process: Option<i32> = "process",
    }
}
