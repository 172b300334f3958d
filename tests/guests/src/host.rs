//! Programs of the host: how they are run, and where what is made is kept.

use crate::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs a program of the host to its end and gives its standard output.
///
/// # Errors
/// That `package` is missing, or how the program failed.
pub(crate) fn run(command: &mut Command, package: &'static str) -> Result<Vec<u8>, Error> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::Missing {
            program: command.get_program().to_string_lossy().into_owned(),
            package,
            source,
        })?;
    if !output.status.success() {
        return Err(Error::Host {
            command: format!("{command:?}"),
            status: output.status,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    Ok(output.stdout)
}

/// The build's target folder, in which the test that runs lies (TARGET/debug/deps/test).
pub(crate) fn target() -> Result<PathBuf, Error> {
    let test = std::env::current_exe().map_err(Error::file("the running test"))?;
    let target = test.ancestors().nth(3).unwrap_or(Path::new("/"));
    Ok(target.to_owned())
}

/// This crate's folder.
pub(crate) fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compiles C sources of this crate into one static program.
pub(crate) fn compile(sources: &[PathBuf], program: &Path) -> Result<(), Error> {
    let mut gcc = Command::new("gcc");
    gcc.args([
        "-static",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Wno-missing-field-initializers",
        "-Werror",
        "-pthread",
    ])
    .arg("-o")
    .arg(program)
    .args(sources);
    run(&mut gcc, "gcc").map(drop)
}

/// A static `kconv`, in the profile that people get: an unoptimised one crawls where every
/// instruction is emulated.
///
/// # Errors
/// That it does not build.
pub fn static_kconv() -> Result<PathBuf, Error> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["rustc", "--quiet", "--locked", "-p", "kconv"])
        .args(["--release", "--bin", "kconv", "--"])
        // Only the last step knows of it: the crates are the same for both kinds of linking.
        .args(["-C", "target-feature=+crt-static"])
        .env("CARGO_TARGET_DIR", target()?)
        .current_dir(home());
    run(&mut cargo, "cargo")?;
    Ok(target()?.join("release/kconv"))
}
