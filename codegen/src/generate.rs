//! Everything that is generated, made and compared with what is there: the views of structures,
//! what is carried, and the pages of the steps.
//!
//! A step is a folder `converters/linux-X-Y` with what people wrote, `step.toml`, and one page for
//! each pair of releases, `PAIR.rs`, with what needs no reading in `rest/PAIR.rs`.

use crate::emit::{EmitError, House, HouseError, NameClash, Paths, REST, clashes};
use crate::family::{Family, Stored, families};
use crate::identifier::version;
use crate::needed::stale;
use crate::overrides::{
    self, ChangeFinding, Changes, ChangesError, OverrideFinding, OverrideProblem, Overrides,
    PairEntry,
};
use crate::pending::write_whole;
use crate::plan::{Made, Pair, Plan, Side, Undecided, Why};
use crate::steps::{self, StepFile, Steps, StepsError, entries};
use kernel_structs::layout::{Fingerprint, Layout};
use kernel_structs::nearest::nearest;
use kernel_structs::releases::{LookupError, Registry, RegistryError, Release};
use kernel_structs::state::StateFinding;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where the views are, in a project.
const VIEWS: &str = "kernel-structs/views/src";

/// Where what is carried is.
const CARRY: &str = "converters/carry/src";

/// The folder of a project with the state maps.
pub const STATES: &str = "kernel-structs/state";

/// A file that is made from layouts, state maps and decisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedFile {
    /// Its path in the project.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// What is wrong with the decisions of a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// Entries of `step.toml`.
    pub overrides: Vec<OverrideFinding>,
    /// Undecided fields, with the names of the releases.
    pub undecided: Vec<((String, String), Undecided)>,
}

impl Findings {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.overrides.is_empty() && self.undecided.is_empty()
    }
}

/// Why a crate's files were not made.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The decisions are wrong or not enough.
    #[error("the plan is not complete")]
    Findings(Findings),
    /// The decisions of steps are wrong or not enough.
    #[error("the plans of {} steps are not complete", .0.len())]
    Steps(Vec<(PathBuf, Findings)>),
    /// A state map that does not fit the family's layouts.
    #[error("{}", .findings.iter().map(|(line, finding)| format!("{}:{line}: {finding}", map.display())).collect::<Vec<_>>().join("\n"))]
    State {
        /// Its file.
        map: PathBuf,
        /// What is wrong with the map, each with its line.
        findings: Vec<(usize, StateFinding)>,
    },
    /// A state map, or a folder of decisions, of a family of which no layout is stored.
    #[error(
        "{}: {}; correct the name, or add a kernel of it with `kconv-gen layout add`",
        path.display(),
        unknown(family, nearest)
    )]
    UnknownFamily {
        /// The file or folder.
        path: PathBuf,
        /// The family that it is named after.
        family: String,
        /// The family of stored layouts that has the most similar name.
        nearest: Option<String>,
    },
    /// What lies in a folder of decisions and is no file of them: nobody would ever look at it.
    #[error("{}", .0.iter().map(|path| format!("{}: no file of decisions: those are regular files named TYPE.toml, in the folder of the family itself, with something in them; rename it, move it elsewhere, or remove it", path.display())).collect::<Vec<_>>().join("\n"))]
    Strays(Vec<PathBuf>),
    /// Names of a layout that cannot be told apart in Rust.
    #[error("{layout}: {}; the names of generated code have to change before this kernel can be known", .clashes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Names {
        /// The layout.
        layout: String,
        /// What is called alike.
        clashes: Vec<NameClash>,
    },
    /// Decisions of a family that cannot be used.
    #[error(transparent)]
    Changes(#[from] ChangesError),
    /// Layouts cannot be carried into themselves, or not be written as Rust.
    #[error(transparent)]
    House(#[from] HouseError),
    /// A step of a family of which no layout is stored.
    #[error("{}: no layout of the family {family} is stored; correct `family`, or add a kernel with `kconv-gen layout add`", step.display())]
    NoLayouts {
        /// The file.
        step: PathBuf,
        /// The family that it names.
        family: String,
    },
    /// A release that is not known.
    #[error("{0}; {advice}", advice = .0.advice())]
    Lookup(#[from] LookupError),
    /// A layout or state map that cannot be read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The releases of a pair are of different machines or families.
    #[error("{from} and {to} are not of one machine and family, {family}")]
    Unrelated {
        /// The first.
        from: String,
        /// The second.
        to: String,
        /// The family in the overrides file.
        family: String,
    },
    /// The releases are of different kernel families.
    #[error("{from} and {to} are of different families, {from_family} and {to_family}")]
    Families {
        /// The first.
        from: String,
        /// The second.
        to: String,
        /// Family of the first.
        from_family: String,
        /// Family of the second.
        to_family: String,
    },
    /// A plan that cannot be written as Rust.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// A file that cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

fn unknown(family: &str, nearest: &Option<String>) -> String {
    let nearest = nearest
        .iter()
        .map(|name| format!("; the nearest is {name}"));
    format!(
        "no layout of a family {family} is stored{}",
        nearest.collect::<String>()
    )
}

impl From<StepsError> for GenerateError {
    fn from(StepsError { path, error }: StepsError) -> GenerateError {
        GenerateError::Io { path, error }
    }
}

impl GenerateError {
    /// Whether only a fault of the generator explains it.
    pub fn is_fault(&self) -> bool {
        let emit = match self {
            GenerateError::Emit(error) | GenerateError::House(HouseError::Emit(error)) => error,
            _ => return false,
        };
        matches!(
            emit,
            EmitError::NotTotal(_) | EmitError::NotRust(_) | EmitError::NotReadable(_)
        )
    }
}

impl Family {
    /// Holds the state map against all layouts of the family, which is called `name`: what it says of
    /// a type or a member that none of them has would be said of nothing. No layout may have names
    /// that are one in Rust.
    ///
    /// # Errors
    /// [`GenerateError::State`], with everything that is wrong with the map, or
    /// [`GenerateError::Names`].
    pub fn check_map(&self, name: &str) -> Result<(), GenerateError> {
        let layouts: Vec<&Layout> = self.layouts.iter().map(|stored| &stored.layout).collect();
        let findings = self.map.check(&layouts);
        for stored in &self.layouts {
            let clashes = clashes(&stored.live);
            if !clashes.is_empty() {
                let layout = stored.id.clone();
                return Err(GenerateError::Names { layout, clashes });
            }
        }
        match findings.is_empty() {
            true => Ok(()),
            false => Err(GenerateError::State {
                map: Path::new(STATES).join(format!("{name}.toml")),
                findings: findings
                    .into_iter()
                    .map(|finding| (self.map.line_of(&finding), finding))
                    .collect(),
            }),
        }
    }

    /// The house of the family, whose decisions are `changes`.
    ///
    /// # Errors
    /// [`HouseError`].
    pub fn house(&self, changes: &Changes) -> Result<House<'_>, HouseError> {
        let module = version(&self.map.family);
        let paths = Paths {
            views: format!("kernel_structs_views::{module}"),
            own_views: format!("crate::{module}"),
            carry: format!("kconv_carry::{module}"),
            own_carry: format!("crate::{module}"),
            overrides: format!("kconv_overrides::{module}"),
        };
        House::build(&self.map, changes, &self.layouts, paths)
    }
}

/// That every state map of `registry`, and every folder of decisions in the folder `overrides`, is of
/// a family that has layouts: nothing else would ever be looked at.
///
/// # Errors
/// [`GenerateError::UnknownFamily`], [`GenerateError::Strays`], or that of a folder that cannot be read.
pub fn known_families(registry: &Registry, overrides: &Path) -> Result<(), GenerateError> {
    no_strays(registry.families(), overrides)?;
    let known = families(registry);
    let maps = registry.families().into_iter().map(|family| {
        let path = Path::new(STATES).join(format!("{family}.toml"));
        (family.to_owned(), path)
    });
    let decided = Changes::families(overrides)?.into_iter().map(|family| {
        let path = overrides.join(&family);
        (family, path)
    });
    match maps
        .chain(decided)
        .find(|(family, _)| !known.contains(family))
    {
        None => Ok(()),
        Some((family, path)) => Err(GenerateError::UnknownFamily {
            path,
            nearest: nearest(&family, known.iter().map(String::as_str)).map(str::to_owned),
            family,
        }),
    }
}

/// That the folders of decisions of `families` in the folder `overrides` have nothing but files of decisions, and what
/// is hidden, such as an editor's.
///
/// # Errors
/// [`GenerateError::Strays`], or that of a folder that cannot be read.
pub fn no_strays<'a>(
    families: impl IntoIterator<Item = &'a str>,
    overrides: &Path,
) -> Result<(), GenerateError> {
    let mut strays = Vec::new();
    for family in families {
        for path in entries(&overrides.join(family))? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_empty = || {
                let metadata = fs::metadata(&path);
                metadata.is_ok_and(|metadata| metadata.len() == 0)
            };
            let is_decisions = name.ends_with(".toml") && path.is_file() && !is_empty();
            if !is_decisions && !name.starts_with('.') {
                strays.push(path);
            }
        }
    }
    // Beside the folders are those of the crate.
    for path in entries(overrides)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".toml") && name != "Cargo.toml" && !name.starts_with('.') {
            strays.push(path);
        }
    }
    strays.sort();
    match strays.is_empty() {
        true => Ok(()),
        false => Err(GenerateError::Strays(strays)),
    }
}

/// Makes all generated files of the project in `root`; nothing is written.
///
/// # Errors
/// [`GenerateError`]. Findings of all steps are reported together.
pub fn generate(root: &Path, registry: &Registry) -> Result<Vec<GeneratedFile>, GenerateError> {
    let mut files = Vec::new();
    known_families(
        registry,
        &root.join(overrides::CONVERTERS).join(overrides::FOLDER),
    )?;
    let read = Steps::read(registry, &root.join(overrides::CONVERTERS))?;
    let mut wrong = of_steps(read.wrong);
    let mut steps: BTreeMap<String, Vec<StepFile>> = BTreeMap::new();
    for step in read.files {
        let family = step.file.family.clone();
        steps.entry(family).or_default().push(step);
    }
    let mut modules = Vec::new();
    for name in families(registry) {
        let family = Family::read(registry, &name)?;
        family.check_map(&name)?;
        let folder = root.join(overrides::CONVERTERS).join(overrides::FOLDER);
        let changes = Changes::read(&folder, &name)?;
        let (found, is_whole) = of_family(&folder.join(&name), &family, &changes);
        wrong.extend(found);
        if !is_whole {
            steps.remove(&name);
            continue;
        }
        let house = family.house(&changes)?;
        let module = version(&name);
        for (file, text) in house.views() {
            let path = Path::new(VIEWS).join(&module).join(file);
            files.push(GeneratedFile { path, text });
        }
        for (file, text) in house.carry()? {
            let path = Path::new(CARRY).join(&module).join(file);
            files.push(GeneratedFile { path, text });
        }
        for step in steps.remove(&name).unwrap_or_default() {
            let folder = step.dir.strip_prefix(root).unwrap_or(&step.dir).to_owned();
            match pages(&step.text, registry, &family, &house, &changes) {
                Ok(pages) => files.extend(pages.into_iter().map(|page| GeneratedFile {
                    path: folder.join(page.path),
                    text: page.text,
                })),
                Err(GenerateError::Findings(findings)) => wrong.push((step.path(), findings)),
                Err(error) => return Err(error),
            }
        }
        modules.push(module);
    }
    if let Some((family, left)) = steps.into_iter().next() {
        let step = left.first().map_or_else(PathBuf::new, StepFile::path);
        return Err(GenerateError::NoLayouts { step, family });
    }
    if !wrong.is_empty() {
        return Err(GenerateError::Steps(each_once(wrong)));
    }
    for (folder, all) in [(VIEWS, false), (CARRY, true)] {
        let path = Path::new(folder).join("families.rs");
        let text = family_list(&modules, all);
        files.push(GeneratedFile { path, text });
    }
    Ok(files)
}

/// Without what steps say of entries that no two layouts can carry out, where that is said of the family.
fn each_once(wrong: Vec<(PathBuf, Findings)>) -> Vec<(PathBuf, Findings)> {
    let mut never = BTreeSet::new();
    for (path, findings) in &wrong {
        let of_family = findings
            .overrides
            .iter()
            .filter(|finding| matches!(finding.problem, OverrideProblem::NeverCarriedOut { .. }));
        never.extend(of_family.map(|finding| (path.clone(), finding.line)));
    }
    let is_said = |open: &Undecided| match &open.why {
        Why::Override { line, file, .. } => never
            .iter()
            .any(|(path, at)| at == line && path.ends_with(file)),
        _ => false,
    };
    let mut left = wrong;
    for (_, findings) in &mut left {
        findings.undecided.retain(|(_, open)| !is_said(open));
    }
    left.retain(|(_, findings)| !findings.is_empty());
    left
}

/// What is wrong with steps, as findings.
pub fn of_steps(wrong: Vec<(PathBuf, Vec<OverrideFinding>)>) -> Vec<(PathBuf, Findings)> {
    let findings = wrong.into_iter().map(|(path, overrides)| {
        let undecided = Vec::new();
        (
            path,
            Findings {
                overrides,
                undecided,
            },
        )
    });
    findings.collect()
}

/// What is wrong with a family, whatever pair it is about: what its state map leaves undecided between
/// releases of one layout, and those of its decisions, which are in `folder`, that no pair of layouts needs or
/// that are there twice. Also whether every layout can be carried into itself.
pub fn of_family(
    folder: &Path,
    family: &Family,
    changes: &Changes,
) -> (Vec<(PathBuf, Findings)>, bool) {
    let undecided = family.undecided_alone();
    let is_whole = undecided.is_empty();
    let mut wrong = of_decisions(folder, family, changes);
    if !is_whole {
        let map = Path::new(STATES).join(format!("{}.toml", family.map.family));
        let findings = Findings {
            undecided,
            ..Findings::default()
        };
        wrong.insert(0, (map, findings));
    }
    (wrong, is_whole)
}

/// Files of decisions with comments alone, such as those that `new` leaves, that are named after no type.
fn of_no_type(folder: &Path, family: &Family, changes: &Changes) -> Vec<ChangeFinding> {
    let known = |ty: &str| {
        let has = |stored: &Stored| stored.layout.find(ty).is_some();
        family.map.types.contains_key(ty) || family.layouts.iter().any(has)
    };
    let decides = |file: &str| {
        let of_changes = changes.entries.iter().map(|change| &change.file);
        let of_flags = changes.flags.iter().map(|flag| &flag.file);
        of_changes.chain(of_flags).any(|of| of == file)
    };
    // What cannot be read was told before.
    let files = entries(folder).unwrap_or_default().into_iter();
    let names = files.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let of_file = |file: String| {
        let ty = file.strip_suffix(".toml")?.to_owned();
        let is_strange = !ty.starts_with('.') && !known(&ty) && !decides(&file);
        is_strange.then(|| ChangeFinding {
            file,
            line: 1,
            problem: OverrideProblem::FileOfNoType {
                nearest: nearest(&ty, family.map.types.keys().map(String::as_str))
                    .map(str::to_owned),
                ty,
            },
        })
    };
    let mut found: Vec<ChangeFinding> = names.filter_map(of_file).collect();
    found.sort_by(|a, b| a.file.cmp(&b.file));
    found
}

fn of_decisions(folder: &Path, family: &Family, changes: &Changes) -> Vec<(PathBuf, Findings)> {
    let mut found = family.check(changes);
    found.extend(of_no_type(folder, family, changes));
    let wrong = found.into_iter().map(|finding| {
        let overrides = vec![OverrideFinding {
            line: finding.line,
            problem: finding.problem,
        }];
        (folder.join(finding.file), overrides)
    });
    of_steps(wrong.collect())
}

/// The modules of the families, and what they carry.
fn family_list(modules: &[String], all: bool) -> String {
    let mut text = format!(
        "// @generated by {}.\n// Do not edit: run `kconv-gen generate`.\n\n//! The families.\n\n",
        crate::emit::TOOL
    );
    for module in modules {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "#[path = \"{module}/mod.rs\"]\npub mod {module};");
    }
    if all {
        let layouts = modules
            .iter()
            .map(|module| format!("{module}::layouts::ALL"));
        let layouts = layouts.collect::<Vec<_>>().join(", ");
        let _ = write!(
            text,
            "\n/// From every layout to itself, by family.\npub(crate) static IDENTITIES: &[&[&kconv_runtime::table::Converter]] = &[{layouts}];\n"
        );
    }
    text
}

/// The pages of one step, by path in its folder.
///
/// # Errors
/// [`GenerateError`]. Findings of all pairs are reported together.
pub fn pages(
    text: &str,
    registry: &Registry,
    family: &Family,
    house: &House<'_>,
    changes: &Changes,
) -> Result<Vec<GeneratedFile>, GenerateError> {
    let file = overrides::parse(text).map_err(|overrides| {
        GenerateError::Findings(Findings {
            overrides,
            ..Findings::default()
        })
    })?;
    let mut findings = Findings::default();
    let mut all = Vec::new();
    for entry in &file.pairs {
        let (from, to) = (end(registry, &entry.from)?, end(registry, &entry.to)?);
        findings.overrides.extend(check_pins(entry, (&from, &to)));
        if from.release.arch != to.release.arch
            || [&from, &to].iter().any(|end| end.family != file.family)
        {
            return Err(GenerateError::Unrelated {
                from: from.release.name.clone(),
                to: to.release.name.clone(),
                family: file.family.clone(),
            });
        }
        let (decided, twice) = decided(&file.overrides, changes, (&from, &to));
        for finding in twice {
            if !findings.overrides.contains(&finding) {
                findings.overrides.push(finding);
            }
        }
        let made = Plan::make(&Pair {
            converter: &file.converter,
            machine: &from.release.arch,
            from: from.side(),
            to: to.side(),
            map: &family.map,
            overrides: &decided,
        });
        let names = (entry.from.clone(), entry.to.clone());
        let undecided = made.undecided.iter().cloned();
        findings
            .undecided
            .extend(undecided.map(|undecided| (names.clone(), undecided)));
        all.push((entry, made));
    }
    let made: Vec<&Made> = all.iter().map(|(_, made)| made).collect();
    findings.overrides.extend(stale(&file.overrides, &made));
    if !findings.is_empty() {
        return Err(GenerateError::Findings(findings));
    }
    let mut files = Vec::new();
    let plans: Vec<(&Plan, &str)> = all
        .iter()
        .map(|(entry, made)| (&made.plan, entry.module.as_str()))
        .collect();
    for ((entry, _), page) in all.iter().zip(house.pages(&plans)?) {
        let path = PathBuf::from(format!("{}.rs", entry.module));
        let rest = Path::new(REST).join(&path);
        let text = page.text;
        files.push(GeneratedFile { path, text });
        let (path, text) = (rest, page.rest);
        files.push(GeneratedFile { path, text });
    }
    Ok(files)
}

/// What is decided for a pair: by the step itself, and by its family, with what is wrong about the
/// two together.
pub fn decided(
    own: &Overrides,
    changes: &Changes,
    (from, to): (&End<'_>, &End<'_>),
) -> (Overrides, Vec<OverrideFinding>) {
    own.with(changes.between(&from.layout, &to.layout))
}

/// One release of a pair, with its layout.
pub struct End<'a> {
    /// The release.
    pub release: &'a Release,
    /// Its kernel family.
    pub family: &'a str,
    /// Fingerprint of the saved types.
    pub fingerprint: Fingerprint,
    /// That of the saved types alone.
    pub types: Fingerprint,
    /// Its layout.
    pub layout: Layout,
}

impl End<'_> {
    /// This release as one side of a pair.
    pub fn side(&self) -> Side<'_> {
        Side {
            release: &self.release.name,
            layout_name: &self.release.layout.0,
            fingerprint: self.fingerprint,
            layout: &self.layout,
        }
    }
}

/// The release that `name` means, with its layout.
///
/// # Errors
/// If there is no such release, or its layout cannot be read.
pub fn end<'a>(registry: &'a Registry, name: &str) -> Result<End<'a>, GenerateError> {
    let release = registry.release(name, None, None)?;
    let entry = registry.layout_entry(&release.layout)?;
    Ok(End {
        release,
        family: &entry.family,
        fingerprint: entry.fingerprint,
        types: entry.types,
        layout: registry.layout(&release.layout)?,
    })
}

/// The pins of a pair that are not those of its releases.
pub(crate) fn check_pins(
    entry: &PairEntry,
    (from, to): (&End<'_>, &End<'_>),
) -> Vec<OverrideFinding> {
    let ends = [(from, entry.from_fingerprint), (to, entry.to_fingerprint)];
    let wrong = ends
        .into_iter()
        .filter(|(end, pinned)| *pinned != end.fingerprint);
    let finding = |(end, pinned): (&End<'_>, Fingerprint)| OverrideFinding {
        line: entry.line,
        problem: OverrideProblem::WrongFingerprint {
            release: end.release.name.clone(),
            found: end.fingerprint,
            pinned,
        },
    };
    wrong.map(finding).collect()
}

/// A generated file that is not as it would be made now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// It is not there.
    Missing(PathBuf),
    /// It has another text.
    Changed(PathBuf),
    /// Nothing makes it any more.
    LeftOver(PathBuf),
    /// It is a file of Rust beside the pages of a step, with which it would be linked, and nothing makes it.
    Stray(PathBuf),
    /// It lies among the views, what is carried, or what stands beside pages, and nothing makes it.
    Foreign(PathBuf),
}

/// Holds the generated files of the project in `root` against those that are made now.
///
/// # Errors
/// If a file cannot be read.
pub fn compare(root: &Path, files: &[GeneratedFile]) -> Result<Vec<Difference>, GenerateError> {
    let mut differences = Vec::new();
    for file in files {
        let path = root.join(&file.path);
        match fs::read(&path) {
            Ok(found) if found == file.text.as_bytes() => {}
            Ok(_) => differences.push(Difference::Changed(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                differences.push(Difference::Missing(path));
            }
            Err(error) => return Err(GenerateError::Io { path, error }),
        }
    }
    differences.extend(left_over(root, files)?);
    Ok(differences)
}

/// Writes the files into the project in `root`, and removes generated files that nothing makes any
/// more. Returns the paths of those that changed.
///
/// # Errors
/// If a file cannot be read or written.
pub fn write(root: &Path, files: &[GeneratedFile]) -> Result<Vec<PathBuf>, GenerateError> {
    let texts: BTreeMap<PathBuf, &str> = files
        .iter()
        .map(|file| (root.join(&file.path), file.text.as_str()))
        .collect();
    let mut changed = Vec::new();
    for difference in compare(root, files)? {
        let (path, done) = match difference {
            Difference::LeftOver(path) => {
                let done = fs::remove_file(&path);
                (path, done)
            }
            // It is somebody's, who is told of it.
            Difference::Stray(_) | Difference::Foreign(_) => continue,
            Difference::Missing(path) | Difference::Changed(path) => {
                let text = texts.get(&path).copied().unwrap_or_default();
                let done = write_file(&path, text);
                (path, done)
            }
        };
        done.map_err(|error| GenerateError::Io {
            path: path.clone(),
            error,
        })?;
        changed.push(path);
    }
    Ok(changed)
}

fn write_file(path: &Path, text: &str) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    write_whole(path, text)
}

/// Files that say they are generated, where generated files are, and that nothing makes; others that would be
/// linked as pages; and anything else among the views, what is carried, and what stands beside pages.
fn left_over(root: &Path, files: &[GeneratedFile]) -> Result<Vec<Difference>, GenerateError> {
    let made: BTreeSet<PathBuf> = files.iter().map(|file| root.join(&file.path)).collect();
    let mut folders = steps::folders(&root.join(overrides::CONVERTERS))?;
    let linked: BTreeSet<PathBuf> = folders.iter().cloned().collect();
    let mut houses: BTreeSet<PathBuf> = folders.iter().map(|folder| folder.join(REST)).collect();
    for folder in [VIEWS, CARRY] {
        let folder = root.join(folder);
        houses.extend(entries(&folder)?.into_iter().filter(|path| path.is_dir()));
        houses.insert(folder);
    }
    folders.extend(houses.iter().cloned());
    let is_made = |path: &Path| {
        // What is in a family's folder is looked at itself; the crate's own file is beside them.
        made.contains(path) || houses.contains(path) || path.ends_with("src/lib.rs")
    };
    let mut left_over = Vec::new();
    for folder in folders {
        for path in entries(&folder)? {
            let is_rust = path.extension().is_some_and(|extension| extension == "rs");
            let is_house = houses.contains(&folder);
            let is_hidden = path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if is_made(&path) || is_hidden || !is_rust && !is_house {
                continue;
            }
            let is_generated = path.is_file() && is_rust && {
                let text = fs::read(&path).map_err(|error| GenerateError::Io {
                    path: path.clone(),
                    error,
                })?;
                text.starts_with(b"// @generated")
            };
            match is_generated {
                true => left_over.push(Difference::LeftOver(path)),
                false if is_house => left_over.push(Difference::Foreign(path)),
                false if linked.contains(&folder) => left_over.push(Difference::Stray(path)),
                false => {}
            }
        }
    }
    left_over.sort();
    Ok(left_over)
}
