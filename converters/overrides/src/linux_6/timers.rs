//! Timers, whose nodes in queues have links to their neighbours since 7.1, and whose state has other words since 6.14.

use kconv_runtime::bits::bytemuck::Zeroable;
use kconv_runtime::prelude::*;
use kernel_structs_views::linux_6::layouts::v6_12_117_deb12_amd64 as older;
use kernel_structs_views::linux_6::layouts::v7_2_12_deb13_amd64 as newer;

/// `k_itimer.it_status` of a timer that does not run (7.2 include/linux/posix-timers.h).
const DISARMED: i32 = 0;
/// As [`DISARMED`], of one that runs.
const ARMED: i32 = 1;
/// As [`DISARMED`], of a periodic one whose signal waits to be taken.
const REQUEUE_PENDING: i32 = 2;

/// `k_itimer.it_sigev_notify` of a timer with a signal for one thread, whatever else is asked for (7.2
/// include/uapi/asm-generic/siginfo.h: SIGEV_THREAD_ID).
const SIGEV_THREAD_ID: i32 = 4;

/// The clocks whose timers are alarms (include/uapi/linux/time.h: CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM).
const ALARMS: [i32; 2] = [8, 9];

/// Whether a timer of `clock` runs on an hrtimer. The others are an alarm or a timer of a CPU clock, whose
/// nodes have no links to their neighbours in any kernel.
fn is_hrtimer(clock: I32) -> bool {
    clock.get() >= 0 && !ALARMS.contains(&clock.get())
}

/// What `old`, a timer of `clock`, is with its expiry alone. `from` and `to` are where nodes of hrtimers have it, and
/// `plain` where the others do.
fn expiry_alone<const OLD: usize, const NEW: usize>(
    (cx, at): (&mut Context<'_>, &At<'_>),
    old: &[u8; OLD],
    clock: I32,
    (from, to, plain): (usize, usize, usize),
) -> [u8; NEW] {
    let (from, to) = match is_hrtimer(clock) {
        true => (from, to),
        false => (plain, plain),
    };
    let mut new = [0; NEW];
    new[to..to + 8].copy_from_slice(&old[from..from + 8]);
    let is_all = (0..OLD).all(|byte| (from..from + 8).contains(&byte) || old[byte] == 0);
    if !is_all {
        cx.keep(at, old);
    }
    new
}

/// The running timer, for a kernel whose hrtimers have nodes with links.
pub fn timer_with_links(
    cx: &mut Context<'_>,
    at: &At<'_>,
    old: &[u8; 120],
    clock: &I32,
    [plain, linked]: [usize; 2],
) -> [u8; 136] {
    expiry_alone((cx, at), old, *clock, (plain, linked, plain))
}

/// The running timer, for a kernel whose hrtimers have nodes without links.
pub fn timer_without_links(
    cx: &mut Context<'_>,
    at: &At<'_>,
    old: &[u8; 136],
    clock: &I32,
    [linked, plain]: [usize; 2],
) -> [u8; 120] {
    expiry_alone((cx, at), old, *clock, (linked, plain, plain))
}

/// The node of an hrtimer that is in no queue, with links.
pub fn timer_linked_node(
    cx: &mut Context<'_>,
    at: &At<'_>,
    old: &older::timerqueue_node,
) -> newer::timerqueue_linked_node {
    let mut cleared = older::timerqueue_node::zeroed();
    cleared.node.__rb_parent_color = U64::new(cx.old_address(at));
    cleared.expires = old.expires;
    if cleared.as_bytes() != old.as_bytes() {
        cx.keep(at, old.as_bytes());
    }
    let mut new = newer::timerqueue_linked_node::zeroed();
    new.node.node.__rb_parent_color = cx.own_address(at);
    new.expires = old.expires;
    new
}

/// The node of an hrtimer that is in no queue, without links.
pub fn timer_node(
    cx: &mut Context<'_>,
    at: &At<'_>,
    old: &newer::timerqueue_linked_node,
) -> older::timerqueue_node {
    let mut cleared = newer::timerqueue_linked_node::zeroed();
    cleared.node.node.__rb_parent_color = U64::new(cx.old_address(at));
    cleared.expires = old.expires;
    if cleared.as_bytes() != old.as_bytes() {
        cx.keep(at, old.as_bytes());
    }
    let mut new = older::timerqueue_node::zeroed();
    new.node.__rb_parent_color = cx.own_address(at);
    new.expires = old.expires;
    new
}

/// A byte that says yes or no.
pub fn byte_as_bool(cx: &mut Context<'_>, at: &At<'_>, old: &u8) -> u8 {
    if *old > 1 {
        cx.refuse_call(at, old.to_string(), "is neither 0 nor 1");
    }
    u8::from(*old == 1)
}

/// Whether a timer runs, in one word. The two words of before, which are at `active_at` and `pending_at` in the timer, are
/// kept if they do not follow from it.
pub fn timer_status(
    cx: &mut Context<'_>,
    at: &At<'_>,
    active: &I32,
    requeue_pending: &I32,
    interval: &I64,
    [active_at, pending_at]: [usize; 2],
) -> I32 {
    let waits = interval.get() != 0 && requeue_pending.get() & 1 != 0;
    let status = match (active.get(), waits) {
        (0, true) => REQUEUE_PENDING,
        (0, false) => DISARMED,
        _ => ARMED,
    };
    if active.get() != i32::from(status == ARMED) {
        cx.keep(&at.beside("it_active", active_at, 0), active.as_bytes());
    }
    if requeue_pending.get() != i32::from(status == REQUEUE_PENDING) {
        let at = at.beside("it_requeue_pending", pending_at, 0);
        cx.keep(&at, requeue_pending.as_bytes());
    }
    I32::new(status)
}

/// Whether a timer runs. The word that says it is at `status_at` in the timer, and kept if it says something else.
pub fn timer_active(
    cx: &mut Context<'_>,
    at: &At<'_>,
    status: &I32,
    [status_at]: [usize; 1],
) -> I32 {
    if ![DISARMED, ARMED, REQUEUE_PENDING].contains(&status.get()) {
        cx.keep(&at.beside("it_status", status_at, 0), status.as_bytes());
    }
    I32::new(i32::from(status.get() == ARMED))
}

/// Odd if the signal of a periodic timer waits to be taken.
pub fn timer_requeue_pending(_cx: &mut Context<'_>, _at: &At<'_>, status: &I32) -> I32 {
    I32::new(i32::from(status.get() == REQUEUE_PENDING))
}

/// Whom a timer's signal is for: one thread, or the process.
pub fn timer_pid_type(
    _cx: &mut Context<'_>,
    _at: &At<'_>,
    notify: &I32,
    [thread, process]: [u64; 2],
) -> U32 {
    U32::new(match notify.get() & SIGEV_THREAD_ID != 0 {
        true => thread as u32,
        false => process as u32,
    })
}

/// The number that the next timer of a process may get.
pub fn next_timer_as_atomic(_cx: &mut Context<'_>, _at: &At<'_>, old: &U32) -> newer::atomic_t {
    newer::atomic_t {
        counter: I32::new(old.get() as i32),
    }
}

/// The number that the next timer of a process may get.
pub fn next_timer(_cx: &mut Context<'_>, _at: &At<'_>, old: &newer::atomic_t) -> U32 {
    U32::new(old.counter.get() as u32)
}

/// What the arguments of an interrupted system call are where its types alone differ.
pub fn restart_as_before(_cx: &mut Context<'_>, _at: &At<'_>, old: &[u8; 40]) -> [u8; 40] {
    *old
}
