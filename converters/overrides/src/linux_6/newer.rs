//! What takes more than a value to decide. The reasons are with the decisions of the family.

use super::capabilities;
use super::futex::{FLAGS, MOVED, of_6_7};
use kconv_runtime::bits::bytemuck::Zeroable;
use kconv_runtime::prelude::*;
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
