//! `kconv-gen baseline`.

use super::baseline_file::{missing, read};
use super::examine::{self, Looked, Question, today};
use super::{CliError, Ended, Named, print, registry};
use clap::Args;
use kconv_codegen::baseline::{self, Accepted, Baseline};
use kconv_codegen::pending::Pending;
use kernel_structs::layout::Layout;
use kernel_structs::releases::{Registry, RegistryError};
use kernel_structs::state::StateMap;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(crate) struct AcceptArguments {
    /// The baseline
    file: PathBuf,
    /// The patches, as `check` takes them
    #[arg(value_name = "PATCH")]
    patches: Vec<PathBuf>,
    /// The kernel after the patches: what it saves takes the place of what is written down
    #[arg(long, value_name = "LAYOUT")]
    layout: Option<String>,
    /// Why it may be so, in one line
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    looked: Looked,
}

/// Writes down what a kernel saves.
pub(crate) fn write(layout: &str, file: &Path, family: Option<&str>) -> Result<Ended, CliError> {
    if file.exists() {
        return Err(CliError::BaselineThere {
            path: file.to_owned(),
        });
    }
    let registry = registry()?;
    let named = Named::find(&registry, layout, family)?;
    let map = registry.state_map(&named.family)?;
    let baseline = baseline_of(&named, &map)?;
    let text = baseline::write(&baseline);
    put(file, &text)?;
    print(&format!(
        "{}: {} lines, what {} saves of {}\n{}",
        file.display(),
        text.lines().count(),
        baseline.family,
        named.name,
        match baseline.layout.has_constants() {
            true => "",
            false =>
                "no values of constants are in it, for a kernel has none: to have them, give its configured header tree\n",
        }
    ))?;
    Ok(Ended::Clean)
}

/// Accepts what `check` calls open, of patches or of another kernel.
pub(crate) fn accept(arguments: &AcceptArguments) -> Result<Ended, CliError> {
    let (file, reason) = (&arguments.file, arguments.reason.trim());
    if reason.is_empty() || reason.contains(char::is_control) {
        return Err(CliError::BaselineReason);
    }
    if arguments.patches.is_empty() && arguments.layout.is_none() {
        return Err(CliError::NothingToAccept);
    }
    let patches = arguments.looked.open(&arguments.patches)?;
    let registry = arguments.looked.registry()?;
    let mut baseline = read(&registry, file)?;
    let ends = match &arguments.layout {
        Some(layout) => {
            let before = Named::of_baseline(&registry, file, &baseline)?;
            let after = Named::find(&registry, layout, Some(&baseline.family))?;
            Some((before, as_written(after, &registry)?))
        }
        None => None,
    };
    let question = Question {
        patches,
        family: &baseline.family,
        layouts: vec![baseline.layout.clone()],
        ends: ends.as_ref(),
        allow: &[],
    };
    let mut report = examine::report(&registry, &arguments.looked, question)?;
    report.accept(file, &baseline);
    let open = report.findings.iter();
    let open = open.filter(|finding| finding.verdict.is_open());
    let accepted: Vec<Accepted> = open
        .map(|finding| Accepted {
            day: today(),
            id: finding.id.clone(),
            kind: finding.kind.name().to_owned(),
            subject: finding.subject.clone(),
            reason: reason.to_owned(),
        })
        .collect();
    let mut told: String = accepted
        .iter()
        .map(|one| format!("accepted: {} {} ({})\n", one.kind, one.subject, one.id))
        .collect();
    baseline.accepted.extend(accepted);
    if let Some((before, after)) = &ends {
        let map = registry.state_map(&baseline.family)?;
        let now = baseline_of(after, &map)?;
        if told.is_empty() && before.fingerprint != after.fingerprint {
            told.push_str("nothing is open; what the kernel has now is written down\n");
        }
        // A vmlinux has no macros: what is known of them stays.
        let layout = match now.layout.has_constants() {
            true => now.layout,
            false => with_constants_of(now.layout, &baseline.layout),
        };
        baseline = Baseline {
            layout,
            accepted: baseline.accepted,
            ..now
        };
    }
    if told.is_empty() {
        print("nothing is open; the baseline stays as it is\n")?;
        return Ok(Ended::Clean);
    }
    put(file, &baseline::write(&baseline))?;
    print(&told)?;
    Ok(Ended::Clean)
}

/// A kernel with no more than a baseline of it has: what that does not write down is no difference.
pub(super) fn as_written(named: Named, registry: &Registry) -> Result<Named, CliError> {
    let map = registry.state_map(&named.family)?;
    let text = baseline::write(&baseline_of(&named, &map)?);
    let read = baseline::read(&text).map_err(|error| CliError::Baseline {
        path: PathBuf::from(&named.name),
        error,
    })?;
    let layout = read.layout;
    Ok(Named {
        fingerprint: layout.fingerprint(&map.saved_in(&layout))?,
        types: layout.types_fingerprint(&map.saved_in(&layout))?,
        layout,
        ..named
    })
}

/// What a kernel saves, and nothing accepted.
fn baseline_of(named: &Named, map: &StateMap) -> Result<Baseline, CliError> {
    let mut keep = map.keep_of(&named.layout);
    // What is read of structures that are not saved is no part of what is.
    keep.partial.clear();
    let layout = named.layout.minimise(&keep).map_err(RegistryError::from)?;
    Ok(Baseline {
        family: named.family.clone(),
        source: format!("{} of {}", named.route.name(), shown(&named.name)),
        lacks: missing(map, &layout),
        layout,
        accepted: Vec::new(),
    })
}

fn with_constants_of(layout: Layout, other: &Layout) -> Layout {
    let known = other.constants().into_iter();
    let known = known.map(|(name, value)| (name.to_owned(), value));
    layout.with_constants(&known.collect())
}

/// What a file or release is called, without the folders that it lies in here.
fn shown(name: &str) -> String {
    let path = Path::new(name);
    let last = path.file_name().filter(|_| path.exists());
    last.map_or(name.to_owned(), |last| last.to_string_lossy().into_owned())
}

/// Puts a text into a file, whole or not at all.
fn put(file: &Path, text: &str) -> Result<(), CliError> {
    let written = Pending::write(file, text.as_bytes()).and_then(Pending::take_name);
    written.map_err(|error| CliError::io(file, error))
}
