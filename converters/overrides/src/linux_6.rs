//! Linux 5.10 to 7.3.
//!
//! `newer` leads up, `older` down, between 5.10, 6.1 and 6.12; of what changed later there is a module for each
//! subject. A function serves every pair of layouts between which the change lies: where members of other
//! structures are it is told by its caller.

pub mod futex;
mod newer;
mod older;
mod rseq;
mod task;
mod timers;
mod xsave;

pub use newer::*;
pub use older::*;
pub use rseq::*;
pub use task::*;
pub use timers::*;

use kconv_runtime::prelude::*;

/// Stops the conversion if `value` has a bit that is not in `known`.
fn known_bits(cx: &mut Context<'_>, at: &At<'_>, value: u64, known: u64, why: &'static str) -> u64 {
    if value & !known != 0 {
        cx.refuse_call(at, format!("{value:#x}"), why);
    }
    value & known
}

/// A set of capabilities of which `last` is the last.
fn capabilities(cx: &mut Context<'_>, at: &At<'_>, value: u64, last: u64) -> u64 {
    let above = u64::MAX.checked_shl(last as u32 + 1).unwrap_or(0);
    known_bits(cx, at, value, !above, "has a bit above CAP_LAST_CAP")
}

/// Bits of `mm_context_t.flags` that every kernel since 5.11 has (arch/x86/include/asm/mmu.h). Their
/// constants are masks in 6.1 and numbers of bits from 6.4 on, so that they are not handed to functions:
/// what goes by them would seem to be another one on each way.
mod mm_context {
    /// MM_CONTEXT_UPROBE_IA32.
    pub(super) const UPROBE_IA32: u64 = 1 << 0;
    /// MM_CONTEXT_HAS_VSYSCALL.
    pub(super) const HAS_VSYSCALL: u64 = 1 << 1;
    /// MM_CONTEXT_LOCK_LAM, of 6.4: address masking can no longer be asked for.
    pub(super) const LOCK_LAM: u64 = 1 << 2;
}
