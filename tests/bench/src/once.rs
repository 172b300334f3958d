//! One run of a program, measured whole: by a process of its own, which has no other child.
//!
//! What a process took is asked of the kernel as that of all children (getrusage(2)), so there may be but one. And it
//! has to be a small process that starts it: until the new program is there, the memory of the one that starts it
//! counts as the child's (fs/exec.c: exec_mmap).

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// What a run took.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// From before the program was started to when it had ended.
    pub wall: Duration,
    /// Of all CPUs, in the program and for it in the kernel.
    pub cpu: Duration,
    /// The most memory that it had at once, in bytes, pages of files that it mapped included.
    pub peak: u64,
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [wall, cpu] = [self.wall, self.cpu].map(|time| time.as_nanos());
        write!(f, "{wall} {cpu} {}", self.peak)
    }
}

impl FromStr for Usage {
    type Err = RunError;

    fn from_str(text: &str) -> Result<Usage, RunError> {
        let numbers: Vec<u64> = text
            .split_whitespace()
            .map_while(|n| n.parse().ok())
            .collect();
        match numbers.as_slice() {
            [wall, cpu, peak] => Ok(Usage {
                wall: Duration::from_nanos(*wall),
                cpu: Duration::from_nanos(*cpu),
                peak: *peak,
            }),
            _ => Err(RunError::Unclear {
                said: text.to_owned(),
            }),
        }
    }
}

/// Why a run says nothing.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not be started, or waited for.
    #[error("{program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It failed, and so did not do what was to be measured.
    #[error("{command} failed: {said}")]
    Failed {
        /// What was run.
        command: String,
        /// What it wrote to its standard error.
        said: String,
    },
    /// The process that measures said something else than three numbers.
    #[error("what a run took was told as {said:?}, which are no three numbers")]
    Unclear {
        /// What it said.
        said: String,
    },
}

/// Runs a command to its end, as the only child of this process. Its output is thrown away.
///
/// # Errors
/// If it cannot be run, or fails.
pub fn here(command: &[OsString]) -> Result<Usage, RunError> {
    let (program, arguments) = match command {
        [program, arguments @ ..] => (program.as_os_str(), arguments),
        [] => (OsStr::new(""), command),
    };
    let failed = |source| RunError::Start {
        program: program.display().to_string(),
        source,
    };
    let began = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .status()
        .map_err(failed)?;
    let wall = began.elapsed();
    if !status.success() {
        return Err(RunError::Failed {
            command: shown(command),
            said: status.to_string(),
        });
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|error| failed(error.into()))?;
    let cpu = [usage.user_time(), usage.system_time()];
    let cpu = cpu.map(|time| Duration::from_micros(time.num_microseconds().unsigned_abs()));
    Ok(Usage {
        wall,
        cpu: cpu.iter().sum(),
        // In KiB (getrusage(2)).
        peak: usage.max_rss().unsigned_abs() * 1024,
    })
}

/// Has `measurer`, which is this program, run a command and say what it took.
///
/// # Errors
/// As [`here`].
pub fn apart(measurer: &Path, command: &[OsString]) -> Result<Usage, RunError> {
    let output = Command::new(measurer)
        .arg("once")
        .arg("--")
        .args(command)
        .output();
    let output = output.map_err(|source| RunError::Start {
        program: measurer.display().to_string(),
        source,
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(RunError::Failed {
            command: shown(command),
            said: said.trim_end().to_owned(),
        });
    }
    String::from_utf8_lossy(&output.stdout).parse()
}

fn shown(command: &[OsString]) -> String {
    let words = command.iter().map(|word| word.to_string_lossy());
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_took_is_told_and_understood() {
        let usage = Usage {
            wall: Duration::from_millis(1500),
            cpu: Duration::from_micros(7),
            peak: 4096,
        };
        assert_eq!(usage.to_string().parse::<Usage>().unwrap(), usage);
        for said in ["", "1 2", "1 2 x", "1 2 3 4"] {
            assert!(
                matches!(said.parse::<Usage>(), Err(RunError::Unclear { .. })),
                "{said}"
            );
        }
    }

    #[test]
    fn what_fails_was_not_measured() {
        let failed = here(&["false".into()]);
        assert!(matches!(failed, Err(RunError::Failed { .. })), "{failed:?}");
        let missing = here(&["/nonexistent/program".into()]);
        assert!(
            matches!(missing, Err(RunError::Start { .. })),
            "{missing:?}"
        );
    }
}
