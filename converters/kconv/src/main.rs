//! `kconv`: carries the saved state of frozen tasks from one kernel to the next.
#![forbid(unsafe_code)]

mod arguments;
mod both;
mod commands;
mod conversion;
mod distrust;
mod exit;
mod failure;
mod held;
mod installed;
mod judge;
mod owned;
mod plan_file;
mod releases;
mod report;
mod soundness;
mod standalone;
mod style;
mod thawed;
mod told;
mod trust;

use arguments::{Arguments, Command};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use failure::Failure;
use kernel_structs::nearest::nearest;
use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    // `convert-X-Y` is a link to this program, for one step alone.
    if let Some(step) = called_as().filter(|name| name.starts_with("convert-")) {
        return standalone::main(&step, &kconv_steps::called(&step));
    }
    if std::env::args_os().len() == 1 {
        let _ = Arguments::command().print_help();
        return ExitCode::from(exit::CLEAN);
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => match mistyped(std::env::args_os().nth(1), &error) {
            Some(failure) => {
                failure.print();
                return ExitCode::from(failure.exit_code());
            }
            None => error.exit(),
        },
    };
    arguments.colour.write_global();
    match run(arguments) {
        Ok(()) => ExitCode::from(exit::CLEAN),
        Err(failure) if failure.is_closed_pipe() => ExitCode::from(exit::CLEAN),
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.exit_code())
        }
    }
}

/// The name that this program was called by.
fn called_as() -> Option<String> {
    let program = std::env::args_os().next()?;
    let name = std::path::Path::new(&program).file_name()?;
    Some(name.to_string_lossy().into_owned())
}

/// A first word that was to be a command, as far as can be told: no release is called by letters alone. Without this the
/// parser takes it for a release and asks for more.
fn mistyped(word: Option<OsString>, error: &clap::Error) -> Option<Failure> {
    let word = word?.into_string().ok()?;
    let is_word = word.chars().all(|c| c.is_ascii_alphabetic() || c == '-');
    let commands = Arguments::command();
    let names = commands.get_subcommands().filter(|it| !it.is_hide_set());
    let names: Vec<&str> = names.map(clap::Command::get_name).collect();
    let asks = matches!(
        error.kind(),
        ErrorKind::MissingRequiredArgument | ErrorKind::UnknownArgument
    );
    let is_mistyped = asks && is_word && !word.starts_with('-') && !names.contains(&&*word);
    is_mistyped.then(|| Failure::NoCommand {
        nearest: nearest(&word, names).map(str::to_owned),
        word,
    })
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let config = arguments.config.folder.as_deref();
    match arguments.command {
        Some(Command::Inspect(inspect)) => commands::inspect::run(&inspect),
        Some(Command::Verify(verify)) => commands::verify::run(&verify, config),
        Some(Command::List(list)) => commands::list::run(&list),
        Some(Command::Path(path)) => commands::path::run(&path),
        Some(Command::Explain(explain)) => commands::explain::run(&explain),
        Some(Command::Preflight(preflight)) => commands::preflight::run(&preflight),
        Some(Command::Check) => commands::check::run(),
        Some(Command::Freeze(freeze)) => commands::freeze::run(&freeze, config),
        Some(Command::Thaw(thaw)) => commands::thaw::run(&thaw, config),
        Some(Command::Upgrade(upgrade)) => commands::upgrade::run(&upgrade, config),
        Some(Command::Status(status)) => commands::status::run(&status),
        Some(Command::Retry(retry)) => commands::retry::run(&retry, config),
        Some(Command::Forget(forget)) => commands::forget::run(&forget),
        Some(Command::Reserve(reserve)) => commands::reserve::run(&reserve),
        Some(Command::Unit(unit)) => commands::unit::run(&unit, config),
        Some(Command::Keygen) => commands::keygen::run(config),
        Some(Command::Sign(sign)) => commands::sign::run(&sign, config),
        None => commands::convert::run(&arguments.convert, config),
    }
}
