//! What was found to be missing or in the way.

use crate::plan::{Plan, Process};
use kconv_codes::Code;
use kconv_image::{TaskName, TaskNames};
use std::collections::BTreeSet;
use std::fmt;

/// One thing that keeps tasks of an image from being made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// Its kind.
    pub code: Code,
    /// Where it lies.
    pub of: ObstacleOf,
    /// The tasks that need it; none if all do.
    pub tasks: Vec<TaskName>,
    /// What it is.
    pub resource: String,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
    /// What the user can do about it.
    pub advice: &'static str,
}

/// Where an [`Obstacle`] lies.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum ObstacleOf {
    /// In what the image holds: no machine with this kernel makes it, so that a freeze refuses it.
    Image,
    /// In objects of the image that make no sense, so that more than this can be wrong with them.
    Objects,
    /// In the machine, or in how kconv is run on it.
    Machine,
}

impl Obstacle {
    /// What it is, without the tasks.
    pub fn text(&self) -> String {
        let Obstacle {
            resource,
            found,
            expected,
            ..
        } = self;
        format!("{resource}: found {found}, expected {expected}")
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", TaskNames(&self.tasks), self.text())
    }
}

/// The obstacles to a plan that were found so far.
pub(super) struct Obstacles<'p> {
    plan: &'p Plan,
    of: ObstacleOf,
    list: Vec<Obstacle>,
}

impl<'p> Obstacles<'p> {
    pub(super) fn of(plan: &'p Plan, of: ObstacleOf) -> Obstacles<'p> {
        Obstacles {
            plan,
            of,
            list: Vec::new(),
        }
    }

    /// Adds one, of a task if it has a number. What several tasks need is one obstacle to all of them.
    pub(super) fn add(
        &mut self,
        code: Code,
        task: Option<i32>,
        resource: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
        advice: &'static str,
    ) {
        let tasks = task.map(|tid| self.plan.task(tid)).into_iter().collect();
        let new = Obstacle {
            code,
            of: self.of,
            tasks,
            resource: resource.into(),
            found: found.into(),
            expected: expected.into(),
            advice,
        };
        let same = |one: &&mut Obstacle| {
            one.code == new.code
                && one.text() == new.text()
                && one.advice == new.advice
                && one.tasks.is_empty() == new.tasks.is_empty()
        };
        match self.list.iter_mut().find(same) {
            Some(known) => {
                let more = new.tasks.into_iter();
                let more: Vec<TaskName> = more.filter(|task| !known.tasks.contains(task)).collect();
                known.tasks.extend(more);
            }
            None => self.list.push(new),
        }
    }

    pub(super) fn into_list(self) -> Vec<Obstacle> {
        self.list
    }
}

impl Plan {
    /// The processes that obstacles lie in; `None` if one lies in all.
    pub(crate) fn processes_of(&self, obstacles: &[Obstacle]) -> Option<BTreeSet<i32>> {
        let mut processes = BTreeSet::new();
        for obstacle in obstacles {
            if obstacle.tasks.is_empty() {
                return None;
            }
            for task in &obstacle.tasks {
                let has = |process: &&Process| {
                    let mut threads = process.threads.iter().map(|thread| thread.tid);
                    i64::from(process.pid) == task.pid
                        || threads.any(|tid| i64::from(tid) == task.pid)
                };
                processes.insert(self.processes.iter().find(has)?.pid);
            }
        }
        Some(processes)
    }
}

/// What to do about state that kconv cannot make.
pub(super) const NOT_YET: &str =
    "kconv cannot make this yet; let the program finish where it was frozen";
