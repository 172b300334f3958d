//! What processes that are not frozen see of a kill: file locks are given to who waits for them, children are sent what
//! they asked for at their parent's death, and groups of stopped processes that are orphaned are hung up. Nothing undoes
//! that, and a thaw would find the lock taken and the children gone: it is refused before.

use super::tasks;
use crate::error::{Fault, Finding, Flaw, Place};
use crate::memory::Memory;
use crate::source::ReadError;
use crate::walk::{Selection, TaskAddress, task_addresses};
use kconv_codes::Code;
use kconv_machine::TaskStat;
use kernel_structs::state::StateMap;
use nix::errno::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::{fs, io};

/// All locks on files, and who waits for them (proc_locks(5)).
const LOCKS: &str = "/proc/locks";

/// What others would see of the end of `tasks`, which are the `threads` of the processes that are frozen.
pub(super) fn findings(
    memory: Memory<'_>,
    map: &StateMap,
    tasks: &[TaskAddress],
    threads: &BTreeMap<i32, Vec<i32>>,
) -> Vec<Finding> {
    let frozen: &BTreeSet<i32> = &threads.keys().copied().collect();
    let place = |process: i32| {
        let mut of = tasks.iter().filter(|task| task.pid == i64::from(process));
        of.next()
            .map_or_else(Place::default, |task| task.place.clone())
    };
    let (locks, all) = match (fs::read_to_string(LOCKS), tasks::all()) {
        (Ok(locks), Ok(all)) => (locks, all),
        // A kernel can be built without locks on files.
        (Err(error), Ok(all)) if error.kind() == io::ErrorKind::NotFound => (String::new(), all),
        (Err(error), _) => return vec![unread(LOCKS, error)],
        (_, Err(error)) => return vec![unread("/proc", error)],
    };
    let mut found = Vec::new();
    let mut add = |process: i32, code: Code, what: String| {
        found.push(Finding {
            place: place(process),
            flaw: Flaw::LeavesTrace { code, what },
        });
    };
    let mut unread_of = Vec::new();
    for (process, threads) in threads {
        let held = match locks_of(*process, threads) {
            Ok(held) => held,
            Err((name, error)) => {
                unread_of.push(unread(&name, error));
                continue;
            }
        };
        for waiter in waiters(&locks, &held).difference(frozen) {
            let waiter = match *waiter {
                OF_AN_OPEN_FILE => "somebody waits, of whom the kernel tells no number".to_owned(),
                waiter => format!("process {waiter} waits, which is not frozen"),
            };
            add(
                *process,
                Code::FdLockWaited,
                format!("a file lock for which {waiter},"),
            );
        }
    }
    for (process, group) in orphaned(&all, frozen) {
        let what = format!(
            "process group {group}, which is stopped, and which nobody in its session would be left to continue,"
        );
        add(process, Code::SignalOrphaned, what);
    }
    let mut untold = unread_of;
    let children = all.iter().filter(|(process, stat)| {
        frozen.contains(&stat.parent) && !frozen.contains(process) && !stat.has_ended()
    });
    for (child, stat) in children {
        match parent_death(memory, map, *child) {
            Ok(None) => {}
            Ok(Some(signal)) => {
                let what = format!(
                    "process {child}, which is not frozen and is sent signal {signal} at its parent's death,"
                );
                add(stat.parent, Code::SignalParentDeath, what);
            }
            // One that ended meanwhile is told of nothing.
            Err(_) if TaskStat::of(&child.to_string()).is_none() => {}
            Err(finding) => untold.push(*finding),
        }
    }
    found.extend(untold);
    found
}

/// What nobody can look at nobody knows to be without harm.
fn unread(name: &str, source: io::Error) -> Finding {
    Finding {
        place: Place::default(),
        flaw: Flaw::File {
            name: name.to_owned(),
            step: "read",
            source: ReadError::Io(source),
        },
    }
}

/// The signal that a thread of a process asked for at its parent's death (prctl(2), PR_SET_PDEATHSIG).
fn parent_death(
    memory: Memory<'_>,
    map: &StateMap,
    process: i32,
) -> Result<Option<i64>, Box<Finding>> {
    let selection = Selection::Processes(BTreeSet::from([process.into()]));
    for task in task_addresses(memory, map, &selection)? {
        let signal = memory
            .read("task_struct", task.at)
            .and_then(|view| Ok(view.signed("pdeath_signal")?));
        let signal = signal.map_err(|fault: Fault| Finding {
            place: task.place,
            flaw: fault.into(),
        })?;
        if signal != 0 {
            return Ok(Some(signal));
        }
    }
    Ok(None)
}

/// The locks that a process has on its open files, as `fdinfo` of its threads tells them: each without its number. The
/// first thread can have ended, and then has no files any more.
fn locks_of(process: i32, threads: &[i32]) -> Result<BTreeSet<String>, (String, io::Error)> {
    let mut locks = BTreeSet::new();
    for thread in threads {
        let folder = format!("/proc/{process}/task/{thread}/fdinfo");
        let failed = |error| (folder.clone(), error);
        let files = match fs::read_dir(&folder) {
            Ok(files) => files,
            // A thread that has ended meanwhile, killed by somebody else, has nothing.
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(failed(error)),
        };
        for file in files {
            match file.and_then(|file| fs::read_to_string(file.path())) {
                Ok(text) => locks.extend(text.lines().filter_map(lock_of_file)),
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }
    Ok(locks)
}

/// Whether a file of `/proc` cannot be read for its thread has ended (proc(5)).
fn is_gone(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw);
    matches!(code, Some(Errno::ENOENT | Errno::ESRCH))
}

/// `lock: 1: FLOCK  ADVISORY  WRITE 708 08:01:1234 0 EOF` → what is behind the number.
fn lock_of_file(line: &str) -> Option<String> {
    let (_, lock) = line.strip_prefix("lock:")?.split_once(": ")?;
    Some(spaced(lock))
}

fn spaced(words: &str) -> String {
    let words: Vec<&str> = words.split_ascii_whitespace().collect();
    words.join(" ")
}

/// The number of who waits for a lock that is an open file's own (F_OFD_SETLKW), which is nobody's.
const OF_AN_OPEN_FILE: i32 = -1;

/// Who waits for any of the locks `held`, by what `/proc/locks` says: behind each lock come those who wait for it,
/// under its number and marked with an arrow.
fn waiters(locks: &str, held: &BTreeSet<String>) -> BTreeSet<i32> {
    const PID: usize = 3;
    let mut waiters = BTreeSet::new();
    let mut is_held = false;
    for line in locks.lines() {
        let Some((_, lock)) = line.split_once(':') else {
            continue;
        };
        match lock.trim_start().strip_prefix("-> ") {
            None => is_held = held.contains(&spaced(lock)),
            Some(waiting) if is_held => {
                let pid = waiting.split_ascii_whitespace().nth(PID);
                waiters.extend(pid.and_then(|pid| pid.parse::<i32>().ok()));
            }
            Some(_) => {}
        }
    }
    waiters
}

/// Groups with a stopped process outside of `frozen` that are orphaned by the end of those, each with one of them that
/// keeps it from that (`kernel/exit.c`: kill_orphaned_pgrp, will_become_orphaned_pgrp).
fn orphaned(all: &BTreeMap<i32, TaskStat>, frozen: &BTreeSet<i32>) -> Vec<(i32, i32)> {
    let stays =
        |(process, stat): &(&i32, &TaskStat)| !frozen.contains(process) && !stat.has_ended();
    let stopped = all
        .iter()
        .filter(stays)
        .filter(|(_, stat)| stat.state == b'T');
    let groups: BTreeSet<i32> = stopped.map(|(_, stat)| stat.group).collect();
    // Who keeps a group: the parent of a member, in the same session and another group.
    let keeps = |group: i32, member: &TaskStat| {
        let parent = all.get(&member.parent)?;
        let keeps = member.parent != 1 && parent.group != group && parent.session == member.session;
        keeps.then_some(member.parent)
    };
    let of_group = |group: i32| {
        let members = all
            .iter()
            .filter(|(_, stat)| stat.group == group && !stat.has_ended());
        let mut left = members
            .clone()
            .filter(stays)
            .filter_map(|(_, stat)| keeps(group, stat));
        if left.any(|keeper| !frozen.contains(&keeper)) {
            return None;
        }
        let mut kept = members.filter_map(|(process, stat)| {
            let keeper = keeps(group, stat)?;
            // Whichever of the two ends.
            Some(if frozen.contains(&keeper) {
                keeper
            } else {
                *process
            })
        });
        Some((kept.next()?, group))
    };
    groups.into_iter().filter_map(of_group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_stands_behind_the_lock() {
        let locks = "1: POSIX  ADVISORY  WRITE 20 fe:00:12 0 EOF\n\
                     1:  -> POSIX  ADVISORY  WRITE 30 fe:00:12 0 EOF\n\
                     1:  -> POSIX  ADVISORY  READ 31 fe:00:12 5 9\n\
                     2: FLOCK  ADVISORY  WRITE 20 fe:00:13 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 25 fe:00:14 0 EOF\n\
                     3:  -> FLOCK  ADVISORY  WRITE 32 fe:00:14 0 EOF\n\
                     4: OFDLCK ADVISORY  WRITE -1 fe:00:15 0 EOF\n\
                     4:  -> OFDLCK ADVISORY  WRITE -1 fe:00:15 0 EOF\n";
        let of = |info: &str| waiters(locks, &info.lines().filter_map(lock_of_file).collect());
        let own = "pos:\t0\nflags:\t02\nlock:\t1: POSIX  ADVISORY  WRITE 20 fe:00:12 0 EOF\n\
                   lock:\t2: FLOCK  ADVISORY  WRITE 20 fe:00:13 0 EOF\n";
        assert_eq!(of(own), BTreeSet::from([30, 31]));
        // The number is not that of /proc/locks.
        let other = "lock:\t1: FLOCK  ADVISORY  WRITE 25 fe:00:14 0 EOF\n";
        assert_eq!(of(other), BTreeSet::from([32]));
        assert_eq!(of("pos:\t0\n"), BTreeSet::new());
        let nobody = "lock:\t1: OFDLCK ADVISORY  WRITE -1 fe:00:15 0 EOF\n";
        assert_eq!(of(nobody), BTreeSet::from([OF_AN_OPEN_FILE]));
    }

    #[test]
    fn a_thread_that_has_ended_has_no_locks_and_one_that_cannot_be_asked_is_an_error() {
        // No thread has number 0.
        let own = std::process::id() as i32;
        assert_eq!(locks_of(own, &[0]).expect("none"), BTreeSet::new());
        let denied = io::Error::from_raw_os_error(Errno::EACCES as i32);
        assert!(!is_gone(&denied));
    }

    #[test]
    fn a_lock_of_this_process_is_found_as_the_kernel_tells_it() {
        let file = tempfile::tempfile().expect("a file");
        file.lock().expect("a lock");
        let own = std::process::id() as i32;
        let own = locks_of(own, &[own]).expect("locks");
        let locks = fs::read_to_string(LOCKS).expect("locks");
        let told = locks.lines().filter_map(|line| line.split_once(": "));
        let told: BTreeSet<String> = told.map(|(_, lock)| spaced(lock)).collect();
        assert!(
            own.iter().any(|lock| told.contains(lock)),
            "{own:?} in {told:?}"
        );
    }

    fn stat(state: u8, parent: i32, group: i32) -> TaskStat {
        TaskStat {
            state,
            parent,
            group,
            session: 10,
            terminal: 0,
            flags: 0,
            started: 0,
        }
    }

    #[test]
    fn a_stopped_group_is_orphaned_by_the_end_of_who_could_continue_it() {
        // A shell, its job, which is stopped, and another job.
        let all = BTreeMap::from([
            (1, stat(b'S', 0, 1)),
            (10, stat(b'S', 1, 10)),
            (20, stat(b'T', 10, 20)),
            (21, stat(b'T', 20, 20)),
            (30, stat(b'S', 10, 30)),
        ]);
        let by = |frozen: &[i32]| orphaned(&all, &frozen.iter().copied().collect());
        assert_eq!(by(&[10]), [(10, 20)]);
        assert_eq!(by(&[30]), []);
        // Its first process, which alone has a parent in another group.
        assert_eq!(by(&[20]), [(20, 20)]);
        // All of it.
        assert_eq!(by(&[20, 21]), []);
        assert_eq!(by(&[10, 20, 21]), []);
        assert_eq!(by(&[10, 30]), [(10, 20)]);
        // A member whose parent is init has nobody who would continue it.
        let mut with_orphan = all.clone();
        with_orphan.insert(22, stat(b'T', 1, 20));
        assert_eq!(orphaned(&with_orphan, &BTreeSet::from([10])), [(10, 20)]);
        // One that was orphaned before, that runs, that has ended, or that is of another session.
        for (of, changed) in [
            (20, stat(b'T', 1, 20)),
            (
                20,
                TaskStat {
                    session: 11,
                    ..stat(b'T', 10, 20)
                },
            ),
        ] {
            let mut all = all.clone();
            all.insert(of, changed);
            assert_eq!(orphaned(&all, &BTreeSet::from([10])), []);
        }
        for state in [b'S', b'Z'] {
            let mut all = all.clone();
            all.insert(20, stat(state, 10, 20));
            all.insert(21, stat(state, 20, 20));
            assert_eq!(orphaned(&all, &BTreeSet::from([10])), []);
        }
    }
}
