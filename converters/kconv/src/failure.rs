//! How a command ends when it does not end well: what to print, and with which code to exit.

use crate::distrust::Distrust;
use crate::exit::{self, exit_code};
use crate::style;
use crate::told::Told;
use kconv_freeze::{Finding, FreezeDumpError, FreezeError, RunningError, VmcoreError};
use kconv_image::WriteError;
use kconv_runtime::error::ConvertError;
use kconv_tasks::TasksError;
use kconv_thaw::{Obstacle, ThawError};
use kernel_structs::releases::{LookupError, is_file_like};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Convert(#[from] ConvertError),
    #[error(transparent)]
    Image(#[from] kconv_image::ImageError),
    #[error(transparent)]
    Registry(#[from] kernel_structs::releases::RegistryError),
    #[error(transparent)]
    Lookup(LookupError),
    #[error("{}: there is no such file", path.display())]
    NoFile { path: PathBuf },
    #[error("{}: the plan cannot be read: {error}", path.display())]
    PlanUnreadable {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("{}: the plan is not obeyed: {why}", path.display())]
    PlanOfOthers {
        path: PathBuf,
        why: kconv_trust::Elsewhere,
    },
    #[error("{}: {error}", path.display())]
    Plan {
        path: PathBuf,
        error: Box<kconv_steps::PlanFileError>,
    },
    #[error(
        "{}: the plan is for the layout {layout} of the fingerprint {found}; {}",
        path.display(),
        match expected {
            Some(expected) => format!("this kconv has that of {expected}"),
            None => String::from("this kconv has none of that name"),
        }
    )]
    PlanOfOtherLayout {
        path: PathBuf,
        layout: String,
        found: kconv_image::Fingerprint,
        expected: Option<kconv_image::Fingerprint>,
    },
    #[error(
        "{release} is known by {} alone, where the thaw of the next boot does not look: it goes by /etc/kconv/kernels",
        folder.display()
    )]
    LostAtBoot { release: String, folder: PathBuf },
    /// Not even a part of `FROM TO IMAGE`.
    #[error("there is no command `{word}`")]
    NoCommand {
        word: String,
        nearest: Option<String>,
    },
    #[error("{}: a file, where a release has to be named", path.display())]
    NotARelease { path: PathBuf },
    #[error("there is neither a release nor a file `{}`", path.display())]
    Nothing { path: PathBuf },
    #[error(transparent)]
    Freeze(FreezeDumpError),
    #[error(transparent)]
    Running(#[from] RunningError),
    #[error(transparent)]
    Vmcore(#[from] VmcoreError),
    #[error(transparent)]
    Kernel(#[from] kconv_kexec::ReleaseError),
    #[error(transparent)]
    Load(#[from] kconv_kexec::LoadError),
    #[error("{0}; the tasks were saved and killed")]
    Start(kconv_kexec::StartError, String),
    #[error(transparent)]
    Queue(#[from] kconv_queue::QueueError),
    #[error("{} not thawed and {} in the queue", numbered(upgrades), if upgrades.len() == 1 { "stays" } else { "stay" })]
    Waiting { upgrades: Vec<String> },
    #[error(transparent)]
    Unit(#[from] kconv_units::UnitError),
    /// What keeps services from being carried as such.
    #[error("{} that the services go on as such; the processes run on", things(.0.len(), "is in the way", "are in the way"))]
    Units(Vec<Told>),
    #[error("this machine was not started by systemd, which units are of")]
    NoSystemd,
    #[error("{slice}: nothing runs in this slice")]
    EmptySlice { slice: String },
    #[error("upgrade {upgrade}: its tasks were killed before")]
    Killed { upgrade: String },
    #[error("upgrade {upgrade}: {unit} runs already, as a fresh copy")]
    UnitRuns { upgrade: String, unit: String },
    #[error("upgrade {upgrade}: waits for the next kernel, which is about to be started")]
    SameBoot { upgrade: String },
    #[error("{unit}: did not start, and its journal says why")]
    UnitFailed { unit: String },
    #[error("{unit}: was not thawed: {}", why.join("; "))]
    UnitRefused { unit: String, why: Vec<String> },
    #[error("upgrade {upgrade}: there is no service that waits")]
    NoUnit { upgrade: String },
    #[error("{path}: {source}")]
    Path {
        path: String,
        source: std::io::Error,
    },
    /// What ends with the machine's run.
    #[error("{} be carried over a boot; the processes run on", things(.0.len(), "cannot", "cannot"))]
    Boot(Vec<Told>),
    #[error(transparent)]
    Thaw(#[from] ThawError),
    /// What of an image, converted, could not be thawed.
    #[error("{} in the way of a thaw", things(.0.len(), "is", "are"))]
    NotThawable(Vec<Obstacle>),
    #[error("{}: the image is of {release}, which is no release known here", image.display())]
    UnknownKernel { image: PathBuf, release: String },
    #[error("{}: the image is of {found}, not of {expected}", image.display())]
    OtherRelease {
        image: PathBuf,
        found: String,
        expected: String,
    },
    #[error(
        "the image is of {release} with layout {found}, but the {release} known here has {expected}"
    )]
    OtherLayout {
        release: String,
        found: kconv_image::Fingerprint,
        expected: kconv_image::Fingerprint,
    },
    #[error(
        "{}: was written by an earlier kconv, whose fingerprint of {release} did not say what bits of saved values mean",
        image.display()
    )]
    OlderFingerprint { image: PathBuf, release: String },
    #[error("no converter leads from {from} (layout {from_layout}) to {to} (layout {to_layout})")]
    NoPath {
        from: String,
        from_layout: String,
        to: String,
        to_layout: String,
    },
    #[error("{}: would be written over the image it is made from", output.display())]
    SameFile { output: PathBuf },
    #[error("{}: no task has pid {pid}; the image has {known}", image.display())]
    NoTask {
        image: PathBuf,
        pid: i32,
        known: String,
    },
    #[error("{}: no object has type `{ty}`; the image has {known}", image.display())]
    NoType {
        image: PathBuf,
        ty: String,
        known: String,
    },
    #[error("{}: no saved object lies at or around {address:#x}", image.display())]
    NoObject { image: PathBuf, address: u64 },
    #[error(transparent)]
    Tasks(#[from] TasksError),
    #[error("`{given}` is not TYPE.FIELD")]
    NotAField { given: String },
    #[error("no converter between {from} and {to} has a rule for `{field}`{nearest}")]
    NoRule {
        field: String,
        from: String,
        to: String,
        nearest: String,
    },
    #[error("{}: {} findings", image.display(), findings.len())]
    Findings {
        image: PathBuf,
        findings: Vec<String>,
    },
    /// What was shown, if anything was, is not what it says.
    #[error(
        "{}: is damaged; {}{}", image.display(), findings.first().map_or("", String::as_str),
        ended.as_ref().map_or(String::new(), |ended| format!("; {ended}"))
    )]
    Damaged {
        image: PathBuf,
        findings: Vec<String>,
        /// Why not all was shown.
        ended: Option<String>,
    },
    /// What is wrong with each of them is told already.
    #[error("{failed} of {all} images are not in order")]
    OfImages { failed: usize, all: usize, code: u8 },
    /// The findings are already on standard output, in the format asked for.
    #[error("{count} findings")]
    Reported { count: usize },
    #[error("standard output: {0}")]
    Output(#[from] std::io::Error),
    #[error("the tasks were frozen, and nobody decided what becomes of them; they run on")]
    Undecided,
    #[error("{}: the report cannot be written: {source}", path.display())]
    Report {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the report: {0}")]
    ReportPlace(Box<WriteError>),
    #[error(transparent)]
    Trust(#[from] kconv_trust::TrustError),
    #[error("{}: {why}", image.display())]
    Distrusted { image: PathBuf, why: Box<Distrust> },
    #[error("{}: is another file than the one that was written; it was not signed", image.display())]
    Replaced { image: PathBuf },
    #[error("{}: was thawed before: {}", image.display(), numbers(processes))]
    Thawed {
        image: PathBuf,
        /// Those that would be made a second time.
        processes: BTreeSet<i32>,
        /// The file that says so.
        note: PathBuf,
    },
    #[error("{}: what is thawed cannot be noted: {source}", path.display())]
    NotNoted {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("there is no key to sign with in {}", folder.display())]
    NoKey { folder: PathBuf },
    #[error("{}: the report would be written over a file that the command reads or writes", path.display())]
    ReportOver { path: PathBuf },
}

impl From<LookupError> for Failure {
    /// What was meant as a file is not looked for among the releases.
    fn from(error: LookupError) -> Failure {
        let LookupError::Unknown { query, nearest, .. } = &error else {
            return Failure::Lookup(error);
        };
        let path = PathBuf::from(query);
        let is_version = query.chars().all(|c| c.is_ascii_digit() || c == '.');
        match (path.exists(), is_file_like(query)) {
            (true, _) => Failure::NotARelease { path },
            (false, true) => Failure::NoFile { path },
            (false, false) if nearest.is_empty() && !is_version => Failure::Nothing { path },
            (false, false) => Failure::Lookup(error),
        }
    }
}

impl From<FreezeDumpError> for Failure {
    fn from(error: FreezeDumpError) -> Failure {
        match error {
            FreezeDumpError::Lookup(error) => error.into(),
            error => Failure::Freeze(error),
        }
    }
}

fn numbers(of: &BTreeSet<i32>) -> String {
    let numbers: Vec<String> = of.iter().map(i32::to_string).collect();
    numbers.join(", ")
}

/// `upgrade 3 was`, or of several `upgrades 3, 4 were`.
fn numbered(upgrades: &[String]) -> String {
    match upgrades {
        [one] => format!("upgrade {one} was"),
        all => format!("upgrades {} were", all.join(", ")),
    }
}

fn things(count: usize, one: &str, many: &str) -> String {
    match count {
        1 => format!("one thing {one}"),
        _ => format!("{count} things {many}"),
    }
}

impl Failure {
    /// See `kconv --help`.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::Convert(error) => exit_code(error),
            Failure::Image(error) => exit::of_image(error),
            Failure::Thaw(ThawError::Image(error)) => exit::of_image(error),
            Failure::OfImages { code, .. } => *code,
            Failure::Findings { .. }
            | Failure::Damaged { .. }
            | Failure::Reported { .. }
            | Failure::Waiting { .. }
            | Failure::NotThawable(_) => exit::FINDINGS,
            Failure::Units(_)
            | Failure::Killed { .. }
            | Failure::UnitRuns { .. }
            | Failure::SameBoot { .. }
            | Failure::UnitFailed { .. }
            | Failure::UnitRefused { .. }
            | Failure::Distrusted { .. }
            | Failure::Replaced { .. }
            | Failure::Thawed { .. } => exit::FINDINGS,
            Failure::Thaw(ThawError::Obstacles { .. }) | Failure::Boot(_) => exit::FINDINGS,
            Failure::Thaw(ThawError::Make { .. }) | Failure::Undecided => exit::FAULT,
            _ if self.refused().is_some() => exit::FINDINGS,
            Failure::Registry(_) => exit::FAULT,
            Failure::Tasks(TasksError::Field(error)) if error.is_of_layout() => exit::FAULT,
            _ => exit::USAGE,
        }
    }

    /// What a freeze found that cannot be saved.
    fn refused(&self) -> Option<&[Finding]> {
        match self {
            Failure::Freeze(FreezeDumpError::Freeze(FreezeError::Refused(findings)))
            | Failure::Running(RunningError::Freeze(FreezeError::Refused(findings)))
            | Failure::Vmcore(VmcoreError::Freeze(FreezeError::Refused(findings))) => {
                Some(findings)
            }
            Failure::Running(RunningError::Seen(findings)) => Some(findings),
            _ => None,
        }
    }

    /// What it found that is not carried.
    pub(crate) fn told(&self) -> Vec<Told> {
        match self {
            Failure::Convert(ConvertError::Refused(findings)) => {
                findings.iter().map(Told::converted).collect()
            }
            Failure::Thaw(ThawError::Obstacles { all, .. }) | Failure::NotThawable(all) => {
                all.iter().map(Told::obstacle).collect()
            }
            Failure::Units(told) | Failure::Boot(told) => told.clone(),
            _ => self
                .refused()
                .unwrap_or_default()
                .iter()
                .map(Told::frozen)
                .collect(),
        }
    }

    /// What it is, without what it found.
    pub(crate) fn text(&self) -> String {
        match self.refused() {
            Some(findings) if matches!(self, Failure::Running(RunningError::Seen(_))) => format!(
                "{} killed unseen, which began while the image was written; the tasks run on",
                things(
                    findings.len(),
                    "keeps them from being",
                    "keep them from being"
                )
            ),
            Some(findings) => format!(
                "{} be saved; no image was written",
                things(findings.len(), "cannot", "cannot")
            ),
            None => self.to_string(),
        }
    }

    /// What the user can do about it; for what it found see [`Failure::told`].
    pub(crate) fn advice(&self) -> Option<String> {
        Some(match self {
            _ if self.refused().is_some() => return None,
            Failure::Convert(error) => error.advice().to_owned(),
            Failure::Image(error) => error.advice().to_owned(),
            Failure::Freeze(error) => error.advice(),
            Failure::Running(error) => error.advice().to_owned(),
            Failure::Vmcore(error) => error.advice().to_owned(),
            Failure::Thaw(ThawError::Obstacles { apart: None, .. }) | Failure::NotThawable(_) => {
                return None;
            }
            Failure::Thaw(error) => error.advice(),
            Failure::NoCommand { nearest, .. } => match nearest {
                Some(nearest) => {
                    format!("did you mean `kconv {nearest}`? `kconv --help` shows all")
                }
                None => String::from("`kconv --help` shows all commands"),
            },
            Failure::Lookup(LookupError::Series { query, .. }) => {
                format!("name one of them; `kconv list {query}` shows all")
            }
            Failure::Lookup(LookupError::Unknown { nearest, .. }) if nearest.is_empty() => {
                String::from("`kconv list` shows all releases")
            }
            Failure::Lookup(error) => error.advice(),
            Failure::Registry(_) => String::from(
                "the release table built into this program is broken; please report it",
            ),
            Failure::Kernel(_) => String::from("name a kernel such as those in /boot"),
            Failure::Load(error) => error.advice().to_owned(),
            Failure::Start(_, upgrade) => {
                format!("`kconv retry {upgrade}` brings them back on the running kernel")
            }
            Failure::Queue(error) => error.advice().to_owned(),
            Failure::Waiting { .. } => String::from(
                "mend what is in the way, then `kconv retry`; `kconv status` says it again",
            ),
            Failure::Unit(error) => error.advice().to_owned(),
            Failure::NoSystemd => String::from("name processes by their PIDs"),
            Failure::EmptySlice { .. } => String::from("`systemctl status` shows what runs where"),
            Failure::Killed { upgrade } | Failure::SameBoot { upgrade } => {
                format!("`kconv retry {upgrade}` brings them back on the running kernel")
            }
            Failure::UnitRuns { upgrade, unit } => format!(
                "see which of them you want (it was never stopped, if an upgrade was broken off): `systemctl stop {unit}` and `kconv retry {upgrade}` for what was frozen, or `kconv forget {upgrade}`"
            ),
            Failure::UnitFailed { unit } => {
                format!("`systemctl status {unit}` and `kconv status` tell what they know")
            }
            Failure::UnitRefused { .. } => String::from(
                "mend what is in the way, then try again; `kconv status` says it again",
            ),
            Failure::NoUnit { upgrade } => format!(
                "`kconv status` says how far it came; with `kconv forget {upgrade}` its service has its own settings again"
            ),
            Failure::Path { .. } => String::from("name a folder that can be written to"),
            Failure::NoFile { .. } | Failure::NotARelease { .. } | Failure::Nothing { .. } => {
                String::from(
                    "name a release such as 2.4.36 or 6.12.117 (`kconv list` shows all); `kconv --help` shows where files go",
                )
            }
            Failure::PlanUnreadable { .. } | Failure::Plan { .. } => {
                String::from("`kconv-gen plan FROM TO -o FILE` writes a plan")
            }
            Failure::LostAtBoot { .. } => String::from(
                "import the kernel there, with `kconv-gen release import --to /etc/kconv/kernels`",
            ),
            Failure::PlanOfOtherLayout { .. } => String::from(
                "import the kernel again with the kconv-gen of this version, or remove its folder",
            ),
            Failure::PlanOfOthers { .. } => String::from(
                "if you know who wrote it, copy it into a folder that only you or root write to",
            ),
            Failure::UnknownKernel { .. } | Failure::Tasks(TasksError::UnknownFamily { .. }) => {
                String::from(
                    "use the kconv that made the image, or a newer one (`kconv --version` tells which this is); of a kernel that nobody registered, `kconv-gen release import --to /etc/kconv/kernels` makes the layout known",
                )
            }
            Failure::OtherRelease { found, .. } => format!("run `kconv {found} TO IMAGE`"),
            Failure::OtherLayout { .. } => String::from(
                "the image comes from a kernel that was built differently; register that kernel as a release of its own",
            ),
            Failure::OlderFingerprint { .. } => String::from(
                "thaw it with that kconv on the kernel it is of, and freeze the tasks anew",
            ),
            Failure::NoPath { .. } => String::from(
                "a converter for the missing step has to be generated: see the book, \"Adding the next release, step by step\"",
            ),
            Failure::SameFile { .. } => String::from("name another file with -o"),
            Failure::NoTask { .. } | Failure::NoType { .. } => {
                String::from("`kconv inspect IMAGE` lists what there is")
            }
            Failure::NoObject { .. } => {
                String::from("`kconv inspect IMAGE --type TYPE` lists the addresses of a type")
            }
            Failure::Tasks(TasksError::Resource(_)) => kconv_resources::ADVICE.to_owned(),
            Failure::Damaged { .. } => String::from(
                "`kconv verify IMAGE` tells all that is wrong with it; use another copy",
            ),
            Failure::Tasks(TasksError::Field(_)) => {
                String::from("`kconv verify IMAGE` tells what is wrong with it")
            }
            Failure::NotAField { .. } => {
                String::from("write it as task_struct.scm_work_list or mm_struct.mmap_sem.count")
            }
            Failure::NoRule { .. } => String::from(
                "fields are named by saved type and path; `kconv inspect IMAGE --type TYPE` shows them",
            ),
            Failure::Undecided => String::from("this is a fault of kconv; please report it"),
            Failure::Report { .. } => String::from(
                "see why the disk does not take it; without --report nothing is written",
            ),
            Failure::ReportPlace(error) => error.advice().to_owned(),
            Failure::ReportOver { .. } => String::from("name another file with --report"),
            Failure::Trust(error) => error.advice(),
            Failure::Distrusted { why, .. } => why.advice(),
            Failure::Thawed { note, .. } => format!(
                "two copies of a process write to the same files; if those that were made are gone, say --again ({} has the note)",
                note.display()
            ),
            Failure::NotNoted { .. } => String::from(
                "see that root alone writes there and that the disk takes it; a note that says nothing can be removed",
            ),
            Failure::Replaced { .. } => {
                String::from("write images where nobody else may write, and see who did")
            }
            Failure::NoKey { .. } => {
                String::from("`kconv keygen` makes one; or name another with --key")
            }
            Failure::Units(_)
            | Failure::Boot(_)
            | Failure::Findings { .. }
            | Failure::Reported { .. }
            | Failure::OfImages { .. }
            | Failure::Output(_) => {
                return None;
            }
        })
    }

    /// Whether whoever read our output went away, as `head` does.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Failure::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// Prints the failure to standard error.
    pub(crate) fn print(&self) {
        // Nobody is left to tell if standard error is closed.
        let _ = self.write(&mut anstream::stderr().lock());
    }

    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        let (error, advice) = (style::ERROR, style::ADVICE);
        for told in self.told() {
            told.write(out)?;
        }
        if let Failure::Findings { findings, .. } = self {
            for finding in findings {
                writeln!(out, "{error}finding{error:#}: {finding}")?;
            }
        }
        if let Failure::Reported { .. } = self {
            return Ok(());
        }
        writeln!(out, "{error}error{error:#}: {}", self.text())?;
        match self.advice() {
            Some(text) => writeln!(out, "  {advice}= {text}{advice:#}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use kconv_codes::Code;
    use kconv_image::TaskName;
    use kconv_thaw::{Apart, ChoiceError, ObstacleOf};
    use kernel_structs::releases::Registry;

    fn said(query: &str) -> String {
        let registry = Registry::builtin().unwrap();
        let error = registry.release(query, None, None).unwrap_err();
        let failure = Failure::from(FreezeDumpError::Lookup(error));
        assert_eq!(failure.exit_code(), exit::USAGE);
        assert!(failure.advice().is_some());
        failure.to_string()
    }

    #[test]
    fn a_missing_file_is_called_missing() {
        for file in ["tasks/2.4.36", "tasks.img", "vmcore"] {
            assert_eq!(said(file), format!("{file}: there is no such file"));
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        assert_eq!(
            said(path),
            format!("{path}: a file, where a release has to be named")
        );
        assert_eq!(
            said("my-kernel-of-old"),
            "there is neither a release nor a file `my-kernel-of-old`"
        );
        assert_eq!(said("2.4.73"), "there is no release `2.4.73`");
    }

    fn printed(failure: &Failure) -> String {
        let mut out = Vec::new();
        failure.write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        anstream::adapter::strip_str(&text).to_string()
    }

    fn obstacle(pids: &[i64]) -> Obstacle {
        let task = |pid: &i64| TaskName {
            pid: *pid,
            comm: "a\nb".to_owned(),
        };
        Obstacle {
            code: Code::FileMissing,
            of: ObstacleOf::Machine,
            tasks: pids.iter().map(task).collect(),
            resource: "directory /srv".to_owned(),
            found: "nothing".to_owned(),
            expected: "a directory".to_owned(),
            advice: "put it there",
        }
    }

    #[test]
    fn what_is_in_the_way_of_a_thaw_says_how_the_others_are_made() {
        let apart = Apart {
            except: BTreeSet::from([5, 9]),
            others: 3,
        };
        let refused = |apart| {
            let all = vec![obstacle(&[5, 9, 11, 13, 17])];
            Failure::Thaw(ThawError::Obstacles { all, apart })
        };
        let told = "obstacle: task 5 (a\\nb), task 9 (a\\nb), task 11 (a\\nb) and 2 more: directory \
                    /srv: found nothing, expected a directory [file.missing]\n  = put it there\nerror: one \
                    thing is in the way; nothing was made\n";
        let failure = refused(Some(apart));
        assert_eq!(failure.exit_code(), exit::FINDINGS);
        let advice = "  = `kconv thaw --except 5,9` makes the other 3 processes\n";
        assert_eq!(printed(&failure), format!("{told}{advice}"));
        assert_eq!(printed(&refused(None)), told);

        let failure = Failure::NotThawable(vec![obstacle(&[5]), obstacle(&[])]);
        assert_eq!(failure.exit_code(), exit::FINDINGS);
        let told = printed(&failure);
        assert!(
            told.contains("obstacle: task 5 (a\\nb): directory"),
            "{told}"
        );
        assert!(told.contains("obstacle: directory"), "{told}");
        assert!(
            told.ends_with("error: 2 things are in the way of a thaw\n"),
            "{told}"
        );

        let failure = Failure::Boot(vec![Told::obstacle(&obstacle(&[]))]);
        assert_eq!(failure.exit_code(), exit::FINDINGS);
        let told = printed(&failure);
        let end = "error: one thing cannot be carried over a boot; the processes run on\n";
        assert!(told.ends_with(end), "{told}");

        let failure = Failure::Thaw(ThawError::Choice(ChoiceError::Nothing));
        assert_eq!(failure.exit_code(), exit::USAGE);
    }
}
