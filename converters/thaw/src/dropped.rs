//! What a thaw cannot make as it was, though nothing fails by it: told by name.

mod calls;
mod opened;
mod relations;

pub(crate) use opened::WITH_POSITION;
pub(crate) use relations::of_group;

use crate::clocks::{Beat, ClockRule};
use crate::filled::Filled;
use crate::memfd::{F_SEAL_EXEC, knows_seal_exec};
use crate::plan::{LockStyle, Plan, Process, Thread, Timer};
use crate::used::{Copies, Policy, users};
use kconv_codes::Code;
use kconv_image::{Escaped, Head, ResourceId};
use kconv_machine::{Line, name_of_copy};
use kconv_resources::linux6::{File, Place, Resource};
use kconv_resources::{ReadFrom, Source};
use std::collections::BTreeSet;
use std::fmt;

/// State that thawed tasks do not have as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Its kind.
    pub code: Code,
    /// The task; `None` if it is all of them.
    pub task: Option<i32>,
    /// What it had.
    pub what: String,
    /// What it has instead.
    pub instead: String,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(task) = self.task {
            write!(f, "task {task}: ")?;
        }
        f.write_str(&self.text())
    }
}

impl Dropped {
    /// What it is, without the task.
    pub fn text(&self) -> String {
        format!("{}: {}", self.what, self.instead)
    }
}

/// What is known to be dropped before anything is made.
pub(crate) fn dropped(plan: &Plan, head: &Head, copies: &Copies, rule: ClockRule) -> Vec<Dropped> {
    let mut dropped = Vec::new();
    let mut all = |code, what: &str, instead: &str| {
        dropped.push(Dropped {
            code,
            task: None,
            what: what.to_owned(),
            instead: instead.to_owned(),
        });
    };
    // No system call sets them (kernel/fork.c: copy_process).
    all(
        Code::TaskStartTime,
        "start times",
        "the moment of the thaw, on the clocks that the tasks have",
    );
    all(
        Code::TaskAccounting,
        "CPU time used, faults, context switches and I/O, also of children that ended",
        "counted from 0",
    );
    all(Code::FdOpener, "users who opened its files", "root");
    // A confined program must not be unconfined without a word.
    let source = Source::read(&head.facts);
    if !source.is_ok_and(|source| source.read == Some(ReadFrom::RunningKernel)) {
        all(
            Code::TaskLabel,
            "labels of security modules, which a dump does not tell",
            "that of kconv",
        );
    }
    let mut resources = plan.resources.iter();
    if resources.any(|(_, one)| matches!(one, Resource::Keyring(_))) {
        all(Code::KeyRing, "keyrings", "those of kconv");
    }
    if rule == ClockRule::Machine {
        all(
            Code::ClockMachine,
            "CLOCK_MONOTONIC and CLOCK_BOOTTIME",
            "those of this machine; calls that wait are corrected, and a time that a program has \
             computed and kept is not",
        );
    }
    let in_common = Filled::by(plan, head, copies).in_common;
    if in_common > 0 {
        dropped.push(Dropped {
            code: Code::MmInCommon,
            task: None,
            what: "pages that processes have in common until one writes".to_owned(),
            instead: format!(
                "some are there more than once, {} KiB more in memory",
                in_common.div_ceil(1 << 10)
            ),
        });
    }
    for (id, tasks) in users(plan) {
        let file = plan.resources.file(id);
        if let (Some(difference), Some(file)) = (copies.get(&id), file) {
            let of_copy = |task| of_copy(task, file, difference);
            dropped.extend(tasks.iter().map(of_copy));
        }
        let of_nameless = |file| of_nameless(tasks.first().copied(), file);
        dropped.extend(file.into_iter().flat_map(of_nameless));
        if let Some(file) = file.filter(|_| head.contents_of(id).is_none())
            && let Some(what) = of_contents(file)
        {
            dropped.push(Dropped {
                code: Code::FileContents,
                task: tasks.first().copied(),
                what,
                instead: "those that it has on this machine, for a dump does not tell them"
                    .to_owned(),
            });
        }
    }
    dropped.extend(opened::of(plan, head));
    for process in &plan.processes {
        dropped.extend(relations::of(process));
        if let (Some(had), Some(has)) = (process.stopped, plan.stop_signal(process))
            && had != has
        {
            dropped.push(Dropped {
                code: Code::SignalStop,
                task: Some(process.pid),
                what: format!("stopped by signal {had}"),
                instead: format!("stopped by signal {has}, for {had} would not stop it here"),
            });
        }
        dropped.extend(of_stop(process).filter(|_| process.parent.is_some()));
        if process.has_old_group {
            dropped.push(Dropped {
                code: Code::SessionOldGroup,
                task: Some(process.pid),
                what: "the process group of a terminal that it has lost".to_owned(),
                instead: "none, which is not told of its end".to_owned(),
            });
        }
        dropped.extend(process.threads.iter().filter_map(of_slack));
        dropped.extend(calls::of(plan, process));
        let timers = process.timers.iter();
        dropped.extend(timers.filter_map(|timer| of_timer(process.pid, timer)));
        let [_, session] = process.login;
        if session != u32::MAX {
            dropped.push(Dropped {
                code: Code::TaskAuditSession,
                task: Some(process.pid),
                what: format!("number {session} of the auditor's session (sessionid)"),
                instead: "one of this machine".to_owned(),
            });
        }
        let flocks = process
            .locks
            .iter()
            .filter(|lock| lock.style == LockStyle::Flock);
        let others = flocks.filter(|lock| lock.pid != process.pid);
        dropped.extend(others.map(|lock| Dropped {
            code: Code::FdLockOwner,
            task: Some(process.pid),
            what: format!("a lock that process {} set (flock)", lock.pid),
            instead: "set by this one, which has the file open as well".to_owned(),
        }));
        let opened = process.descriptors.iter().map(|open| open.file);
        let opened: BTreeSet<ResourceId> = opened.map(|file| plan.files[file].resource).collect();
        let files = opened.iter().filter_map(|id| plan.resources.file(*id));
        dropped.extend(files.filter_map(|file| of_line(process.pid, file)));
    }
    dropped
}

/// What PR_SET_TIMERSLACK makes of 0: a task has it from the one that made it (`kernel/fork.c`:
/// copy_process), and the thaw makes all with the usual one.
fn of_slack(thread: &Thread) -> Option<Dropped> {
    // That of process 1, and so of whoever has not asked (init/init_task.c).
    const USUAL: u64 = 50_000;
    let [_, had] = thread.timer_slack;
    (had != USUAL && had != 0).then(|| Dropped {
        code: Code::TaskTimerSlack,
        task: Some(thread.tid),
        what: format!("{had} ns as the timer slack that it had at first"),
        instead: format!("{USUAL} ns"),
    })
}

/// What a file without a name has not as it was when it is made again.
fn of_nameless(task: Option<i32>, file: &File) -> Vec<Dropped> {
    let name = Escaped(&file.path);
    let told = |code, what, instead: &str| Dropped {
        code,
        task,
        what,
        instead: instead.to_owned(),
    };
    match file.place {
        Place::Unlinked { .. } => vec![told(
            Code::FdUnlinked,
            format!(
                "the inode number, extended attributes, flags (chattr(1)) and access list of {name}, which was unlinked"
            ),
            "those of a new file, which /proc shows by its number",
        )],
        Place::Memfd { seals } => {
            let number = told(
                Code::FdMemfd,
                format!("the inode number of {name}"),
                "that of a new file",
            );
            let is_lost = seals & F_SEAL_EXEC != 0 && !knows_seal_exec();
            let seal = is_lost.then(|| {
                let what = format!("that nobody can have {name} executed (F_SEAL_EXEC)");
                told(
                    Code::FdMemfd,
                    what,
                    "its mode, which its owner can change: this kernel has no such seal",
                )
            });
            [Some(number), seal].into_iter().flatten().collect()
        }
        Place::Mounted { .. } | Place::Copy => Vec::new(),
    }
}

/// The contents of a file that was in memory alone.
fn of_contents(file: &File) -> Option<String> {
    let is_lost = Policy::of(&file.inode.file_system) == Policy::Contents
        && file.is_regular()
        && file.build_id.is_none();
    is_lost.then(|| format!("contents of {}", Escaped(&file.path)))
}

/// What a parent knows of a stop, which nobody can tell the kernel. Whose parent is not in the image has one that was told
/// nothing.
fn of_stop(process: &Process) -> Option<Dropped> {
    let (what, instead) = if process.stop_is_told {
        let what = "that it is stopped";
        (
            what,
            "its parent, which had looked at that, is told of it again",
        )
    } else if process.going_on_is_untold {
        let what = "that it goes on since it was stopped";
        (
            what,
            "its parent, which had not looked at that, is not told of it",
        )
    } else {
        return None;
    };
    Some(Dropped {
        code: Code::SignalStopTold,
        task: Some(process.pid),
        what: what.to_owned(),
        instead: instead.to_owned(),
    })
}

/// A file that a task has mapped from the image.
fn of_copy(task: &i32, file: &File, difference: &str) -> Dropped {
    let path = &file.path;
    let name = name_of_copy(path).unwrap_or_default();
    Dropped {
        code: Code::FileKept,
        task: Some(*task),
        what: format!("{}, which is mapped", Escaped(path)),
        instead: format!(
            "the copy that the image has, which /proc calls /memfd:{}; {difference}",
            Escaped(&name)
        ),
    }
}

/// The settings of a line of the machine, which the boot made anew.
fn of_line(pid: i32, file: &File) -> Option<Dropped> {
    let number = file.device_number()?;
    (Line::at(number.major, number.minor) == Line::OfMachine).then(|| Dropped {
        code: Code::TerminalSettings,
        task: Some(pid),
        what: format!("settings of the terminal {}", Escaped(&file.path)),
        instead: "those that it has on this machine".to_owned(),
    })
}

fn of_timer(pid: i32, timer: &Timer) -> Option<Dropped> {
    let missed = timer.ignored;
    if missed > 0 {
        let what = format!(
            "timer {}: {missed} expiries that nobody was told of",
            timer.id
        );
        return Some(Dropped {
            code: Code::TimerMissed,
            task: Some(pid),
            what,
            instead: "not counted by timer_getoverrun".to_owned(),
        });
    }
    (timer.overrun_last > 0 && !timer.can_overrun()).then(|| overrun(pid, timer))
}

/// What is lost of a timer that has been late since before it could be set to.
pub(crate) fn late(pid: i32, timer: &Timer, beat: &Beat) -> Option<Dropped> {
    let Timer { id, interval, .. } = timer;
    let missed = beat.missed;
    let (code, what, instead) = match beat.kept {
        true if missed == 0 => return None,
        true => (
            Code::TimerMissed,
            format!("timer {id}: {missed} expiries from before this machine was booted"),
            "not counted by timer_getoverrun".to_owned(),
        ),
        false => (
            Code::TimerBeat,
            format!("timer {id}: its beat, and {missed} expiries"),
            format!("expires at once, and then every {interval} ns"),
        ),
    };
    Some(Dropped {
        code,
        task: Some(pid),
        what,
        instead,
    })
}

/// That timer_getoverrun says less than it did.
pub(crate) fn overrun(pid: i32, timer: &Timer) -> Dropped {
    Dropped {
        code: Code::TimerOverrun,
        task: Some(pid),
        what: format!(
            "timer {}: timer_getoverrun, which said {}",
            timer.id, timer.overrun_last
        ),
        instead: "0 until its signal is taken again".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clocks::BootClock;
    use crate::plan::{Expiry, Process};
    use crate::testing::head;

    fn timer() -> Timer {
        Timer {
            id: 3,
            clock: libc::CLOCK_MONOTONIC,
            notify: 0,
            signal: 34,
            value: 0,
            thread: 0,
            expires: Expiry::Boot(BootClock::Monotonic, 1000),
            interval: 100,
            waits_for_signal: false,
            overrun_last: 0,
            ignored: 0,
        }
    }

    fn text(timer: Timer) -> Option<String> {
        of_timer(7, &timer).map(|dropped| dropped.to_string())
    }

    #[test]
    fn counts_that_cannot_be_made_anew_are_told() {
        assert_eq!(text(timer()), None);
        // One that is set to have missed them.
        let overrun = Timer {
            overrun_last: 4,
            ..timer()
        };
        assert_eq!(text(overrun.clone()), None);
        let said =
            "task 7: timer 3: timer_getoverrun, which said 4: 0 until its signal is taken again";
        let waits = Timer {
            waits_for_signal: true,
            ..overrun.clone()
        };
        let of_cpu_time = Timer {
            expires: Expiry::After(5),
            ..overrun.clone()
        };
        let on_another_clock = Timer {
            clock: libc::CLOCK_REALTIME,
            ..overrun
        };
        for timer in [waits, of_cpu_time, on_another_clock] {
            assert_eq!(text(timer).as_deref(), Some(said));
        }
        let ignored = Timer {
            ignored: 2,
            ..timer()
        };
        let said =
            "task 7: timer 3: 2 expiries that nobody was told of: not counted by timer_getoverrun";
        assert_eq!(text(ignored).as_deref(), Some(said));
    }

    #[test]
    fn that_a_dump_tells_no_labels_is_told() {
        let labels = |facts: Vec<_>| {
            let head = Head {
                facts,
                ..head(Vec::new())
            };
            let plan = Plan::default();
            let all = dropped(&plan, &head, &Copies::new(), ClockRule::Suspended);
            let labels = all.iter().filter(|dropped| dropped.code == Code::TaskLabel);
            labels.count()
        };
        assert_eq!(
            labels(Source::read_from(ReadFrom::RunningKernel).facts()),
            0
        );
        assert_eq!(labels(Source::read_from(ReadFrom::MachineDump).facts()), 1);
        assert_eq!(labels(Vec::new()), 1);
    }

    #[test]
    fn another_signal_that_stops_is_told() {
        let stopped = |signal| {
            let plan = Plan {
                processes: vec![Process {
                    stopped: Some(signal),
                    ..Process::bare(7, None)
                }],
                ..Plan::default()
            };
            let all = dropped(
                &plan,
                &head(Vec::new()),
                &Copies::new(),
                ClockRule::Suspended,
            );
            let of_task = all.iter().filter(|dropped| dropped.task.is_some());
            of_task.map(ToString::to_string).collect::<Vec<_>>()
        };
        assert!(stopped(libc::SIGSTOP).is_empty());
        let said =
            "task 7: stopped by signal 20: stopped by signal 19, for 20 would not stop it here";
        assert_eq!(stopped(libc::SIGTSTP), [said]);
    }

    #[test]
    fn what_a_parent_knows_of_a_stop_is_told_if_there_is_one() {
        let told = |stop_is_told, going_on_is_untold, parent| {
            let child = Process {
                stop_is_told,
                going_on_is_untold,
                ..Process::bare(7, parent)
            };
            let plan = Plan {
                processes: vec![Process::bare(6, None), child],
                ..Plan::default()
            };
            let head = head(Vec::new());
            let all = dropped(&plan, &head, &Copies::new(), ClockRule::Suspended);
            let mut all = all.into_iter();
            let of_stop = all.find(|dropped| dropped.code == Code::SignalStopTold);
            of_stop.map(|dropped| dropped.to_string())
        };
        let again =
            "task 7: that it is stopped: its parent, which had looked at that, is told of it again";
        assert_eq!(told(true, false, Some(0)).as_deref(), Some(again));
        let never = "task 7: that it goes on since it was stopped: its parent, which had not looked at \
                     that, is not told of it";
        assert_eq!(told(false, true, Some(0)).as_deref(), Some(never));
        for (stop, goes_on, parent) in [
            (false, false, Some(0)),
            (true, false, None),
            (false, true, None),
        ] {
            assert_eq!(told(stop, goes_on, parent), None);
        }
    }

    #[test]
    fn what_is_late_since_before_the_boot_is_told() {
        let text = |beat: Beat| late(7, &timer(), &beat).map(|dropped| dropped.to_string());
        assert_eq!(text(Beat::of(500, 100, 450)), None);
        let said = "task 7: timer 3: 3 expiries from before this machine was booted: not counted by \
                    timer_getoverrun";
        assert_eq!(text(Beat::of(-230, 100, 450)).as_deref(), Some(said));
        let said =
            "task 7: timer 3: its beat, and 2 expiries: expires at once, and then every 100 ns";
        assert_eq!(text(Beat::of(-2230, 1000, 450)).as_deref(), Some(said));
    }
}
