//! The tasks of an image, of whichever family its kernel is.

use crate::error::TasksError;
use crate::show::{self, Row};
use crate::view::View;
use crate::{linux6, linux24};
use kconv_image::Head;
use std::io::Write;

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
        Ok(Tasks(match view.objects.head().identity.family.as_str() {
            "linux-2.4" => ByFamily::Linux24(linux24::tasks(&view.objects)?),
            "linux-6" => ByFamily::Linux6(linux6::tasks(&view.objects)?),
            family => {
                return Err(TasksError::UnknownFamily {
                    image: view.objects.image().path().to_owned(),
                    family: family.to_owned(),
                });
            }
        }))
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
