//! The programs that are measured, and what they are held against.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Why a program is not there.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The place of this program is not known.
    #[error("where this program lies: {0}")]
    Own(#[source] io::Error),
    /// This program does not lie in a target folder.
    #[error("{0} does not lie in a target folder of cargo, where kconv would be")]
    NotInTarget(PathBuf),
    /// Cargo cannot be run, or fails.
    #[error("cargo {arguments}: {why}")]
    Cargo {
        /// What it was to do.
        arguments: String,
        /// What it said.
        why: String,
    },
}

/// The programs of this workspace, built as they are installed.
pub struct Programs {
    /// This program.
    pub measurer: PathBuf,
    /// `kconv`.
    pub kconv: PathBuf,
    /// `kconv-gen`.
    pub generator: PathBuf,
    /// Where cargo builds.
    pub target: PathBuf,
}

impl Programs {
    /// Builds them, in the profile `release` whatever this program was built in.
    ///
    /// # Errors
    /// [`ToolError`]
    pub fn build(root: &Path) -> Result<Programs, ToolError> {
        let measurer = env::current_exe().map_err(ToolError::Own)?;
        let target = measurer.parent().and_then(Path::parent);
        let target = target.ok_or_else(|| ToolError::NotInTarget(measurer.clone()))?;
        let arguments = [
            "build",
            "--quiet",
            "--release",
            "--locked",
            "--package=kconv",
            "--package=kconv-codegen",
            "--features=kconv/openpgp",
        ];
        cargo(
            Command::new(program()).args(arguments).current_dir(root),
            &arguments.join(" "),
        )?;
        Ok(Programs {
            kconv: target.join("release/kconv"),
            generator: target.join("release/kconv-gen"),
            target: target.to_owned(),
            measurer,
        })
    }

    /// `b3sum`: the one that is installed, or one that is built into the target folder now.
    ///
    /// # Errors
    /// If there is none and none can be built.
    pub fn b3sum(&self) -> Result<PathBuf, ToolError> {
        let tools = self.target.join("tools");
        let own = tools.join("bin/b3sum");
        if let Some(found) = on_path("b3sum").or_else(|| own.is_file().then(|| own.clone())) {
            return Ok(found);
        }
        let mut command = Command::new(program());
        command.args(["install", "--quiet", "--locked", "--root"]);
        command.arg(&tools).arg("b3sum");
        cargo(&mut command, "install b3sum")?;
        Ok(own)
    }
}

/// The program of this name on the search path.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|place| place.is_file())
}

/// The first line that a program says of its version; nothing if it says none.
pub fn version(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let said = said.unwrap_or_default();
    said.lines().next().unwrap_or_default().trim().to_owned()
}

fn program() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"))
}

fn cargo(command: &mut Command, arguments: &str) -> Result<(), ToolError> {
    let failed = |why| ToolError::Cargo {
        arguments: arguments.to_owned(),
        why,
    };
    let output = command
        .output()
        .map_err(|error| failed(error.to_string()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(
            String::from_utf8_lossy(&output.stderr)
                .trim_end()
                .to_owned(),
        )),
    }
}
