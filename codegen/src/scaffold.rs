//! A step from nothing: everything decided that a machine can decide, and for every other field an
//! entry that a person completes.

mod detour;
pub mod hunks;
mod select;
mod stub;

pub use detour::{LeftOut, without_detours};
pub use select::{SelectError, Selected, Selection, select};

use crate::family::Family;
use crate::generate::{self, GenerateError};
use crate::identifier::version;
use crate::overrides::{self, Changes, OverridesFile};
use crate::patch::PatchError;
use crate::pending::{PREFIX, write_whole};
use crate::plan::{Pair, Plan, Undecided};
use crate::routes::Routes;
use crate::steps::{self, STEP};
use kernel_structs::releases::Registry;
use kernel_structs::state::StateMap;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The text of a new step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewStep {
    /// Name of its converter.
    pub converter: String,
    /// Files by their path in its folder; pages are there if nothing is undecided.
    pub files: Vec<(PathBuf, String)>,
    /// Number of fields left to a person.
    pub undecided: usize,
    /// Kernel family.
    pub family: String,
    /// What a person completes for them.
    pub proposals: Vec<Proposal>,
}

/// The entry for one undecided field, to be completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Name of the file that it is for, in the family's folder.
    pub file: String,
    /// What is known of the field, as comments.
    pub known: String,
    /// What the patch says of it, as comments; empty without one.
    pub evidence: String,
    /// The entry, commented out; empty if the state map has to be completed.
    pub entry: String,
}

impl Proposal {
    /// All of it.
    pub fn text(&self) -> String {
        [&self.known[..], &self.evidence, &self.entry].concat()
    }

    /// What is to be added of it to a file: all, unless the file has the entry, which the way back and
    /// another flavour propose as well; then what is new of the patch.
    fn to_add(&self, file: &str) -> String {
        let there = |part: &str| file.contains(part);
        if self.entry.is_empty() {
            let text = self.text();
            return if there(&text) { String::new() } else { text };
        }
        match (there(&self.entry), there(&self.evidence)) {
            (true, true) => String::new(),
            (true, false) => {
                let above = "##   the entry for it stands above\n";
                [&self.known[..], &self.evidence, above].concat()
            }
            (false, _) => self.text(),
        }
    }
}

/// Why no step was made.
#[derive(Debug, thiserror::Error)]
pub enum ScaffoldError {
    /// The names mean no pair of releases.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// The layouts are the same.
    #[error("{from} and {to} share their layout; an image needs no conversion")]
    NothingToConvert {
        /// The first name.
        from: String,
        /// The second name.
        to: String,
    },
    /// The patch is no evidence.
    #[error("the patch cannot be read: {0}")]
    Patch(#[from] PatchError),
    /// The plans cannot be made or written as Rust.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// A step joins the layouts already.
    #[error(
        "{} converts between the layouts of {from} and {to} already, under other releases of the same layouts; nothing is to be made", step.display()
    )]
    Joined {
        /// The release converted from.
        from: String,
        /// The release converted to.
        to: String,
        /// The folder of that step.
        step: PathBuf,
    },
    /// Something is already there.
    #[error("{} is there already; nothing was written", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A file that cannot be written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// An undecided field, with the modules of the pairs in which it is.
pub(crate) struct Open {
    /// The field, by module of the pair; never empty.
    pub(crate) pairs: Vec<(String, Undecided)>,
}

/// The folder of the step between two names.
pub fn folder(from: &str, to: &str) -> String {
    steps::folder_name(from, to)
}

/// Makes the text of a step for `selection`, with evidence from `patch`, and with the decisions of
/// all families in `folder`.
///
/// # Errors
/// [`ScaffoldError`].
pub fn make(
    registry: &Registry,
    selection: &Selection<'_>,
    patch: Option<&[u8]>,
    folder: &Path,
) -> Result<NewStep, ScaffoldError> {
    let Some(first) = selection.pairs.first() else {
        return Err(ScaffoldError::NothingToConvert {
            from: selection.from.clone(),
            to: selection.to.clone(),
        });
    };
    let map = registry
        .state_map(first.from.family)
        .map_err(GenerateError::from)?;
    let changes = Changes::read(folder, first.from.family).map_err(GenerateError::from)?;
    let open = open(selection, &map, &changes);
    let evidence = match patch {
        Some(patch) => hunks::find(patch, &wanted(&open))?,
        None => Default::default(),
    };
    let step = stub::step(selection, &map);
    let proposals = stub::proposals(selection, &map, &open, &evidence);
    let mut files = Vec::new();
    if open.is_empty() {
        let family = Family::read(registry, first.from.family).map_err(GenerateError::from)?;
        let house = family.house(&changes).map_err(GenerateError::from)?;
        let pages = generate::pages(&step, registry, &family, &house, &changes)?;
        files.extend(pages.into_iter().map(|page| (page.path, page.text)));
    }
    files.push((PathBuf::from(STEP), step));
    Ok(NewStep {
        converter: stub::converter(selection),
        files,
        undecided: open.len(),
        family: map.family,
        proposals,
    })
}

/// Writes a step into `dir`, which must not be there.
///
/// # Errors
/// [`ScaffoldError::Exists`], or what the system says.
pub fn write(dir: &Path, made: &NewStep) -> Result<(), ScaffoldError> {
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |error| ScaffoldError::Io { path, error }
    };
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(fail(parent))?;
    }
    is_free(dir)?;
    // Beside its place, where no step is looked for, until it is whole.
    let beside = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    let beside = beside.unwrap_or(Path::new("."));
    let new = tempfile::Builder::new()
        .prefix(PREFIX)
        .tempdir_in(beside)
        .map_err(fail(beside))?;
    for (path, text) in &made.files {
        let path = new.path().join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(fail(folder))?;
        }
        fs::write(&path, text).map_err(fail(&path))?;
    }
    // A temporary folder is for its owner alone.
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(new.path(), mode).map_err(fail(dir))?;
    let new = new.keep();
    fs::rename(&new, dir).map_err(|error| {
        // What cannot be removed either is not worth a second error.
        let _ = fs::remove_dir_all(&new);
        fail(dir)(error)
    })
}

/// The step that is in `dir` already.
///
/// # Errors
/// If its file cannot be read, or is wrong.
pub fn known(dir: &Path) -> Result<Option<OverridesFile>, ScaffoldError> {
    let path = dir.join(STEP);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ScaffoldError::Io { path, error }),
    };
    match overrides::parse(&text) {
        Ok(file) => Ok(Some(file)),
        Err(overrides) => {
            Err(GenerateError::Steps(generate::of_steps(vec![(path, overrides)])).into())
        }
    }
}

/// Leaves the pairs of `selection` that no step joins, for the step in `dir`, of which `known` is what it has:
/// a flavour that came later. Their modules get names that it has not.
///
/// # Errors
/// [`ScaffoldError::Exists`] if it joins all of them.
pub fn without_known(
    selection: &mut Selection<'_>,
    (dir, known): (&Path, &OverridesFile),
    routes: &Routes<'_>,
) -> Result<(), ScaffoldError> {
    selection.pairs.retain(|pair| {
        let edge = routes.edge(&pair.from.release.layout, &pair.to.release.layout);
        edge.is_none_or(|edge| edge.dir != dir)
    });
    if selection.pairs.is_empty() {
        return Err(ScaffoldError::Exists {
            path: dir.to_owned(),
        });
    }
    let mut taken: BTreeSet<String> = known.pairs.iter().map(|pair| pair.module.clone()).collect();
    for pair in &mut selection.pairs {
        let release = pair.from.release;
        let long = format!("{}_{}", version(&release.arch), version(&release.flavour));
        let numbered = (2..).map(|number| format!("{long}_{number}"));
        let mut names = [pair.module.clone(), long.clone()]
            .into_iter()
            .chain(numbered);
        if let Some(name) = names.find(|name| !taken.contains(name)) {
            taken.insert(name.clone());
            pair.module = name;
        }
    }
    Ok(())
}

/// Adds the pairs of `selection` to the step in `dir`, with their pages if those are made.
///
/// # Errors
/// What the system says.
pub fn extend(dir: &Path, selection: &Selection<'_>, made: &NewStep) -> Result<(), ScaffoldError> {
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |error| ScaffoldError::Io { path, error }
    };
    // A page that no pair names yet does no harm, and a pair without a page is told.
    for (path, text) in made
        .files
        .iter()
        .filter(|(path, _)| path != Path::new(STEP))
    {
        let path = dir.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(fail(folder))?;
        }
        write_whole(&path, text).map_err(fail(&path))?;
    }
    let path = dir.join(STEP);
    let mut text = fs::read_to_string(&path).map_err(fail(&path))?;
    text.push_str(&stub::pairs(selection));
    write_whole(&path, &text).map_err(fail(&path))
}

/// Whether nothing is where a step is to be.
///
/// # Errors
/// [`ScaffoldError::Exists`].
pub fn is_free(dir: &Path) -> Result<(), ScaffoldError> {
    match fs::symlink_metadata(dir) {
        Ok(_) => Err(ScaffoldError::Exists {
            path: dir.to_owned(),
        }),
        Err(_) => Ok(()),
    }
}

/// Whether no step joins the layouts of a pair of `selection`: `kconv` would take one of the two.
///
/// # Errors
/// [`ScaffoldError::Joined`].
pub fn is_unjoined(selection: &Selection<'_>, routes: &Routes<'_>) -> Result<(), ScaffoldError> {
    for pair in &selection.pairs {
        let (from, to) = (&pair.from.release, &pair.to.release);
        if let Some(edge) = routes.edge(&from.layout, &to.layout) {
            return Err(ScaffoldError::Joined {
                from: from.name.clone(),
                to: to.name.clone(),
                step: edge.dir.clone(),
            });
        }
    }
    Ok(())
}

/// Appends the entries that a person completes to the family's files in `folder`, but for those that
/// are there. Returns the names of the files.
///
/// # Errors
/// If a file cannot be read or written.
pub fn propose(folder: &Path, made: &NewStep) -> Result<Vec<PathBuf>, ScaffoldError> {
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |error| ScaffoldError::Io { path, error }
    };
    let folder = folder.join(&made.family);
    let mut files = Vec::new();
    for proposal in &made.proposals {
        let path = folder.join(&proposal.file);
        let mut text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(fail(&path)(error)),
        };
        let added = proposal.to_add(&text);
        if !added.is_empty() {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&added);
            fs::create_dir_all(&folder).map_err(fail(&folder))?;
            write_whole(&path, &text).map_err(fail(&path))?;
        }
        if !files.contains(&path) {
            files.push(path);
        }
    }
    Ok(files)
}

/// What is undecided with the decisions of the family, one entry per field, in the order in which
/// the plans come upon them.
fn open(selection: &Selection<'_>, map: &StateMap, changes: &Changes) -> Vec<Open> {
    let mut all: Vec<Open> = Vec::new();
    for pair in &selection.pairs {
        let overrides = changes.between(&pair.from.layout, &pair.to.layout);
        let made = Plan::make(&Pair {
            converter: "none",
            machine: &pair.from.release.arch,
            from: pair.from.side(),
            to: pair.to.side(),
            map,
            overrides: &overrides,
        });
        for undecided in made.undecided {
            let same = |open: &&mut Open| {
                let known = &open.pairs[0].1;
                known.ty == undecided.ty && known.field == undecided.field
            };
            let entry = (pair.module.clone(), undecided.clone());
            match all.iter_mut().find(same) {
                Some(open) => open.pairs.push(entry),
                None => all.push(Open { pairs: vec![entry] }),
            }
        }
    }
    all
}

/// What to look for in a patch.
fn wanted(open: &[Open]) -> Vec<hunks::Wanted> {
    let fields = open.iter().map(|open| stub::wanted(&open.pairs[0].1));
    let unique: BTreeSet<_> = fields.collect();
    unique.into_iter().collect()
}
