//! What is measured, and what has to be reached.

use crate::linux6::{self, MadeError};
use crate::once::RunError;
use crate::pairs::{Contest, Pair};
use crate::repeat::{Meaning, RepeatError, repeat};
use crate::statistics::Spread;
use crate::tools::{Programs, on_path, version};
use kconv_image::{Image, ImageError};
use kernel_structs::releases::{Registry, RegistryError};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What a conversion may take of what a copy of its image takes: wall clock.
pub const CONVERSION_WALL: f64 = 1.5;
/// As [`CONVERSION_WALL`], of CPU time.
pub const CONVERSION_CPU: f64 = 3.0;
/// What `kconv verify` may take of what `b3sum` takes: wall clock.
pub const VERIFICATION_WALL: f64 = 1.3;
/// How much memory a process may have at once beyond the length of its image, in bytes.
pub const MEMORY: u64 = 64 << 20;
/// What a task of the largest image may take of what one of the smallest takes, of CPU time: what does not depend on
/// the number of tasks is part of the smallest.
pub const LINEAR: f64 = 1.2;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// An image cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// One cannot be made.
    #[error(transparent)]
    Made(#[from] MadeError),
    /// One cannot be repeated.
    #[error("{image}: {source}")]
    Repeat {
        /// The image.
        image: PathBuf,
        /// Why.
        source: Box<RepeatError>,
    },
    /// The table of releases cannot be read, or does not know a kernel.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// No release has this name.
    #[error(transparent)]
    Lookup(#[from] kernel_structs::releases::LookupError),
    /// A file cannot be written or asked for its length.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program that is measured cannot be run, or fails.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// What is asked for.
pub struct Wanted {
    /// Root of the workspace.
    pub root: PathBuf,
    /// Where images are made; they are removed when they have been measured.
    pub folder: PathBuf,
    /// Numbers of tasks, ascending.
    pub tasks: Vec<u64>,
    /// How many pairs of runs are made of each.
    pub pairs: usize,
    /// Two files with type information that `kconv-gen diff` compares.
    pub types: [PathBuf; 2],
}

/// What is done.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// `kconv FROM TO IMAGE`
    Conversion,
    /// `kconv verify IMAGE`
    Verification,
    /// `kconv-gen diff`
    Difference,
}

/// What came of one contest.
#[derive(Clone, Debug)]
pub struct Measured {
    /// What is done.
    pub work: Work,
    /// Of what: the kernels, or the files.
    pub of: String,
    /// Tasks of the image; `None` where there is none.
    pub tasks: Option<u64>,
    /// Length of what is read, in bytes.
    pub bytes: u64,
    /// What it is held against, as people call it.
    pub peer: &'static str,
    /// The runs.
    pub pairs: Vec<Pair>,
}

/// All that came of a call.
#[derive(Default)]
pub struct Figures {
    /// The contests.
    pub measured: Vec<Measured>,
    /// What was not measured, and why.
    pub skipped: Vec<String>,
    /// Which versions there were of what was run.
    pub versions: Vec<String>,
}

/// What has to be reached, and was or was not.
#[derive(Clone, Debug, PartialEq)]
pub struct Goal {
    /// What, with what was found.
    pub said: String,
    /// Whether it was.
    pub reached: bool,
}

impl Measured {
    /// What it took of what the peer took, by the wall clock.
    pub fn wall(&self) -> Option<Spread> {
        let pairs = self.pairs.iter();
        Spread::of_ratios(
            pairs.map(|pair| (pair.own.wall.as_secs_f64(), pair.peer.wall.as_secs_f64())),
        )
    }

    /// As [`Measured::wall`], of CPU time.
    pub fn cpu(&self) -> Option<Spread> {
        let pairs = self.pairs.iter();
        Spread::of_ratios(
            pairs.map(|pair| (pair.own.cpu.as_secs_f64(), pair.peer.cpu.as_secs_f64())),
        )
    }

    /// The most memory that it had at once in any run, in bytes.
    pub fn peak(&self) -> u64 {
        let peaks = self.pairs.iter().map(|pair| pair.own.peak);
        peaks.max().unwrap_or(0)
    }

    /// CPU time for each task, in seconds.
    pub fn cpu_of_a_task(&self) -> Option<f64> {
        let cpu = Spread::of(self.pairs.iter().map(|pair| pair.own.cpu.as_secs_f64()))?;
        Some(cpu.median / self.tasks? as f64)
    }

    /// What has to be reached.
    pub fn goals(&self) -> Vec<Goal> {
        let at_most = |what: &str, found: Option<Spread>, most: f64| {
            found.map(|found| Goal {
                said: format!("{what} {:.2} of {most:.1}", found.median),
                reached: found.median <= most,
            })
        };
        let beyond = self.peak().saturating_sub(self.bytes);
        let memory = Goal {
            said: format!(
                "memory {} MiB of {} beyond the image",
                beyond >> 20,
                MEMORY >> 20
            ),
            reached: beyond <= MEMORY,
        };
        let times = match self.work {
            Work::Conversion => vec![
                at_most("wall", self.wall(), CONVERSION_WALL),
                at_most("CPU", self.cpu(), CONVERSION_CPU),
            ],
            Work::Verification => vec![at_most("wall", self.wall(), VERIFICATION_WALL)],
            Work::Difference => return Vec::new(),
        };
        times.into_iter().flatten().chain([memory]).collect()
    }
}

impl Figures {
    /// What a task takes in the largest image of what it takes in the smallest, for each work on each kind of image.
    pub fn growth(&self) -> Vec<Goal> {
        let mut goals = Vec::new();
        for (number, smallest) in self.measured.iter().enumerate() {
            let same = |other: &&Measured| (other.work, &other.of) == (smallest.work, &smallest.of);
            let is_first = !self.measured[..number].iter().any(|other| same(&other));
            let largest = self.measured.iter().rfind(same);
            let Some(largest) =
                largest.filter(|largest| is_first && largest.tasks > smallest.tasks)
            else {
                continue;
            };
            let each =
                [smallest, largest].map(|measured| (measured.tasks, measured.cpu_of_a_task()));
            let [(Some(few), Some(before)), (Some(many), Some(after))] = each else {
                continue;
            };
            let ratio = after / before;
            goals.push(Goal {
                said: format!(
                    "{} of {}: {:.1} µs of CPU for a task of {many}, {:.1} µs for one of {few}: {ratio:.2} of {LINEAR:.1}",
                    smallest.work.name(),
                    smallest.of,
                    after * 1e6,
                    before * 1e6,
                ),
                reached: ratio <= LINEAR,
            });
        }
        goals
    }
}

impl Work {
    /// The command.
    pub fn name(self) -> &'static str {
        match self {
            Work::Conversion => "`kconv FROM TO`",
            Work::Verification => "`kconv verify`",
            Work::Difference => "`kconv-gen diff --all`",
        }
    }
}

/// Images of one kind.
struct Kind {
    /// The image that is repeated.
    source: PathBuf,
    from: &'static str,
    to: &'static str,
}

/// Measures everything. `tell` is told what comes next.
///
/// # Errors
/// [`SuiteError`]
pub fn measure(
    wanted: &Wanted,
    programs: &Programs,
    tell: &mut dyn FnMut(&str),
) -> Result<Figures, SuiteError> {
    let mut figures = Figures::default();
    let folder = &wanted.folder;
    fs::create_dir_all(folder).map_err(|source| file(folder, source))?;
    let b3sum = programs.b3sum();
    figures.versions.push(version(&programs.kconv));
    for peer in ["cp", "sync"] {
        figures
            .versions
            .extend(on_path(peer).map(|path| version(&path)));
    }
    match &b3sum {
        Ok(b3sum) => figures.versions.push(version(b3sum)),
        Err(error) => {
            let skipped =
                format!("`kconv verify`: there is no b3sum, and none was built ({error})");
            figures.skipped.push(skipped);
        }
    }
    let made = folder.join("linux-6.img");
    tell("an image of Linux 6 to be repeated");
    linux6::write(LINUX_6[0], &made)?;
    let kinds = [
        Kind {
            source: wanted.root.join("tests/images/2.4.36-i386-smp.img"),
            from: "2.4.36-smp",
            to: "2.4.37-smp",
        },
        Kind {
            source: made.clone(),
            from: LINUX_6[0],
            to: LINUX_6[1],
        },
    ];
    for kind in &kinds {
        for tasks in &wanted.tasks {
            let image = folder.join("tasks.img");
            tell(&format!("{} with {tasks} tasks", kind.from));
            let tasks = many(&kind.source, *tasks, &image)?;
            let measured = of_image(
                kind,
                (&image, tasks),
                wanted,
                programs,
                b3sum.as_deref().ok(),
            );
            fs::remove_file(&image).map_err(|source| file(&image, source))?;
            figures.measured.extend(measured?);
        }
    }
    fs::remove_file(&made).map_err(|source| file(&made, source))?;
    tell("type information");
    match on_path("pahole") {
        Some(pahole) => {
            figures
                .versions
                .push(format!("pahole {}", version(&pahole)));
            figures
                .measured
                .push(difference(wanted, programs, &pahole)?);
        }
        None => {
            let skipped = "`kconv-gen diff --all`: pahole is not installed (package dwarves)";
            figures.skipped.push(skipped.to_owned());
        }
    }
    Ok(figures)
}

/// The kernels between which images of Linux 6 are converted.
const LINUX_6: [&str; 2] = ["6.1.0-47-amd64", "6.12.117+deb12-amd64"];

/// Writes an image with so many tasks, or a few more, and says how many.
///
/// # Errors
/// [`SuiteError`]
pub fn many(source: &Path, tasks: u64, to: &Path) -> Result<u64, SuiteError> {
    let image = Image::open(source)?;
    let registry = Registry::builtin()?;
    let identity = &image.head().identity;
    let release = registry.release(&identity.kernel.release, None, None)?;
    let layout = registry.layout(&release.layout)?;
    let map = registry.state_map(&identity.family)?;
    let meaning = Meaning {
        layout: &layout,
        map: &map,
    };
    let failed = |error| SuiteError::Repeat {
        image: source.to_owned(),
        source: Box::new(error),
    };
    let copies = meaning.copies(image.head(), tasks).map_err(failed)?;
    repeat(&image, meaning, copies, to).map_err(failed)?;
    Ok(u64::from(copies.get()) * meaning.tasks(image.head()))
}

fn of_image(
    kind: &Kind,
    (image, tasks): (&Path, u64),
    wanted: &Wanted,
    programs: &Programs,
    b3sum: Option<&Path>,
) -> Result<Vec<Measured>, SuiteError> {
    let bytes = length(image)?;
    let out = wanted.folder.join("out.img");
    let measured = |work, of: String, peer, pairs| Measured {
        work,
        of,
        tasks: Some(tasks),
        bytes,
        peer,
        pairs,
    };
    let convert = Contest {
        own: command(&[
            programs.kconv.as_os_str(),
            kind.from.as_ref(),
            kind.to.as_ref(),
            image.as_ref(),
            "-o".as_ref(),
            out.as_ref(),
            "--quiet".as_ref(),
        ]),
        // As kconv does: what is written is on disk when the command ends.
        peer: command(&[
            "sh".as_ref(),
            "-c".as_ref(),
            "cp -- \"$0\" \"$1\" && sync -- \"$1\"".as_ref(),
            image.as_ref(),
            out.as_ref(),
        ]),
        output: Some(out.clone()),
        folder: wanted.folder.clone(),
    };
    let of = format!("{} to {}", kind.from, kind.to);
    let pairs = convert.measure(&programs.measurer, wanted.pairs)?;
    let mut found = vec![measured(Work::Conversion, of, "`cp`, `sync`", pairs)];
    if let Some(b3sum) = b3sum {
        let verify = Contest {
            own: command(&[
                programs.kconv.as_os_str(),
                "verify".as_ref(),
                image.as_ref(),
            ]),
            peer: command(&[b3sum.as_os_str(), image.as_ref()]),
            output: None,
            folder: wanted.folder.clone(),
        };
        let pairs = verify.measure(&programs.measurer, wanted.pairs)?;
        found.push(measured(
            Work::Verification,
            kind.from.to_owned(),
            "`b3sum`",
            pairs,
        ));
    }
    Ok(found)
}

fn difference(wanted: &Wanted, programs: &Programs, pahole: &Path) -> Result<Measured, SuiteError> {
    let [old, new] = &wanted.types;
    let contest = Contest {
        own: command(&[
            programs.generator.as_os_str(),
            "diff".as_ref(),
            "--all".as_ref(),
            old.as_ref(),
            new.as_ref(),
        ]),
        peer: command(&[
            pahole.as_os_str(),
            "-F".as_ref(),
            "btf".as_ref(),
            new.as_ref(),
        ]),
        output: None,
        folder: wanted.folder.clone(),
    };
    let name = |path: &Path| path.file_name().unwrap_or_default().display().to_string();
    Ok(Measured {
        work: Work::Difference,
        of: format!("{} and {}", name(old), name(new)),
        tasks: None,
        bytes: length(old)? + length(new)?,
        peer: "`pahole -F btf` of the second",
        pairs: contest.measure(&programs.measurer, wanted.pairs)?,
    })
}

fn command(words: &[&OsStr]) -> Vec<OsString> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn length(path: &Path) -> Result<u64, SuiteError> {
    let metadata = fs::metadata(path).map_err(|source| file(path, source))?;
    Ok(metadata.len())
}

fn file(path: &Path, source: io::Error) -> SuiteError {
    SuiteError::File {
        path: path.to_owned(),
        source,
    }
}
