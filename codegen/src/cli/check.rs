//! `kconv-gen check`.

use super::baseline_file;
use super::examine::{self, Looked, Question, read, today};
use super::source::version_of_tree;
use super::{CliError, Ended, Named, both, print};
use clap::{Args, ValueEnum};
use kconv_codegen::check::render::{BuildId, Link, Origin};
use kconv_codegen::check::{Acknowledgements, render};
use kernel_structs::layout::Layout;
use kernel_structs::releases::Registry;
use std::io;
use std::path::{Path, PathBuf};

/// Where acknowledgements are, if no file is named.
const ACKNOWLEDGEMENTS: &str = "kconv-check.toml";

#[derive(Args)]
pub(crate) struct CheckArguments {
    /// The patches of a series in their order: unified or context diffs, mails or mailboxes of them, compressed or
    /// not, and folders of such; `-` is standard input
    #[arg(required_unless_present_any = ["from", "to"], value_name = "PATCH")]
    patches: Vec<PathBuf>,
    #[command(flatten)]
    looked: Looked,
    /// The layout before: a release, a vmlinuz, a file with BTF or DWARF, or a configured header tree
    #[arg(
        long,
        value_name = "LAYOUT",
        requires = "to",
        conflicts_with = "baseline"
    )]
    from: Option<String>,
    /// The layout after
    #[arg(long, value_name = "LAYOUT")]
    to: Option<String>,
    /// What the tree saves, as `kconv-gen baseline write` wrote it down: it counts instead of the stored
    /// layouts, and with --to it is the layout before
    #[arg(long, value_name = "FILE", conflicts_with = "family")]
    baseline: Option<PathBuf>,
    /// Kernel family, whose state map says what is saved and watched [default: that of the layouts,
    /// else of the tree before the patch, else of the kernel source that this is run in]
    #[arg(long)]
    family: Option<String>,
    /// Findings that people looked at [default: kconv-check.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    acknowledge: Option<PathBuf>,
    /// Let findings stand this time: a kind, a grade (layout, meaning, unknown) or a subject such as
    /// task_struct.flags
    #[arg(long, value_name = "WHAT")]
    allow: Vec<String>,
    /// Form of the report
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Name of the CI system that sends the report to KCIDB; with --format kcidb
    #[arg(long, value_name = "NAME", required_if_eq("format", "kcidb"))]
    kcidb_origin: Option<Origin>,
    /// The build that the patch is of, as KCIDB has it: ORIGIN:ID; with --format kcidb
    #[arg(long, value_name = "ID", required_if_eq("format", "kcidb"))]
    kcidb_build: Option<BuildId>,
    /// Where people can read more; with --format patchwork
    #[arg(long, value_name = "URL")]
    link: Option<Link>,
    /// Print what fits a reply to the mail with the patch
    #[arg(long, conflicts_with = "format")]
    summary: bool,
}

#[derive(Copy, Clone, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// Everything, for programs
    Json,
    /// SARIF 2.1.0
    Sarif,
    /// Commands of GitHub Actions
    Github,
    /// JUnit's XML
    Junit,
    /// As checkpatch.pl --terse --show-types prints it
    Checkpatch,
    /// KTAP version 1
    Ktap,
    /// KCIDB's JSON, version 5.3
    Kcidb,
    /// A check of patchwork, as JSON
    Patchwork,
}

impl CheckArguments {
    /// That each option is for the form that was asked for: one of another form would change nothing,
    /// and whoever gave it thinks otherwise.
    fn fit(&self) -> Result<(), CliError> {
        let (kcidb, patchwork) = (Format::Kcidb, Format::Patchwork);
        let options = [
            (
                "--kcidb-origin",
                self.kcidb_origin.is_some(),
                kcidb,
                "kcidb",
            ),
            ("--kcidb-build", self.kcidb_build.is_some(), kcidb, "kcidb"),
            ("--link", self.link.is_some(), patchwork, "patchwork"),
        ];
        for (option, is_given, of, format) in options {
            if is_given && self.format != of {
                return Err(CliError::OtherForm { option, format });
            }
        }
        Ok(())
    }
}

pub(crate) fn check(arguments: &CheckArguments) -> Result<Ended, CliError> {
    arguments.fit()?;
    // A file that is not there is the first thing to know, before what it would be for.
    let patches = arguments.looked.open(&arguments.patches)?;
    let registry = arguments.looked.registry()?;
    let baseline = match &arguments.baseline {
        Some(path) => Some((path, baseline_file::read(&registry, path)?)),
        None => None,
    };
    let ends = match (&arguments.from, &arguments.to, &baseline) {
        (Some(from), Some(to), _) => Some(both(&registry, from, to, arguments.family.as_deref())?),
        (None, Some(to), Some((path, baseline))) => {
            let from = Named::of_baseline(&registry, path, baseline)?;
            let to = Named::find(&registry, to, Some(&baseline.family))?;
            Some((from, super::baseline::as_written(to, &registry)?))
        }
        (None, Some(_), None) => return Err(CliError::NothingBefore),
        _ => None,
    };
    let (family, layouts) = match &baseline {
        Some((_, baseline)) => (baseline.family.clone(), vec![baseline.layout.clone()]),
        None => {
            let family = family(&registry, arguments, ends.as_ref())?;
            let layouts = stored(&registry, &family)?;
            (family, layouts)
        }
    };
    let acknowledged = acknowledgements(arguments.acknowledge.as_deref())?;
    let question = Question {
        patches,
        family: &family,
        layouts,
        ends: ends.as_ref(),
        allow: &arguments.allow,
    };
    let mut report = examine::report(&registry, &arguments.looked, question)?;
    if let Some((path, baseline)) = &baseline {
        report.accept(path, baseline);
    }
    report.settle(&acknowledged, &today(), &arguments.allow);
    let text = match arguments.format {
        _ if arguments.summary => render::summary(&report),
        Format::Text => render::text(&report),
        Format::Json => render::json(&report).map_err(io::Error::from)?,
        Format::Sarif => render::sarif(&report).map_err(io::Error::from)?,
        Format::Github => render::github(&report),
        Format::Junit => render::junit(&report),
        Format::Checkpatch => render::checkpatch(&report),
        Format::Ktap => render::ktap(&report),
        Format::Kcidb => {
            let ids = arguments
                .kcidb_origin
                .as_ref()
                .zip(arguments.kcidb_build.as_ref());
            let (origin, build) = ids.ok_or(CliError::NoIds)?;
            render::kcidb(&report, origin, build).map_err(io::Error::from)?
        }
        Format::Patchwork => {
            render::patchwork(&report, arguments.link.as_ref()).map_err(io::Error::from)?
        }
    };
    print(&text)?;
    Ok(match report.is_clean() {
        true => Ended::Clean,
        false => Ended::Findings,
    })
}

/// All stored layouts of a family.
fn stored(registry: &Registry, family: &str) -> Result<Vec<Layout>, CliError> {
    let ids = registry.layouts().filter(|entry| entry.family == family);
    let layouts: Result<Vec<_>, _> = ids.map(|entry| registry.layout(&entry.id)).collect();
    Ok(layouts?)
}

/// The family of the kernels that the patch is for: that which was said, or that of the layouts, of
/// the tree before the patch, or of the kernel source that this is run in.
fn family(
    registry: &Registry,
    arguments: &CheckArguments,
    ends: Option<&(Named, Named)>,
) -> Result<String, CliError> {
    if let Some((from, _)) = ends {
        return Ok(from.family.clone());
    }
    if let Some(family) = &arguments.family {
        return Ok(family.clone());
    }
    let tree = arguments.looked.old.as_deref().unwrap_or(Path::new("."));
    let version = version_of_tree(tree).ok_or_else(|| CliError::NoFamily {
        families: registry.families().into_iter().map(str::to_owned).collect(),
    })?;
    let family = registry.family_of_version(&version);
    let family = family.map_err(|error| CliError::OfTree(Box::new(error)))?;
    Ok(family.to_owned())
}

fn acknowledgements(path: Option<&Path>) -> Result<Acknowledgements, CliError> {
    let path = match path {
        Some(path) => path,
        None if Path::new(ACKNOWLEDGEMENTS).is_file() => Path::new(ACKNOWLEDGEMENTS),
        None => return Ok(Acknowledgements::default()),
    };
    Acknowledgements::parse(&read(path)?).map_err(|findings| CliError::Acknowledgements {
        path: path.to_owned(),
        findings: findings
            .iter()
            .map(|finding| format!("  {finding}\n"))
            .collect(),
    })
}
