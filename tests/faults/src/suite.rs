//! The tests of one crate, run by cargo in a copy of the source tree.

use crate::list::{Judge, UNIT_TESTS};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Which parts of the state a test in a machine looks at (tests/guests/tests/thaw/parts.rs).
const PARTS: &str = "KCONV_GUEST_PARTS";

/// What a line begins with in which a test in a machine says what is wrong.
const WRONG: &str = "wrong: ";

/// How long tests may run that need the time `usual` without a fault: it only ends what hangs.
pub fn patience(usual: Duration) -> Duration {
    usual * 10 + Duration::from_secs(120)
}

/// Runs the tests of crates.
#[derive(Debug)]
pub struct Suite {
    /// The copy of the source tree.
    pub tree: PathBuf,
    /// Where cargo builds.
    pub target: PathBuf,
    /// Where the output of the last command goes.
    pub log: PathBuf,
    /// Where tests look for packages of kernels, which are not downloaded for every copy.
    pub kernels: PathBuf,
}

/// What came of running tests.
#[derive(Clone, Debug)]
pub struct Run {
    /// How they ended.
    pub outcome: Outcome,
    /// How long they ran, without what it took to build them.
    pub time: Duration,
}

/// How tests ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All passed.
    Passed,
    /// These failed, in the order in which they were told; perhaps only the first of them.
    Failed(Vec<String>),
    /// They did not end in time.
    Hung,
    /// There is nothing to run: what the compiler said first.
    NotBuilt(String),
}

impl Suite {
    /// Builds and runs tests of `package`, with all that it can be built with: the `targets`, or all if there are none. They are ended
    /// after `limit`.
    ///
    /// # Errors
    /// If cargo cannot be started or its output not be kept.
    pub fn run(&self, package: &str, targets: &[String], limit: Duration) -> io::Result<Run> {
        let mut arguments = vec!["test", "--locked", "--all-features", "--package", package];
        for target in targets {
            match target.as_str() {
                UNIT_TESTS => arguments.push("--lib"),
                target => arguments.extend(["--test", target]),
            }
        }
        let (status, time) = self.cargo(&arguments, None, limit)?;
        let outcome = match status {
            None => Outcome::Hung,
            Some(status) if status.success() => Outcome::Passed,
            Some(_) => {
                let output = self.output()?;
                match has_begun(&output) {
                    true => Outcome::Failed(failed(&output)),
                    false => Outcome::NotBuilt(first_error(&output)),
                }
            }
        };
        Ok(Run { outcome, time })
    }

    /// Builds and runs the test of a judge, of some parts of the state, with commas between. It is ended after `limit`.
    ///
    /// A test that fails found what it says is wrong; if it says nothing of that, something else kept it from its end.
    ///
    /// # Errors
    /// If cargo cannot be started or its output not be kept.
    pub fn judge(&self, judge: &Judge, parts: &str, limit: Duration) -> io::Result<Run> {
        let Judge {
            package,
            target,
            test,
        } = judge;
        let arguments = [
            "test",
            "--locked",
            "--package",
            package,
            "--test",
            target,
            "--",
            "--nocapture",
            "--exact",
            test,
        ];
        let (status, time) = self.cargo(&arguments, Some(parts), limit)?;
        let outcome = match status {
            None => Outcome::Hung,
            Some(status) => {
                let output = self.output()?;
                match status.success() {
                    // A name that no test has is no test that passes.
                    true if !output.contains("test result: ok. 1 passed") => {
                        Outcome::NotBuilt(format!("there is no test {test}"))
                    }
                    true => Outcome::Passed,
                    false => match wrong(&output) {
                        lines if lines.is_empty() => Outcome::NotBuilt(first_error(&output)),
                        lines => Outcome::Failed(lines),
                    },
                }
            }
        };
        Ok(Run { outcome, time })
    }

    /// What the last command printed.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn output(&self) -> io::Result<String> {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Runs cargo, and says how long tests ran; no status if they did not end within `limit`.
    /// Building takes what it takes: it ends by itself.
    fn cargo(
        &self,
        arguments: &[&str],
        parts: Option<&str>,
        limit: Duration,
    ) -> io::Result<(Option<ExitStatus>, Duration)> {
        let log = File::create(&self.log)?;
        let mut child = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(arguments)
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.target)
            // Nobody debugs these, and without it they are built and linked in half the time.
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            // One crate is built over and over, with a line changed.
            .env("CARGO_INCREMENTAL", "1")
            .env("CARGO_TERM_COLOR", "never")
            .env("KCONV_KERNELS", &self.kernels)
            // A snapshot that differs is a failure, and nothing else.
            .env("INSTA_UPDATE", "no")
            .env("INSTA_FORCE_PASS", "0")
            .env_remove("KCONV_BLESS")
            .env_remove(PARTS)
            .envs(parts.map(|parts| (PARTS, parts)))
            // What cargo says to the program that it runs is meant for that alone.
            .env_remove("CARGO_MANIFEST_DIR")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()?;
        let mut start = None;
        loop {
            let status = child.try_wait()?;
            if start.is_none() && has_begun(&self.output()?) {
                start = Some(Instant::now());
            }
            let time = start.map_or(Duration::ZERO, |start| start.elapsed());
            if status.is_some() {
                return Ok((status, time));
            }
            if time > limit {
                killpg(Pid::from_raw(child.id() as i32), Signal::SIGKILL)?;
                child.wait()?;
                return Ok((None, time));
            }
            sleep(Duration::from_millis(50));
        }
    }
}

/// Whether cargo has built everything and begun to run tests.
fn has_begun(output: &str) -> bool {
    let begins = |line: &str| {
        let line = line.trim_start();
        line.starts_with("Running ") || line.starts_with("Doc-tests ")
    };
    output.lines().any(begins)
}

/// The lines in which a program that knows its own state, or the test that runs it, says what is wrong.
pub fn wrong(output: &str) -> Vec<String> {
    let lines = output.lines().map(str::trim);
    let wrong = lines.filter(|line| line.starts_with(WRONG) || line.contains(": WRONG"));
    wrong.map(str::to_owned).collect()
}

/// The line of those that is of a part of the state.
pub fn wrong_of<'a>(lines: &'a [String], part: &str) -> Option<&'a String> {
    lines.iter().find(|line| {
        let rest = line.strip_prefix(WRONG);
        let rest = rest.and_then(|rest| rest.strip_prefix(part));
        rest.is_some_and(|rest| rest.starts_with(':'))
    })
}

/// Names of the tests that failed, by what the test runner printed.
pub fn failed(output: &str) -> Vec<String> {
    let line = |line: &str| {
        let name = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
        Some(name.trim_end_matches(" - should panic").to_owned())
    };
    let failed: Vec<String> = output.lines().filter_map(line).collect();
    match failed.is_empty() {
        false => failed,
        // A test program that ended before it could tell.
        true => vec![String::from("(a test program ended early)")],
    }
}

/// The first error of the compiler.
pub fn first_error(output: &str) -> String {
    let mut lines = output.lines().filter(|line| line.starts_with("error"));
    lines.next().unwrap_or("cargo failed").to_owned()
}
