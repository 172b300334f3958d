//! `kconv sign IMAGE`

use crate::arguments::Sign;
use crate::failure::Failure;
use crate::trust;
use kconv_trust::{Config, MachineKey};
use std::io::Write;
use std::path::Path;

pub(crate) fn run(arguments: &Sign, config: Option<&Path>) -> Result<(), Failure> {
    let key = match &arguments.key {
        Some(path) => {
            MachineKey::read(path)?.ok_or_else(|| Failure::NoFile { path: path.clone() })?
        }
        None => {
            let config = Config::read(config)?;
            config.machine_key()?.ok_or_else(|| Failure::NoKey {
                folder: config.folder().to_owned(),
            })?
        }
    };
    let name = arguments.output.as_deref().unwrap_or(&arguments.image);
    let written = trust::sign(
        (&arguments.image, arguments.sparse.holes()),
        name,
        None,
        &key,
    )?;
    if !arguments.quiet {
        let mut out = anstream::stdout().lock();
        writeln!(out, "key       {}", key.fingerprint())?;
        for place in written {
            writeln!(out, "wrote     {}", place.display())?;
        }
    }
    Ok(())
}
