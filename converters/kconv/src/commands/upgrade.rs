//! `kconv upgrade`

mod boot;
mod groups;
mod next;
mod shown;

use super::{freeze, job, open};
use crate::arguments::{Start, Upgrade};
use crate::failure::Failure;
use crate::held;
use crate::judge::{self, Kept};
use crate::releases::Known;
use crate::report::Account;
use crate::style;
use crate::told::Told;
use crate::trust::{self, Purpose};
use groups::Group;
use kconv_freeze::{Afterwards, RunningError, freeze_running};
use kconv_image::{Holes, Image, TaskName};
use kconv_kexec::Loaded;
use kconv_machine::{has_five_levels, highest_of_boot, running_release};
use kconv_queue::{Entry, Queue, Record, State, Task};
use kconv_runtime::convert::{Job, convert as convert_image};
use kconv_runtime::report::Report;
use kconv_trust::{Config, MachineKey};
use kernel_structs::layout::Layout;
use shown::{Carried, Shown};
use std::cell::RefCell;
use std::ffi::CString;
use std::io::{self, Write};
use std::path::Path;

const COMMAND_LINE: &str = "/proc/cmdline";

/// What was carried as far as it can be without starting the next kernel.
struct Ready {
    /// The next kernel, loaded if it is to be started at once, and its release.
    kernel: Option<Loaded>,
    release: String,
    carried: Vec<Carried>,
}

/// An upgrade of all groups.
struct Upgrading<'a> {
    arguments: &'a Upgrade,
    config: &'a Config,
    releases: [&'a str; 2],
    job: &'a Job,
    /// How objects of the next kernel lie.
    layout: &'a Layout,
    key: Option<&'a MachineKey>,
    queue: &'a Queue,
    /// What is frozen and converted.
    ready: RefCell<Vec<Entry>>,
}

pub(crate) fn run(arguments: &Upgrade, config: Option<&Path>) -> Result<(), Failure> {
    let others = [arguments.kernel.as_path(), arguments.initrd.as_path()];
    let mut account = Account::begin("upgrade", arguments.report.as_deref(), &others)?;
    account.dry_run = arguments.dry_run;
    let ready = Config::read(config)
        .map_err(Failure::from)
        .and_then(|config| ready(arguments, &config, &mut account));
    if arguments.dry_run || ready.is_err() {
        let ready = account.close(ready)?;
        return print(arguments, &ready);
    }
    let ready = ready?;
    // The tasks are killed. That something cannot be told is no reason not to bring them over.
    let written = account.write(None);
    let printed = print(arguments, &ready);
    for error in [written.err(), printed.err()].into_iter().flatten() {
        style::warn(&error);
    }
    let started = match (ready.kernel, arguments.start) {
        (Some(kernel), _) => {
            kernel.keep();
            kconv_kexec::start()
        }
        (None, Start::Reboot) => kconv_kexec::reboot(),
        (None, _) => Ok(()),
    };
    match started {
        Ok(()) => Ok(()),
        Err(error) => {
            let upgrades = ready.carried.iter().map(|one| one.entry.name());
            let upgrades = upgrades.collect::<Vec<_>>().join(" ");
            account.close(Err(Failure::Start(error, upgrades)))
        }
    }
}

/// What can fail comes before the tasks are stopped, or else while they can still run on. They are
/// killed when their converted images are on disk and the next kernel is loaded.
fn ready(arguments: &Upgrade, config: &Config, account: &mut Account) -> Result<Ready, Failure> {
    let known = Known::new()?;
    let running = running_release().map_err(RunningError::from)?;
    account.kernels[0] = Some(running.clone());
    let release = kconv_kexec::release(&arguments.kernel)?;
    account.kernels[1] = Some(release.clone());
    let from = known.running(&running)?;
    let to = known.registry.release(&release, None, None)?;
    known.known_at_boot(to)?;
    let job = job(known.converters(&from, to)?, known.kernel(to)?);
    let queue = Queue::new(&arguments.queue.folder);
    let groups = groups::groups(arguments, &queue)?;

    let kernel = match arguments.start {
        Start::Kexec => Some(loaded(arguments, &running)?),
        Start::Reboot | Start::None => None,
    };
    let key = trust::own_key(config)?;
    let upgrading = Upgrading {
        arguments,
        config,
        releases: [&running, &release],
        job: &job,
        layout: &known.registry.layout(&to.layout)?,
        key: key.as_ref(),
        queue: &queue,
        ready: RefCell::default(),
    };
    let mut carried = upgrading.carry(&groups, &known, account)?;
    carried.reverse();
    carried.iter().for_each(|one| one.tell(account));
    Ok(Ready {
        kernel,
        release,
        carried,
    })
}

/// The next kernel, loaded by the one of release `running`.
fn loaded(arguments: &Upgrade, running: &str) -> Result<Loaded, Failure> {
    let command_line = match &arguments.command_line {
        Some(text) => text.clone(),
        None => read(COMMAND_LINE)?.trim_end().to_owned(),
    };
    let command_line = CString::new(command_line).map_err(|error| Failure::Path {
        path: String::from("--command-line"),
        source: error.into(),
    })?;
    let (kernel, initrd) = (&arguments.kernel, &arguments.initrd);
    let running = kconv_kexec::Running {
        release: running,
        five_levels: has_five_levels().map_err(RunningError::from)?,
    };
    Ok(Loaded::load(kernel, initrd, &command_line, running)?)
}

impl Upgrading<'_> {
    /// Freezes the first of the groups, and the others while its tasks stand still: nobody is killed before the images of
    /// all are whole, and what is in the way of one leaves all of them running. Returns them in the order in which they
    /// were killed, the last first.
    fn carry(
        &self,
        groups: &[Group],
        known: &Known,
        account: &mut Account,
    ) -> Result<Vec<Carried>, Failure> {
        let dry_run = self.arguments.dry_run;
        let Some((group, others)) = groups.split_first() else {
            if !dry_run {
                self.commit()?;
            }
            return Ok(Vec::new());
        };
        let mut entry = self
            .queue
            .begin(Record::new(self.releases[0], self.releases[1]))?;
        entry.record.unit.clone_from(&group.unit);
        let frozen = entry.frozen();
        account.image = Some(entry.next());
        let mut converted = None;
        let mut decide = || {
            let result = self
                .convert(&mut entry, known)
                .and_then(|(report, dropped)| {
                    Ok((report, dropped, self.carry(others, known, account)?))
                });
            let carried = result.is_ok() && !dry_run;
            converted = Some(result);
            carried
        };
        let mut kept = Kept::default();
        let done = freeze_running(
            known.registry,
            group.chosen(),
            freeze::programs(self.arguments.with_programs),
            &mut |image, _| kept.of_target(image, self.job, self.layout),
            Afterwards::KillIf(&mut decide),
            &frozen,
        );
        let judged = kept.conversion.take();
        // Where images were made and the tasks were not killed, nothing is left of them.
        let is_kept = done.is_ok() && matches!(converted, Some(Ok(_))) && !dry_run;
        if !is_kept {
            if !dry_run {
                held::release([&entry]);
            }
            entry.clone().remove()?;
        }
        let done = done.map_err(|error| kept.explain(error));
        let ended = match (done, converted) {
            (Ok(done), Some(Ok(converted))) => Ok((done, converted)),
            (Ok(_), Some(Err(failure))) => Err(failure),
            // A freeze that made an image asks what becomes of the tasks.
            (Ok(_), None) => Err(Failure::Undecided),
            (Err(failure), Some(Ok((.., others)))) if !dry_run => {
                for other in others {
                    style::warn(&Failure::Killed {
                        upgrade: other.entry.name(),
                    });
                }
                Err(failure)
            }
            (Err(failure), _) => Err(failure),
        };
        match ended {
            Ok((done, (report, mut dropped, mut others))) => {
                let mut warnings: Vec<Told> = done.lingering.iter().map(Told::lingers).collect();
                warnings.extend(numbers_of_boot(&report, highest_of_boot()));
                for told in &warnings {
                    // They are killed, whether anybody can read it or not.
                    let _ = told.write(&mut anstream::stderr().lock());
                }
                dropped.extend(warnings);
                others.push(Carried {
                    summary: done.summary,
                    pause: done.pause,
                    report,
                    dropped,
                    entry,
                });
                Ok(others)
            }
            Err(failure) => {
                if let Some(report) = judged.filter(|_| account.conversion.is_none()) {
                    account.converted(report);
                }
                Err(failure)
            }
        }
    }

    /// Notes that all are killed from here on, and that no death of theirs has systemd start them again. Nothing is noted,
    /// and they run on, if anything is in the way.
    fn commit(&self) -> Result<(), Failure> {
        let mut ready = self.ready.borrow_mut();
        held::hold(ready.iter())?;
        for index in 0..ready.len() {
            ready[index].record.state = State::Converted;
            if let Err(error) = ready[index].write() {
                for entry in &mut ready[..index] {
                    entry.record.state = State::Frozen;
                    entry.write().unwrap_or_else(|error| style::warn(&error));
                }
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Converts what was frozen. Returns what became of it, and what a thaw
    /// does not make as it was.
    fn convert(&self, entry: &mut Entry, known: &Known) -> Result<(Report, Vec<Told>), Failure> {
        let (frozen, next) = (entry.frozen(), entry.next());
        let image = open(&frozen, Holes::Any)?;
        boot::outlived(&image)?;
        let obstacles = judge::memory(&image, self.job, &known.layout_of(&image)?)?;
        if !obstacles.is_empty() {
            return Err(Failure::NotThawable(obstacles));
        }
        let converted = convert_image(&image, self.job, Some(&next), &mut |_, _| {})?;
        // Once they are killed it is too late to find that a thaw would not believe the image.
        let written = [
            (frozen.as_path(), Some(image.digest())),
            (next.as_path(), converted.digest),
        ];
        for (path, digest) in written {
            trust::own_place(path)?;
            trust::seal(path, digest, self.key)?;
            trust::admit(path, Purpose::Thaw, (false, Holes::Any), self.config)?;
        }
        let dropped = judge::dropped(&open(&next, Holes::Any)?, self.layout)?;
        if !self.arguments.dry_run {
            note(entry, &image, &converted.report);
            groups::still(&entry.record)?;
            self.ready.borrow_mut().push(entry.clone());
        }
        Ok((converted.report, dropped))
    }
}

/// Notes whom the next kernel has to bring back.
fn note(entry: &mut Entry, image: &Image, report: &Report) {
    let clocks = &image.head().clocks;
    let seconds = u64::try_from(clocks.realtime_seconds).unwrap_or(0);
    entry.record.stopped = seconds * 1000 + u64::from(clocks.realtime_nanoseconds / 1_000_000);
    let tasks = report.tasks.iter();
    let tasks = tasks.map(|task| Task {
        pid: task.pid,
        comm: task.comm.clone(),
    });
    entry.record.tasks = tasks.collect();
}

/// What is told of tasks whose numbers are not above the `highest` that boots give; `None` if there are none.
fn numbers_of_boot(report: &Report, highest: i32) -> Option<Told> {
    let tasks = report.tasks.iter().filter(|task| task.pid <= highest);
    let tasks = tasks.map(|task| TaskName {
        pid: task.pid.into(),
        comm: task.comm.clone(),
    });
    let tasks: Vec<TaskName> = tasks.collect();
    (!tasks.is_empty()).then(|| Told::numbers_of_boot(tasks, highest))
}

fn print(arguments: &Upgrade, ready: &Ready) -> Result<(), Failure> {
    if arguments.quiet {
        return Ok(());
    }
    let shown = Shown {
        carried: &ready.carried,
        kernel: (&ready.release, &arguments.kernel),
        who_thaws: next::who_thaws(Path::new("/"), &arguments.queue.folder),
        starts: match (arguments.start, arguments.dry_run) {
            (Start::None, _) => "is for you to start",
            (_, true) => "would start",
            (_, false) => "starts now",
        },
        dry_run: arguments.dry_run,
    };
    let out = &mut anstream::stdout().lock();
    shown.print(out, arguments.verbose)?;
    Ok(out.flush()?)
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
