//! `kconv-gen baseline`.

use super::baseline_file::{missing, read};
use super::check::{opened, report_of, today};
use super::{CliError, Ended, Named, print, registry};
use kconv_codegen::baseline::{self, Accepted, Baseline};
use kconv_codegen::diff::{self, ChangeKind};
use kconv_codegen::pending::Pending;
use kernel_structs::layout::Layout;
use kernel_structs::releases::{Registry, RegistryError};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The id of what layouts alone showed.
const NO_ID: &str = "-";

/// Writes down what a kernel saves.
pub(crate) fn write(layout: &str, file: &Path, family: Option<&str>) -> Result<Ended, CliError> {
    if file.exists() {
        return Err(CliError::BaselineThere {
            path: file.to_owned(),
        });
    }
    let registry = registry()?;
    let (named, layout) = saved_of(&registry, layout, family)?;
    let mut baseline = Baseline {
        source: format!("{} of {}", named.route.name(), shown(&named.name)),
        family: named.family,
        layout,
        lacks: Vec::new(),
        accepted: Vec::new(),
    };
    baseline.lacks = missing(&registry.state_map(&baseline.family)?, &baseline);
    let text = baseline::write(&baseline);
    put(file, &text)?;
    print(&format!(
        "{}: {} lines, what {} saves of {}\n",
        file.display(),
        text.lines().count(),
        baseline.family,
        named.name
    ))?;
    Ok(Ended::Clean)
}

/// Accepts what patches change, or what another kernel has.
pub(crate) fn accept(
    (file, reason): (&Path, &str),
    patches: &[PathBuf],
    layout: Option<&str>,
    old: Option<&Path>,
) -> Result<Ended, CliError> {
    let is_line = |c: char| !c.is_control();
    if reason.trim().is_empty() || !reason.chars().all(is_line) {
        return Err(CliError::BaselineReason);
    }
    if patches.is_empty() && layout.is_none() {
        return Err(CliError::NothingToAccept);
    }
    let registry = registry()?;
    let mut baseline = read(&registry, file)?;
    let day = today();
    let mut accepted: Vec<Accepted> = Vec::new();
    let acceptance = |id: &str, kind: &str, subject: &str| Accepted {
        day: day.clone(),
        id: id.to_owned(),
        kind: kind.to_owned(),
        subject: subject.to_owned(),
        reason: reason.trim().to_owned(),
    };
    if !patches.is_empty() {
        let report = report_of(&registry, (file, &baseline), opened(patches)?, old)?;
        let open = report.findings.iter();
        let open = open.filter(|finding| finding.verdict.is_open());
        accepted.extend(
            open.map(|finding| acceptance(&finding.id, finding.kind.name(), &finding.subject)),
        );
    }
    let mut moved = false;
    if let Some(layout) = layout {
        let (named, layout) = saved_of(&registry, layout, Some(&baseline.family))?;
        // A vmlinux has no macros: what is known of them stays.
        let layout = match layout.has_constants() {
            true => layout,
            false => {
                let known = baseline.layout.constants().into_iter();
                let known = known.map(|(name, value)| (name.to_owned(), value));
                layout.with_constants(&known.collect())
            }
        };
        let told: BTreeSet<String> = accepted.iter().map(|one| one.subject.clone()).collect();
        for (kind, subject) in differences(&registry, &baseline, &layout)? {
            if !told.contains(&subject) {
                accepted.push(acceptance(NO_ID, &kind, &subject));
            }
        }
        baseline.source = format!("{} of {}", named.route.name(), shown(&named.name));
        // What only lies elsewhere needs nobody to accept it.
        let map = registry.state_map(&baseline.family)?;
        let lies = |layout: &Layout| layout.fingerprint(&map.saved_in(layout));
        moved = lies(&layout)? != lies(&baseline.layout)?;
        baseline.layout = layout;
        baseline.lacks.clear();
        baseline.lacks = missing(&map, &baseline);
    }
    if accepted.is_empty() && moved {
        put(file, &baseline::write(&baseline))?;
        print("nothing is open; what lies elsewhere is written down\n")?;
        return Ok(Ended::Clean);
    }
    if accepted.is_empty() {
        print("nothing is open; the baseline stays as it is\n")?;
        return Ok(Ended::Clean);
    }
    let mut text = String::new();
    for one in &accepted {
        text.push_str(&format!(
            "accepted: {} {} ({})\n",
            one.kind, one.subject, one.id
        ));
    }
    baseline.accepted.extend(accepted);
    put(file, &baseline::write(&baseline))?;
    print(&text)?;
    Ok(Ended::Clean)
}

/// What of the saved types, and of the constants that their values are made of, another layout has
/// otherwise: the kind of the change, and what it is of.
fn differences(
    registry: &Registry,
    baseline: &Baseline,
    new: &Layout,
) -> Result<Vec<(String, String)>, CliError> {
    let map = registry.state_map(&baseline.family)?;
    let old = &baseline.layout;
    let has_both = |name: &&str| old.has(name) && new.has(name);
    let types: Vec<&str> = map.saved_types().into_iter().filter(has_both).collect();
    let mut found = Vec::new();
    for name in map.saved_types() {
        match (old.has(name), new.has(name)) {
            (true, false) => found.push(("type-removed".to_owned(), name.to_owned())),
            (false, true) => found.push(("type-added".to_owned(), name.to_owned())),
            _ => {}
        }
    }
    for ty in diff::by_field(old, new, &types)? {
        for change in ty.changes {
            // That follows from what changed before it, or inside.
            if matches!(change.kind, ChangeKind::Moved | ChangeKind::Inside) {
                continue;
            }
            let subject = format!("{}.{}", ty.ty, change.field);
            found.push((change.kind.name().to_owned(), subject));
        }
    }
    let (before, after) = (old.constants(), new.constants());
    let names: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    for name in names {
        let kind = match (before.get(name), after.get(name)) {
            (None, _) => "constant-added",
            (_, None) => "constant-removed",
            (was, is) if was != is => "constant-renumbered",
            _ => continue,
        };
        found.push((kind.to_owned(), name.to_owned()));
    }
    Ok(found)
}

/// The layout of a release or file, reduced to what is saved.
fn saved_of(
    registry: &Registry,
    layout: &str,
    family: Option<&str>,
) -> Result<(Named, Layout), CliError> {
    let named = Named::find(registry, layout, family)?;
    let map = registry.state_map(&named.family)?;
    let mut keep = map.keep_of(&named.layout);
    // What is read of structures that are not saved is no part of what is.
    keep.partial.clear();
    let reduced = named.layout.minimise(&keep).map_err(RegistryError::from)?;
    Ok((named, reduced))
}

/// What a file or release is called, without the folders that it lies in here.
fn shown(name: &str) -> String {
    let path = Path::new(name);
    match path.exists() {
        true => {
            let last = path.file_name().unwrap_or_default();
            last.to_string_lossy().into_owned()
        }
        false => name.to_owned(),
    }
}

/// Puts a text into a file, whole or not at all.
fn put(file: &Path, text: &str) -> Result<(), CliError> {
    let written = Pending::write(file, text.as_bytes()).and_then(Pending::take_name);
    written.map_err(|error| CliError::Io {
        path: file.to_owned(),
        error,
    })
}
