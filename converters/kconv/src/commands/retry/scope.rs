//! A scope of systemd for what was thawed, so that it is in no unit that somebody stops or starts again.

use kconv_machine::{cgroup_of, cgroup_root};
use kconv_units::Systemd;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long systemd is given to make a scope; it is a job among others of a boot.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why processes stay in the control group of kconv.
#[derive(Debug, thiserror::Error)]
#[error("{scope}: {why}; the tasks stay in the control group of kconv, {group}")]
pub(super) struct ScopeError {
    scope: String,
    why: Why,
    group: String,
}

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error("systemd-run cannot be run: {0}")]
    Run(io::Error),
    #[error("systemd makes no such scope (systemctl status says why)")]
    NotMade,
    #[error("process {0} cannot be moved there: {1}")]
    Moved(i32, io::Error),
    #[error("no control groups of version 2 are mounted")]
    NoGroups,
}

/// Moves those of the processes that are in the control group of kconv into a scope of their own. Returns its name; `None` if
/// there are none, or there is no systemd. Those that have the control group they had before stay there.
///
/// systemd makes a scope for a process that runs, and is told of others over D-Bus, which a small machine does not have. So it is made for
/// one that waits, delegated, which leaves its control group to us, and the process ends when the others are there.
pub(super) fn adopt(
    upgrade: &str,
    processes: &BTreeSet<i32>,
) -> Result<Option<String>, ScopeError> {
    if Systemd::booted().is_none() {
        return Ok(None);
    }
    let group = cgroup_of("self").unwrap_or_default();
    let in_group = |pid: &i32| cgroup_of(&pid.to_string()).is_some_and(|of| of == group);
    let own: Vec<i32> = processes.iter().copied().filter(in_group).collect();
    if own.is_empty() {
        return Ok(None);
    }
    let scope = format!("kconv-{upgrade}.scope");
    let failed = |why| ScopeError {
        scope: scope.clone(),
        why,
        group: group.clone(),
    };
    let mut waits = Command::new("systemd-run")
        .args(["--scope", "--quiet", "--collect", "--property=Delegate=yes"])
        .arg(format!("--description=Tasks of upgrade {upgrade} of kconv"))
        .arg(format!("--unit={scope}"))
        .arg("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| failed(Why::Run(error)))?;
    let moved = made(&mut waits, &scope).and_then(|made| into(&made, &own));
    // It waits for the end of its input.
    drop(waits.stdin.take());
    let _ = waits.wait();
    moved.map_err(failed)?;
    Ok(Some(scope))
}

/// The control group of the scope, once the process is in it.
fn made(waits: &mut Child, scope: &str) -> Result<PathBuf, Why> {
    let root = cgroup_root().ok_or(Why::NoGroups)?;
    let begin = Instant::now();
    loop {
        let found = cgroup_of(&waits.id().to_string());
        if let Some(found) = found.filter(|found| found.ends_with(scope)) {
            return Ok(root.join(found.trim_start_matches('/')));
        }
        let has_ended = !matches!(waits.try_wait(), Ok(None));
        if has_ended || begin.elapsed() > PATIENCE {
            return Err(Why::NotMade);
        }
        sleep(Duration::from_millis(10));
    }
}

/// Moves processes into a control group (cgroups(7)).
fn into(group: &Path, processes: &[i32]) -> Result<(), Why> {
    let file = group.join("cgroup.procs");
    for pid in processes {
        match fs::write(&file, pid.to_string()) {
            // One that has ended meanwhile is in none.
            Err(error) if error.raw_os_error() != Some(ESRCH) => {
                return Err(Why::Moved(*pid, error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// No such process (errno(3)).
const ESRCH: i32 = 3;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn processes_are_moved_one_by_one_and_what_is_in_the_way_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let procs = folder.path().join("cgroup.procs");
        into(folder.path(), &[4711, 4713]).unwrap();
        assert_eq!(fs::read_to_string(&procs).unwrap(), "4713");
        fs::remove_file(&procs).unwrap();
        fs::create_dir(&procs).unwrap();
        let told = into(folder.path(), &[4711]).unwrap_err().to_string();
        assert!(
            told.starts_with("process 4711 cannot be moved there: "),
            "{told}"
        );
    }
}
