//! A stand-alone converter, such as `convert-2.4.36.8-2.4.36.9`: this program by the name of one
//! step.

use crate::conversion::{self, default_output};
use crate::exit;
use crate::failure::Failure;
use crate::report::Account;
use crate::trust::{self, Admitted, Purpose};
use clap::{CommandFactory, FromArgMatches, Parser};
use kconv_image::{Holes, KernelId};
use kconv_runtime::chain::way;
use kconv_runtime::convert::Job;
use kconv_runtime::table::Converter;
use kconv_trust::Config;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    about = "Carries an image of frozen tasks from one kernel release to the next",
    after_help = "Exit codes: 0 converted; 1 values that cannot be carried, or an image that is damaged; 2 wrong usage or unreadable input; 3 a fault of the converter."
)]
struct Arguments {
    /// The image to convert; it is not changed
    image: PathBuf,
    /// Where to write the result [default: the image's name with the new release before its end]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write what is not carried, and what was done, as JSON; also if the converter refuses
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
    let report = arguments.report.as_deref();
    let ended = Account::begin("convert", report, &[&arguments.image]).and_then(|mut account| {
        let converted = run(first, converters, &arguments, &mut account);
        account.close(converted)
    });
    match ended {
        Ok(summary) => {
            if !arguments.quiet {
                let _ = writeln!(std::io::stdout(), "{summary}");
            }
            ExitCode::from(exit::CLEAN)
        }
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(
    first: &'static Converter,
    converters: &[&'static Converter],
    arguments: &Arguments,
    account: &mut Account,
) -> Result<String, Failure> {
    let config = Config::read(None)?;
    let Admitted { image, signers } = trust::admit(
        &arguments.image,
        Purpose::Convert,
        (false, Holes::Few),
        &config,
    )?;
    let key = trust::own_key(&config)?;
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
    account.kernels = [&identity.kernel, &target].map(|kernel| Some(kernel.release.clone()));
    let output = arguments
        .output
        .clone()
        .unwrap_or_else(|| default_output(&arguments.image, &target.release));
    let identity = kconv_steps::identity(converter.to.layout);
    let job = Job {
        chain: way(image.head(), vec![converter], identity, &target),
        target,
        tool: converter.tool.to_owned(),
        signers,
    };
    let (report, _) = conversion::write(
        &image,
        &job,
        (&output, key.as_ref()),
        account,
        &mut |_, _| (),
    )?;
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
