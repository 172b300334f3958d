//! Whether a program may be dumped and traced, which kernels since 7.1 have no longer with the memory.

use crate::error::{Fault, Finding};
use crate::walk::Walked;

/// The bits of `mm_struct.flags` with the answer to PR_GET_DUMPABLE. Since 7.1 the kernel keeps them clear (6.12
/// `include/linux/sched/coredump.h`: MMF_DUMPABLE_MASK; 7.2 `include/linux/mm_types.h`: MMF_DUMPABLE_BITS).
const DUMPABLE: u64 = 3;

/// Puts the answer of each task where all other kernels have it, in its memory's flags: the threads of a process, and all
/// others that share memory, have one (7.2 `kernel/fork.c`: copy_exec_state).
pub(crate) fn note(walked: &mut Walked<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for task in 0..walked.tasks {
        match answer(walked, task) {
            Ok(Some((mm, place, flags))) => {
                let saved = &mut walked.objects[mm].bytes;
                if let Some(bytes) = saved.get_mut(place..place + 8) {
                    bytes.copy_from_slice(&flags.to_le_bytes());
                }
            }
            Ok(None) => {}
            Err(fault) => findings.push(Finding {
                place: walked.place(task, "exec_state".to_owned(), None),
                flaw: fault.into(),
            }),
        }
    }
    findings
}

/// The memory of a task, where its flags are in it, in bytes, and what they are with the answer; `None` without memory,
/// and for a kernel that has it there.
fn answer(walked: &Walked<'_>, task: usize) -> Result<Option<(usize, usize, u64)>, Fault> {
    let view = walked.view(task)?;
    if !view.has("exec_state") {
        return Ok(None);
    }
    let Some(mm) = view
        .pointer("mm")?
        .and_then(|mm| walked.object_at("mm_struct", mm))
    else {
        return Ok(None);
    };
    let state = view.address("exec_state")?;
    let state = walked.memory.read("task_exec_state", state)?;
    let mm_view = walked.view(mm)?;
    let place = mm_view.offset_of("flags")? as usize;
    let flags = mm_view.unsigned("flags.__mm_flags[0]|flags")? & !DUMPABLE;
    Ok(Some((
        mm,
        place,
        flags | state.unsigned("dumpable")? & DUMPABLE,
    )))
}
