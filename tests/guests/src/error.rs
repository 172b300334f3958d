//! What can go wrong between the archive and a guest's answer.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// A failure of the harness, of the guest, or of a command in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program of the host is missing.
    #[error("{program} cannot be run ({source}): install the Debian package {package}")]
    Missing {
        /// Name of the program.
        program: String,
        /// Debian package that has it.
        package: &'static str,
        /// Why it could not be started.
        source: std::io::Error,
    },
    /// A program of the host failed.
    #[error("{command} failed ({status}):\n{stderr}")]
    Host {
        /// The command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote to standard error.
        stderr: String,
    },
    /// A kernel package cannot be had.
    #[error(transparent)]
    Archive(#[from] kconv_archive::Error),
    /// Which kernels kconv knows cannot be read.
    #[error(transparent)]
    Registry(#[from] kernel_structs::releases::RegistryError),
    /// A kernel package does not have what a guest needs.
    #[error("{path}: {problem}")]
    Package {
        /// The package, or the file of it.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file of the host.
    #[error("{path}: {source}")]
    File {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The guest did not come up, or went away.
    #[error("the guest {problem}\n--- end of its console ---\n{console}")]
    Guest {
        /// What was expected and did not happen.
        problem: String,
        /// The last lines of the console.
        console: String,
    },
    /// The guest could not do what it was asked to do with a file.
    #[error("in the guest: {0}")]
    GuestFile(String),
    /// A command in the guest failed.
    #[error(
        "in the guest: `{command}` {end}\n--- standard output ---\n{stdout}\n--- standard error ---\n\
         {stderr}\n--- end of the console ---\n{console}"
    )]
    Command {
        /// The command line.
        command: String,
        /// How it ended.
        end: String,
        /// Its standard output.
        stdout: String,
        /// Its standard error.
        stderr: String,
        /// The last lines of the console.
        console: String,
    },
    /// A command in the guest did not end in time, and was killed.
    #[error(
        "in the guest: `{command}` did not end within {limit:?}\n--- standard output ---\n{stdout}\n\
         --- standard error ---\n{stderr}\n--- end of the console ---\n{console}"
    )]
    TimeLimit {
        /// The command line.
        command: String,
        /// The time it had.
        limit: Duration,
        /// Its standard output so far.
        stdout: String,
        /// Its standard error so far.
        stderr: String,
        /// The last lines of the console.
        console: String,
    },
    /// QEMU's monitor refused a command.
    #[error("QEMU: {0}")]
    Monitor(String),
    /// What /proc says cannot be understood.
    #[error("/proc/{file}: {problem}")]
    Proc {
        /// The file below /proc.
        file: String,
        /// What was found and what was expected.
        problem: String,
    },
}

impl Error {
    /// For `map_err` on a file of the host.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |source| Error::File { path, source }
    }
}
