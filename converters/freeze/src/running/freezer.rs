//! The freezer of cgroup v2 (`Documentation/admin-guide/cgroup-v2.rst`: cgroup.freeze): all
//! tasks of a cgroup come to a stop at once, and what they fork while they are stopped is born
//! stopped (`kernel/cgroup/cgroup.c`: cgroup_post_fork).
//!
//! A frozen task sleeps where a signal would be delivered. PTRACE_INTERRUPT wakes it there, and
//! the trap for the tracer is looked for before the signal and before user mode
//! (`kernel/signal.c`: get_signal, do_freezer_trap), so that it goes from one stop into the other
//! without an instruction of its own. Once it is stopped for a tracer, a thaw of the cgroup does
//! not wake it (`kernel/cgroup/freezer.c`: cgroup_freeze_task wakes what sleeps, and not what is
//! traced).
//!
//! Nobody thaws a cgroup when the process that froze it dies. It is frozen for no longer than it
//! takes to seize the threads, and signals that would end this process wait so long; SIGKILL
//! does not.

use super::error::StopError;
use super::tasks::threads;
use kconv_machine::TaskStat;
use nix::sys::signal::{SigSet, SigmaskHow};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a cgroup may take until it is frozen. A task that waits inside the kernel can take
/// longer; seizing it tells which it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// A cgroup and those below it.
pub(super) struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// The cgroup of the folder `path`.
    pub(super) fn new(path: &Path) -> Result<Cgroup, StopError> {
        if !path.join("cgroup.freeze").exists() {
            return Err(StopError::NoFreezer {
                path: path.to_owned(),
            });
        }
        Ok(Cgroup {
            path: path.to_owned(),
        })
    }

    /// The processes in it and in those below it.
    pub(super) fn processes(&self) -> Result<BTreeSet<i32>, StopError> {
        let mut found = BTreeSet::new();
        let mut folders = vec![self.path.clone()];
        while let Some(folder) = folders.pop() {
            match self.members(&folder)? {
                Some(members) => found.extend(members),
                // One that was removed meanwhile had no processes.
                None if folder != self.path => continue,
                None => return Err(self.failed(io::ErrorKind::NotFound.into())),
            }
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(entry.path());
                }
            }
        }
        Ok(found)
    }

    /// Processes of one folder; `None` if it is gone.
    fn members(&self, folder: &Path) -> Result<Option<Vec<i32>>, StopError> {
        match fs::read_to_string(folder.join("cgroup.procs")) {
            Ok(list) => Ok(Some(
                list.lines().filter_map(|line| line.parse().ok()).collect(),
            )),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            // The processes of threaded cgroups are those of the cgroup above them.
            Err(error) if error.raw_os_error() == Some(nix::libc::EOPNOTSUPP) => {
                match folder == self.path {
                    true => Err(self.failed(error)),
                    false => Ok(Some(Vec::new())),
                }
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Freezes it, until the result is dropped.
    pub(super) fn freeze(&self) -> Result<Freezing<'_>, StopError> {
        let processes = self.processes()?;
        let states = states(&processes);
        let mut freezing = Freezing {
            cgroup: self,
            states,
            is_ours: false,
            signals: SigSet::empty(),
        };
        if self.is_frozen()? {
            return Ok(freezing);
        }
        // A mask that cannot be changed is no reason not to freeze.
        let blocked = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK);
        freezing.signals = blocked.unwrap_or_else(|_| SigSet::empty());
        freezing.is_ours = true;
        self.set("1").map_err(|error| self.failed(error))?;
        let start = Instant::now();
        while !self.is_frozen()? && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(freezing)
    }

    fn is_frozen(&self) -> Result<bool, StopError> {
        let events = fs::read_to_string(self.path.join("cgroup.events"));
        let events = events.map_err(|error| self.failed(error))?;
        Ok(events.lines().any(|line| line == "frozen 1"))
    }

    fn set(&self, value: &str) -> io::Result<()> {
        fs::write(self.path.join("cgroup.freeze"), value)
    }

    fn failed(&self, source: io::Error) -> StopError {
        StopError::Cgroup {
            path: self.path.clone(),
            source,
        }
    }
}

/// A cgroup that is frozen as long as this value lives, or that somebody else had frozen.
pub(super) struct Freezing<'a> {
    cgroup: &'a Cgroup,
    /// The states that threads were in before.
    states: BTreeMap<i32, u8>,
    is_ours: bool,
    /// The signals that were blocked before.
    signals: SigSet,
}

impl Freezing<'_> {
    /// The state of a thread before it was frozen. One that is not known was made after the
    /// others were looked at, and was running.
    pub(super) fn state_before(&self, thread: i32) -> u8 {
        self.states.get(&thread).copied().unwrap_or(b'R')
    }
}

impl Drop for Freezing<'_> {
    fn drop(&mut self) {
        if self.is_ours {
            // A cgroup that is gone has nobody left who is frozen.
            let _ = self.cgroup.set("0");
            let _ = self.signals.thread_set_mask();
        }
    }
}

/// Letters of the states of the threads of `processes`.
fn states(processes: &BTreeSet<i32>) -> BTreeMap<i32, u8> {
    let mut states = BTreeMap::new();
    for process in processes {
        for thread in threads(*process).unwrap_or_default() {
            if let Some(stat) = TaskStat::of(&format!("{process}/task/{thread}")) {
                states.insert(thread, stat.state);
            }
        }
    }
    states
}
