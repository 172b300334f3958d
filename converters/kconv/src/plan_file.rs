//! Plans in files.

use crate::failure::Failure;
use crate::owned::{self, Unread};
use kconv_runtime::table::Converter;
use std::path::Path;

/// The converter that carries out the plan in a file, which says what becomes of a task with its privileges, as a program
/// would.
pub(crate) fn read(path: &Path) -> Result<&'static Converter, Failure> {
    let bytes = owned::read(path, kconv_steps::LONGEST_PLAN).map_err(|error| match error {
        Unread::Io(error) => Failure::PlanUnreadable {
            path: path.to_owned(),
            error,
        },
        Unread::OfOthers(why) => Failure::PlanOfOthers {
            path: path.to_owned(),
            why,
        },
    })?;
    kconv_steps::read(&bytes).map_err(|error| Failure::Plan {
        path: path.to_owned(),
        error: Box::new(error),
    })
}
