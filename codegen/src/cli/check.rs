//! `kconv-gen check`.

use super::baseline_file;
use super::plan::{decided, side, stored_overrides};
use super::source::version_of_tree;
use super::{CliError, Ended, Named, both, print, registry_of};
use clap::{Args, ValueEnum};
use kconv_codegen::baseline::Baseline;
use kconv_codegen::check::render::{BuildId, Link, Origin};
use kconv_codegen::check::{
    self, Acknowledgements, Inputs, Layouts, Options, Patch, Project, Report, Saved, render,
};
use kconv_codegen::patch::open;
use kconv_codegen::plan::{Pair, Plan};
use kernel_structs::layout::Layout;
use kernel_structs::releases::Registry;
use std::fs;
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
    /// Take the patches back; --old is then the tree after them
    #[arg(short = 'R', long)]
    reverse: bool,
    /// The source tree before the patch, or its headers
    #[arg(long, value_name = "TREE")]
    old: Option<PathBuf>,
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
    /// The configuration that counts: a .config or an autoconf.h
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
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
    /// Folder of the project's converters; which kernels there are is read beside it
    /// [default: converters, if it is there]
    #[arg(long, value_name = "DIR")]
    converters: Option<PathBuf>,
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
    let mut patches = opened(&arguments.patches)?;
    if arguments.reverse {
        patches.reverse();
    }
    // Kernels are known from the project whose converters these are.
    let converters = match &arguments.converters {
        // One that was named is to be there.
        Some(folder) => {
            fs::read_dir(folder).map_err(|error| CliError::Io {
                path: folder.clone(),
                error,
            })?;
            folder.as_path()
        }
        None => Path::new("converters"),
    };
    let project = converters.parent().unwrap_or(Path::new(""));
    let registry = registry_of(project)?;
    let own = arguments.baseline.as_deref();
    let own = own.map(|path| Ok((path, baseline_file::read(&registry, path)?)));
    let own: Option<(&Path, Baseline)> = own.transpose().map_err(|error: CliError| error)?;
    let ends = match (&arguments.from, &arguments.to, &own) {
        (Some(from), Some(to), _) => Some(both(&registry, from, to, arguments.family.as_deref())?),
        (None, Some(to), Some((path, baseline))) => {
            let from = Named::of_baseline(&registry, path, baseline)?;
            Some((from, Named::find(&registry, to, Some(&baseline.family))?))
        }
        (None, Some(_), None) => return Err(CliError::NothingBefore),
        _ => None,
    };
    let family = match &own {
        Some((_, baseline)) => baseline.family.clone(),
        None => family(&registry, arguments, ends.as_ref())?,
    };
    let map = registry.state_map(&family)?;
    let layouts = match &own {
        Some((_, baseline)) => vec![baseline.layout.clone()],
        None => stored(&registry, &family)?,
    };
    // What kernels hand on to one another changes in the source of any of them.
    let others = registry.families().into_iter();
    let others: Result<Vec<_>, _> = others.map(|name| registry.state_map(name)).collect();
    let others = others?;
    let saved = others
        .iter()
        .fold(Saved::new(&map, layouts), Saved::with_contracts_of);
    let project = Project::read(converters, &family)?;
    let acknowledged = acknowledgements(arguments.acknowledge.as_deref())?;
    let options = match &arguments.config {
        Some(path) => Some(Options::parse(&read(path)?)),
        None => None,
    };
    let made = match &ends {
        Some((from, to)) => {
            let file = stored_overrides(&registry, converters, from, to)?;
            let overrides = decided(file.as_ref(), converters, from, to)?;
            let made = Plan::make(&Pair {
                converter: "none",
                machine: &from.arch,
                from: side(from),
                to: side(to),
                map: &map,
                overrides: &overrides,
            });
            Some((made, overrides))
        }
        None => None,
    };
    let inputs = Inputs {
        tree: arguments.old.as_deref(),
        options: options.as_ref(),
        layouts: ends
            .as_ref()
            .zip(made.as_ref())
            .map(|((from, to), (made, overrides))| Layouts {
                from: &from.layout,
                to: &to.layout,
                made,
                overrides,
            }),
        reverse: arguments.reverse,
    };
    let mut report = check::check_all(patches, &saved, &project, &inputs)?;
    check::check_allowed(&arguments.allow, &saved, &report)?;
    if let Some((path, baseline)) = &own {
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

/// What patches change of what a baseline has, but for what it accepts.
pub(super) fn report_of(
    registry: &Registry,
    (path, baseline): (&Path, &Baseline),
    patches: Vec<Patch<'_>>,
    tree: Option<&Path>,
) -> Result<Report, CliError> {
    let map = registry.state_map(&baseline.family)?;
    let saved = Saved::new(&map, vec![baseline.layout.clone()]);
    let inputs = Inputs {
        tree,
        ..Inputs::default()
    };
    let mut report = check::check_all(patches, &saved, &Project::default(), &inputs)?;
    report.accept(path, baseline);
    Ok(report)
}

/// The patches that the arguments name.
pub(super) fn opened(paths: &[PathBuf]) -> Result<Vec<Patch<'static>>, CliError> {
    let mut patches = Vec::new();
    for path in paths {
        let failed = |error| CliError::Io {
            path: path.clone(),
            error,
        };
        for file in open::files(path).map_err(failed)? {
            let text = open::later(&file).map_err(|error| CliError::Io {
                path: file.clone(),
                error,
            })?;
            patches.push(Patch {
                name: file.display().to_string(),
                text,
            });
        }
    }
    Ok(patches)
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
    let tree = arguments.old.as_deref().unwrap_or(Path::new("."));
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

fn read(path: &Path) -> Result<String, CliError> {
    fs::read_to_string(path).map_err(|error| CliError::Io {
        path: path.to_owned(),
        error,
    })
}

/// The day in UTC; `SOURCE_DATE_EPOCH` sets it, so that a check can be repeated.
pub(super) fn today() -> String {
    let epoch = std::env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|text| text.parse().ok());
    let set = epoch.and_then(|second| jiff::Timestamp::from_second(second).ok());
    let now = set.unwrap_or_else(jiff::Timestamp::now);
    now.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}
