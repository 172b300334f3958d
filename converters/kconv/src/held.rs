//! That the service of an upgrade waits for its thaw, or does not any more.

use crate::failure::Failure;
use crate::style;
use kconv_queue::Entry;
use kconv_units::{Held, Systemd, UnitError};
use std::path::PathBuf;

/// Has the services of `entries` wait, those that are of systemd: to start one is to thaw it. What is in the way of one
/// keeps none of the others from waiting.
///
/// # Errors
/// The first thing in the way.
pub(crate) fn hold<'e>(entries: impl IntoIterator<Item = &'e Entry>) -> Result<(), Failure> {
    let mut is_new = false;
    let mut failed = None;
    for entry in entries {
        match write(entry) {
            Ok(written) => is_new |= written,
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    if is_new {
        reload()?;
    }
    failed.map_or(Ok(()), Err)
}

/// Writes what has the service of an upgrade wait, as soon as systemd is told to [`reload`]. Returns whether it was not there.
///
/// # Errors
/// If it cannot be written; then none of it is there.
fn write(entry: &Entry) -> Result<bool, Failure> {
    match (&entry.record.unit, Systemd::booted()) {
        (Some(unit), Some(_)) => Ok(Held::new(&entry.name(), unit).write(&program()?)?),
        _ => Ok(false),
    }
}

/// Has systemd, if it is here, read what was written.
///
/// # Errors
/// If it does not.
fn reload() -> Result<(), Failure> {
    let systemd = Systemd::booted();
    Ok(systemd.map_or(Ok(()), |systemd| systemd.reload())?)
}

/// Has the services of `entries` go on under their own settings. That one cannot be is told.
pub(crate) fn release<'e>(entries: impl IntoIterator<Item = &'e Entry>) {
    let mut any = false;
    for entry in entries {
        if let (Some(unit), Some(_)) = (&entry.record.unit, Systemd::booted()) {
            any = true;
            let removed = Held::new(&entry.name(), unit).remove();
            removed.unwrap_or_else(|error| style::warn(&error));
        }
    }
    if any {
        reload().unwrap_or_else(|error| style::warn(&error));
    }
}

/// Gives the service of an upgrade up: it is what it was before. What is set of it for this boot goes where it does not
/// run, and no other upgrade has its processes.
pub(crate) fn forget(entry: &Entry, others: &[Entry]) {
    let Some((unit, systemd)) = entry.record.unit.as_ref().zip(Systemd::booted()) else {
        return;
    };
    let upgrade = entry.name();
    let held = Held::new(&upgrade, unit);
    let waits_elsewhere = others.iter().any(|other| {
        let of_other = other.record.unit.as_ref();
        other.record.state.waits() && of_other.is_some_and(|other| other.name == unit.name)
    });
    if !waits_elsewhere {
        let said = systemd.show(&unit.name, &["MainPID"]);
        let removed = said.and_then(|said| match said.number("MainPID") {
            0 => held.remove_own(),
            _ => Ok(()),
        });
        removed.unwrap_or_else(|error| style::warn(&error));
    }
    release([entry]);
}

/// This program.
fn program() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe();
    program.map_err(|source| {
        Failure::Unit(UnitError::File {
            path: PathBuf::from("/proc/self/exe"),
            source,
        })
    })
}
