//! `kconv upgrade`

use super::{convert, freeze, job, open};
use crate::arguments::Upgrade;
use crate::failure::Failure;
use crate::judge::{self, Kept};
use crate::releases::Known;
use kconv_freeze::{Afterwards, Chosen, freeze_running};
use kconv_image::Image;
use kconv_kexec::Loaded;
use kconv_runtime::convert::convert as convert_image;
use kconv_runtime::report::Report;
use std::ffi::CString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const RELEASE: &str = "/proc/sys/kernel/osrelease";
const COMMAND_LINE: &str = "/proc/cmdline";

/// What can fail comes before the tasks are stopped, or else while they can still run on. They are
/// killed when their converted image is on disk and the next kernel is loaded.
pub(crate) fn run(arguments: &Upgrade) -> Result<(), Failure> {
    let known = Known::new()?;
    let running = read(RELEASE)?;
    let next = kconv_kexec::release(&arguments.kernel)?;
    let from = known.registry.release(running.trim_end(), None, None)?;
    let to = known.registry.release(&next, None, None)?;
    let job = job(known.converters(from, to)?, known.kernel(to)?);

    let frozen = beside(&arguments.image, &from.name);
    for image in [&arguments.image, &frozen] {
        if image.exists() {
            return Err(Failure::NotThawed {
                image: image.clone(),
            });
        }
    }
    if let Some(folder) = arguments.image.parent() {
        std::fs::create_dir_all(folder).map_err(|source| path_error(folder, source))?;
    }
    let command_line = match &arguments.command_line {
        Some(text) => text.clone(),
        None => read(COMMAND_LINE)?.trim_end().to_owned(),
    };
    let command_line = CString::new(command_line).map_err(|error| Failure::Path {
        path: String::from("--command-line"),
        source: error.into(),
    })?;
    let kernel = Loaded::load(&arguments.kernel, &arguments.initrd, &command_line)?;

    let mut converted = None;
    let mut decide = || {
        let result = open(&frozen).and_then(|image| {
            outlive_a_boot(&image)?;
            let obstacles = judge::memory(&image, &job, &known.layout_of(&image)?)?;
            if !obstacles.is_empty() {
                return Err(Failure::NotThawable(obstacles));
            }
            Ok(convert_image(&image, &job, Some(&arguments.image), &mut |_, _| {})?.report)
        });
        let carried = result.is_ok() && !arguments.dry_run;
        converted = Some(result);
        carried
    };
    let chosen = match arguments.tree {
        true => Chosen::Trees(&arguments.pids),
        false => Chosen::Processes(&arguments.pids),
    };
    let layout = known.registry.layout(&to.layout)?;
    let mut kept = Kept::default();
    let account = freeze_running(
        chosen,
        &mut |image, _| kept.of_target(image, &job, &layout),
        Afterwards::KillIf(&mut decide),
        &frozen,
    );
    let account = match account {
        Ok(account) => account,
        Err(error) => {
            // Where images were made before it failed, the tasks were not killed, and go on.
            if converted.is_some() {
                remove(&[&frozen, &arguments.image])?;
            }
            return Err(kept.explain(error));
        }
    };
    let report: Option<Report> = match converted.transpose() {
        Ok(report) if !arguments.dry_run => report,
        tried => {
            remove(&[&frozen, &arguments.image])?;
            tried?
        }
    };
    if !arguments.quiet {
        let out = &mut anstream::stdout().lock();
        freeze::print(out, &account.summary, Some(account.pause))?;
        if let Some(report) = &report {
            convert::print(out, report, &arguments.image)?;
        }
        if arguments.dry_run {
            writeln!(out, "dry run  the tasks run on; the images were removed")?;
        }
        out.flush()?;
    }
    if arguments.dry_run {
        return Ok(());
    }
    kernel.keep();
    kconv_kexec::start().map_err(|error| Failure::Start(error, frozen))
}

/// That the tasks have nothing which ends with the machine's run: a terminal goes with its session.
fn outlive_a_boot(image: &Image) -> Result<(), Failure> {
    let mut resources = image.head().resources.iter();
    match resources.find(|resource| resource.kind == "tty") {
        Some(terminal) => Err(Failure::Terminal {
            name: terminal.text("name").unwrap_or_default().to_owned(),
        }),
        None => Ok(()),
    }
}

/// Where the image as it was frozen is kept: should the next kernel not start, it is the one that
/// the running kernel can thaw.
fn beside(image: &Path, release: &str) -> PathBuf {
    let mut name = image.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{release}"));
    image.with_file_name(name)
}

fn remove(images: &[&Path]) -> Result<(), Failure> {
    for image in images {
        match std::fs::remove_file(image) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(path_error(image, source));
            }
            _ => {}
        }
    }
    Ok(())
}

fn read(path: &str) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|source| path_error(Path::new(path), source))
}

fn path_error(path: &Path, source: io::Error) -> Failure {
    Failure::Path {
        path: path.display().to_string(),
        source,
    }
}
