//! `kconv freeze`

use crate::arguments::Freeze;
use crate::failure::Failure;
use crate::judge::Kept;
use crate::style;
use kconv_freeze::{
    Afterwards, Chosen, Judge, OfDump, Summary, freeze_dump, freeze_running, freeze_vmcore,
};
use kconv_thaw::Obstacle;
use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

pub(crate) fn run(arguments: &Freeze) -> Result<(), Failure> {
    let mut kept = Kept::default();
    let frozen = freeze(arguments, &mut |image, layout| {
        kept.of_own_kernel(image, layout)
    });
    let (summary, pause) = match frozen {
        Ok(frozen) => frozen,
        Err(failure) => return Err(kept.explain(failure)),
    };
    // A dump is of a machine that is not this one.
    if pause.is_some() {
        warn(&kept.lacking)?;
    }
    if !arguments.quiet {
        let out = &mut anstream::stdout().lock();
        print(out, &summary, pause)?;
    }
    Ok(())
}

/// Says what a thaw on this machine would lack: elsewhere, or later, it may be there.
fn warn(lacking: &[Obstacle]) -> std::io::Result<()> {
    let (warning, advice) = (style::WARNING, style::ADVICE);
    let err = &mut anstream::stderr().lock();
    for obstacle in lacking {
        writeln!(
            err,
            "{warning}warning{warning:#}: a thaw on this machine would be refused: {obstacle}"
        )?;
        writeln!(err, "  {advice}= {}{advice:#}", obstacle.advice)?;
    }
    Ok(())
}

/// Freezes what is asked for. Returns what was made, and how long tasks stood still for it.
fn freeze(
    arguments: &Freeze,
    judge: &mut Judge<'_>,
) -> Result<(Summary, Option<Duration>), Failure> {
    let (pids, output) = (&arguments.pids, &arguments.output);
    Ok(match (&arguments.dump, &arguments.core) {
        (Some(dump), _) => {
            let wanted = OfDump {
                release: arguments.release.as_deref(),
                processes: pids,
                system_map: arguments.symbols.as_deref(),
            };
            (freeze_dump(dump, &wanted, judge, output)?, None)
        }
        (None, Some(core)) => (freeze_vmcore(core, pids, judge, output)?, None),
        (None, None) => {
            let afterwards = match arguments.kill {
                true => Afterwards::Kill,
                false => Afterwards::RunOn,
            };
            let chosen = match (&arguments.cgroup, arguments.tree) {
                (Some(path), _) => Chosen::Cgroup(path),
                (None, true) => Chosen::Trees(pids),
                (None, false) => Chosen::Processes(pids),
            };
            let frozen = freeze_running(chosen, judge, afterwards, output)?;
            (frozen.summary, Some(frozen.pause))
        }
    })
}

/// The account of a freeze, with the time that the tasks stood still.
pub(crate) fn print(
    out: &mut impl Write,
    summary: &Summary,
    pause: Option<Duration>,
) -> std::io::Result<()> {
    writeln!(out, "tasks     {}", summary.tasks)?;
    writeln!(
        out,
        "objects   {} bytes: {}",
        summary.object_bytes,
        counts(&summary.objects)
    )?;
    writeln!(out, "pages     {}", summary.pages)?;
    writeln!(out, "symbols   {}", summary.symbols)?;
    writeln!(out, "resources {}", counts(&summary.resources))?;
    for (name, session) in &summary.terminals {
        writeln!(
            out,
            "terminal  {name} of session {session}: to be thawed there, as long as that is there"
        )?;
    }
    match pause {
        Some(pause) => writeln!(out, "pause     {:.1} ms", pause.as_secs_f64() * 1000.0),
        None => Ok(()),
    }
}

fn counts(of: &BTreeMap<String, usize>) -> String {
    of.iter()
        .map(|(name, number)| format!("{number} {name}"))
        .collect::<Vec<_>>()
        .join(", ")
}
