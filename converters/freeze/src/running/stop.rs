//! Stopping tasks at the boundary of user mode, and letting them run on.
//!
//! Every thread is seized and interrupted (ptrace(2), PTRACE_SEIZE and PTRACE_INTERRUPT): it
//! leaves a system call with the number that has it restarted, and stops where a signal would be
//! delivered. No signal is sent, so that the program notices nothing but the time. Should this
//! process die, the kernel lets the threads run on.
//!
//! A thread that stops in the code of the kernel's that each program has (the vDSO) is let out of
//! it first: another kernel has other code there, in the middle of which nobody can go on.

use super::Chosen;
use super::error::StopError;
use super::freezer::{Cgroup, Freezing};
use super::tasks::{self, threads};
use super::traces::RobustLists;
use kconv_machine::{Interruptible, TaskStat};
use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::time::{Duration, Instant};

/// How long a thread may take to reach the boundary of user mode.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the end of killed processes is waited for.
const LAST_MOMENTS: Duration = Duration::from_secs(10);

/// How often a thread that stops within the vDSO is let run on for a moment. One that calls it all
/// the time is outside of it every few times; one that is still inside after all of these waits
/// there for something, and is frozen where it is.
const MOMENTS: u32 = 500;
const LONGEST_MOMENT: Duration = Duration::from_millis(5);

/// What a call returns inside the kernel that is to end with EINTR if a handler runs, and to begin anew if
/// none does (`include/linux/errno.h`).
const ERESTARTNOHAND: i64 = -514;

/// Threads that stand still as long as this value lives.
pub(super) struct Stopped {
    since: Instant,
    processes: BTreeSet<i32>,
    threads: BTreeMap<i32, Standing>,
    /// Threads that cannot be stopped.
    moving: BTreeMap<i32, Moving>,
}

/// A thread that does not stand still.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Moving {
    pub(super) process: i32,
    pub(super) why: Why,
}

/// Why a thread does not stand still.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// A process of this number traces it.
    Traced(i32),
    /// It does not come out of the kernel; the letter of its state.
    Stuck(char),
}

/// What became of the attempt to stop a thread.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Tried {
    /// It stands still, or was asked to.
    Yes,
    /// It has ended.
    Ended,
    /// It cannot be stopped.
    No(Why),
}

/// A thread that stands still.
struct Standing {
    process: i32,
    /// The letter of the state that it was in.
    state: u8,
}

impl Stopped {
    /// Stops the chosen processes.
    pub(super) fn stop(chosen: Chosen<'_>) -> Result<Stopped, StopError> {
        let mut stopped = Stopped {
            since: Instant::now(),
            processes: BTreeSet::new(),
            threads: BTreeMap::new(),
            moving: BTreeMap::new(),
        };
        match chosen {
            Chosen::Processes(pids) => {
                stopped.processes = existing(pids)?;
                stopped.stop_outside(Ok)?;
            }
            Chosen::Trees(pids) => {
                stopped.processes = existing(pids)?;
                stopped.stop_outside(|processes| Ok(tasks::with_descendants(&processes)?))?;
            }
            Chosen::Cgroup(path) => {
                let cgroup = Cgroup::new(path)?;
                stopped.processes = cgroup.processes()?;
                stopped.is_not_itself()?;
                let freezing = cgroup.freeze()?;
                stopped.stop_all(Some(&freezing), |_| cgroup.processes())?;
                drop(freezing);
                stopped.stop_outside(|_| cgroup.processes())?;
                if stopped.processes.is_empty() {
                    return Err(StopError::Empty {
                        path: path.to_owned(),
                    });
                }
            }
        }
        stopped.begin_anew();
        Ok(stopped)
    }

    /// Has calls begin anew that would end with EINTR because they were made to stop. What the kernel has
    /// for that is what pause(2) returns inside of it: EINTR if a handler runs, and otherwise once more.
    fn begin_anew(&self) {
        for (thread, standing) in &self.threads {
            let pid = Pid::from_raw(*thread);
            // One that has been killed meanwhile makes no more calls. A stop by a signal is the
            // program's own affair.
            let Ok(mut has) = ptrace::getregs(pid) else {
                continue;
            };
            let arguments = [has.rdi, has.rsi, has.rdx, has.r10, has.r8, has.r9];
            if standing.state != b'T' && ends_by_the_stop(has.orig_rax, has.rax, arguments) {
                has.rax = ERESTARTNOHAND as u64;
                let _ = ptrace::setregs(pid, has);
            }
        }
    }

    /// Stops all threads as `stop_all` does, none of them within the vDSO.
    fn stop_outside(
        &mut self,
        refresh: impl Fn(BTreeSet<i32>) -> Result<BTreeSet<i32>, StopError>,
    ) -> Result<(), StopError> {
        for moment in 1..=MOMENTS {
            self.stop_all(None, &refresh)?;
            let inside = self.inside_vdso();
            if inside.is_empty() {
                break;
            }
            // On a busy machine it takes a while until the thread has its turn.
            let moment = LONGEST_MOMENT.min(Duration::from_micros(100) * moment);
            for thread in inside {
                self.run_on_for(moment, thread)?;
            }
        }
        // Who ran meanwhile may have made new threads.
        self.stop_all(None, &refresh)
    }

    /// The threads that stand within the vDSO and can be let run on: not those of which a signal
    /// has stopped the whole process.
    fn inside_vdso(&self) -> Vec<i32> {
        let vdso = |process: &i32| Some((*process, tasks::vdso(*process)?));
        let vdsos: BTreeMap<i32, Range<u64>> = self.processes.iter().filter_map(vdso).collect();
        let inside = |(thread, standing): (&i32, &Standing)| {
            let vdso = vdsos.get(&standing.process)?;
            // One that has been killed meanwhile stands nowhere.
            let registers = ptrace::getregs(Pid::from_raw(*thread)).ok()?;
            (standing.state != b'T' && vdso.contains(&registers.rip)).then_some(*thread)
        };
        self.threads.iter().filter_map(inside).collect()
    }

    /// Lets a thread run on, and stops it again.
    fn run_on_for(&mut self, moment: Duration, thread: i32) -> Result<(), StopError> {
        let pid = Pid::from_raw(thread);
        let refused = |error| StopError::Refused { tid: thread, error };
        let again = || {
            ptrace::cont(pid, None)?;
            std::thread::sleep(moment);
            // What it does now is what it is frozen in.
            let state = TaskStat::of(&thread.to_string()).map(|stat| stat.state);
            ptrace::interrupt(pid)?;
            Ok(state)
        };
        match again() {
            Ok(state) => {
                if let (Some(standing), Some(state)) = (self.threads.get_mut(&thread), state) {
                    standing.state = state;
                }
                self.await_stops(&[thread])
            }
            Err(Errno::ESRCH) => {
                self.threads.remove(&thread);
                Ok(())
            }
            Err(error) => Err(refused(error)),
        }
    }

    /// Stops all threads of the processes, which `refresh` looks up anew until no thread is found
    /// that is not yet stopped: who runs can make new ones meanwhile.
    fn stop_all(
        &mut self,
        freezing: Option<&Freezing<'_>>,
        refresh: impl Fn(BTreeSet<i32>) -> Result<BTreeSet<i32>, StopError>,
    ) -> Result<(), StopError> {
        loop {
            self.processes = refresh(std::mem::take(&mut self.processes))?;
            self.is_not_itself()?;
            if !self.stop_threads(freezing)? {
                return Ok(());
            }
        }
    }

    fn is_not_itself(&self) -> Result<(), StopError> {
        let own = std::process::id() as i32;
        match self.processes.contains(&own) {
            true => Err(StopError::Itself { pid: own }),
            false => Ok(()),
        }
    }

    pub(super) fn processes(&self) -> impl Iterator<Item = i32> + '_ {
        self.processes.iter().copied()
    }

    /// The letter of the state that a thread was in, if it was asked to stop.
    pub(super) fn state(&self, thread: i32) -> Option<u8> {
        let asked = self.threads.get(&thread).map(|standing| standing.state);
        asked.or_else(|| match self.moving.get(&thread)?.why {
            Why::Stuck(state) => Some(state as u8),
            Why::Traced(_) => None,
        })
    }

    /// The threads that could not be stopped.
    pub(super) fn moving(&self) -> &BTreeMap<i32, Moving> {
        &self.moving
    }

    /// Stops the threads that do not stand still yet. Returns whether there were any.
    fn stop_threads(&mut self, freezing: Option<&Freezing<'_>>) -> Result<bool, StopError> {
        let mut new = Vec::new();
        for process in &self.processes {
            // One that has ended meanwhile has no threads.
            for thread in threads(*process).unwrap_or_default() {
                if self.threads.contains_key(&thread) || self.moving.contains_key(&thread) {
                    continue;
                }
                let Some(stat) = TaskStat::of(&format!("{process}/task/{thread}")) else {
                    continue;
                };
                // What has ended does not change any more.
                if matches!(stat.state, b'Z' | b'X') {
                    continue;
                }
                let process = *process;
                match seize(thread)? {
                    Tried::Yes => {
                        let state = freezing.map_or(stat.state, |all| all.state_before(thread));
                        self.threads.insert(thread, Standing { process, state });
                        new.push(thread);
                    }
                    Tried::Ended => {}
                    Tried::No(why) => {
                        self.moving.insert(thread, Moving { process, why });
                    }
                }
            }
        }
        self.await_stops(&new)?;
        Ok(!new.is_empty())
    }

    /// Waits until threads that were asked to stop stand still, no longer than for one that does not.
    fn await_stops(&mut self, threads: &[i32]) -> Result<(), StopError> {
        let end = Instant::now() + PATIENCE;
        for thread in threads {
            let tried = wait(*thread, end)?;
            if tried == Tried::Yes {
                continue;
            }
            let standing = self.threads.remove(thread);
            if let (Tried::No(why), Some(Standing { process, .. })) = (tried, standing) {
                self.moving.insert(*thread, Moving { process, why });
            }
        }
        Ok(())
    }

    /// Lets the tasks run on. Returns how long they stood still.
    pub(super) fn run_on(self) -> Duration {
        let since = self.since;
        drop(self);
        since.elapsed()
    }

    /// The process that a thread which stands still is of.
    pub(super) fn process(&self, thread: i32) -> Option<i32> {
        Some(self.threads.get(&thread)?.process)
    }

    /// The threads that stand still, by their processes.
    pub(super) fn by_process(&self) -> BTreeMap<i32, Vec<i32>> {
        let processes = self.processes.iter();
        let mut all: BTreeMap<i32, Vec<i32>> = processes.map(|one| (*one, Vec::new())).collect();
        for (thread, stopped) in &self.threads {
            all.entry(stopped.process).or_default().push(*thread);
        }
        all
    }

    /// Kills the tasks, so that nobody sees it by `lists`, and waits until they have ended. Returns how long they
    /// stood still.
    ///
    /// # Errors
    /// If it would be seen; then they run on.
    pub(super) fn kill(self, lists: &RobustLists) -> Result<Killed, StopError> {
        // From here on they end together: should this process die before the last of them is killed,
        // none runs on, and none without the list of the futexes that it holds.
        for thread in self.threads.keys() {
            match ptrace::setoptions(Pid::from_raw(*thread), ptrace::Options::PTRACE_O_EXITKILL) {
                // One that somebody else has killed meanwhile is gone.
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => {
                    let tid = *thread;
                    return Err(StopError::Refused { tid, error });
                }
            }
        }
        let kept = |(pid, source)| StopError::Kept { pid, source };
        lists.empty().map_err(kept)?;
        for process in &self.processes {
            // One that has ended needs no killing.
            let _ = kill(Pid::from_raw(*process), Signal::SIGKILL);
        }
        let pause = self.since.elapsed();
        let end = Instant::now() + LAST_MOMENTS;
        // Who traces a thread is told of its end before anybody else, and the thread is there until then.
        let threads: Vec<i32> = self.threads.keys().copied().collect();
        await_ends(threads, end);
        Ok(Killed {
            pause,
            lingering: lingering(self.processes.clone(), end),
        })
    }
}

/// Tasks that were killed.
pub(super) struct Killed {
    /// How long they stood still before.
    pub(super) pause: Duration,
    /// Processes of them that have not ended yet.
    pub(super) lingering: Vec<i32>,
}

/// Waits until killed threads that this process traces have ended, or until a time.
fn await_ends(mut threads: Vec<i32>, end: Instant) {
    let flags = WaitPidFlag::__WALL | WaitPidFlag::WNOHANG;
    loop {
        threads.retain(
            |thread| match waitpid(Pid::from_raw(*thread), Some(flags)) {
                Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => false,
                Ok(_) | Err(Errno::EINTR) => true,
                Err(_) => false,
            },
        );
        if threads.is_empty() || Instant::now() > end {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Which of killed processes have not ended at a time, if they have not all ended before. A thread whose time is
/// used up (SCHED_DEADLINE), one that waits for a disk, or one with much memory ends later than it is killed, and until
/// then keeps its number, its files and what is mounted there.
fn lingering(mut processes: BTreeSet<i32>, end: Instant) -> Vec<i32> {
    loop {
        processes.retain(|process| !is_over(*process));
        if processes.is_empty() || Instant::now() > end {
            return processes.into_iter().collect();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether a process only waits to be waited for, or is gone. Its first thread may have ended before the others.
fn is_over(process: i32) -> bool {
    let Ok(threads) = threads(process) else {
        return true;
    };
    threads
        .into_iter()
        .all(|thread| thread == process && has_ended(thread))
}

impl Drop for Stopped {
    fn drop(&mut self) {
        for thread in self.threads.keys() {
            // A thread that is gone cannot run on, and there is nobody to tell.
            let _ = ptrace::detach(Pid::from_raw(*thread), None);
        }
    }
}

/// Whether a thread whose system call returns this is at the end of one that would have waited on, had the
/// thread not been made to stop.
fn ends_by_the_stop(call: u64, returns: u64, arguments: [u64; 6]) -> bool {
    returns as i64 == -i64::from(Errno::EINTR as i32)
        && Interruptible::of(call).is_some_and(|call| call.is_endless(arguments))
}

/// The ids of processes, if there are such processes.
fn existing(pids: &[i32]) -> Result<BTreeSet<i32>, StopError> {
    match pids.iter().find(|pid| threads(**pid).is_err()) {
        Some(pid) => Err(StopError::NoProcess { pid: *pid }),
        None => Ok(pids.iter().copied().collect()),
    }
}

/// Waits until a thread stands still.
fn wait(thread: i32, end: Instant) -> Result<Tried, StopError> {
    let pid = Pid::from_raw(thread);
    let refused = |error| StopError::Refused { tid: thread, error };
    let flags = WaitPidFlag::__WALL | WaitPidFlag::WNOHANG;
    loop {
        match waitpid(pid, Some(flags)) {
            Ok(WaitStatus::PtraceEvent(..)) => {
                // The kernel answers once the thread is off its CPU, and the registers are in
                // memory (kernel/ptrace.c: ptrace_check_attach).
                match ptrace::getevent(pid) {
                    Ok(_) => return Ok(Tried::Yes),
                    // Killed meanwhile: its end is told next.
                    Err(Errno::ESRCH) => {}
                    Err(error) => return Err(refused(error)),
                }
            }
            // A signal is about to be delivered, and only this thread knows of it: it goes on
            // into the handler, and stops there. Its stop may have come in the place of the
            // one that was asked for (kernel/signal.c: ptrace_stop, any trap clears it).
            Ok(WaitStatus::Stopped(_, signal)) => {
                let again = ptrace::cont(pid, signal).and_then(|()| ptrace::interrupt(pid));
                match again {
                    Ok(()) | Err(Errno::ESRCH) => {}
                    Err(error) => return Err(refused(error)),
                }
            }
            Ok(WaitStatus::StillAlive) => {
                if Instant::now() > end {
                    let state =
                        TaskStat::of(&thread.to_string()).map_or('?', |stat| stat.state.into());
                    return Ok(Tried::No(Why::Stuck(state)));
                }
                std::thread::sleep(Duration::from_micros(200));
            }
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(Errno::ECHILD) => {
                return Ok(Tried::Ended);
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(refused(error)),
        }
    }
}

/// Asks a thread to stop.
fn seize(thread: i32) -> Result<Tried, StopError> {
    let pid = Pid::from_raw(thread);
    let refused = |error| StopError::Refused { tid: thread, error };
    match ptrace::seize(pid, ptrace::Options::empty()) {
        Ok(()) => {}
        Err(Errno::ESRCH) => return Ok(Tried::Ended),
        Err(error) => {
            let tid = thread;
            return Err(match tracer(thread) {
                Some(tracer) => return Ok(Tried::No(Why::Traced(tracer))),
                None if tasks::is_of_kernel(thread) => StopError::OfKernel { tid },
                // The kernel says so of a zombie too (kernel/ptrace.c: ptrace_attach).
                None if error == Errno::EPERM && has_ended(thread) => return Ok(Tried::Ended),
                None => refused(error),
            });
        }
    }
    match ptrace::interrupt(pid) {
        Ok(()) => Ok(Tried::Yes),
        Err(Errno::ESRCH) => Ok(Tried::Ended),
        Err(error) => Err(refused(error)),
    }
}

/// Whether a thread is a zombie, or gone.
fn has_ended(thread: i32) -> bool {
    TaskStat::of(&thread.to_string()).is_none_or(|stat| stat.has_ended())
}

/// The process that traces a thread.
fn tracer(thread: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    let mut lines = status.lines();
    let tracer = lines.find_map(|line| line.strip_prefix("TracerPid:"))?;
    tracer.trim().parse().ok().filter(|tracer| *tracer != 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::process::{Child, Command};

    fn child(program: &str, argument: &str) -> Child {
        Command::new(program).arg(argument).spawn().unwrap()
    }

    #[test]
    fn a_wait_that_the_stop_ended_begins_anew() {
        let eintr = -4_i64 as u64;
        // rt_sigtimedwait without and with a time limit, one that took a signal, and read.
        assert!(ends_by_the_stop(128, eintr, [1, 1, 0, 8, 0, 0]));
        assert!(!ends_by_the_stop(128, eintr, [1, 1, 0x7000, 8, 0, 0]));
        assert!(!ends_by_the_stop(128, 10, [1, 1, 0, 8, 0, 0]));
        assert!(!ends_by_the_stop(0, eintr, [0; 6]));
        assert!(!ends_by_the_stop(u64::MAX, eintr, [0; 6]));
    }

    #[test]
    fn a_zombie_is_no_thread_to_be_stopped() {
        let mut child = child("true", "");
        let pid = child.id() as i32;
        while !has_ended(pid) {
            std::thread::yield_now();
        }
        assert_eq!(seize(pid).unwrap(), Tried::Ended);
        child.wait().unwrap();
        assert_eq!(seize(pid).unwrap(), Tried::Ended);
    }

    #[test]
    fn killed_processes_have_ended() {
        let children = [child("sleep", "1000"), child("sleep", "1000")];
        let ids = |children: &[Child]| children.iter().map(|one| one.id() as i32).collect();
        let running: BTreeSet<i32> = ids(&children);
        assert_eq!(
            lingering(running.clone(), Instant::now()),
            Vec::from_iter(running.clone())
        );
        for mut child in children {
            child.kill().unwrap();
            // Nobody has looked at the first yet, and the second is gone.
            if running.first() != Some(&(child.id() as i32)) {
                child.wait().unwrap();
            }
        }
        assert_eq!(lingering(running, Instant::now() + PATIENCE), [0; 0]);
    }

    #[test]
    fn a_process_is_not_over_while_a_thread_of_it_is_there() {
        // The first thread ends, and leaves another.
        let script = "import os,threading,time\n\
            threading.Thread(target=time.sleep,args=(1000,)).start()\n\
            import ctypes; ctypes.CDLL(None).syscall(60, 0)";
        let mut child = Command::new("python3")
            .args(["-c", script])
            .spawn()
            .unwrap();
        let pid = child.id() as i32;
        while !has_ended(pid) {
            std::thread::yield_now();
        }
        let over = is_over(pid);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!over);
        assert!(is_over(pid));
    }

    #[test]
    fn what_was_killed_has_ended_with_all_its_threads() {
        let script = "import threading,time\n\
            threading.Thread(target=time.sleep,args=(1000,)).start()";
        let mut child = Command::new("python3")
            .args(["-c", script])
            .spawn()
            .unwrap();
        let pid = child.id() as i32;
        while threads(pid).unwrap().len() < 2 {
            std::thread::yield_now();
        }
        let stopped = Stopped::stop(Chosen::Processes(&[pid])).unwrap();
        assert_eq!(stopped.threads.len(), 2);
        let killed = stopped.kill(&RobustLists::default()).unwrap();
        // Who traces it is its parent here, and has looked.
        assert!(child.wait().is_err() && threads(pid).is_err());
        assert_eq!(killed.lingering, [0; 0]);
    }

    #[test]
    fn a_thread_that_stopped_for_a_signal_instead_is_asked_again() {
        let mut child = child("sleep", "1000");
        let thread = Pid::from_raw(child.id() as i32);
        // As if the stop for the signal had taken the place of the one that was asked for.
        ptrace::seize(thread, ptrace::Options::empty()).unwrap();
        kill(thread, Signal::SIGWINCH).unwrap();
        let result = wait(thread.as_raw(), Instant::now() + PATIENCE);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(matches!(result, Ok(Tried::Yes)), "{result:?}");
    }
}
