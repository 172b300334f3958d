//! Leaving the running kernel for the one that is loaded.

use nix::errno::Errno;
use nix::sys::reboot::{RebootMode, reboot};
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};

/// Why the loaded kernel was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The kernel refuses.
    #[error("the loaded kernel is not started: {0}")]
    Refused(Errno),
    /// systemctl cannot be run.
    #[error("systemctl kexec: {0}")]
    Systemctl(io::Error),
    /// systemctl failed.
    #[error("systemctl kexec: {0}")]
    Failed(ExitStatus),
}

/// Starts the loaded kernel: by systemd where it runs, which stops what else runs and unmounts the
/// disks, otherwise at once, after what is in memory was written to the disks.
///
/// Returns where systemd does it, a moment before the machine goes down.
///
/// # Errors
/// If there is no loaded kernel, or systemd does not take the order.
pub fn start() -> Result<(), StartError> {
    // sd_booted(3)
    if Path::new("/run/systemd/system").is_dir() {
        let status = Command::new("systemctl").arg("kexec").status();
        return match status.map_err(StartError::Systemctl)? {
            status if status.success() => Ok(()),
            status => Err(StartError::Failed(status)),
        };
    }
    nix::unistd::sync();
    match reboot(RebootMode::RB_KEXEC) {
        Ok(never) => match never {},
        Err(error) => Err(StartError::Refused(error)),
    }
}
