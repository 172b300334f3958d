//! `kconv keygen`

use crate::failure::Failure;
use kconv_trust::{DEFAULT_FOLDER, MachineKey};
use std::io::Write;
use std::path::Path;

/// The name of this machine (uname(2)).
const HOSTNAME: &str = "/proc/sys/kernel/hostname";

pub(crate) fn run(config: Option<&Path>) -> Result<(), Failure> {
    let name = std::fs::read_to_string(HOSTNAME).unwrap_or_default();
    let name: String = name
        .trim()
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || "-._".contains(*letter))
        .collect();
    let name = match name.as_str() {
        "" => "localhost",
        name => name,
    };
    let made = MachineKey::generate(config.unwrap_or(Path::new(DEFAULT_FOLDER)), name)?;
    let mut out = anstream::stdout().lock();
    writeln!(out, "key       {}", made.fingerprint)?;
    if let Some(openpgp) = &made.openpgp {
        writeln!(out, "OpenPGP   {openpgp}")?;
    }
    for file in &made.files {
        writeln!(out, "wrote     {}", file.display())?;
    }
    Ok(())
}
