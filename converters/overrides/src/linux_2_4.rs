//! Linux 2.4.

use kconv_runtime::prelude::*;

/// `task_struct.cpus_allowed` on a kernel for one processor.
pub fn allowed_on_the_only_one(cx: &mut Context<'_>, at: &At<'_>, old: &U32) -> U32 {
    const FIRST: u32 = 1;
    const ALL: u32 = u32::MAX;
    if old.get() & FIRST != 0 {
        return *old;
    }
    cx.keep(at, old.as_bytes());
    U32::new(ALL)
}
