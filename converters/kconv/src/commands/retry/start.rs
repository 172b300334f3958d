//! A service of systemd is thawed by being started.

use crate::arguments::Retry;
use crate::commands::queued;
use crate::failure::Failure;
use crate::held;
use kconv_queue::{Entry, Queue, State, Unit, Wish};
use kconv_units::{Systemd, Wait, boot_id};

/// Has systemd start the service of an upgrade, which thaws it. Returns what there is to say of it, when that was waited for.
///
/// # Errors
/// If a fresh copy of it runs; if it is of this boot and nobody asks for it; if it is not started, or not thawed.
pub(super) fn started(
    queue: &Queue,
    upgrade: &str,
    systemd: &Systemd,
    arguments: &Retry,
) -> Result<Option<String>, Failure> {
    let state = |unit: &Unit| systemd.show(&unit.name, &["ActiveState"]);
    let before = found(queue, upgrade)?.record.unit;
    let active = before.as_ref().map(state).transpose()?.unwrap_or_default();
    // It may be in the middle of its start, which notes that it is thawed before systemd has it for active.
    let mut entry = found(queue, upgrade)?;
    if !entry.record.state.waits() {
        return Ok(None);
    }
    let Some(unit) = &entry.record.unit else {
        return Err(none(upgrade));
    };
    let wait = match arguments.no_block {
        // systemd runs it by itself, where the next kernel may be about to be started.
        true if unit.boot == boot_id() => {
            let upgrade = upgrade.to_owned();
            return Err(Failure::SameBoot { upgrade });
        }
        true => Wait::No,
        false => Wait::Yes,
    };
    let name = unit.name.clone();
    match (active.value("ActiveState"), wait) {
        ("active" | "reloading" | "deactivating", _) => {
            return Err(Failure::UnitRuns {
                upgrade: upgrade.to_owned(),
                unit: name,
            });
        }
        // In this boot it was tried, and the record says why it is not there.
        ("failed", Wait::No) => return Err(Failure::UnitFailed { unit: name }),
        _ => {}
    }
    held::hold([&entry])?;
    if let (Wait::Yes, Some(unit)) = (wait, &mut entry.record.unit) {
        unit.wish = Some(Wish {
            again: arguments.again,
            clocks: arguments.clocks.name(),
        });
        entry.write()?;
    }
    let started = systemd.start(&name, wait);
    if wait == Wait::No {
        return Ok(started.map(|()| None)?);
    }
    let entry = found(queue, upgrade)?;
    match entry.record.state.clone() {
        State::Thawed { .. } => {
            started?;
            let told = queued::told(&entry);
            Ok(Some(format!("{told}\n  as {name}")))
        }
        State::Refused { why, .. } | State::Replaced { why, .. } => {
            Err(Failure::UnitRefused { unit: name, why })
        }
        _ => {
            started?;
            Err(Failure::UnitFailed { unit: name })
        }
    }
}

/// An upgrade as it is noted now.
fn found(queue: &Queue, upgrade: &str) -> Result<Entry, Failure> {
    let named = queue.named(&[upgrade.to_owned()])?;
    named.into_iter().next().ok_or_else(|| none(upgrade))
}

fn none(upgrade: &str) -> Failure {
    Failure::NoUnit {
        upgrade: upgrade.to_owned(),
    }
}
