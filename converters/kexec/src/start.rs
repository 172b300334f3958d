//! Leaving the running kernel for another one.

use nix::errno::Errno;
use nix::sys::reboot::{RebootMode, reboot as leave};
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};

/// Why the other kernel was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The kernel refuses.
    #[error("the next kernel is not started: {0}")]
    Refused(Errno),
    /// systemctl cannot be run.
    #[error("systemctl {0}: {1}")]
    Systemctl(&'static str, io::Error),
    /// systemctl failed.
    #[error("systemctl {0}: {1}")]
    Failed(&'static str, ExitStatus),
}

/// Starts the loaded kernel: by systemd where it runs, which stops what else runs and unmounts the
/// disks, otherwise at once, after what is in memory was written to the disks.
///
/// Returns where systemd does it, a moment before the machine goes down.
///
/// # Errors
/// If there is no loaded kernel, or systemd does not take the order.
pub fn start() -> Result<(), StartError> {
    go("kexec", RebootMode::RB_KEXEC)
}

/// Boots the machine, as [`start`] starts a kernel; which one is for its boot loader to say.
///
/// # Errors
/// If systemd does not take the order.
pub fn reboot() -> Result<(), StartError> {
    go("reboot", RebootMode::RB_AUTOBOOT)
}

fn go(command: &'static str, mode: RebootMode) -> Result<(), StartError> {
    // sd_booted(3)
    if Path::new("/run/systemd/system").is_dir() {
        let status = Command::new("systemctl").arg(command).status();
        return match status.map_err(|error| StartError::Systemctl(command, error))? {
            status if status.success() => Ok(()),
            status => Err(StartError::Failed(command, status)),
        };
    }
    nix::unistd::sync();
    match leave(mode) {
        Ok(never) => match never {},
        Err(error) => Err(StartError::Refused(error)),
    }
}
