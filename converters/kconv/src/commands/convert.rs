//! `kconv FROM TO IMAGE`

use super::job;
use crate::arguments::Convert;
use crate::conversion::{self, default_output};
use crate::failure::Failure;
use crate::plan_file;
use crate::releases::Known;
use crate::report::Account;
use crate::style::{FAINT, HEADING};
use crate::trust::{self, Admitted, Purpose};
use indicatif::{ProgressBar, ProgressStyle};
use kconv_image::{Escaped, Image, KernelId};
use kconv_rules::RuleKind;
use kconv_runtime::convert::Job;
use kconv_runtime::report::{FieldAccount, Report};
use kconv_runtime::table::Converter;
use kconv_trust::Config;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(crate) fn run(arguments: &Convert, config: Option<&Path>) -> Result<(), Failure> {
    let (Some(from), Some(to), Some(path)) = (&arguments.from, &arguments.to, &arguments.image)
    else {
        // The parser requires all three.
        return Ok(());
    };
    let mut account = Account::begin("convert", arguments.report.as_deref(), &[path])?;
    account.kernels = [Some(from.clone()), Some(to.clone())];
    let converted = Config::read(config)
        .map_err(Failure::from)
        .and_then(|config| convert_image(arguments, (from, to, path), &config, &mut account));
    let (report, output, signed) = account.close(converted)?;
    if !arguments.quiet {
        let mut out = anstream::stdout().lock();
        print(&mut out, &report, &output)?;
        for place in signed {
            writeln!(out, "signed   {}", place.display())?;
        }
    }
    Ok(())
}

/// Converts the image. Returns what there is to say, where the new image is, and its signatures.
fn convert_image(
    arguments: &Convert,
    (from, to, path): (&str, &str, &Path),
    config: &Config,
    account: &mut Account,
) -> Result<(Report, PathBuf, Vec<PathBuf>), Failure> {
    let known = Known::new()?;
    let Admitted { image, signers } = trust::admit(
        path,
        Purpose::Convert,
        (arguments.trust_file, arguments.sparse.holes()),
        config,
    )?;
    let key = trust::own_key(config)?;
    let from = known.before(from, &image)?;
    let (chain, target) = match &arguments.plan {
        Some(plan) => planned(&known, &image, to, plan)?,
        None => {
            let to = known.for_image(to, &image)?;
            (known.way(&image, &to)?, known.kernel(&to)?)
        }
    };
    account.kernels = [&from.name, &target.release].map(|name| Some(name.clone()));
    let own = known.of_image(&image)?;
    if from != own {
        return Err(Failure::OtherRelease {
            image: path.to_owned(),
            found: own.name.clone(),
            expected: from.name.clone(),
        });
    }
    let output = match &arguments.output {
        Some(output) => output.clone(),
        None => default_output(path, &target.release),
    };
    let job = Job {
        signers,
        ..job(chain, target)
    };
    let mut progress = Progress::new(arguments.quiet);
    let (report, signed) = conversion::write(
        &image,
        &job,
        (&output, key.as_ref()),
        account,
        &mut |done, all| {
            progress.show(done, all);
        },
    )?;
    progress.finish();
    Ok((report, output, signed))
}

/// The converter that carries out the plan in a file, and the kernel that it leads to: the one called `to`,
/// if that is registered, else that of the plan, if it is called so.
fn planned(
    known: &Known,
    image: &Image,
    to: &str,
    path: &Path,
) -> Result<(Vec<&'static Converter>, KernelId), Failure> {
    let plan = plan_file::read(path)?;
    let target = match known.for_image(to, image) {
        Ok(release) => known.kernel(&release)?,
        Err(_) if to == plan.to.release => KernelId {
            release: plan.to.release.to_owned(),
            layout: plan.to.layout.to_owned(),
            fingerprint: plan.to.fingerprint,
            build_id: Vec::new(),
        },
        Err(failure) => return Err(failure),
    };
    Ok((vec![plan], target))
}

/// A bar on a terminal, for work that takes long enough to wonder about.
struct Progress {
    started: Instant,
    wanted: bool,
    bar: Option<ProgressBar>,
}

impl Progress {
    fn new(quiet: bool) -> Progress {
        Progress {
            started: Instant::now(),
            wanted: !quiet && std::io::stderr().is_terminal(),
            bar: None,
        }
    }

    fn show(&mut self, done: u64, all: u64) {
        if !self.wanted || self.started.elapsed() < Duration::from_millis(500) {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} objects, {eta} left");
            ProgressBar::new(all).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        bar.set_position(done);
    }

    fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// The short account.
pub(crate) fn print(out: &mut impl Write, report: &Report, output: &Path) -> std::io::Result<()> {
    let by = match report.chain.as_slice() {
        [only] if only == "identity" => String::from("same layout"),
        chain => chain.join(", "),
    };
    writeln!(
        out,
        "{HEADING}{} -> {}{HEADING:#} ({by})",
        report.from, report.to
    )?;
    if !report.tasks.is_empty() {
        let names = report.tasks.iter();
        let names: Vec<String> = names.map(|task| Escaped(&task.comm).to_string()).collect();
        writeln!(out, "tasks    {}: {}", names.len(), runs(&names))?;
    }
    let objects: u64 = report.objects.iter().map(|account| account.count).sum();
    let by_type: Vec<_> = report
        .objects
        .iter()
        .map(|account| format!("{} {}", account.count, account.ty))
        .collect();
    writeln!(out, "objects  {objects}: {}", by_type.join(", "))?;
    let fields: u64 = report.fields.values().sum();
    let by_rule: Vec<_> = report
        .fields
        .iter()
        .map(|(rule, number)| format!("{number} {rule}"))
        .collect();
    if fields > 0 {
        writeln!(out, "fields   {fields}: {}", by_rule.join(", "))?;
    }
    writeln!(
        out,
        "pointers {} to symbols, {} to resources; {} objects moved",
        report.symbols, report.resources, report.moved
    )?;
    writeln!(
        out,
        "pages    {}, copied and checked; {} values kept for the way back, {} restored",
        report.pages, report.kept, report.restored
    )?;
    changes(out, &report.changed)?;
    writeln!(out, "wrote    {}, and read it back", output.display())
}

/// `alpha, bravo (2), charlie (3)`
fn runs(names: &[String]) -> String {
    names
        .chunk_by(|a, b| a == b)
        .map(|run| match run.len() {
            1 => run[0].clone(),
            number => format!("{} ({number})", run[0]),
        })
        .collect::<Vec<_>>()
        .join(", ")
}

/// What a human decided, what was dropped, and what was reset although it said something; fields
/// with one reason together.
fn changes(out: &mut impl Write, changed: &[FieldAccount]) -> std::io::Result<()> {
    let mut groups: Vec<(&FieldAccount, Vec<&str>, u64)> = Vec::new();
    let mut quiet = 0;
    for account in changed {
        if account.rule == RuleKind::Reset && account.kept == 0 {
            quiet += 1;
            continue;
        }
        let of_group = |(first, ..): &&mut (&FieldAccount, _, _)| {
            (first.rule, first.reason) == (account.rule, account.reason)
        };
        match groups.iter_mut().find(of_group) {
            Some((_, fields, kept)) => {
                // Each step of a conversion has its own account of a field.
                if !fields.contains(&account.field.as_str()) {
                    fields.push(&account.field);
                }
                *kept += account.kept;
            }
            None => groups.push((account, vec![&account.field], account.kept)),
        }
    }
    groups.sort_by_key(|(first, ..)| first.rule == RuleKind::Reset);
    for (first, fields, kept) in groups {
        let kept = match kept {
            0 => String::new(),
            kept => format!(", {kept} kept"),
        };
        let shown = match fields.as_slice() {
            [first, second, third, rest @ ..] if rest.len() > 1 => {
                format!("{first}, {second}, {third} and {} more", rest.len())
            }
            fields => fields.join(", "),
        };
        writeln!(out, "{:<8} {shown}{kept}", first.rule.name())?;
        writeln!(out, "         {FAINT}{}{FAINT:#}", first.reason)?;
    }
    match quiet {
        0 => Ok(()),
        quiet => writeln!(
            out,
            "reset    {quiet} more fields, all at their initial value already (--report names them)"
        ),
    }
}
