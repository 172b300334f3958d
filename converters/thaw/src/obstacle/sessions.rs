//! Sessions: a process is born into that of its parent and can begin its own (setsid(2)), so that a
//! tree is made only if each session came about like that.

use super::found::{NOT_YET, Obstacles};
use crate::plan::{Plan, Process};
use kconv_codes::Code;

pub(super) fn check(plan: &Plan, found: &mut Obstacles<'_>) {
    for process in &plan.processes {
        // What has ended is in none that anybody asks for.
        if process.ended.is_some() || comes_about(plan, process) {
            continue;
        }
        let leader = plan.task(process.session);
        found.add(
            Code::SessionForeign,
            Some(process.pid),
            "session",
            format!("that of {leader}, which is no ancestor that it could have it from"),
            "its own, or its parent's",
            NOT_YET,
        );
    }
}

fn comes_about(plan: &Plan, process: &Process) -> bool {
    process.session == process.pid || born_into(plan, process) == process.session
}

/// The session that a process is made in. One without a parent in the image is made in its own, which
/// a stand-in leads, unless its leader is in the image.
fn born_into(plan: &Plan, process: &Process) -> i32 {
    let Some(parent) = process.parent.and_then(|parent| plan.processes.get(parent)) else {
        let led = plan.processes.iter().any(|one| one.pid == process.session);
        return if led { 0 } else { process.session };
    };
    // Of a leader's children those of another session were born before it began its own.
    match parent.session == parent.pid && process.session == parent.session {
        true => parent.session,
        false => born_into(plan, parent),
    }
}
