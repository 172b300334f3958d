//! The kernel's clock, which has moved from one kernel to another.

use super::{Made, ROOT};
use crate::linux6::tick_rate;

/// Length of a tick at 250 a second, in nanoseconds with 32 bits behind the point.
const TICK: u64 = 4_000_000 << 32;

#[test]
fn the_clock_is_a_variable_or_the_first_of_several() {
    let mut made = Made::new();
    made.object("timekeeper", ROOT, &[("ntp_tick", TICK)]);
    assert_eq!(tick_rate(made.memory(&made.names())), None);
    made.name("shadow_timekeeper", ROOT);
    assert_eq!(tick_rate(made.memory(&made.names())), Some(250));

    let mut made = Made::newest();
    made.object("tk_data", ROOT, &[("shadow_timekeeper.ntp_tick", TICK)]);
    assert_eq!(tick_rate(made.memory(&made.names())), None);
    made.name("timekeeper_data", ROOT);
    assert_eq!(tick_rate(made.memory(&made.names())), Some(250));
}
