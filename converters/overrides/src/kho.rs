//! What one kernel hands on to the next by kexec handover.

use kconv_runtime::prelude::*;

/// `luo_file_set_ser.files` between versions of the format in which it leads to other things.
pub fn files_of_no_session(cx: &mut Context<'_>, at: &At<'_>, old: &U64) -> U64 {
    if old.get() != 0 {
        let why = "leads to files, which lie otherwise in this version of the format";
        cx.refuse_call(at, format!("{:#x}", old.get()), why);
    }
    U64::new(0)
}
