//! The tasks of an image, of whichever family its kernel is.

use super::error::TasksError;
use super::show::Row;
use super::view::View;
use super::{linux6, linux24};
use kconv_image::Head;
use std::io::Write;

/// All tasks of an image.
pub(crate) enum Tasks {
    Linux24(Vec<linux24::Task>),
    Linux6(Vec<linux6::Task>),
}

impl Tasks {
    /// Puts the tasks together from the objects of `view`.
    ///
    /// # Errors
    /// [`TasksError`] for a family that is not known, or a structure that cannot be read.
    pub(crate) fn of(view: &View<'_>) -> Result<Tasks, TasksError> {
        Ok(match view.objects.head().identity.family.as_str() {
            kconv_resources::linux24::FAMILY => Tasks::Linux24(linux24::tasks(&view.objects)?),
            kconv_resources::linux6::FAMILY => Tasks::Linux6(linux6::tasks(&view.objects)?),
            family => {
                return Err(TasksError::UnknownFamily {
                    image: view.objects.image().path().to_owned(),
                    family: family.to_owned(),
                });
            }
        })
    }

    pub(crate) fn rows(&self) -> Vec<Row> {
        match self {
            Tasks::Linux24(tasks) => tasks.iter().map(linux24::show::row).collect(),
            Tasks::Linux6(tasks) => tasks.iter().map(linux6::show::row).collect(),
        }
    }

    /// Keeps the task with this number alone.
    pub(crate) fn keep(&mut self, pid: i64) {
        match self {
            Tasks::Linux24(tasks) => tasks.retain(|task| task.pid == pid),
            Tasks::Linux6(tasks) => tasks.retain(|task| task.identity.pid == pid),
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        match self {
            Tasks::Linux24(tasks) => serde_json::json!(tasks),
            Tasks::Linux6(tasks) => serde_json::json!(tasks),
        }
    }

    /// Every task with all there is, as text.
    pub(crate) fn show(&self, out: &mut impl Write, head: &Head) -> std::io::Result<()> {
        match self {
            Tasks::Linux24(tasks) => tasks
                .iter()
                .try_for_each(|task| linux24::show::one(out, head, task)),
            Tasks::Linux6(tasks) => tasks
                .iter()
                .try_for_each(|task| linux6::show::one(out, head, task)),
        }
    }
}
