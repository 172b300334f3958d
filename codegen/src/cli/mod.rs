//! The commands: input read, library called, result printed.

mod archive;
pub(crate) mod baseline;
mod baseline_file;
pub(crate) mod check;
pub(crate) mod constants;
mod examine;
pub(crate) mod folder;
pub(crate) mod generate;
pub(crate) mod headers;
mod kernel;
mod kernel_package;
pub(crate) mod layout;
pub(crate) mod new;
pub(crate) mod plan;
pub(crate) mod release;
pub(crate) mod show;
pub(crate) mod source;
pub(crate) mod state;
pub(crate) mod status;

use constants::NoHeaders;
use kconv_codegen::baseline::{Baseline, BaselineError};
use kconv_codegen::generate::{End, Findings, GenerateError, no_strays};
use kconv_codegen::import::{ImportError, Refusals};
use kconv_codegen::overrides::{CONVERTERS, FOLDER};
use kconv_codegen::patch::PatchError;
use kconv_codegen::scaffold::{ScaffoldError, SelectError};
use kernel_structs::layout::{Fingerprint, Layout, UnknownType};
use kernel_structs::releases::{
    FamilyError, Files, LookupError, Registry, RegistryError, is_file_like, machine_with_pointers,
};
use kernel_structs_routes::headers::HeaderError;
use kernel_structs_routes::package::PackageError;
use source::{Route, Source, Wanted};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf, absolute};
use std::process::ExitCode;

/// How a command ended, if nothing went wrong.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Nothing to say against.
    Clean,
    /// There are findings, and they were printed.
    Findings,
}

/// That every layout has each of the types, for commands that are about some that a person named.
///
/// # Errors
/// All that one of them does not have.
pub(crate) fn known_types(layouts: &[&Layout], names: &[&str]) -> Result<(), CliError> {
    let missing = |name: &&str| {
        let mut sides = layouts.iter().map(|layout| layout.require(name).err());
        sides.find_map(|missing| missing)
    };
    let types: Vec<UnknownType> = names.iter().filter_map(missing).collect();
    match types.is_empty() {
        true => Ok(()),
        false => Err(CliError::Types { types }),
    }
}

fn lines(types: &[UnknownType]) -> String {
    let lines: Vec<String> = types.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Why a command did not end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error(
        "{}: no option is set in it; expected a .config with lines such as CONFIG_SMP=y, or an autoconf.h",
        path.display()
    )]
    NoOptions { path: PathBuf },
    #[error("{}: {error}", path.display())]
    Config {
        path: PathBuf,
        error: kernel_structs_routes::bzimage::ConfigError,
    },
    #[error(transparent)]
    Generate(#[from] GenerateError),
    #[error(transparent)]
    Scaffold(#[from] ScaffoldError),
    #[error(transparent)]
    Folder(#[from] kconv_codegen::import::FolderError),
    #[error(
        "{}: there is a folder of that kernel, with other files; --replace has the new one take its place",
        path.display()
    )]
    FolderTaken { path: PathBuf },
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Type(#[from] UnknownType),
    #[error("{}", lines(types))]
    Types { types: Vec<UnknownType> },
    #[error("{}: {}", path.display(), words(error))]
    Io { path: PathBuf, error: io::Error },
    #[error("{}: {error}", path.display())]
    Btf {
        path: PathBuf,
        error: kernel_structs::btf::BtfError,
    },
    #[error("{}: {error}", path.display())]
    Kernel {
        path: PathBuf,
        error: kernel_structs_routes::bzimage::KernelError,
    },
    #[error("{}: {error}", path.display())]
    Dwarf {
        path: PathBuf,
        error: kernel_structs_routes::dwarf::DwarfError,
    },
    #[error("{}: {error}{}", path.display(), advice.map(|advice| format!("\n{advice}")).unwrap_or_default())]
    Headers {
        path: PathBuf,
        error: HeaderError,
        advice: Option<&'static str>,
    },
    #[error("{}: no profile says how the headers of {family} are read; write one, or take a vmlinuz", path.display())]
    NoProfile { path: PathBuf, family: String },
    #[error("{}: bindgen and clang do not agree about these headers; take a vmlinuz or debug information instead\n{doubts}", path.display())]
    Doubts { path: PathBuf, doubts: String },
    /// A baseline cannot be read.
    #[error("{}: {error}", path.display())]
    Baseline { path: PathBuf, error: BaselineError },
    /// A baseline is cut, or a part of it was taken out.
    #[error("{}: it is for {family}, of which {types} is saved, and no line describes that; take the lines from version control again, or write it anew", path.display())]
    BaselineLacks {
        path: PathBuf,
        family: String,
        types: String,
    },
    /// A baseline is there already.
    #[error("{} is there already; what changed since is accepted with `kconv-gen baseline accept`", path.display())]
    BaselineThere { path: PathBuf },
    /// A change is accepted for a reason.
    #[error("--reason says in one line why the change may be; an empty one says nothing")]
    BaselineReason,
    /// Nothing was named that could be accepted.
    #[error(
        "name the patches whose changes are accepted, or with --layout the kernel after them, or both"
    )]
    NothingToAccept,
    /// Two layouts are held against each other.
    #[error("--to is the layout after: the one before it is --from, or a --baseline")]
    NothingBefore,
    #[error("{}: a new layout, but headers do not define the types that a freeze reads to name resources, such as struct mount; take the kernel's vmlinuz", path.display())]
    OnlySaved { path: PathBuf },
    #[error("{}: {error}; say which with --family", path.display())]
    Family {
        path: PathBuf,
        error: Box<FamilyError>,
    },
    #[error("{}: no version of a kernel here, which would tell its family; say which with --family", path.display())]
    NoVersion { path: PathBuf },
    #[error("--release and --kernel-version are of one kernel; add them one at a time")]
    OneAtATime,
    #[error("--headers and --constants-of are said of one kernel; import them one at a time")]
    HeadersOfOne,
    #[error("--replace is said of one kernel; add them one at a time")]
    ReplaceOne,
    #[error("{} and {} are both called {name}; add one of them, or give it another name with --release", first.display(), second.display())]
    NamedTwice {
        name: String,
        first: PathBuf,
        second: PathBuf,
    },
    #[error(
        "{}: its types are those of {family}, and Linux {version} is {}; correct the version, or say --family {family} if it is a kernel of that family all the same", path.display(), of.as_ref().map_or_else(|| "of no family whose state is known".to_owned(), |of| format!("of {of}"))
    )]
    ForeignVersion {
        path: PathBuf,
        version: String,
        family: String,
        of: Option<String>,
    },
    #[error("{}: {error}", path.display())]
    Patch { path: PathBuf, error: PatchError },
    /// A project without its table of releases.
    #[error(
        "{} is not there, and nothing else says which kernels this project knows; put it back (git checkout), or run the command outside of the project to ask what kconv-gen was built with",
        path.display()
    )]
    NoTable {
        /// Where it is expected.
        path: PathBuf,
    },
    #[error(
        "releases.toml has {name} with the {what} {known}, and {option} says {said}; nothing was written. The option is for new releases: change the entry in releases.toml if it is wrong"
    )]
    SaidOtherwise {
        name: String,
        what: &'static str,
        known: String,
        option: &'static str,
        said: String,
    },
    #[error(
        "{name}: which version of Linux this is cannot be read from its name; say it with --kernel-version"
    )]
    Version { name: String },
    #[error(transparent)]
    OfTree(Box<FamilyError>),
    #[error(
        "nothing tells which kernels the patch is for: run this at the top of a kernel's source, give the source with --old, or say --family {}",
        families.join(" or ")
    )]
    NoFamily { families: Vec<String> },
    #[error("{}: {family} is for {}, where pointers have another size than {pointer_size} bytes", path.display(), machines.join(", "))]
    OtherMachine {
        path: PathBuf,
        family: String,
        machines: Vec<String>,
        pointer_size: u8,
    },
    #[error("{release} is of the family {family}, not of {said}")]
    OtherFamily {
        release: String,
        family: String,
        said: String,
    },
    #[error("{}: there is no such file", path.display())]
    NoFile { path: PathBuf },
    #[error("`{name}` is no release; a file is named with --btf")]
    FileForRelease { name: String },
    #[error("there is neither a release nor a file `{name}`")]
    Nothing { name: String },
    #[error("{}: {error}", path.display())]
    Package { path: PathBuf, error: PackageError },
    #[error(
        "{package} cannot be had from the archive: {said}\nIs it still offered? `apt-cache policy {package}` tells; a file can be named instead"
    )]
    Download { package: String, said: String },
    #[error("{}: needs {needs}, which does not lie beside it; {how}", path.display())]
    NoHeaders {
        path: PathBuf,
        needs: String,
        how: String,
    },
    #[error("{}; {} is not in {}, nor installed in /usr/src; {}", why, sought.package, sought.folders, sought.how)]
    NoConstants {
        why: Box<ImportError>,
        sought: Box<NoHeaders>,
    },
    #[error("{} is not in {}, nor installed in /usr/src; {}. If its family is one whose fields are made of constants, they are taken from there", .0.package, .0.folders, .0.how)]
    NoHeadersEither(Box<NoHeaders>),
    #[error("{}: no kernel in it, nor in what it depends on (looked at: {}); boot/vmlinuz-VERSION or usr/lib/modules/VERSION/vmlinuz is expected, and is in the packages linux-image-VERSION-ARCH or linux-binary-VERSION-ARCH", path.display(), looked.join(", "))]
    NoKernel { path: PathBuf, looked: Vec<String> },
    #[error("{}: no configuration of the kernel in it, nor in what it depends on (looked at: {}); boot/config-VERSION or usr/lib/modules/VERSION/config is expected. Unpacked from the package, the kernel alone can be imported without", path.display(), looked.join(", "))]
    NoConfig { path: PathBuf, looked: Vec<String> },
    #[error("{}: {lacking}, and {need}, which it depends on, is not in {folders}; {how}", path.display())]
    NoPart {
        path: PathBuf,
        lacking: &'static str,
        need: String,
        folders: String,
        how: String,
    },
    #[error("{}: this is {found}, and {} depends on {need}; {how}", path.display(), by.display())]
    OtherPart {
        path: PathBuf,
        found: String,
        by: PathBuf,
        need: String,
        how: String,
    },
    #[error("{} and {} are two kernels; name the package of one", first.display(), second.display())]
    TwoKernels { first: PathBuf, second: PathBuf },
    #[error("{}: this is of the kernel {found}, and {} of {release}; one of them is not what its package says, so download both again", path.display(), kernel.display())]
    OtherKernels {
        path: PathBuf,
        found: String,
        kernel: PathBuf,
        release: String,
    },
    #[error("{}: the file is called after the kernel {called}, and it says that it is {found}; download the package again, or import the kernel alone, unpacked, under the name that it says", path.display())]
    MisnamedKernel {
        path: PathBuf,
        called: String,
        found: String,
    },
    /// Several things are wrong at once.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    All(Vec<CliError>),
    /// Kernels that were named together are not imported.
    #[error("{}", refused(.0))]
    Refused(Vec<(String, Vec<CliError>)>),
    #[error("say --headers or --constants-of: where the constants of the layout are to come from")]
    NoOrigin,
    #[error("the headers are those of {found}; those of {uname} are in linux-headers-{uname}")]
    NotItsHeaders { found: String, uname: String },
    #[error("say with --source why {layout} has the constants of {of}")]
    NoReason { layout: String, of: String },
    #[error(
        "the headers are those of {uname}, which is none of the releases with the layout {layout} ({releases}); if its constants are theirs all the same, say why with --source"
    )]
    ForeignHeaders {
        uname: String,
        layout: String,
        releases: String,
    },
    #[error("several files here are {package}; name one: {}", found.join(", "))]
    Packages { package: String, found: Vec<String> },
    #[error(transparent)]
    Import(#[from] Box<ImportError>),
    #[error("the plan has no type `{ty}`{}", nearest.as_ref().map(|name| format!("; the nearest name is `{name}`")).unwrap_or_default())]
    NoSuchType { ty: String, nearest: Option<String> },
    #[error("{}: there is no such folder, and the steps and decisions of a project are in it; run this in a project's folder, that in which `converters` and `kernel-structs` lie", path.display())]
    NoProject { path: PathBuf },
    #[error("{}: there is no such folder, and the releases and layouts of a project are in it; run this in a project's folder, that in which `converters` and `kernel-structs` lie, or name that with --project", path.display())]
    NoReleases { path: PathBuf },
    #[error("{}: the folder of this step is called as its converter; write it to {}", given.display(), expected.display())]
    StepName { given: PathBuf, expected: PathBuf },
    #[error("{}: steps are found in {} alone, where the folder of each is called as its converter; write it to {}", given.display(), converters.display(), expected.display())]
    StepPlace {
        given: PathBuf,
        converters: PathBuf,
        expected: PathBuf,
    },
    #[error(transparent)]
    Check(#[from] kconv_codegen::check::CheckError),
    #[error("{option} is for --format {format} alone")]
    OtherForm {
        option: &'static str,
        format: &'static str,
    },
    #[error("--format kcidb needs --kcidb-origin and --kcidb-build")]
    NoIds,
    #[error("--allow: {0}")]
    Allow(#[from] kconv_codegen::check::UnknownAllowance),
    #[error("{}: these acknowledgements cannot be used\n{findings}", path.display())]
    Acknowledgements { path: PathBuf, findings: String },
    #[error("apt-cache cannot tell which kernels there are: {0}")]
    AptCache(String),
    #[error(
        "apt knows of no kernel: its lists are missing; run `apt-get update`, or name the suites to be looked at by a configuration in APT_CONFIG"
    )]
    NoLists,
    #[error("the result cannot be printed: {0}")]
    Print(#[from] io::Error),
}

impl CliError {
    /// That the file at `path` cannot be read or written.
    pub(crate) fn io(path: &Path, error: io::Error) -> CliError {
        CliError::Io {
            path: path.to_owned(),
            error,
        }
    }

    /// One error for all of `errors`.
    fn all(mut errors: Vec<CliError>) -> CliError {
        match errors.len() {
            1 => errors.remove(0),
            _ => CliError::All(errors),
        }
    }

    /// The exit code: 3 for what only a fault of this program explains, else 2.
    fn code(&self) -> u8 {
        match self {
            CliError::Generate(error) | CliError::Scaffold(ScaffoldError::Generate(error))
                if error.is_fault() =>
            {
                3
            }
            CliError::Import(error) if matches!(**error, ImportError::Store(_)) => 3,
            CliError::All(errors) => errors.iter().map(CliError::code).max().unwrap_or(2),
            CliError::Refused(kernels) => {
                let errors = kernels.iter().flat_map(|(_, errors)| errors);
                errors.map(CliError::code).max().unwrap_or(2)
            }
            _ => 2,
        }
    }
}

/// What is wrong with each of the kernels that were named together.
fn refused(kernels: &[(String, Vec<CliError>)]) -> String {
    if let [(_, errors)] = kernels
        && let [error] = errors.as_slice()
    {
        return error.to_string();
    }
    let mut text = "nothing was imported".to_owned();
    for (name, errors) in kernels {
        text.push_str(&match errors.len() {
            0 => format!("\n{name}: nothing is wrong with this one"),
            1 => format!("\n{name}:"),
            count => format!("\n{name}: {count} things are wrong"),
        });
        for error in errors {
            text.push_str(&format!(
                "\n  {}",
                error.to_string().replace('\n', "\n    ")
            ));
        }
    }
    text
}

/// The bytes of a file.
fn read_file(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|error| CliError::Io {
        path: path.to_owned(),
        error,
    })
}

/// What the system said of a file, for those who do not know its numbers.
fn words(error: &io::Error) -> String {
    match error.kind() {
        _ if error.raw_os_error().is_none() => error.to_string(),
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::IsADirectory => "is a folder, and a file is expected".to_owned(),
        _ => {
            let said = error.to_string();
            let number = said.find(" (os error ");
            said[..number.unwrap_or(said.len())].to_owned()
        }
    }
}

pub(crate) fn exit(ended: Result<Ended, CliError>) -> ExitCode {
    match ended {
        Ok(Ended::Clean) => ExitCode::SUCCESS,
        Ok(Ended::Findings) => ExitCode::from(1),
        // What is wrong with steps is findings, whichever command came upon it.
        Err(
            CliError::Generate(GenerateError::Steps(wrong))
            | CliError::Scaffold(
                ScaffoldError::Generate(GenerateError::Steps(wrong))
                | ScaffoldError::Select(SelectError::Generate(GenerateError::Steps(wrong))),
            ),
        ) => {
            told(&wrong);
            ExitCode::from(1)
        }
        Err(error) => {
            tell(&format!("kconv-gen: {error}\n"));
            if error.code() == 3 {
                tell("This is a fault of kconv-gen; please report it.\n");
            }
            ExitCode::from(error.code())
        }
    }
}

impl From<Refusals> for CliError {
    fn from(refusals: Refusals) -> CliError {
        let errors = refusals.0.into_iter();
        CliError::all(
            errors
                .map(|error| CliError::Import(Box::new(error)))
                .collect(),
        )
    }
}

/// Where a project keeps its releases, layouts and state maps.
const RELEASES: &str = "kernel-structs";

/// That the decisions in the folder `converters` are files that can be read.
pub(crate) fn decisions(registry: &Registry, converters: &Path) -> Result<(), CliError> {
    Ok(no_strays(registry.families(), &converters.join(FOLDER))?)
}

/// What is known of kernels: in a project's folder what its files say, so that an import counts
/// at once; elsewhere what this program was built with.
pub(crate) fn registry() -> Result<Registry, CliError> {
    registry_of(Path::new(""))
}

/// As [`registry`], for the project in `project`. One without its table is not as it should be, and not as this
/// program was built.
pub(crate) fn registry_of(project: &Path) -> Result<Registry, CliError> {
    let folder = project.join(RELEASES);
    let parts = ["releases.toml", "layouts", "state"];
    match parts.iter().any(|part| folder.join(part).exists()) {
        true => stored_registry(&folder),
        false => Ok(Registry::builtin()?.clone()),
    }
}

/// The releases in `folder`, read while nobody changes them: a layout is there before the table
/// names it.
pub(crate) fn stored_registry(folder: &Path) -> Result<Registry, CliError> {
    let _unchanged = lock(folder, File::lock_shared)?;
    Ok(Registry::parse(stored_files(folder)?)?)
}

/// The files of the releases in `folder`.
pub(crate) fn stored_files(folder: &Path) -> Result<Files, CliError> {
    let table = folder.join("releases.toml");
    if !table.exists() {
        return Err(CliError::NoTable { path: table });
    }
    Files::read(folder).map_err(|error| CliError::io(folder, error))
}

/// A lock on the releases in `folder`, which goes with the file. It is on the folder: the table is
/// another file after each change.
pub(crate) fn lock(folder: &Path, how: fn(&File) -> io::Result<()>) -> Result<File, CliError> {
    let locked = File::open(folder).and_then(|file| how(&file).map(|()| file));
    locked.map_err(|error| CliError::io(folder, error))
}

/// The folder of the steps and decisions of the project in `project`, whether it is there or not.
pub(crate) fn converters_of(project: &Path) -> PathBuf {
    project.join(CONVERTERS)
}

/// The folder of the steps and decisions of the project that this is run in.
pub(crate) fn converters() -> Result<&'static Path, CliError> {
    let converters = Path::new(CONVERTERS);
    match converters.is_dir() {
        true => Ok(converters),
        false => Err(CliError::NoProject {
            path: absolute(converters).unwrap_or_else(|_| converters.to_owned()),
        }),
    }
}

/// Prints a result.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    heard(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// How printing ended. If the reader has seen enough and closed the pipe, that is no error, and the
/// exit code is the one that the command comes to.
pub(crate) fn heard(printed: io::Result<()>) -> Result<(), CliError> {
    match printed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => Ok(printed?),
    }
}

/// Says something on standard error. Where nobody can read it, the exit code says it still.
pub(crate) fn tell(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Prints a result as JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
    print(&format!("{text}\n"))
}

/// Which of a version's kernels is meant where one has to be.
const STANDARD: &str = "standard";

/// The release `name` with its layout; a version means its standard flavour, if it has one.
pub(crate) fn end<'a>(registry: &'a Registry, name: &str) -> Result<End<'a>, CliError> {
    let release = registry.release(name, Some(STANDARD), None);
    let release = release.map_err(GenerateError::from)?;
    Ok(kconv_codegen::generate::end(registry, &release.name)?)
}

/// A layout that a person named, by release or by file.
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) layout_name: String,
    pub(crate) family: String,
    pub(crate) arch: String,
    pub(crate) fingerprint: Fingerprint,
    /// That of the types alone.
    pub(crate) types: Fingerprint,
    pub(crate) layout: Layout,
    pub(crate) route: Route,
}

impl Named {
    /// The layout of the file, header tree or release `name`. The family of a file is `family`, or
    /// that which the file tells.
    pub(crate) fn find(
        registry: &Registry,
        name: &str,
        family: Option<&str>,
    ) -> Result<Named, CliError> {
        let path = Path::new(name);
        match path.exists() {
            true => Named::of(registry, &Source::open(path)?, name, family),
            false => {
                let end = end(registry, name).map_err(|error| missing(error, name))?;
                if let Some(said) = family.filter(|said| *said != end.family) {
                    return Err(CliError::OtherFamily {
                        release: end.release.name.clone(),
                        family: end.family.to_owned(),
                        said: said.to_owned(),
                    });
                }
                Ok(Named::of_release(&end))
            }
        }
    }

    /// The layout of a known release.
    pub(crate) fn of_release(end: &End<'_>) -> Named {
        Named {
            name: end.release.name.clone(),
            layout_name: end.release.layout.0.clone(),
            family: end.family.to_owned(),
            arch: end.release.arch.clone(),
            fingerprint: end.fingerprint,
            types: end.types,
            layout: end.layout.clone(),
            route: Route::Btf,
        }
    }

    /// What the baseline at `path` has.
    pub(crate) fn of_baseline(
        registry: &Registry,
        path: &Path,
        baseline: &Baseline,
    ) -> Result<Named, CliError> {
        let map = registry.state_map(&baseline.family)?;
        let layout = baseline.layout.clone();
        let pointer_size = layout.target().pointer_size;
        let arch = machine_with_pointers(&map.machines, pointer_size);
        let arch = arch.ok_or_else(|| CliError::OtherMachine {
            path: path.to_owned(),
            family: baseline.family.clone(),
            machines: map.machines.clone(),
            pointer_size,
        })?;
        let name = path.display().to_string();
        Ok(Named {
            layout_name: name.clone(),
            name,
            family: baseline.family.clone(),
            arch: arch.to_owned(),
            fingerprint: layout.fingerprint(&map.saved_in(&layout))?,
            types: layout.types_fingerprint(&map.saved_in(&layout))?,
            layout,
            route: Route::Btf,
        })
    }

    /// The layout of a file or header tree, which is called `name`.
    pub(crate) fn of(
        registry: &Registry,
        source: &Source,
        name: &str,
        family: Option<&str>,
    ) -> Result<Named, CliError> {
        let family = match family {
            Some(family) => family.to_owned(),
            None => source.family(registry)?,
        };
        let map = registry.state_map(&family)?;
        let layout = source.layout(registry, &Wanted::Saved(&map))?.into_owned();
        let pointer_size = layout.target().pointer_size;
        let arch = machine_with_pointers(&map.machines, pointer_size);
        let arch = arch.ok_or_else(|| CliError::OtherMachine {
            path: PathBuf::from(name),
            family: family.clone(),
            machines: map.machines.clone(),
            pointer_size,
        })?;
        Ok(Named {
            name: name.to_owned(),
            layout_name: name.to_owned(),
            arch: arch.to_owned(),
            fingerprint: layout.fingerprint(&map.saved_in(&layout))?,
            types: layout.types_fingerprint(&map.saved_in(&layout))?,
            layout,
            route: source.route(),
            family,
        })
    }
}

/// That there is no release `name`, in the words that fit what was meant: a file, if the name is
/// like one's or like no release's.
fn missing(error: CliError, name: &str) -> CliError {
    match &error {
        CliError::Generate(GenerateError::Lookup(LookupError::Unknown { nearest, .. })) => {
            match (is_file_like(name), nearest.is_empty()) {
                (true, _) => CliError::NoFile { path: name.into() },
                (false, true) => CliError::Nothing { name: name.into() },
                (false, false) => error,
            }
        }
        _ => error,
    }
}

/// Two layouts of one family, by release or by file.
pub(crate) fn both(
    registry: &Registry,
    from: &str,
    to: &str,
    family: Option<&str>,
) -> Result<(Named, Named), CliError> {
    let (from, to) = (
        Named::find(registry, from, family)?,
        Named::find(registry, to, family)?,
    );
    match from.family == to.family {
        true => Ok((from, to)),
        false => Err(CliError::Generate(GenerateError::Families {
            from: from.name,
            to: to.name,
            from_family: from.family,
            to_family: to.family,
        })),
    }
}

/// Prints what is wrong with steps or decisions, file by file.
fn told(wrong: &[(PathBuf, Findings)]) {
    for (file, findings) in wrong {
        tell(&kconv_codegen::show::findings(
            &file.display().to_string(),
            findings,
        ));
    }
}
