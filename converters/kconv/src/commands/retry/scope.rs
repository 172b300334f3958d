//! A scope of systemd for what was thawed, so that it is in no unit that somebody stops or starts again.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// There where systemd is the first process (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";

/// How long systemd is given to move processes; it is a job among others of a boot.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why processes stay in the control group of kconv.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScopeError {
    #[error(
        "busctl, which asks systemd for a scope, cannot be run: {0}; the processes stay in the control group of kconv, {1}"
    )]
    Busctl(std::io::Error, String),
    #[error(
        "systemd makes no {scope}: {said}; the processes stay in the control group of kconv, {group}"
    )]
    Refused {
        scope: String,
        said: String,
        group: String,
    },
}

/// Has systemd move those of the processes that are in the control group of kconv into a scope of their own. Returns its name;
/// `None` if there are none, or there is no systemd. Those that have the control group they had before stay there.
pub(super) fn adopt(
    upgrade: &str,
    processes: &BTreeSet<i32>,
) -> Result<Option<String>, ScopeError> {
    if !Path::new(BOOTED).is_dir() {
        return Ok(None);
    }
    let group = group("self").unwrap_or_default();
    let in_group = |pid: &i32| self::group(&pid.to_string()).is_some_and(|of| of == group);
    let own: Vec<i32> = processes.iter().copied().filter(in_group).collect();
    if own.is_empty() {
        return Ok(None);
    }
    let scope = format!("kconv-{upgrade}.scope");
    let said = Command::new("busctl")
        .args(call(&scope, upgrade, &own))
        .output()
        .map_err(|error| ScopeError::Busctl(error, group.clone()))?;
    let refused = |said: String| ScopeError::Refused {
        scope: scope.clone(),
        said,
        group: group.clone(),
    };
    if !said.status.success() {
        let errors = String::from_utf8_lossy(&said.stderr);
        return Err(refused(errors.trim().to_owned()));
    }
    // The answer is a job; when it has been done they are elsewhere.
    let begin = Instant::now();
    while own.iter().any(in_group) {
        if begin.elapsed() > PATIENCE {
            return Err(refused("they were not moved".to_owned()));
        }
        sleep(Duration::from_millis(10));
    }
    Ok(Some(scope))
}

/// The arguments for org.freedesktop.systemd1(5), StartTransientUnit.
fn call(scope: &str, upgrade: &str, processes: &[i32]) -> Vec<String> {
    let words = [
        "--quiet",
        "call",
        "org.freedesktop.systemd1",
        "/org/freedesktop/systemd1",
        "org.freedesktop.systemd1.Manager",
        "StartTransientUnit",
        "ssa(sv)a(sa(sv))",
        scope,
        "fail",
        "2",
        "Description",
        "s",
    ];
    let mut arguments: Vec<String> = words.map(str::to_owned).into();
    arguments.push(format!("Tasks of upgrade {upgrade} of kconv"));
    arguments.extend(["PIDs", "au"].map(str::to_owned));
    arguments.push(processes.len().to_string());
    arguments.extend(processes.iter().map(i32::to_string));
    arguments.push("0".to_owned());
    arguments
}

/// The control group of a process in the hierarchy of version 2 (cgroups(7)).
fn group(process: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{process}/cgroup")).ok()?;
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix("0::").map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_processes_are_named_in_the_call() {
        let words = call("kconv-3.scope", "3", &[4711, 4713]);
        let at = words.iter().position(|word| word == "kconv-3.scope");
        let expected =
            "kconv-3.scope fail 2 Description s|Tasks of upgrade 3 of kconv|PIDs au 2 4711 4713 0";
        let said = words[at.unwrap_or_default()..].join(" ");
        assert_eq!(said, expected.replace('|', " "));
    }

    #[test]
    fn a_process_that_is_gone_has_no_group() {
        assert_eq!(group("0"), None);
    }
}
