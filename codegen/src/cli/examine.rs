//! What `check` and `baseline accept` ask of patches and layouts: the same, so that what the one calls
//! open the other can accept.

use super::plan::{decided, side, stored_overrides};
use super::{CliError, Named, registry_of};
use clap::Args;
use kconv_codegen::check::{self, Inputs, Layouts, Options, Patch, Project, Report, Saved};
use kconv_codegen::overrides::FOLDER;
use kconv_codegen::patch::open;
use kconv_codegen::plan::{Pair, Plan};
use kernel_structs::layout::Layout;
use kernel_structs::releases::Registry;
use std::fs;
use std::path::{Path, PathBuf};

/// What is looked at beside the patches.
#[derive(Args)]
pub(crate) struct Looked {
    /// Take the patches back; --old is then the tree after them
    #[arg(short = 'R', long)]
    reverse: bool,
    /// The source tree before the patch, or its headers
    #[arg(long, value_name = "TREE")]
    pub(super) old: Option<PathBuf>,
    /// The configuration that counts: a .config or an autoconf.h
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the project's converters; which kernels there are is read beside it
    /// [default: converters, if it is there]
    #[arg(long, value_name = "DIR")]
    converters: Option<PathBuf>,
}

/// What is to be told of which patches.
pub(super) struct Question<'a> {
    pub(super) patches: Vec<Patch<'a>>,
    pub(super) family: &'a str,
    /// The layouts that say what is saved.
    pub(super) layouts: Vec<Layout>,
    /// The layouts before and after, if they are there.
    pub(super) ends: Option<&'a (Named, Named)>,
    /// What is let stand, which has to be something that could be found.
    pub(super) allow: &'a [String],
}

impl Looked {
    /// The patches that the arguments name, in the order in which they are read.
    pub(super) fn open(&self, paths: &[PathBuf]) -> Result<Vec<Patch<'static>>, CliError> {
        let mut patches = Vec::new();
        for path in paths {
            let files = open::files(path).map_err(|error| CliError::io(path, error))?;
            for file in files {
                let text = open::later(&file).map_err(|error| CliError::io(&file, error))?;
                let name = file.display().to_string();
                patches.push(Patch { name, text });
            }
        }
        if self.reverse {
            patches.reverse();
        }
        Ok(patches)
    }

    /// The kernels that are known: from the project whose converters these are.
    pub(super) fn registry(&self) -> Result<Registry, CliError> {
        // A folder that was named is to be there.
        if let Some(folder) = &self.converters {
            fs::read_dir(folder).map_err(|error| CliError::io(folder, error))?;
        }
        registry_of(self.converters().parent().unwrap_or(Path::new("")))
    }

    fn converters(&self) -> &Path {
        self.converters
            .as_deref()
            .unwrap_or(Path::new("converters"))
    }
}

/// What is found, before anybody said that it may stand.
pub(super) fn report(
    registry: &Registry,
    looked: &Looked,
    question: Question<'_>,
) -> Result<Report, CliError> {
    let converters = looked.converters();
    let map = registry.state_map(question.family)?;
    // What kernels hand on to one another changes in the source of any of them.
    let others = registry.families().into_iter();
    let others: Result<Vec<_>, _> = others.map(|name| registry.state_map(name)).collect();
    let others = others?;
    let saved = others
        .iter()
        .fold(Saved::new(&map, question.layouts), Saved::with_contracts_of);
    let project = Project::read(converters, question.family)?;
    let options = match &looked.config {
        Some(path) => Some(options(path)?),
        None => None,
    };
    let planned = match question.ends {
        Some((from, to)) => {
            let file = stored_overrides(registry, converters, from, to)?;
            let overrides = decided(file.as_ref(), &converters.join(FOLDER), from, to)?;
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
    let layouts = question.ends.zip(planned.as_ref());
    let inputs = Inputs {
        tree: looked.old.as_deref(),
        options: options.as_ref(),
        layouts: layouts.map(|((from, to), (made, overrides))| Layouts {
            from: &from.layout,
            to: &to.layout,
            made,
            overrides,
        }),
        reverse: looked.reverse,
    };
    let report = check::check_all(question.patches, &saved, &project, &inputs)?;
    check::check_allowed(question.allow, &saved, &report)?;
    Ok(report)
}

fn options(path: &Path) -> Result<Options, CliError> {
    let options = Options::parse(&read(path)?);
    match options.is_empty() {
        true => Err(CliError::NoOptions {
            path: path.to_owned(),
        }),
        false => Ok(options),
    }
}

/// The text of a file.
pub(super) fn read(path: &Path) -> Result<String, CliError> {
    fs::read_to_string(path).map_err(|error| CliError::io(path, error))
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
