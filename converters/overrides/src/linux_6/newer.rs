//! What takes more than a value to decide. The reasons are with the decisions of the family.

use super::futex::{FLAGS, MOVED, of_6_7};
use super::xsave::{Area, PKRU};
use super::{capabilities, mm_context};
use kconv_runtime::bits::bytemuck::{Zeroable, cast};
use kconv_runtime::prelude::*;
use kconv_runtime::scalar::Scalar;
use kernel_structs_views::linux_6::layouts::v5_10_0_46_amd64 as of_5_10;
use kernel_structs_views::linux_6::layouts::v6_1_0_47_amd64 as old;
use kernel_structs_views::linux_6::layouts::v6_1_0_47_amd64 as same;
use kernel_structs_views::linux_6::layouts::v6_12_117_deb12_amd64 as new;

/// The flags of `value` with their new numbers. Any other stops the conversion.
fn renumbered(cx: &mut Context<'_>, at: &At<'_>, value: u64, moved: &[(u64, u64)]) -> u64 {
    let known = moved.iter().fold(0, |known, (from, _)| known | from);
    if value & !known != 0 {
        let why = "has a flag that 6.1 does not have";
        cx.refuse_call(at, format!("{value:#x}"), why);
    }
    let set = moved.iter().filter(|(from, _)| value & from != 0);
    set.fold(0, |flags, (_, to)| flags | to)
}

/// Two words of capabilities as one; `last` is the last capability that the new kernel knows.
pub fn capability_word(
    cx: &mut Context<'_>,
    at: &At<'_>,
    old: &old::kernel_cap_struct,
    [last]: [u64; 1],
) -> new::kernel_cap_t {
    let value = u64::from(old.cap[0].get()) | u64::from(old.cap[1].get()) << 32;
    new::kernel_cap_t {
        val: U64::new(capabilities(cx, at, value, last)),
    }
}

/// Whether new mappings of an mm go downwards.
pub fn maps_top_down(
    cx: &mut Context<'_>,
    at: &At<'_>,
    _was: bool,
    unmapped_area: &U64,
    [place]: [usize; 1],
) -> bool {
    let function = at.beside("get_unmapped_area", place, 0);
    match cx.symbol_name(&function) {
        Some("arch_get_unmapped_area") => false,
        Some("arch_get_unmapped_area_topdown") => true,
        name => {
            let found = match name {
                Some(name) => name.to_owned(),
                None => format!("{:#x}", unmapped_area.get()),
            };
            cx.refuse_call(
                &function,
                found,
                "is neither arch_get_unmapped_area nor arch_get_unmapped_area_topdown",
            );
            false
        }
    }
}

/// `mm_struct.rss_stat`, with what each task of the mm holds back. The mm's own part is kept in the
/// image if it is not the sum, and the parts of the tasks are kept with the tasks. `mm` and `parts`
/// are where a task has its mm and what it holds back.
pub fn rss_stat_by_cpu(
    cx: &mut Context<'_>,
    at: &At<'_>,
    old: &old::mm_rss_stat,
    [mm, parts]: [usize; 2],
) -> [same::percpu_counter; 4] {
    let own = old.count.map(|count| i128::from(count.counter.get()));
    let mut sums = own;
    for held_back in cx.of_referrers::<old::task_rss_stat>(("task_struct", mm), parts) {
        for (sum, part) in sums.iter_mut().zip(&held_back.count) {
            *sum += i128::from(part.get());
        }
    }
    if sums != own {
        cx.keep(at, old.as_bytes());
    }
    let mut counters = [same::percpu_counter::zeroed(); 4];
    for (index, (counter, sum)) in counters.iter_mut().zip(sums).enumerate() {
        let at = at.index(
            index,
            size_of::<same::atomic64_t>(),
            size_of::<same::percpu_counter>(),
        );
        let link =
            cx.own_address(&at.field("list", 0, core::mem::offset_of!(same::percpu_counter, list)));
        match i64::try_from(sum) {
            Ok(sum) => counter.count = I64::new(sum),
            Err(_) => {
                let why = "with what its tasks hold back, is more than a counter holds";
                cx.refuse_call(&at, own[index].to_string(), why);
            }
        }
        counter.list = same::list_head {
            next: link,
            prev: link,
        };
    }
    counters
}

/// Head of the timers of a process.
pub fn timers_as_chain(
    cx: &mut Context<'_>,
    at: &At<'_>,
    old: &same::list_head,
) -> same::hlist_head {
    let own = cx.old_address(at);
    let first = match (old.next.get() == own, old.prev.get() == own) {
        (true, true) => U64::new(0),
        (false, false) if old.next.get() != 0 => cx.link_required(at, old.next),
        _ => {
            cx.refuse_call(at, format!("{:#x}", old.next.get()), "is no ring");
            U64::new(0)
        }
    };
    same::hlist_head { first }
}

/// Link of a timer. `timers` is where a process has the head.
pub fn timer_link_of_chain(
    cx: &mut Context<'_>,
    at: &At<'_>,
    old: &same::list_head,
    process: &U64,
    [timers]: [usize; 1],
) -> same::hlist_node {
    let head = process.get().wrapping_add(timers as u64);
    let next = match old.next.get() == head {
        true => U64::new(0),
        false => cx.link_required(at, old.next),
    };
    // A pointer to what leads here is the first thing in a timer's link, and in the head.
    same::hlist_node {
        next,
        pprev: cx.link_required(at, old.prev),
    }
}

/// What the arguments of an interrupted system call are, by the function that goes on with it, whose
/// address is `function` bytes into the block.
pub fn restart_with_futex_size(
    cx: &mut Context<'_>,
    at: &At<'_>,
    old: &[u8; 40],
    _function: &U64,
    [function]: [usize; 1],
) -> [u8; 40] {
    let function = at.beside("fn", function, 0);
    let mut new = *old;
    if cx.symbol_name(&function) == Some("futex_wait_restart") {
        let value = old[FLAGS].iter().rev();
        let value = value.fold(0, |value, byte| value << 8 | u64::from(*byte));
        let at = at.field("futex.flags", FLAGS.start, FLAGS.start);
        let flags = renumbered(cx, &at, value, &MOVED) | of_6_7::FLAGS_SIZE_32;
        new[FLAGS].copy_from_slice(&(flags as u32).to_le_bytes());
    }
    new
}

/// Length of the registered `struct rseq`.
pub fn rseq_len(_cx: &mut Context<'_>, _at: &At<'_>, rseq: &U64) -> U32 {
    U32::new(if rseq.get() == 0 { 0 } else { 32 })
}

/// Whether a task has a concurrency id while it runs.
pub fn mm_cid_active(_cx: &mut Context<'_>, _at: &At<'_>, mm: &U64) -> I32 {
    I32::new(i32::from(mm.get() != 0))
}

// --- from 5.10 ---------------------------------------------------------------------------------

/// Where the register state is that `fpu.fpstate` leads to: in the task. `place` is where an fpu has
/// it.
pub fn own_fpstate(
    cx: &mut Context<'_>,
    at: &At<'_>,
    _state: &[u8; 4096],
    [place]: [usize; 1],
) -> U64 {
    cx.own_address(&at.beside("__fpstate", 0, place))
}

/// The register state, with what 6.1 says of it beside. `state` is where an fpu has it, and
/// `supervisor` the number of the one part that is not the program's own.
pub fn fpstate_of_state(
    cx: &mut Context<'_>,
    at: &At<'_>,
    regs: &[u8; 4096],
    [state]: [usize; 1],
    [supervisor]: [u64; 1],
) -> same::fpstate {
    let area = Area::of_5_10(cx, &at.beside("state", state, 0), regs);
    same::fpstate {
        size: U32::new(area.size as u32),
        user_size: U32::new(area.user_size()),
        xfeatures: U64::new(area.features),
        user_xfeatures: U64::new(area.features & !(1u64 << (supervisor & 63))),
        regs: *regs,
        ..same::fpstate::zeroed()
    }
}

/// What a task may use of the register state: all that it has.
pub fn permission_of_state(
    cx: &mut Context<'_>,
    at: &At<'_>,
    regs: &[u8; 4096],
    [state]: [usize; 1],
) -> same::fpu_state_perm {
    let area = Area::of_5_10(cx, &at.beside("state", state, 0), regs);
    same::fpu_state_perm {
        __state_perm: U64::new(area.features),
        __state_size: U32::new(area.size as u32),
        __user_state_size: U32::new(area.user_size()),
    }
}

/// The rights of the protection keys, which 5.10 keeps in the register state alone. `fpu` and `state`
/// are where a thread has its fpu, and where that has the state.
pub fn pkru_of_state(
    cx: &mut Context<'_>,
    at: &At<'_>,
    old: &of_5_10::fpu,
    [fpu, state]: [usize; 2],
) -> U32 {
    let area = Area::of_5_10(cx, &at.beside("fpu.state", fpu + state, 0), &old.state);
    let place = area.pkru().filter(|_| area.in_use >> PKRU & 1 != 0);
    let bytes = place.and_then(|place| old.state.get(place..place + 4));
    // What is at its initial state is 0.
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    U32::new(u32::from_le_bytes(bytes.unwrap_or_default()))
}

/// What of the work at system calls 5.10 has among the flags of the thread, in the order of `marks`.
#[allow(
    clippy::too_many_arguments,
    reason = "the converter gives each flag of the decision by itself"
)]
pub fn syscall_work(
    _cx: &mut Context<'_>,
    _at: &At<'_>,
    seccomp: bool,
    tracepoint: bool,
    trace: bool,
    emulate: bool,
    audit: bool,
    marks: [u64; 5],
) -> U64 {
    let set = [seccomp, tracepoint, trace, emulate, audit];
    let set = set.into_iter().zip(marks).filter(|(set, _)| *set);
    U64::new(set.fold(0, |work, (_, mark)| work | mark))
}

/// Whether `state` has the bit that a job control flag says the same as.
pub fn state_has(
    _cx: &mut Context<'_>,
    _at: &At<'_>,
    _was: bool,
    state: &I64,
    [bit]: [u64; 1],
) -> bool {
    state.get() as u64 & bit != 0
}

/// The status that the thread had when its system call was interrupted, of which one bit counts.
/// `thread` and `status` are where a task has it.
pub fn restart_of_status(
    cx: &mut Context<'_>,
    _at: &At<'_>,
    _function: &U64,
    [thread, status]: [usize; 2],
    [restart, compat]: [u64; 2],
) -> U64 {
    let task = cx.old_address(&At::object());
    let status = cx.old_member::<U32>(task, thread + status);
    let is_compat = status.is_some_and(|status| u64::from(status.get()) & restart != 0);
    U64::new(if is_compat { compat } else { 0 })
}

/// The nodes of a policy, of which one with a preferred node has that alone.
pub fn nodes_of_policy(
    cx: &mut Context<'_>,
    at: &At<'_>,
    of_mode: &[u8; 128],
    mode: &U16,
    [preferred]: [u64; 1],
) -> same::nodemask_t {
    let mut nodes = *of_mode;
    if u64::from(mode.get()) == preferred {
        let node = i16::from_le_bytes([of_mode[0], of_mode[1]]);
        nodes = [0; 128];
        let byte = usize::try_from(node / 8).ok();
        match byte.and_then(|byte| nodes.get_mut(byte)) {
            Some(byte) if node >= 0 => *byte |= 1 << (node % 8),
            _ => cx.refuse_call(at, node.to_string(), "is no node"),
        }
    }
    cast(nodes)
}

/// A count that is the value of the old counter, of which no CPU has a part yet.
pub fn counter_by_cpu(
    cx: &mut Context<'_>,
    at: &At<'_>,
    old: &same::atomic64_t,
) -> same::percpu_counter {
    let link =
        cx.own_address(&at.field("list", 0, core::mem::offset_of!(same::percpu_counter, list)));
    same::percpu_counter {
        count: old.counter,
        list: same::list_head {
            next: link,
            prev: link,
        },
        ..same::percpu_counter::zeroed()
    }
}

/// What an address space is for. `compat` is 0 for a program of 64 bits, or the number of one of two
/// thread flags.
pub fn context_flags<Q: Scalar>(
    cx: &mut Context<'_>,
    at: &At<'_>,
    compat: &U16,
    [ia32, x32]: [u64; 2],
) -> Q {
    let flags = match u64::from(compat.get()) {
        0 => mm_context::HAS_VSYSCALL,
        number if number == ia32 => mm_context::UPROBE_IA32,
        number if number == x32 => 0,
        number => {
            cx.refuse_call(at, number.to_string(), "is no kind of program");
            0
        }
    };
    cx.integer(at, i128::from(flags))
}

/// Threads that have not begun to exit: those that live.
pub fn quick_threads(_cx: &mut Context<'_>, _at: &At<'_>, live: &same::atomic_t) -> I32 {
    live.counter
}

/// What a signal says to the program.
pub fn siginfo_fields(_cx: &mut Context<'_>, _at: &At<'_>, old: &[u8; 32]) -> [u8; 32] {
    *old
}
