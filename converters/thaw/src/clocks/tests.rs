#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::testing;
use kconv_image::KernelAddr;
use kconv_resources::Kind;
use kconv_resources::linux6::{self, Machine, Namespace, TimeNamespace};

const DAY: i64 = 86_400 * SECOND;

/// A machine that was up 100 days, 10 of them suspended, with HZ 250.
fn frozen() -> Frozen {
    Frozen {
        machine: Moment {
            monotonic: 90 * DAY,
            boottime: 100 * DAY,
            realtime: 20_000 * DAY,
        },
        offsets: Offsets::default(),
        tick: SECOND / 250,
    }
}

/// Another, booted a minute ago, an hour later.
fn now() -> Moment {
    Moment {
        monotonic: 60 * SECOND,
        boottime: 61 * SECOND,
        realtime: 20_000 * DAY + 3600 * SECOND,
    }
}

fn clocks(rule: ClockRule) -> TaskClocks {
    TaskClocks::new(rule, &frozen(), &now()).unwrap()
}

#[test]
fn monotonic_goes_on_and_boottime_counts_the_time_between() {
    let clocks = clocks(ClockRule::Suspended);
    let margin = 2 * SECOND / 250;
    let read = |clock, machine| clocks.of_machine(clock, machine);
    assert_eq!(
        read(BootClock::Monotonic, now().monotonic),
        90 * DAY + margin
    );
    assert_eq!(
        read(BootClock::Boottime, now().boottime),
        100 * DAY + 3600 * SECOND
    );
    // What the kernel waited for is due at the very time of the tasks' clock.
    let due = (91 * DAY) as u64;
    assert_eq!(clocks.of_old(BootClock::Monotonic, due), 91 * DAY);
    assert_eq!(clocks.of_old(BootClock::Boottime, due), 91 * DAY);
}

#[test]
fn a_clock_of_day_that_was_set_back_sets_no_other_back() {
    let mut earlier = now();
    earlier.realtime -= 2 * DAY;
    let clocks = TaskClocks::new(ClockRule::Suspended, &frozen(), &earlier).unwrap();
    let reads = clocks.of_machine(BootClock::Boottime, earlier.boottime);
    assert_eq!(reads, 100 * DAY + 2 * SECOND / 250);
}

#[test]
fn both_can_go_on_where_they_were() {
    let clocks = clocks(ClockRule::Stopped);
    let reads = clocks.of_machine(BootClock::Boottime, now().boottime);
    assert_eq!(reads, 100 * DAY + 2 * SECOND / 250);
}

#[test]
fn without_a_namespace_what_is_left_is_left() {
    let clocks = clocks(ClockRule::Machine);
    assert_eq!(clocks.namespace, None);
    let due = (90 * DAY + 5 * SECOND) as u64;
    assert_eq!(clocks.of_old(BootClock::Monotonic, due), 65 * SECOND);
    let due = (100 * DAY + 5 * SECOND) as u64;
    assert_eq!(clocks.of_old(BootClock::Boottime, due), 66 * SECOND);
    assert_eq!(
        clocks.of_machine(BootClock::Monotonic, 7 * SECOND),
        7 * SECOND
    );
}

#[test]
fn a_namespace_from_before_goes_on() {
    let mut frozen = frozen();
    // One that a thaw made: it is behind the machine's clock by a thousandth of a second less than a
    // day, and ahead by a day.
    frozen.offsets = Offsets {
        monotonic: -DAY + 1_000_000,
        boottime: DAY,
    };
    for rule in [ClockRule::Suspended, ClockRule::Stopped] {
        let clocks = TaskClocks::new(rule, &frozen, &now()).unwrap();
        let reads = clocks.of_machine(BootClock::Monotonic, now().monotonic);
        assert_eq!(reads, 89 * DAY + 1_000_000 + 2 * SECOND / 250);
        // The kernel waits on the machine's clock.
        let due = (90 * DAY) as u64;
        assert_eq!(
            clocks.of_old(BootClock::Monotonic, due),
            89 * DAY + 1_000_000
        );
        // The program computed on its own.
        let computed = (89 * DAY) as u64;
        let same = clocks.of_before(&frozen, BootClock::Monotonic, computed);
        assert_eq!(same, 89 * DAY);
    }
    let clocks = TaskClocks::new(ClockRule::Machine, &frozen, &now()).unwrap();
    let computed = (101 * DAY + 5 * SECOND) as u64;
    let left = clocks.of_before(&frozen, BootClock::Boottime, computed);
    assert_eq!(left, 66 * SECOND);
}

#[test]
fn a_younger_image_is_behind_the_machine() {
    let mut frozen = frozen();
    frozen.machine.monotonic = SECOND;
    frozen.machine.boottime = SECOND;
    let clocks = TaskClocks::new(ClockRule::Stopped, &frozen, &now()).unwrap();
    let namespace = clocks.namespace.unwrap();
    assert_eq!(namespace.monotonic, -59 * SECOND + 8_000_000);
    assert_eq!(
        namespace.text(),
        "monotonic -59 8000000\nboottime -60 8000000\n"
    );
}

#[test]
fn nanoseconds_borrow_from_seconds() {
    let text = |monotonic, boottime| {
        Offsets {
            monotonic,
            boottime,
        }
        .text()
    };
    assert_eq!(text(0, SECOND), "monotonic 0 0\nboottime 1 0\n");
    assert_eq!(text(-1, 1), "monotonic -1 999999999\nboottime 0 1\n");
    assert_eq!(
        text(-SECOND, -SECOND - 1),
        "monotonic -1 0\nboottime -2 999999999\n"
    );
    assert_eq!(
        text(i64::MIN, i64::MAX),
        "monotonic -9223372037 145224192\nboottime 9223372036 854775807\n"
    );
}

#[test]
fn clocks_out_of_the_kernels_range_are_refused() {
    let mut frozen = frozen();
    frozen.offsets.monotonic = -90 * DAY - SECOND;
    let error = TaskClocks::new(ClockRule::Suspended, &frozen, &now()).unwrap_err();
    let clock = "CLOCK_MONOTONIC";
    assert_eq!(error, ClockError::OutOfRange { clock, seconds: -1 });
    frozen.offsets = Offsets {
        monotonic: 0,
        boottime: LONGEST * SECOND - 100 * DAY - 3601 * SECOND,
    };
    assert!(TaskClocks::new(ClockRule::Suspended, &frozen, &now()).is_ok());
    frozen.offsets.boottime += SECOND;
    let error = TaskClocks::new(ClockRule::Suspended, &frozen, &now()).unwrap_err();
    let (clock, seconds) = ("CLOCK_BOOTTIME", LONGEST.into());
    assert_eq!(error, ClockError::OutOfRange { clock, seconds });
    // Nothing is set without a namespace.
    assert!(TaskClocks::new(ClockRule::Machine, &frozen, &now()).is_ok());
}

#[test]
fn a_timer_that_is_late_keeps_its_beat() {
    assert_eq!(forward(100, 10, 99), 100);
    assert_eq!(forward(100, 10, 100), 110);
    assert_eq!(forward(100, 10, 109), 110);
    assert_eq!(forward(100, 10, 125), 130);
    // One that expires once stays late.
    assert_eq!(forward(100, 0, 125), 100);
    assert_eq!(forward(i64::MIN, 10, i64::MAX), i64::MIN);
}

#[test]
fn a_timer_begins_no_earlier_than_the_clock() {
    let beat = |first, missed, kept| Beat {
        first,
        missed,
        kept,
    };
    assert_eq!(Beat::of(500, 100, 450), beat(500, 0, true));
    assert_eq!(Beat::of(5, 100, 450), beat(5, 0, true));
    // Zero would stop it.
    assert_eq!(Beat::of(0, 100, 450), beat(100, 1, true));
    assert_eq!(Beat::of(-230, 100, 450), beat(70, 3, true));
    // One that expires once expires at once.
    assert_eq!(Beat::of(-230, 0, 450), beat(1, 0, true));
    // No time of its beat lies between the boot and now.
    assert_eq!(Beat::of(-230, 1000, 450), beat(1, 0, false));
    assert_eq!(Beat::of(-2230, 1000, 450), beat(1, 2, false));
    assert_eq!(Beat::at_once(100, 10, 125), beat(1, 2, false));
    assert_eq!(Beat::at_once(100, 0, 125), beat(1, 0, true));
}

#[test]
fn a_timer_is_set_to_have_missed_what_it_had() {
    // Expires next at 1000, every 100: three missed, now in the fourth.
    let start = overrun_start(1000, 100, 3, 950).unwrap();
    assert_eq!(start, 600);
    // What the kernel counts when the signal is taken: hrtimer_forward, from -1.
    assert_eq!((950 - start) / 100, 3);
    assert_eq!(forward(start, 100, 950), 1000);
    // Expired already; not yet within its last interval; before the clock began; once only.
    assert_eq!(overrun_start(1000, 100, 3, 1000), None);
    assert_eq!(overrun_start(1000, 100, 3, 899), None);
    assert_eq!(overrun_start(1000, 100, 9, 950), None);
    assert_eq!(overrun_start(1000, 0, 3, 950), None);
}

fn facts(suspended: i64) -> Vec<(String, Value)> {
    let of_it = testing::head(Vec::new()).facts;
    let mut machine = Machine::read(&of_it).unwrap();
    machine.suspended.nanoseconds = suspended;
    machine.facts()
}

fn namespace(is_initial: bool, [monotonic, boottime]: [i64; 2]) -> Resource {
    let namespace = linux6::Resource::TimeNamespace(TimeNamespace {
        namespace: Namespace {
            inode: 4_026_531_834,
            is_initial,
        },
        monotonic,
        boottime,
    });
    namespace.write(KernelAddr(1))
}

const CLOCKS: Clocks = Clocks {
    hz: 250,
    jiffies: 0,
    realtime_seconds: 1000,
    realtime_nanoseconds: 7,
    boottime_nanoseconds: 50,
};

#[test]
fn an_image_tells_the_clocks_of_the_freeze() {
    let facts = facts(20);
    let resources = [namespace(false, [-3, 4])];
    let frozen = Frozen::of(&CLOCKS, &facts, &resources).unwrap();
    let machine = Moment {
        monotonic: 30,
        boottime: 50,
        realtime: 1000 * SECOND + 7,
    };
    let offsets = Offsets {
        monotonic: -3,
        boottime: 4,
    };
    let tick = 4_000_000;
    assert_eq!(
        frozen,
        Frozen {
            machine,
            offsets,
            tick
        }
    );
    // In that of the machine, and in none.
    let initial = [namespace(true, [0, 0])];
    for resources in [&initial[..], &[]] {
        let frozen = Frozen::of(&CLOCKS, &facts, resources).unwrap();
        assert_eq!(frozen.offsets, Offsets::default());
    }
}

#[test]
fn an_image_that_does_not_tell_them_is_refused() {
    let facts = facts(20);
    let of = |facts: &[(String, Value)], resources: &[Resource]| {
        Frozen::of(&CLOCKS, facts, resources).unwrap_err()
    };
    assert_eq!(
        of(&[], &[]).to_string(),
        "attribute `suspended-nanoseconds` of the machine: found none, expected a signed number"
    );
    let mut without = namespace(false, [0, 0]);
    without.attributes.pop();
    assert_eq!(
        of(&facts, &[without]).to_string(),
        "attribute `boottime-offset-nanoseconds` of time-namespace 4026531834: found none, expected a \
         signed number"
    );
    let one = namespace(true, [0, 0]);
    let two = [one.clone(), one];
    assert_eq!(of(&facts, &two), ClockError::Several { count: 2 });
}
