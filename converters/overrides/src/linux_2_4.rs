//! Linux 2.4.

use kconv_runtime::prelude::*;

/// `task_struct.cpus_allowed` on a kernel for fewer processors, of which it is told the number.
pub fn allowed_on_fewer(
    cx: &mut Context<'_>,
    at: &At<'_>,
    old: &U32,
    [processors]: [u64; 1],
) -> U32 {
    const ALL: u32 = u32::MAX;
    let there = match processors {
        0..32 => (1 << processors) - 1,
        _ => ALL,
    };
    if old.get() & there != 0 {
        return *old;
    }
    cx.keep(at, old.as_bytes());
    U32::new(ALL)
}
