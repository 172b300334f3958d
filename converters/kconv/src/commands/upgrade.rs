//! `kconv upgrade`

mod next;
mod shown;

use super::{freeze, job, open};
use crate::arguments::Upgrade;
use crate::failure::Failure;
use crate::judge::{self, Kept};
use crate::releases::Known;
use crate::report::Account;
use crate::style;
use crate::trust::{self, Purpose};
use kconv_freeze::{Afterwards, Chosen, RunningError, Summary, freeze_running};
use kconv_image::{Escaped, Holes, Image};
use kconv_kexec::Loaded;
use kconv_machine::running_release;
use kconv_queue::{Entry, Queue, Record, State, Task};
use kconv_resources::linux6::{Resource, Resources};
use kconv_runtime::convert::convert as convert_image;
use kconv_runtime::report::Report;
use kconv_trust::Config;
use shown::Shown;
use std::ffi::CString;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

const COMMAND_LINE: &str = "/proc/cmdline";

/// What was carried as far as it can be without starting the next kernel.
struct Carried {
    summary: Summary,
    pause: Duration,
    report: Report,
    /// The next kernel, loaded, and its release.
    kernel: Loaded,
    release: String,
    /// What waits for the thaw.
    entry: Entry,
}

pub(crate) fn run(arguments: &Upgrade, config: Option<&Path>) -> Result<(), Failure> {
    let others = [arguments.kernel.as_path(), arguments.initrd.as_path()];
    let mut account = Account::begin("upgrade", arguments.report.as_deref(), &others)?;
    account.dry_run = arguments.dry_run;
    let carried = Config::read(config)
        .map_err(Failure::from)
        .and_then(|config| carry(arguments, &config, &mut account));
    if arguments.dry_run || carried.is_err() {
        let carried = account.close(carried)?;
        return print(arguments, &carried, &account);
    }
    let carried = carried?;
    // The tasks are killed. That something cannot be told is no reason not to bring them over.
    let written = account.write(None);
    let printed = print(arguments, &carried, &account);
    for error in [written.err(), printed.err()].into_iter().flatten() {
        style::warn(&error);
    }
    carried.kernel.keep();
    match kconv_kexec::start() {
        Ok(()) => Ok(()),
        Err(error) => account.close(Err(Failure::Start(error, carried.entry.name()))),
    }
}

/// What can fail comes before the tasks are stopped, or else while they can still run on. They are
/// killed when their converted image is on disk and the next kernel is loaded.
fn carry(arguments: &Upgrade, config: &Config, account: &mut Account) -> Result<Carried, Failure> {
    let known = Known::new()?;
    let running = running_release().map_err(RunningError::from)?;
    account.kernels[0] = Some(running.clone());
    let release = kconv_kexec::release(&arguments.kernel)?;
    account.kernels[1] = Some(release.clone());
    let from = known.running(&running)?;
    let to = known.registry.release(&release, None, None)?;
    let job = job(known.converters(&from, to)?, known.kernel(to)?);

    let command_line = match &arguments.command_line {
        Some(text) => text.clone(),
        None => read(COMMAND_LINE)?.trim_end().to_owned(),
    };
    let command_line = CString::new(command_line).map_err(|error| Failure::Path {
        path: String::from("--command-line"),
        source: error.into(),
    })?;
    let kernel = Loaded::load(&arguments.kernel, &arguments.initrd, &command_line)?;

    let layout = known.registry.layout(&to.layout)?;
    let key = trust::own_key(config)?;
    let queue = Queue::new(&arguments.queue.folder);
    let mut entry = queue.begin(Record::new(&running, &release))?;
    let (frozen, next) = (entry.frozen(), entry.next());
    account.image = Some(next.clone());
    let mut converted = None;
    let mut decide = || {
        let result = open(&frozen, Holes::Any).and_then(|image| {
            outlive_a_boot(&image)?;
            let obstacles = judge::memory(&image, &job, &known.layout_of(&image)?)?;
            if !obstacles.is_empty() {
                return Err(Failure::NotThawable(obstacles));
            }
            let converted = convert_image(&image, &job, Some(&next), &mut |_, _| {})?;
            // Once they are killed it is too late to find that a thaw would not believe the image.
            let written = [
                (frozen.as_path(), Some(image.digest())),
                (next.as_path(), converted.digest),
            ];
            for (path, digest) in written {
                trust::own_place(path)?;
                trust::seal(path, digest, key.as_ref())?;
                trust::admit(path, Purpose::Thaw, (false, Holes::Any), config)?;
            }
            let dropped = judge::dropped(&open(&next, Holes::Any)?, &layout)?;
            if !arguments.dry_run {
                note(&mut entry, &image, &converted.report)?;
            }
            Ok((converted.report, dropped))
        });
        let carried = result.is_ok() && !arguments.dry_run;
        converted = Some(result);
        carried
    };
    let chosen = match arguments.tree {
        true => Chosen::Trees(&arguments.pids),
        false => Chosen::Processes(&arguments.pids),
    };
    let mut kept = Kept::default();
    let done = freeze_running(
        chosen,
        freeze::programs(arguments.with_programs),
        &mut |image, _| kept.of_target(image, &job, &layout),
        Afterwards::KillIf(&mut decide),
        &frozen,
    );
    let judged = kept.conversion.take();
    // Where images were made and the tasks were not killed, nothing is left of them.
    let is_kept = done.is_ok() && matches!(converted, Some(Ok(_))) && !arguments.dry_run;
    if !is_kept {
        entry.clone().remove()?;
    }
    let done = done.map_err(|error| kept.explain(error));
    let ended = done.and_then(|done| match converted {
        Some(Ok((report, dropped))) => Ok((done, report, dropped)),
        Some(Err(failure)) => Err(failure),
        // A freeze that made an image asks what becomes of the tasks.
        None => Err(Failure::Undecided),
    });
    let (done, report, dropped) = match ended {
        Ok(ended) => ended,
        Err(failure) => {
            if let Some(report) = judged {
                account.converted(report);
            }
            return Err(failure);
        }
    };
    freeze::figures(account, &done.summary, Some(done.pause));
    account.told = dropped;
    account.converted(report.clone());
    Ok(Carried {
        summary: done.summary,
        pause: done.pause,
        report,
        kernel,
        release,
        entry,
    })
}

/// Notes that the tasks are killed from here on, and whom the next kernel has to bring back.
fn note(entry: &mut Entry, image: &Image, report: &Report) -> Result<(), Failure> {
    let clocks = &image.head().clocks;
    let seconds = u64::try_from(clocks.realtime_seconds).unwrap_or(0);
    entry.record.stopped = seconds * 1000 + u64::from(clocks.realtime_nanoseconds / 1_000_000);
    let tasks = report.tasks.iter();
    let tasks = tasks.map(|task| Task {
        pid: task.pid,
        comm: task.comm.clone(),
    });
    entry.record.tasks = tasks.collect();
    entry.record.state = State::Converted;
    Ok(entry.write()?)
}

fn print(arguments: &Upgrade, carried: &Carried, account: &Account) -> Result<(), Failure> {
    if arguments.quiet {
        return Ok(());
    }
    let shown = Shown {
        summary: &carried.summary,
        pause: carried.pause,
        report: &carried.report,
        told: &account.told,
        entry: &carried.entry,
        kernel: (&carried.release, &arguments.kernel),
        who_thaws: next::who_thaws(Path::new("/"), &arguments.queue.folder),
        dry_run: arguments.dry_run,
    };
    let out = &mut anstream::stdout().lock();
    shown.print(out, arguments.verbose)?;
    Ok(out.flush()?)
}

/// That the tasks have nothing which ends with the machine's run: a terminal goes with its session.
fn outlive_a_boot(image: &Image) -> Result<(), Failure> {
    let resources = Resources::read(&image.head().resources);
    let mut terminals = resources.iter().filter_map(|(_, resource)| match resource {
        Resource::Terminal(terminal) => Some(terminal),
        _ => None,
    });
    match terminals.next() {
        Some(terminal) => Err(Failure::Terminal {
            name: Escaped(&terminal.name).to_string(),
        }),
        None => Ok(()),
    }
}

fn read(path: &str) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|source| path_error(Path::new(path), source))
}

fn path_error(path: &Path, source: io::Error) -> Failure {
    Failure::Path {
        path: path.display().to_string(),
        source,
    }
}
