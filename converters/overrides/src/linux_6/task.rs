//! Fields of a task that came after 6.12.

use kconv_runtime::bits::bytemuck::Zeroable;
use kconv_runtime::prelude::*;
use kernel_structs_views::linux_6::layouts::v7_2_12_deb13_amd64 as newer;

/// Bits of a `uclamp_se`, the highest utilization with the bucket that it falls into, 4 of 0 to 4, which nobody
/// asked for (7.2 include/linux/sched.h: uclamp_se; 7.2 kernel/sched/core.c: uclamp_bucket_id).
const NO_CLAMP: u32 = 1024 | 4 << 11;

fn clamp(value: u32) -> newer::uclamp_se {
    let mut new = newer::uclamp_se::zeroed();
    new.as_mut_bytes().copy_from_slice(&value.to_le_bytes());
    new
}

/// The utilization from nothing to all of a CPU, which is what a task has that asked for nothing.
pub fn no_clamps(_cx: &mut Context<'_>, _at: &At<'_>, _policy: &U32) -> [newer::uclamp_se; 2] {
    [clamp(0), clamp(NO_CLAMP)]
}

/// The file system context that is the task's own.
pub fn real_fs(cx: &mut Context<'_>, at: &At<'_>, fs: &U64) -> U64 {
    cx.follow(at, *fs)
}

/// The file system context. `real` is where a task has its own, which is to be the same.
pub fn fs_beside_real_fs(
    cx: &mut Context<'_>,
    at: &At<'_>,
    fs: &U64,
    own: &U64,
    [real]: [usize; 1],
) -> U64 {
    if own != fs {
        let why = "is another than fs: the task borrows one";
        cx.refuse_call(
            &at.beside("real_fs", real, 0),
            format!("{:#x}", own.get()),
            why,
        );
    }
    cx.follow(at, *fs)
}
