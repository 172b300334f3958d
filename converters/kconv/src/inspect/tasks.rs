//! The tasks of an image, of whichever family its kernel is, and what families have in common.

use super::view::View;
use super::{linux6, linux24};
use crate::failure::Failure;
use kconv_image::{AddressSpace, Head, PAGE_SIZE, Resource, Value};
use std::io::Write;

/// All tasks of an image.
pub(crate) enum Tasks {
    Linux24(Vec<linux24::Task>),
    Linux6(Vec<linux6::Task>),
}

/// A task as `ps` would list it. Sizes are in KiB.
pub(crate) struct Row {
    pub(crate) pid: i64,
    pub(crate) ppid: i64,
    pub(crate) pgrp: i64,
    pub(crate) session: i64,
    pub(crate) uid: u64,
    pub(crate) state: char,
    pub(crate) rt_priority: u64,
    pub(crate) nice: i64,
    pub(crate) size: u64,
    pub(crate) resident: u64,
    pub(crate) files: usize,
    pub(crate) command: String,
}

impl Tasks {
    /// Puts the tasks together from the objects of `view`.
    pub(crate) fn of(view: &View) -> Result<Tasks, Failure> {
        Ok(match view.head().identity.family.as_str() {
            "linux-2.4" => Tasks::Linux24(linux24::tasks(view)),
            "linux-6" => Tasks::Linux6(linux6::tasks(view)?),
            family => {
                return Err(Failure::UnknownFamily {
                    image: view.image.path().to_owned(),
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

/// The path of a file resource.
pub(crate) fn path_of(resource: &Resource) -> Option<String> {
    resource.text("path").map(str::to_owned)
}

/// The attribute `name` of a resource, if it is a number.
pub(crate) fn number_of(resource: &Resource, name: &str) -> Option<i64> {
    match resource.get(name)? {
        Value::Unsigned(number) => Some(*number as i64),
        Value::Signed(number) => Some(*number),
        _ => None,
    }
}

/// Number of saved pages from `start` to `end`.
pub(crate) fn present(space: &AddressSpace, start: u64, end: u64) -> u64 {
    let after = space.runs.partition_point(|run| run.start.0 < end);
    space.runs[..after]
        .iter()
        .rev()
        .map(|run| {
            let run_end = run.start.0 + run.pages * PAGE_SIZE;
            run_end.min(end).saturating_sub(run.start.0.max(start)) / PAGE_SIZE
        })
        .take_while(|pages| *pages > 0)
        .sum()
}

/// A resource's or a fact's value as JSON.
pub(crate) fn value_json(value: &Value) -> serde_json::Value {
    use serde_json::json;
    match value {
        Value::Unsigned(number) => json!(number),
        Value::Signed(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::Bytes(bytes) => json!(bytes.iter().map(|b| format!("{b:02x}")).collect::<String>()),
        Value::Object(id) => json!({ "object": id.0 }),
        Value::Resource(id) => json!({ "resource": id.0 }),
        Value::List(values) => values.iter().map(value_json).collect(),
    }
}
