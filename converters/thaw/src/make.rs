//! Making what a plan says, by system calls in the processes themselves.
//!
//! A *seed*, a child of kconv, is stripped of all its memory but a page with the instruction
//! `syscall` and what the kernel has mapped there. It makes the first processes, each process its
//! children, each with the number it had; then every process builds its own state. All of them are
//! traced, and stand still until the last is ready.

pub(crate) mod clocks;
mod credentials;
mod files;
mod ldt;
mod memory;
mod permissions;
mod process;
mod thread;
mod timers;
mod tree;
pub(crate) mod vdso;

use crate::clocks::ClockRule;
use crate::dropped::Dropped;
use crate::error::{CallError, ThawError};
use crate::plan::{Plan, Process};
use crate::remote::Remote;
use files::Kept;
use kconv_image::Image;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs::File;
use std::time::{Duration, Instant};

/// A process in the making.
pub(crate) struct Body<'p> {
    pub(crate) process: &'p Process,
    /// Its threads, as the plan orders them.
    pub(crate) threads: Vec<Remote>,
    /// Its memory.
    pub(crate) memory: File,
}

impl Body<'_> {
    /// The first thread, in which the calls are made that are for the whole process.
    pub(crate) fn first(&self) -> &Remote {
        &self.threads[0]
    }
}

/// Everything that was made so far; all of it is killed unless it is let go.
#[derive(Default)]
struct Made {
    pids: Vec<Pid>,
}

impl Made {
    fn note(&mut self, pid: Pid) {
        self.pids.push(pid);
    }

    /// Kills one and waits until it is gone.
    fn end(&mut self, pid: Pid) {
        self.pids.retain(|known| *known != pid);
        end(pid);
    }

    /// Lets all of it run.
    fn let_go(mut self, stopped: impl Fn(Pid) -> Option<Signal>) -> Result<(), CallError> {
        for pid in &self.pids {
            ptrace::detach(*pid, stopped(*pid)).map_err(|error| CallError::new("ptrace", error))?;
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

/// Makes everything, and lets it run. Returns the time that took, and what could not be made as it
/// was.
pub(crate) fn make(
    plan: &Plan,
    image: &Image,
    rule: ClockRule,
) -> Result<(Duration, Vec<Dropped>), ThawError> {
    let first = plan.processes[0].pid;
    let kept = Kept::open(plan, image.head())?;
    let since = Instant::now();
    let mut made = Made::default();
    let mut dropped = Vec::new();
    let clocks = clocks::enter(rule, &plan.frozen).map_err(failed(first, "the clocks"))?;
    let (mut bodies, vdso) = tree::make(plan, &mut made)?;
    let pages = File::open(image.path())
        .map_err(|error| failed(first, "opening the image")(CallError::io("open", &error)))?;
    for body in &mut bodies {
        let pid = body.process.pid;
        memory::make(body, image, &pages, &kept, &vdso).map_err(failed(pid, "its memory"))?;
        files::install(body, plan, image.head(), &kept).map_err(failed(pid, "its open files"))?;
        thread::start(body, &mut made)?;
        thread::part_folders(body, image.head(), &kept)?;
        files::settle(body, &kept).map_err(failed(pid, "its locks"))?;
    }
    drop(kept);
    for body in &bodies {
        process::make(body, &clocks, &mut dropped)
            .map_err(failed(body.process.pid, "its signals and timers"))?;
        for (remote, thread) in body.threads.iter().zip(&body.process.threads) {
            thread::make(remote, &body.memory, thread)
                .map_err(failed(thread.tid, "its attributes"))?;
        }
    }
    for body in &bodies {
        process::finish(body, plan, &clocks, &mut dropped)
            .map_err(failed(body.process.pid, "its timers"))?;
        thread::finish(body, plan, &clocks).map_err(failed(body.process.pid, "its registers"))?;
    }
    let stop = |pid: Pid| {
        let mut stopped = plan.processes.iter().filter(|one| one.pid == pid.as_raw());
        let signal = stopped.find_map(|process| process.stopped)?;
        Signal::try_from(signal).ok()
    };
    made.let_go(stop).map_err(failed(first, "letting it go"))?;
    Ok((since.elapsed(), dropped))
}
