//! What takes more than a value to decide. The reasons are with the decisions of the family.

use super::futex::{FLAGS, MOVED, of_6_7};
use super::{capabilities, known_bits};
use kconv_runtime::prelude::*;
use kernel_structs_views::linux_6::layouts::v6_1_0_47_amd64 as new;
use kernel_structs_views::linux_6::layouts::v6_1_0_47_amd64 as same;
use kernel_structs_views::linux_6::layouts::v6_12_117_deb12_amd64 as old;

/// What the length of `struct rseq` has to be under 6.1.
const RSEQ_LEN: u32 = 32;

/// One word of capabilities as two; `last` is the last capability that the new kernel knows.
pub fn capability_words(
    cx: &mut Context<'_>,
    at: &At<'_>,
    old: &old::kernel_cap_t,
    [last]: [u64; 1],
) -> new::kernel_cap_struct {
    let value = capabilities(cx, at, old.val.get(), last);
    new::kernel_cap_struct {
        cap: [U32::new(value as u32), U32::new((value >> 32) as u32)],
    }
}

/// The function that says where new mappings go.
pub fn unmapped_area(cx: &mut Context<'_>, at: &At<'_>, top_down: bool) -> U64 {
    let name = match top_down {
        false => "arch_get_unmapped_area",
        true => "arch_get_unmapped_area_topdown",
    };
    cx.point_at_symbol(at, name)
}

/// `mm_struct.rss_stat`. The parts of the CPUs, and the place in the list of all counters, are
/// kept in the image.
pub fn rss_stat_by_task(
    cx: &mut Context<'_>,
    at: &At<'_>,
    old: &[same::percpu_counter; 4],
) -> new::mm_rss_stat {
    cx.keep(at, old.as_bytes());
    new::mm_rss_stat {
        count: old.map(|counter| same::atomic64_t {
            counter: counter.count,
        }),
    }
}

/// Most timers that a process is believed to have: a chain that is longer goes round.
const MOST_TIMERS: usize = 1 << 20;

/// Head of the timers of a process. The last one is found by following the chain. `link` is where a
/// timer has its link.
pub fn timers_as_ring(
    cx: &mut Context<'_>,
    at: &At<'_>,
    old: &same::hlist_head,
    [link]: [usize; 1],
) -> same::list_head {
    if old.first.get() == 0 {
        let own = cx.own_address(at);
        return same::list_head {
            next: own,
            prev: own,
        };
    }
    let mut last = old.first;
    for _ in 0..MOST_TIMERS {
        let timer = last.get().wrapping_sub(link as u64);
        let Some(node) = cx.old_member::<same::hlist_node>(timer, link) else {
            cx.refuse_call(
                at,
                format!("{:#x}", last.get()),
                "leads to a timer that was not saved",
            );
            break;
        };
        if node.next.get() == 0 {
            break;
        }
        last = node.next;
    }
    same::list_head {
        next: cx.link_required(at, old.first),
        prev: cx.link_required(at, last),
    }
}

/// Link of a timer. `timers` is where a process has the head.
pub fn timer_link_of_ring(
    cx: &mut Context<'_>,
    at: &At<'_>,
    old: &same::hlist_node,
    process: &U64,
    [timers]: [usize; 1],
) -> same::list_head {
    let head = process.get().wrapping_add(timers as u64);
    let next = match old.next.get() {
        0 if old.pprev.get() != 0 => U64::new(head),
        next => U64::new(next),
    };
    same::list_head {
        next: cx.link_required(at, next),
        prev: cx.link_required(at, old.pprev),
    }
}

/// The ring of a process's threads, made of the list that has its head in `signal_struct`. `link`
/// and `head` are where a task is on the list, and where its process has the head; `ring` is where
/// a task is on the ring.
pub fn thread_group(
    cx: &mut Context<'_>,
    at: &At<'_>,
    node: &same::list_head,
    process: &U64,
    leader: &U64,
    [link, head, ring]: [usize; 3],
) -> same::list_head {
    if process.get() == 0 {
        // A zombie that was reaped is on no list, and alone.
        let own = cx.own_address(at);
        return same::list_head {
            next: own,
            prev: own,
        };
    }
    let end = process.get().wrapping_add(head as u64);
    let task = |at: U64| U64::new(at.get().wrapping_sub(link as u64));
    // After the last thread comes the leader, and before the leader the last thread.
    let next = match node.next.get() == end {
        true => *leader,
        false => task(node.next),
    };
    let prev = match node.prev.get() == end {
        false => Some(task(node.prev)),
        true => cx
            .old_member::<same::list_head>(process.get(), head)
            .map(|head| task(head.prev)),
    };
    let Some(prev) = prev else {
        let found = format!("{:#x}", process.get());
        cx.refuse_call(at, found, "belongs to a process that was not saved");
        return *node;
    };
    let [next, prev] = [next, prev].map(|task| {
        let task: U64 = cx.within_required(at, task);
        U64::new(task.get().wrapping_add(ring as u64))
    });
    same::list_head { next, prev }
}

/// What the arguments of an interrupted system call are, by the function that goes on with it, whose
/// address is `function` bytes into the block.
pub fn restart_without_futex_size(
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
        let moved = MOVED.iter().fold(0, |moved, (_, flag)| moved | flag);
        if value & !(of_6_7::FLAGS_SIZE_MASK | moved) != 0
            || value & of_6_7::FLAGS_SIZE_MASK != of_6_7::FLAGS_SIZE_32
        {
            let why = "waits for a kind of futex that 6.1 does not have";
            cx.refuse_call(&at, format!("{value:#x}"), why);
        }
        let set = MOVED.iter().filter(|(_, flag)| value & flag != 0);
        let flags = set.fold(0, |flags, (flag, _)| flags | flag);
        new[FLAGS].copy_from_slice(&(flags as u32).to_le_bytes());
    }
    new
}

/// The selector that was pushed with 64 bits.
pub fn selector(cx: &mut Context<'_>, at: &At<'_>, old: &U64) -> U64 {
    let why = "is no selector: FRED has put something above its 16 bits";
    U64::new(known_bits(cx, at, old.get(), 0xffff, why))
}

/// The address space. Whether a concurrency id is in use is kept if it does not follow from that;
/// `place` is where a task says so.
pub fn mm_beside_cid_active(
    cx: &mut Context<'_>,
    at: &At<'_>,
    old: &U64,
    active: &I32,
    [place]: [usize; 1],
) -> U64 {
    if active.get() != i32::from(old.get() != 0) {
        cx.keep(&at.beside("mm_cid_active", place, 0), active.as_bytes());
    }
    cx.follow(at, *old)
}

/// Address of the registered `struct rseq`, whose length has to be that of 6.1; `place` is where a
/// task has it.
pub fn rseq_of_32_bytes(
    cx: &mut Context<'_>,
    at: &At<'_>,
    old: &U64,
    len: &U32,
    [place]: [usize; 1],
) -> U64 {
    let expected = if old.get() == 0 { 0 } else { RSEQ_LEN };
    if len.get() != expected {
        let why = "is the length of a struct rseq that 6.1 cannot register";
        let at = at.beside("rseq_len", place, 0);
        cx.refuse_call(&at, len.get().to_string(), why);
    }
    *old
}

/// Features that the save area has room for, of which the registers of APX must not be in use, as
/// [`shadow_stack_state`].
pub fn extended_registers_state(
    cx: &mut Context<'_>,
    at: &At<'_>,
    has_room: bool,
    regs: &[u8; 4096],
    [apx]: [u64; 1],
) -> bool {
    if has_room && in_use(regs, apx) {
        let why = "has registers R16 to R31 in use, which the older kernel does not save";
        cx.refuse_call(at, "XFEATURE_APX".to_owned(), why);
    }
    false
}

/// Whether the feature of this number is not at its initial state in an xsave area.
fn in_use(regs: &[u8; 4096], feature: u64) -> bool {
    /// Where the header of an xsave area says which features are not at their initial state, in 64
    /// bits (Intel SDM vol. 1, 13.4.2).
    const HEADER: usize = 512;
    let header = regs[HEADER..HEADER + 8].iter().rev();
    let header = header.fold(0, |bits, byte| bits << 8 | u64::from(*byte));
    header.checked_shr(feature as u32).unwrap_or(0) & 1 != 0
}

/// Features that the save area has room for, of which that of shadow stacks must not be in use.
/// It is kept, and 6.1 has none to set. `shadow_stack` is the number of the feature.
pub fn shadow_stack_state(
    cx: &mut Context<'_>,
    at: &At<'_>,
    has_room: bool,
    regs: &[u8; 4096],
    [shadow_stack]: [u64; 1],
) -> bool {
    if has_room && in_use(regs, shadow_stack) {
        let why = "has a shadow stack in use, which 6.1 does not know";
        cx.refuse_call(at, "XFEATURE_CET_USER".to_owned(), why);
    }
    false
}
