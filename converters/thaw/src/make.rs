//! Making what a plan says, by system calls in the processes themselves.
//!
//! A *stub process*, a child of kconv, is stripped of all its memory but a page with the instruction
//! `syscall`, its trampoline, and what the kernel has mapped there. It makes the first processes, each process its
//! children, each with the number it had and with the memory that both have in common; then every process
//! builds its own state. All of them are
//! traced, and stand still until the last is ready.

mod blank;
mod cgroup;
mod clocks;
mod controls;
mod credentials;
mod events;
mod files;
mod journal;
mod ldt;
mod limits;
mod locks;
mod loops;
mod memory;
mod numbers;
mod pages;
mod permissions;
mod pipes;
mod process;
mod programs;
mod restored;
mod sockets;
mod thread;
mod timers;
mod tree;

use crate::call::CallError;
use crate::clocks::ClockRule;
use crate::contents::MadeFiles;
use crate::dropped::{Dropped, of_group};
use crate::error::ThawError;
use crate::inheritance::Inheritance;
use crate::plan::Plan;
use files::Kept;
use kconv_image::Image;
use memory::Sources;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpgid, getsid};
use pages::Store;
use restored::{Made, failed};
use std::time::{Duration, Instant};

/// Makes everything, and lets it run. Returns the time that took, and what could not be made as it
/// was.
pub(crate) fn make(
    plan: &Plan,
    image: &Image,
    rule: ClockRule,
) -> Result<(Duration, Vec<Dropped>), ThawError> {
    let made = make_all(plan, image, rule);
    if rule != ClockRule::Machine {
        // The tasks are there, or are not, whatever becomes of it; a program that cannot be started then says so.
        let _ = clocks::leave();
    }
    made
}

fn make_all(
    plan: &Plan,
    image: &Image,
    rule: ClockRule,
) -> Result<(Duration, Vec<Dropped>), ThawError> {
    let first = plan.processes[0].pid;
    let mut files_made = MadeFiles::default();
    limits::lift().map_err(failed(first, "the limits of kconv"))?;
    let kept = Kept::open(plan, image, &mut files_made)?;
    let since = Instant::now();
    let mut made = Made::default();
    let mut dropped = Vec::new();
    let clocks = clocks::enter(rule, &plan.frozen).map_err(failed(first, "the clocks"))?;
    loops::start(plan, &kept, &clocks).map_err(failed(first, "the timers that are read"))?;
    let inheritance = Inheritance::of(plan, image.head());
    let sources = Sources {
        image,
        pages: Store::open(image).map_err(failed(first, "opening the image"))?,
        kept: &kept,
    };
    let (mut processes, vdso) = tree::make(plan, &inheritance, &sources, &mut made)?;
    for restored in &mut processes {
        let pid = restored.process.pid;
        cgroup::join(restored.process, &plan.resources).map_err(failed(pid, "its cgroup"))?;
        controls::log_in(restored).map_err(failed(pid, "who logged in"))?;
        controls::adjust_oom_score(restored).map_err(failed(pid, "its OOM score"))?;
        memory::make(restored, &sources, &vdso).map_err(failed(pid, "its memory"))?;
        controls::register_barriers(restored).map_err(failed(pid, "its memory barriers"))?;
        files::leave(restored, &kept).map_err(failed(pid, "its open files"))?;
        loops::watch(restored, plan, &kept).map_err(failed(pid, "what its epolls wait for"))?;
        files::install(restored, plan, &kept).map_err(failed(pid, "its open files"))?;
        thread::start(restored, &mut made)?;
        thread::part_folders(restored, &kept)?;
        files::settle(restored, &kept).map_err(failed(pid, "its locks"))?;
    }
    drop(kept);
    for restored in &processes {
        process::make(restored, plan, &clocks, &mut dropped)
            .map_err(failed(restored.process.pid, "its signals and timers"))?;
        for (remote, thread) in restored.threads.iter().zip(&restored.process.threads) {
            thread::make(remote, &restored.memory, thread)
                .and_then(|()| controls::of_thread(remote, thread, &mut dropped))
                .map_err(failed(thread.tid, "its attributes"))?;
        }
    }
    for restored in &processes {
        process::finish(restored, plan, &clocks, &mut dropped)
            .map_err(failed(restored.process.pid, "its timers"))?;
    }
    for restored in &processes {
        thread::finish(restored, plan, &clocks)
            .map_err(failed(restored.process.pid, "its registers"))?;
    }
    for restored in &processes {
        let pid = restored.process.pid;
        process::signal(restored.process).map_err(failed(pid, "its signals"))?;
    }
    for process in processes.iter().map(|restored| restored.process) {
        let pid = Some(Pid::from_raw(process.pid));
        let is_in = getsid(pid).and_then(|session| Ok((session, getpgid(pid)?)));
        let (session, group) = is_in
            .map_err(|error| failed(process.pid, "its session")(CallError::new("getsid", error)))?;
        dropped.extend(of_group(process, session.as_raw(), group.as_raw()));
    }
    for thread in processes
        .iter()
        .flat_map(|restored| &restored.process.threads)
    {
        thread::schedule(thread).map_err(failed(thread.tid, "its scheduling"))?;
    }
    let stop = |pid: Pid| {
        let mut processes = plan.processes.iter();
        let process = processes.find(|process| process.pid == pid.as_raw())?;
        plan.stop_signal(process)
            .and_then(|signal| Signal::try_from(signal).ok())
    };
    made.let_go(stop).map_err(failed(first, "letting it go"))?;
    files_made.keep();
    Ok((since.elapsed(), dropped))
}
