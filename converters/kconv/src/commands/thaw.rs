//! `kconv thaw IMAGE`

use crate::arguments::Thaw;
use crate::failure::Failure;
use crate::releases::Known;
use crate::report::Account;
use crate::style;
use crate::thawed::{FOLDER, Note};
use crate::told::{Severity, Told, count};
use crate::trust::{self, Admitted, Purpose};
use kconv_image::Holes;
use kconv_thaw::{Choice, ClockRule, Summary};
use kconv_trust::Config;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// What is to be thawed, and how.
pub(super) struct Wanted<'a> {
    pub(super) image: &'a Path,
    pub(super) holes: Holes,
    /// Whether it is believed although nothing says that it can be.
    pub(super) trust_file: bool,
    pub(super) choice: Choice,
    pub(super) clocks: ClockRule,
    /// Whether processes are made that were made before.
    pub(super) again: bool,
    /// Whether nothing is made.
    pub(super) dry_run: bool,
}

/// What was made of it.
pub(super) struct Made {
    pub(super) summary: Summary,
    /// The ids of the processes.
    pub(super) processes: BTreeSet<i32>,
    /// How long it took, if it was made.
    time: Option<Duration>,
}

pub(crate) fn run(arguments: &Thaw, config: Option<&Path>) -> Result<(), Failure> {
    let report = arguments.report.as_deref();
    let mut account = Account::begin("thaw", report, &[&arguments.image])?;
    account.dry_run = arguments.dry_run;
    let wanted = Wanted {
        image: &arguments.image,
        holes: arguments.sparse.holes(),
        trust_file: arguments.trust_file,
        choice: arguments.choice(),
        clocks: arguments.clocks.rule(),
        again: arguments.again,
        dry_run: arguments.dry_run,
    };
    let thawed = Config::read(config)
        .map_err(Failure::from)
        .and_then(|config| thaw(&wanted, &config, &mut account));
    let Made { summary, time, .. } = account.close(thawed)?;
    if !arguments.quiet {
        let out = &mut anstream::stdout().lock();
        print(out, &summary, &account.told, time, arguments.verbose)?;
    }
    Ok(())
}

/// Thaws what is asked for.
pub(super) fn thaw(
    wanted: &Wanted<'_>,
    config: &Config,
    account: &mut Account,
) -> Result<Made, Failure> {
    let path = wanted.image;
    account.image = Some(path.to_owned());
    let Admitted { image, signers } = trust::admit(
        path,
        Purpose::Thaw,
        (wanted.trust_file, wanted.holes),
        config,
    )?;
    let freeze = image.head().freeze();
    let thaw = kconv_thaw::Thaw::new(Known::new()?.registry, image)?;
    account.kernels = thaw.releases().map(|release| Some(release.to_owned()));
    let thaw = thaw.choose(&wanted.choice)?.with_clocks(wanted.clocks);
    trust::bounds(path, &signers, thaw.plan(), config)?;
    let summary = thaw.summary();
    figures(account, &summary);
    let left_out: Vec<Told> = thaw.left_out().iter().map(Told::left_out).collect();
    let told = |dropped: &[kconv_thaw::Dropped]| {
        let dropped = dropped.iter();
        let dropped = dropped.map(|one| Told::dropped(one, |tid| thaw.task(tid)));
        left_out.iter().cloned().chain(dropped).collect()
    };
    account.told = told(&thaw.dropped());
    let processes = thaw.plan().processes.iter();
    let processes: BTreeSet<i32> = processes.map(|process| process.pid).collect();
    if wanted.dry_run {
        thaw.check()?;
        return Ok(Made {
            summary,
            processes,
            time: None,
        });
    }
    let note = match config.policy.thaw.once {
        true => Some(Note::make(
            Path::new(FOLDER),
            (path, freeze),
            &processes,
            wanted.again,
        )?),
        false => None,
    };
    let thawed = match (thaw.run(), note) {
        (Err(error), Some(note)) => {
            // What kept the tasks from being made is what there is to say.
            if let Err(left) = note.strike() {
                style::warn(&left);
            }
            return Err(error.into());
        }
        (thawed, _) => thawed?,
    };
    account.told = told(&thawed.dropped);
    account.figure("time-seconds", thawed.time.as_secs_f64());
    Ok(Made {
        summary,
        processes,
        time: Some(thawed.time),
    })
}

fn figures(account: &mut Account, summary: &Summary) {
    account.figure("processes", summary.processes);
    account.figure("threads", summary.threads);
    account.figure("ended", summary.ended);
    account.figure("mappings", summary.mappings);
    account.figure("pages", summary.pages);
    account.figure("files", summary.files);
}

/// The account of a thaw, which took that time if it was one; all that tasks do not have as it was if it
/// is to be `whole`.
fn print(
    out: &mut impl Write,
    summary: &Summary,
    told: &[Told],
    time: Option<Duration>,
    whole: bool,
) -> std::io::Result<()> {
    writeln!(
        out,
        "tasks     {} in {} processes, {} that have ended",
        summary.threads, summary.processes, summary.ended
    )?;
    writeln!(out, "mappings  {}", summary.mappings)?;
    writeln!(out, "pages     {}", summary.pages)?;
    writeln!(out, "files     {}", summary.files)?;
    if whole {
        for one in told {
            writeln!(out, "{:<9} {one}", one.severity.name())?;
        }
    } else {
        for (severity, what) in [
            (Severity::LeftOut, "of the processes of the image"),
            (Severity::Dropped, "of what the tasks had"),
        ] {
            let number = count(told, severity);
            if number > 0 {
                let name = severity.name();
                writeln!(
                    out,
                    "{name:<9} {number} {what} (-v or --report FILE says which)"
                )?;
            }
        }
    }
    match time {
        Some(time) => writeln!(out, "time      {:.1} ms", time.as_secs_f64() * 1000.0),
        None => writeln!(out, "nothing is in the way; nothing was made"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use kconv_codes::Code;
    use kconv_image::TaskName;

    fn printed(time: Option<Duration>, whole: bool) -> String {
        let summary = Summary {
            processes: 2,
            threads: 5,
            ended: 1,
            mappings: 80,
            pages: 1234,
            files: 6,
        };
        let told = |severity, code, pid: Option<i64>, text: &str| Told {
            severity,
            code,
            tasks: pid
                .map(|pid| TaskName {
                    pid,
                    comm: "sh".to_owned(),
                })
                .into_iter()
                .collect(),
            object: None,
            field: None,
            text: text.to_owned(),
            advice: None,
        };
        let told = [
            told(
                Severity::LeftOut,
                Code::TaskLeftOut,
                Some(9),
                "it is not made",
            ),
            told(
                Severity::Dropped,
                Code::TaskStartTime,
                None,
                "start times: now",
            ),
            told(Severity::Dropped, Code::FdOpener, Some(7), "opener: root"),
        ];
        let mut out = Vec::new();
        print(&mut out, &summary, &told, time, whole).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_account_of_a_thaw_is_short_unless_it_is_asked_for_whole() {
        let time = Some(Duration::from_micros(12_340));
        for short in [printed(time, false), printed(None, false)] {
            assert!((5..=8).contains(&short.lines().count()), "{short}");
        }
        insta::assert_snapshot!("a_thaw", printed(time, false));
        insta::assert_snapshot!("a_thaw_whole", printed(time, true));
        insta::assert_snapshot!("a_dry_run_of_a_thaw", printed(None, false));
    }
}
