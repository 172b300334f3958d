//! A stand-alone converter, such as `convert-2.4.36.8-2.4.36.9`: this program by the name of one
//! step.

use clap::{CommandFactory, FromArgMatches, Parser};
use kconv_image::{Image, KernelId};
use kconv_runtime::convert::{Job, convert};
use kconv_runtime::error::ConvertError;
use kconv_runtime::report::Report;
use kconv_runtime::table::Converter;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit codes, everywhere the same.
pub(crate) mod exit {
    /// All is well.
    pub(crate) const CLEAN: u8 = 0;
    /// Findings: loss refused, verification failed, undecided fields.
    pub(crate) const FINDINGS: u8 = 1;
    /// Wrong usage or unreadable input.
    pub(crate) const USAGE: u8 = 2;
    /// A fault of ours.
    pub(crate) const FAULT: u8 = 3;
}

/// The exit code for a conversion that ended in `error`.
pub(crate) fn exit_code(error: &ConvertError) -> u8 {
    match error {
        ConvertError::Refused(_) => exit::FINDINGS,
        ConvertError::WrongKernel { .. }
        | ConvertError::WrongMachine { .. }
        | ConvertError::Placement(_)
        | ConvertError::Image(_)
        | ConvertError::Write(_)
        | ConvertError::Report { .. } => exit::USAGE,
        ConvertError::ReadBack { .. } | ConvertError::Fault(_) => exit::FAULT,
    }
}

#[derive(Parser)]
#[command(
    about = "Carries an image of frozen tasks from one kernel release to the next",
    after_help = "Exit codes: 0 converted; 1 values that cannot be carried; 2 wrong usage or unreadable input; 3 a fault of the converter."
)]
struct Arguments {
    /// The image to convert; it is not changed
    image: PathBuf,
    /// Where to write the result [default: the image's name with the new release before its end]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the whole account as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Say nothing unless something is wrong
    #[arg(short, long)]
    quiet: bool,
}

/// Runs the converter among `converters`, those of the step `name`, that reads the image named on
/// the command line.
pub(crate) fn main(name: &str, converters: &[&'static Converter]) -> ExitCode {
    let Some(first) = converters.first() else {
        let mut stderr = std::io::stderr().lock();
        let _ = writeln!(stderr, "error: there is no step `{name}` in this program");
        let _ = writeln!(
            stderr,
            "  = remove the link, or call the program itself: kconv FROM TO IMAGE"
        );
        return ExitCode::from(exit::USAGE);
    };
    // The usage says what was typed.
    let command = Arguments::command().name(first.name);
    let arguments = match Arguments::from_arg_matches(&command.get_matches()) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    match run(first, converters, &arguments) {
        Ok(summary) => {
            if !arguments.quiet {
                let _ = writeln!(std::io::stdout(), "{summary}");
            }
            ExitCode::from(exit::CLEAN)
        }
        Err(error) => {
            let _ = report_error(&error);
            ExitCode::from(exit_code(&error))
        }
    }
}

fn run(
    first: &'static Converter,
    converters: &[&'static Converter],
    arguments: &Arguments,
) -> Result<String, ConvertError> {
    let image = Image::open(&arguments.image)?;
    let identity = &image.head().identity;
    let of_image = converters
        .iter()
        .copied()
        .find(|converter| converter.from.layout == identity.kernel.layout);
    let converter = of_image.unwrap_or(first);
    let target = KernelId {
        release: converter.to.release.to_owned(),
        layout: converter.to.layout.to_owned(),
        fingerprint: converter.to.fingerprint,
        build_id: Vec::new(),
    };
    let output = arguments
        .output
        .clone()
        .unwrap_or_else(|| default_output(&arguments.image, &target.release));
    let job = Job {
        chain: vec![converter],
        target,
        tool: converter.tool.to_owned(),
    };
    let report = convert(&image, &job, Some(&output), &mut |_, _| ())?.report;
    if let Some(path) = &arguments.report {
        write_report(&report, path)?;
    }
    Ok(format!(
        "{} -> {}: {} tasks, {} objects, {} values kept for the way back; wrote {}",
        report.from,
        report.to,
        report.tasks.len(),
        report
            .objects
            .iter()
            .map(|account| account.count)
            .sum::<u64>(),
        report.kept,
        output.display(),
    ))
}

/// The image's own name with the release it is converted to before its ending, beside it.
pub(crate) fn default_output(image: &std::path::Path, release: &str) -> PathBuf {
    let stem = image.file_stem().unwrap_or_default().to_string_lossy();
    let name = match image.extension() {
        Some(extension) => format!("{stem}.{release}.{}", extension.to_string_lossy()),
        None => format!("{stem}.{release}"),
    };
    image.with_file_name(name)
}

/// Writes `report` as JSON.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn write_report(report: &Report, path: &std::path::Path) -> Result<(), ConvertError> {
    let write = || -> std::io::Result<()> {
        let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
        serde_json::to_writer_pretty(&mut file, report)?;
        file.write_all(b"\n")?;
        file.flush()
    };
    write().map_err(|error| ConvertError::Report {
        path: path.to_owned(),
        error,
    })
}

fn report_error(error: &ConvertError) -> std::io::Result<()> {
    let mut stderr = std::io::stderr().lock();
    if let ConvertError::Refused(findings) = error {
        for finding in findings {
            writeln!(stderr, "{finding}\n  = {}", finding.advice())?;
        }
    }
    writeln!(stderr, "error: {error}")?;
    writeln!(stderr, "  = {}", error.advice())
}
