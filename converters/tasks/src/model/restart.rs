//! How an interrupted system call goes on for what is left of its time.

use kconv_objects::{FieldError, Saved};

/// The wait that `restart_block` describes (`include/linux/restart_block.h`). Times are in nanoseconds of
/// the machine of the freeze.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restart {
    /// A sleep.
    Sleep {
        /// Its clock.
        clock: i32,
        /// Its end, on that.
        expires: u64,
        /// Where the rest is to be told.
        rest: u64,
        /// Whether the clock is one of CPU time.
        on_cpu_time: bool,
    },
    /// A poll.
    Poll {
        /// Address of the descriptors.
        descriptors: u64,
        /// Number of them.
        count: u64,
        /// Its end on CLOCK_MONOTONIC, if there is one.
        expires: Option<u64>,
    },
    /// A wait for a futex.
    Futex {
        /// Address of the futex.
        address: u64,
        /// What is expected there.
        value: u32,
        /// Whether other processes may wake it.
        shared: bool,
        /// Whether its end is on CLOCK_REALTIME.
        realtime: bool,
        /// Bits that wake it.
        bits: u32,
        /// Its end.
        expires: u64,
    },
}

const SECOND: u64 = 1_000_000_000;
/// Numbers of the clocks of a sleep that wakes the machine up (`include/uapi/linux/time.h`).
const CLOCK_REALTIME_ALARM: i32 = 8;
const CLOCK_BOOTTIME_ALARM: i32 = 9;

impl Restart {
    /// That of a task whose system call was interrupted with ERESTART_RESTARTBLOCK; `None` for one that is
    /// not known by these.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(task: &Saved<'_>) -> Result<Option<Restart>, FieldError> {
        let field = |name: &str| task.unsigned(&format!("restart_block.{name}"));
        // The end of a poll: two numbers in 6.12, and a structure in 7.2 (`include/linux/restart_block.h`).
        let end = |part: &str| {
            let poll = "restart_block.poll";
            task.unsigned(&format!("{poll}.end_time.{part}|{poll}.{part}"))
        };
        Ok(match task.symbol_name("restart_block.fn")? {
            Some(
                name @ ("hrtimer_nanosleep_restart"
                | "alarm_timer_nsleep_restart"
                | "posix_cpu_nsleep_restart"),
            ) => {
                let clock = field("nanosleep.clockid")?;
                Some(Restart::Sleep {
                    clock: match name {
                        "alarm_timer_nsleep_restart" => alarm_clock(clock).ok_or_else(|| {
                            let path = "restart_block.nanosleep.clockid";
                            task.absurd(path, clock, "0 and 1 are known")
                        })?,
                        _ => clock as i32,
                    },
                    expires: field("nanosleep.expires")?,
                    rest: field("nanosleep.rmtp")?,
                    on_cpu_time: name == "posix_cpu_nsleep_restart",
                })
            }
            Some("do_restart_poll") => Some(Restart::Poll {
                descriptors: field("poll.ufds")?,
                count: field("poll.nfds")?,
                expires: match field("poll.has_timeout")? {
                    0 => None,
                    _ => Some(
                        end("tv_sec")?
                            .saturating_mul(SECOND)
                            .saturating_add(end("tv_nsec")?),
                    ),
                },
            }),
            Some("futex_wait_restart") => {
                let flags = FutexFlags::of(field("futex.flags")?);
                Some(Restart::Futex {
                    address: field("futex.uaddr")?,
                    value: field("futex.val")? as u32,
                    shared: flags.shared,
                    realtime: flags.realtime,
                    bits: field("futex.bitset")? as u32,
                    expires: field("futex.time")?,
                })
            }
            _ => None,
        })
    }
}

/// What `restart_block.futex.flags` says.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct FutexFlags {
    shared: bool,
    realtime: bool,
}

impl FutexFlags {
    /// `kernel/futex/futex.h` numbers FLAGS_SHARED, FLAGS_CLOCKRT and FLAGS_HAS_TIMEOUT 1, 2, 4 in 6.1, and
    /// sixteen times that in 6.12; only waits with a time are here, so that the last tells which it is.
    fn of(flags: u64) -> FutexFlags {
        const HAS_TIMEOUT_OF_6_12: u64 = 0x40;
        let flags = match flags & HAS_TIMEOUT_OF_6_12 {
            0 => flags,
            _ => flags >> 4,
        };
        FutexFlags {
            shared: flags & 1 != 0,
            realtime: flags & 2 != 0,
        }
    }
}

/// The clock of a sleep that wakes the machine up, which the kernel notes by a number of its own
/// (`include/linux/alarmtimer.h`: enum alarmtimer_type).
fn alarm_clock(kind: u64) -> Option<i32> {
    match kind {
        0 => Some(CLOCK_REALTIME_ALARM),
        1 => Some(CLOCK_BOOTTIME_ALARM),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeps_that_wake_the_machine_are_on_the_clocks_that_do() {
        assert_eq!([0, 1, 2].map(alarm_clock), [Some(8), Some(9), None]);
    }

    #[test]
    fn flags_of_a_futex_mean_the_same_in_both_numberings() {
        for (shared, realtime) in [(false, false), (true, false), (false, true), (true, true)] {
            let of_6_1 = 4 | u64::from(shared) | u64::from(realtime) << 1;
            let expected = FutexFlags { shared, realtime };
            assert_eq!(FutexFlags::of(of_6_1), expected);
            assert_eq!(FutexFlags::of(of_6_1 << 4), expected);
        }
    }
}
