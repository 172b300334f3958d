//! What was found to be missing or in the way.

use std::fmt;

/// One thing that keeps the tasks of an image from being made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The task that needs it; `None` if all do.
    pub task: Option<i32>,
    /// What it is.
    pub resource: String,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
    /// What the user can do about it.
    pub advice: &'static str,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(task) = self.task {
            write!(f, "task {task}: ")?;
        }
        write!(
            f,
            "{}: found {}, expected {}",
            self.resource, self.found, self.expected
        )
    }
}

/// The obstacles found so far.
#[derive(Default)]
pub(super) struct Obstacles(pub(super) Vec<Obstacle>);

impl Obstacles {
    pub(super) fn add(
        &mut self,
        task: Option<i32>,
        resource: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
        advice: &'static str,
    ) {
        let obstacle = Obstacle {
            task,
            resource: resource.into(),
            found: found.into(),
            expected: expected.into(),
            advice,
        };
        if !self.0.contains(&obstacle) {
            self.0.push(obstacle);
        }
    }
}

/// What to do about state that kconv cannot make.
pub(super) const NOT_YET: &str =
    "kconv cannot make this yet; let the program finish where it was frozen";
