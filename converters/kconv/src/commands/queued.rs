//! The thaw of what waits in the queue.

use super::job;
use super::thaw::{Made, Wanted, thaw};
use crate::conversion;
use crate::failure::Failure;
use crate::releases::Known;
use crate::report::Account;
use crate::style;
use crate::told;
use crate::trust::{self, Admitted, Purpose};
use kconv_image::Holes;
use kconv_queue::{Entry, QueueError, State};
use kconv_runtime::convert::Job;
use kconv_thaw::{Choice, ClockRule};
use kconv_trust::Config;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Thaws an upgrade on the kernel that runs, whichever that is: the one that was to be started, the one that ran before,
/// or another, to which it is converted then. Its tasks are made `again` if they were made before.
pub(super) fn made(
    entry: &Entry,
    running: &str,
    clocks: ClockRule,
    again: bool,
    config: &Config,
) -> Result<Made, Failure> {
    let mut account = Account::begin("retry", None, &[])?;
    let image = match running {
        next if next == entry.record.to => entry.next(),
        before if before == entry.record.from => entry.frozen(),
        other => converted(entry, other, config, &mut account)?,
    };
    let wanted = Wanted {
        image: &image,
        holes: Holes::Any,
        trust_file: false,
        choice: Choice::All,
        clocks,
        again,
        dry_run: false,
    };
    thaw(&wanted, config, &mut account)
}

/// The image for a kernel that nobody had thought of.
fn converted(
    entry: &Entry,
    running: &str,
    config: &Config,
    account: &mut Account,
) -> Result<PathBuf, Failure> {
    let known = Known::new()?;
    let believed = (false, Holes::Any);
    let Admitted { image, signers } =
        trust::admit(&entry.frozen(), Purpose::Convert, believed, config)?;
    let key = trust::own_key(config)?;
    let to = known.running(running)?;
    let job = Job {
        signers,
        ..job(known.way(&image, &to)?, known.kernel(&to)?)
    };
    let output = entry.other(running);
    conversion::write(
        &image,
        &job,
        (&output, key.as_ref()),
        account,
        &mut |_, _| {},
    )?;
    Ok(output)
}

/// Notes that the tasks run. That it cannot be noted is no reason to say that they do not.
pub(super) fn thawed(entry: &mut Entry, running: &str) {
    entry.record.state = State::Thawed {
        kernel: running.to_owned(),
        after: now().saturating_sub(entry.record.stopped),
    };
    write(entry);
}

/// Notes why they do not.
pub(super) fn refused(entry: &mut Entry, running: &str, failure: &Failure) {
    let told = failure.told().into_iter().map(|told| told.to_string());
    entry.record.state = State::Refused {
        kernel: running.to_owned(),
        why: told.chain([failure.text()]).collect(),
    };
    write(entry);
}

/// Writes what is noted of an upgrade; that it cannot be written is told.
pub(super) fn write(entry: &Entry) {
    entry.write().unwrap_or_else(|error| style::warn(&error));
}

/// That all records could be read. Each that could not be is told.
pub(super) fn readable(errors: Vec<QueueError>) -> Result<(), Failure> {
    let mut errors = errors.into_iter();
    let last = errors.next_back();
    errors.for_each(|error| style::warn(&error));
    last.map_or(Ok(()), |error| Err(error.into()))
}

/// An upgrade that was thawed, in a line.
pub(super) fn told(entry: &Entry) -> String {
    let record = &entry.record;
    let after = match record.state {
        State::Thawed { after, .. } => after as f64 / 1000.0,
        _ => 0.0,
    };
    let tasks = record.tasks.iter();
    let tasks = told::tasks(tasks.map(|task| (task.pid, task.comm.as_str())));
    let name = entry.name();
    format!("upgrade {name}: thawed after {after:.1} s: {tasks}")
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_millis() as u64)
}
