//! That the service of an upgrade waits for its thaw, or does not any more.

use crate::failure::Failure;
use crate::style;
use kconv_queue::Entry;
use kconv_units::{Held, Systemd, UnitError};
use std::path::PathBuf;

/// Has the services of `entries` wait, those that are of systemd: to start one is to thaw it.
///
/// # Errors
/// If systemd does not take it; then none of them waits.
pub(crate) fn hold(entries: &[&Entry]) -> Result<(), Failure> {
    let mut is_new = false;
    let written = entries
        .iter()
        .try_for_each(|entry| write(entry).map(|written| is_new |= written));
    let held = written.and_then(|()| match is_new {
        true => reload(),
        false => Ok(()),
    });
    if held.is_err() {
        release(entries);
    }
    held
}

/// Writes what has the service of an upgrade wait, as soon as systemd is told to [`reload`]. Returns whether it was not there.
///
/// # Errors
/// If it cannot be written; then none of it is there.
pub(crate) fn write(entry: &Entry) -> Result<bool, Failure> {
    match (&entry.record.unit, systemd_of(&[entry])) {
        (Some(unit), Some(_)) => Ok(Held::new(&entry.name(), unit).write(&program()?)?),
        _ => Ok(false),
    }
}

/// Has systemd, if it is here, read what was written.
///
/// # Errors
/// If it does not.
pub(crate) fn reload() -> Result<(), Failure> {
    let systemd = Systemd::booted();
    Ok(systemd.map_or(Ok(()), |systemd| systemd.reload())?)
}

/// Has the services of `entries` go on under their own settings. That one cannot be is told.
pub(crate) fn release(entries: &[&Entry]) {
    let Some(systemd) = systemd_of(entries) else {
        return;
    };
    for entry in entries {
        let unit = entry.record.unit.as_ref();
        let removed = unit.map_or(Ok(()), |unit| Held::new(&entry.name(), unit).remove());
        removed.unwrap_or_else(|error| style::warn(&error));
    }
    systemd.reload().unwrap_or_else(|error| style::warn(&error));
}

/// Gives the services of `entries` up: they are what they were before, and what is set of them for this boot goes where
/// nothing of them runs.
pub(crate) fn forget(entries: &[&Entry]) {
    if let Some(systemd) = systemd_of(entries) {
        for entry in entries {
            if let Some(unit) = &entry.record.unit {
                let removed = systemd.show(&unit.name, &["MainPID"]).and_then(|said| {
                    match said.number("MainPID") {
                        0 => Held::new(&entry.name(), unit).remove_own(),
                        _ => Ok(()),
                    }
                });
                removed.unwrap_or_else(|error| style::warn(&error));
            }
        }
    }
    release(entries);
}

/// The systemd that has to know; `None` if there is none, or nothing that it has to.
fn systemd_of(entries: &[&Entry]) -> Option<Systemd> {
    let mut units = entries
        .iter()
        .filter_map(|entry| entry.record.unit.as_ref());
    units.next().and_then(|_| Systemd::booted())
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
