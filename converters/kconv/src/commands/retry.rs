//! `kconv retry`

mod scope;
mod start;

use super::{queued, unit};
use crate::arguments::Retry;
use crate::failure::Failure;
use crate::style;
use kconv_freeze::RunningError;
use kconv_machine::running_release;
use kconv_queue::{Entry, Queue, State};
use kconv_trust::Config;
use kconv_units::Systemd;
use std::io::Write;
use std::path::Path;

/// Thaws what waits in the queue. That one upgrade is refused keeps none of the others from being thawed.
pub(crate) fn run(arguments: &Retry, config: Option<&Path>) -> Result<(), Failure> {
    let queue = Queue::new(&arguments.queue.folder);
    let config = Config::read(config)?;
    let running = running_release().map_err(RunningError::from)?;
    let systemd = Systemd::booted();
    let out = &mut anstream::stdout().lock();
    let mut waiting = Vec::new();
    let (entries, errors) = match arguments.upgrades.as_slice() {
        [] => queue.readable()?,
        named => (queue.named(named)?, Vec::new()),
    };
    if let Some(systemd) = &systemd {
        for entry in &entries {
            let is_thawed = matches!(entry.record.state, State::Thawed { .. });
            if is_thawed && !entry.is_settled() {
                unit::settled_late(entry, systemd).unwrap_or_else(|failure| failure.print());
            }
        }
    }
    let nothing = entries.iter().all(|entry| !entry.record.state.waits());
    for mut entry in entries
        .into_iter()
        .filter(|entry| entry.record.state.waits())
    {
        let done = match (&systemd, &entry.record.unit) {
            (Some(systemd), Some(_)) => start::started(&queue, &entry.name(), systemd, arguments),
            _ => thawed(&mut entry, &running, arguments, &config).map(Some),
        };
        match done {
            Ok(Some(told)) if !arguments.quiet => writeln!(out, "{told}")?,
            Ok(_) => {}
            Err(failure) => {
                failure.print();
                waiting.push(entry.name());
            }
        }
    }
    if nothing && !arguments.quiet {
        writeln!(out, "nothing waits to be thawed")?;
    }
    out.flush()?;
    queued::readable(errors)?;
    match waiting.is_empty() {
        true => Ok(()),
        false => Err(Failure::Waiting { upgrades: waiting }),
    }
}

/// Thaws what is no service, into a scope where systemd runs. Returns what there is to say of it.
fn thawed(
    entry: &mut Entry,
    running: &str,
    arguments: &Retry,
    config: &Config,
) -> Result<String, Failure> {
    let made = queued::made(
        entry,
        running,
        arguments.clocks.rule(),
        arguments.again,
        config,
    );
    let made = made.inspect_err(|failure| queued::refused(entry, running, failure))?;
    queued::thawed(entry, running);
    // Whatever cannot be removed is no reason to say that they do not run.
    if let Err(error) = entry.remove_images() {
        style::warn(&error);
    }
    let mut told = queued::told(entry);
    match scope::adopt(&entry.name(), &made.processes) {
        Ok(Some(scope)) => {
            told += &format!("\n  in {scope}: `systemctl stop {scope}` ends them");
        }
        Ok(None) => {}
        Err(error) => style::warn(&error),
    }
    Ok(told)
}
