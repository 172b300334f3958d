//! Processes that are being restored, and the calls that many steps of that make in them.

use crate::call::CallError;
use crate::error::ThawError;
use crate::inheritance::Birth;
use crate::plan::Process;
use crate::remote::Remote;
use kconv_tasks::model::SignalInfo;
use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs::File;

/// A process that is being restored.
pub(crate) struct Restored<'p> {
    pub(crate) process: &'p Process,
    /// What it has of its memory from its parent, and what it had ready for its children.
    pub(crate) birth: &'p Birth,
    /// Its threads, as the plan orders them.
    pub(crate) threads: Vec<Remote>,
    /// Its memory.
    pub(crate) memory: File,
}

impl Restored<'_> {
    /// The first thread, in which the calls are made that are for the whole process.
    pub(crate) fn first(&self) -> &Remote {
        &self.threads[0]
    }
}

/// Everything that was made so far; all of it is killed unless it is let go.
#[derive(Default)]
pub(super) struct Made {
    pids: Vec<Pid>,
}

impl Made {
    pub(super) fn note(&mut self, pid: Pid) {
        self.pids.push(pid);
    }

    /// Kills one and waits until it is gone.
    pub(super) fn end(&mut self, pid: Pid) {
        self.pids.retain(|known| *known != pid);
        end(pid);
    }

    /// Lets all of it run. One that is killed meanwhile by those that run already is no failure: that is what
    /// they do, and none of them can be made not to have run.
    pub(super) fn let_go(
        mut self,
        stopped: impl Fn(Pid) -> Option<Signal>,
    ) -> Result<(), CallError> {
        let failed = |error| CallError::new("ptrace", error);
        let mut killed = Vec::new();
        for pid in &self.pids {
            match ptrace::detach(*pid, stopped(*pid)) {
                Ok(()) => {}
                Err(Errno::ESRCH) => killed.push(*pid),
                Err(error) => return Err(failed(error)),
            }
        }
        // The first thread of a process can be waited for when the others are gone.
        for pid in killed.into_iter().rev() {
            match waitpid(pid, Some(WaitPidFlag::__WALL)) {
                Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(Errno::ECHILD) => {}
                Ok(_) => return Err(failed(Errno::ESRCH)),
                Err(error) => return Err(failed(error)),
            }
        }
        self.pids.clear();
        Ok(())
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for pid in self.pids.iter().rev() {
            let _ = kill(*pid, Signal::SIGKILL);
        }
        for pid in self.pids.iter().rev() {
            end(*pid);
        }
    }
}

fn end(pid: Pid) {
    // One that is gone already, or is a thread of one, needs no killing.
    let _ = kill(pid, Signal::SIGKILL);
    loop {
        match waitpid(pid, Some(WaitPidFlag::__WALL)) {
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// Where a failure happened.
pub(crate) fn failed(task: i32, step: &str) -> impl Fn(CallError) -> ThawError {
    let step = step.to_owned();
    move |error| ThawError::Make {
        task,
        step: step.clone(),
        error: Box::new(error),
    }
}

/// Queues a signal to whom `to` says, with what came with it.
pub(super) fn queue(
    remote: &Remote,
    memory: &File,
    info: &SignalInfo,
    to: &[u64],
    name: &'static str,
) -> Result<(), CallError> {
    // siginfo_t has 128 bytes.
    let mut bytes = [0; 128];
    bytes[..info.0.len()].copy_from_slice(&info.0);
    let at = remote.put(memory, &bytes)?;
    let mut arguments = to.to_vec();
    arguments.extend([info.number() as u64, at]);
    let number = match to.len() {
        1 => libc::SYS_rt_sigqueueinfo,
        _ => libc::SYS_rt_tgsigqueueinfo,
    };
    remote.call(name, number, &arguments)?;
    Ok(())
}

/// A prctl with one argument.
pub(super) fn prctl(
    remote: &Remote,
    name: &'static str,
    option: i32,
    argument: u64,
) -> Result<(), CallError> {
    let arguments = [option as u64, argument];
    remote.call(name, libc::SYS_prctl, &arguments)?;
    Ok(())
}

/// Words as the kernel reads them.
pub(super) fn bytes_of(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::sys;

    /// A process that stands still, traced.
    fn traced() -> Pid {
        let pid = sys::stub().unwrap();
        ptrace::attach(pid).unwrap();
        let stopped = waitpid(pid, Some(WaitPidFlag::__WALL)).unwrap();
        assert_eq!(stopped, WaitStatus::Stopped(pid, Signal::SIGSTOP));
        pid
    }

    #[test]
    fn one_that_was_killed_meanwhile_keeps_none_of_the_others() {
        let pids = [traced(), traced(), traced()];
        let mut made = Made::default();
        pids.iter().for_each(|pid| made.note(*pid));
        kill(pids[1], Signal::SIGKILL).unwrap();
        made.let_go(|_| None).unwrap();
        assert_eq!(kill(pids[1], None), Err(Errno::ESRCH));
        for pid in [pids[0], pids[2]] {
            kill(pid, None).unwrap();
            end(pid);
        }
    }
}
