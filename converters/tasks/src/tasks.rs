//! The tasks of an image, of whichever family its kernel is.

use crate::error::TasksError;
use crate::show::{self, Row};
use crate::view::View;
use crate::{linux6, linux24};
use kconv_image::Head;
use kconv_objects::Objects;
use std::io::Write;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::panic::resume_unwind;
use std::thread;

/// From how many tasks on a thread is worth its start.
const WORTH_A_THREAD: usize = 256;

/// All tasks of an image.
pub struct Tasks(ByFamily);

enum ByFamily {
    Linux24(Vec<linux24::Task>),
    Linux6(Vec<linux6::Task>),
}

impl Tasks {
    /// Puts the tasks together from the objects of `view`.
    ///
    /// # Errors
    /// [`TasksError`] for a family that is not known, or a structure that cannot be read.
    pub fn of(view: &View<'_>) -> Result<Tasks, TasksError> {
        let all = 0..usize::MAX;
        Ok(Tasks(match view.objects.head().identity.family.as_str() {
            "linux-2.4" => {
                let mut tasks = Vec::new();
                linux24::each_task(&view.objects, all, &mut |task| tasks.push(task))?;
                ByFamily::Linux24(tasks)
            }
            "linux-6" => {
                let mut tasks = Vec::new();
                linux6::each_task(&view.objects, all, &mut |task| tasks.push(task))?;
                ByFamily::Linux6(tasks)
            }
            _ => return Err(unknown_family(&view.objects)),
        }))
    }

    /// Whether they can all be put together. Of each nothing is kept; of many, threads take a part each.
    ///
    /// # Errors
    /// As [`Tasks::of`].
    pub fn check(view: &View<'_>) -> Result<(), TasksError> {
        let count = view.objects.ids_of("task_struct").len();
        let threads = match count {
            0..WORTH_A_THREAD => 1,
            _ => thread::available_parallelism().map_or(1, NonZeroUsize::get),
        };
        let share = count.div_ceil(threads);
        let part = |number: usize| number * share..(number + 1) * share;
        thread::scope(|scope| {
            let others = (1..threads).map(|number| {
                let objects = view.objects.again();
                let check = move || check_some(&objects, part(number));
                (number, thread::Builder::new().spawn_scoped(scope, check))
            });
            let others: Vec<_> = others.collect();
            let first = check_some(&view.objects, part(0));
            let others = others.into_iter().map(|(number, other)| match other {
                Ok(other) => other.join().unwrap_or_else(|panic| resume_unwind(panic)),
                // There can be no more threads.
                Err(_) => check_some(&view.objects, part(number)),
            });
            // Of several errors that of the first task is told, as if there were no threads.
            std::iter::once(first).chain(others).collect()
        })
    }

    fn rows(&self) -> Vec<Row> {
        match &self.0 {
            ByFamily::Linux24(tasks) => tasks.iter().map(linux24::show::row).collect(),
            ByFamily::Linux6(tasks) => tasks.iter().map(linux6::show::row).collect(),
        }
    }

    /// Keeps the task with this number alone.
    pub fn keep(&mut self, pid: i64) {
        match &mut self.0 {
            ByFamily::Linux24(tasks) => tasks.retain(|task| task.pid == pid),
            ByFamily::Linux6(tasks) => tasks.retain(|task| task.identity.pid == pid),
        }
    }

    /// The numbers of all threads.
    pub fn pids(&self) -> Vec<i64> {
        self.rows().iter().map(|row| row.pid).collect()
    }

    /// All that is known of them.
    pub fn json(&self) -> serde_json::Value {
        match &self.0 {
            ByFamily::Linux24(tasks) => serde_json::json!(tasks),
            ByFamily::Linux6(tasks) => serde_json::json!(tasks),
        }
    }

    /// Writes what the image is, then its tasks as ps would list them.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn list(&self, out: &mut impl Write, head: &Head) -> std::io::Result<()> {
        show::list(out, head, &self.rows())
    }

    /// Writes every task with all there is, as text.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn show(&self, out: &mut impl Write, head: &Head) -> std::io::Result<()> {
        match &self.0 {
            ByFamily::Linux24(tasks) => tasks
                .iter()
                .try_for_each(|task| linux24::show::one(out, head, task)),
            ByFamily::Linux6(tasks) => tasks
                .iter()
                .try_for_each(|task| linux6::show::one(out, head, task)),
        }
    }
}

/// That the tasks in `which` can be put together.
fn check_some(objects: &Objects<'_>, which: Range<usize>) -> Result<(), TasksError> {
    match objects.head().identity.family.as_str() {
        "linux-2.4" => Ok(linux24::each_task(objects, which, &mut drop)?),
        "linux-6" => linux6::each_task(objects, which, &mut drop),
        _ => Err(unknown_family(objects)),
    }
}

fn unknown_family(objects: &Objects<'_>) -> TasksError {
    TasksError::UnknownFamily {
        image: objects.image().path().to_owned(),
        family: objects.head().identity.family.clone(),
    }
}
