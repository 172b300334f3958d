//! `kconv freeze`

use crate::arguments::Freeze;
use crate::failure::Failure;
use crate::judge::Kept;
use crate::releases::Known;
use crate::report::Account;
use crate::told::Told;
use crate::trust;
use kconv_freeze::{
    Afterwards, Chosen, Judge, OfDump, Programs, RunningError, Summary, freeze_dump,
    freeze_running, freeze_vmcore,
};
use kconv_image::TaskName;
use kconv_trust::{Config, MachineKey};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

pub(crate) fn run(arguments: &Freeze, config: Option<&Path>) -> Result<(), Failure> {
    let inputs = [&arguments.dump, &arguments.core, &arguments.symbols];
    let mut others: Vec<_> = inputs.into_iter().flatten().map(AsRef::as_ref).collect();
    others.push(arguments.output.as_path());
    let mut account = Account::begin("freeze", arguments.report.as_deref(), &others)?;
    account.image = Some(arguments.output.clone());
    let of_dump = arguments.dump.is_some() || arguments.core.is_some();
    let mut kept = Kept::default();
    // Who is killed is thawed; here, if nothing else is said.
    let is_needed = arguments.kill && !arguments.anyway;
    let mut judge = |image: &_, layout: &_| kept.of_own_kernel(image, layout, is_needed);
    let key = match arguments.no_sign {
        true => Ok(None),
        false => own_key(config, arguments.sign),
    };
    let frozen = key.and_then(|key| {
        let done = freeze(arguments, &mut account, &mut judge)?;
        let signed = trust::seal(&arguments.output, done.summary.digest, key.as_ref())?;
        Ok((done, signed))
    });
    // A dump is of a machine that is not this one.
    if !of_dump {
        account.told = kept.lacking.iter().map(Told::lacking).collect();
    }
    let frozen = frozen.map_err(|failure| kept.explain(failure));
    if let Ok((done, _)) = &frozen {
        account.kernels[0] = Some(done.summary.release.clone());
        account
            .told
            .extend(done.lingering.iter().map(Told::lingers));
        figures(&mut account, &done.summary, done.pause);
    }
    let (done, signed) = account.close(frozen)?;
    for told in &account.told {
        told.write(&mut anstream::stderr().lock())?;
    }
    if !arguments.quiet {
        let out = &mut anstream::stdout().lock();
        print(out, &done.summary, done.pause, arguments.verbose)?;
        for place in signed {
            writeln!(out, "signed    {}", place.display())?;
        }
    }
    Ok(())
}

/// The key to sign with: read before anything is frozen.
pub(crate) fn own_key(
    config: Option<&Path>,
    required: bool,
) -> Result<Option<MachineKey>, Failure> {
    let config = Config::read(config)?;
    match trust::own_key(&config)? {
        None if required => Err(Failure::NoKey {
            folder: config.folder().to_owned(),
        }),
        key => Ok(key),
    }
}

/// What a freeze did.
struct Done {
    summary: Summary,
    /// How long tasks stood still for it, if they are this machine's.
    pause: Option<Duration>,
    /// Killed processes that have not ended yet.
    lingering: Vec<TaskName>,
}

/// Freezes what is asked for.
fn freeze(
    arguments: &Freeze,
    account: &mut Account,
    judge: &mut Judge<'_>,
) -> Result<Done, Failure> {
    let (pids, output) = (&arguments.pids, &arguments.output);
    let of_dump = |summary| Done {
        summary,
        pause: None,
        lingering: Vec::new(),
    };
    let known = Known::new()?;
    Ok(match (&arguments.dump, &arguments.core) {
        (Some(dump), _) => {
            account.kernels[0].clone_from(&arguments.release);
            let wanted = OfDump {
                release: arguments.release.as_deref(),
                processes: pids,
                system_map: arguments.symbols.as_deref(),
            };
            of_dump(freeze_dump(dump, &wanted, judge, output)?)
        }
        (None, Some(core)) => of_dump(freeze_vmcore(known.registry, core, pids, judge, output)?),
        (None, None) => {
            account.kernels[0] =
                Some(kconv_machine::running_release().map_err(RunningError::from)?);
            let afterwards = match arguments.kill {
                true => Afterwards::Kill,
                false => Afterwards::RunOn,
            };
            let chosen = match (&arguments.cgroup, arguments.tree) {
                (Some(path), _) => Chosen::Cgroup(path),
                (None, true) => Chosen::Trees(pids),
                (None, false) => Chosen::Processes(pids),
            };
            let programs = programs(arguments.with_programs);
            let frozen =
                freeze_running(known.registry, chosen, programs, judge, afterwards, output)?;
            Done {
                summary: frozen.summary,
                pause: Some(frozen.pause),
                lingering: frozen.lingering,
            }
        }
    })
}

/// What of programs an image is to have.
pub(crate) fn programs(kept: bool) -> Programs {
    match kept {
        true => Programs::Kept,
        false => Programs::Named,
    }
}

/// Adds what a freeze counted and measured to the account.
pub(crate) fn figures(account: &mut Account, summary: &Summary, pause: Option<Duration>) {
    let objects: usize = summary.objects.values().sum();
    let resources: usize = summary.resources.values().sum();
    account.figure("tasks", summary.tasks);
    account.figure("objects", objects);
    account.figure("object-bytes", summary.object_bytes);
    account.figure("pages", summary.pages);
    account.figure("symbols", summary.symbols);
    account.figure("resources", resources);
    account.figure("programs", summary.programs);
    account.figure("program-bytes", summary.program_bytes);
    if let Some(pause) = pause {
        account.figure("pause-seconds", pause.as_secs_f64());
    }
}

/// The account of a freeze, with the time that the tasks stood still; what was saved by its kinds if it
/// is to be `whole`.
pub(crate) fn print(
    out: &mut impl Write,
    summary: &Summary,
    pause: Option<Duration>,
    whole: bool,
) -> std::io::Result<()> {
    writeln!(out, "tasks     {} of {}", summary.tasks, summary.release)?;
    let objects = counts(&summary.objects, "types", whole);
    match whole {
        true => writeln!(out, "objects   {} bytes: {objects}", summary.object_bytes)?,
        false => writeln!(out, "objects   {objects}, {} bytes", summary.object_bytes)?,
    }
    writeln!(out, "pages     {}", summary.pages)?;
    writeln!(out, "symbols   {}", summary.symbols)?;
    let resources = counts(&summary.resources, "kinds", whole);
    writeln!(out, "resources {resources}")?;
    if summary.programs > 0 {
        writeln!(
            out,
            "programs  {} files are kept in the image, {} KiB",
            summary.programs,
            summary.program_bytes.div_ceil(1 << 10)
        )?;
    }
    if !summary.terminals.is_empty() {
        let terminals = summary.terminals.iter();
        let terminals = terminals.map(|(name, session)| format!("{name} of session {session}"));
        let terminals = terminals.collect::<Vec<_>>().join(", ");
        writeln!(
            out,
            "terminal  {terminals}: to be thawed there, as long as that is there"
        )?;
    }
    match pause {
        Some(pause) => writeln!(out, "pause     {:.1} ms", pause.as_secs_f64() * 1000.0),
        None => Ok(()),
    }
}

/// How many there are, by name if that is to be told as well.
fn counts(of: &BTreeMap<String, usize>, names: &str, whole: bool) -> String {
    let all: usize = of.values().sum();
    match whole {
        true => {
            let each = of.iter().map(|(name, number)| format!("{number} {name}"));
            each.collect::<Vec<_>>().join(", ")
        }
        false => format!("{all} of {} {names}", of.len()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn printed(whole: bool) -> String {
        let of = |names: &[(&str, usize)]| {
            let named = names
                .iter()
                .map(|(name, number)| ((*name).to_owned(), *number));
            named.collect()
        };
        let summary = Summary {
            release: "6.1.0-47-amd64".to_owned(),
            digest: None,
            tasks: 2,
            objects: of(&[("task_struct", 2), ("mm_struct", 1), ("vm_area_struct", 40)]),
            object_bytes: 12_345,
            pages: 69,
            symbols: 12,
            resources: of(&[("file", 7), ("mount", 1)]),
            programs: 3,
            program_bytes: 2_195_456,
            terminals: vec![("pts0".to_owned(), 790), ("pts1".to_owned(), 800)],
        };
        let mut out = Vec::new();
        print(
            &mut out,
            &summary,
            Some(Duration::from_micros(12_340)),
            whole,
        )
        .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_account_of_a_freeze_is_short_unless_it_is_asked_for_whole() {
        let short = printed(false);
        assert!((5..=8).contains(&short.lines().count()), "{short}");
        insta::assert_snapshot!("a_freeze", short);
        insta::assert_snapshot!("a_freeze_whole", printed(true));
    }
}
