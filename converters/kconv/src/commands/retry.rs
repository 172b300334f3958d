//! `kconv retry`

mod scope;

use super::job;
use super::thaw::{Made, Wanted, thaw};
use crate::arguments::Retry;
use crate::conversion;
use crate::failure::Failure;
use crate::releases::Known;
use crate::report::Account;
use crate::style;
use crate::told;
use crate::trust::{self, Admitted, Purpose};
use kconv_freeze::RunningError;
use kconv_image::Holes;
use kconv_machine::running_release;
use kconv_queue::{Entry, Queue, State};
use kconv_runtime::convert::Job;
use kconv_thaw::Choice;
use kconv_trust::Config;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Thaws what waits in the queue. That one upgrade is refused keeps none of the others from being thawed.
pub(crate) fn run(arguments: &Retry, config: Option<&Path>) -> Result<(), Failure> {
    let queue = Queue::new(&arguments.queue.folder);
    let config = Config::read(config)?;
    let running = running_release().map_err(RunningError::from)?;
    let out = &mut anstream::stdout().lock();
    let mut waiting = Vec::new();
    let entries = queue.named(&arguments.upgrades)?;
    let nothing = entries.iter().all(|entry| !entry.record.state.waits());
    for mut entry in entries
        .into_iter()
        .filter(|entry| entry.record.state.waits())
    {
        match again(&entry, &running, arguments, &config) {
            Ok(made) => {
                let after = now().saturating_sub(entry.record.stopped);
                thawed(&mut entry, &running, after);
                let adopted = scope::adopt(&entry.name(), &made.processes);
                if !arguments.quiet {
                    let tasks = entry.record.tasks.iter();
                    let tasks = told::tasks(tasks.map(|task| (task.pid, task.comm.as_str())));
                    let after = after as f64 / 1000.0;
                    let name = entry.name();
                    writeln!(out, "upgrade {name}: thawed after {after:.1} s: {tasks}")?;
                }
                match adopted {
                    Ok(Some(scope)) if !arguments.quiet => {
                        writeln!(out, "  in {scope}: `systemctl stop {scope}` ends them")?;
                    }
                    Ok(_) => {}
                    Err(error) => style::warn(&error),
                }
            }
            Err(failure) => {
                refused(&mut entry, &running, &failure);
                failure.print();
                waiting.push(entry.name());
            }
        }
    }
    if nothing && !arguments.quiet {
        writeln!(out, "nothing waits to be thawed")?;
    }
    out.flush()?;
    match waiting.is_empty() {
        true => Ok(()),
        false => Err(Failure::Waiting { upgrades: waiting }),
    }
}

/// Thaws an upgrade on the kernel that runs, whichever that is: the one that was to be started, the one that ran before,
/// or another, to which it is converted then.
fn again(
    entry: &Entry,
    running: &str,
    arguments: &Retry,
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
        clocks: arguments.clocks.rule(),
        again: arguments.again,
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

/// Notes that the tasks run. Whatever cannot be noted or removed is no reason to say that they do not.
fn thawed(entry: &mut Entry, running: &str, after: u64) {
    entry.record.state = State::Thawed {
        kernel: running.to_owned(),
        after,
    };
    if let Err(error) = entry.write().and_then(|()| entry.remove_images()) {
        style::warn(&error);
    }
}

/// Notes why they do not.
fn refused(entry: &mut Entry, running: &str, failure: &Failure) {
    let told = failure.told().into_iter().map(|told| told.to_string());
    entry.record.state = State::Refused {
        kernel: running.to_owned(),
        why: told.chain([failure.text()]).collect(),
    };
    if let Err(error) = entry.write() {
        style::warn(&error);
    }
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_millis() as u64)
}
