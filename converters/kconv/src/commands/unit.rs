//! `kconv unit`: what systemd runs for a service that is thawed.

use super::queued;
use crate::arguments::{Clocks, OneUpgrade, Unit};
use crate::failure::Failure;
use crate::held;
use crate::style;
use kconv_freeze::RunningError;
use kconv_machine::running_release;
use kconv_queue::{Entry, FOLDER, IfRefused, Queue, State};
use kconv_trust::Config;
use kconv_units::{Held, Systemd, Wait, boot_id};
use std::io::{self, Write};
use std::path::Path;

pub(crate) fn run(unit: &Unit, config: Option<&Path>) -> Result<(), Failure> {
    match unit {
        Unit::Thaw(of) => thaw(entry(of)?, config),
        Unit::Settle(of) => settle(entry(of)?),
    }
}

/// An upgrade of the machine's own queue.
fn entry(of: &OneUpgrade) -> Result<Entry, Failure> {
    let named = [of.upgrade.clone()];
    let entries = Queue::new(Path::new(FOLDER)).named(&named)?;
    let entry = entries.into_iter().next();
    entry.ok_or(Failure::NoUnit {
        upgrade: of.upgrade.clone(),
    })
}

/// Thaws the service, whose only command this is: systemd takes the process that the file names for its main one when kconv
/// has ended.
fn thaw(mut entry: Entry, config: Option<&Path>) -> Result<(), Failure> {
    let upgrade = entry.name();
    let waits = entry.record.state.waits();
    let Some(unit) = entry.record.unit.as_mut().filter(|_| waits) else {
        return Err(Failure::NoUnit { upgrade });
    };
    // It is for this thaw alone.
    let wish = unit.wish.take();
    let unit = unit.clone();
    if wish.is_some() {
        entry.write()?;
    }
    if unit.boot == boot_id() && wish.is_none() {
        return Err(Failure::SameBoot { upgrade });
    }
    let running = running_release().map_err(RunningError::from)?;
    let (again, clocks) = wish.map_or((false, String::new()), |wish| (wish.again, wish.clocks));
    let clocks = Clocks::named(&clocks);
    let held = Held::new(&upgrade, &unit);
    let made = held.say_main().map_err(Failure::from).and_then(|()| {
        let config = Config::read(config)?;
        queued::made(&entry, &running, clocks, again, &config)
    });
    let is_over = match &made {
        Ok(_) => {
            queued::thawed(&mut entry, &running);
            // The journal, or nobody.
            let _ = writeln!(io::stdout(), "{}", queued::told(&entry));
            true
        }
        Err(failure) => {
            queued::refused(&mut entry, &running, failure);
            unit.if_refused == IfRefused::Fresh
        }
    };
    if let Some(systemd) = Systemd::booted().filter(|_| is_over) {
        // It comes when this service has been started, or has failed.
        let asked = systemd.start(&held.settles(), Wait::No);
        asked.unwrap_or_else(|error| style::warn(&error));
    }
    made.map(drop)
}

/// Ends what a thaw of a service left, in this boot or in one before, if nobody did; one that is in the middle of its start
/// is left.
///
/// # Errors
/// As what settles it in time.
pub(super) fn settled_late(entry: &Entry, systemd: &Systemd) -> Result<(), Failure> {
    let Some(unit) = &entry.record.unit else {
        return Ok(());
    };
    if !Held::new(&entry.name(), unit).is_there() {
        return Ok(entry.remove_images()?);
    }
    let said = systemd.show(&unit.name, &["ActiveState"])?;
    match said.value("ActiveState") {
        "activating" => Ok(()),
        _ => settle(entry.clone()),
    }
}

/// What became of the start of a service.
#[derive(Debug, PartialEq, Eq)]
enum Settled {
    /// It is what it was.
    Taken,
    /// Its processes were made, and systemd did not take the main one for it.
    NotTaken,
    /// The thaw was refused, and it is to be started afresh.
    Afresh,
    /// It waits on.
    Waits,
}

/// Lets the service go on under its own settings.
fn settle(mut entry: Entry) -> Result<(), Failure> {
    let upgrade = entry.name();
    let systemd = Systemd::booted().ok_or(Failure::NoSystemd)?;
    let Some(unit) = entry.record.unit.clone() else {
        return Err(Failure::NoUnit { upgrade });
    };
    let said = systemd.show(&unit.name, &["MainPID", "Result"])?;
    let is_main = said.number("MainPID") == unit.main;
    match settled(
        &entry.record.state,
        unit.if_refused,
        is_main,
        said.value("Result"),
    ) {
        Settled::Taken => {
            held::release([&entry]);
            let pid_file = Held::new(&upgrade, &unit).put_own_pid_file();
            pid_file.unwrap_or_else(|error| style::warn(&error));
            if let Err(error) = entry.remove_images() {
                style::warn(&error);
            }
            Ok(())
        }
        Settled::Afresh => {
            if let State::Refused { kernel, why } = entry.record.state {
                entry.record.state = State::Replaced { kernel, why };
            }
            queued::write(&entry);
            held::release([&entry]);
            Ok(systemd.start(&unit.name, Wait::No)?)
        }
        Settled::NotTaken => {
            let failure = Failure::UnitFailed { unit: unit.name };
            let kernel = running_release().map_err(RunningError::from)?;
            queued::refused(&mut entry, &kernel, &failure);
            Err(failure)
        }
        Settled::Waits => Err(Failure::NoUnit { upgrade }),
    }
}

/// What became of it: `is_main` if systemd has the process that was the main one for that, and `result` is how it says
/// that the service has ended or runs.
fn settled(state: &State, if_refused: IfRefused, is_main: bool, result: &str) -> Settled {
    match state {
        // One that had little to do has ended since.
        State::Thawed { .. } if is_main || result == "success" => Settled::Taken,
        State::Thawed { .. } => Settled::NotTaken,
        State::Refused { .. } if if_refused == IfRefused::Fresh => Settled::Afresh,
        _ => Settled::Waits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_settles_by_what_became_of_its_thaw() {
        let kernel = || "6.12.117".to_owned();
        let thawed = State::Thawed {
            kernel: kernel(),
            after: 1,
        };
        let refused = State::Refused {
            kernel: kernel(),
            why: Vec::new(),
        };
        let (wait, fresh) = (IfRefused::Wait, IfRefused::Fresh);
        for (state, if_refused, is_main, result, expected) in [
            (&thawed, wait, true, "success", Settled::Taken),
            // It was reloaded, which went wrong.
            (&thawed, fresh, true, "exit-code", Settled::Taken),
            (&thawed, wait, false, "success", Settled::Taken),
            (&thawed, fresh, false, "protocol", Settled::NotTaken),
            (&refused, fresh, false, "exit-code", Settled::Afresh),
            (&refused, wait, false, "exit-code", Settled::Waits),
            (&State::Converted, fresh, false, "success", Settled::Waits),
        ] {
            let found = settled(state, if_refused, is_main, result);
            assert_eq!(found, expected, "{state:?} {result}");
        }
    }
}
