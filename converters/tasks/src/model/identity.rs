//! Which task it is, and of what it is a part.

use super::pids::number;
use kconv_objects::{FieldError, Saved, Structure};

/// Place of the process group in `signal_struct.pids` (`include/linux/pid_types.h`: enum pid_type).
pub const PIDTYPE_PGID: usize = 2;
/// That of the session.
pub const PIDTYPE_SID: usize = 3;

/// `signal_struct.flags` (`include/linux/sched/signal.h`).
const SIGNAL_STOP_STOPPED: u64 = 1;
const SIGNAL_STOP_CONTINUED: u64 = 2;
const SIGNAL_GROUP_EXIT: u64 = 4;

/// Which thread it is. Numbers are those of the first PID namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its number.
    pub tid: i32,
    /// That of its process.
    pub pid: i32,
    /// Its name, up to the first NUL.
    pub comm: Vec<u8>,
    /// The process that its parent is in; `None` if that is not in the image.
    pub parent: Option<i32>,
    /// What the parent is sent when it ends; -1 for a thread that nobody is told of.
    pub exit_signal: i32,
    /// Its own wait status, once it has ended.
    pub exit_code: i32,
    /// Whether it has ended.
    pub has_ended: bool,
    /// What it is sent when its parent ends.
    pub parent_death_signal: i32,
    /// Execution domain.
    pub personality: u32,
    /// The user who logged in, and the number of the session that the auditor gave that; all ones if
    /// nobody did.
    pub login: [u32; 2],
}

/// What the threads of a process have in common (`struct signal_struct`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Common {
    /// Number of its process group; `None` if it is in none any more.
    pub group: Option<i32>,
    /// Number of its session.
    pub session: Option<i32>,
    /// The wait status of a process that ended as a whole, or the signal that stopped it.
    pub group_exit_code: i32,
    /// Whether it ended as a whole, or is about to.
    pub ends_as_a_whole: bool,
    /// Whether it was stopped by a signal.
    pub is_stopped: bool,
    /// Whether it goes on since it was stopped, and its parent has not looked at that (WCONTINUED).
    pub going_on_is_untold: bool,
    /// Whether orphans below it become its children.
    pub subreaper: bool,
    /// Whether a terminal that it has lost left a group of processes to be told of its end.
    pub has_old_group: bool,
    /// What its OOM score is adjusted by, and the least that it may be set to by who has no privilege.
    pub oom_score_adj: [i32; 2],
}

impl Identity {
    /// That of a task.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(task: &Saved<'_>) -> Result<Identity, FieldError> {
        let parent = task.follow("real_parent")?;
        let parent = parent.map(|parent| parent.int("tgid")).transpose()?;
        Identity::in_task(task, parent)
    }

    /// That of a `task_struct` whose parent is in this process.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn in_task<B: AsRef<[u8]>>(
        task: &Structure<'_, B>,
        parent: Option<i32>,
    ) -> Result<Identity, FieldError> {
        Ok(Identity {
            tid: task.int("pid")?,
            pid: task.int("tgid")?,
            comm: task.text("comm")?.to_vec(),
            parent,
            exit_signal: task.int("exit_signal")?,
            exit_code: task.int("exit_code")?,
            has_ended: task.unsigned("exit_state")? != 0,
            parent_death_signal: task.int("pdeath_signal")?,
            personality: task.unsigned("personality")? as u32,
            login: [
                task.unsigned("loginuid.val")? as u32,
                task.unsigned("sessionid")? as u32,
            ],
        })
    }

    /// The wait status of the process whose first thread it is, and which has ended
    /// (`kernel/exit.c`: wait_task_zombie).
    pub fn status(&self, common: &Common) -> i32 {
        match common.ends_as_a_whole {
            true => common.group_exit_code,
            false => self.exit_code,
        }
    }
}

impl Common {
    /// What a `signal_struct` says.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(signal: &Saved<'_>) -> Result<Common, FieldError> {
        let related = |kind: usize| -> Result<Option<i32>, FieldError> {
            let pid = signal.follow(&format!("pids[{kind}]"))?;
            pid.as_ref().map(number).transpose()
        };
        Common::in_signal(signal, related(PIDTYPE_PGID)?, related(PIDTYPE_SID)?)
    }

    /// What a `signal_struct` says of a process in this group and session.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn in_signal<B: AsRef<[u8]>>(
        signal: &Structure<'_, B>,
        group: Option<i32>,
        session: Option<i32>,
    ) -> Result<Common, FieldError> {
        let flags = signal.unsigned("flags")?;
        Ok(Common {
            group,
            session,
            group_exit_code: signal.int("group_exit_code")?,
            ends_as_a_whole: flags & SIGNAL_GROUP_EXIT != 0,
            is_stopped: flags & SIGNAL_STOP_STOPPED != 0,
            going_on_is_untold: flags & SIGNAL_STOP_CONTINUED != 0,
            subreaper: signal.unsigned("is_child_subreaper")? != 0,
            has_old_group: signal.unsigned("tty_old_pgrp")? != 0,
            oom_score_adj: [
                signal.int("oom_score_adj")?,
                signal.int("oom_score_adj_min")?,
            ],
        })
    }
}
