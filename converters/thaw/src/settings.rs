//! What tasks do not have as it was where this machine is set to make use of it: no kernel tells of it, and elsewhere
//! nobody would miss it.

use crate::dropped::Dropped;
use kconv_codes::Code;

/// What is dropped on a machine of these settings, of which `read` gives the files of `/proc/sys/kernel`.
pub(crate) fn dropped(read: impl Fn(&str) -> String) -> Vec<Dropped> {
    let mut dropped = Vec::new();
    let mut all = |code, what: &str, instead: &str| {
        dropped.push(Dropped {
            code,
            task: None,
            what: what.to_owned(),
            instead: instead.to_owned(),
        });
    };
    // Elsewhere all that a user has may be traced, or nothing (Documentation/admin-guide/LSM/Yama.rst).
    if read("yama/ptrace_scope").trim() == "1" {
        all(
            Code::TaskPtracer,
            "whom tasks have let trace them (PR_SET_PTRACER)",
            "nobody but who made them",
        );
    }
    // A session has one from its beginning on, and its processes have no other (kernel/sched/autogroup.c).
    if read("sched_autogroup_enabled").trim() == "1" {
        all(
            Code::TaskAutogroup,
            "nice values of sessions (/proc/PID/autogroup)",
            "0 for sessions that are made, and that of kconv for others",
        );
    }
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_makes_no_use_of_is_not_told() {
        let of = |scope: &str, autogroup: &str| {
            let all = dropped(|name| match name {
                "yama/ptrace_scope" => scope.to_owned(),
                "sched_autogroup_enabled" => autogroup.to_owned(),
                _ => unreachable!("{name}"),
            });
            all.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let tracers = "whom tasks have let trace them (PR_SET_PTRACER): nobody but who made them";
        let sessions = "nice values of sessions (/proc/PID/autogroup): 0 for sessions that are made, and that \
                        of kconv for others";
        assert_eq!(of("1\n", "1\n"), [tracers, sessions]);
        assert_eq!(of("1\n", "0\n"), [tracers]);
        for scope in ["0\n", "2\n", "3\n", ""] {
            assert_eq!(of(scope, "1\n"), [sessions]);
            assert!(of(scope, "").is_empty());
        }
    }
}
