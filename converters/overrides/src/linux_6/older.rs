//! What takes more than a value to decide. The reasons are with the decisions of the family.

use super::futex::{FLAGS, MOVED, of_6_7};
use super::xsave::{self, Area};
use super::{capabilities, known_bits, mm_context};
use kconv_runtime::bits::bytemuck::cast;
use kconv_runtime::prelude::*;
use kconv_runtime::scalar::Scalar;
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

// --- to 5.10 -----------------------------------------------------------------------------------

/// The register state alone, with the rights of the protection keys in it. `own` is where an fpu has
/// its state, `thread` where a task has its thread, and `keys` where that has the rights; `tiles` is the
/// number of the part for which a program needs a permission.
pub fn state_of_fpstate(
    cx: &mut Context<'_>,
    at: &At<'_>,
    used: &U64,
    fpstate: &same::fpstate,
    perm: &same::fpu_state_perm,
    [own, thread, keys]: [usize; 3],
    [tiles]: [u64; 1],
) -> [u8; 4096] {
    /// Parts that 5.10 saves (5.10 arch/x86/include/asm/fpu/xstate.h: XFEATURE_MASK_USER_SUPPORTED,
    /// XFEATURE_MASK_SUPERVISOR_SUPPORTED).
    const KNOWN: u64 = 0b110_1111_1111;
    let place = at.beside("fpstate", own, 0);
    if used.get() != cx.old_address(&place) {
        let why = "is not the register state in the task, the only one that 5.10 has";
        cx.refuse_call(at, format!("{:#x}", used.get()), why);
    }
    let permitted = perm.__state_perm.get();
    if permitted >> (tiles & 63) & 1 != 0 {
        let why = "is a permission to use AMX, which 5.10 does not know";
        cx.refuse_call(at, format!("{permitted:#x}"), why);
    }
    let size = fpstate.size.get() as usize;
    let area = Area::of_fpstate(size, fpstate.xfeatures.get(), &fpstate.regs);
    if area.in_use & !KNOWN != 0 {
        let why = "are parts of the register state in use, of which 5.10 does not know all";
        cx.refuse_call(at, format!("{:#x}", area.in_use), why);
    }
    let mut regs = fpstate.regs;
    let task = cx.old_address(&At::object());
    let keys = cx.old_member::<U32>(task, thread + keys);
    let keys = keys.map_or(0, |keys| keys.get());
    if area.features >> xsave::PKRU & 1 != 0 {
        match area.pkru() {
            Some(place) => xsave::set_pkru(&mut regs, place, keys),
            None => {
                let why = "is where 5.10 cannot be told the rights of the protection keys";
                cx.refuse_call(at, format!("{:#x}", area.features), why);
            }
        }
    }
    regs
}

/// The mapping with the lowest address; `mm` is where a mapping has its address space.
pub fn first_mapping(cx: &mut Context<'_>, at: &At<'_>, count: &I32, [mm]: [usize; 1]) -> U64 {
    let space = cx.old_address(&At::object());
    let all = cx.referrers_of(("vm_area_struct", mm), space);
    if all.len() as i64 != i64::from(count.get()) {
        let why = "is not the number of the mappings that were saved";
        cx.refuse_call(at, count.get().to_string(), why);
    }
    match all.first() {
        Some(first) => cx.within_required(at, U64::new(*first)),
        None => U64::new(0),
    }
}

/// Where the mapping with the highest address ends; `mm` and `end` are where a mapping has its address
/// space and its end.
pub fn highest_end(cx: &mut Context<'_>, _at: &At<'_>, _count: &I32, [mm, end]: [usize; 2]) -> U64 {
    let space = cx.old_address(&At::object());
    let all = cx.referrers_of(("vm_area_struct", mm), space);
    let last = all.last().and_then(|last| cx.old_member::<U64>(*last, end));
    last.unwrap_or(U64::new(0))
}

/// The mapping with the next higher address, which a freeze saves next. `mm` and `place` are where a mapping has its address
/// space and its start.
pub fn next_mapping(
    cx: &mut Context<'_>,
    at: &At<'_>,
    space: &U64,
    start: &U64,
    [mm, place]: [usize; 2],
) -> U64 {
    let [_, next] = cx.neighbours(("vm_area_struct", mm), space.get());
    let Some(next) = next else {
        return U64::new(0);
    };
    let above = cx.old_member::<U64>(next, place);
    if above.is_none_or(|above| above.get() <= start.get()) {
        let why = "is not below the start of the mapping that follows it in the image";
        cx.refuse_call(at, format!("{:#x}", start.get()), why);
    }
    cx.within_required(at, U64::new(next))
}

/// The mapping with the next lower address; `mm` is where a mapping has its address space.
pub fn previous_mapping(cx: &mut Context<'_>, at: &At<'_>, space: &U64, [mm]: [usize; 1]) -> U64 {
    let [previous, _] = cx.neighbours(("vm_area_struct", mm), space.get());
    match previous {
        Some(previous) => cx.within_required(at, U64::new(previous)),
        None => U64::new(0),
    }
}

/// Whether the work at system calls has a bit that is a flag of the thread in 5.10.
pub fn is_syscall_work(
    _cx: &mut Context<'_>,
    _at: &At<'_>,
    _was: bool,
    work: &U64,
    [mark]: [u64; 1],
) -> bool {
    work.get() & mark != 0
}

/// Whether an interrupted system call was one of 32 bits. `block` and `status` are where a task has
/// the block, and where that has the status of the thread at the call.
pub fn restart_is_compat(
    cx: &mut Context<'_>,
    _at: &At<'_>,
    _was: bool,
    _now: &U32,
    [block, status]: [usize; 2],
    [compat]: [u64; 1],
) -> bool {
    let task = cx.old_address(&At::object());
    let status = cx.old_member::<U64>(task, block + status);
    status.is_some_and(|status| status.get() & compat != 0)
}

/// The thread flag that says what kind of program an address space is for: none for one of 64 bits.
/// Another flag than the two that tell, other than that nothing more can be asked for, is refused.
pub fn compat_of_flags<P: Scalar>(
    cx: &mut Context<'_>,
    at: &At<'_>,
    flags: &P,
    [ia32, x32]: [u64; 2],
) -> U16 {
    let flags = flags.value() as u64 & !mm_context::LOCK_LAM;
    let number = match flags {
        mm_context::HAS_VSYSCALL => 0,
        mm_context::UPROBE_IA32 => ia32,
        0 => x32,
        _ => {
            cx.refuse_call(at, format!("{flags:#x}"), "is no kind of program of 5.10");
            0
        }
    };
    U16::new(number as u16)
}

/// The nodes of a policy where 5.10 has them: of one with a preferred node its number. `preferred`
/// and `local` are modes.
pub fn nodes_by_mode(
    cx: &mut Context<'_>,
    at: &At<'_>,
    nodes: &same::nodemask_t,
    mode: &U16,
    [preferred, local]: [u64; 2],
) -> [u8; 128] {
    let mut bytes: [u8; 128] = cast(*nodes);
    let mode = u64::from(mode.get());
    if mode == local {
        let why = "is MPOL_LOCAL, which 5.10 has as a flag of another mode";
        cx.refuse_call(at, mode.to_string(), why);
    }
    if mode == preferred {
        let mut numbers = (0..1024).filter(|number| bytes[number / 8] >> (number % 8) & 1 != 0);
        let node = numbers.next();
        let Some(node) = node.filter(|_| numbers.next().is_none()) else {
            cx.refuse_call(at, mode.to_string(), "has not one preferred node");
            return bytes;
        };
        bytes = [0; 128];
        bytes[..2].copy_from_slice(&(node as u16).to_le_bytes());
    }
    bytes
}

/// The value of a counter. What each CPU has not yet added to it is not in it.
pub fn counter_of_all(
    cx: &mut Context<'_>,
    at: &At<'_>,
    old: &same::percpu_counter,
) -> same::atomic64_t {
    cx.keep(at, old.as_bytes());
    same::atomic64_t { counter: old.count }
}

/// What a signal says to the program.
pub fn siginfo_fields_back(_cx: &mut Context<'_>, _at: &At<'_>, old: &[u8; 32]) -> [u8; 32] {
    *old
}

/// Whether a program is one of 32 bits, of those whose addresses are. `mm` is where a task has its
/// address space, `context` and `flags` where that has its flags.
pub fn is_ia32(
    cx: &mut Context<'_>,
    _at: &At<'_>,
    _was: bool,
    short: bool,
    places: [usize; 3],
) -> bool {
    short && is_probed_as_ia32(cx, places)
}

/// Whether a program is one of x32, of those whose addresses have 32 bits.
pub fn is_x32(
    cx: &mut Context<'_>,
    _at: &At<'_>,
    _was: bool,
    short: bool,
    places: [usize; 3],
) -> bool {
    short && !is_probed_as_ia32(cx, places)
}

fn is_probed_as_ia32(cx: &Context<'_>, [mm, context, flags]: [usize; 3]) -> bool {
    let task = cx.old_address(&At::object());
    let space = cx.old_member::<U64>(task, mm);
    let flags = space.and_then(|space| cx.old_member::<U16>(space.get(), context + flags));
    flags.is_some_and(|flags| u64::from(flags.get()) & mm_context::UPROBE_IA32 != 0)
}
